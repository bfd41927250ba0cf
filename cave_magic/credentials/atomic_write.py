"""Writing files completely or not at all. No other module writes, renames or removes files.

A new file is written next to its final place, flushed, and moved there in one step. The old file keeps a second name
until everything is done, so that it can be restored even on a full disk. A process that is killed leaves complete
files, old or new, and hidden ones named `.cave_magic-*.tmp`, which the next save removes.

On Windows, the only exception is a server with a port in its address: the `:` in the name of its file makes it an NTFS
stream, which can be written, but cannot be the target of a move.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from ..ui.door import on_windows
from .interrupts import uninterrupted
from .regular_files import shared

LOCK_NAME = ".cave_magic.lock"
LOCK_SECONDS = 20.0
STALE_SECONDS = 300.0
"""A lock that is only a file and is older than this was left by a killed process: no save takes that long."""

BUSY_SECONDS = 1.0
"""How long Windows may refuse to change a file, because a virus scanner or another kernel has it open."""

_TEMPORARY = re.compile(r"\.cave_magic-[0-9a-f]{16}\.tmp")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class Locked(Exception):
    """Another process kept the lock. The argument is the lock's path."""


class NotRestored(Exception):
    """A failed change could not be undone. The argument is the files that were changed."""


# ---------------------------------------------------------------- locking


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Makes all other processes and threads that save in a folder wait.

    Raises:
        Locked: another one kept the lock for `LOCK_SECONDS`.
        OSError: the folder does not exist or cannot be written.
    """
    from filelock import FileLock, SoftFileLock, Timeout

    try:
        try:
            held = FileLock(folder / LOCK_NAME, mode=0o600).acquire(LOCK_SECONDS, poll_interval=0.01)
        except Timeout:
            raise
        except (NotImplementedError, OSError):
            # A network home without file locks (ENOLCK, ENOSYS): the existence of a file is the lock.
            soft = folder / f"{LOCK_NAME}.soft"
            with contextlib.suppress(OSError):
                if time.time() - os.stat(soft).st_mtime > STALE_SECONDS:
                    os.unlink(soft)
            held = SoftFileLock(soft, mode=0o600).acquire(LOCK_SECONDS, poll_interval=0.01)
    except Timeout as error:
        raise Locked(Path(error.lock_file)) from None
    try:
        yield
    finally:
        with uninterrupted(too_late=True), contextlib.suppress(OSError):
            held.lock.release()


@contextlib.contextmanager
def in_turn(path: Path, seconds: float) -> Iterator[None]:
    """Lets processes run a block one after the other, as far as possible; it waits for at most this many seconds.

    The file, whose folder exists, is created if it is missing, and removed if the block fails.
    """
    deadline = time.monotonic() + seconds
    with contextlib.ExitStack() as held:
        # It goes on without a lock on Windows, in a network home that has none, and if the folder cannot be written.
        with contextlib.suppress(ImportError, OSError):
            import fcntl  # not filelock, which takes half as long to import as requests

            while time.monotonic() < deadline:
                with contextlib.ExitStack() as attempt:
                    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                    attempt.callback(os.close, descriptor)
                    with contextlib.suppress(BlockingIOError, FileNotFoundError):
                        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        if os.path.samestat(os.fstat(descriptor), os.stat(path)):  # no failed block has removed it
                            held.callback(attempt.pop_all().close)
                            break
                time.sleep(0.02)
        try:
            yield
        except BaseException:
            _remove(path)
            raise


# ---------------------------------------------------------------- all or nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One file to change: `new` is the new file, `old` a second name of the old one, which may not exist."""

    target: Path
    new: Path | None
    old: Path


def write_all(
    plan: Mapping[Path, bytes | None], confirm: Callable[[], None] = lambda: None, mode: int | None = 0o600
) -> None:
    """Writes all files or none.

    Args:
        plan: file -> its new content, or None to remove it. Links are followed, except to remove them.
        confirm: called when everything is written; if it raises, every file is restored.
        mode: the permissions of every file from its first byte; None keeps those of the old file.
    Raises:
        NotRestored: a change failed and could not be undone.
        Exception: whatever failed. Every file is unchanged, with its permissions and times.
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
    target = Path(os.path.realpath(path)) if content is not None and path.is_symlink() else path
    new, old = None if content is None else _beside(target), _beside(target)
    steps.append(_Step(target=target, new=new, old=old))
    if new is not None and content is not None:
        kept = stat.S_IMODE(target.stat().st_mode) if mode is None and target.exists() else 0o600
        _create(new, content, kept if mode is None else mode)
    if os.path.lexists(target):
        try:
            if _is_stream(target):
                raise NotImplementedError
            os.link(target, old, follow_symlinks=False)
        except (OSError, NotImplementedError):  # a file system without hard links
            _create(old, target.read_bytes(), 0o600)
            shutil.copystat(target, old)


def _beside(target: Path) -> Path:
    return target.with_name(f".cave_magic-{os.urandom(8).hex()}.tmp")


def _create(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, _NEW, 0o600)
    try:
        _give_to_owner(path)
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:  # the old file's mode, or a strict umask
            os.chmod(path, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give_to_owner(path: Path) -> None:
    """Gives what root creates in a user's folder to that user, who could else not read it (`sudo`, a container)."""
    folder = os.stat(path.parent)
    if not on_windows() and folder.st_uid and os.geteuid() == 0:
        with contextlib.suppress(OSError):  # a network drive that does not trust root
            os.chown(path, folder.st_uid, folder.st_gid, follow_symlinks=False)  # the user may have put a link there


