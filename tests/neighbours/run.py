"""Tests old and new versions of the packages beside this one, each row in its own temporary environment; writes the table.

`nox -s neighbours` runs it; it needs `uv` and the Pythons of the rows. `nox -s neighbours -- 8.6` runs the rows with that text.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("record.json")
PAGE = ROOT / "docs" / "reference" / "neighbours.md"

JOURNEY, READERS = "tests/whole_way/test_notebooks.py", "tests/doctor/faults/test_readers.py"
ROWS = (
    ("3.10", JOURNEY, "caveclient==7.0.0 ipython==8.6.0 rich==13.0.0 jupyterlab==3.6.* notebook==6.5.*"),
    ("3.11", JOURNEY, "caveclient==7.* ipython==8.* rich==14.* jupyterlab==4.* notebook==7.*"),
    ("3.12", JOURNEY, "caveclient==8.0.0 ipython==9.* rich==15.*"),
    ("3.10", READERS, "cloud-volume==8.* zfpy==1.0.1"),
    ("3.11", READERS, "cloud-volume==9.*"),
    ("3.11", READERS, "cloud-volume==10.*"),
    ("3.11", READERS, "cloud-volume==11.*"),
    ("3.12", READERS, "cloud-volume==12.*"),
)
"""The Python, the tests, and the neighbours of each row; what is not named is the newest that fits."""
TOOLS = ("hypothesis", "ipykernel", "nbclient", "pytest", "pytest-timeout", "pytest-xdist")
SHOWN = ("caveclient", "ipython", "rich", "jupyterlab", "notebook", "cloud-volume", "cloud-files")


def try_row(python: str, tests: str, neighbours: str) -> dict[str, str]:
    """Installs the neighbours of a row and runs its tests; the installed versions, and the result."""
    uv = shutil.which("uv") or "uv"
    with tempfile.TemporaryDirectory() as folder:
        inside = Path(folder, "env", "bin", "python")
        # nox sets UV_PYTHON, which would count more
        env = {**os.environ, "VIRTUAL_ENV": str(inside.parents[1]), "UV_PYTHON": str(inside)}
        row = {"python": python, "tests": tests, "asked": neighbours}
        subprocess.run([uv, "venv", "-q", "--python", python, env["VIRTUAL_ENV"]], check=True)
        wanted = [*TOOLS, *neighbours.split()]
        install = [uv, "pip", "install", "-q", "-e", f"{ROOT}[sandbox]", *wanted]
        done = subprocess.run(install, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            why = re.sub(r"\W+cause:.*| \W*Caused by.*", "", " ".join(done.stderr.split()))
            why = why.removeprefix("error: ")[:200]
            return row | {"result": f"cannot be installed: {why}"}
        listed = subprocess.run([uv, "pip", "list", "--format", "json"], env=env, capture_output=True, check=True)
        versions = {one["name"]: one["version"] for one in json.loads(listed.stdout)}
        # an old neighbour warns of what later versions changed
        run = [str(inside), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "filterwarnings=default", tests]
        done = subprocess.run(run, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        said = (done.stdout or done.stderr).strip()
        print(said[-6000:] if done.returncode else said.splitlines()[-1], flush=True)
        counts = re.sub(r" in [\d.]+s.*", "", said.splitlines()[-1]).strip("= ")
        return row | {name: versions[name] for name in SHOWN if name in versions} | {"result": counts}


def page_of(record: list[dict[str, str]]) -> str:
    """The page of the site with the table; a row without a record says so."""
    found = {one["asked"]: one for one in record}
    rows = [
        found.get(asked) or {"python": python, "tests": tests, "asked": asked, "result": "not tried yet"}
        for python, tests, asked in ROWS
    ]
    heads = ["Python", "requested", "tests", "result", *SHOWN]
    cells = [
        [one["python"], f"`{one['asked']}`", kind(one), one["result"], *(one.get(name, "") for name in SHOWN)]
        for one in rows
    ]
    table = [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *cells)]
    return "\n".join([_INTRODUCTION, *table, ""])


def kind(row: dict[str, str]) -> str:
    """What the tests of a row try."""
    return "journey" if row["tests"] == JOURNEY else "readers"


_INTRODUCTION = """\
# Tested versions

Each row is a separate environment: what was requested, the result of its tests, and the versions that were installed. `nox -s neighbours` makes
them again.
Not every combination is tried: the oldest versions go together, and so do the newest.

- *journey*: the quickstart in a real kernel. A person opens the links and answers the prompt; then `%cave_whoami`, `%cave_check` and CAVEclient
  use the saved token. JupyterLab and Notebook are installed beside the kernel; no browser is driven in these rows.
- *readers*: cloud-volume and cloud-files read the saved token, and `%cave_check` says so if they read another one.
  cloud-volume 8 needs zfpy, whose later versions have no wheel for Python 3.10.
"""


def main(wanted: list[str]) -> int:
    """Runs the rows that have one of the texts, or all, and keeps the record of the others; 1 if a test did not pass."""
    failed = 0
    for row in ROWS:
        if not wanted or any(text in f"{row[0]} {row[2]}" for text in wanted):
            print(*row, flush=True)
            found = try_row(*row)
            record = {one["asked"]: one for one in json.loads(RECORD.read_text())} | {row[2]: found}
            rows = [record[asked] for _, _, asked in ROWS if asked in record]
            RECORD.write_text(json.dumps(rows, indent=1) + "\n")
            PAGE.write_text(page_of(rows))
            failed |= not re.match(r"\d+ passed", found["result"])
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
