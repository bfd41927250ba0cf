"""Findings, checks, results and the report: how a diagnosis is made and what it is. Standard library only.

A check is a pure function from facts about one subject (this machine, a server, a datastack) to a finding. A check
whose requirement did not pass is skipped and names what it waits for; a check that crashes is a result, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from ..ui.document import Line, Span, line, plain_text


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


@dataclass(frozen=True, slots=True)
class Command(Span):
    """A line to type: a magic, Python or shell. Only `next_steps` makes one, from the data that it is about."""

    style: str = "command"


NO_COMMAND = Command("")


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What fixes a problem.

    Attributes:
        line: one sentence with its commands and its link, so that it can be followed as it stands.
    """

    line: Line

    @property
    def text(self) -> str:
        """The sentence as the person reads it."""
        return plain_text(self.line)

    @property
    def commands(self) -> tuple[str, ...]:
        """The lines to type, in order."""
        return _commands_in(self.line)

    @property
    def url(self) -> str | None:
        """The page to open, or None."""
        return next((span.text for span in self.line if span.style == "link"), None)

    def to_dict(self) -> dict[str, Any]:
        """The next step as it stands in `%cave_check --json`."""
        return {"text": self.text, "commands": list(self.commands), "url": self.url}


def advise(*parts: str | Span | Line) -> NextStep:
    """A next step, from the parts of its sentence."""
    return NextStep(line=line(*parts))


def _commands_in(words: Line) -> tuple[str, ...]:
    return tuple(span.text for span in words if isinstance(span, Command))


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError:
    """What the error that the person just had means.

    Attributes:
        line: one or two sentences, with the line to type if there is one.
    """

    line: Line

    @property
    def text(self) -> str:
        """The sentences as the person reads them."""
        return plain_text(self.line)

    @property
    def command(self) -> str | None:
        """The line to type, or None."""
        return next(iter(_commands_in(self.line)), None)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as it stands in `%cave_check --json`."""
        return {"text": self.text, "command": self.command}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        status: ok, warning, failed or unknown.
        evidence: which file, host, status, code.
        next_step: what to do about it. Where there is none but a fix, it is the `%cave_check --fix` that offers it.
        fix: the change on this computer that `%cave_check --fix` offers, if one can be made.
    """

    status: Status
    evidence: Line
    next_step: NextStep | None = None
    fix: Fix | None = None

    def __post_init__(self) -> None:
        if self.status is Status.FAILED and self.next_step is None and self.fix is None:
            raise ValueError("a failed finding needs a next step or a fix")


def ok(*evidence: str | Span | Line) -> Finding:
    """All is well."""
    return Finding(status=Status.OK, evidence=line(*evidence))


def warning(*evidence: str | Span | Line, next_step: NextStep | None = None, fix: Fix | None = None) -> Finding:
    """It works, but not as it should."""
    return Finding(status=Status.WARNING, evidence=line(*evidence), next_step=next_step, fix=fix)


def failed(*evidence: str | Span | Line, next_step: NextStep | None = None, fix: Fix | None = None) -> Finding:
    """It does not work, and this is what to do about it: a next step, a fix or both."""
    return Finding(status=Status.FAILED, evidence=line(*evidence), next_step=next_step, fix=fix)


def unknown(*evidence: str | Span | Line, next_step: NextStep | None = None) -> Finding:
    """It is not known whether it works."""
    return Finding(status=Status.UNKNOWN, evidence=line(*evidence), next_step=next_step)


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
        found: the evidence with what is private in it marked, for the page and for `%cave_check --report`.
        blocked_by: the id of the result that kept this check from running, or None.
        next_step: what fixes it, or None.
        quiet: whether a good result is shown only with `-v`.
    """

    id: str
    group: str
    status: Status
    title: str
    found: Line
    blocked_by: str | None = None
    next_step: NextStep | None = None
    quiet: bool = False

    @property
    def evidence(self) -> str:
        """The evidence as the person reads it."""
        return plain_text(self.found)

    def to_dict(self) -> dict[str, Any]:
        """The result as it stands in `%cave_check --json`."""
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
        """What to do first: the next step of the first result that failed, else of the first that is not known."""
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