def _take(step: _Step, taken: list[_Step]) -> None:
    if step.new is None:
        _patiently(os.unlink, step.target)
    else:
        _patiently(_move, step.new, step.target)
    taken.append(step)
    with contextlib.suppress(OSError):  # not every system can flush a folder
        descriptor = os.open(step.target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _put_back(taken: Iterable[_Step]) -> None:
    stuck = []
    for step in taken:
        try:
            if os.path.lexists(step.old):
                _patiently(_move, step.old, step.target)
            elif os.path.lexists(step.target):
                _patiently(os.unlink, step.target)
        except OSError:
            stuck.append(step.target)
    if stuck:
        raise NotRestored(tuple(stuck))


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            _patiently(os.unlink, path)


def _move(old: Path, new: Path) -> None:
    if _is_stream(new):
        new.write_bytes(old.read_bytes())
        old.unlink()
    else:
        os.replace(old, new)


def _is_stream(path: Path) -> bool:
    """Whether NTFS treats this name as that of a stream."""
    return on_windows() and ":" in path.name


def _patiently(change: Callable[..., None], *paths: Path) -> None:
    """Changes a file; on Windows, waits until the programs that have it open have closed it."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return change(*paths)
        except PermissionError:
            if not on_windows() or time.monotonic() > deadline:
                raise
        time.sleep(0.02)


# ---------------------------------------------------------------- copies, folders and permissions


def back_up(path: Path) -> tuple[Path, bytes]:
    """An unused name for a copy of a file, and its content, to add to the plan of `write_all`."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    copies = (path.with_name(f"{path.name}.{stamp}{f'-{number}' if number > 1 else ''}.bak") for number in count(1))
    return next(copy for copy in copies if not os.path.lexists(copy)), path.read_bytes()


def try_out(folder: Path) -> bool:
    """Writes a small file in a folder and removes it again; the folder keeps its times.

    Returns:
        Whether nobody else could read it: some file systems (FAT, some network drives) keep no permissions.
    Raises:
        OSError: the folder cannot be written.
    """
    before, trial = os.stat(folder), _beside(folder / "any")
    try:
        _create(trial, bytes(1000), 0o600)
        return not shared(os.stat(trial))
    except FileNotFoundError:
        if not folder.is_dir():
            raise
        return True  # a save that began at the same time has swept it
    finally:
        _remove(trial)
        with contextlib.suppress(OSError):
            os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


def sweep(folders: Iterable[Path]) -> None:
    """Removes what killed saves left in these folders. Call it only while holding the lock."""
    for folder in set(folders):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            _remove(*(Path(entry.path) for entry in entries if _TEMPORARY.fullmatch(entry.name)))


def make_private_folder(folder: Path) -> list[Path]:
    """Creates a folder and its parents, owner-only, whatever the umask. Returns those that did not exist."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(missing):
        with contextlib.suppress(FileExistsError):
            one.mkdir(mode=0o700)
            _give_to_owner(one)
            if stat.S_IMODE(one.stat().st_mode) != 0o700:  # a umask that restricts the owner too
                one.chmod(0o700)
    return missing


def remove_empty(folders: Iterable[Path]) -> None:
    """Removes these folders, inner ones first, if nothing is in them."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def set_mode(path: Path, mode: int) -> None:
    """Restores the permissions of a file if possible."""
    with contextlib.suppress(OSError):
        os.chmod(path, mode)


def is_tidy(folder: Path) -> bool:
    """Whether a folder exists, has no permissions for others (where there are any), and nothing for `sweep`."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return not shared(os.stat(folder)) and not any(_TEMPORARY.fullmatch(entry.name) for entry in entries)
    return False


def tighten(path: Path, mode: int) -> None:
    """Removes every permission beyond `mode`."""
    now = stat.S_IMODE(os.stat(path).st_mode)
    if now & ~mode:
        os.chmod(path, now & mode)
