"""The reference of `%cave_check`: all checks, what a failure means and how to fix it."""

from __future__ import annotations

from .checks import CHECKS
from .model import Check

_ABOUT = """\
## All checks

They are in the order of cause, which is the order in which they run. The ids are those of `%cave_check --json` and
`%cave_check --report`. If several datastacks or servers are checked, an id ends in a colon and a name, such as
`terms:minnie65_public`."""


def reference() -> str:
    """The table of all checks in Markdown, generated from the checks."""
    rows = "\n".join(map(_row, CHECKS))
    return f"{_ABOUT}\n\n| id | title | what a failure means | how to fix it |\n|---|---|---|---|\n{rows}"


def _row(check: Check) -> str:
    return f"| `{check.id}` | {check.title} | {_cell(check.explains)} | {_cell(check.fixed_by)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
