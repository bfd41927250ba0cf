"""Packages that do not fit together: which is at fault, and the line that repairs it, followed in real environments."""

from __future__ import annotations

import importlib
import marshal
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import packaging.requirements
import packaging.tags  # noqa: F401 - imported before a test changes the path
import pytest

from cave_magic.environment import attribution, distributions
from cave_magic.environment.attribution import find_fault
from cave_magic.environment.import_fault import Action, Cause, Origin
from cave_magic.environment.trial import IMPOSSIBLE, UNKNOWN, ImportFailure, ImportTrial, Outcome, run
from tests.support.packages import KERNEL, Environment, Tiny, installed

CLIENT = Tiny(
    name="caveclient",
    version="8.2.1",
    files={
        "caveclient/__init__.py": "",
        "caveclient/auth.py": "from networkx import Graph\n\nclass AuthClient: pass\n",
    },
    requires=("networkx<4,>=3",),
)
GRAPHS = Tiny(
    name="networkx",
    version="3.6",
    files={"networkx/__init__.py": "from .graph import Graph\n", "networkx/graph.py": "class Graph: pass\n"},
)
OLD = Tiny(name="networkx", version="1.0", files={"networkx/__init__.py": "nothing = 1\n"})
AGAIN = '%pip install --force-reinstall --no-deps "networkx<4,>=3"'
ONCE = '%pip install -U "networkx<4,>=3"'


@pytest.fixture
def here(tmp_path: Path, home: Path) -> Environment:
    """An environment with a working caveclient, and wheels of what it needs."""
    environment = Environment(tmp_path)
    for one in (CLIENT, GRAPHS):
        one.install(environment.site)
        one.build(environment.wheels)
    return environment


def remove(here: Environment, *paths: str) -> None:
    """Removes files and folders of the environment."""
    for path in paths:
        for found in list(here.site.glob(path)):
            shutil.rmtree(found) if found.is_dir() else found.unlink()


def lacks_a_file(here: Environment) -> None:
    remove(here, "networkx/graph.py")


def lacks_all_files(here: Environment) -> None:
    remove(here, "networkx")


def is_a_namespace(here: Environment) -> None:
    """Only data is left in the folder, which Python takes for a namespace package."""
    remove(here, "networkx/*.py")
    (here.site / "networkx" / "data.txt").write_text("")


def has_an_empty_file(here: Environment) -> None:
    (here.site / "networkx" / "__init__.py").write_text("")


def has_changed_content(here: Environment) -> None:
    path = here.site / "networkx" / "graph.py"
    path.write_text(path.read_text().replace("class", "klass"))


def has_lost_its_record(here: Environment) -> None:
    remove(here, "networkx/graph.py", "networkx-3.6.dist-info/RECORD")


def was_half_upgraded(here: Environment) -> None:
    """The new metadata is there beside the old, but the old files are still in place."""
    remove(here, "networkx", "networkx-3.6.dist-info")
    OLD.install(here.site)
    GRAPHS.install(here.site)
    (here.site / "networkx" / "__init__.py").write_text("nothing = 1\n")
    remove(here, "networkx/graph.py")


def was_interrupted(here: Environment) -> None:
    (here.site / "networkx").rename(here.site / "~etworkx")
    (here.site / "networkx-3.6.dist-info").rename(here.site / "~etworkx-3.6.dist-info")
    (here.site / "networkx").mkdir()
    (here.site / "networkx" / "__init__.py").write_text("")


def is_too_old(here: Environment) -> None:
    remove(here, "networkx*")
    OLD.install(here.site)


def is_an_old_caveclient(here: Environment) -> None:
    """It is so old that it has no module `auth`."""
    remove(here, "caveclient*")
    Tiny(name="caveclient", version="1.0", files={"caveclient/__init__.py": ""}).install(here.site)


def is_missing_altogether(here: Environment) -> None:
    remove(here, "caveclient*")


def is_real(here: Environment) -> None:
    """The real caveclient, without a file of the real networkx."""
    remove(here, "caveclient*", "networkx*")
    here.share(*installed("caveclient").requires)
    for one in (installed("caveclient"), installed("networkx")):
        one.install(here.site)
        one.build(here.wheels)
    remove(here, "networkx/classes/digraph.py")


