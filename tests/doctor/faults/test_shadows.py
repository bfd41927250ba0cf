"""Files in the notebook's folder that shadow a package: they are named, and the next step renames them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cave_magic.environment.shadowed import LIBRARIES, find_shadowing_files

from ...support.packages import Environment, Tiny

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = "print('a script of somebody')"

NOTEBOOK = """
import json, sys
from IPython.core.history import HistoryManager
HistoryManager.enabled = False
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
sys.path.insert(0, "")  # as in a notebook
errors = []
for cell in ["%load_ext cave_magic", "report = None", *json.loads(sys.argv[1])]:
    error = shell.run_cell(cell, store_history=True).error_in_exec
    errors.append(f"{type(error).__name__}: {error}" if error else "")
report = shell.user_ns["report"]
print("\\n" + json.dumps([report and report.to_dict(), *errors[3:]]))
"""


CLIENT = Tiny(
    name="caveclient",
    version="8.2.1",
    files={
        "caveclient/__init__.py": "",
        "caveclient/auth.py": "from secrets import randbits\nfrom packaging.version import Version\n",
    },
)


@pytest.fixture(scope="module")
def python(tmp_path_factory, request):
    """A Python in which caveclient is tiny, since each search for a cause imports it up to six times.

    With `--everything`, it is the Python of the tests, with the real caveclient.
    """
    if request.config.getoption("everything"):
        return sys.executable
    environment = Environment(tmp_path_factory.mktemp("python"))
    CLIENT.install(environment.site)
    return environment.python


@pytest.fixture
def beside(home, cave, monkeypatch, python):
    """Runs cells in a notebook next to a script; returns the report and the error of each cell."""
    monkeypatch.setenv("ADA", cave.new_token("ada"))
    folder = home / "analysis"
    folder.mkdir()

    def run(name: str, *cells: str, script: str = SCRIPT):
        (folder / name).write_text(script)
        settings = [f'%config CaveMagics.server = "{cave.server}"\n%config CaveMagics.timeout = 60.0', *cells]
        done = subprocess.run(
            [python, "-B", "-c", NOTEBOOK, json.dumps(settings)],
            cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
            check=True,
        )  # fmt: skip
        return json.loads(done.stdout.splitlines()[-1])

    return run


def _bad(report) -> list[tuple[str, str]]:
    return [(row["id"], row["status"]) for row in report["rows"] if row["status"] not in ("ok", "skipped", "warning")]


SHADOWED = {
    "caveclient.py": ("environment", "the package caveclient"),
    "numpy.py": ("environment", "the package numpy"),
    "packaging.py": ("environment", "the package packaging"),
    "secrets.py": ("environment", "Python's `secrets` module"),
    "email.py": ("requests", "Python's `email` module"),
    "requests.py": ("requests", "the package requests"),
}
SAMPLE = ("caveclient.py", "packaging.py", "secrets.py", "email.py", "requests.py")
"""The scripts of a usual run: numpy.py is found in the same way as packaging.py. `--everything` tries all."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs the test of the scripts on a sample of them, or with `--everything` on all of them."""
    if "shadowing" in metafunc.fixturenames:
        metafunc.parametrize("shadowing", SHADOWED if metafunc.config.getoption("everything") else SAMPLE)


def test_a_script_that_shadows_a_package_is_the_one_cause(beside, shadowing):
    """The only failed row names the file, the next step renames it, and no network check fails without requests."""
    row, what = SHADOWED[shadowing]
    report, save_error, _ = beside(shadowing, "%cave_save --no-check --from-env ADA", "report = %cave_check -o")
    assert _bad(report) == [(row, "failed")]
    evidence = next(one["evidence"] for one in report["rows"] if one["id"] == row)
    assert evidence == f"~/analysis/{shadowing} shadows {what}"
    assert report["next"]["text"].startswith(
        f"!mv ~/analysis/{shadowing} ~/analysis/{shadowing}.old, restart the kernel, then %cave_check"
    )
    if row == "requests":
        network = next(one for one in report["rows"] if one["id"] == "network")
        assert (network["status"], network["blocked_by"]) == ("skipped", "requests")
    if shadowing == "secrets.py":  # it is common, and a save does not need that module
        assert save_error == ""


def test_a_script_that_caveclient_tolerates_is_a_warning(beside):
    """With a script named filelock.py access works, but a save does not, and says which file to rename."""
    report, *_, error = beside("filelock.py", "report = %cave_check -o", "%cave_save --no-check --from-env ADA")
    assert next(row for row in report["rows"] if row["id"] == "environment")["status"] == "warning"
    assert error.startswith("CaveMagicError: ~/analysis/filelock.py shadows the package filelock (")
    assert "Rename it, restart the kernel" in error


def test_a_script_that_raises_is_named(beside):
    """An error of the script when it is imported is a failed row."""
    *_, error = beside("requests.py", "report = %cave_check -o --strict", script="1 / 0")
    assert error.startswith("CheckFailed")


@pytest.mark.parametrize("name", ["json.py", "test.py", "analysis.py", "time.py"])
def test_a_script_that_shadows_nothing_is_not_named(home, monkeypatch, name):
    """Imported modules cannot be shadowed, and many scripts are called test.py."""
    (home / name).write_text(SCRIPT)
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend("")
    assert not find_shadowing_files()


def test_a_library_is_a_folder():
    """No listed package is a single file, which would be mistaken for a shadowing file."""
    from importlib.util import find_spec

    specs = [spec for name in LIBRARIES if (spec := find_spec(name))]
    assert specs
    assert all(spec.submodule_search_locations for spec in specs)


def test_a_script_that_shadows_a_commands_import_is_named(beside):
    """If a command cannot be imported, one line names the file, without a traceback."""
    *_, error = beside("difflib.py", "%cave_whoami", script="")
    assert error.startswith("CaveMagicError: ")
    assert "analysis/difflib.py shadows Python's `difflib` module. Rename it and restart the kernel." in error


def test_a_script_that_exits_does_not_end_the_check(beside):
    """A `requests.py` that calls `sys.exit()` gives a failed row, also in `cave_magic.check()`."""
    cells = ("%cave_check --strict", "import cave_magic; report = cave_magic.check()")
    report, error, _ = beside("requests.py", *cells, script="import sys; sys.exit(3)")
    assert error.startswith("CheckFailed")
    assert _bad(report) == [("requests", "failed")]


def test_a_package_that_a_command_needs_is_named(beside):
    """A command that cannot import a package says why, and what installs it."""
    *_, error = beside(
        "nothing.py", "import sys; sys.modules['filelock'] = None", "%cave_save --no-check --from-env ADA"
    )
    assert error.startswith("CaveMagicError: filelock cannot be imported: a fresh Python can import it")
    assert "Next: restart the kernel" in error
