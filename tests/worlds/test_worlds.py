"""A sample of the worlds passes; `nox -s worlds` runs thousands. The generator finds what is wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cave_magic.doctor import next_steps
from cave_magic.doctor.evidence import DatastackFacts, Evidence, ServerFacts
from cave_magic.doctor.judge import judge
from cave_magic.doctor.model import advise
from cave_magic.doctor.next_steps import move_away

from . import run
from .properties import Violation, _about_the_first
from .registry import AXES, FAULTS, draw, fault, named, printed
from .run import Outcome, shrink
from .user import OTHERS, _ways

ROOT = Path(__file__).resolve().parents[2]
SAMPLE, MORE = 6, 80
"""Of how many worlds the sample consists, usually and with `--everything`: 6 take about three seconds."""
_SERVER = ServerFacts()


def _report(**machine: object):
    """The report of a healthy computer, except for some facts."""
    server = replace(_SERVER, machine=replace(_SERVER.machine, **machine))
    facts = Evidence(machine=server.machine, servers=(server,), datastacks=(replace(DatastackFacts(), server=server),))
    return judge([server.target], facts, 0.1).report


def _kinds(report, *faults: str) -> list[str]:
    return [one.kind for one in _about_the_first(report, [FAULTS[name] for name in faults])]


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.timeout(600)
def test_a_sample_of_worlds_holds(pytestconfig: pytest.Config):
    """The first worlds hold; a failing one is printed with the line that runs it again."""
    count = MORE if pytestconfig.getoption("everything") else SAMPLE
    worlds = [printed(draw(seed, fast=True)) for seed in range(1, count + 1)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.worlds", *worlds], cwd=ROOT, capture_output=True, text=True, timeout=590
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_seed_gives_the_same_world_and_its_text_makes_it_again():
    """The number of a world decides its faults, and what is printed names them."""
    for seed in range(200):
        world = draw(seed)
        assert world == draw(seed)
        assert named(printed(world)) == world
        assert len({one.place for one in world}) == len(world) <= 3


def test_every_axis_is_drawn():
    """A few hundred worlds have faults of each axis."""
    assert {one.axis for seed in range(300) for one in draw(seed)} == set(AXES)


def test_an_unknown_fault_is_rejected():
    """A mistyped world is not run as another one, and a fault names checks that exist."""
    with pytest.raises(LookupError, match="no fault called nothing"):
        named("server-file=empty + nothing")
    with pytest.raises(LookupError, match="no check is called nothing"):
        fault("storage", "x", names=("nothing",))(print)


def test_a_report_that_names_what_was_broken_holds():
    """The failed check is one of the fault's."""
    assert _kinds(_report()) == []
    assert _kinds(_report(caveclient_problem="ImportError: x"), "numpy.py=an error") == []


def test_a_check_that_was_not_broken_is_a_violation():
    """Neither an oddity nor another fault may make it fail."""
    report = _report(caveclient_problem="ImportError: x")
    assert _kinds(report, "odd-TZ") == ["a harmless oddity is not green: environment"]
    assert _kinds(report, "token-state=deleted") == ["named what was not broken: environment"]


def test_a_later_cause_before_an_earlier_one_is_a_violation():
    """If the first failed check is behind all those of a fault, the fault was overlooked."""
    stored = replace(_SERVER, identity=replace(_SERVER.identity, status=401, body={"error": "invalid_token"}))
    stored = replace(stored, account=None)
    facts = Evidence(machine=stored.machine, servers=(stored,), datastacks=(replace(DatastackFacts(), server=stored),))
    report = judge([stored.target], facts, 0.1).report
    assert _kinds(report, "token-state=deleted", "numpy.py=an error") == [
        "not nearest the cause: account before numpy.py=an error"
    ]


def test_the_ways_of_a_next_step_are_told_apart():
    """What follows `(or` is another way, tried only if the first does not help."""
    new, old = next_steps.setup(_SERVER.target, "new"), next_steps.setup(_SERVER.target, "existing")
    assert _ways(advise(new, "   (or ", old, " if you have an account)")) == [[new.text], [old.text]]
    move = move_away(Path("/x"))
    assert _ways(advise("if that is on a drive, mount it; otherwise ", move, ", then ", old)) == [[move.text, old.text]]


@pytest.mark.parametrize(
    "words", ["your token is not the cause: wait", "tell the administrators of x", "try again at 9"]
)
def test_words_that_name_others_are_recognised(words):
    """Such a step may come again, and a command may not."""
    assert OTHERS.search(words)
    assert not OTHERS.search("%cave_setup existing")


def test_a_failing_world_is_shrunk(monkeypatch):
    """What does not matter for the violation is left out."""

    def run_world(faults):
        broken = any(one.id == "map=empty" for one in faults)
        return Outcome(printed(tuple(faults)), (Violation("kind", ""),) if broken else ())

    monkeypatch.setattr(run, "run_world", run_world)
    world = "HTTP_PROXY=dead + map=empty + odd-TZ"
    assert shrink(Outcome(world, (Violation("kind", ""),))).world == "map=empty"
