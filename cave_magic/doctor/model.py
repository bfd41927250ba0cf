"""Findings, checks, rows and the report: how a diagnosis is made and what it is. Standard library only.

A check is a pure function from facts about one subject (this machine, a server, a datastack) to a finding. A check
whose requirement did not pass is skipped and names what it waits for; a check that crashes is a row of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, NewType

from ..redact import shareable, shown


class Status(str, Enum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"
    CRASHED = "crashed"

    @property
    def passed(self) -> bool:
        """Whether checks that need this one may run."""
        return self in (Status.OK, Status.WARNING)


Command = NewType("Command", str)
"""A line to type: a magic, Python or a shell command. Only `lines` makes one, from the data that it is about."""

NO_COMMAND = Command("")


@dataclass(frozen=True, slots=True)
class NextStep:
    """What mends a fault.

    Attributes:
        text: one sentence that contains the commands and the link, so that it can be followed as it stands.
        commands: lines to type, in order.
        url: a page to open, or None.
    """

    text: str
    commands: tuple[Command, ...] = ()
    url: str | None = None

    def __post_init__(self) -> None:
        for part in (*self.commands, *((self.url,) if self.url else ())):
            if part not in self.text:
                raise ValueError(f"the sentence of a next step must contain {part!r}")

    def to_dict(self) -> dict[str, Any]:
        """The next step as it stands in `%cave_check --json`."""
        return {"text": self.text, "commands": list(self.commands), "url": self.url}


@dataclass(frozen=True, slots=True)
class LastError:
    """What the error that the person just had means.

    Attributes:
        text: one or two sentences for the person.
        command: the line to type that stands in them, or None.
        shared: the sentences without what is the person's own, for `%cave_check --report`.
    """

    text: str
    command: Command | None = None
    shared: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The explanation as it stands in `%cave_check --json`."""
        return {"text": self.text, "command": self.command}


def explanation(said: str, command: Command | None = None) -> LastError:
    """What an error means, from sentences in which what is the person's own is marked `private`.

    Args:
        said: the sentences.
        command: the line to type that stands in them, if one does.
    """
    if command is not None and command not in said:
        raise ValueError(f"the sentences about an error must contain {command!r}")
    return LastError(shown(said), command, shareable(said))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One change that can be made on this computer, in this kernel.

    Attributes:
        id: what kind it is.
        words: what it does, before -> after, in one line without a secret.
        paths: the files that it changes.
        apply: makes the change, planned anew: what somebody else has changed since is not undone. Gives the copies of
            the files as they were before; raises TokenNotSaved where a file cannot be written.
    """

    id: str
    words: str
    paths: tuple[Path, ...] = field(default=(), repr=False)
    apply: Callable[[], tuple[Path, ...]] = field(repr=False, compare=False)

    def then(self, follow: Callable[[], object]) -> Fix:
        """The same fix, with something that is to be done once it is made."""

        def apply() -> tuple[Path, ...]:
            backups = self.apply()
            follow()
            return backups

        return replace(self, apply=apply)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says.

    Attributes:
        status: ok, warning, failed or unknown.
        evidence: one line: which file, host, status, code; what is the person's own is marked `private`.
        next_step: what to do about it. Where there is none but a fix, it is the `%cave_check --fix` that offers it.
        fix: the change on this computer that `%cave_check --fix` offers, if one can be made.
    """

    status: Status
    evidence: str
    next_step: NextStep | None = None
    fix: Fix | None = None

    def __post_init__(self) -> None:
        if self.status is Status.FAILED and self.next_step is None and self.fix is None:
            raise ValueError("a failed finding needs a next step or a fix")


def ok(evidence: str) -> Finding:
    """All is well with it."""
    return Finding(Status.OK, evidence)


def warning(evidence: str, next_step: NextStep | None = None, fix: Fix | None = None) -> Finding:
    """It works, but not as it should."""
    return Finding(Status.WARNING, evidence, next_step, fix)


def failed(evidence: str, next_step: NextStep | None = None, fix: Fix | None = None) -> Finding:
    """It does not work, and this is what to do about it: a next step, a fix or both."""
    return Finding(Status.FAILED, evidence, next_step, fix)


def unknown(evidence: str, next_step: NextStep | None = None) -> Finding:
    """It could not be told."""
    return Finding(Status.UNKNOWN, evidence, next_step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A question that `%cave_check` puts.

    Attributes:
        id: its stable, documented name.
        group: the part of the report it stands in.
        title: what it is about, in the person's words.
        about: the type of the subject that `look` takes.
        look: facts about a subject -> a finding, or None where there is nothing to say.
        needs: checks that must have passed first, for the same subject or the one it belongs to.
        explains: what a failure means, for the reference table.
        fixed_by: how it is mended, for the reference table.
        quiet: whether a good result is shown only with `-v`.
    """

    id: str
    group: str
    title: str
    about: type
    look: Callable[[Any], Finding | None] = field(compare=False)
    needs: tuple[Check, ...] = ()
    explains: str = ""
    fixed_by: str = ""
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One line of the report: a finding with its place, or what kept the check from running.

    Attributes:
        id, group, status, title: what was looked at, and what came of it.
        evidence: one line for the person.
        blocked_by: the id of the row that kept this one from being looked at, or None.
        next_step: what mends it, or None.
        quiet: whether a good result is shown only with `-v`.
        shared: the evidence without what is the person's own, for `%cave_check --report`.
    """

    id: str
    group: str
    status: Status
    title: str
    evidence: str
    blocked_by: str | None = None
    next_step: NextStep | None = None
    quiet: bool = False
    shared: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The row as it stands in `%cave_check --json`."""
        return {
            "id": self.id,
            "group": self.group,
            "status": self.status.value,
            "title": self.title,
            "evidence": self.evidence,
            "blocked_by": self.blocked_by,
            "remedy": self.next_step.to_dict() if self.next_step else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `%cave_check` found. It pickles, and holds no secret.

    Attributes:
        server: address of the server that was looked at (the first, where there are several).
        datastacks: names of the datastacks that were looked at.
        account: {"name", "email", "id"} of the person, or None.
        rows: every row, in the order of cause.
        seconds: how long it took.
        error: what the error that the person just had means, or None.
        versions: package -> version, of what matters.
        go_on: the line with which work begins.
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
        """True if nothing failed, crashed or stayed unknown."""
        return not any(row.status in (Status.FAILED, Status.CRASHED, Status.UNKNOWN) for row in self.rows)

    @property
    def next(self) -> NextStep | None:
        """The next step of the row to deal with first: the first that failed, else the first that stayed open."""
        for status in (Status.FAILED, Status.UNKNOWN, Status.CRASHED):
            for row in self.rows:
                if row.status is status and row.next_step is not None:
                    return row.next_step
        return None

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
