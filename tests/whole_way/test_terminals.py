"""The magics in a real terminal: a person types into IPython and reads the output."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

from ..support.waiting import LONG, until

pexpect = pytest.importorskip("pexpect", reason="a terminal can only be acted on systems that have one")
if sys.platform == "win32":
    pytest.skip("pexpect has no terminals on Windows", allow_module_level=True)

PROMPT = r"\r\nIn \[\d+\]: "
LEFT_OUT = ("CAVE", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHON")
CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b\]8;[^\x1b]*\x1b\\|\r")


IPYTHON = ("IPython", "--no-banner", "--no-confirm-exit", "--colors=NoColor")
CONSOLE = ("jupyter_console", "--no-confirm-exit")


class Terminal:
    """IPython in a terminal, or another program with the same kind of prompt."""

    def __init__(self, home: Path, env: dict[str, str], columns: int, simple: bool, program: tuple[str, ...]) -> None:
        whole = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
        whole |= {"HOME": str(home), "IPYTHONDIR": str(home / ".ipython"), "TERM": "xterm-256color"}
        whole |= {"PROMPT_TOOLKIT_NO_CPR": "1"} | env
        command = ["-m", *program, *(["--simple-prompt"] if simple else [])]
        self.child = pexpect.spawn(
            sys.executable, command, env=whole, dimensions=(40, columns), encoding="utf-8", timeout=60
        )
        self.child.expect(r"In \[1\]:")

    def start(self, line: str) -> None:
        """Types a line and presses Enter."""
        self.child.sendline(line)

    def sees(self, pattern: str) -> str:
        """Waits for a text; returns the output so far."""
        self.child.expect(pattern)
        return CODES.sub("", str(self.child.before) + str(self.child.after))

    def answer(self, prompt: str, text: str) -> str:
        """Waits for a prompt and answers it; returns the output before it."""
        said = self.sees(prompt)
        self.child.sendline(text)
        return said

    def end(self) -> str:
        """Waits for the next IPython prompt; returns the output before it."""
        self.child.expect(PROMPT)
        return CODES.sub("", str(self.child.before))

    def run(self, line: str) -> str:
        """Runs a line; returns its output."""
        self.start(line)
        return self.end().partition("\n")[2]


Start = Callable[..., Terminal]


@pytest.fixture
def terminal(home: Path, cave: Sandbox) -> Iterator[Start]:
    """Starts terminals in the test's home, whose CAVE server is the practice server."""
    profile = home / ".ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    settings = f'c.InteractiveShellApp.extensions = ["cave_magic"]\nc.CaveMagics.server = "{cave.server}"\n'
    settings += f"c.CaveMagics.timeout = {LONG}\n"  # within which also a busy computer imports caveclient
    for name in ("ipython_config.py", "ipython_kernel_config.py"):
        (profile / name).write_text(settings)
    children = []

    def start(columns: int = 80, simple: bool = True, program: tuple[str, ...] = IPYTHON, **env: str) -> Terminal:
        started = Terminal(home, env, columns, simple, program)
        children.append(started.child)
        return started

    yield start
    for child in children:
        with suppress(pexpect.ExceptionPexpect):  # a busy computer takes longer than 0.1 s to end what was killed
            child.close(force=True)


def test_a_new_person_pastes_a_token_and_is_at_work(terminal: Start, cave: Sandbox):
    """`%cave_setup new` over ssh: links, a hidden prompt, a wrong answer, the right one, the card; then CAVEclient answers."""
    token = cave.new_token("ada")
    person = terminal()
    person.start("%cave_setup new")
    said = person.answer(r"[Tt]oken \(hidden[^)]*\): ", "abc")
    assert f"   {cave.server}/sticky_auth/api/v1/authorize?redirect=http://127.0.0.1:" in said
    assert f"{cave.server}/sticky_auth/settings/tokens\n" in said
    assert "This is not a token" in person.answer(r"[Tt]oken \(hidden[^)]*\): ", token)
    said = person.end()
    assert "You are set up." in said
    assert token not in said
    line = next(one for one in said.splitlines() if "CAVEclient(" in one)
    assert person.run(line.partition("with: ")[2] or line).strip() == ""
    assert "minnie65_public" in person.run("client.info.datastack_name")