def is_for_another_python(here: Environment) -> None:
    remove(here, "networkx*")
    tag = "cp27-cp27m-linux_x86_64"
    Tiny(name="networkx", version="3.6", tag=tag, files={"networkx/__init__.py": "from ._core import Graph\n"}).install(
        here.site
    )


def is_for_a_newer_python(here: Environment) -> None:
    remove(here, "networkx*")
    source = {"networkx/__init__.py": "new syntax\n"}
    Tiny(name="networkx", version="3.6", python=">=3.99", files=source).install(here.site)


def needs_something_missing(here: Environment) -> None:
    remove(here, "networkx*")
    source = {
        "networkx/__init__.py": "import tiny_layout\nfrom .graph import Graph\n",
        "networkx/graph.py": "class Graph: pass\n",
    }
    Tiny(name="networkx", version="3.6", files=source, requires=("tiny-layout>=2",)).install(here.site)
    Tiny(name="tiny-layout", version="2.1", files={"tiny_layout.py": ""}).build(here.wheels)


def has_lost_its_folder(here: Environment) -> None:
    """caveclient was installed with `pip install -e` from a clone that was deleted."""
    remove(here, "caveclient")
    (here.site / "caveclient-8.2.1.dist-info" / "direct_url.json").write_text(
        '{"url": "file:///gone", "dir_info": {"editable": true}}'
    )
    (here.site / "clone.pth").write_text("/gone\n")


def has_two_that_do_not_fit(here: Environment) -> None:
    """caveclient uses a name that networkx does not have, though the metadata allows that version."""
    remove(here, "networkx*")
    source = {"networkx/__init__.py": "from .graph import Node\n", "networkx/graph.py": "class Node: pass\n"}
    Tiny(name="networkx", version="3.0", files=source).install(here.site)


def was_compiled_for_another(here: Environment) -> None:
    remove(here, "networkx*")
    text = (
        "numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, got 88 from PyObject"
    )
    Tiny(name="networkx", version="3.6", files={"networkx/__init__.py": f"raise ValueError({text!r})\n"}).install(
        here.site
    )


def needs_a_newer_system(here: Environment) -> None:
    remove(here, "networkx*")
    text = "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by networkx/_core.so)"
    Tiny(name="networkx", version="3.6", files={"networkx/__init__.py": f"raise ImportError({text!r})\n"}).install(
        here.site
    )


def hides_in_pythonpath(here: Environment) -> None:
    OLD.install(here.notebook.parent / "old")
    here.environ["PYTHONPATH"] = str(here.notebook.parent / "old")


def hides_without_metadata(here: Environment) -> None:
    hides_in_pythonpath(here)
    shutil.rmtree(here.notebook.parent / "old" / "networkx-1.0.dist-info")


def hides_beside_the_notebook(here: Environment) -> None:
    (here.notebook / "networkx").mkdir()
    (here.notebook / "networkx" / "__init__.py").write_text("")


def hides_what_networkx_needs(here: Environment) -> None:
    needs_something_missing(here)
    Tiny(name="tiny-layout", version="2.1", files={"tiny_layout.py": ""}).install(here.site)
    (here.notebook / "tiny_layout.py").write_text("1 / 0")


def is_the_only_copy_in_pythonpath(here: Environment) -> None:
    """The packages of another Python are in PYTHONPATH, and this Python has none of its own."""
    remove(here, "networkx*")
    hides_in_pythonpath(here)


def is_broken_by_a_variable(here: Environment) -> None:
    path = here.site / "networkx" / "graph.py"
    path.write_text("import warnings\nwarnings.warn('old', DeprecationWarning)\nclass Graph: pass\n")
    here.environ["PYTHONWARNINGS"] = "error::DeprecationWarning:networkx.graph"


def hides_in_an_egg(here: Environment) -> None:
    """`easy_install` once put an old copy before all others."""
    egg = here.site / "networkx-1.0.egg"
    OLD.install(egg)
    shutil.rmtree(egg / "networkx-1.0.dist-info")
    (here.site / "easy-install.pth").write_text(f"import sys; sys.path.insert(0, {str(egg)!r})\n")


