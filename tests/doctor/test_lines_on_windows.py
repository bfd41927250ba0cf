"""The lines that are printed on Windows: for IPython, for cmd.exe and for PowerShell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cave_magic.credentials.file_problems import FileFault, FileProblem
from cave_magic.credentials.obstacles import Obstacle, WayOut
from cave_magic.credentials.target import find_target
from cave_magic.doctor import next_steps, variables
from cave_magic.environment.installer import Installer
from cave_magic.ui import door
from cave_magic.ui.document import plain_text

pytestmark = pytest.mark.usefixtures("windows")

ODD = r"C:\Users\Ada Lovelace\py\python.exe"
SHELLS = {"cmd": {"PROMPT": "$P$G"}, "powershell": {}, "git": {"MSYSTEM": "MINGW64"}}


@pytest.fixture
def started_from(in_a_shell: None, monkeypatch: pytest.MonkeyPatch):
    """Takes this program for one that was started from a shell of Windows."""

    def start(name: str) -> None:
        for variable in ("PROMPT", "MSYSTEM"):
            monkeypatch.delenv(variable, raising=False)
        for variable, value in SHELLS[name].items():
            monkeypatch.setenv(variable, value)

    return start


LINES = [
    (lambda: variables.with_variable("NETRC", "nul"), 'set "NETRC=nul"', "$env:NETRC = 'nul'", "export NETRC=nul"),
    (lambda: variables.with_variable("X", "it's"), 'set "X=it\'s"', "$env:X = 'it''s'", """export X='it'"'"'s'"""),
    (lambda: variables.without_variable("A", "B"), 'set "A=" && set "B="', "$env:A = $null; $env:B = $null", "unset A B"),
    (lambda: variables.copy_variable("A", "B"), 'set "B=%A%"', "$env:B = $env:A", 'export B="$A"'),
    (lambda: variables.with_more_hosts("NO_PROXY", "b.org"), 'set "NO_PROXY=%NO_PROXY%,b.org"', '$env:NO_PROXY = "$env:NO_PROXY,b.org"', 'export NO_PROXY="$NO_PROXY,b.org"'),
    (lambda: next_steps.go_on(find_target("v1dd_public", "https://a.org")),
     """python -i -c "from caveclient import CAVEclient; client = CAVEclient('v1dd_public', server_address='https://a.org')\"""",
     "python -i -c 'from caveclient import CAVEclient; client = CAVEclient(''v1dd_public'', server_address=''https://a.org'')'",
     """python -i -c 'from caveclient import CAVEclient; client = CAVEclient("v1dd_public", server_address="https://a.org")'"""),
    (lambda: next_steps.save(find_target("minnie65_public", "https://a.org"), "--from-file", r"~\Downloads\a b.json"),
     r'cave-magic save --from-file "~\Downloads\a b.json" --server https://a.org',
     r"cave-magic save --from-file '~\Downloads\a b.json' --server https://a.org",
     r"cave-magic save --from-file '~\Downloads\a b.json' --server https://a.org"),
    (lambda: next_steps.uninstall(Installer(tool="uv", python=ODD), "numpy")[0],
     rf'uv pip uninstall --python "{ODD}" numpy', rf"uv pip uninstall --python '{ODD}' numpy", rf"uv pip uninstall --python '{ODD}' numpy"),
    (lambda: next_steps.install(Installer(tool="ensurepip", python=ODD), "numpy<3")[0],
     rf'call "{ODD}" -m ensurepip && call "{ODD}" -m pip install -U "numpy<3"', rf"& '{ODD}' -m ensurepip; & '{ODD}' -m pip install -U "'"numpy<3"',
     rf"'{ODD}' -m ensurepip && '{ODD}' -m pip install -U "'"numpy<3"'),
    (lambda: next_steps.other_environment(Installer(tool="", python="py"))[0],
     r'py -m venv "%USERPROFILE%\cave-env" && "%USERPROFILE%\cave-env\Scripts\python" -m pip install cave-magic',
     r'py -m venv "$env:USERPROFILE\cave-env"; & "$env:USERPROFILE\cave-env\Scripts\python" -m pip install cave-magic',
     "py -m venv ~/cave-env && ~/cave-env/bin/python -m pip install cave-magic"),
]  # fmt: skip


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize(("line", "cmd", "powershell", "git"), LINES)
def test_each_shell_gets_its_own_spelling(started_from, name, line, cmd, powershell, git):
    """Variables, quotation marks, programs with a space in their path, and one line after the other."""
    started_from(name)
    assert line().text == {"cmd": cmd, "powershell": powershell, "git": git}[name]


