"""`cave-magic` in a shell: the same commands, words and pages as the magics, and what a shell expects of a program."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cave_magic.__main__ import main
from cave_magic.commands import cannot_be_imported
from cave_magic.doctor.checks import CHECKS
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Visitor
from cave_magic.ui.frontend import ShellFrontend

from .support.desk import Desk, nothing_secret, stored, temporary_tokens_left
from .support.waiting import until

BIN = Path(sys.executable).parent
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals and bash are of POSIX")

Do = Callable[..., tuple[int, str, str]]


@pytest.fixture
def do(cave: Sandbox, in_a_shell: None, capsys: pytest.CaptureFixture[str]) -> Do:
    """Runs a command on the practice server in this process; gives the exit code, stdout and stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([*words, "--server", cave.server])
        return code, *capsys.readouterr()

    return run


def program(*words: str, **env: str) -> subprocess.Popen[str]:
    """The program itself, as a shell starts it."""
    whole = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONUNBUFFERED": "", **env}
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(["cave-magic", *words], env=whole, text=True, **pipes, executable=str(BIN / "cave-magic"))


def test_the_four_commands_take_somebody_from_no_token_to_all_well(do, cave, monkeypatch, home):
    """The exit code is 1 while something is wrong and 0 when all is well; what is printed is spelled for a shell."""
    code, out, err = do("check")
    assert (code, err) == (1, "")
    assert f"cave-magic save --from-env CAVE_TOKEN --server {cave.server}" in out
    assert do("setup")[0] == 1
    code, out, err = do("whoami")
    assert (code, out) == (1, "")
    assert "cave-magic save" in err

    monkeypatch.setenv("CAVE_TOKEN", cave.new_token("ada"))
    code, out, err = do("save", "--from-env", "CAVE_TOKEN")
    assert (code, err) == (0, "")
    assert f"cave-magic check --server {cave.server}" in out

    code, out, _ = do("check")
    assert code == 0
    assert 'CAVEclient("minnie65_public"' in out
    assert "ada@example.org" in do("whoami")[1]
    assert do("setup")[0] == 0
    assert "%cave" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["checc"], "Did you mean cave-magic check?"),
        (["xyzzy"], "The commands are setup, save, whoami, check"),
        (["--server", "https://x.org", "check"], "The command comes first: cave-magic check"),
        (["check", "--jsom"], "cave-magic check has no option --jsom. Did you mean --json?"),
        (["check", "--all", "v1dd_public"], "give --all or a datastack, not both"),
        (["whoami", "minie65_public"], "Did you mean minnie65_public? cave-magic whoami minnie65_public"),
        (["check", "--", "-x"], "names do not begin with -"),
        (["completion", "tcsh"], "bash, zsh, fish"),
        (["save", "--from-env", "NOT_SET"], "the environment variable NOT_SET is not set"),
    ],
)
def test_a_line_that_cannot_be_read_exits_with_2(in_a_shell, capsys, words, said):
    """The message says what is right, on stderr, and quotes no value."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert said.lower() in " ".join(err.split()).lower()
    assert (out, "xyzzy" in err) == ("", False)


@pytest.mark.parametrize("words", [["save"], ["save", "--overwrite"], ["whoami"], ["check", "-v"], ["setup", "new"]])
def test_a_token_as_an_argument_is_refused(do, cave, words, home):
    """It would stay in the history of the shell: it is neither used, sent nor repeated, and the right line is printed."""
    token = cave.new_token("ada")
    cave.clear_requests()
    code, out, err = do(*words, token)
    assert (code, out) == (2, "")
    assert "would stay in the shell's history" in " ".join(err.split())
    assert "cave-magic save" in err
    assert token not in err
    assert not (home / ".cloudvolume").exists()
    assert not cave.requests


def test_the_ending_of_a_token_may_be_typed(do, cave, set_up):
    """The line that the list of tokens prints works: it names a token by its last characters, and revokes that one."""
    other = cave.new_token("ada")
    code, out, _ = do("whoami", "--tokens", "--server", cave.server)
    printed = f"setup remove --server {cave.server} --token {other[-4:]} --yes"
    assert (code, f"cave-magic {printed}" in " ".join(out.split())) == (0, True)
    code, out, err = do(*printed.split())
    assert (code, err) == (0, "")
    assert other not in (left := [row["token"] for row in cave.tokens("ada")])
    assert set_up in left


@pytest.mark.parametrize("words", [[], ["--token"], ["checc"], ["completion"], ["help"], ["--version"]])
def test_a_token_without_a_command_is_refused(in_a_shell, home, capsys, words):
    """Where no command stands before it, a token is refused with the same words as after one."""
    token = "0123456789abcdef" * 2
    assert main([*words, token]) == 2
    out, err = capsys.readouterr()
    assert (out, token in err) == ("", False)
    assert "would stay in the shell's history" in " ".join(err.split())
    assert "cave-magic save" in err


def test_any_word_in_place_of_a_token_is_refused(do, home):
    """A word of an unknown format may be a token, too."""
    code, out, err = do("save", "hello")
    assert (code, out, "hello" in err) == (2, "", False)


def test_json_is_alone_on_stdout(do, cave, set_up, monkeypatch):
    """With --json, stdout is JSON, also if something is wrong and with --fix; everything else goes to stderr."""
    assert json.loads(do("check", "--json")[1])["ok"] is True
    assert json.loads(do("whoami", "--json")[1])["account"]["email"] == "ada@example.org"
    cave.delete_token(set_up)
    code, out, err = do("check", "--json", "--fix", "--yes")
    assert (code, json.loads(out)["ok"]) == (1, False)
    assert "nothing that --fix can fix" in err
    code, out, _ = do("whoami", "--json")
    assert (code, json.loads(out)["ok"]) == (1, False)
    assert "cave-magic" in json.loads(out)["problem"]


def test_help_is_for_a_shell(in_a_shell, capsys):
    """Help names no magic, no variable and no object."""
    for words in ([], ["--help"], *([one, "-h"] for one in ("setup", "save", "whoami", "check"))):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert "cave-magic" in out
        assert not [one for one in ("%cave", "$variable", "-o,", "report =") if one in out]
        assert max(map(len, out.splitlines())) <= 80
    assert main(["--version"]) == 0
    assert "cave-magic 0" in capsys.readouterr().out


def test_signing_in_by_the_browser_works_from_a_shell(do, cave, desk: Desk, monkeypatch, home):
    """`cave-magic setup new` opens the browser, and ends with a saved token and no temporary one left."""
    desk.goes = Visitor("ada@example.org").open
    code, out, err = do("setup", "new")
    assert (code, err) == (0, "")
    assert "You are set up." in out
    assert len(stored(home)) == 1
    assert temporary_tokens_left(cave) == []
    assert nothing_secret(cave, out, err)


def test_ctrl_c_at_a_prompt_exits_with_130(do, monkeypatch):
    """As after Ctrl-C anywhere else; an empty answer exits with 1."""
    monkeypatch.setattr(ShellFrontend, "can_ask", True)

    def answer(question: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("getpass.getpass", answer)
    assert do("save")[0] == 130
    monkeypatch.setattr("getpass.getpass", lambda question: "")
    assert do("save")[0] == 1


def test_a_removal_that_does_not_ask_prints_no_line_for_the_removed_token(do, set_up):
    """`remove --revoke` could find no token afterwards; the page of tokens revokes it."""
    code, out, _ = do("setup", "remove", "--yes")
    assert (code, "--revoke" in out) == (0, False)
    assert "settings/tokens" in out


def test_saving_anyway_replaces_if_that_was_asked_for(do, cave, set_up, monkeypatch):
    """The line that saves a token without the server's word keeps `--overwrite`, without which it would fail."""
    cave.misbehave("auth", "down")
    monkeypatch.setenv("OTHER", "f" * 32)
    _, _, err = do("save", "--from-env", "OTHER", "--overwrite")
    line = next(one for one in err.splitlines() if "--no-check" in one)
    assert main(shlex.split(line)[1:]) == 0


