"""What a check leaves in a fresh kernel: no thread, socket or file, and an import that nobody notices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cave_magic.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import gc, json, os, socket, sys, threading
from IPython.core.history import HistoryManager
HistoryManager.enabled = False
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()

def left():
    gc.collect()
    files = [os.readlink(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{one}")]
    sockets = [one for one in gc.get_objects() if isinstance(one, socket.socket) and one.fileno() != -1]
    return {one.name for one in threading.enumerate()}, sorted(files), sockets

before = left()
for cell in json.loads(sys.argv[1]):
    assert shell.run_cell(cell).success
for thread in threading.enumerate():  # the last ones may have little left to do
    if thread is not threading.current_thread() and thread.name not in before[0]:
        thread.join(60)
after = left()
print("\\n" + json.dumps([sorted(after[0] - before[0]), sorted(set(after[1]) - set(before[1])), len(after[2]) - len(before[2])]))
"""


@pytest.fixture
def stored(secrets: Path, cave: Sandbox) -> str:
    """A token of Ada's that is stored in the temporary home."""
    token = cave.new_token("ada")
    file = secrets / f"{cave.server.removeprefix('http://')}-cave-secret.json"
    file.write_text(json.dumps({"token": token}))
    file.chmod(0o600)
    return token


def fresh(program: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Runs a program in a new Python."""
    env = {**os.environ, "HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], env=env, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not list open files there")
@pytest.mark.parametrize("is_sick", [False, True], ids=["all well", "a rejected token"])
def test_a_check_leaves_nothing_behind(home, cave, stored, is_sick):
    """After the cell no thread, file or socket of ours is left, but for the import of caveclient until it is done."""
    if is_sick:
        cave.delete_token(stored)
    cells = ["%load_ext cave_magic", f"%cave_check --server {cave.server} --timeout 60"]
    done = fresh(PROGRAM, json.dumps(cells), home=home)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [[], [], 0]


NEXT_CELL = """
import sys, threading
from cave_magic.environment import packages
from IPython.core.history import HistoryManager
HistoryManager.enabled = False
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shown, whole = threading.Event(), packages.import_caveclient
packages.import_caveclient = lambda: str(not shown.wait(60) or "") or whole()
assert shell.run_cell(f"%load_ext cave_magic\\n%cave_check --server {sys.argv[1]} --timeout 60").success
print("NEXT CELL")
shown.set()
assert shell.run_cell(sys.argv[2]).success
print("DONE")
"""


@pytest.mark.parametrize(
    "cell",
    ["from caveclient import CAVEclient", "import pandas, pyarrow, numpy, requests", "1 + 1"],
    ids=["caveclient", "its packages", "nothing"],
)
def test_the_next_cell_may_import_the_same_packages(home, cave, stored, cell):
    """While caveclient is still being imported, a cell imports it, or a part of it, or ends; nothing more is printed."""
    cave.delete_token(stored)
    done = fresh(NEXT_CELL, cave.server, cell, home=home)
    assert (done.returncode, done.stderr) == (0, "")
    page, _, after = done.stdout.partition("NEXT CELL\n")
    assert "caveclient is still being imported" in page
    assert after.splitlines() == [*(["Out[0]: 2"] if cell == "1 + 1" else []), "DONE"]