def hides_as_a_compiled_file(here: Environment) -> None:
    """A module that was compiled beside the notebook, in a folder that is on the path under its name, too."""
    here.environ["PYTHONPATH"] = str(here.notebook)
    (here.notebook / f"networkx{sysconfig.get_config_var('EXT_SUFFIX')}").write_bytes(b"no code")


def has_damaged_bytecode(here: Environment) -> None:
    compiled_anew(here, b"")


def has_other_bytecode(here: Environment) -> None:
    """The clock went back, so that an older source seems to be the one that was compiled."""
    compiled_anew(here, marshal.dumps(compile("class Node: pass", "graph.py", "exec")))


def leads_to_nothing(here: Environment) -> None:
    """The packages are links to a drive that is not mounted."""
    remove(here, "networkx")
    (here.site / "networkx").symlink_to("/no/such/drive/networkx")


def is_blocked_by_sitecustomize(here: Environment) -> None:
    """An administrator's or an older project's file changes how this Python imports."""
    (here.site / "sitecustomize.py").write_text("import sys; sys.modules['networkx'] = None\n")


def is_blocked_by_a_pth_file(here: Environment) -> None:
    """A package that was removed has left its hook; another file of that kind does no harm."""
    (here.site / "aaa.pth").write_text("import os\n")
    (here.site / "hook.pth").write_text("import sys; sys.modules['networkx'] = None\n")


def compiled_anew(here: Environment, code: bytes) -> None:
    """Python finds this code for a source that has not changed since."""
    source = here.site / "networkx" / "graph.py"
    compiled = Path(py_compile.compile(str(source)) or "")
    compiled.write_bytes(compiled.read_bytes()[:16] + code)


WORLDS: dict[str, tuple[Callable[[Environment], None], str, str]] = {
    "a file is missing": (lacks_a_file, "files of networkx 3.6 in", AGAIN),
    "all files are missing": (lacks_all_files, "files of networkx 3.6 in", AGAIN),
    "a namespace package is left": (is_a_namespace, "files of networkx 3.6 in", AGAIN),
    "a file is empty": (has_an_empty_file, "damaged: networkx/__init__.py", AGAIN),
    "a file has another content": (has_changed_content, "damaged: networkx/graph.py", AGAIN),
    "there is no record": (has_lost_its_record, 'damaged: RECORD', '%pip install --ignore-installed --no-deps "networkx==3.6"'),
    "an upgrade is half-finished": (was_half_upgraded, "an upgrade was interrupted", AGAIN),
    "an old folder is left": (was_interrupted, "contains networkx, which is not installed", ONCE),
    "it is too old": (is_too_old, "caveclient 8.2.1 needs networkx", ONCE),
    "caveclient is too old": (is_an_old_caveclient, "needs caveclient>=7, but caveclient 1.0 is installed", '%pip install -U "caveclient>=7"'),
    "caveclient is missing": (is_missing_altogether, "caveclient is not installed", "%pip install -U caveclient"),
    "the real one has lost a file": (is_real, "damaged: networkx/classes/digraph.py", "%pip install --force-reinstall --no-deps networkx"),
    "it is for another Python": (is_for_another_python, "networkx 3.6 in", AGAIN),
    "it is for a newer Python": (is_for_a_newer_python, "was built for another Python", AGAIN),
    "it needs something": (needs_something_missing, "tiny_layout is not installed, and networkx 3.6 needs it", "%pip install -U tiny-layout"),
    "its folder is gone": (has_lost_its_folder, "caveclient 8.2.1 was installed from a folder that no longer exists", "%pip install --force-reinstall --no-deps caveclient"),
    "two do not fit": (has_two_that_do_not_fit, "caveclient 8.2.1 does not work with networkx 3.0", "%pip install"),
    "it was compiled for another numpy": (was_compiled_for_another, "networkx 3.6 was compiled for another version of numpy", AGAIN),
    "it was built for a newer system": (needs_a_newer_system, "networkx 3.6 needs GLIBC_2.38", AGAIN),
    "PYTHONPATH has another copy": (hides_in_pythonpath, "networkx 1.0 in", "begin the notebook with import sys"),
    "PYTHONPATH has an old folder": (hides_without_metadata, "(named by PYTHONPATH) hides the copy in", "begin the notebook with import sys"),
    "the notebook's folder has one": (hides_beside_the_notebook, "(the folder of the notebook) hides", "!mv "),
    "a script hides what it needs": (hides_what_networkx_needs, "tiny_layout in", "!mv "),
    "its folder is a link to nothing": (leads_to_nothing, "is a link to nothing", "!mv "),
    "an old egg has one": (hides_in_an_egg, "hides the copy in", "!mv "),
    "a compiled file hides it": (hides_as_a_compiled_file, "(the folder of the notebook) hides", "!mv "),
    "its bytecode is damaged": (has_damaged_bytecode, "missing or damaged: __pycache__", AGAIN),
    "its bytecode is another's": (has_other_bytecode, "missing or damaged: __pycache__", AGAIN),
    "sitecustomize blocks it": (is_blocked_by_sitecustomize, "when it starts; without it the import works", "!mv "),
    "a .pth file blocks it": (is_blocked_by_a_pth_file, "each kernel runs hook.pth in", "!mv "),
    "PYTHONPATH has the only copy": (is_the_only_copy_in_pythonpath, "networkx", "begin the notebook with import sys"),
}  # fmt: skip