def test_a_typed_token_does_not_come_back_and_is_named_before_it_is_replaced(terminal: Start, cave: Sandbox):
    """`%cave_save <token>` works; the history shows the mask.

    `%cave_setup existing` asks first; anything but yes leaves everything as it was.
    """
    token = cave.new_token("ada")
    person = terminal()
    assert "You are set up." in person.run(f"%cave_save {token}")
    said = person.run("%history")
    assert "%cave_save ****" in said
    assert token not in said
    person.start("%cave_setup existing")
    assert "Ada Example" in person.answer(r"Replace that token\? \[y/N\] ", "n")
    assert "Nothing was changed" in person.end()
    person.start("%cave_setup existing")
    person.answer(r"\[y/N\] ", "y")
    person.answer(r"[Tt]oken \(hidden[^)]*\): ", cave.new_token("alice"))
    assert "Alice Example" in person.end()


def test_a_fault_is_named_and_fixed(terminal: Start, cave: Sandbox, set_up: str):
    """`%cave_check` names unsigned terms and the page; once they are accepted it turns green by itself."""
    cave.withdraw_terms("ada", "minnie65_public")
    cave.forget()
    person = terminal()
    person.start("%cave_check")
    said = person.sees("this goes on by itself")
    assert re.search(r"✘ failed +terms", said)
    assert f"{cave.server}/sticky_auth/api/v1/tos/2/accept" in said
    cave.accept_terms("ada", "minnie65_public")
    assert "All well." in person.end()
    assert "Ada Example" in person.run("%cave_whoami")


def test_waiting_is_shown_in_place_and_can_be_stopped(terminal: Start, cave: Sandbox, set_up: str):
    """While the server is slow, one line names the host; it is removed at the end.

    Ctrl-C during a wait gives one error line, and IPython continues; so it does in a terminal that can do little.
    """
    cave.misbehave("auth", "silent")
    person = terminal()
    person.start("%cave_check")
    person.sees(r"\r\x1b\[2Kwaiting for 127\.0\.0\.1:\d+ … \d+ s")
    cave.behave()
    person.child.expect(PROMPT)
    rest = str(person.child.before)
    assert "All well" in rest
    assert "waiting" not in rest.rpartition("\x1b[2K")[2]
    cave.misbehave("all", "silent")
    for one in (person, terminal(TERM="dumb")):
        cave.clear_requests()
        one.start("%cave_check --timeout 60")
        until(lambda: any(record.status is None for record in cave.requests))
        one.child.sendintr()
        assert one.end().rstrip().splitlines()[-1] == "Stopped. Nothing was changed."
        assert one.run("1 + 1").strip().endswith("2")


def test_control_c_and_enter_end_a_prompt_in_one_line(terminal: Start):
    """Ctrl-C at the hidden prompt cancels, and so does answering nothing."""
    person = terminal()
    person.start("%cave_save")
    person.sees(r"[Tt]oken \(hidden[^)]*\): ")
    person.child.sendintr()
    assert person.end().rstrip().splitlines()[-1] == "Cancelled. Nothing was changed."
    person.start("%cave_save")
    person.answer(r"[Tt]oken \(hidden[^)]*\): ", "")
    assert person.end().rstrip().splitlines()[-1] == "Cancelled. Nothing was changed."


def test_every_page_fits_the_window(terminal: Start, cave: Sandbox, set_up: str):
    """In narrow and usual windows, with colour and without, only lines to click or copy are longer than the window.

    After it is made wider, tables use it, whatever `COLUMNS` said when IPython started.
    """
    cave.withdraw_terms("ada", "minnie65_public")
    cave.forget()
    person = terminal(60, COLUMNS="60")
    for columns, setting in ((60, ""), (60, "TERM=dumb"), (80, "NO_COLOR=1")):
        person.child.setwinsize(40, columns)
        if setting:
            person.run(f"%env {setting}")
        for line in ("%cave_check -v minnie65_public secret_ds", "%cave_whoami", "%cave_setup"):
            person.start(line)
            said = ""
            if line == "%cave_setup":
                said = person.sees(r"stop\s+waiting,")
                person.child.sendcontrol("c")
            said = (said + person.end()).partition("\n")[2]
            long = [one for one in said.splitlines() if len(one) > columns]
            assert [one for one in long if "http" not in one and "CAVEclient(" not in one] == []
            assert not re.search(r"[ \t]$", said.rstrip(), re.MULTILINE)
    person.child.setwinsize(40, 140)
    rows = person.run("%cave_check minnie65_public secret_ds").splitlines()
    assert [len(one) > 88 for one in rows if "missing_permission" in one] == [True]


