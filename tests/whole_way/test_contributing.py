"""CONTRIBUTING.md, SECURITY.md and docs/: the map is complete, each file that is named is there, each command works."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def _starting_with(*words: str) -> list[list[str]]:
    """The commands that begin with these words, without them."""
    parts = [shlex.split(part) for line in COMMANDS for part in line.split("&&")]
    return [part[len(words) :] for part in parts if tuple(part[: len(words)]) == words]


def test_the_map_has_every_folder():
    """The map has a line for each folder of the package and of what surrounds it, and for no other."""
    named = set(re.findall(r"^\| `([^`]+)/` \|", PAGE, re.MULTILINE))
    inside = {path.parent for path in (ROOT / "cave_magic").rglob("*.py")} - {ROOT / "cave_magic"}
    mirrored = {path.name for path in (ROOT / "cave_magic").iterdir()}
    around = {path.parent for path in (ROOT / "tests").glob("*/*.py") if path.parent.name not in mirrored}
    folders = {*inside, *around, ROOT / "tests", ROOT / "docs", ROOT / "notebooks"}
    assert named == {path.relative_to(ROOT).as_posix() for path in folders}


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_each_file_that_is_named_is_there(page: str):
    """Each path and each link leads to a file or a folder of the repository."""
    text = (ROOT / page).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:cave_magic|tests|docs|notebooks|\.ci)/[^`\s]*)`", text)
    links = [(ROOT / page).parent / one for one in re.findall(r"\]\((?!https?:)([^)#]+)\)", text)]
    assert len(paths) >= 5
    missing = [one for one in paths if "NAME" not in one and not (ROOT / one).exists()]
    assert [*missing, *(str(one) for one in links if not one.exists())] == []


def test_set_up_takes_two_commands():
    """The first makes an environment with extras that exist, the second is a program of one of them."""
    first, second = COMMANDS[:2]
    assert first.startswith("python3 -m venv .venv && .venv/bin/python -m pip install ")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ((extras),) = re.findall(r'"\.\[([\w,]+)\]"', first)
    assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras.split(","))
    assert second == ".venv/bin/pre-commit install"
    assert '"pre-commit>=' in project


@pytest.mark.skipif(shutil.which("pre-commit", path=str(Path(sys.executable).parent)) is None, reason="not installed")
def test_the_hooks_can_be_installed(tmp_path: Path):
    """`pre-commit install` works in a fresh repository with this configuration, which is valid."""
    program = str(Path(sys.executable).parent / "pre-commit")
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path)
    for command in (["git", "init", "-q"], [program, "validate-config"], [program, "install"]):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=100)
    assert (tmp_path / ".git" / "hooks" / "pre-commit").is_file()


@pytest.mark.parametrize("arguments", _starting_with(".venv/bin/python", "-m", "pytest"), ids=" ".join)
def test_a_part_of_the_tests_can_be_run(arguments: list[str]):
    """Each line that runs a part of the tests finds some."""
    command = [sys.executable, "-m", "pytest", *arguments, "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout[-500:]


def test_each_session_of_nox_exists():
    """Each `nox -s NAME` is a session of noxfile.py."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    sessions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(re.findall(r"nox -s (\w+)", PAGE)) <= sessions
    assert _starting_with(".venv/bin/nox", "-s")


def test_the_page_is_short():
    """Somebody who is new reads the page in ten minutes."""
    assert len(PAGE.splitlines()) <= 150
