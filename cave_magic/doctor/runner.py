"""Runs the checks in order: each on its facts, skipping what depends on a check that did not pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..ui.document import line
from .model import Check, CheckResult, Status

Subjects = Callable[[type], Sequence[Any]]
Above = Callable[[Any, type], Any]


def run_checks(
    checks: Iterable[Check], subjects: Subjects, above: Above, label: Callable[[Any], str]
) -> list[CheckResult]:
    """Runs checks in their order.

    Args:
        checks: in run order: what a check needs stands before it.
        subjects: type -> the subjects of that type.
        above: (subject, type) -> the subject of that type that it belongs to.
        label: subject -> its name, which tells rows apart where there are several of a kind.
    Returns:
        A row for each check and subject that has something to say.
    """
    rows: list[CheckResult] = []
    states: dict[tuple[str, int], tuple[Status, str]] = {}
    for check in checks:
        several = len(subjects(check.about)) > 1
        for subject in subjects(check.about):
            name = f"{check.id}:{label(subject)}" if several else check.id
            title = f"{check.title} ({label(subject)})" if several else check.title
            blocker = _blocker(check, subject, above, states)
            row = _skipped(check, name, title, blocker, rows) if blocker else _look(check, name, title, subject)
            status = row.status if row else Status.OK
            states[check.id, id(subject)] = status, blocker or name
            if row is not None:
                rows.append(row)
    return rows


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


def _look(check: Check, name: str, title: str, subject: Any) -> CheckResult | None:
    try:
        finding = check.look(subject)
    except Exception as error:
        found = line(f"this check failed with a {type(error).__name__}; the others went on")
        return CheckResult(id=name, group=check.group, status=Status.CRASHED, title=title, found=found)
    if finding is None:
        return None
    return CheckResult(
        id=name,
        group=check.group,
        status=finding.status,
        title=title,
        found=finding.evidence,
        next_step=finding.next_step,
        quiet=check.quiet,
    )
