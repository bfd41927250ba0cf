"""Writing files completely: what a power failure leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cave_magic.credentials import atomic_write
from cave_magic.credentials.atomic_write import write_all


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
    monkeypatch.setattr(atomic_write, "BUSY_SECONDS", 5.0 if times == 3 else 0.05)

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