SAMPLE = (
    "a file is missing",
    "it needs something",
    "two do not fit",
    "PYTHONPATH has the only copy",
    "a script hides what it needs",
    "a compiled file hides it",
    "its bytecode is another's",
    "a .pth file blocks it",
)
"""The worlds of a usual run; `--everything` tries all."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test of the worlds on a sample of them, or with `--everything` on all of them."""
    if "world" in metafunc.fixturenames:
        metafunc.parametrize("world", WORLDS if metafunc.config.getoption("everything") else SAMPLE)


def test_the_next_step_repairs_the_import(here, world):
    """The check names the package at fault, and after the printed line the import works."""
    breaks, says, types = WORLDS[world]
    breaks(here)
    said = here.follow()
    assert says in said[0].evidence
    assert types in said[0].next


def test_a_whole_check_repairs_the_import(here):
    """In IPython, `%pip` installs what the check says, and in a new kernel the check has nothing more to say of it."""
    is_too_old(here)
    said = here.follow(program=KERNEL)
    assert [one.commands[0] for one in said] == [ONCE]


def test_a_stale_kernel_has_to_be_restarted(here):
    """If a fresh Python imports it, nothing is installed."""
    said = here.check("import sys; sys.modules['networkx'] = None")
    assert said is not None
    assert "a fresh Python can import it" in said.evidence
    assert said.next == "restart the kernel, then %cave_check"
    assert here.check() is None


def test_a_file_of_ipython_that_breaks_the_import_is_moved_away(here, home):
    """Every kernel runs it, so that restarting alone changes nothing."""
    file = home / ".ipython" / "profile_default" / "startup" / "50-mine.py"
    file.parent.mkdir(parents=True)
    file.write_text("import sys; sys.modules['networkx'] = None\n")
    here.environ |= {"HOME": str(home), "IPYTHONDIR": ""}
    begin = f"if os.path.exists({str(file)!r}): exec(open({str(file)!r}).read())"
    (said,) = here.follow(begin)
    assert said.evidence.endswith(
        "each kernel runs 50-mine.py in ~/.ipython/profile_default/startup when it starts; without it the import works"
    )
    assert said.commands[0].startswith("!mv ~/.ipython/")


def test_a_variable_of_a_package_that_breaks_the_import_is_named(here):
    """Of all variables, the one without which the import works is found by leaving out a few at a time."""
    (here.site / "networkx" / "__init__.py").write_text(
        "import os\nif 'GRAPH_MODE' in os.environ: raise ValueError('x')\nfrom .graph import Graph\n"
    )
    here.environ["GRAPH_MODE"] = "fast"
    said = here.check()
    assert said is not None
    assert said.evidence.endswith("without the environment variable GRAPH_MODE, the import works")
    assert said.next.startswith("unset GRAPH_MODE where Jupyter is started")


def test_a_removed_python_is_named(here):
    """After an upgrade, the Python of a running kernel may be gone."""
    said = here.check("import sys; sys.modules['networkx'] = None; sys.executable = '/no/such/python3'")
    assert said is not None
    assert "/no/such/python3, the Python of this kernel, no longer exists" in said.evidence
    assert said.next == "choose a kernel with another Python, then %cave_check"


