"""The README: its lines run, its outputs are real, and its files exist."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.cli import main as sandbox_cli
from cave_magic.sandbox.console import obey

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [(found[1], found[2].rstrip("\n")) for found in re.finditer(r"```(\w+)\n(.*?)```", README, re.DOTALL)]
PYTHON = [text for language, text in BLOCKS if language == "python"]


def under(heading: str) -> str:
    """The text under a heading of the README."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", README, re.DOTALL | re.MULTILINE)
    assert found, heading
    return found[1]


def command(heading: str) -> list[list[str]]:
    """The one-line command under a heading, as words, cut at `&&`."""
    (line,) = re.findall(r"```sh\n(.*)\n```", under(heading))
    return [shlex.split(part) for part in line.split("&&")]


def block(with_text: str) -> str:
    """The Python block that has a text in it."""
    (found,) = [text for text in PYTHON if with_text in text]
    return found


def point_at(run: Any, cave: Sandbox) -> None:
    """Makes the shell's default server the practice server."""
    assert run(f'%config CaveMagics.server = "{cave.server}"').error == ""


# ---------------------------------------------------------------- the two commands


@pytest.mark.parametrize("heading", ["Try it", "Run the tests"])
def test_a_command_is_one_line_for_an_empty_environment(heading: str):
    """Each of the two commands makes an environment, installs this folder with an extra, and runs a module."""
    make, install, run = command(heading)
    assert make == ["python3", "-m", "venv", ".venv"]
    assert install[:4] == [".venv/bin/python", "-m", "pip", "install"]
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


def test_the_settings_can_be_set(run: Any, shell: Any):
    """The three settings work as written, and there are no others."""
    assert run(block("%config")).error == ""
    (magics,) = [one for one in shell.configurables if type(one).__name__ == "CaveMagics"]
    names = re.findall(r"CaveMagics\.(\w+) =", block("%config"))
    assert sorted(names) == sorted(magics.class_own_traits(config=True))
    assert (magics.datastack, magics.timeout) == ("v1dd_public", 20)


def test_the_configuration_file_loads_the_magics(home: Path):
    """With the lines of "Load it by default" a fresh IPython has the magics and the setting."""
    config = home / ".ipython" / "profile_default" / "ipython_config.py"
    config.parent.mkdir(parents=True)
    config.write_text(block("InteractiveShellApp"))
    code = "get_ipython().run_line_magic('config', 'CaveMagics.datastack')"
    fresh = [sys.executable, "-m", "IPython", "--no-banner", "--HistoryManager.enabled=False", "-c", code]
    done = subprocess.run(fresh, capture_output=True, text=True, timeout=60, check=True)
    assert "v1dd_public" in done.stdout


# ---------------------------------------------------------------- batch runs


def test_the_batch_cell_works_and_fails_when_it_should(cave: Sandbox, run: Any, monkeypatch: pytest.MonkeyPatch):
    """The cell for batch runs saves and checks; with the service down it fails."""
    point_at(run, cave)
    monkeypatch.setenv("CAVE_TOKEN", cave.new_token("ada"))
    assert run(block("--strict")).error == ""
    cave.misbehave("info", "down")
    assert run(block("--strict")).error == "CheckFailed"


def test_the_script_prints_what_is_written(set_up: str):
    """The script of the README prints the output of the README."""
    assert output_of(block("import cave_magic\n")) == shown_after(block("import cave_magic\n"))


def test_the_practice_server_in_a_test_prints_what_is_written():
    """The example for tests prints the output of the README."""
    assert output_of(block("Sandbox()")) == shown_after(block("Sandbox()"))


def output_of(code: str) -> str:
    """What a piece of Python prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "README.md", "exec"), {})
    return out.getvalue().strip()


def shown_after(code: str) -> str:
    """The output that the README shows after a piece of Python."""
    language, text = BLOCKS[BLOCKS.index(("python", code)) + 1]
    assert language == "text"
    return text


# ---------------------------------------------------------------- the rest


def test_what_is_typed_at_the_practice_server_is_understood():
    """The console takes the lines that the README names."""
    with Sandbox() as cave:
        for line in re.findall(r"`(info silent|withdraw [^`]+|help)`", under("A practice server")):
            assert "neither a command nor" not in obey(cave, line)
        assert cave.misbehaving == {"info": "silent"}


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


def test_the_table_of_the_benchmark_is_the_one_that_was_measured():
    """The README shows the table that the benchmark wrote last, and the pictures are there."""
    folder = ROOT / "tests" / "benchmarks"
    assert (folder / "results.md").read_text(encoding="utf-8") in README
    assert all((folder / f"results-{theme}.svg").is_file() for theme in ("light", "dark"))