def test_tab_completes_in_the_terminal(terminal: Start):
    """Tab completes the one datastack that begins so."""
    person = terminal(simple=False)
    person.child.send("%cave_check minnie35")
    person.sees("35")
    person.child.send("\t")
    person.sees("_public_v0")


def _piped(home: Path, cave: Sandbox, lines: str, *arguments: str) -> Any:
    env = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    code = [
        "--colors=NoColor",
        "--ext",
        "cave_magic",
        f"--CaveMagics.server={cave.server}",
        f"--CaveMagics.timeout={LONG}",
        *arguments,
    ]
    return subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", *code],
        input=lines, env=env, cwd=home, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_nobody_is_asked_where_nobody_is_there(home: Path, cave: Sandbox):
    """With a pipe or `-c` the error comes at once and names the command that works there."""
    for done in (_piped(home, cave, "%cave_setup new\n"), _piped(home, cave, "", "-c", "%cave_save")):
        assert "%cave_save --from-env CAVE_TOKEN" in done.stdout + done.stderr
        assert "hidden" not in done.stdout


def test_a_pipe_gets_no_escape_codes(home: Path, cave: Sandbox, set_up: str):
    """Output piped into a file is plain text."""
    done = _piped(home, cave, "", "-c", "%cave_check")
    assert "All well." in done.stdout
    assert "\x1b" not in done.stdout


# ---------------------------------------------------------------- jupyter console: a kernel behind a terminal


@pytest.fixture
def console(terminal: Start, home: Path) -> Terminal:
    """A `jupyter console`, which drops updates of what it shows."""
    pytest.importorskip("jupyter_console")
    quiet = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # on a busy machine the kernel's debugger warns in the first cell
    return terminal(100, program=CONSOLE, JUPYTER_RUNTIME_DIR=str(home / "runtime"), **quiet)


def test_a_jupyter_console_shows_the_report_after_a_wait(console: Terminal, cave: Sandbox, set_up: str):
    """A slow check leaves one waiting line and the report; Ctrl-C during a wait leaves one line."""
    cave.misbehave("auth", "silent")
    console.start("%cave_check")
    console.sees(r"waiting for 127\.0\.0\.1:\d+ …\r?\n")
    cave.behave()
    said = console.end()
    assert said.lstrip().startswith("CAVE check: ")
    assert "All well." in said
    assert "Ada Example" in console.run("%cave_whoami")
    cave.misbehave("auth", "silent")
    console.start("%cave_check --timeout 60")
    console.sees("waiting for")
    console.child.sendintr()
    assert "Stopped. Nothing was changed." in console.end()


def test_a_new_person_pastes_a_token_in_a_jupyter_console(console: Terminal, cave: Sandbox):
    """The guide, the hidden prompt, the page after a wrong answer and the card all appear."""
    console.start("%cave_setup new")
    assert f"{cave.server}/sticky_auth/settings/tokens" in console.answer(r"[Tt]oken \(hidden[^)]*\): ", "abc")
    cave.misbehave("auth", "slow:1.1")
    assert "This is not a token" in console.answer(r"[Tt]oken \(hidden[^)]*\): ", cave.new_token("ada"))
    said = console.end()
    assert "You are set up." in said
    assert "Ada Example" in said
    console.start("%cave_save")
    console.sees(r"[Tt]oken \(hidden[^)]*\): ")
    console.child.sendintr()
    while console.child.expect([PROMPT, pexpect.TIMEOUT], timeout=10):
        console.child.sendintr()  # Python's own prompt misses one that comes just before it waits for a key
    assert "Cancelled. Nothing was changed." in console.child.before