def test_a_changed_path_is_not_a_missing_package(here):
    """If a cell took the packages out of `sys.path`, they are installed, and a restart brings them back."""
    said = here.check(f"import sys; sys.path.remove({str(here.site)!r})")
    assert said is not None
    assert "sys.path changed after this kernel started" in said.evidence
    assert said.next == "restart the kernel, then %cave_check"


@pytest.mark.parametrize("odd", ["None", "b'/tmp'"])
def test_an_entry_of_sys_path_that_is_not_text_is_named(here, odd):
    """`sys.path.insert(0, os.environ.get("LAB"))` adds None, with which `importlib.metadata` fails."""
    with (here.site / "networkx" / "graph.py").open("a") as module:
        module.write("import importlib.metadata; importlib.metadata.version('networkx')\n")
    said = here.check(f"import pathlib, sys; sys.path[:0] = [pathlib.Path('/tmp'), {odd}]")
    assert said is not None
    assert f"sys.path has an entry of type {'bytes' if odd[0] == 'b' else 'NoneType'}" in said.evidence
    assert said.next == "restart the kernel, then %cave_check"


def test_a_copy_that_the_user_cannot_uninstall_is_left_out(here, monkeypatch):
    """What `sudo pip install --user` left belongs to the administrator."""
    home = here.notebook.parent / "home"
    here.environ["HOME"] = str(home)
    user = home / ".local" / "lib" / here.site.parent.name / "site-packages"
    OLD.install(user)
    closed = f"import os, sys; sys.path.insert(1, {str(user)!r}); os.access = lambda path, mode: path != {str(user)!r}"
    said = here.check(closed)
    assert said is not None
    assert "(your own packages) hides the copy in" in said.evidence
    assert said.next.startswith("restart the kernel, begin the notebook with import sys; sys.path[:]")
    assert here.check(closed, said.commands[0]) is None


def test_a_copy_of_the_user_is_uninstalled(here, monkeypatch):
    """An old copy in the user's own packages hides the one that works; after it is uninstalled, the import works."""
    base = here.notebook.parent / "base"
    here.environ |= {"PYTHONUSERBASE": str(base), "PIP_BREAK_SYSTEM_PACKAGES": "1"}
    here.python = Path(sys._base_executable)
    done = subprocess.run(
        [here.python, "-m", "site", "--user-site"], env=here.environ, capture_output=True, text=True, check=False
    )
    user = Path(done.stdout.strip())
    OLD.install(user)
    (user / "tests.pth").write_text(f"{here.site}\n{(here.site / 'tests.pth').read_text()}")
    said = here.follow()
    assert len(said) == 1
    assert "networkx 1.0 in" in said[0].evidence
    assert "(your own packages) hides the copy in" in said[0].evidence
    assert said[0].commands[0].startswith("%pip uninstall")
    assert (here.site / "networkx" / "graph.py").exists()
    assert not (user / "networkx").exists()


# ---------------------------------------------------------------- what a message means


@pytest.fixture
def raised(tmp_path, monkeypatch):
    """Says what the fault is if an import raises something, with tiny packages instead of those of the tests."""
    site, others = tmp_path / "site", sysconfig.get_path("purelib")
    for one in (CLIENT, GRAPHS, OLD_NUMPY):
        one.install(site)
    monkeypatch.setattr(sys, "path", [str(site), *(one for one in sys.path if one != others)])
    importlib.invalidate_caches()
    monkeypatch.setattr(distributions, "origin_of", lambda entry: Origin.ENVIRONMENT)
    monkeypatch.setattr(attribution, "origin_of", lambda entry: Origin.ENVIRONMENT)

    def fault(text: str, *files: str, works_without: str = ""):
        failure = ImportFailure(text=text, files=tuple(str(site / one) for one in files))

        def tried(trial: ImportTrial, seconds: float) -> Outcome:
            works = bool(works_without) and works_without in trial.without
            return Outcome(finished=True, raised=None if works else failure)

        monkeypatch.setattr(attribution, "run", tried)
        return find_fault("caveclient.auth", lambda: 10.0)

    return fault


