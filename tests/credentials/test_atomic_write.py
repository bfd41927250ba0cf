"""Writing files completely: what a power failure leaves."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from cave_magic.credentials import atomic_write
from cave_magic.credentials.atomic_write import write_all
from cave_magic.credentials.token_files import is_foreign
from cave_magic.ui.door import on_windows

from ..support.permissions import IS_ROOT
from ..support.waiting import LONG

as_root = pytest.mark.skipif(not IS_ROOT or on_windows(), reason="only root can write for another user")


def test_a_file_is_flushed_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A new file is flushed before it replaces the old one, so that a power failure leaves one of them complete."""
    done: list[str] = []
    flush, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append("flush") or flush(descriptor))
    monkeypatch.setattr(os, "replace", lambda old, new: done.append("replace") or replace(old, new))
    write_all({tmp_path / "a": b"one", tmp_path / "b": b"two"})
    folders = ["replace"] * 2 if os.name == "nt" else ["replace", "flush"] * 2  # Windows flushes no folders
    assert done == ["flush", "flush", *folders]


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize("times", [3, 10_000])
def test_a_file_that_another_program_has_open_is_tried_again(home, monkeypatch, times):
    """On Windows a virus scanner or another kernel holds a file for a moment; what it holds for long stays as it is."""
    replace, tries = os.replace, []
    file = home / "a"
    file.write_bytes(b"old")
    monkeypatch.setattr(atomic_write, "BUSY_SECONDS", LONG if times == 3 else 0.05)

    def busy(old, new):
        if len(tries) < times:
            tries.append(1)
            raise PermissionError(13, "Access is denied", str(new))
        replace(old, new)

    monkeypatch.setattr(os, "replace", busy)
    if times == 3:
        write_all({file: b"new"})
    else:
        with pytest.raises(PermissionError):
            write_all({file: b"new"})
    assert file.read_bytes() == (b"new" if times == 3 else b"old")
    assert os.listdir(home) == ["a"]


@pytest.mark.usefixtures("windows")
def test_a_name_with_a_port_is_written_in_place(home, monkeypatch):
    """NTFS takes `host:port-...` for a stream of the file `host`: it can be written, but nothing can be moved to it."""
    file, replace = home / "127.0.0.1:8900-cave-secret.json", os.replace

    def refusing(old, new):
        if ":" in os.path.basename(new):
            raise OSError(22, "The filename, directory name, or volume label syntax is incorrect", str(new))
        replace(old, new)

    monkeypatch.setattr(os, "replace", refusing)
    write_all({file: b"one"})
    with pytest.raises(ZeroDivisionError):
        write_all({file: b"two"}, lambda: 1 / 0)
    assert file.read_bytes() == b"one"
    assert os.listdir(home) == [file.name]


def test_a_trial_that_another_save_sweeps_is_no_obstacle(tmp_path, monkeypatch):
    """A save that holds the lock may sweep the small file with which another one tries whether it can write."""
    create = atomic_write._create

    def create_and_sweep(path: Path, content: bytes, mode: int) -> None:
        create(path, content, mode)
        atomic_write.sweep([path.parent])

    monkeypatch.setattr(atomic_write, "_create", create_and_sweep)
    assert atomic_write.try_out(tmp_path)
    with pytest.raises(FileNotFoundError):
        atomic_write.try_out(tmp_path / "gone")


@pytest.mark.skipif(on_windows(), reason="only elsewhere is there such a lock")
def test_after_a_block_that_failed_the_others_still_take_turns(tmp_path: Path, monkeypatch):
    """A failed block removes the lock file, for which others may be waiting; they wait for the next one instead."""
    waits, may_end = {"b": threading.Event(), "c": threading.Event()}, threading.Event()
    sleep = time.sleep

    def wait(seconds: float) -> None:
        if waiting := waits.get(threading.current_thread().name):
            waiting.set()
        sleep(seconds)

    monkeypatch.setattr(atomic_write.time, "sleep", wait)
    inside = {"b": threading.Event(), "c": threading.Event()}
    order = []

    def take(name: str) -> None:
        with atomic_write.in_turn(tmp_path / "lock", LONG):
            order.append(name)
            inside[name].set()
            assert name == "c" or may_end.wait(LONG)
            order.append(f"{name} ends")

    threads = {name: threading.Thread(target=take, args=(name,), name=name) for name in waits}
    with suppress(ZeroDivisionError), atomic_write.in_turn(tmp_path / "lock", LONG):
        threads["b"].start()
        assert waits["b"].wait(LONG)
        raise ZeroDivisionError
    assert inside["b"].wait(LONG)
    threads["c"].start()
    assert waits["c"].wait(LONG)
    may_end.set()
    for thread in threads.values():
        thread.join(LONG)
    assert order == ["b", "b ends", "c", "c ends"]


@as_root
def test_what_root_writes_for_a_user_belongs_to_that_user(tmp_path: Path):
    """`sudo` and containers run with the home of a user, who can read new folders and replaced files all the same."""
    os.chown(tmp_path, 12345, 54321)
    (tmp_path / "old").write_bytes(b"old")
    atomic_write.make_private_folder(tmp_path / "a" / "b")
    write_all({tmp_path / "old": b"new", tmp_path / "a" / "b" / "c": b"new"})
    made = [tmp_path / name for name in ("a", "a/b", "a/b/c", "old")]
    assert {(path.stat().st_uid, path.stat().st_gid) for path in made} == {(12345, 54321)}
    assert [path.stat().st_mode & 0o777 for path in made] == [0o700, 0o700, 0o600, 0o600]


@as_root
def test_root_gives_a_user_no_file_that_is_elsewhere(tmp_path: Path, monkeypatch):
    """A user can put a link to a file of root in place of a new file in that user's own folder."""
    theirs, roots = tmp_path / "theirs", tmp_path / "roots"
    roots.write_bytes(b"")
    theirs.mkdir()
    os.chown(theirs, 12345, 54321)
    create = os.open

    def swapped(path, flags, *mode):
        descriptor = create(path, flags, *mode)
        if flags & os.O_CREAT:
            os.unlink(path)
            os.symlink(roots, path)
        return descriptor

    monkeypatch.setattr(os, "open", swapped)
    write_all({theirs / "a": b"new"})
    assert roots.stat().st_uid == 0


@as_root
def test_the_files_of_the_user_for_whom_root_works_are_not_another_s(home: Path):
    """In the home of a user root replaces and removes that user's tokens, but not those of others."""
    file = home / "a"
    file.write_bytes(b"")
    os.chown(file, 12345, -1)
    assert is_foreign(file.stat())
    os.chown(home, 12345, -1)
    assert not is_foreign(file.stat())
    home.rename(home.with_name("gone"))
    assert is_foreign(home.with_name("gone").stat())
