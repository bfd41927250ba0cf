"""The report of `%cave_check`: as data, as a page, and as Markdown to share."""

from __future__ import annotations

import getpass
import os
import platform
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..api.endpoints import SERVICES
from ..api.urls import host_of
from ..environment import platforms
from ..ui.document import WITHHELD, Block, Line, Page, Span, Table, line, shareable_text
from ..ui.durations import elapsed
from ..ui.redact import redact
from . import next_steps
from .model import NO_COMMAND, CheckResult, Command, LastError, NextStep, Shown, Status
from .summary import datastack_of, is_summed_up, rows_to_read

MARKS = {
    Status.OK: "✔",
    Status.WARNING: "!",
    Status.FAILED: "✘",
    Status.SKIPPED: "\u2013",
    Status.UNKNOWN: "?",
    Status.CRASHED: "✘",
}

_FAILURES = (Status.FAILED, Status.UNKNOWN, Status.CRASHED)

ACCESS = "data access"
"""The column for a datastack's own checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Shown):
    """What `%cave_check` found. It can be pickled and contains no secret.

    Attributes:
        server: address of the server that was checked (the first, if there are several).
        datastacks: names of the datastacks that were checked.
        account: {"name", "email", "id"}, or None.
        rows: all results, in the order of cause.
        seconds: how long it took.
        error: what the user's last error means, or None.
        versions: package -> version.
        go_on: the line to start work with.
        again: the line that runs this check again.
    """

    server: str
    datastacks: tuple[str, ...]
    account: Mapping[str, Any] | None
    rows: tuple[CheckResult, ...]
    seconds: float
    error: LastError | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    go_on: Command = NO_COMMAND
    again: Command = NO_COMMAND

    def __repr__(self) -> str:
        worst = next((row.title for row in self.rows if row.status is Status.FAILED), "something is unknown")
        return f"<CAVE report on {', '.join(self.datastacks)}: {'all well' if self.ok else worst}>"

    @property
    def ok(self) -> bool:
        """True if no result is failed, crashed or unknown."""
        return not self.failures

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The results that are failed, unknown or crashed, in this order."""
        return tuple(row for status in _FAILURES for row in self.rows if row.status is status)

    @property
    def cause(self) -> CheckResult | None:
        """The result to fix first: the first of the failures with a next step, else the first; None if all is well."""
        failures = self.failures
        return next((row for row in failures if row.next_step is not None), next(iter(failures), None))

    @property
    def next(self) -> NextStep | None:
        """What to do first."""
        return self.cause.next_step if self.cause is not None else None

    def to_dict(self) -> dict[str, Any]:
        """The report as `%cave_check --json` prints it."""
        return {
            "schema": 1,
            "ok": self.ok,
            "server": self.server,
            "datastacks": list(self.datastacks),
            "account": dict(self.account) if self.account else None,
            "rows": [row.to_dict() for row in self.rows],
            "next": self.next.to_dict() if self.next else None,
            "error": self.error.to_dict() if self.error else None,
            "seconds": round(self.seconds, 2),
        }

    def page(self, verbose: bool = False, offered: Collection[NextStep] = (), ending: Line = ()) -> Page:
        """The report as `%cave_check` shows it.

        Many datastacks are summed up by cause; then `verbose` adds a table of each datastack and its services.

        Args:
            verbose: whether it has the ids of the checks and every row, also quiet and skipped ones.
            offered: next steps that the person has just taken, which no advice repeats.
            ending: its last line; without one, whether access works, or the next step.
        """
        blocks: list[Block] = []
        is_long, every = is_summed_up(self), rows_to_read(self)
        if self.error is not None:
            blocks.append(line(Span("The last error: ", "strong"), self.error.line))
        blocks.append(line(Span(f"CAVE check: {_names(self)} on {host_of(self.server)}", "strong")))
        shown = [row for row in every if verbose or _is_shown(row)]
        rows = [part for row in shown for part in _rows(row, verbose)]
        rows += [] if verbose else _skipped(every)
        if rows:
            blocks.append(Table(tuple(rows), "what was checked", head=1))
        if is_long and verbose:
            blocks.append(_grid(self))
        blocks += [
            line(Span(f"About {row.title}: ", "dim"), row.next_step.line)
            for row in shown
            if row.status is Status.WARNING and row.next_step is not None and row.next_step not in (self.next, *offered)
        ]
        return Page((*blocks, ending or _ending(self)))

    def draft(self) -> Page:
        """The report while caveclient is still being imported; it claims nothing that is not yet known."""
        return self.page(ending=line(Span("Importing caveclient …", "dim")))


