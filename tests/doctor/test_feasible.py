"""What a next step needs is tried, whatever the names of the files are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cave_magic.doctor.evidence import Machine
from cave_magic.doctor.feasible import feasible
from cave_magic.doctor.model import advise, ok, warning
from cave_magic.doctor.next_steps import make_private, move_away

from ..support.shell import Run
from .test_next_steps import NAMES

LONG = "x" * 255
ODD = [*NAMES, LONG, "\u202egnp.json", "\udcff\udcfe"]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_a_file_of_any_name_is_unlocked_and_moved_to_a_free_name(name: str, home: Path, run: Run):
    """Line breaks, quotes, bytes that are not text, and writing from right to left do not change what a line does."""
    file, taken = home / name, home / f"{name[:251]}.old"
    file.write_text("mine")
    file.chmod(0o644)
    taken.write_text("another")
    for line, mode in ((make_private(file), {0o600}), (move_away(file), set())):
        step = feasible(warning("x", next_step=advise(line)), Machine()).next_step
        assert step is not None
        run(step.commands[0])
        assert {path.stat().st_mode & 0o777 for path in (file,) if path.exists()} == mode
    assert sorted(path.read_text() for path in home.iterdir() if path.is_file()) == ["another", "mine"]


def test_a_good_finding_is_left_alone():
    """Nothing is tried for it."""
    finding = ok("well")
    assert feasible(finding, Machine()) is finding
