"""Writing files completely: what a power failure leaves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cave_magic.credentials.atomic_write import write_all


def test_a_file_is_flushed_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A new file is flushed before it replaces the old one, so that a power failure leaves one of them complete."""
    done: list[str] = []
    flush, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: done.append("flush") or flush(descriptor))
    monkeypatch.setattr(os, "replace", lambda old, new: done.append("replace") or replace(old, new))
    write_all({tmp_path / "a": b"one", tmp_path / "b": b"two"})
    assert done == ["flush", "flush", "replace", "flush", "replace", "flush"]
