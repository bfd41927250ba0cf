"""Stores what `notebooks/quickstart.ipynb` shows in a real run: `python -m pytest tests/whole_way/make_quickstart.py`."""

from __future__ import annotations

import platform
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Visitor

from .make_troubleshooting import Steady, texts
from .test_notebooks import QUICKSTART, AttendedClient, use


def test_it_is_run_and_stored(cave: Sandbox, home: Path, monkeypatch: pytest.MonkeyPatch):
    """A new person runs the notebook on their own computer, with one click in the browser, and it is stored."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("BROWSER", f"{sys.executable} -m cave_magic.sandbox.visitor %s")
    use(cave, home)
    client = AttendedClient(nbformat.read(QUICKSTART, as_version=4), Visitor(), home)
    metadata = dict(client.nb.metadata)
    client.execute()
    assert not client.asked
    client.nb.metadata = metadata
    make_steady(client.nb, home)
    nbformat.validate(client.nb)
    nbformat.write(client.nb, QUICKSTART)


def make_steady(notebook: Any, home: Path) -> None:
    """Gives what differs at each run the same names, and drops the outputs that were emptied after a wait."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("text") or any(one.get("data", {}).values())]
    Steady(notebook).apply()
    for holder, key, text in list(texts(notebook)):
        holder[key] = re.sub(re.escape(platform.node()), "robins-laptop", text.replace(str(home), "/home/robin"))
