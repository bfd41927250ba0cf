"""Ctrl-C and SIGINT: in this suite, and while files are written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cave_magic.credentials import scrub
from cave_magic.credentials.interrupts import uninterrupted
from cave_magic.ui.frontend import PlainFrontend

from ..support.desk import interrupt_when

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

ROOT = Path(__file__).resolve().parents[2]


# ---------------------------------------------------------------- the suite


def test_interrupts_reach_the_tests_and_their_children():
    """In the process of the tests, and in programs that they start, SIGINT is a KeyboardInterrupt."""
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    program = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"True\n"


def test_the_suite_does_not_inherit_an_ignored_interrupt():
    """The test above also passes if SIGINT is ignored at the start, as in a background job."""
    one = f"{Path(__file__).relative_to(ROOT)}::{test_interrupts_reach_the_tests_and_their_children.__name__}"
    done = subprocess.run(
        ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", one],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_nobody_presses_stop_where_python_swallows_it():
    """In a finalizer a KeyboardInterrupt is only printed, so the person of the tests waits for its end."""
    begun, ended = threading.Event(), []

    class Slow:
        def __del__(self) -> None:
            begun.set()
            time.sleep(0.2)
            ended.append(True)

    def run() -> None:
        Slow()
        for _ in range(6000):
            time.sleep(0.01)

    interrupt_when(begun.is_set, inside=run)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert ended


# ---------------------------------------------------------------- around a magic


@pytest.mark.parametrize("owner", [scrub, PlainFrontend])
def test_a_second_interrupt_gets_one_line(run, cave, set_up, monkeypatch, owner):
    """An interrupt while a token is scrubbed, or while a wait is removed, is not a second error."""
    name = "scrub_session" if owner is scrub else "finish"
    real = getattr(owner, name)

    def pressed(*args: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        return real(*args)

    monkeypatch.setattr(owner, name, pressed)
    ran = run("%cave_whoami")
    assert (ran.error, "Ada Example" in ran.out) == ("", True)


# ---------------------------------------------------------------- while files are written


@pytest.fixture
def handle() -> Iterator[Callable[[Any], None]]:
    """Sets the handler of SIGINT and restores it afterwards."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_for_the_end_of_the_block(handle):
    """It is raised after the block, and the handler is restored."""
    done = []

    def write() -> None:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            done.append("all of the block")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_comes_too_late_is_dropped(handle):
    """When only the cleanup is left, an interrupt must not claim that something was stopped."""
    with uninterrupted(too_late=True):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("too_late", [False, True])
def test_ignored_interrupts_stay_ignored(handle, too_late):
    """A program that ignores SIGINT, or was started that way, is not interrupted."""
    handle(signal.SIG_IGN)
    with uninterrupted(too_late):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("too_late", [False, True])
def test_a_handler_of_the_program_is_called_afterwards(handle, too_late):
    """A program's own handler is called once, at the end, and no KeyboardInterrupt is raised."""
    heard = []
    handle(lambda number, frame: heard.append(number))
    with uninterrupted(too_late):
        signal.raise_signal(signal.SIGINT)
        assert heard == []
    assert heard == [signal.SIGINT]


def test_a_program_that_interrupts_kill_is_killed_afterwards():
    """With the system's default handler the block is finished, and then the signal ends the program."""
    program = (
        "import signal; from cave_magic.credentials.interrupts import uninterrupted; signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
        "with uninterrupted():\n    signal.raise_signal(signal.SIGINT); print('finished', flush=True)\n"
        "print('not reached', flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, b"finished\n")
