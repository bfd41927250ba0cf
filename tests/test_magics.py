"""The four magics in a real shell: registration, help, and errors for mistyped lines."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from cave_magic.commands import NAMES

from .support.shell import settings, sit_at_terminal


def test_loading_registers_exactly_the_four_magics(shell):
    """`%load_ext` adds the four line magics and no others."""
    mine = {name for name in shell.magics_manager.magics["line"] if "cave" in name}
    assert mine == set(NAMES)


def test_unloading_removes_every_trace(shell):
    """`%unload_ext` leaves no magic, no registry entry and no setting behind."""
    shell.run_line_magic("unload_ext", "cave_magic")
    assert not [name for name in shell.magics_manager.magics["line"] if "cave" in name]
    assert "CaveMagics" not in shell.magics_manager.registry
    assert not [one for one in shell.configurables if type(one).__name__ == "CaveMagics"]


def test_loading_twice_is_harmless(run, shell):
    """A second `%load_ext`, and `%reload_ext`, change nothing and print nothing."""
    assert run("%load_ext cave_magic").error == ""
    assert run("%reload_ext cave_magic").error == ""
    assert len([one for one in shell.configurables if type(one).__name__ == "CaveMagics"]) == 1


def test_loading_imports_nothing_heavy():
    """Loading does not import caveclient, pandas, requests or rich."""
    code = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell; s = InteractiveShell();"
        "before = set(sys.modules); s.run_line_magic('load_ext', 'cave_magic');"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before};"
        "third = sorted(new - set(sys.stdlib_module_names) - {'cave_magic', 'IPython', 'traitlets'}); print(third)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.strip() == "[]"


OF_CAVE = """
import requests
response = requests.Response()
response.status_code, response.url = 503, "https://global.daf-apis.com/info/version"
raise requests.HTTPError("x", response=response)
"""
LINE = "CAVE: the info service on global.daf-apis.com was down or broken (503). Your token is not the cause. To see why: %cave_check"


def test_a_cave_error_has_a_line_below_it(run):
    """It appears once, below the traceback; a cell that succeeds has none."""
    shown = " ".join(run(OF_CAVE).out.split())
    assert shown.endswith(LINE)
    assert shown.count("CAVE: ") == 1
    assert run("1 + 1").out.count("CAVE") == 0


def test_a_wrong_setting_keeps_no_line_away(run, shell):
    """The line below an error needs no server; the setting is named once it is used."""
    settings(shell).server = "x y"
    assert LINE in " ".join(run(OF_CAVE).out.split())


def test_none_in_place_of_a_line_is_no_word(run, shell):
    """A program may call `run_line_magic("cave_check", None)`, which is the line without words."""
    settings(shell).server = "x y"
    message = run('get_ipython().run_line_magic("cave_check", None)').message
    assert "the setting CaveMagics.server is wrong" in message


def test_the_line_can_be_turned_off(run):
    """`%config CaveMagics.explain_errors = False` takes effect from the next cell on."""
    run("%config CaveMagics.explain_errors = False")
    assert "CAVE: " not in run(OF_CAVE).out


def test_loading_again_gives_one_line_and_unloading_none(run, shell):
    """`%reload_ext` registers the hook once, and `%unload_ext` removes it."""
    run("%load_ext cave_magic")
    run("%reload_ext cave_magic")
    assert run(OF_CAVE).out.count("CAVE: ") == 1
    before = len(shell.events.callbacks["post_run_cell"])
    run("%unload_ext cave_magic")
    assert len(shell.events.callbacks["post_run_cell"]) == before - 1
    assert "CAVE: " not in run(OF_CAVE).out
    run("%load_ext cave_magic")


@pytest.mark.parametrize("fault", [ZeroDivisionError, KeyboardInterrupt])
def test_a_fault_in_the_line_is_silent(run, monkeypatch, fault):
    """There is never a second traceback, whatever goes wrong in it."""

    def broken(*_: object) -> None:
        raise fault("in the line")

    monkeypatch.setattr("cave_magic.doctor.error_line.error_line", broken)
    ran = run(OF_CAVE)
    assert ran.error == "HTTPError"
    assert "in the line" not in ran.out
    assert "Error in callback" not in ran.out


def test_a_token_in_the_error_is_not_repeated(run):
    """What a server says is shown without anything that looks like a token, and without terminal codes."""
    token = "00112233445566778899aabbccddeeff"
    body = f'{{"message": "no row for {token} \\u001b[31mred"}}'
    cell = OF_CAVE.replace("503", "400").replace("raise", f"response._content = {body.encode()!r}\nraise")
    line = run(cell).out.rpartition("CAVE: ")[2]
    assert "rejected that request (400): no row for ****" in " ".join(line.split())
    assert token[:8] not in line
    assert "\x1b[31mred" not in line


_ODD = {
    "a property that ends Python": "class Odd(requests.HTTPError):\n    @property\n    def reason(self): raise SystemExit(3)\nodd = Odd('x')",
    "a response that ends Python": "class Response:\n    status_code, url = 500, 'https://global.daf-apis.com'\n"
    "    @property\n    def _content(self): raise SystemExit(3)\nodd = requests.HTTPError('x', response=Response())",
}  # fmt: skip


@pytest.mark.parametrize("odd", _ODD.values(), ids=_ODD)
def test_an_exception_that_raises_when_it_is_looked_at_is_left_alone(run, odd):
    """Whatever it raises, even what ends Python."""
    ran = run(f"import requests\n{odd}\nraise odd")
    assert ran.error in ("Odd", "HTTPError")
    assert "Error in callback" not in ran.out


_LARGE = {
    "a message of 10 MB": "requests.exceptions.SSLError('https://global.daf-apis.com ' + 'x ' * 5_000_000)",
    "50 long messages": "chain(60, lambda n: requests.HTTPError(HERE + 'version 12 a ' * 2000))",
    "a chain of 10,000": "chain(10_000, ValueError)",
    "a group of 100,000": "requests.HTTPError(type('Group', (Exception,), {'exceptions': (OSError(),) * 100_000})())",
}


@pytest.mark.parametrize("large", _LARGE.values(), ids=_LARGE)
def test_a_large_error_is_explained_as_fast(run, shell, large):
    """Only its beginning is read."""
    run(OF_CAVE)
    run(
        "import requests\nHERE = '503 Server Error for url: https://global.daf-apis.com/info '\n"
        "def chain(number, kind):\n    first = error = kind(0)\n    for n in range(number):\n"
        "        error.__cause__ = error = kind(n)\n    return first"
    )
    error = run(large).value
    began = time.process_time()
    settings(shell).explain_error(SimpleNamespace(error_in_exec=error))
    assert time.process_time() - began < 0.05


@pytest.mark.parametrize("cell", ["import no_such_package", "import requests; {}['x']"])
def test_an_error_of_other_code_imports_nothing(cell):
    """What explains errors takes a while to import, so it waits for an error that it may explain."""
    program = (
        "import sys; from IPython.core.interactiveshell import InteractiveShell as Shell; shell = Shell.instance(); "
        f"shell.run_line_magic('load_ext', 'cave_magic'); shell.run_cell({cell!r}); "
        "print('cave_magic.doctor.error_line' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)
    assert ran.stdout.endswith("False\n")


@pytest.mark.parametrize("name", NAMES)
def test_a_question_mark_shows_the_help_and_two_the_source(shell, name):
    """`%magic?` shows the same as `%magic -h`, `%magic??` shows the source, and both name the file."""
    told = shell.object_inspect_mime(f"%{name}")["text/plain"]
    source = shell.object_inspect_mime(f"%{name}", detail_level=1)["text/plain"]
    assert f"%{name} [" in told
    assert "--server" in told
    assert f"def {name}" in re.sub(r"\x1b\[[0-9;]*m", "", source)
    assert f"{name.removeprefix('cave_')}.py" in told


def test_ipython_lists_the_magics(shell):
    """`%lsmagic` lists them, and `%quickref` shows the first line of their help."""
    listed = str(shell.run_line_magic("lsmagic", ""))
    assert all(f"%{name}" in listed for name in NAMES)
    docs = shell.magics_manager.lsmagic_docs(brief=True)["line"]
    assert all(docs[name].startswith(f"%{name}") for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_usage_and_an_example(run, name):
    """`%magic -h` prints the usage and an example that names the magic."""
    ran = run(f"%{name} -h")
    assert ran.error == ""
    assert f"%{name} [" in ran.out
    assert f"\n    %{name}" in ran.out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%cave_setup old", "cave_setup takes new, existing, replace or remove"),
        ("%cave_check --jsom", "Did you mean --json?"),
        ("%cave_check --timeout x", "--timeout: invalid float value"),
        ("%cave_check --timeout 0", "more than 0"),
        ("%cave_check --all v1dd_public", "give --all or a datastack, not both"),
        ("%cave_check --all -d v1dd_public", "give --all or a datastack, not both"),
        ("%cave_check --json --report", "give --json or --report, not both"),
        ("%cave_check --yes", "--yes works only with --fix"),
        ("%cave_whoami me", "takes only the name of a datastack"),
        ("%cave_save 'abc", "a quotation mark is not closed"),
        ("%cave_check --server global.daf-apis.com", "Use https://global.daf-apis.com"),
        ("%cave_check --server https://minnie.microns-daf.com", "data server"),
        ("%cave_save --from-env NOT_SET_HERE", "NOT_SET_HERE is not set"),
        ("%cave_save --from-file /does/not/exist", "does not exist"),
        ("%cave_save $nothing", "there is no variable nothing"),
    ],
)
def test_a_mistyped_line_gets_a_one_line_error(run, line, said):
    """Invalid input gets a one-line error that says what is wrong and what would be right."""
    ran = run(line)
    assert ran.error == "BadInput"
    assert said in ran.message
    assert "Traceback" not in ran.out
    assert len(ran.out.strip().splitlines()) == 1


def test_an_error_of_ours_starts_no_debugger(run, shell):
    """After `%pdb on`, IPython would debug an error that has no frames to look at, and show the traceback of that."""
    shell.run_line_magic("pdb", "on")
    for _ in range(2):
        ran = run("%cave_whoami --foo")
        assert ran.out.strip() == f"✘ {ran.message}"
    shell.run_line_magic("pdb", "off")


def test_an_error_of_ours_leaves_the_one_before_to_the_debugger(run, monkeypatch):
    """`%tb` and `%debug` go on with the user's last error; our errors have no frames, with which IPython would crash."""
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        monkeypatch.delattr(sys, name, raising=False)
    run("%cave_whoami --foo")
    assert not run("%debug").error
    run("1 / 0")
    run("%cave_whoami --foo")
    assert isinstance(sys.last_value, ZeroDivisionError)
    assert sys.last_traceback is not None


@pytest.mark.parametrize("mode", ["Plain", "Context", "Verbose", "Minimal"])
def test_the_lines_of_an_error_stay_apart(run, shell, monkeypatch, mode):
    """Two of the modes of `%xmode` join the lines of a traceback without a line break, which would glue words."""
    sit_at_terminal(monkeypatch)
    shell.InteractiveTB.set_mode(mode)
    ran = run("%cave_save --from-env THE_ENVIRONMENT_VARIABLE_OF_A_LONG_NAME_")
    assert ran.message.lower() in " ".join(ran.out.split()).lower()


def test_the_help_of_the_check_matches_its_options(run):
    """It says that only `--fix` changes anything, and what `-o` returns with `--strict`."""
    out = run("%cave_check -h").out
    assert "Changes nothing without --fix." in " ".join(out.split())
    assert "and return nothing, if any check failed" in " ".join(out.split())
