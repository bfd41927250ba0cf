"""The fixtures: the shortcut that many tests take ends where the long way ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cave_magic.sandbox import Sandbox

from ..support.shell import Run


def _files(home: Path) -> dict[str, tuple[int, str]]:
    paths = (home / ".cloudvolume").rglob("*")
    found = {path.name: (path.stat().st_mode, path.read_text() if path.is_file() else "") for path in paths}
    return found | {"": ((home / ".cloudvolume").stat().st_mode, "")}


def test_a_person_who_is_set_up_has_what_cave_save_leaves(
    cave: Sandbox, home: Path, set_up: str, run: Run, monkeypatch: pytest.MonkeyPatch
):
    """The fixture that sets a person up writes the files that `%cave_save` writes, with the same permissions."""
    shortcut = _files(home)
    shutil.rmtree(home / ".cloudvolume")
    monkeypatch.setenv("ADA", set_up)
    assert run("%cave_save --from-env ADA").error == ""
    assert _files(home) == shortcut
