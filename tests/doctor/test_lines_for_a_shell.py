"""Each line that is printed in a shell is typed in bash, to the letter, and does what it says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cave_magic.__main__ import main
from cave_magic.credentials.file_problems import FileFault, FileProblem
from cave_magic.credentials.obstacles import Obstacle, WayOut
from cave_magic.credentials.target import find_target
from cave_magic.doctor import next_steps, variables
from cave_magic.doctor.checks.import_faults import repaired
from cave_magic.doctor.healthy import TARGET
from cave_magic.doctor.model import Command
from cave_magic.environment.import_fault import Action, Repair
from cave_magic.environment.installer import Installer
from cave_magic.environment.platforms import COLAB
from cave_magic.environment.resources import Shortage
from cave_magic.ui.document import plain_text

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="the lines are for POSIX shells"),
    pytest.mark.usefixtures("in_a_shell"),
]

BIN = Path(sys.executable).parent
ODD_NAMES = (
    "plain",
    "two words",
    "two  spaces",
    "it's",
    "$HOME",
    "{x}",
    "tab\there",
    "new\nline",
    "Größe",
    "-r",
    '"',
    "~",
)


def typed(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Types a line in bash, with nobody at the keyboard."""
    whole = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **env}
    return subprocess.run(["bash", "-c", line], env=whole, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)  # fmt: skip


@pytest.mark.parametrize(
    ("command", "name", "before", "after"),
    [
        (variables.without_variable, "SSL_CERT_FILE", "/gone", ""),
        (lambda name: variables.with_variable(name, "/my home/it's"), "HOME_OF_TEST", "", "/my home/it's"),
        (lambda name: variables.copy_variable("HTTP_PROXY", name), "http_proxy", "", "http://u:p$x@proxy:1"),
        (lambda name: variables.with_more_hosts(name, "b.org"), "NO_PROXY", "a.org", "a.org,b.org"),
        (lambda name: variables.with_fewer_hosts(name, ["b.org"]), "NO_PROXY", "a.org, b.org", "a.org"),
        (lambda name: variables.without_folder(name, "/a b"), "OLD_PATH", "/a b/:/c", "/c"),
        (lambda name: variables.without_folder(name, "/a"), "OLD_PATH", "/a", ""),
        (lambda name: variables.with_scheme(name, "http"), "HTTPS_PROXY", "https//u:p$x@proxy:1", "http://https//u:p$x@proxy:1"),
        (lambda name: variables.with_scheme(name, "http"), "HTTPS_PROXY", "https://u:p'$x@proxy:1", "http://u:p'$x@proxy:1"),
    ],
    ids=["unset", "set", "copy", "more", "fewer", "folder", "only folder", "odd scheme", "scheme"],
)  # fmt: skip
def test_a_variable_has_its_value_in_the_shell_afterwards(in_a_shell, command, name, before, after):
    """What follows in the same shell, and the programs that it starts, see the new value."""
    line = command(name).text
    done = typed(
        f'{line}\n{BIN}/python -c \'import os; print(os.environ.get("{name}", ""))\'',
        HTTP_PROXY="http://u:p$x@proxy:1",
        **{name: before},
    )
    assert (done.stdout.rstrip("\n"), done.stderr) == (after, "")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_file_can_be_moved_away_and_made_private(home, name):
    """Names with spaces, quotes, signs of the shell and control characters are typed as they are."""
    path = home / name
    path.write_text("x")
    path.chmod(0o644)
    for line in (next_steps.make_private(path).text, next_steps.move_away(path).text):
        assert (typed(line).stderr, "\n" in line) == ("", False)
    assert not os.path.lexists(path)
    assert (home / f"{name}.old").stat().st_mode & 0o777 == 0o600


def test_a_token_is_saved_from_a_file_of_any_name(home, cave):
    """The line that saves the token of a misplaced file names that file."""
    path = home / "it's  on a new\nline"
    path.write_text(json.dumps({"token": cave.new_token("ada")}))
    done = typed(next_steps.save_from(find_target("minnie65_public", cave.server), path).text)
    assert (done.returncode, done.stderr) == (0, "")


