"""What must hold in every world, without knowing the right words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .registry import ORDER, Fault
from .user import OTHERS, Ada, Walk
from .world import KEPT, SLACK, World

BAD = ("failed", "unknown", "crashed")


@dataclass(frozen=True)
class Violation:
    """A property that does not hold.

    Attributes:
        kind: the property, and the check that it is about: what two worlds with one defect have in common.
        details: what was seen.
        overlooked: the fault that should have been named, or "".
    """

    kind: str
    details: str
    overlooked: str = ""


def violations(world: World, faults: Sequence[Fault]) -> Iterator[Violation]:
    """Runs a world in which the faults have been made, and yields what does not hold."""
    walk = Walk(line=f"%cave_check {world.argument}".rstrip())
    before = world.files()
    report, ran, seconds = world.look(walk.line)
    after = world.files()
    if before != after:
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        yield Violation("the check changed files", ", ".join(changed))
    if ran.error == "BadInput" and world.argument:  # what was typed is rejected, with a reason
        return
    if report is None:
        yield Violation(f"no report: {ran.error}", ran.message[:300] or ran.out[-300:])
        return
    world.is_green = report.ok
    if seconds > world.seconds + SLACK:
        yield Violation("the bound is not kept", f"{seconds:.1f} s with --timeout {world.seconds}; {_said(report)}")
    yield from _about_the_first(report, faults)
    walk.reports.append(report)
    last = Ada(world, faults).follow(walk)
    yield from _about_the_walk(world, walk, last, faults)
    yield from _about_traces(world, last)


def _about_the_first(report: Any, faults: Sequence[Fault]) -> Iterator[Violation]:
    """The failed checks are among what was broken, and the first is nearest the cause."""
    bad = [row.id.partition(":")[0] for row in report.rows if row.status.value in BAD]
    if crashed := [row.id for row in report.rows if row.status.value == "crashed"]:
        yield Violation(f"a check crashed: {crashed[0]}", _said(report))
    broken = [one for one in faults if not one.harmless]
    may = frozenset().union(*(one.names for one in broken))
    if not broken and bad:
        yield Violation(f"a harmless oddity is not green: {bad[0]}", _said(report))
    elif wrong := [one for one in bad if one not in may]:
        yield Violation(f"named what was not broken: {wrong[0]}", _said(report))
    asks_for_another = any(one.place == "argument" for one in faults)  # what is wrong with the usual one may not show
    if bad and not asks_for_another:
        mentioned = {row.id for row in report.rows if row.status.value not in ("ok", "skipped")}
        for one in broken:
            if one.last < ORDER.index(bad[0]) and not one.names & mentioned:
                yield Violation(f"not nearest the cause: {bad[0]} before {one.id}", _said(report), one.id)


def _about_the_walk(world: World, walk: Walk, last: Any, faults: Sequence[Fault]) -> Iterator[Violation]:
    """The steps change something and lead to green, or to somebody else; where it is green, CAVEclient works."""
    way = "".join(f"\n    Next: {step}" for step in walk.steps)
    if last is None:
        yield Violation("no report after a step", f"{world.outputs[-1][-400:]}{way}")
        return
    at = next((row.id for row in last.rows if row.status.value in BAD), "")
    if walk.repeated:
        yield Violation(f"the next step changes nothing: {at}", f"{_said(last)}{way}")
    elif not last.ok and last.next is None:
        yield Violation(f"no next step: {at}", _said(last) + way)
    elif not last.ok and not OTHERS.search(last.next.text):
        yield Violation(f"the way does not end: {at}", _said(last) + way)
    elif not last.ok and not any(one.others for one in faults):
        yield Violation(f"the user could repair it, but is sent to others: {at}", f"{_said(last)}{way}")
    elif not last.ok and not any(one.others and at in one.names for one in faults):
        yield Violation(f"ends at what others did not break: {at}", f"{_said(last)}{way}")
    elif last.ok and (error := world.works(last.go_on.text)):
        yield Violation(f"green, but CAVEclient fails: {error.partition(':')[0]}", f"{error}{way}")


def _about_traces(world: World, last: Any) -> Iterator[Violation]:
    """No traceback, no secret, nothing lost."""
    for output in world.outputs:
        if output.startswith("%") and "Traceback (most recent call last)" in output:
            yield Violation(f"a traceback: {output.split()[0]}", output[-400:])
    if places := world.leaks(last):
        yield Violation(f"a secret in: {', '.join(places)}", "")
    kept = any(KEPT in path.read_text("utf-8", "replace") for path in world.home.rglob("*") if _readable(path))
    if world.foreign_content and not kept:
        yield Violation("what another program kept is lost", "")


def _readable(path: Any) -> bool:
    try:
        return path.is_file() and path.stat().st_size < 1_000_000 and path.open("rb").close() is None
    except OSError:
        return False


def _said(report: Any) -> str:
    """The bad rows and the next step."""
    rows = "; ".join(f"[{row.id}] {row.evidence}" for row in report.rows if row.status.value in BAD)
    return f"{rows}\n    Next: {report.next.text if report.next else None}"
