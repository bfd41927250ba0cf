"""What is released: the wheel, and the versions of the tools that check it."""

from __future__ import annotations

import re
from pathlib import Path
from zipfile import ZipFile

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).resolve().parents[2]


def test_the_wheel_holds_the_package_and_says_it_is_typed(tmp_path: Path):
    """The wheel has every file of the package, `py.typed` among them, and nothing else."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    inside = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path for path in (ROOT / "cave_magic").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert inside == {path.relative_to(ROOT).as_posix() for path in files}
    assert "cave_magic/py.typed" in inside


def test_pre_commit_and_ci_use_the_same_versions():
    """A tool that is pinned in the extra `lint` has the same version in `.pre-commit-config.yaml`."""
    pinned = re.findall(r'^  "([\w-]+)==([\d.]+)",', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    used = re.findall(r"github\.com/[\w-]+/(\w+?)(?:-pre-commit)?\n    rev: v([\d.]+)", hooks)
    assert len(pinned) == 4
    assert sorted(pinned) == sorted(used)