def test_python_lines_open_a_python(home, tmp_path):
    """The line to go on with starts Python with a client."""
    (tmp_path / "caveclient.py").write_text("def CAVEclient(*given, **named): print(given, named)\n")
    target = find_target("v1dd_public", "https://cave.example.org")
    done = typed(next_steps.go_on(target).text, PYTHONPATH=str(tmp_path))
    assert done.stdout.strip() == "('v1dd_public',) {'server_address': 'https://cave.example.org'}"
    done = typed(next_steps.with_family("IPv4").text)
    assert (done.returncode, "Error" in done.stderr) == (0, False)


def test_no_line_in_a_shell_is_for_ipython(in_a_shell):
    """No line begins with a sign of IPython, and bash can read each of them."""
    made = [
        next_steps.install(Installer(tool=tool), "caveclient>=8,!=8.1", again=True)
        for tool in ("pip", "uv", "conda", "")
    ]
    commands = [span.text for line in made for span in line if isinstance(span, Command)]
    commands += [next_steps.uninstall(Installer(), "requests")[0].text, next_steps.leave_out("/a b").text]
    commands += [one.text for one in next_steps.recall(COLAB, TARGET)]
    commands += [next_steps.without_saving(TARGET).text, variables.with_proxy_password("HTTPS_PROXY").text]
    for text in commands:
        assert not re.match(r"[%!]|import |from ", text)
        assert subprocess.run(["bash", "-n", "-c", text], capture_output=True, timeout=100, check=False).returncode == 0


KERNELS = re.compile(r"kernel|the notebook|\bcell|Jupyter|(?:^| )[%!]\w")


def test_a_folder_of_pythonpath_is_left_out_by_the_programs_that_follow(in_a_shell):
    """A line that opens a Python without it would not help the next check."""
    named, other = (Repair(action=Action.LEAVE_OUT, folder="/a", specs=one) for one in (("PYTHONPATH",), ()))
    assert repaired(named)[1] == variables.without_folder("PYTHONPATH", "/a")
    assert repaired(other)[1] == next_steps.leave_out("/a")


def test_text_in_a_shell_mentions_no_kernel():
    """Repairs, shortages and obstacles speak of programs and sessions."""
    repairs = [
        Repair(action=action, specs=("caveclient",), folder="/x") for action in Action if action is not Action.RESTART
    ]
    said = [plain_text(repaired(one)) for one in repairs]
    said += [text for one in Shortage for text in (one.words, one.advice)]
    said += [
        next_steps.past(
            Obstacle(path=Path("/x"), problem=FileProblem(fault=FileFault.IS_A_FOLDER), way=way),
            next_steps.check(TARGET),
        ).text
        for way in WayOut
    ]
    assert [one for one in said if KERNELS.search(one)] == []


STATES = ("no token", "rejected", "bare token", "auth down", "info down", "terms", "permission", "readable", "all well")


@pytest.mark.parametrize("state", STATES)
def test_what_the_check_prints_can_be_typed(cave, home, secrets, capsys, pytestconfig, state):
    """Every command of a report, and the one to go on with, is a line that the shell runs on the same server."""
    if state not in STATES[:3] and not pytestconfig.getoption("everything"):
        pytest.skip("one of the combinations of --everything")
    token = cave.new_token("ada")
    file = secrets / f"{cave.server.removeprefix('http://')}-cave-secret.json"
    if state != "no token":
        file.write_text(token if state == "bare token" else json.dumps({"token": token}))
        file.chmod(0o644 if state == "readable" else 0o600)
    changes = {
        "terms": lambda: cave.withdraw_terms("ada", "minnie65_public"),
        "permission": lambda: cave.revoke("ada", "minnie65_public"),
        "rejected": lambda: cave.delete_token(token),
        "auth down": lambda: cave.misbehave("auth", "down"),
        "info down": lambda: cave.misbehave("info", "down"),
    }
    changes.get(state, lambda: None)()
    code = main(["check", "--json", "--server", cave.server])
    report = json.loads(capsys.readouterr().out)
    assert code == (0 if report["ok"] else 1)
    commands = [one for row in report["rows"] for one in (row["remedy"] or {"commands": []})["commands"]]
    assert "%" not in json.dumps(report["rows"])
    fresh = cave.new_token("ada")
    for command in dict.fromkeys(commands):
        cave.clear_requests()
        done = typed(command, CAVE_TOKEN=fresh)
        assert done.returncode in (0, 1), command
        assert "Traceback" not in done.stderr
        assert cave.requests or not command.startswith("cave-magic"), f"{command} asked another server"
