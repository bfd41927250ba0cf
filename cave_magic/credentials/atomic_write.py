"""Writing files whole or not at all. Nothing here knows what is in them; nobody else writes, renames or removes files.

A file is staged beside its place, flushed, and put there in one step. What was there keeps a second name until all is
done, so that it can be put back even on a full disk. Killed in between, this leaves whole files, old or new, and
hidden ones named `.cave_magic-*.tmp`, which the next save removes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LOCK_NAME = ".cave_magic.lock"
LOCK_SECONDS = 20.0
STALE_SECONDS = 300.0
"""A lock that is only a file, and as old as this, was left by a process that was killed: no save takes so long."""

_TEMPORARY = re.compile(r"\.cave_magic-[0-9a-f]{16}\.tmp")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class Locked(Exception):
    """Another process has held the lock all the time. Its argument is the lock's path."""


class NotRestored(Exception):
    """A failed change could not be undone. Its argument is the files that hold something new."""


# ---------------------------------------------------------------- one after the other


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps all other processes and threads that save in a folder waiting.

    Raises:
        Locked: another one did not let go for `LOCK_SECONDS`.
        OSError: the folder is not there or cannot be written.
    """
    from filelock import FileLock, SoftFileLock, Timeout

    try:
        try:
            held = FileLock(folder / LOCK_NAME, mode=0o600).acquire(LOCK_SECONDS, poll_interval=0.01)
        except Timeout:
            raise
        except (NotImplementedError, OSError):
            # A network home without file locks (ENOLCK, ENOSYS): the existence of a file must do.
            soft = folder / f"{LOCK_NAME}.soft"
            _drop_stale(soft)
            held = SoftFileLock(soft, mode=0o600).acquire(LOCK_SECONDS, poll_interval=0.01)
    except Timeout as error:
        raise Locked(Path(error.lock_file)) from None
    try:
        yield
    finally:
        with uninterrupted(too_late=True), contextlib.suppress(OSError):
            held.lock.release()


def _drop_stale(lock: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - os.stat(lock).st_mtime > STALE_SECONDS:
            os.unlink(lock)


@contextlib.contextmanager
def uninterrupted(too_late: bool = False) -> Iterator[None]:
    """Lets an interrupt (Ctrl-C, the stop button) wait until the end of this block. Only the main thread gets any.

    Where the process ignores interrupts (`nohup`, a background job) or has a handler of its own, it still does.

    Args:
        too_late: all is done but the tidying up, so no KeyboardInterrupt is raised.
    """
    before = signal.getsignal(signal.SIGINT)
    if before in (None, signal.SIG_IGN) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and before is not signal.default_int_handler:
            signal.raise_signal(signal.SIGINT)
    if came and not too_late and before is signal.default_int_handler:
        raise KeyboardInterrupt


# ---------------------------------------------------------------- all or none


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One file to change: `new` is staged, `old` is a second name for what is there (it may not exist)."""

    target: Path
    new: Path | None
    old: Path


def write_all(
    plan: Mapping[Path, bytes | None], confirm: Callable[[], None] = lambda: None, mode: int | None = 0o600
) -> None:
    """Writes all files or none.

    Args:
        plan: file -> its new content, or None to remove it. Links are followed, except to remove.
        confirm: called when everything is in place; if it raises, everything is put back.
        mode: the permissions of every file from its first byte; None keeps those of the file that is there.
    Raises:
        NotRestored: something failed, and so did undoing it.
        Exception: whatever went wrong. Every file is as it was, with its permissions and times.
    """
    steps: list[_Step] = []
    taken: list[_Step] = []
    try:
        with uninterrupted():
            for path, content in plan.items():
                _stage(steps, path, content, mode)
            for step in steps:
                _take(step, taken)
        confirm()
    except BaseException:
        with uninterrupted():
            _put_back(taken)
        raise
    finally:
        with uninterrupted(too_late=True):
            for step in steps:
                _remove(step.old, *([step.new] if step.new else []))


def _stage(steps: list[_Step], path: Path, content: bytes | None, mode: int | None) -> None:
    target = path if content is None else Path(os.path.realpath(path))
    step = _Step(target=target, new=None if content is None else _beside(target), old=_beside(target))
    steps.append(step)
    if step.new is not None and content is not None:
        kept = stat.S_IMODE(target.stat().st_mode) if mode is None and target.exists() else 0o600
        _create(step.new, content, kept if mode is None else mode)
    if os.path.lexists(target):
        _name_twice(target, step.old)


def _beside(target: Path) -> Path:
    return target.with_name(f".cave_magic-{os.urandom(8).hex()}.tmp")


def _create(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, _NEW, 0o600)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:  # that of the file there, or a umask that takes from us
            os.chmod(path, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _name_twice(path: Path, second: Path) -> None:
    try:
        os.link(path, second, follow_symlinks=False)
    except (OSError, NotImplementedError):  # a file system without hard links
        _create(second, path.read_bytes(), 0o600)
        shutil.copystat(path, second)


def _take(step: _Step, taken: list[_Step]) -> None:
    if step.new is None:
        os.unlink(step.target)
    else:
        os.replace(step.new, step.target)
    taken.append(step)
    _flush_folder(step.target.parent)


def _flush_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _put_back(taken: Iterable[_Step]) -> None:
    stuck = []
    for step in taken:
        try:
            if os.path.lexists(step.old):
                os.replace(step.old, step.target)
            else:
                step.target.unlink(missing_ok=True)
        except OSError:
            stuck.append(step.target)
    if stuck:
        raise NotRestored(tuple(stuck))


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


# ---------------------------------------------------------------- around it


def back_up(path: Path) -> tuple[Path, bytes]:
    """A free name for a copy of a file, and its content: for a plan, so that the copy too is made or not at all."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1, 1000):
        copy = path.with_name(f"{path.name}.{stamp}{f'-{number}' if number > 1 else ''}.bak")
        if not os.path.lexists(copy):
            return copy, path.read_bytes()
    raise FileExistsError(f"{path.name}.bak")


def try_out(folder: Path) -> None:
    """Writes a small file in a folder and removes it again.

    Raises:
        OSError: that cannot be done.
    """
    trial = _beside(folder / "any")
    try:
        _create(trial, bytes(1000), 0o600)
    finally:
        _remove(trial)


def sweep(folders: Iterable[Path]) -> None:
    """Removes what killed saves left in these folders. Only for the holder of the lock."""
    for folder in set(folders):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            _remove(*(Path(entry.path) for entry in entries if _TEMPORARY.fullmatch(entry.name)))


def make_private_folder(folder: Path) -> None:
    """Makes a folder, and those above it, for its owner alone, whatever the umask."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):
            one.mkdir(mode=0o700)
            if stat.S_IMODE(one.stat().st_mode) != 0o700:  # a umask that takes from its owner too
                one.chmod(0o700)


def set_mode(path: Path, mode: int) -> None:
    """Gives a file its permissions back, where that can be done."""
    with contextlib.suppress(OSError):
        os.chmod(path, mode)


def tighten(path: Path, mode: int) -> bool:
    """Takes away every permission beyond `mode`; says whether there was one."""
    now = stat.S_IMODE(os.stat(path).st_mode)
    if now & ~mode:
        os.chmod(path, now & mode)
    return bool(now & ~mode)
