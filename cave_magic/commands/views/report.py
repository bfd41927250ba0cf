"""The report of `%cave_check` as a page: a table, advice about warnings, and the next step."""

from __future__ import annotations

from collections.abc import Iterable

from ...api.urls import host_of
from ...doctor import next_steps
from ...doctor.model import CheckResult, Command, NextStep, Report, Status
from ...ui.document import Block, Line, Page, Span, Table, line

MARKS = {
    Status.OK: "✔",
    Status.WARNING: "!",
    Status.FAILED: "✘",
    Status.SKIPPED: "\u2013",
    Status.UNKNOWN: "?",
    Status.CRASHED: "✘",
}


def report_page(report: Report, verbose: bool = False) -> Page:
    """The report of `%cave_check`; `verbose` shows the ids of the checks and every row, also quiet and skipped ones."""
    blocks: list[Block] = []
    if report.error is not None:
        blocks.append(line(Span("The last error: ", "strong"), report.error.line))
    blocks.append(line(Span(f"CAVE check: {', '.join(report.datastacks)} on {host_of(report.server)}", "strong")))
    shown = [row for row in report.rows if verbose or _is_shown(row)]
    rows = [part for row in shown for part in (_row(row, verbose), *(_tried(row) if verbose else ()))]
    rows += [] if verbose else _skipped(report.rows)
    if rows:
        blocks.append(Table(tuple(rows), "what was checked", head=1))
    blocks += [advice for row in shown if row.status is Status.WARNING and (advice := _advice(row, report.next))]
    return Page((*blocks, _ending(report)))


def _is_shown(row: CheckResult) -> bool:
    return row.status is not Status.SKIPPED and not (row.quiet and row.status is Status.OK)


def _row(row: CheckResult, verbose: bool) -> tuple[Line, ...]:
    calm = row.status in (Status.OK, Status.SKIPPED)
    name = Span(f" ({row.id})" if verbose and row.id != row.title else "", "dim")
    return _mark(row.status), line(Span(row.title, "" if calm else "strong"), name), row.found


def _tried(row: CheckResult) -> list[tuple[Line, ...]]:
    """A row for each thing that was tried."""
    return [((), line(Span("tried", "dim")), one) for one in row.tried]


def _mark(status: Status) -> Line:
    return line(Span(f"{MARKS[status]} {status.value}", status.value))


def _skipped(rows: Iterable[CheckResult]) -> list[tuple[Line, ...]]:
    """One row for all checks that were skipped for the same reason."""
    waiting: dict[str, list[str]] = {}
    for row in rows:
        if row.status is Status.SKIPPED and not row.quiet:
            waiting.setdefault(row.evidence, []).append(row.title)
    found: list[tuple[Line, ...]] = []
    for need, titles in waiting.items():
        what = titles[0] if len(titles) == 1 else f"{len(titles)} more checks"
        found.append((_mark(Status.SKIPPED), line(Span(what, "skipped")), line(Span(need, "skipped"))))
    return found


def _advice(row: CheckResult, following: NextStep | None) -> Line | None:
    """The next step of a warning, unless the last line says the same."""
    if row.next_step is None or row.next_step == following:
        return None
    return line(Span(f"About {row.title}: ", "dim"), row.next_step.line)


def _ending(report: Report) -> Line:
    statuses = {row.status for row in report.rows}
    if report.next is not None:
        return line(Span("Next: ", "strong"), report.next.line)
    if Status.CRASHED in statuses:
        tell = next_steps.with_option(report.again, "--report")
        return line(Span("A check failed because of a bug in cave_magic. ", "strong"), "To report it: ", tell)
    if not report.ok:
        return line(Span("Not everything could be checked; try again later.", "strong"))
    head = "✔ Access works. " if Status.WARNING in statuses else "✔ All well. "
    return line(Span(head, "done"), go_on(report.go_on))


def go_on(command: Command) -> Line:
    """The last line of a page when access works."""
    return line("Go on with: ", command)
