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
    assert done == ["flush", "flush", "replace", "flush", "replace", "flush"]


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
