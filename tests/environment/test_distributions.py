"""What the metadata of installed packages says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cave_magic.environment.distributions import all_installed, distinct_path, origin_of, top_of
from cave_magic.environment.import_fault import Origin

from ..support.packages import Tiny


def test_a_missing_file_is_damaged(tmp_path: Path):
    """A recorded file that is gone counts as damaged, also where Python's own list leaves it out (3.12 and newer)."""
    Tiny(name="tiny", files={"tiny/__init__.py": "", "tiny/gone.py": "x = 1\n"}).install(tmp_path)
    (tmp_path / "tiny" / "gone.py").unlink()
    (one,) = all_installed([str(tmp_path)])
    assert one.damaged_files((), everywhere=False) == ("tiny/gone.py",)


def test_a_working_folder_that_is_gone_hides_no_origin(tmp_path: Path, monkeypatch):
    """Relative entries of the path of Python lead nowhere then; the others are as they were."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'old'}:relative")
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "old")])
    monkeypatch.setattr(os, "getcwd", lambda: os.listdir(tmp_path / "gone"))
    assert origin_of(str(tmp_path / "old")) is Origin.PYTHONPATH
    assert top_of(str(tmp_path / "old" / "numpy" / "core.py")) == "numpy"
    assert distinct_path() == [str(tmp_path / "old")]
