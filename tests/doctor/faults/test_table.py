"""Printing the table of faults."""

from __future__ import annotations

import logging

import pytest

from . import table


@pytest.fixture(autouse=True)
def log_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program turns the log off."""
    monkeypatch.setattr(logging.root.manager, "disable", 0)


def test_two_faults_make_a_table_with_totals(capsys: pytest.CaptureFixture[str]):
    """Each fault has a row with the error of CAVEclient, the row that names it and the fix; the last line counts them."""
    assert table.main(["single quotes", "terms not accepted"]) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == ["| single quotes", "| terms not accepted"]
    assert "JSONDecodeError" in rows[0]
    assert "403" in rows[1]
    assert all("(right) | yes |" in row for row in rows)
    assert printed.splitlines()[-1].startswith(
        "2 faults: 2 named right, 2 fixed by their own Next line, 0 by others, 0 not;"
    )


def test_an_unknown_fault_is_rejected(capsys: pytest.CaptureFixture[str]):
    """An unknown name prints no table."""
    assert table.main(["no such fault"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no such fault" in printed.err
