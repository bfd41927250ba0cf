"""The troubleshooting notebook: run again, every fault is named as the notebook says and fixed by the line that it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

from cave_magic.doctor.checks import CHECKS

from .make_troubleshooting import PATH, played, reference
from .test_notebooks import text_of

ROWS = (
    "token", "account", "token", "token", "token-shadow", "terms", "access", "datastack", "materialize", "network",
)  # fmt: skip
"""The row that names each fault, in the order of the page."""
GREEN = "✔ All well"


def scenes(notebook: Any) -> list[list[Any]]:
    """The code cells of each fault: what CAVEclient says, the check, the line that fixes it."""
    found: list[list[Any]] = []
    inside = False
    for cell in notebook.cells:
        if cell.source.startswith("## "):
            inside = re.match(r"## \d+\. ", cell.source) is not None
            found += [[]] if inside else []
        elif inside and cell.cell_type == "code":
            found[-1].append(cell)
    return found


def failed_rows(cell: Any) -> list[str]:
    """The ids of the rows that a check shows as failed."""
    ids = {check.title: check.id for check in CHECKS}
    return [ids[title.strip()] for title in re.findall(r"^✘ failed +(.+?)  ", text_of(cell), re.MULTILINE)]


def assert_it_tells_the_truth(notebook: Any) -> None:
    """Holds each scene of a notebook that was run against what it is to show."""
    assert len(scenes(notebook)) == len(ROWS)
    for row, (fault, check, fix) in zip(ROWS, scenes(notebook), strict=True):
        errors = [output.ename for output in fault.outputs if output.output_type == "error"]
        assert len(errors) == 1, fault.source
        assert failed_rows(check) == [row]
        line = fix.source.splitlines()[0]
        following = text_of(check).partition("Next:")[2]
        assert not line.startswith("%") or line in following
        assert GREEN in text_of(fix)


@pytest.fixture
def again(home: Path) -> Any:
    """The notebook after it was run from top to bottom."""
    return played(home)


def test_it_is_true_when_it_is_run(home: Path, again: Any):
    """Run again, each check names the expected row, the shown line fixes it, and the home stays unchanged."""
    assert_it_tells_the_truth(again)
    assert not (home / ".cloudvolume").exists()


def test_it_begins_with_the_list_of_its_scenes():
    """The list has the headings in their order; the code that sets the stage is folded away, and that of a scene is not."""
    notebook = nbformat.read(PATH, as_version=4)
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    headings = [text.splitlines()[0].removeprefix("## ") for text in texts if re.match(r"## \d", text)]
    assert [line for line in texts[0].splitlines() if re.match(r"\d", line)] == headings
    folded = [cell for cell in notebook.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert folded
    assert not [cell for scene in scenes(notebook) for cell in scene if cell in folded]


def test_what_is_stored_is_true_too():
    """The stored outputs show the same, with HTML beside every page, and nothing that differs from run to run."""
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    assert_it_tells_the_truth(notebook)
    pages = [out.data for cell in notebook.cells for out in cell.get("outputs", []) if "data" in out]
    assert all({"text/plain", "text/html"} <= set(page) for page in pages)
    outputs = json.dumps([cell.get("outputs") for cell in notebook.cells], ensure_ascii=False)
    assert "\\u001b" not in outputs
    assert not re.search(r"/tmp/|cave-practice-|[0-9a-f]{32}|127\.0\.0\.1(?::|%3A)(?!890)", outputs)


def test_the_home_is_changed_before_anything_else():
    """The first cell of code sets the home folder, and loads nothing that could look into the real one."""
    first = next(cell for cell in nbformat.read(PATH, as_version=4).cells if cell.cell_type == "code")
    assert "HOME=" in first.source
    assert "IPYTHONDIR=" in first.source
    assert set(re.findall(r"^(?:import|from) (\w+)", first.source, re.MULTILINE)) == {"os", "tempfile"}


def test_the_reference_is_that_of_the_checks():
    """The table at the end has a row for each check, with its meaning and its remedy, as the checks give them."""
    assert nbformat.read(PATH, as_version=4).cells[-1].source == reference()
    assert all(check.explains and check.fixed_by for check in CHECKS)
    assert [line.split("`")[1] for line in reference().splitlines() if line.startswith("| `")] == [
        one.id for one in CHECKS
    ]
