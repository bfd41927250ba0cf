"""Faults on the way to a server that works: little time, proxies, certificates, answers that are no data."""

from __future__ import annotations

import pytest

from cave_magic.answers import Answer
from cave_magic.checks.network import trouble_with
from cave_magic.evidence import Machine, ServerFacts, Target
from cave_magic.store import resolve
from cave_magic.troubles import Trouble

from .world import World

SERVER = "https://cave.example.org"


def _bad(report) -> list[tuple[str, str]]:
    return [(row.id, row.status.value) for row in report.rows if row.status.value not in ("ok", "skipped", "warning")]


def _judged(answer: Answer, machine: Machine | None = None, **facts):
    """What the check says of an answer of a server that it knows nothing else of."""
    server = ServerFacts(SERVER, Target("minnie65_public", SERVER), machine or Machine(), resolve(SERVER), **facts)
    return trouble_with(answer, server, "the server")


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(("service", "row"), [("all", "network"), ("auth", "auth"), ("/materialize", "materialize")])
def test_a_slow_server_is_given_more_time(world: World, service, row):
    """Where a question was cut because the check's own time was over, Next has a line with more of it, and that works."""
    world.run("%config CaveMagics.timeout = 0.8")
    world.cave.misbehave(service, "slow:0.6")
    report = world.check()
    assert _bad(report) == [(row, "failed")]
    assert report.next.commands == ("%cave_check --timeout 60",)
    assert world.mend().ok


def test_more_time_is_asked_for_with_the_same_words(world: World):
    """The line has the datastack and the server that were typed."""
    world.argument = f"flywire_fafb_public --server {world.cave.server} --timeout 0.3"
    world.cave.misbehave("all", "silent")
    again = f"%cave_check flywire_fafb_public --server {world.cave.server} --timeout 60"
    assert world.check().next.commands == (again,)


@pytest.mark.parametrize("trouble", [Trouble.SILENT, Trouble.SLOW, Trouble.LATE, Trouble.CONNECT_TIMEOUT])
def test_who_waited_a_minute_is_not_told_to_wait_longer(trouble):
    """More time is named while there was little of it."""
    answer = Answer(f"{SERVER}/auth", trouble=trouble, seconds=1.5)
    assert "%cave_check --timeout 60" in _judged(answer).remedy.commands
    assert _judged(answer, bound=60).remedy.commands == ("%cave_check",)


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "not answer"), (1.5, "within 1.5 s"), (14.7, "within 15 s")])
def test_how_long_was_waited(seconds, words):
    """A few seconds are said with one decimal, many without, and less than one not at all."""
    assert _judged(Answer(f"{SERVER}/auth", trouble=Trouble.SILENT, seconds=seconds)).evidence.endswith(words)
