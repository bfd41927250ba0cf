"""The reference of `%cave_check`: all checks, what a failure means and how to fix it."""

from __future__ import annotations

from ..ui.document import Line, Page, Span, line
from .checks import CHECKS
from .model import Check
from .next_steps import for_help

_ABOUT = """\
## All checks

They are in the order of cause, which is the order in which they run. The ids are those of `%cave_check --json` and
`%cave_check --report`. If several datastacks or servers are checked, an id ends in a colon and a name, such as
`terms:minnie65_public`."""


def reference() -> str:
    """The table of all checks in Markdown, generated from the checks."""
    cells = ((f"`{one.id}`", one.title, one.explains, one.fixed_by) for one in CHECKS)
    rows = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return f"{_ABOUT}\n\n| id | title | what a failure means | how to fix it |\n|---|---|---|---|\n{rows}"


def sections(check: Check) -> tuple[tuple[str, str], ...]:
    """The page of a check: headings, and texts with lines to type and ids of checks in backticks."""
    needs = ", ".join(f"`{one.id}`" for one in check.needs)
    needed_by = ", ".join(f"`{one.id}`" for one in CHECKS if check in one.needs)
    order = (f"It runs after {needs}. " if needs else "") + (f"A failure skips {needed_by}." if needed_by else "")
    parts = (("What it means", check.explains), ("What fixes it", check.fixed_by), ("Order", order.strip()))
    return tuple((heading, text) for heading, text in parts if text)


def explanation(check: Check) -> Page:
    """The page of `%cave_check --explain`. It comes from the check alone: no facts, no requests."""
    named = Span(f" ({check.id})" if check.id != check.title else "", "dim")
    head = line(Span(check.title, "strong"), named)
    return Page((head, *(line(Span(f"{heading}: ", "strong"), _words(text)) for heading, text in sections(check))))


def _words(text: str) -> Line:
    return line(*(Span(part, "command" if number % 2 else "") for number, part in enumerate(for_help(text).split("`"))))