OLD_NUMPY = Tiny(name="numpy", version="1.9", files={"numpy/__init__.py": ""})
INSIDE = ("networkx/graph.py", "networkx/__init__.py", "caveclient/auth.py")
ABI = (
    "ValueError: numpy.dtype size changed, may indicate binary incompatibility",
    "AttributeError: _ARRAY_API not found",
    "ImportError: numpy.core.multiarray failed to import",
    "RuntimeError: module compiled against ABI version 0x1000009 but this version of numpy is 0x2000000",
    "ImportError: /x.so: undefined symbol: PyFPE_jbuf",
)
LIBRARIES = {
    "ImportError: /lib/libc.so.6: version `GLIBC_2.38' not found (required by /x.so)": "GLIBC_2.38",
    "ImportError: /lib/libstdc++.so.6: version `GLIBCXX_3.4.30' not found": "GLIBCXX_3.4.30",
    "ImportError: libhdf5.so.310: cannot open shared object file: No such file or directory": "libhdf5.so.310",
    "ImportError: dlopen(/x.so, 0x2): Library not loaded: @rpath/libomp.dylib": "@rpath/libomp.dylib",
    "ImportError: DLL load failed while importing _core: The specified module could not be found.": "DLL",
}


@pytest.mark.parametrize("text", ABI)
def test_a_binary_for_another_version_is_named(raised, text):
    """The package that was compiled is at fault, not the one that it was compiled for."""
    fault = raised(text, *INSIDE)
    assert (fault.cause, fault.package, fault.other) == (Cause.OTHER_BINARY, "networkx 3.6", "numpy 1.9")
    assert fault.repair.action is Action.REINSTALL


@pytest.mark.parametrize(("text", "library"), LIBRARIES.items())
def test_a_library_of_the_system_is_named(raised, text, library):
    """The package is installed again, since pip takes a build for this computer."""
    fault = raised(text, *INSIDE)
    assert (fault.cause, fault.package, fault.other) == (Cause.SYSTEM_LIBRARY, "networkx 3.6", library)


def test_a_variable_that_breaks_the_import_is_named(raised, monkeypatch):
    """The import works without the variable, so nothing is installed."""
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/old")
    fault = raised(
        "ImportError: /opt/old/libstdc++.so.6: version `GLIBCXX_3.4.30' not found",
        *INSIDE,
        works_without="LD_LIBRARY_PATH",
    )
    assert (fault.cause, fault.package, fault.repair.action) == (Cause.VARIABLE, "LD_LIBRARY_PATH", Action.UNSET)


def test_a_module_that_python_has_removed_is_named(raised):
    """The package that uses it is too old for this Python."""
    removed = "no_such_module_of_python"
    attribution_removed = attribution.REMOVED | {removed}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attribution, "REMOVED", attribution_removed)
        fault = raised(f"ModuleNotFoundError: No module named '{removed}'", *INSIDE)
    assert (fault.cause, fault.package, fault.repair.specs) == (
        Cause.TOO_OLD_FOR_PYTHON,
        "networkx 3.6",
        ("networkx<4,>=3",),
    )


def test_a_module_that_python_was_built_without_is_named(raised, monkeypatch):
    """No package brings it, so another Python is needed."""
    monkeypatch.setattr(attribution, "entries_with", lambda module: iter(()))
    fault = raised("ModuleNotFoundError: No module named '_lzma'", *INSIDE)
    assert (fault.cause, fault.package, fault.repair.action) == (
        Cause.NO_MODULE_OF_PYTHON,
        "_lzma",
        Action.OTHER_PYTHON,
    )


def test_a_message_that_quotes_a_version_names_the_package(raised):
    """Some packages compare versions themselves, and their metadata say nothing of it (pyarrow and numpy)."""
    fault = raised("ImportError: networkx requires NumPy 2.0 or newer, found 1.9", *INSIDE)
    assert (fault.cause, fault.package, fault.other) == (Cause.MISMATCH, "networkx 3.6", "numpy 1.9")
    assert fault.repair.specs == ("networkx<4,>=3", "numpy")


@pytest.mark.parametrize(("closed", "package"), [("networkx/graph.py", "networkx 3.6"), ("secret", "secret")])
def test_files_that_cannot_be_read_are_named(raised, tmp_path, monkeypatch, closed, package):
    """`sudo pip` with a strict umask leaves packages that only the administrator can read."""
    path = tmp_path / "site" / closed
    if not path.exists():
        path.mkdir()
    monkeypatch.setattr(attribution.os, "access", lambda one, mode, **_: str(one) != str(path))
    fault = raised(f"ImportError: cannot import name 'x' from '{package.split()[0]}'", closed, *INSIDE)
    assert (fault.cause, fault.package, fault.repair.action) == (Cause.UNREADABLE, package, Action.REINSTALL)


