"""The table of tested versions agrees with what is tried and with what `pyproject.toml` allows."""

from __future__ import annotations

import json
import re

import pytest

from .run import PAGE, RECORD, ROOT, ROWS, page_of


@pytest.mark.parametrize("name", ["caveclient", "ipython", "rich"])
def test_the_oldest_allowed_version_is_tried(name: str):
    """The first row has the oldest version that `pyproject.toml` allows."""
    (oldest,) = re.findall(rf'^  "{name}>=([\d.]+)",', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    (tried,) = re.findall(rf"\b{name}==([\d.]+)", ROWS[0][2])
    assert tried.startswith(oldest)


def test_the_page_has_the_record():
    """The page shows what was recorded, each row of it as it is tried today."""
    record = json.loads(RECORD.read_text())
    assert PAGE.read_text() == page_of(record)
    assert {(one["python"], one["tests"], one["asked"]) for one in record} <= set(ROWS)