def test_an_explanation_is_for_a_shell(in_a_shell, capsys):
    """Its lines are typed in a shell, which has no magics, and there is no kernel to restart."""
    for check in CHECKS:
        assert main(["check", "--explain", check.id]) == 0
        out = capsys.readouterr().out
        assert not [one for one in ("%cave", "%pip", "%env", "!chmod", "!mv", "then restart") if one in out], check.id


# ---------------------------------------------------------------- processes


@posix_only
def test_a_reader_that_leaves_is_not_an_error(cave, set_up):
    """`cave-magic whoami | head -1` prints nothing on stderr, and still does its work."""
    child = program("whoami", "--server", cave.server)
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert (child.wait(60), child.stderr.read()) == (0, "")
    child.stderr.close()
    assert child.stdin is not None
    child.stdin.close()


@posix_only
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="it is a device of Linux")
@pytest.mark.parametrize("words", ["--help", "whoami --json", "completion bash", "check --explain token"])
def test_a_full_disk_is_one_error(cave, set_up, words):
    """Output that cannot be written is reported once, without advice to install this package again, and exits with 1."""
    child = subprocess.run(["bash", "-c", f"{BIN}/cave-magic {words} > /dev/full"], capture_output=True, text=True, timeout=100)  # fmt: skip
    assert (child.returncode, "Exception" in child.stderr, "install" in child.stderr) == (1, False, False)
    assert "No space left" in child.stderr or "disk is full" in child.stderr


