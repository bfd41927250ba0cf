"""The tables for all servers: who you are on each, and what is wrong there."""

from __future__ import annotations

from collections.abc import Sequence

from ...api.urls import host_of
from ...credentials.token_files import DEFAULT_NAME, secrets_folder, server_file, show_path
from ...doctor.model import Status
from ...doctor.report import Report, mark
from ...ui.document import Block, Line, Page, Span, Table, line
from ..outcomes import Identity
from .whoami import readable


def identities_page(found: Sequence[Identity]) -> Page:
    """The page of `%cave_whoami --all`."""
    titles = ("", "server", "you", "token", "can read")
    head = tuple(line(Span(title, "dim")) for title in titles)
    blocks: list[Block] = [Table((head, *map(_identity_row, found)), "who you are on each server", head=1)]
    pattern = f"{show_path(secrets_folder())}/SERVER-{DEFAULT_NAME}"
    files = f"Each token is read from {pattern}, unless another file is named."
    blocks.append(line(Span(files, "dim")))
    for one in found:
        blocks += [line(Span("! ", "warning"), f"{host_of(one.server)}: {other}") for other in one.others]
    blocks += _same_accounts(found)
    blocks += [line(Span(f"{host_of(one.server)}: ", "strong"), one.why) for one in found if one.why]
    for one in found:
        blocks += [line(f"{host_of(one.server)}, terms to accept: ", Span(url, "link")) for url in one.terms]
    return Page(tuple(blocks))


def _identity_row(one: Identity) -> tuple[Line, ...]:
    status = Status.OK if one.ok else Status.FAILED
    token = [f"ends in {one.token}"] if one.token else []
    if one.permanent is not None:
        token.append("permanent" if one.permanent else f"expires {one.expires}")
    if one.file and (name := one.file.rpartition("/")[2]) != server_file(one.server).name:
        token.append(f"in {name}")
    you = (one.account["email"] or one.account["name"]) if one.account else "unknown"
    reads = readable(one.datasets) if one.ok else "see below"
    return (mark(status), line(Span(host_of(one.server), "strong")), line(you), line(", ".join(token)), line(reads))


def _same_accounts(found: Sequence[Identity]) -> list[Line]:
    servers: dict[str, list[str]] = {}
    for one in found:
        if one.account and one.account["email"]:
            servers.setdefault(one.account["email"], []).append(host_of(one.server))
    return [line(f"{who} is your account on {len(hosts)} servers") for who, hosts in servers.items() if len(hosts) > 1]


def reports_page(reports: Sequence[Report]) -> Page:
    """The page of `%cave_check --all-servers`: a row with one cause for each server, then what to do."""
    rows, blocks = [], list[Block]()
    for report in reports:
        row = report.cause
        status = row.status if row is not None else Status.OK
        who = (report.account["email"] or report.account["name"]) if report.account else ""
        said = line(f"{row.title}: ", row.found) if row else line(f"{', '.join(report.datastacks)} can be read")
        rows.append((mark(status), line(Span(host_of(report.server), "strong")), line(who), said))
        if report.next is not None:
            blocks.append(line(Span(f"Next for {host_of(report.server)}: ", "strong"), report.next.line))
    good = sum(report.ok for report in reports)
    is_well = good == len(reports)
    end = "✔ All well." if is_well else f"All is well on {good} of {len(reports)} servers."
    style = "done" if is_well else "strong"
    return Page((Table(tuple(rows), "what was checked", head=1), *blocks, line(Span(end, style))))
