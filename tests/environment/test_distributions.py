"""What the metadata of installed packages says."""

from __future__ import annotations

from pathlib import Path

from cave_magic.environment.distributions import all_installed

from ..support.packages import Tiny


def test_a_missing_file_is_damaged(tmp_path: Path):
    """A recorded file that is gone counts as damaged, also where Python's own list leaves it out (3.12 and newer)."""
    Tiny(name="tiny", files={"tiny/__init__.py": "", "tiny/gone.py": "x = 1\n"}).install(tmp_path)
    (tmp_path / "tiny" / "gone.py").unlink()
    (one,) = all_installed([str(tmp_path)])
    assert one.damaged_files((), everywhere=False) == ("tiny/gone.py",)