@pytest.mark.parametrize("name", ["cmd", "powershell"])
def test_help_names_what_the_shell_understands(started_from, name):
    """The line for a variable, in the reference of a check, too."""
    started_from(name)
    said = {"cmd": 'set "NO_PROXY=HOST"', "powershell": "$env:NO_PROXY = 'HOST'"}[name]
    assert next_steps.examples()["without_proxy"].text == said
    assert next_steps.examples()["fix"].text == "cave-magic check --fix"
    assert not [line for line in map(str, next_steps.examples().values()) if line.startswith(("%", "!"))]


@pytest.mark.parametrize("name", ["plain", "two words", "it's", "a$b", "{b}", "(a)&^%", "Größe"])
def test_ipython_moves_and_unlocks_files_with_python(home, shell, run, name):
    """`!` would go to cmd.exe, which has neither `mv` nor `chmod`, and expands no `~`."""
    file = home / name
    file.write_text("x")
    file.chmod(0o444)
    for line in (next_steps.make_private(file).text, next_steps.move_away(file).text):
        assert line.startswith("import os; os.")
        assert not run(line).error
    moved = home / f"{name}.old"
    assert (moved.read_text(), os.access(moved, os.W_OK), file.exists()) == ("x", True, False)


def test_a_program_with_a_space_in_its_path_is_called(home):
    """`cmd /c` would take a quotation mark at the beginning of the line for its own."""
    line = next_steps.other_environment(Installer(tool="", python=ODD))[0].text
    assert line.startswith(rf'!call "{ODD}" -m venv "%USERPROFILE%\cave-env" && "%USERPROFILE%')


def test_an_unusable_home_is_corrected_in_the_variable_that_counts(home):
    """Python finds the home in USERPROFILE there, not in HOME."""
    there = {"path": home, "problem": FileProblem(fault=FileFault.HOME_MISSING, details=("x",)), "way": WayOut.SET_HOME}
    again = next_steps.check(find_target("minnie65_public"))
    assert "%env USERPROFILE=D:\\ada" in plain_text(next_steps.past(Obstacle(**there, home="D:\\ada"), again).line)
    assert "set USERPROFILE to a folder" in plain_text(next_steps.past(Obstacle(**there), again).line)


# ---------------------------------------------------------------- typed, where there is such a shell

TYPED = {"cmd": ["cmd.exe", "/d", "/s", "/c"], "powershell": ["powershell.exe", "-NoProfile", "-Command"]}
SAY = "import os; print(os.environ.get('HTTPS_PROXY', ''))"


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.parametrize(
    ("made", "after"),
    [
        (lambda: variables.with_scheme("HTTPS_PROXY", "http"), "http://u:p$x@proxy:1,b.org"),
        (lambda: variables.with_fewer_hosts("HTTPS_PROXY", ["b.org"]), "https://u:p$x@proxy:1"),
        (lambda: variables.with_more_hosts("HTTPS_PROXY", "c.org"), "https://u:p$x@proxy:1,b.org,c.org"),
        (lambda: variables.with_variable("HTTPS_PROXY", "a b"), "a b"),
        (lambda: variables.without_variable("HTTPS_PROXY", "OTHER"), ""),
    ],
    ids=["scheme", "fewer", "more", "set", "unset"],
)
def test_the_line_does_what_it_says(started_from, name, made, after):
    """Each line is typed in a real shell, with a Python that is not found by its name."""
    if os.name != "nt" or not shutil.which(TYPED[name][0]):
        pytest.skip("no such shell here")
    started_from(name)
    call, joint = ("call ", " & ") if name == "cmd" else ("& ", "; ")
    line = f'{made().text}{joint}{call}"{sys.executable}" -c "{SAY}"'
    env = {**os.environ, "HTTPS_PROXY": "https://u:p$x@proxy:1,b.org", "PATH": f"{Path(sys.executable).parent};{os.environ['PATH']}"}  # fmt: skip
    typed = f'cmd.exe /d /s /c "{line}"' if name == "cmd" else [*TYPED[name], line]
    done = subprocess.run(typed, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    assert (done.stdout.strip(), done.stderr) == (after, "")


def test_the_shell_is_known_by_what_it_sets(started_from):
    """cmd.exe sets PROMPT, and Git Bash MSYSTEM; the `!` of IPython is always cmd.exe."""
    found = []
    for name in SHELLS:
        started_from(name)
        found.append(door.dialect())
    assert found == [door.Dialect.CMD, door.Dialect.POWERSHELL, door.Dialect.POSIX]
    door._in_shell = False
    assert door.dialect() is door.Dialect.CMD
