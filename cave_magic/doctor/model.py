"""Checks, findings, results and the report.

A check is a pure function from the facts about one subject (this computer, a server, a datastack) to a finding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from ..credentials.obstacles import Intent
from ..ui.document import Line, Page, Span, line, plain_text


class Status(str, Enum):
    """The outcome of a check."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a command or a fix needs in order to work.

    Attributes:
        intent: what it does with a path; None if it saves a token.
        path: that path.
        server: the address of the server for which it saves a token.
    """

    intent: Intent | None = None
    path: Path = Path()
    server: str = ""


@dataclass(frozen=True, slots=True)
class Command(Span):
    """A line to type: a magic, Python or a shell command. Only `next_steps` builds them.

    Attributes:
        needs: what has to be possible here, now and for this user; it is tried before the line is printed.
    """

    style: str = "command"
    needs: tuple[Need, ...] = field(default=(), compare=False, repr=False)


NO_COMMAND = Command("")


@dataclass(frozen=True, slots=True)
class Subject(Span):
    """The name of the datastack that a finding is about, in its evidence.

    Attributes:
        pronoun: what replaces it after the names of several datastacks of which the same was found.
    """

    pronoun: str = "it"


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What to do about a problem: one sentence with its commands and its link."""

    line: Line

    @property
    def text(self) -> str:
        """The sentence as the user reads it."""
        return plain_text(self.line)

    @property
    def commands(self) -> tuple[str, ...]:
        """The lines to type, in order."""
        return tuple(span.text for span in self.line if isinstance(span, Command))

    @property
    def needs(self) -> tuple[Need, ...]:
        """What its commands need."""
        return tuple(need for span in self.line if isinstance(span, Command) for need in span.needs)

    @property
    def url(self) -> str | None:
        """The page to open, or None."""
        return next((span.text for span in self.line if span.style == "link"), None)

    def to_dict(self) -> dict[str, Any]:
        """The next step in `%cave_check --json`."""
        return {"text": self.text, "commands": list(self.commands), "url": self.url}


def advise(*parts: str | Span | Line) -> NextStep:
    """A next step, from the parts of its sentence."""
    return NextStep(line=line(*parts))


def then(advice: str | Span | Line, again: Command) -> NextStep:
    """Advice or a command, followed by the check."""
    return advise(advice, ", then ", again)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError:
    """What the user's last error means.

    Attributes:
        line: one or two sentences, with the line to type if there is one.
        next_step: what to do about it, if the check found that out.
    """

    line: Line
    next_step: NextStep | None = None

    @property
    def text(self) -> str:
        """The sentences as the user reads them."""
        return plain_text(self.line)

    @property
    def command(self) -> str | None:
        """The line to type, or None."""
        steps = filter(None, (NextStep(line=self.line), self.next_step))
        return next((command for step in steps for command in step.commands), None)

    def to_dict(self) -> dict[str, Any]:
        """The explanation in `%cave_check --json`."""
        return {"text": self.text, "command": self.command}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One change to this computer or this kernel.

    Attributes:
        id: its kind.
        words: what it does, before -> after, in one line without secrets.
        paths: the files that it changes.
        intent: what it does with them.
        advice: what to do once it is applied, or ().
        apply: makes the change. It reads the files again first, so it does not undo what changed in the meantime.
            Returns the backups; raises TokenNotSaved if a file cannot be written.
    """

    id: str
    words: str
    paths: tuple[Path, ...] = field(default=(), repr=False)
    intent: Intent = Intent.WRITE
    advice: Line = ()
    apply: Callable[[], tuple[Path, ...]] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found.

    Attributes:
        status: ok, warning, failed or unknown.
        evidence: which file, host, status, code.
        next_step: what to do about it. A finding that has only a fix gets `%cave_check --fix` as its next step.
        fix: the change that `%cave_check --fix` offers, or None.
        tried: what was tried to find the cause, with its outcome.
    """

    status: Status
    evidence: Line
    next_step: NextStep | None = None
    fix: Fix | None = None
    tried: tuple[Line, ...] = ()

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
    """It does not work; a next step or a fix is required."""
    return Finding(status=Status.FAILED, evidence=line(*evidence), next_step=next_step, fix=fix)


def unknown(*evidence: str | Span | Line, next_step: NextStep | None = None) -> Finding:
    """The check could not tell whether it works."""
    return Finding(status=Status.UNKNOWN, evidence=line(*evidence), next_step=next_step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check of `%cave_check`.

    Attributes:
        id: its stable, documented name.
        group: its section of the report.
        title: what it is about, in the user's words.
        about: the type of the subject that `look` takes.
        look: facts about a subject -> a finding, or None if there is nothing to say.
        needs: checks that must have passed first, for the same subject or the one it belongs to.
        explains: what a failure means, for the reference table.
        fixed_by: how to fix it, for the reference table, with the names of `next_steps.examples` in braces.
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
    quiet: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """One row of the report: a finding, or the reason why the check was skipped.

    Attributes:
        id, group, title: those of the check; with several subjects, the id and title name the subject, too.
        found: the evidence; its private spans are withheld by `%cave_check --report`.
        blocked_by: the id of the result because of which the check was skipped, or None.
        next_step, tried: those of the finding; what was tried is shown with `-v`.
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
    tried: tuple[Line, ...] = ()

    @property
    def evidence(self) -> str:
        """The evidence as the user reads it."""
        return plain_text(self.found)

    def to_dict(self) -> dict[str, Any]:
        """The result in `%cave_check --json`."""
        return {
            "id": self.id,
            "group": self.group,
            "status": self.status.value,
            "title": self.title,
            "evidence": self.evidence,
            "blocked_by": self.blocked_by,
            "remedy": self.next_step.to_dict() if self.next_step else None,
            **({"tried": [plain_text(one) for one in self.tried]} if self.tried else {}),
        }


class Shown:
    """An object that shows itself as its `page`, which may be a method."""

    __slots__ = ()
    page: Any

    def _page(self) -> Page:
        page: Page = self.page() if callable(self.page) else self.page
        return page

    def __str__(self) -> str:
        from ..ui.terminal import as_text  # lazily: most scripts print nothing

        return as_text(self._page())

    def _repr_html_(self) -> str:
        return self._repr_mimebundle_()["text/html"]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        from ..ui.terminal import bundle

        return bundle(self._page())