@posix_only
@pytest.mark.parametrize("words", ["checc", "whoami --json --server nowhere"])
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_an_error_that_nobody_can_read_is_not_put_on_stdout(home, words, stderr):
    """Only what the program is asked for goes to stdout, also if the shell has closed stderr; the exit code stays."""
    if "full" in stderr and not os.path.exists("/dev/full"):
        pytest.skip("it is a device of Linux")
    child = subprocess.run(["bash", "-c", f"{BIN}/cave-magic {words} {stderr}"], capture_output=True, text=True, timeout=100)  # fmt: skip
    assert (child.returncode, child.stdout) == (2, "")


@posix_only
@pytest.mark.usefixtures("terminals_can_close")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (1, -1)])
def test_a_signal_ends_it_in_one_line(cave, set_up, number, code):
    """Ctrl-C prints one line and exits with 130; SIGTERM and SIGHUP end the program as others. No traceback."""
    cave.misbehave("auth", "silent")
    cave.clear_requests()
    child = program("whoami", "--server", cave.server)
    until(lambda: cave.requests)
    child.send_signal(number)
    out, err = child.communicate(timeout=100)
    assert (child.returncode, out) == (code, "")
    assert err.splitlines() == (["Stopped. Nothing was changed."] if number == signal.SIGINT else [])


@pytest.mark.timeout(600)
def test_a_rejected_save_leaves_no_trace(do, home, monkeypatch):
    """A token that the server rejects leaves neither a folder nor a lock behind."""
    monkeypatch.setenv("CAVE_TOKEN", "0f3b8c6e1d2a4b5c0f3b8c6e1d2a4b5c")
    before = sorted(home.rglob("*"))
    code, _, err = do("save", "--from-env", "CAVE_TOKEN")
    assert code == 1, err
    assert sorted(home.rglob("*")) == before


def test_many_jobs_that_start_at_once_save_the_same_token(cave, home, secrets, pytestconfig):
    """On a shared home each of them exits with 0, no file is torn, and another server's token is as it was.

    With `--everything` they are 200.
    """
    other = secrets / "global.daf-apis.com-cave-secret.json"
    other.write_text(json.dumps({"token": "f" * 32}))
    (secrets / "cave_datastack_to_server_map.json").write_text(json.dumps({"v1dd_public": "https://v1dd.example.org"}))
    jobs = 200 if pytestconfig.getoption("everything") else 4
    secrets_before = other.read_bytes()
    token = cave.new_token("ada")

    def job(_: int) -> tuple[int, str]:
        child = program("save", "--from-env", "CAVE_TOKEN", "--server", cave.server, CAVE_TOKEN=token)
        _, err = child.communicate(timeout=500)
        return child.returncode, err

    with ThreadPoolExecutor(jobs) as pool:
        done = list(pool.map(job, range(jobs)))
    assert done == [(0, "")] * jobs
    assert len(cave.requests) < 2 * 8  # the first job asks the server, and not all of them
    assert other.read_bytes() == secrets_before
    assert set(stored(home)) == {token, "f" * 32}
    remembered = json.loads((secrets / "cave_datastack_to_server_map.json").read_text())
    assert remembered["v1dd_public"] == "https://v1dd.example.org"
    assert remembered["minnie65_public"] == cave.server
    assert not list(secrets.glob(".cave_magic-*"))


def test_a_prompt_that_nobody_can_answer_leads_to_the_pipe(do, cave):
    """`echo TOKEN | cave-magic save` has no terminal, and is told how to pipe a token in."""
    code, out, err = do("save")
    way = f"cave-magic save --from-env CAVE_TOKEN --server {cave.server}, or pipe it in with --from-file -"
    assert (code, out, way in " ".join(err.split())) == (1, "", True)


