"""The page about a check: what a failure means and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence

from ..ui.document import Line, Page, Span, filled, joined, line
from . import next_steps
from .checks import CHECKS
from .model import Check


def sections(check: Check) -> tuple[tuple[str, Line], ...]:
    """The page of a check: headings, each with its text."""
    needs, needed_by = check.needs, [one for one in CHECKS if check in one.needs]
    order = (
        *(line("It runs after ", _ids(needs), ". ") if needs else ()),
        *(line("A failure skips ", _ids(needed_by), ".") if needed_by else ()),
    )
    parts = (("What it means", line(check.explains)), ("What fixes it", fix_of(check)), ("Order", order))
    return tuple((heading, text) for heading, text in parts if text)


def fix_of(check: Check) -> Line:
    """What fixes a failure of a check, with the lines to type."""
    return filled(check.fixed_by, next_steps.examples())


def _ids(checks: Sequence[Check]) -> Line:
    return joined(", ", (Span(one.id, "id") for one in checks))


def explanation(check: Check) -> Page:
    """The page of `%cave_check --explain`. It comes from the check alone: no facts, no requests."""
    named = Span(f" ({check.id})" if check.id != check.title else "", "dim")
    head = line(Span(check.title, "strong"), named)
    return Page((head, *(line(Span(f"{heading}: ", "strong"), text) for heading, text in sections(check))))


def markdown(words: Line) -> str:
    """A text in Markdown."""
    return "".join(f"`{span.text}`" if span.style else span.text for span in words)
