"""Printing the table of faults."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from . import table


def test_two_faults_make_a_table_with_totals():
    """Each fault has a row with the error of CAVEclient, the row that names it and the fix; the last line counts them."""
    command = [sys.executable, table.__file__, "single quotes", "terms not accepted"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    rows = [line for line in ran.stdout.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == ["| single quotes", "| terms not accepted"]
    assert "JSONDecodeError" in rows[0]
    assert "403" in rows[1]
    assert all("(right) | yes |" in row for row in rows)
    assert ran.stdout.splitlines()[-1].startswith(
        "2 faults: 2 named right, 2 fixed by their own Next line, 0 by others, 0 not;"
    )


def test_an_unknown_fault_is_rejected(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """An unknown name prints no table."""
    monkeypatch.setattr(logging.root.manager, "disable", 0)  # the program sets it
    assert table.main(["no such fault"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "no such fault" in printed.err
