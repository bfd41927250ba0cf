"""What the workers of a cluster report, with equal workers grouped; as data and as a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..doctor.model import NextStep, Shown, Status
from ..doctor.report import mark
from ..ui.document import Block, Line, Page, Span, Table, joined, line, some_of
from ..ui.durations import duration
from ..ui.redact import sanitize

MOST_NAMED = 3
"""How many hosts or workers a row names."""

HOME = "home"
"""What differs if a worker has another home folder."""

MISSING = "missing"
"""The word for a token or a package that is not there."""

LATEST = 60.0
"""Seconds by which the clock of a worker may differ from the one here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that differs between the workers and this computer.

    Attributes:
        what: "home", "token", "account", "caveclient", ...
        there, here: how it is on the workers, and here.
    """

    what: str
    there: str
    here: str

    @property
    def text(self) -> str:
        """`home /scratch/ada (here /home/ada)`."""
        return f"{self.what} {self.there} (here {self.here})" if self.here else f"{self.what} {self.there}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGroup:
    """Workers that report the same.

    Attributes:
        workers: their addresses.
        hosts: the computers they run on.
        status: ok, warning, failed, unknown or crashed.
        check: the id of the check that did not pass; "worker" or "package" if none could run; "" if all is well.
        evidence: what that check found.
        advice: its next step, in the words for such a worker; "" if there is none.
        account: the name of the account, or "".
        differs: what differs from this computer.
    """

    workers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    status: Status
    check: str = ""
    evidence: str = ""
    advice: str = ""
    account: str = ""
    differs: tuple[Difference, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether access works there."""
        return self.status.passed

    @property
    def who(self) -> str:
        """`4 workers on node7`."""
        number = f"{len(self.workers)} worker{'s' if len(self.workers) > 1 else ''}"
        on_hosts, named = f"on {some_of(self.hosts, MOST_NAMED)}", f"({some_of(self.workers, MOST_NAMED)})"
        return f"{number} {on_hosts if self.hosts else named}"

    def to_dict(self) -> dict[str, Any]:
        """The group in `%cave_check --workers ... --json`."""
        return {
            "workers": list(self.workers),
            "hosts": list(self.hosts),
            "status": self.status.value,
            "check": self.check or None,
            "evidence": self.evidence,
            "account": self.account or None,
            "differs": [{"what": one.what, "there": one.there, "here": one.here} for one in self.differs],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersReport(Shown):
    """What `%cave_check --workers` found. It can be pickled and contains no secret.

    Attributes:
        scheduler: its address.
        datastacks: the names that were checked.
        groups: the workers, grouped by what is the same; those with a problem first.
        here: whether access works on this computer.
        next: what to do first, for all; or None.
        seconds: how long it took.
    """

    scheduler: str
    datastacks: tuple[str, ...]
    groups: tuple[WorkerGroup, ...]
    here: bool
    next: NextStep | None
    seconds: float = field(compare=False)

    def __repr__(self) -> str:
        bad = sum(len(one.workers) for one in self.groups if not one.is_well)
        number = sum(len(one.workers) for one in self.groups)
        return f"<CAVE report on {number} workers: {f'{bad} without access' if bad else 'all well'}>"

    @property
    def ok(self) -> bool:
        """True if access works on every worker."""
        return all(one.is_well for one in self.groups)

    def to_dict(self) -> dict[str, Any]:
        """The report as `%cave_check --workers ... --json` prints it."""
        return {
            "schema": 1,
            "ok": self.ok,
            "scheduler": self.scheduler,
            "datastacks": list(self.datastacks),
            "here": self.here,
            "groups": [one.to_dict() for one in self.groups],
            "next": self.next.to_dict() if self.next else None,
            "seconds": round(self.seconds, 2),
        }

    def page(self, verbose: bool = False) -> Page:
        """The report as `%cave_check --workers` shows it; with `verbose`, every worker is named."""
        number = sum(len(one.workers) for one in self.groups)
        plural = "s" if number != 1 else ""
        about = f"CAVE check: {', '.join(self.datastacks)} on {number} worker{plural} of {self.scheduler}"
        rows = tuple(row for one in self.groups for row in _rows(one, verbose))
        blocks: list[Block] = [line(Span(about, "strong")), Table(rows, "the workers", head=1)]
        if self.next is not None:
            return Page((*blocks, line(Span("Next: ", "strong"), self.next.line)))
        return Page((*blocks, line(Span("✔ Access works on all workers.", "done"))))


def _rows(group: WorkerGroup, verbose: bool) -> Iterable[tuple[Line, ...]]:
    said = group.evidence if group.status is not Status.OK else "all well"
    account = f" ({group.account})" if group.is_well and group.account else ""
    yield (
        mark(group.status),
        line(Span(group.who, "" if group.status is Status.OK else "strong")),
        line(f"{said}{account}"),
    )
    if group.differs:
        differs = joined(", ", [Span(one.text, "dim", private=True) for one in group.differs])
        yield (), line(Span("differs", "dim")), differs
    if verbose:
        yield (), line(Span("workers", "dim")), line(Span(", ".join(group.workers), "dim"))


# ---------------------------------------------------------------- from what the workers said


def group_of(
    facts: Mapping[str, Any], found: Mapping[str, Any] | None, here: Mapping[str, Any], own: Mapping[str, Any]
) -> WorkerGroup:
    """The group of one worker; `merged` combines the groups that say the same.

    Args:
        facts: its `look.facts`, and by how many seconds its clock is `ahead` of the one here.
        found: its `look.check`, or None if that did not end in time.
        here, own: the same of this computer.
    """
    differs = _differences(facts, here)
    account, ours = _account(found), _account(own)
    if account and ours and account != ours:
        differs = (*differs, Difference(what="account", there=account, here=ours))
    group = WorkerGroup(hosts=(_shown(facts["host"]),), status=Status.OK, account=account, differs=differs)
    if found is None:
        return replace(group, status=Status.UNKNOWN, check="worker", evidence="the check did not finish in time")
    order = (Status.FAILED.value, Status.UNKNOWN.value, Status.CRASHED.value)
    bad = next((row for status in order for row in found["rows"] if row["status"] == status), None)
    if bad is None:
        return group
    return replace(
        group,
        status=Status(bad["status"]),
        check=str(bad["id"]).partition(":")[0],
        evidence=f"{_shown(bad['title'])}: {_shown(bad['evidence'], 400).replace(_shown(facts['home']), '~')}",
        advice=_shown((found.get("next") or {}).get("text", ""), 1000),
    )


def merged(groups: Iterable[tuple[str, WorkerGroup]]) -> tuple[WorkerGroup, ...]:
    """One group for the workers (address, group) that say the same, on whatever hosts; those with a problem first."""
    together: dict[tuple[object, ...], list[tuple[str, WorkerGroup]]] = {}
    for address, one in groups:
        unlike = tuple(each if each.what != HOME else HOME for each in one.differs)  # each job may have its own home
        key = (one.status, one.check, one.evidence, one.account, unlike)
        together.setdefault(key, []).append((address, one))
    found = [
        replace(
            some[0][1],
            workers=tuple(sorted(address for address, _ in some)),
            hosts=tuple(sorted({host for _, one in some for host in one.hosts})),
            differs=_together([one.differs for _, one in some]),
        )
        for some in together.values()
    ]
    return tuple(sorted(found, key=lambda one: (one.is_well, -len(one.workers), one.workers)))


def _together(found: Sequence[tuple[Difference, ...]]) -> tuple[Difference, ...]:
    """What differs on several workers; only their homes may be different."""
    homes = sorted({one.there for differs in found for one in differs if one.what == HOME})
    return tuple(one if one.what != HOME else replace(one, there=some_of(homes, MOST_NAMED)) for one in found[0])


def _differences(facts: Mapping[str, Any], here: Mapping[str, Any]) -> tuple[Difference, ...]:
    found: list[tuple[str, str, str]] = []
    if facts["home"] != here["home"]:
        found.append((HOME, facts["home"], here["home"]))
    for theirs, ours in zip(facts["tokens"], here["tokens"], strict=False):
        if theirs["server"] != ours["server"]:
            found.append(("server", theirs["server"], ours["server"]))
        elif theirs["digest"] != ours["digest"]:
            found.append(("token", _ending(theirs), _ending(ours)))
    for name in dict.fromkeys((*here["versions"], *facts["versions"])):
        theirs, ours = facts["versions"].get(name) or MISSING, here["versions"].get(name) or MISSING
        if theirs != ours:
            found.append((name, theirs, ours))
    if facts["network"] != here["network"]:
        theirs, ours = (", ".join(one["variables"]) or "none" for one in (facts, here))
        found.append(("network variables", theirs, ours if theirs != ours else "with other values"))
    if abs(off := facts["ahead"]) > LATEST:
        found.append(("clock", f"{duration(round(abs(off) / 60) * 60)} {'ahead' if off > 0 else 'behind'}", ""))
    return tuple(
        Difference(what=_shown(what), there=_shown(there), here=_shown(ours))
        for what, there, ours in dict.fromkeys(found)
    )


def _ending(token: Mapping[str, str]) -> str:
    if token["ending"]:
        return f"ending in {token['ending']}"
    return "in an unknown format" if token["digest"] else MISSING


def _account(found: Mapping[str, Any] | None) -> str:
    person = (found or {}).get("account") or {}
    return _shown(person.get("name", ""))


def _shown(text: object, limit: int = 120) -> str:
    return sanitize(text, limit).text