@posix_only
def test_a_token_can_be_piped_in(cave, home):
    """From another program, a file or a here-document; a line to try again names no pipe, which is gone then."""
    for start, path in (("cat secret |", "-"), ("", "- < secret"), ("", "<(cat secret)")):
        (home / "secret").write_text(cave.new_token("ada"))
        line = f"cd {home}; {start} {BIN}/cave-magic save --from-file {path} --server {cave.server}"
        child = subprocess.run(["bash", "-c", f"{line} --overwrite"], capture_output=True, text=True, timeout=100)
        assert (child.returncode, child.stderr) == (0, "")
        assert set(stored(home)) == {(home / "secret").read_text()}
    (home / "secret").write_text(cave.new_token("ada"))
    child = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=100)
    assert " ".join(child.stderr.split()).endswith(f"cave-magic save --overwrite --server {cave.server}")


@pytest.mark.parametrize("module", ["typing", "enum", "dataclasses", "token", "signal"])
def test_a_file_that_shadows_what_this_program_needs_is_named(tmp_path, module):
    """Old backports and scripts with the names of modules keep nearly everything from being imported."""
    (tmp_path / f"{module}.py").write_text("raise ImportError('for Python 2')\n")
    child = program("check", PYTHONPATH=str(tmp_path))
    out, err = child.communicate(timeout=100)
    file = tmp_path / f"{module}.py"
    assert (child.returncode, out, err) == (1, "", f"{file} shadows Python's `{module}` module. Rename it.\n")


def test_the_library_of_another_python_is_named(tmp_path):
    """A module system names it in PYTHONPATH; nobody is told to rename its files."""
    (tmp_path / "__future__.py").write_text("annotations = None\n")
    for name in ("typing", "webbrowser"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('for another Python')\n")
    _, err = program("check", PYTHONPATH=str(tmp_path)).communicate(timeout=60)
    assert err == f"{tmp_path} is the standard library of another Python. Remove it from PYTHONPATH.\n"


def test_a_variable_that_leads_to_another_library_is_named(monkeypatch):
    """QGIS and other programs set PYTHONHOME for a Python of their own."""
    monkeypatch.setenv("PYTHONHOME", "/usr")
    message = str(cannot_be_imported(ImportError("undefined symbol", name="_hashlib")))
    library = Path(os.__file__).parent
    assert message == f"PYTHONHOME makes Python use the standard library in {library}. Unset it and restart the kernel."
    assert "PYTHONHOME" not in str(cannot_be_imported(ImportError("No module named 'rich'", name="rich")))


def test_ctrl_c_while_it_is_still_being_imported_is_one_line(tmp_path):
    """From its first import on."""
    (tmp_path / "typing.py").write_text("raise KeyboardInterrupt\n")
    child = program("check", PYTHONPATH=str(tmp_path))
    assert (*child.communicate(timeout=100), child.returncode) == ("", "Stopped.\n", 130)


SLOW = {"IPython", "traitlets", "caveclient", "pandas", "numpy", "rich.console", "filelock", "http.server"}
"""What takes longer to import than saving a token does."""


def test_saving_from_a_script_imports_little(cave, set_up, home):
    """`cave-magic save --from-env` imports neither IPython nor caveclient, and rich only for a terminal."""
    code = (
        "import sys; from cave_magic.__main__ import main; code = main(sys.argv[1:]); "
        f"print(code, sorted({SLOW!r} & set(sys.modules)))"
    )
    words = ["save", "--from-env", "CAVE_TOKEN", "--server", cave.server]
    env = {**os.environ, "CAVE_TOKEN": set_up}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=env, capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout.splitlines()[-1] == "0 []"


@posix_only
def test_the_scripts_of_completion_complete(in_a_shell, capsys):
    """bash completes commands, options and addresses, whose colon is a boundary for it."""
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    typed = {
        "cave-magic ch": "check",
        "cave-magic check --exp": "--explain",
        "cave-magic check --server https://global.br": "//global.brain-wire-test.org",
    }
    for line, wanted in typed.items():
        words = line.replace(":", " : ").split(" ")
        filled = " ".join(f"'{one}'" for one in words)
        code = f"{script}\nCOMP_WORDS=({filled}); COMP_CWORD={len(words) - 1}; COMP_LINE='{line}'; COMP_POINT={len(line)}; _cave_magic; echo \"${{COMPREPLY[@]}}\""
        env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-c", code], env=env, capture_output=True, text=True, timeout=100, check=True)
        assert done.stdout.split() == [wanted]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_scripts_of_completion_can_be_read(in_a_shell, capsys, shell):
    """zsh and fish can read their scripts, where they are installed."""
    if (path := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    main(["completion", shell])
    done = subprocess.run(
        [path, "--no-execute" if shell == "fish" else "-n"],
        input=capsys.readouterr().out,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
