"""From targets to a report: gathers the facts, runs the checks, and redacts the report for sharing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..api.batch import OnWait
from ..api.failures import Failure
from ..credentials.target import Target
from .gather import gather, without_data_servers
from .session import NO_NOTEBOOK, NotebookSession

if TYPE_CHECKING:
    from .evidence import Evidence
    from .judge import Diagnosis
    from .model import CheckResult
    from .report import Report

DEFAULT_SECONDS = 10.0


def diagnose(targets: Iterable[Target], seconds: float, on_wait: OnWait | None = None) -> Report:
    """The report of `look` for a script."""
    return look(targets, seconds, on_wait).report


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
            check that failed is reported before that import has finished (`is_certain`).
        in_detail: also find out what makes that import slow.
    """
    start = time.monotonic()
    wanted = tuple(targets)
    followed = None
    if error is not None:
        from ..environment.caveclient_adapter import failed_call  # lazily: only after an error
        from .gather_call import follow

        followed = follow(failed_call(error), wanted)
    if followed is not None and not everything and not any(one.asked for one in wanted):
        wanted = (followed.home or followed.target,)  # the error says more than the default datastack

    def judged(evidence: Evidence) -> Diagnosis:
        return _import_judge()(wanted, evidence, time.monotonic() - start, error)

    early: list[Diagnosis] = []

    def is_enough(evidence: Evidence) -> bool:
        found = judged(evidence)
        if is_certain(found.report.rows, evidence):
            early.append(found)
        elif found.report.ok and on_rows is not None:
            on_rows(found.report)
        return bool(early)

    enough = is_enough if on_rows is not None else None
    evidence = gather(wanted, seconds, on_wait, notebook, everything, followed, enough, in_detail, _import_judge)
    return early[0] if early else judged(evidence)


def is_certain(rows: Iterable[CheckResult], evidence: Evidence) -> bool:
    """Whether the import of caveclient, which is all that is unknown, can no longer change which row comes first.

    It comes early in the order of cause, because an import that fails is a cause of its own: a report that does not
    wait for it must not hide that. So the rule is:

    1. A check failed. Access is never called good before caveclient has been imported.
    2. What failed cannot have the same cause as an import that fails: a response, or a failure of the network with a
       known meaning. Requests are sent without caveclient, so what a server or the network says is true in any case.
    3. Nothing makes it likely that the import fails: caveclient and its requirements are installed in the versions
       that it accepts, requests works, and no file of the user has the name of a package. So a package that is missing
       or too old comes first, as it does when the import is awaited. If the import fails all the same, the report still
       names a real fault, and the next check names the import.
    """
    from .model import Status  # lazily: the requests are sent first

    if Status.CRASHED in (statuses := {row.status for row in rows}) or Status.FAILED not in statuses:
        return False
    machine, responses = evidence.machine, [one for server in evidence.servers for one in server.responses]
    is_broken = "caveclient" not in machine.versions or machine.requests_problem
    if is_broken or machine.unmet_requirements != () or machine.shadowing_files:
        return False
    return all(one.failure is not Failure.UNKNOWN for one in responses)


def _import_judge() -> Callable[..., Diagnosis]:
    """Imports all checks; lazily, so that the requests are sent first."""
    from .judge import judge

    return judge


def diagnose_each(
    targets: Sequence[Target], seconds: float, on_wait: OnWait | None, notebook: NotebookSession
) -> list[Diagnosis]:
    """As `look`, with a diagnosis for each server; all are asked at the same time, within one timeout."""
    from . import next_steps
    from .evidence import Evidence
    from .judge import judge

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
