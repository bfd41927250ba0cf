"""Loading: what `%load_ext` imports into a bare IPython, and when the heavy libraries are imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"caveclient", "requests", "urllib3", "rich", "pandas", "numpy", "filelock", "packaging"}

PROGRAM = """
import json, sys
from IPython.core.history import HistoryManager
HistoryManager.enabled = False
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
before = set(sys.modules)
for cell in json.loads(sys.argv[1]):
    assert shell.run_cell(cell).success
print("\\n" + json.dumps(sorted(set(sys.modules) - before)))
"""


def modules_of(*cells: str, home: Path) -> set[str]:
    """The modules that cells import into a bare IPython, in a separate process."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(cells)],
        cwd=ROOT, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def tops(modules: set[str]) -> set[str]:
    """The top names of modules."""
    return {name.partition(".")[0] for name in modules}


def test_loading_imports_no_library_and_only_the_names(home):
    """`%load_ext` imports the magics, their settings, their errors and tab completion; the commands are imported on first use.

    Else it imports only modules of Python and of IPython.
    """
    new = modules_of("%load_ext cave_magic", home=home)
    assert tops(new) - set(sys.stdlib_module_names) == {"cave_magic", "IPython"}
    assert {name for name in new if name.startswith("cave_magic")} == {
        "cave_magic", "cave_magic.commands", "cave_magic.commands.completion", "cave_magic.errors", "cave_magic.magics",
    }  # fmt: skip
    assert not new & {"argparse", "sqlite3", "http.client", "ssl", "urllib.request"}


def test_help_imports_no_library(home):
    """Help, a mistyped option and the settings need none of the heavy libraries."""
    cells = ("cave_check", "-h"), ("cave_check", "--nonsense"), ("config", "CaveMagics")
    runs = [f"try:\n    get_ipython().run_line_magic(*{cell!r})\nexcept Exception: pass" for cell in cells]
    assert not tops(modules_of("%load_ext cave_magic", *runs, home=home)) & HEAVY


def test_the_checks_are_imported_after_the_requests_are_sent(home):
    """What sends the requests of a check imports neither the checks nor the facts that they judge, nor a library."""
    new = modules_of("import cave_magic.commands.line, cave_magic.commands.check", home=home)
    later = {
        "doctor.checks",
        "doctor.evidence",
        "doctor.judge",
        "doctor.model",
        "doctor.next_steps",
        "doctor.report",
        "credentials.atomic_write",
        "credentials.misplaced",
        "credentials.obstacles",
        "credentials.save",
        "credentials.scrub",
        "environment.caveclient_adapter",
    }
    assert not new & {f"cave_magic.{name}" for name in later}
    assert not (tops(new) | new) & (HEAVY | {"sqlite3", "html", "platform", "importlib.metadata"})


def test_an_error_without_a_library_of_cave_imports_nothing(home):
    """After a division by zero, what explains errors is not imported; after an error of requests, it is."""
    name, cell = "cave_magic.doctor.error_line", "import requests; get_ipython().run_cell('{}').error_in_exec"
    between = f"import sys; assert {name!r} not in sys.modules"
    asking = cell.format('requests.get("http://127.0.0.1:9")')
    assert name in modules_of("%load_ext cave_magic", cell.format("1 / 0"), between, asking, home=home)


def test_importing_the_package_imports_nothing_else(home):
    """`import cave_magic` imports only the top module."""
    new = modules_of("import cave_magic", home=home)
    assert {name for name in new if name.startswith("cave_magic")} == {"cave_magic"}


def test_whoami_needs_no_caveclient(home):
    """A request to the server needs requests, but neither caveclient nor pandas."""
    asks = "from cave_magic.doctor.gather import ask_servers, Target\nask_servers([Target(datastack='x', server='http://127.0.0.1:9', named_by='option')], 5)"
    new = tops(modules_of(asks, home=home))
    assert "requests" in new
    assert not new & {"caveclient", "pandas", "rich"}


SLOW_IMPORTS = """
import json, sys, threading, time
who = {}
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("requests", "urllib3"):
            who.setdefault(name, set()).add(threading.get_ident())
            time.sleep(0.005)  # so that other threads have their turn in the middle of it
sys.meta_path.insert(0, Slow())
from cave_magic.doctor.gather import Target, gather
found = gather([Target(datastack="x", server="http://127.0.0.1:9", named_by="option")], 60)
print(json.dumps([len(set.union(*who.values())), found.machine.caveclient_problem, found.servers[0].responses[0].failure.value]))
"""


def test_requests_is_imported_by_one_thread(home):
    """Requests and caveclient both need the package; one thread imports it, so that there is no deadlock."""
    done = subprocess.run(
        [sys.executable, "-c", SLOW_IMPORTS],
        cwd=ROOT, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    threads, problem, failure = json.loads(done.stdout)
    assert (threads, problem) == (1, "")
    assert failure.startswith("refused")


def test_a_check_in_a_script_needs_no_ipython(home):
    """`cave_magic.check()` runs in a program without IPython, and without rich."""
    program = "import sys, cave_magic; cave_magic.check(server='http://127.0.0.1:9', timeout=1); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    names = set(done.stdout.split())
    assert not names & {"cave_magic.magics", "cave_magic.ui.frontend", "cave_magic.ui.terminal", "rich"}
