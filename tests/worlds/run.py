"""Runs worlds, each in a process of its own that is forked from one in which everything is imported.

A world is a text such as `proxy-dead + server-file=empty`; the same text makes the same world again. Where the tests
run as root, a world belongs to the user 65534, so that owners and permissions count.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any

from . import history, network, packages, servers, storage, tokens, variables  # noqa: F401  they register the faults
from .properties import Violation, violations
from .registry import Fault, named, printed
from .world import NOBODY, healthy

LIMIT = 90
"""The seconds after which a world is said to hang."""
MEMORY = 3 * 2**30
"""The bytes that a world may use: it may read a device without an end."""
IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@dataclass(frozen=True)
class Outcome:
    """What came of a world.

    Attributes:
        world: its text.
        found: the properties that do not hold.
        green: whether its first report was.
        skipped: why it was not run, or "".
    """

    world: str
    found: tuple[Violation, ...] = ()
    green: bool = False
    skipped: str = ""


def run_world(faults: Sequence[Fault]) -> Outcome:
    """Runs a world in a forked process."""
    text = printed(tuple(faults))
    if not IS_ROOT and any(one.root for one in faults):
        return Outcome(text, skipped="needs root")
    said = in_a_fork(lambda: _violations(faults))
    if said is None:
        return Outcome(text, (Violation("hangs", f"for {LIMIT} s"),))
    green, found = said
    return Outcome(text, tuple(Violation(*one) for one in found), green)


def _violations(faults: Sequence[Fault]) -> tuple[bool, list[tuple[str, str, str]]]:
    """Makes a world and runs it: whether it is green, and the violations. What breaks on the way is one, too."""
    folder = Path(tempfile.mkdtemp(prefix="cave-world-"))
    if IS_ROOT:
        if any(one.axis == "packages" for one in faults):
            _lend_python(str(folder / "python"))
        os.chown(folder, NOBODY, NOBODY)
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        with healthy(folder, any(one.tls for one in faults)) as world:
            for one in sorted(faults, key=_comes_late):
                one.make(world)
            if IS_ROOT:
                os.seteuid(0)
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            world.outer = dict(os.environ)
            world.start()
            found = [(one.kind, one.details, one.overlooked) for one in violations(world, faults)]
            return world.is_green, found
    except Exception as error:
        lines = traceback.format_exc().splitlines()
        return False, [(f"the world broke: {type(error).__name__}", "\n".join(lines[-8:]), "")]


def _lend_python(address: str) -> None:
    """Lets this process run the Python that only root may run: a fork that stays root runs it, to try an import."""
    listener = Listener(address, backlog=20)
    os.chmod(address, 0o777)
    if not os.fork():
        _run_for_others(listener)
    real = subprocess.run

    def run(words: Any, listening: Listener = listener, **options: Any) -> Any:  # which removes its socket at the end
        if words[0] != sys.executable:
            return real(words, **options)
        with Client(address) as line:
            line.send((words, options, os.getcwd()))
            said = line.recv()
        if isinstance(said, Exception):
            raise said
        return said

    subprocess.run = run  # type: ignore[assignment]


def _run_for_others(listener: Listener) -> None:
    """Runs what each connection asks for, and ends with the process that forked this one."""
    parent = os.getppid()

    def serve(line: Any) -> None:
        words, options, folder = line.recv()
        try:
            line.send(subprocess.run(words, cwd=folder, **options))
        except Exception as error:
            line.send(error)

    def end() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    threading.Thread(target=end).start()
    while True:
        threading.Thread(target=serve, args=(listener.accept(),)).start()


def _comes_late(one: Fault) -> bool:
    """Whether it is made after the others: what is in a folder is changed before it, and a server looks at the token."""
    return one.place == "folder" or one.axis == "servers"


def in_a_fork(call: Callable[[], Any]) -> Any:
    """Calls a function in a forked process; returns what it returned, by JSON, or None if it hung or died."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other threads at a fork; the worlds have none
        child = os.fork()
    if not child:
        _be_the_child(call, reading, writing)
    os.close(writing)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(LIMIT)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    signal.alarm(0)
    for folder in Path(tempfile.gettempdir()).glob(f"cave-world-*-{child}"):
        _remove(folder)
    with suppress(ValueError):
        return json.loads(said)
    return None


def _be_the_child(call: Callable[[], Any], reading: int, writing: int) -> None:
    os.close(reading)
    tempfile.tempdir = tempfile.gettempdir()
    real = tempfile.mkdtemp
    tempfile.mkdtemp = lambda suffix=None, prefix=None, dir=None: real(suffix or f"-{os.getpid()}", prefix, dir)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    try:
        said = json.dumps(call())
        with os.fdopen(writing, "w") as pipe:
            pipe.write(said)
    finally:
        os._exit(0)


def _remove(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        with suppress(OSError):
            os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


# ---------------------------------------------------------------- before the worlds


def prepare() -> None:
    """Imports whatever a world imports, so that each fork has it; another user may not read this Python's files."""
    for module in _imported_by_worlds():
        with suppress(Exception):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()


def _imported_by_worlds() -> list[str]:
    def warm_up() -> list[str]:
        folder = Path(tempfile.mkdtemp(prefix="cave-world-"))
        with healthy(folder, tls=True) as world:
            world.outer = dict(os.environ)
            world.start()
            for line in ("%cave_check -v", "%cave_check --fix --yes", "%cave_whoami", "%cave_save --overwrite"):
                world.type(line)
            for line in ("%cave_setup new", "%cave_check --report", "%cave_check --json", "!true", "1/0", "%env A=1"):
                world.type(line)
            world.cave.withdraw_terms("ada", "minnie65_public")
            world.visit(world.cave.server + "/sticky_auth/api/v1/tos/2/accept?redirect=x")
            world.files(), world.leaks(world.look("%cave_check")[0])
            world.works("from caveclient import CAVEclient; CAVEclient('minnie65_public').info.get_datastack_info()")
        return sorted(sys.modules)

    with suppress(ImportError):
        import caveclient  # noqa: F401  in this process, so that a fork need not
    return in_a_fork(warm_up) or []


# ---------------------------------------------------------------- shrinking


def shrink(outcome: Outcome) -> Outcome:
    """The same violation in a world with fewer faults: each is left out if it shows without it."""
    kind = outcome.found[0].kind
    faults = list(named(outcome.world))
    for one in tuple(faults):
        fewer = [other for other in faults if other is not one]
        again = run_world(fewer)
        if same := [found for found in again.found if found.kind == kind]:
            faults, outcome = fewer, Outcome(again.world, tuple(same))
    return outcome


def confirmed(outcome: Outcome) -> Outcome:
    """Only the violations that are seen twice: on a busy machine, a healthy server may take too long.

    Nor is a fault overlooked that is green by itself.
    """
    if not outcome.found:
        return outcome
    again = {found.kind for found in run_world(named(outcome.world)).found}
    kept = [found for found in outcome.found if found.kind in again]
    return replace(outcome, found=tuple(found for found in kept if not _is_green(found.overlooked)))


def _is_green(fault: str) -> bool:
    return bool(fault) and run_world(named(fault)).green


def run_many(
    worlds: Sequence[tuple[Fault, ...]], seconds: float = float("inf"), tell: Callable[[Outcome], object] = print
) -> list[Outcome]:
    """Runs worlds one after the other, until the time is over; `tell` is called with each that does not hold."""
    end, outcomes = time.monotonic() + seconds, []
    for world in worlds:
        if time.monotonic() > end:
            break
        outcomes.append(confirmed(run_world(world)))
        if outcomes[-1].found:
            tell(outcomes[-1])
    return outcomes
