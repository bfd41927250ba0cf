"""The README: its lines run, its outputs are real, and its files exist."""

from __future__ import annotations

import os
import re
import shlex
import stat
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.cli import main as sandbox_cli

from ..support.pages import blocks_of

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PYTHON = [block.text for block in blocks_of(README) if block.language == "python"]


def under(heading: str) -> str:
    """The text under a heading of the README."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[1]


def command(heading: str) -> list[list[str]]:
    """The one-line command under a heading, as words, cut at `&&`."""
    (line,) = re.findall(r"```sh\n(.*)\n```", under(heading))
    return [shlex.split(part) for part in line.split("&&")]


def point_at(run: Any, cave: Sandbox) -> None:
    """Makes the shell's default server the practice server."""
    assert run(f'%config CaveMagics.server = "{cave.server}"').error == ""


# ---------------------------------------------------------------- the two commands


@pytest.mark.parametrize("heading", ["Try it", "Run the tests"])
def test_a_command_is_one_line_for_an_empty_environment(heading: str):
    """Each of the two commands makes an environment, installs this folder with an extra, and runs a module."""
    make, first, *more, run = command(heading)
    install = more[-1] if more else first
    assert make == ["python3", "-m", "venv", ".venv"]
    assert first[:4] == [".venv/bin/python", "-m", "pip", "install"]
    extra = re.search(r"^\.\[(\w+)\]$", install[-1])
    assert extra
    assert re.search(rf"^{extra[1]} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert run[:2] == [".venv/bin/python", "-m"]


def test_the_demo_is_what_is_tried(monkeypatch: pytest.MonkeyPatch):
    """The last part of "Try it" plays the demo."""
    from cave_magic.sandbox import demo

    monkeypatch.setattr(demo, "main", lambda *args, **more: 7)
    module, *arguments = command("Try it")[-1][2:]
    assert module == "cave_magic.sandbox"
    assert sandbox_cli(arguments) == 7


# ---------------------------------------------------------------- what is typed in a notebook


def test_the_first_cell_sets_up(cave: Sandbox, run: Any):
    """The first cell shows the steps, up to a prompt that is not answered here."""
    point_at(run, cave)
    ran = run(PYTHON[0])
    assert ran.error == "NobodyToAsk"
    assert f"{cave.server}/sticky_auth" in ran.out


def test_every_magic_in_the_text_is_understood(shell: Any):
    """The magics accept each `%cave_...` line, and each option beside one in the table."""
    from cave_magic.commands import find_command
    from cave_magic.commands.arguments import read

    lines = re.findall(r"%(cave_\w+)([^`\n]*)", re.sub(r'alt="[^"]*"', "", README))
    for row in re.findall(r"^\| `%(cave_\w+).*\|$", README, re.MULTILINE):
        (whole,) = [line for line in README.splitlines() if line.startswith(f"| `%{row}`")]
        lines += [(row, f" {option}") for option in re.findall(r"`(--?\w[^`]*)`", whole)]
    assert len(lines) > 15
    for name, arguments in lines:
        read(find_command(name), arguments.strip())


def test_every_option_in_the_text_exists(run: Any):
    """Each `--option` of the README is in the help of a magic."""
    helps = "".join(run(f"%{name} -h").out for name in ("cave_setup", "cave_save", "cave_whoami", "cave_check"))
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"(?s)```.*?```", "", README))
    named = {option for span in spans for option in re.findall(r"--[a-z][a-z-]+", span)}
    assert len(named) > 5
    assert sorted(option for option in named if option not in helps) == []


# ---------------------------------------------------------------- the rest


def test_the_comparison_is_true(cave: Sandbox, run: Any, home: Path, monkeypatch: pytest.MonkeyPatch):
    """caveclient saves any text, readable as the umask lets, and answers a token that ended with a 401."""
    from caveclient import CAVEclient
    from caveclient.auth import AuthClient

    before = os.umask(0o022)
    try:
        AuthClient(server_address=cave.server).save_token(token="any text")
    finally:
        os.umask(before)
    (file,) = [one for one in (home / ".cloudvolume" / "secrets").iterdir() if cave.server[7:] in one.name]
    assert "any text" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) & 0o044
    with pytest.raises(Exception, match="401 Client Error: Unauthorized for url"):
        CAVEclient("minnie65_public", server_address=cave.server, write_server_cache=False)
    point_at(run, cave)
    monkeypatch.setenv("CAVE_TOKEN", cave.new_token("ada"))
    assert run("%cave_save --from-env CAVE_TOKEN --overwrite").error == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_every_file_that_is_named_is_there():
    """Links and pictures lead to files of this repository; no picture is heavy."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)|(?:src|srcset)=\"([^\"]+)\"", README)
    paths = [ROOT / (one or other) for one, other in links]
    assert len(paths) >= 5
    assert [path for path in paths if not path.is_file()] == []
    assert all(path.stat().st_size < 150_000 for path in paths if path.suffix == ".png")


def test_the_changelog_names_the_version():
    """CHANGELOG.md is in the form of Keep a Changelog and has a part for what is not released."""
    text = (ROOT / "CHANGELOG.md").read_text()
    assert "## [Unreleased]" in text
    kinds = re.findall(r"^### (.*)$", text, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_python_blocks_are_python():
    """Every Python block compiles once its magics are taken out."""
    for text in PYTHON:
        compile(textwrap.dedent(re.sub(r"(?m)^%.*$", "pass", text)), "README.md", "exec")


def test_the_table_of_the_benchmark_is_shown():
    """The page about speed includes the table that the benchmark wrote last, and its pictures are there."""
    folder, page = ROOT / "tests" / "benchmarks", (ROOT / "docs" / "reference" / "speed.md").read_text(encoding="utf-8")
    assert "include: tests/benchmarks/results.md" in page
    assert "first `CAVEclient(...)`" in (folder / "results.md").read_text(encoding="utf-8")
    assert all((folder / f"results-{theme}.svg").is_file() for theme in ("light", "dark"))


def test_the_page_is_short():
    """The README is short, and its first screen has the pain, the promise, one picture and the line that installs."""
    assert len(README.splitlines()) <= 120
    first = README.partition("%load_ext")[0]
    assert first.count("<picture>") == 1
    assert "403" in first
    assert "```sh\npip install cave-magic\n```" in first
