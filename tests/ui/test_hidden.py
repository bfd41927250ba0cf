"""The hidden prompt of a terminal, in a real one."""

from __future__ import annotations

import ast
import os
import signal
import sys

import pytest

pexpect = pytest.importorskip("pexpect", reason="a terminal can only be acted on systems that have one")
if sys.platform == "win32":
    pytest.skip("pexpect has no terminals on Windows", allow_module_level=True)

_LONGER = 10
"""Tenths of a second within which the next part of a long paste arrives also on a busy computer."""
_ELSEWHERE = (
    "import signal, threading, time; threading.Thread(target=time.sleep, args=[600], daemon=True).start(); "
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCONT])"
)
"""What has another thread receive the signal, so that it interrupts nothing in this one."""
_PROGRAM = "from cave_magic.ui.hidden import read_hidden; print(repr(read_hidden('Token: '))); print(input('Next: '))"


@pytest.mark.parametrize(
    "pasted",
    [
        "abc\n",
        '{\n  "token": "abc"\n}\n',
        '{\n  "token": "abc"\n}',
        "\nabc\n",
        "\n",
        "one\r\ntwo\r\n",
        "é\n",
        "a" * 9000,
    ],
)
def test_a_paste_of_several_lines_is_taken_whole(pasted):
    """A file that is pasted, with or without its last line break, is read at once, not shown, and leaves no line."""
    program = f"import cave_magic.ui.hidden; cave_magic.ui.hidden._PAUSE = {_LONGER}; {_PROGRAM}"
    is_long = len(pasted) > 4000  # more than a terminal takes at once
    child = pexpect.spawn(sys.executable, ["-c", program if is_long else _PROGRAM], encoding="utf-8", timeout=60)
    child.expect("Token: ")
    child.send(pasted if "\n" in pasted else f"{pasted[:4000]}\n{pasted[4000:8000]}\n{pasted[8000:]}")
    child.expect(r"(.*)Next: ")
    read = ast.literal_eval(child.match[1].strip())
    child.sendline("5")
    child.expect(pexpect.EOF)
    assert read.split() == pasted.split() or read.replace("\n", "") == pasted
    assert child.before.split() == ["5", "5"]


@pytest.mark.parametrize(("key", "error"), [("\x03", "KeyboardInterrupt"), ("\x04", "EOFError")])
def test_a_hidden_prompt_can_be_left(key, error):
    """Ctrl-C and Ctrl-D end it, and what is typed next is visible again."""
    program = (
        f"from cave_magic.ui.hidden import read_hidden\ntry: read_hidden('Token: ')\nexcept {error}: input('Next: ')"
    )
    child = pexpect.spawn(sys.executable, ["-c", program], encoding="utf-8", timeout=60)
    child.expect("Token: ")
    child.send(key)
    child.expect("Next: ")
    child.sendline("5")
    child.expect(pexpect.EOF)
    assert child.before.split() == ["5"]


@pytest.mark.parametrize("program", [_PROGRAM, f"{_ELSEWHERE}; {_PROGRAM}"], ids=["interrupted", "not interrupted"])
def test_what_is_typed_stays_hidden_after_the_prompt_was_suspended(program):
    """After Ctrl-Z, a shell makes the terminal visible; `fg` continues the program, which hides and asks again.

    This also holds if the signal interrupts nothing, as one that comes just before the program begins to wait.
    """
    child = pexpect.spawn(sys.executable, ["-c", program], encoding="utf-8", timeout=60)
    child.expect("Token: ")
    child.setecho(True)
    os.kill(child.pid, signal.SIGCONT)
    child.expect("Token: ")
    child.sendline("abc")
    child.expect("(.*)Next: ")
    assert ast.literal_eval(child.match[1].strip()) == "abc\n"
    child.sendline("5")
    child.expect(pexpect.EOF)
    assert child.before.split() == ["5", "5"]


def test_a_terminal_that_is_closed_is_no_answer(tmp_path):
    """A window that is closed, or a connection that breaks, ends the prompt like Ctrl-D."""
    os.mkfifo(tmp_path / "said")
    program = (
        "import signal\nfrom cave_magic.ui.hidden import read_hidden\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "try: read_hidden('Token: ')\n"
        f"except BaseException as error: open({str(tmp_path / 'said')!r}, 'w').write(type(error).__name__)"
    )
    child = pexpect.spawn(sys.executable, ["-c", program], timeout=60)
    child.expect("Token: ")
    child.ptyproc.fileobj.close()  # not by its number, which pexpect would close once more when another file has it
    assert (tmp_path / "said").read_text() == "EOFError"


def test_what_wraps_getpass_is_called():
    """What replaces `getpass.getpass` reads the answer, also under the name of what it replaces."""
    wrap = "import functools, getpass; getpass.getpass = functools.wraps(getpass.getpass)(lambda question: 'abc')"
    child = pexpect.spawn(sys.executable, ["-c", f"{wrap}; {_PROGRAM}"], encoding="utf-8", timeout=60)
    child.expect("'abc'\r\nNext: ")
    child.sendline("5")
    child.expect(pexpect.EOF)
