"""A kernel without a person, as nbclient and papermill run it: what the file contains, and that no prompt appears."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

Outputs = list[list[dict[str, Any]]]


@pytest.fixture
def execute(home: Path, cave: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """Runs cells in batch on the practice server; returns the saved outputs of each cell."""
    profile = home / ".ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    settings = f'c.InteractiveShellApp.extensions = ["cave_magic"]\nc.CaveMagics.server = "{cave.server}"\n'
    (profile / "ipython_kernel_config.py").write_text(settings)
    for name in ("DATA", "CONFIG", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(home / name.lower()))

    def run(*cells: str) -> Outputs:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        nbclient.NotebookClient(
            notebook, timeout=60, allow_errors=True, resources={"metadata": {"path": str(home)}}
        ).execute()
        nbformat.validate(notebook)
        return [cell["outputs"] for cell in json.loads(nbformat.writes(notebook))["cells"]]

    return run


def test_a_batch_run_names_the_command_that_works(execute):
    """Every prompt ends at once in one line that names `%cave_save --from-env`; the guide asks for no paste."""
    ran = execute("%cave_setup new", "%cave_setup existing", "%cave_save")
    for *_, error in ran:
        assert error["ename"] == "NobodyToAsk"
        assert "%cave_save --from-env CAVE_TOKEN" in error["evalue"]
        assert len(error["traceback"]) == 1
    guide, _ = ran[0]
    text = "".join(guide["data"]["text/plain"])
    assert "prompt below" not in text
    assert "CAVE_TOKEN" in text


def test_a_page_is_saved_as_html_and_clean_text(execute, set_up):
    """The file has one output per magic, without escape codes or trailing spaces."""
    for (output,) in execute("%cave_check", "%cave_whoami", "%cave_setup"):
        assert sorted(output["data"]) == ["text/html", "text/plain"]
        text = "".join(output["data"]["text/plain"])
        assert "\x1b" not in text
        assert all(one == one.rstrip() and len(one) <= 88 for one in text.splitlines() if "CAVEclient(" not in one)


def test_waiting_leaves_only_the_report(execute, cave, set_up):
    """After a wait the saved cell contains the earlier output and the report, page or JSON, and no waiting line."""
    cave.misbehave("auth", "slow:1.6")
    cells = ("%cave_check", "print('before')\n%cave_check", "%cave_save --from-env NOT_SET", "%cave_check --json")
    alone, after, failing, (as_json,) = execute(*cells)
    assert [one["output_type"] for one in alone] == ["display_data"]
    stream, emptied, report = after  # a cell's other outputs must stay, so it cannot be cleared
    assert stream["output_type"] == "stream"
    assert "".join(map("".join, emptied["data"].values())) == ""
    assert "All well" in "".join(report["data"]["text/plain"])
    assert [one["output_type"] for one in failing] == ["error"]
    assert "waiting" not in json.dumps([alone, after, failing])
    assert json.loads("".join(as_json["text"]))["ok"] is True


def test_a_wait_that_ends_in_an_error_leaves_only_the_error(execute, cave, set_up):
    """The waiting line is also removed if no page follows."""
    cave.misbehave("all", "slow:1.6")
    cave.delete_token(set_up)
    ((error,),) = execute("%cave_whoami")
    assert error["ename"] == "TokenRejected"
