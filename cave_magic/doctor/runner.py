"""Runs the checks in order and skips those that need a check that did not pass."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..ui.document import line
from .evidence import Evidence, Machine
from .feasible import feasible
from .model import Check, CheckResult, Finding, Fix, NextStep, Status, advise


def run_checks(checks: Iterable[Check], evidence: Evidence) -> tuple[list[CheckResult], list[Fix]]:
    """Runs checks in their order: what a check needs comes before it.

    Returns:
        A row for each check and subject that has something to say, and the fixes without repeats.
    """
    rows: list[CheckResult] = []
    fixes: dict[tuple[str, tuple[Path, ...]], Fix] = {}
    states: dict[tuple[str, int], tuple[Status, str]] = {}
    for check in checks:
        subjects = evidence.subjects(check.about)
        for subject in subjects:
            label = evidence.label(subject) if len(subjects) > 1 else ""
            name = f"{check.id}:{label}" if label else check.id
            title = f"{check.title} ({label})" if label else check.title
            needed = (states[need.id, id(Evidence.above(subject, need.about))] for need in check.needs)
            blocker = next((of for status, of in needed if not status.passed), "")
            finding = _skipped(blocker, rows) if blocker else _look(check, subject, evidence.machine)
            states[check.id, id(subject)] = finding.status if finding else Status.OK, blocker or name
            if finding is None:
                continue
            if finding.fix is not None:
                fixes.setdefault((finding.fix.id, finding.fix.paths), finding.fix)
            rows.append(
                CheckResult(
                    id=name,
                    group=check.group,
                    status=finding.status,
                    title=title,
                    found=finding.evidence,
                    blocked_by=blocker or None,
                    next_step=finding.next_step or _offered(finding, evidence.machine),
                    quiet=check.quiet and finding.status is not Status.CRASHED,
                    tried=finding.tried,
                )
            )
    return rows, list(fixes.values())


def _skipped(blocker: str, rows: Iterable[CheckResult]) -> Finding:
    reason = next((row.title for row in rows if row.id == blocker), blocker)
    return Finding(status=Status.SKIPPED, evidence=line(f"needs: {reason}"))


def _look(check: Check, subject: Any, machine: Machine) -> Finding | None:
    try:
        finding = check.look(subject)
        return None if finding is None else feasible(finding, machine)
    except Exception as error:
        found = line(f"this check crashed ({type(error).__name__}); the others ran")
        return Finding(status=Status.CRASHED, evidence=found)


def _offered(finding: Finding, machine: Machine) -> NextStep | None:
    """The offer of a finding's fix. What failed is fixed first: then the advice for afterwards comes with the fix."""
    if finding.fix is None:
        return None
    then = (". ", finding.fix.advice) if finding.fix.advice and finding.status is Status.WARNING else ()
    return advise(machine.fix_command, *then)
