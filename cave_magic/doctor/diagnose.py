"""From targets to a report: gathers the facts, runs the checks, and redacts the report for sharing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..api import responses
from ..api.batch import OnWait
from ..api.urls import host_of
from ..credentials.target import Target
from ..environment import cloud_volume
from ..environment.caveclient_adapter import failed_call
from ..ui.document import line
from . import next_steps
from .certainty import is_certain
from .checks import CHECKS
from .checks.call import CALL, REFUSED
from .evidence import NO_NOTEBOOK, Evidence, NotebookSession
from .gather import gather, without_data_servers
from .gather_call import follow
from .model import CheckResult, Fix, LastError, Status
from .report import Report
from .runner import run_checks

DEFAULT_SECONDS = 10.0


def diagnose(targets: Iterable[Target], seconds: float, on_wait: OnWait | None = None) -> Report:
    """The report of `look` for a script."""
    return look(targets, seconds, on_wait).report


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A report and the fixes that it offers.

    Attributes:
        report: the results; it can be pickled and contains no secret.
        fixes: the fixes of the findings, in the order of the rows; they contain tokens.
    """

    report: Report
    fixes: tuple[Fix, ...]


def look(
    targets: Iterable[Target],
    seconds: float = DEFAULT_SECONDS,
    on_wait: OnWait | None = None,
    notebook: NotebookSession = NO_NOTEBOOK,
    error: BaseException | None = None,
    everything: bool = False,
    on_rows: Callable[[Report], object] | None = None,
    in_detail: bool = False,
) -> Diagnosis:
    """Checks everything and reports what is wrong. Writes no files and opens no browser.

    Args:
        targets: the datastacks to check, at least one.
        seconds: the timeout of the whole check.
        on_wait: called with the hosts that it waits for, after a second.
        notebook: the notebook in which the check runs.
        error: the exception of the user's last cell, if any.
        everything: check every datastack that the servers of the targets list for the stored token.
        on_rows: called with a report in which all is well but caveclient is still being imported. If it is given, a
            check that failed is reported before that import has finished (`certainty`).
        in_detail: find out, too, where the time of that import goes.
    """
    start = time.monotonic()
    wanted = tuple(targets)
    followed = follow(failed_call(error), wanted, wanted[0].settings)
    if followed is not None and not everything and not any(one.asked for one in wanted):
        wanted = (followed.home or followed.target,)  # the error says more than the default datastack

    def judged(evidence: Evidence) -> Diagnosis:
        return judge(wanted, evidence, time.monotonic() - start, error)

    early: list[Diagnosis] = []

    def is_enough(evidence: Evidence) -> bool:
        found = judged(evidence)
        if is_certain(found.report.rows, evidence):
            early.append(found)
        elif found.report.ok and on_rows is not None:
            on_rows(found.report)
        return bool(early)

    enough = is_enough if on_rows is not None else None
    evidence = gather(wanted, seconds, on_wait, notebook, everything, followed, enough, in_detail)
    return early[0] if early else judged(evidence)


def diagnose_each(
    targets: Sequence[Target], seconds: float, on_wait: OnWait | None, notebook: NotebookSession
) -> list[Diagnosis]:
    """As `look`, with a diagnosis for each server; all are asked at the same time, within one timeout."""
    start = time.monotonic()
    evidence = gather(targets, seconds, on_wait, notebook)
    found = []
    for facts in without_data_servers(evidence.servers):
        wanted = [one for one in targets if one.server == facts.address]
        machine = replace(evidence.machine, check_command=next_steps.check_all(wanted))
        server = replace(facts, machine=machine)
        datastacks = [replace(one, server=server) for one in evidence.datastacks if one.server is facts]
        part = Evidence(machine=machine, servers=(server,), datastacks=tuple(datastacks))
        found.append(judge(wanted, part, time.monotonic() - start))
    return found


def judge(
    targets: Sequence[Target], evidence: Evidence, seconds: float, error: BaseException | None = None
) -> Diagnosis:
    """Runs the checks on facts that were gathered; sends no request, but tries what the next steps need."""
    rows, fixes = run_checks(CHECKS, evidence)
    # A fix may change the tokens of the servers and of their data servers.
    infos = [one.info for one in evidence.datastacks if one.info is not None]
    hosts = [one.host for one in evidence.servers] + [host_of(responses.local_server_in(info)) for info in infos]
    forget = partial(cloud_volume.forget_cached, hosts)
    person = next((facts.account for facts in evidence.servers if facts.account), None)
    first = evidence.datastacks[0].target if evidence.datastacks else targets[0]
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
    return Diagnosis(report=report, fixes=tuple(fix.then(forget) for fix in fixes))


def _meaning(
    error: BaseException | None, target: Target, rows: Sequence[CheckResult], evidence: Evidence
) -> LastError | None:
    """What the last error means: what it says itself, and what following it found, which may disprove a guess."""
    if error is None:
        return None
    from .explain_error import explain_error  # lazily: only after an error

    explained = explain_error(error, target)
    row = next((row for row in rows if row.id.partition(":")[0] == CALL.id), None)
    facts = next((one.call for one in evidence.datastacks if one.call is not None), None)
    if facts is None or row is None:
        return explained
    if row.status is Status.FAILED:
        is_known = explained is not None and (facts.call.status in REFUSED or facts.other_server)
        said = line(explained.line, " Cause: ") if explained and is_known else ()
        return LastError(line=line(said, row.found, "."), next_step=row.next_step)
    succeeds = facts.same is not None and facts.same.is_good and row.status is Status.OK
    return LastError(line=line(explained.line, " But ", row.found, ".")) if explained and succeeds else explained
