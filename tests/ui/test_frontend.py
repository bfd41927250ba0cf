"""A kernel without a person, as nbclient and papermill run it: what the file contains, and that no prompt appears."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

from ..support.front_ends import text_of, without_ports
from ..support.shell import save_for_ada

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

Outputs = list[list[dict[str, Any]]]


@pytest.fixture
def execute(home: Path, cave: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """Runs cells in batch on the practice server; returns the saved outputs of each cell.

    A cell can come with a call that is made before it is run. The server is no longer silent once a wait is counted.
    """

    class Reader(nbclient.NotebookClient):
        def process_message(self, message: Any, *more: Any) -> Any:
            if "waiting for" in (text := text_of(message)) and text.endswith(" s"):
                cave.misbehave("auth", "silent")  # anew: what waits until then goes on
            return super().process_message(message, *more)

    profile = home / ".ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    settings = f'c.InteractiveShellApp.extensions = ["cave_magic"]\nc.CaveMagics.server = "{cave.server}"\n'
    settings += "c.CaveMagics.timeout = 60.0\n"
    (profile / "ipython_kernel_config.py").write_text(settings)
    for name in ("DATA", "CONFIG", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(home / name.lower()))

    def run(*cells: tuple[str, Callable[[], object]]) -> Outputs:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell, _ in cells])
        with tempfile.TemporaryDirectory() as sockets:
            Reader(
                notebook, timeout=100, allow_errors=True, resources={"metadata": {"path": str(home)}},
                on_cell_start=lambda cell, cell_index: cells[cell_index][1](), config=without_ports(sockets),
            ).execute()  # fmt: skip
        nbformat.validate(notebook)
        return [cell["outputs"] for cell in json.loads(nbformat.writes(notebook))["cells"]]

    return run


def test_a_batch_run_is_saved_without_prompts_and_waiting_lines(execute, cave, shell):
    """Prompts end in a line with the command that works; a page is HTML and clean text; no waiting line is left."""
    tokens: list[str] = []

    def nothing() -> None:
        """Nothing changes before the cell."""

    def set_up() -> None:
        tokens.append(save_for_ada(cave, shell))

    def silent() -> None:
        cave.misbehave("auth", "silent")

    def slow() -> None:
        cave.misbehave("auth", "slow:1.6")

    def rejected() -> None:
        cave.misbehave("all", "slow:1.6")
        cave.delete_token(tokens[0])

    outputs = execute(
        *((cell, nothing) for cell in ("%cave_setup new", "%cave_setup existing", "%cave_save")),
        ("%cave_check", set_up),
        ("%cave_whoami", nothing),
        ("%cave_setup", nothing),
        ("%cave_check", silent),
        ("print('before')\n%cave_check", nothing),
        ("%cave_save --from-env NOT_SET", nothing),
        ("%cave_check --json", slow),
        ("%cave_whoami", rejected),
    )
    names_the_command_that_works(outputs[:3])
    has_html_and_clean_text(outputs[3:6])
    has_only_the_report(outputs[6:10])
    ((error,),) = outputs[10:]
    assert error["ename"] == "TokenRejected"


def names_the_command_that_works(ran: Outputs) -> None:
    """Every prompt ends at once in one line that names `%cave_save --from-env`; the guide asks for no paste."""
    for *_, error in ran:
        assert error["ename"] == "NobodyToAsk"
        assert "%cave_save --from-env CAVE_TOKEN" in error["evalue"]
        assert len(error["traceback"]) == 1
    guide, _ = ran[0]
    text = "".join(guide["data"]["text/plain"])
    assert "prompt below" not in text
    assert "CAVE_TOKEN" in text


def has_html_and_clean_text(ran: Outputs) -> None:
    """The file has one output per magic, without escape codes or trailing spaces."""
    for (output,) in ran:
        assert sorted(output["data"]) == ["text/html", "text/plain"]
        text = "".join(output["data"]["text/plain"])
        assert "\x1b" not in text
        assert all(one == one.rstrip() and len(one) <= 88 for one in text.splitlines() if "CAVEclient(" not in one)


def has_only_the_report(ran: Outputs) -> None:
    """After a wait the saved cell contains the earlier output and the report, page or JSON, and no waiting line."""
    alone, after, failing, (as_json,) = ran
    assert [one["output_type"] for one in alone] == ["display_data"]
    stream, emptied, report = after  # a cell's other outputs must stay, so it cannot be cleared
    assert stream["output_type"] == "stream"
    assert "".join(map("".join, emptied["data"].values())) == ""
    assert "All well" in "".join(report["data"]["text/plain"])
    assert [one["output_type"] for one in failing] == ["error"]
    assert "waiting" not in json.dumps([alone, after, failing])
    assert json.loads("".join(as_json["text"]))["ok"] is True
