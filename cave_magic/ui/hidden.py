"""The hidden prompt of a terminal, which takes a paste of several lines, such as a token file."""

from __future__ import annotations

import getpass
import os
import select
import signal
import threading
from contextlib import suppress
from typing import Any

MOST = 200_000
"""Bytes of a paste that are read."""
_PAUSE = 1
"""Tenths of a second without another character after which a paste is over."""
_TURN = 0.1
"""Seconds after which the program looks for a signal that came just before it began to wait."""


def read_hidden(question: str) -> str:
    """Reads a line without showing it, with the lines that are pasted after it, which `getpass` would throw away.

    Without a terminal, on Windows, or if something replaces `getpass.getpass`, it is that function.

    Raises:
        KeyboardInterrupt, EOFError: the person did not answer.
        getpass.GetPassWarning: the answer would be visible, if this warning is an error.
    """
    if getpass.getpass != getattr(getpass, "unix_getpass", None):
        return getpass.getpass(question)
    import termios

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return getpass.getpass(question)
    try:
        return _read(terminal, question)
    except (OSError, termios.error):  # the terminal was closed
        raise EOFError from None
    finally:
        os.close(terminal)


def _read(terminal: int, question: str) -> str:
    import termios

    before, hidden = (list[Any](termios.tcgetattr(terminal)) for _ in range(2))
    hidden[3] &= ~termios.ECHO
    is_main = threading.current_thread() is threading.main_thread()

    def ask(how: int) -> None:
        termios.tcsetattr(terminal, how, hidden)
        os.write(terminal, question.encode())

    def ask_again(*_: object) -> None:
        with suppress(termios.error, OSError):  # the signal also comes when the terminal is closed
            ask(termios.TCSANOW)

    # After Ctrl-Z and `fg`, the shell has made the terminal show again what is typed.
    earlier = signal.signal(signal.SIGCONT, ask_again) if is_main else None
    try:
        ask(termios.TCSAFLUSH)
        with suppress(ValueError):  # more files are open than `select` can name
            while not any(select.select([terminal], [], [], _TURN)):
                pass
        if not (pasted := os.read(terminal, MOST)):
            raise EOFError
        hidden[3] &= ~termios.ICANON  # else a last line without a line break could not be read
        hidden[6][termios.VMIN], hidden[6][termios.VTIME] = 0, _PAUSE
        termios.tcsetattr(terminal, termios.TCSANOW, hidden)
        while len(pasted) < MOST and (more := os.read(terminal, MOST)):
            pasted += more
        os.write(terminal, b"\n")
    finally:
        try:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        finally:
            if is_main:
                signal.signal(signal.SIGCONT, earlier or signal.SIG_DFL)
    return pasted.decode(errors="replace")
