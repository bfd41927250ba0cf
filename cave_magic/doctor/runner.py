"""Runs the checks in order and skips those that need a check that did not pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..ui.document import line
from .model import Check, CheckResult, Finding, Fix, NextStep, Status, advise

Subjects = Callable[[type], Sequence[Any]]
Above = Callable[[Any, type], Any]


def run_checks(
    checks: Iterable[Check],
    subjects: Subjects,
    above: Above,
    label: Callable[[Any], str],
    offer: NextStep,
    prove: Callable[[Finding], Finding] = lambda finding: finding,
) -> tuple[list[CheckResult], list[Fix]]:
    """Runs checks in their order.

    Args:
        checks: in the order in which they run; what a check needs comes before it.
        subjects: type -> the subjects of that type.
        above: (subject, type) -> the subject of that type that it belongs to.
        label: subject -> its name, which goes into ids and titles if there are several subjects.
        offer: the next step of a finding that has a fix and no shorter line.
        prove: finding -> the same with a next step and a fix that can work here.
    Returns:
        A row for each check and subject with something to say, and the fixes, each once.
    """
    rows: list[CheckResult] = []
    fixes: dict[tuple[str, tuple[Path, ...]], Fix] = {}
    states: dict[tuple[str, int], tuple[Status, str]] = {}
    for check in checks:
        several = len(subjects(check.about)) > 1
        for subject in subjects(check.about):
            name = f"{check.id}:{label(subject)}" if several else check.id
            title = f"{check.title} ({label(subject)})" if several else check.title
            blocker = _blocker(check, subject, above, states)
            finding = None if blocker else _look(check, subject, prove)
            if finding is not None and finding.fix is not None:
                fixes.setdefault((finding.fix.id, finding.fix.paths), finding.fix)
            row = _skipped(check, name, title, blocker, rows) if blocker else _row(check, name, title, finding, offer)
            status = row.status if row else Status.OK
            states[check.id, id(subject)] = status, blocker or name
            if row is not None:
                rows.append(row)
    return rows, list(fixes.values())


def _blocker(check: Check, subject: Any, above: Above, states: Mapping[tuple[str, int], tuple[Status, str]]) -> str:
    for need in check.needs:
        status, name = states[need.id, id(above(subject, need.about))]
        if not status.passed:
            return name
    return ""


def _skipped(check: Check, name: str, title: str, blocker: str, rows: Iterable[CheckResult]) -> CheckResult:
    reason = next((row.title for row in rows if row.id == blocker), blocker)
    return CheckResult(
        id=name,
        group=check.group,
        status=Status.SKIPPED,
        title=title,
        found=line(f"needs: {reason}"),
        blocked_by=blocker,
        quiet=check.quiet,
    )


def _look(check: Check, subject: Any, prove: Callable[[Finding], Finding]) -> Finding | None:
    try:
        finding = check.look(subject)
        return None if finding is None else prove(finding)
    except Exception as error:
        found = line(f"this check crashed ({type(error).__name__}); the others ran")
        return Finding(status=Status.CRASHED, evidence=found)


def _offered(finding: Finding, offer: NextStep) -> NextStep | None:
    """The offer of a finding's fix. What fails is fixed first: the advice for afterwards comes with the fix then."""
    if finding.fix is None or not finding.fix.advice or finding.status is not Status.WARNING:
        return offer if finding.fix else None
    return advise(offer.line, ". ", finding.fix.advice)


def _row(check: Check, name: str, title: str, finding: Finding | None, offer: NextStep) -> CheckResult | None:
    if finding is None:
        return None
    return CheckResult(
        id=name,
        group=check.group,
        status=finding.status,
        title=title,
        found=finding.evidence,
        next_step=finding.next_step or _offered(finding, offer),
        quiet=check.quiet and finding.status is not Status.CRASHED,
        tried=finding.tried,
    )
