"""The demo: runs to the end on a terminal, in a pipe and without colour, and reports a step that fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import demo
from cave_magic.sandbox.server import Sandbox
from cave_magic.sandbox.visitor import LostOnThePages, Visitor

pexpect = pytest.importorskip("pexpect", reason="the demo needs a pseudo-terminal")
if sys.platform == "win32":
    pytest.skip("the demo needs a pseudo-terminal", allow_module_level=True)

COMMAND = [sys.executable, "-m", "cave_magic.sandbox", "demo"]
MAGICS = ("%cave_setup new", "%cave_whoami", "%cave_check", "%cave_setup existing", "%cave_save")


@pytest.fixture(scope="module")
def piped(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The demo in an almost empty environment, with an empty home, into a pipe."""
    home = tmp_path_factory.mktemp("empty")
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(Path(demo.__file__).parents[2])}
    done = subprocess.run(COMMAND, env=env, cwd=home, capture_output=True, text=True, timeout=180)
    assert list(home.iterdir()) == []
    return done


def test_it_runs_to_the_end(piped: subprocess.CompletedProcess[str]):
    """Every step works, every magic is shown, stderr is empty, and the last line says what to type yourself."""
    assert (piped.returncode, piped.stderr) == (0, "")
    assert all(magic in piped.stdout for magic in MAGICS)
    assert piped.stdout.rstrip().endswith("whenever something does not work")


def test_in_a_pipe_it_is_plain_text_of_80_columns(piped: subprocess.CompletedProcess[str]):
    """There are no escape codes, and only lines to copy, URLs and other programs' errors are wider."""
    assert "\x1b" not in piped.stdout
    wide = [line for line in piped.stdout.splitlines() if len(line) > 80]
    assert not [line for line in wide if not re.match(r"In \[|HTTPError|.*https?://|.*CAVEclient\(", line)]


def test_the_next_line_is_followed_to_the_letter(piped: subprocess.CompletedProcess[str]):
    """The demo types the line after `Next:`, and the next check finds no problem."""
    named = re.search(r"^Next: (.+)$", piped.stdout, re.MULTILINE)
    assert named is not None
    assert f"]: {named[1]}\n" in piped.stdout[named.end() :]
    assert piped.stdout.count("All well") == 2


def _on_a_terminal(home: Path, **env: str) -> Any:
    """The demo without pauses on a terminal of 80 columns."""
    env |= {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm-256color"}
    env |= {"PYTHONPATH": str(Path(demo.__file__).parents[2])}
    fast = "import sys; from cave_magic.sandbox import demo; sys.exit(demo.main(fast=True))"
    return pexpect.spawn(
        sys.executable, ["-c", fast], env=env, cwd=str(home), dimensions=(40, 80), encoding="utf-8", timeout=180
    )


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
PROMPT = r"In (?:\x1b\[[0-9;]*m)*\[(?:\x1b\[[0-9;]*m)*\d+(?:\x1b\[[0-9;]*m)*\]: "


@pytest.mark.parametrize("is_plain", [False, True], ids=["in colour", "NO_COLOR"])
def test_it_runs_on_a_terminal_until_control_c(tmp_path: Path, is_plain: bool, pytestconfig: pytest.Config):
    """Up to the first card there are colours, but not with NO_COLOR; Ctrl-C ends the demo in one line.

    With `--everything`, the one in colour runs to the end.
    """
    child = _on_a_terminal(tmp_path, **({"NO_COLOR": "1"} if is_plain else {}))
    child.expect(r"You are set up\.")
    shown = str(child.before)
    child.expect(PROMPT)
    shown += str(child.before)
    to_the_end = pytestconfig.getoption("everything") and not is_plain
    if not to_the_end:
        child.sendintr()
    last = child.read()
    child.close()
    assert child.exitstatus == (0 if to_the_end else 130), last[-2000:]
    assert to_the_end or last.rstrip().endswith("Stopped.")
    assert bool(COLOUR.search(shown)) is not is_plain


class Down(Sandbox):
    """A practice server whose pages are down from the start."""

    def start(self) -> Down:
        super().start()
        self.misbehave("/sticky_auth", "down")
        return self


class Late(pexpect.spawn):
    """A program that a busy computer needs more than a tenth of a second to end."""

    def close(self, force: bool = True) -> None:
        super().close(force)
        raise pexpect.ExceptionPexpect("Could not terminate the child.")


@pytest.mark.parametrize("terminal", [pexpect.spawn, Late])
def test_a_failed_step_ends_it_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], terminal: type[Any]
):
    """If a step does not have its effect, the demo names it and returns 1, however long IPython takes to end."""
    monkeypatch.setattr(demo, "Sandbox", Down)
    monkeypatch.setattr(pexpect, "spawn", terminal)
    assert demo.main(fast=True) == 1
    said = capfd.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("The demo failed: ")


def test_on_windows_it_names_the_alternative(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Without pseudo-terminals the demo names the command to try by hand."""
    monkeypatch.setattr(demo.sys, "platform", "win32")
    assert demo.main() == 1
    assert "python -m cave_magic.sandbox ipython" in capsys.readouterr().out


def test_overwritten_text_is_not_shown():
    """The plain text of a terminal has the last state of each line, without colours, links and titles."""
    written = "waiting … 1 s\r\x1b[2Kdone \r\n\x1b]8;id=1;http://a\x1b\\\x1b[4mhttp://a\x1b[0m\x1b]8;;\x1b\\"
    assert demo.plain(written) == "done\nhttp://a"


def test_a_missing_page_is_an_error(cave: Sandbox):
    """An unreachable link, or a page without the form, raises LostOnThePages."""
    with pytest.raises(LostOnThePages, match="has no form"):
        Visitor().make_token(f"{cave.server}/", "x")
    with pytest.raises(LostOnThePages, match="did not open"):
        Visitor().open("http://127.0.0.1:9/")


def test_a_visitor_uses_the_tokens_page(cave: Sandbox):
    """A visitor creates a token, downloads it as a file, and deletes it."""
    visitor, page = Visitor("zoe@lab.example.org", "Zoé"), f"{cave.server}/sticky_auth/settings/tokens"
    token = visitor.make_token(page, "laptop")
    assert [row["token"] for row in cave.tokens("zoe")] == [token]
    assert token in visitor.download_token(page)
    visitor.delete_token(page)
    assert cave.tokens("zoe") == []