def test_without_time_nothing_is_deduced(raised, monkeypatch):
    """If a trial does not finish, the check says that there was no time, and blames nothing."""
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/old")
    failure = ImportFailure(text="x")
    raised("ImportError: x", *INSIDE)
    outcomes = {False: Outcome(finished=True, raised=failure), True: Outcome(finished=False)}
    monkeypatch.setattr(attribution, "run", lambda trial, seconds: outcomes[bool(trial.without)])
    assert find_fault("caveclient.auth", lambda: 10.0) is None


def test_without_a_fresh_python_the_metadata_decide(raised, monkeypatch):
    """Inside an application no fresh Python can be started: more time would not help, and nothing proves it stale."""
    raised("ImportError: x", *INSIDE)
    failure = ImportFailure(text="No module named '_lzma'")
    monkeypatch.setattr(attribution, "run", lambda trial, seconds: IMPOSSIBLE)
    monkeypatch.setattr(attribution, "attempt", lambda module: failure)
    monkeypatch.setattr(attribution, "entries_with", lambda module: iter(()))
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/old")
    assert find_fault("caveclient.auth", lambda: 10.0).cause is Cause.NO_MODULE_OF_PYTHON
    monkeypatch.setattr(attribution, "attempt", lambda module: None)
    assert find_fault("caveclient.auth", lambda: 10.0) is None


def test_a_python_that_cannot_be_started_is_told_from_a_slow_one(tmp_path, monkeypatch):
    """Only a slow one may finish with more time."""
    trial = ImportTrial(module="json")
    assert run(trial, 0) == UNKNOWN
    for name in ("python3", "Slicer"):
        monkeypatch.setattr(sys, "executable", str(tmp_path / name))
        assert run(trial, 5) == IMPOSSIBLE


def test_odd_metadata_does_not_crash(raised, monkeypatch):
    """Whatever the metadata look like, the check says something."""
    monkeypatch.setattr(attribution._Attribution, "fault", lambda self: 1 / 0)
    assert raised("ImportError: x", *INSIDE).cause is Cause.UNKNOWN


def test_an_unknown_fault_is_not_guessed(raised):
    """If nothing explains it, no package is blamed, and another environment is the next step."""
    fault = raised("ZeroDivisionError: division by zero", *INSIDE)
    assert (fault.cause, fault.package, fault.repair.action) == (
        Cause.UNKNOWN,
        "networkx 3.6",
        Action.OTHER_ENVIRONMENT,
    )


MISSING = {
    "attr": "attrs",
    "dateutil": "python-dateutil",
    "pkg_resources": "setuptools<81",
    "something_else": "something-else",
}


@pytest.mark.parametrize(("module", "spec"), MISSING.items())
def test_a_missing_module_has_a_distribution(raised, monkeypatch, module, spec):
    """The distribution of a module may have another name."""
    monkeypatch.setattr(attribution, "entries_with", lambda module: iter(()))
    monkeypatch.setattr(attribution._Attribution, "_owner", lambda self, top: None)
    fault = raised(f"ModuleNotFoundError: No module named '{module}'", *INSIDE)
    assert (fault.cause, fault.package, fault.repair.specs) == (Cause.MISSING, module, (spec,))


def test_a_package_that_is_too_old_to_have_a_module_is_not_called_missing(raised, tmp_path):
    """attrs 19.3 has `attr`, but not yet `attrs`."""
    Tiny(name="attrs", version="19.3", files={"attr/__init__.py": ""}).install(tmp_path / "site")
    Tiny(name="networkx", version="3.6", files=GRAPHS.files, requires=("attrs>=21.3",)).install(tmp_path / "site")
    fault = raised("ModuleNotFoundError: No module named 'attrs'", *INSIDE)
    assert (fault.cause, fault.package, fault.repair.specs) == (Cause.OTHER_VERSION, "attrs 19.3", ("attrs>=21.3",))
