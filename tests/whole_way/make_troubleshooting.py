"""Stores what `notebooks/troubleshooting.ipynb` shows in a real run: `python -m pytest tests/whole_way/make_troubleshooting.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat

from cave_magic.doctor.checks import CHECKS
from cave_magic.doctor.reference import fix_of, markdown
from cave_magic.sandbox.visitor import Visitor

from .test_notebooks import NOTEBOOKS, AttendedClient, configure

PATH = NOTEBOOKS / "troubleshooting.ipynb"
PORTS = ("8900", "8901")
"""The usual ports of a practice server, for those that the run happened to get."""
ENDINGS = ("4f2a", "81c0", "d3e7", "09b6", "7c15")
"""For the last characters of the tokens that the run happened to make."""
ABOUT = """\
## All checks

They are in the order of cause, which is the order in which they run. The ids are those of `%cave_check --json` and
`%cave_check --report`. If several datastacks or servers are checked, an id ends in a colon and a name, such as
`terms:minnie65_public`."""


def reference() -> str:
    """The table of all checks in Markdown, generated from the checks."""
    cells = ((f"`{one.id}`", one.title, one.explains, markdown(fix_of(one))) for one in CHECKS)
    rows = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return f"{ABOUT}\n\n| id | title | what a failure means | how to fix it |\n|---|---|---|---|\n{rows}"


def test_it_is_run_and_stored(home: Path):
    """The notebook is run with Ada at the prompts, and stored with what differs at each run made steady."""
    notebook = played(home)
    before = nbformat.read(PATH, as_version=4)
    notebook.metadata = before.metadata
    notebook.cells[-1].source = reference()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    Steady(notebook).apply()
    nbformat.validate(notebook)
    nbformat.write(notebook, PATH)


def played(home: Path) -> Any:
    """The notebook after Ada went through it from top to bottom."""
    notebook = nbformat.read(PATH, as_version=4)
    configure(home)
    client = AttendedClient(notebook, Visitor("ada@example.org"), home)
    client.execute()
    return client.nb


def texts(notebook: Any) -> Iterator[tuple[Any, Any, str]]:
    """Every text in the outputs: what holds it, under which key, and the text itself."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for holder in (output, output.get("data", {}), output.get("traceback", [])):
                keys = range(len(holder)) if isinstance(holder, list) else list(holder)
                yield from ((holder, key, holder[key]) for key in keys if isinstance(holder[key], str))


class Steady:
    """Gives ports, endings of tokens and the home folder the same names at each run."""

    def __init__(self, notebook: Any) -> None:
        self.notebook = notebook
        self.names: dict[str, str] = {}

    def apply(self) -> None:
        """Changes the outputs in place."""
        for holder, key, text in list(texts(self.notebook)):
            text = re.sub(r"/[\w/.-]*/cave-practice-\w+", "/home/ada", text)
            text = re.sub(r"(127\.0\.0\.1(?::|%3A)|port=)(\d{4,5})\b", lambda found: self._named(found, PORTS), text)
            text = re.sub(r"(ends\s+in\s+)([0-9a-f]{4})\b", lambda found: self._named(found, ENDINGS), text)
            holder[key] = text

    def _named(self, found: re.Match[str], names: tuple[str, ...]) -> str:
        used = sum(name in names for name in self.names.values())
        return found[1] + self.names.setdefault(found[2], names[used % len(names)])
