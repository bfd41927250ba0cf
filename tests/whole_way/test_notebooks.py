"""The quickstart, run in a real kernel against the practice server by a person who opens links and answers prompts."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Visitor

from ..support.front_ends import without_ports

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
QUICKSTART = NOTEBOOKS / "quickstart.ipynb"
LIMITS = {"timeout": 120, "iopub_timeout": 120, "startup_timeout": 120}
"""Seconds for a cell, for its outputs after its end, and for a kernel to start; by default, outputs have four."""


class AttendedClient(NotebookClient):
    """Runs a notebook as nbclient does, with a person who answers when a cell asks."""

    def __init__(self, notebook: Any, visitor: Visitor, folder: Path) -> None:
        where = {"metadata": {"path": str(folder)}}
        self._sockets = tempfile.TemporaryDirectory()
        config = without_ports(self._sockets.name)
        super().__init__(notebook, kernel_name="python3", resources=where, config=config, **LIMITS)
        self.visitor = visitor
        self.tokens: list[str] = []
        self.asked: list[dict[str, Any]] = []

    def execute(self) -> None:
        """Runs all cells."""
        with self._sockets:
            super().execute()

    async def async_execute_cell(self, cell: Any, *args: Any, **more: Any) -> Any:
        """Executes a cell while the person watches for its prompts."""
        self.kc.allow_stdin = True
        person = asyncio.create_task(self._attend(cell))
        try:
            return await super().async_execute_cell(cell, *args, **more)
        finally:
            person.cancel()

    async def _attend(self, cell: Any) -> None:
        while True:
            message = await self.kc.get_stdin_msg()
            self.asked.append(message["content"])
            self.kc.input(await self._token_from_the_links_of(cell))

    async def _token_from_the_links_of(self, cell: Any) -> str:
        links: list[str] = []
        while not (links and links[-1].endswith("/settings/tokens")):  # they may come after the prompt, one by one
            await asyncio.sleep(0.05)
            links = re.findall(r"https?://[^\s\"'<]+", text_of(cell))
        for link in links[:-1]:
            await asyncio.to_thread(self.visitor.open, link)
        self.tokens.append(await asyncio.to_thread(self.visitor.make_token, links[-1], "notebook"))
        return self.tokens[-1]


def text_of(cell: Any) -> str:
    """The output of a cell, as plain text."""
    outputs = cell.get("outputs", [])
    return "\n".join(out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs)


def use(cave: Sandbox, home: Path) -> None:
    """Lets IPython know the practice server as a person would let it know one of their own."""
    configure(home, f"c.CaveMagics.server = {cave.server!r}")


def configure(home: Path, *lines: str) -> None:
    """Gives commands a minute, within which also a busy computer serves all requests, and adds lines."""
    profile = home / ".ipython" / "profile_default"
    profile.mkdir(parents=True)
    whole = "\n".join(["c = get_config()", "c.CaveMagics.timeout = 60.0", *lines, ""])
    (profile / "ipython_config.py").write_text(whole)


def test_the_quickstart_leads_a_new_person_to_data(cave: Sandbox, home: Path):
    """Every cell runs, the set-up asks once and hidden, the client answers, and no token is left in the notebook.

    It ships with what such a run shows.
    """
    use(cave, home)
    ran = AttendedClient(nbformat.read(QUICKSTART, as_version=4), Visitor(), home)
    ran.execute()
    cells = {cell.source: text_of(cell) for cell in ran.nb.cells if cell.cell_type == "code"}
    assert [asked["password"] for asked in ran.asked] == [True]
    assert "set up" in cells["%cave_setup new"]
    assert ran.visitor.email in cells["%cave_whoami"]
    assert "All well" in cells["%cave_check"]
    assert list(cells.values())[-1].strip().endswith("is version 1412")
    assert ran.tokens == [row["token"] for row in cave.tokens(ran.visitor.email)]
    assert ran.tokens[0] not in json.dumps(ran.nb)
    assert_it_ships_with_its_outputs(ran)


def assert_it_ships_with_its_outputs(ran: AttendedClient) -> None:
    """What is stored after the sign-in is what a run shows, but for numbers and endings; nothing of its computer is left."""
    stored = nbformat.read(QUICKSTART, as_version=4)
    nbformat.validate(stored)
    assert len(stored.cells) <= 16
    after = [cell.source for cell in stored.cells if cell.cell_type == "code"][2:]
    shown = {cell.source: shape_of(text_of(cell)) for cell in ran.nb.cells}
    assert {cell.source: shape_of(text_of(cell)) for cell in stored.cells if cell.source in after} == {
        source: shown[source] for source in after
    }
    assert "✔ You are set up." in text_of(next(cell for cell in stored.cells if cell.source == "%cave_setup new"))
    texts = json.dumps([cell.get("outputs", []) for cell in stored.cells])
    assert set(re.findall(r"127\.0\.0\.1(?::|%3A)(\d+)", texts)) == {"8900", "8901"}
    assert not re.search(r"\b[0-9a-f]{32}\b|/tmp/|/home/(?!robin)", texts)


def shape_of(text: str) -> str:
    """A text with its numbers, times and the endings of tokens made alike."""
    text = re.sub(r"ends in \w{4}", "ends in x", re.sub(r"responded in [\d.]+ m?s", "responded", text))
    return re.sub(r"\d+", "0", text).strip()


def test_a_saved_notebook_has_the_line_below_an_error(cave: Sandbox, home: Path):
    """Run unattended, a cell that fails keeps its error, and below it the line that explains it; an async cell, too."""
    use(cave, home)
    failing = f"import requests\nrequests.get({cave.server!r} + '/nothing').raise_for_status()"
    late = f"import asyncio\nawait asyncio.sleep(0)\n{failing}"
    cells = [nbformat.v4.new_code_cell(text) for text in ("%load_ext cave_magic", failing, "1 / 0", late)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    with tempfile.TemporaryDirectory() as sockets:
        NotebookClient(notebook, kernel_name="python3", allow_errors=True, **LIMITS,
                       resources={"metadata": {"path": str(home)}}, config=without_ports(sockets)).execute()  # fmt: skip
    for cell in (notebook.cells[1], notebook.cells[3]):
        error, line = cell.outputs
        assert error.output_type == "error"
        assert "has nothing at the URL of that request (404)" in " ".join(line.data["text/plain"].split())
        assert "<code" in line.data["text/html"]
    assert [one.output_type for one in notebook.cells[2].outputs] == ["error"]
