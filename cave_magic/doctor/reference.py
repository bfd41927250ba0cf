"""The reference of `%cave_check`: every row that it can have, what a failure means and how it is mended."""

from __future__ import annotations

from .checks import CHECKS
from .model import Check

_ABOUT = """\
## All rows of `%cave_check`

In the order of cause, which is the order in which they are looked at. The ids are those of `%cave_check --json` and
`%cave_check --report`. Where several datastacks or servers are looked at, the name of the one that is meant follows
after a colon, as in `terms:minnie65_public`."""


def reference() -> str:
    """The rows of `%cave_check` as Markdown, made from the checks themselves."""
    rows = "\n".join(map(_row, CHECKS))
    return f"{_ABOUT}\n\n| id | title | what a failure means | how it is mended |\n|---|---|---|---|\n{rows}"


def _row(check: Check) -> str:
    return f"| `{check.id}` | {check.title} | {_cell(check.explains)} | {_cell(check.fixed_by)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
