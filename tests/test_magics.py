"""The four magics in a real shell: registration, help, and errors for mistyped lines."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from cave_magic.commands import NAMES


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
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


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
        ("%cave_check --all v1dd_public", "give --all or the name of a datastack, not both"),
        ("%cave_check --all -d v1dd_public", "give --all or the name of a datastack, not both"),
        ("%cave_check --json --report", "give --json or --report, not both"),
        ("%cave_check --yes", "--yes goes with --fix"),
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


def test_the_help_of_the_check_matches_its_options(run):
    """It says that only `--fix` changes anything, and what `-o` returns with `--strict`."""
    out = run("%cave_check -h").out
    assert "Changes nothing without --fix." in out
    assert "then nothing is returned" in " ".join(out.split())