def _names(report: Report) -> str:
    return f"{len(report.datastacks)} datastacks" if is_summed_up(report) else ", ".join(report.datastacks)


def _grid(report: Report) -> Table:
    """Each datastack in a row: whether it can be read, and the state of each of its services."""
    states: dict[str, dict[str, Status]] = {name: {} for name in report.datastacks}
    for row in report.rows:
        if name := datastack_of(row, report):
            check = row.id.partition(":")[0]
            column = check if check in SERVICES else ACCESS
            if row.status not in (Status.OK, Status.SKIPPED) or check in (*SERVICES, "access"):
                states[name].setdefault(column, row.status)
    columns = (ACCESS, *SERVICES)
    head = tuple(line(Span(title, "dim")) for title in ("datastack", *columns))
    rows = [(line(name), *(mark(found.get(one, Status.SKIPPED)) for one in columns)) for name, found in states.items()]
    return Table((head, *rows), "each datastack and its services")


def _is_shown(row: CheckResult) -> bool:
    return row.status is not Status.SKIPPED and not (row.quiet and row.status is Status.OK)


def _rows(row: CheckResult, verbose: bool) -> Iterator[tuple[Line, ...]]:
    """The row of a result; if `verbose`, with its id, and one more for each thing that was tried."""
    calm = row.status in (Status.OK, Status.SKIPPED)
    name = line(" ", Span(f"({row.id})", "id")) if verbose and row.id != row.title else ()
    yield mark(row.status), line(Span(row.title, "" if calm else "strong"), name), row.found
    yield from (((), line(Span("tried", "dim")), one) for one in row.tried if verbose)


def mark(status: Status) -> Line:
    """A status as a cell of a table."""
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
        found.append((mark(Status.SKIPPED), line(Span(what, "skipped")), line(Span(need, "skipped"))))
    return found


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
    return line(Span(head, "done"), "Go on with: ", report.go_on)


def to_markdown(report: Report, front_end: str = "") -> str:
    """The report as Markdown for a forum or an e-mail, without private data.

    It ends with what a maintainer asks for first: the versions, the system, the front end, the date and the time.
    Private spans are withheld; as a second line of defence, the account's name and e-mail and tokens are masked.
    """
    lines = [f"**CAVE check** of {_names(report)} on {host_of(report.server)}", ""]
    if report.error is not None:
        lines += [f"The last error: {_cell(report.error.line)}", ""]
    lines += ["| | check | found |", "|---|---|---|"]
    for row in rows_to_read(report):
        if row.status is not Status.OK or not row.quiet:
            lines.append(f"| {row.status.value} | {_cell(line(row.title))} | {_cell(row.found)} |")
    if report.next is not None:
        lines += ["", f"Next: {_cell(report.next.line)}"]
    runtime = platforms.detect_runtime().platform or "own computer"
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    where = ", ".join(filter(None, (f"{platform.system()} {platform.machine()}", runtime, front_end)))
    now = datetime.now().astimezone()
    lines += ["", f"{versions}; {where}; {now:%Y-%m-%d %H:%M %z}, in {elapsed(report.seconds)}"]
    return _without_person("\n".join(lines), report)


def _cell(words: Line) -> str:
    return " ".join(shareable_text(words).split()).replace("|", "/")


def _without_person(text: str, report: Report) -> str:
    own = {os.path.expanduser("~")}
    if report.account:
        own |= {str(report.account[key]) for key in ("name", "email") if report.account.get(key)}
    with suppress(OSError, KeyError, ImportError):
        own.add(getpass.getuser())
    for word in sorted((word for word in own if len(word) > 3), key=len, reverse=True):
        text = text.replace(word, WITHHELD)
    return redact(text)
