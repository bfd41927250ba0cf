"""The rows of a report as people read them: with many datastacks, one row for each cause instead of each datastack."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..ui.document import Line, line, some_of
from .model import CheckResult, Status, Subject

if TYPE_CHECKING:
    from .report import Report

MANY = 5
"""A report on more datastacks than this is summed up."""

MOST_NAMED = 12
"""How many datastacks a row names."""


def is_summed_up(report: Report) -> bool:
    """Whether a report is too long to read row by row."""
    return len(report.datastacks) > MANY


def rows_to_read(report: Report) -> tuple[CheckResult, ...]:
    """The rows of a report; if it is summed up, how many datastacks can be read, and the others by cause."""
    if not is_summed_up(report):
        return report.rows
    shared: list[CheckResult] = []
    causes: dict[tuple[str, Status, Line], list[CheckResult]] = {}
    for row in report.rows:
        name = datastack_of(row, report)
        blocker = (row.blocked_by or "").partition(":")[2]
        if not name or (row.status is Status.SKIPPED and blocker not in report.datastacks):
            shared.append(row)
        elif row.status not in (Status.OK, Status.SKIPPED):
            key = row.id.partition(":")[0], row.status, _cause(row)
            causes.setdefault(key, []).append(row)
    able = [row for row in report.rows if row.id.startswith("access:") and row.status.passed]
    if able:
        found = line(f"{len(able)} of {len(report.datastacks)} datastacks can be read")
        title = _title(able[0], report)
        shared.append(replace(able[0], id="access", status=Status.OK, title=title, found=found, next_step=None))
    return (*shared, *(_together(rows, report) for rows in causes.values()))


def datastack_of(row: CheckResult, report: Report) -> str:
    """The datastack that a row is about; "" if it is about the computer or a server."""
    name = row.id.partition(":")[2]
    return name if name in report.datastacks else ""


def _together(rows: list[CheckResult], report: Report) -> CheckResult:
    """One row for the datastacks with one cause."""
    names = [datastack_of(row, report) for row in rows]
    found = line(f"{some_of(names, MOST_NAMED)}: ", _cause(rows[0]))
    return replace(rows[0], id=rows[0].id.partition(":")[0], title=_title(rows[0], report), found=found)


def _title(row: CheckResult, report: Report) -> str:
    return row.title.removesuffix(f" ({datastack_of(row, report)})")


def _cause(row: CheckResult) -> Line:
    """What was found, with "it" for the name of the datastack."""
    return line(*(span.pronoun if isinstance(span, Subject) else span for span in row.found))
