"""The benchmark runs; its numbers do not matter here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree


def test_the_benchmark_runs(tmp_path):
    """One run of one part writes a table, and a valid SVG for each theme."""
    script = Path(__file__).with_name("run.py")
    command = [sys.executable, str(script), "--runs", "1", "--only", "files", "--files", "0", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 more files" in (tmp_path / "results.md").read_text(encoding="utf-8")
    for theme in ("light", "dark"):
        assert ElementTree.parse(tmp_path / f"results-{theme}.svg").getroot().tag.endswith("svg")
