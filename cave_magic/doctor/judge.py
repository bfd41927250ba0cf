"""Judges the facts: runs the checks and makes the report, which also explains the user's last error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..api.urls import host_of
from ..credentials.target import Target
from ..environment import cloud_volume
from ..ui.document import line
from . import next_steps
from .checks import CHECKS
from .checks.call import CALL, is_about_the_token
from .evidence import Evidence
from .model import CheckResult, Fix, LastError, Status
from .report import Report
from .runner import run_checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A report, and the fixes that it offers in the order of its rows; only the fixes contain tokens."""

    report: Report
    fixes: tuple[Fix, ...]


def judge(
    targets: Sequence[Target], evidence: Evidence, seconds: float, error: BaseException | None = None
) -> Diagnosis:
    """Runs the checks on facts that were gathered; sends no request, but tries what the next steps need."""
    rows, fixes = run_checks(CHECKS, evidence)
    hosts = [one.host for one in evidence.servers] + [host_of(one.local_server) for one in evidence.datastacks]

    def applied(fix: Fix) -> tuple[Path, ...]:
        backups = fix.apply()
        cloud_volume.forget_cached(hosts)  # a fix may change the tokens of the servers and of their data servers
        return backups

    person = next((facts.account for facts in evidence.servers if facts.account), None)
    first = evidence.datastacks[0].target
    report = Report(
        server=first.server,
        datastacks=tuple(facts.name for facts in evidence.datastacks),
        account=person.to_dict() if person else None,
        rows=tuple(rows),
        seconds=seconds,
        error=_meaning(error, targets[0], rows, evidence),
        versions=evidence.machine.versions,
        go_on=next_steps.go_on(first),
        again=evidence.machine.check_command,
    )
    return Diagnosis(report=report, fixes=tuple(replace(fix, apply=partial(applied, fix)) for fix in fixes))


def _meaning(
    error: BaseException | None, target: Target, rows: Sequence[CheckResult], evidence: Evidence
) -> LastError | None:
    """What the last error means: what it says, and what following the call found, which may disprove a guess."""
    if error is None:
        return None
    from .explain_error import explain_error  # lazily: only after an error

    explained = explain_error(error, target)
    row = next((row for row in rows if row.id.partition(":")[0] == CALL.id), None)
    facts = next((one.call for one in evidence.datastacks if one.call is not None), None)
    if facts is None or row is None:
        return explained
    if row.status is Status.FAILED:
        is_known = explained is not None and (is_about_the_token(facts) or facts.other_server)
        said = line(explained.line, " Cause: ") if explained and is_known else ()
        return LastError(line=line(said, row.found, "."), next_step=row.next_step)
    succeeds = facts.same is not None and facts.same.is_good and row.status is Status.OK
    return LastError(line=line(explained.line, " But ", row.found, ".")) if explained and succeeds else explained
