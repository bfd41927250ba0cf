"""Printing the table of faults."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TABLE = Path(__file__).with_name("table.py")


def run(*names: str) -> subprocess.CompletedProcess[str]:
    """Runs the program for some faults."""
    return subprocess.run([sys.executable, TABLE, *names], capture_output=True, text=True, timeout=120)


def test_two_faults_make_a_table_with_totals():
    """Each fault has a row with the error of CAVEclient, the row that names it and the fix; the last line counts them."""
    ran = run("single quotes", "terms not accepted")
    assert ran.returncode == 0, ran.stderr
    rows = [line for line in ran.stdout.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0] for row in rows] == ["| single quotes", "| terms not accepted"]
    assert "JSONDecodeError" in rows[0]
    assert "403" in rows[1]
    assert all("(right) | yes |" in row for row in rows)
    assert ran.stdout.splitlines()[-1].startswith(
        "2 faults: 2 named right, 2 fixed by their own Next line, 0 by others, 0 not;"
    )


def test_an_unknown_fault_is_rejected():
    """An unknown name prints no table."""
    ran = run("no such fault")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "no such fault" in ran.stderr
