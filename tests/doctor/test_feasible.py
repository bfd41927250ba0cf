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
def test_a_file_is_moved_to_a_free_name(name: str, home: Path, shell: object, run: Run):
    """The line that is printed works for any name, and replaces nothing."""
    file, taken = home / name, home / f"{name[:251]}.old"
    file.write_text("mine")
    taken.write_text("another")
    step = feasible(warning("x", next_step=advise(move_away(file))), Machine()).next_step
    assert step is not None
    run(step.commands[0])
    assert not file.exists()
    assert sorted(path.read_text() for path in home.iterdir() if path.is_file()) == ["another", "mine"]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_a_file_of_any_name_is_unlocked(name: str, home: Path, shell: object, run: Run):
    """A name with line breaks, quotes, bytes that are not text, or writing from right to left does not change the line."""
    file = home / name
    file.write_text("mine")
    file.chmod(0o644)
    step = feasible(warning("x", next_step=advise(make_private(file))), Machine()).next_step
    assert step is not None
    run(step.commands[0])
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_good_finding_is_left_alone():
    """Nothing is tried for it."""
    finding = ok("well")
    assert feasible(finding, Machine()) is finding
