"""The commands in a program without IPython need only a front end."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from cave_magic.commands import find_command
from cave_magic.commands.context import Context
from cave_magic.commands.line import run as run_line
from cave_magic.credentials.target import Settings
from cave_magic.errors import CaveMagicError, NobodyToAsk
from cave_magic.sandbox import Sandbox
from cave_magic.ui.document import plain_text
from cave_magic.ui.frontend import Frontend, PlainFrontend
from cave_magic.ui.terminal import as_text

from ..support.packages import Tiny

ROOT = Path(__file__).resolve().parents[2]


class Chat:
    """The front end of a program: pages go to a list, answers come from another list."""

    can_ask, is_watched, name, interrupt = True, False, "chat", "say stop"
    fetch, draft = staticmethod(lambda port, path: False), staticmethod(lambda page, words: None)

    def __init__(self, *answers: str) -> None:
        self.answers, self.questions, self.shown = list(answers), list[str](), list[str]()

    def show(self, page: Any, passing: bool = False) -> None:
        self.shown.append(as_text(page))

    def render(self, words: Any) -> list[str]:
        return [plain_text(words)]

    def say(self, text: str) -> None:
        self.shown.append(text)

    say_to_copy = say_data = say

    def ask(self, question: str) -> str:
        self.questions.append(question)
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)

    ask_secret = ask

    def waiting(self) -> Any:
        return nullcontext(lambda hosts, seconds: None)

    def standing(self, page: Any, after: Any) -> Any:
        self.show(page)
        return nullcontext(lambda topic, left: None)

    def finish(self) -> None:
        self.shown.append("end")


def execute(frontend: Frontend, cave: Sandbox, name: str, line: str = "") -> tuple[Any, CaveMagicError | None]:
    """Runs a command on a practice server."""
    context = Context(frontend=frontend, settings=Settings(server=cave.server))
    return run_line(find_command(name), context, line)


def test_a_new_front_end_is_short():
    """A front end takes fewer than 40 lines."""
    assert len(inspect.getsource(Chat).splitlines()) < 40


def test_another_front_end_runs_all_four_commands(cave):
    """All commands run, from no token to a report that says that all is well."""
    first, second = cave.new_token("ada"), cave.new_token("ada")
    setup = Chat(first)
    assert execute(setup, cave, "cave_setup", "existing --paste") == (None, None)
    assert "You are set up." in setup.shown[-2]
    assert (setup.questions, setup.shown[-1]) == (["Token"], "end")

    replace = Chat(second)
    assert execute(replace, cave, "cave_save", "--overwrite") == (None, None)
    assert second[-4:] in replace.shown[1]

    whoami = Chat()
    assert execute(whoami, cave, "cave_whoami") == (None, None)
    assert "ada@example.org" in whoami.shown[0]

    check = Chat()
    report, failure = execute(check, cave, "cave_check", "-o")
    assert (report.ok, failure) == (True, None)
    assert "All well" in check.shown[0]
    assert not [
        token for token in (first, second) for front in (setup, replace, whoami, check) if token in str(front.shown)
    ]


def test_another_front_end_can_choose_and_decline(cave, tmp_path):
    """Choices and yes/no questions work, and a missing answer cancels."""
    tokens = [cave.new_token("ada"), cave.new_token("bob")]
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps([{"token": token, "description": "laptop"} for token in tokens]))
    chat = Chat("0", "7", "2")
    assert execute(chat, cave, "cave_save", f"--from-file {file}") == (None, None)
    assert chat.questions == ["Which one? 1 to 2, Enter to cancel: "] * 3
    assert "Bob" in chat.shown[-2]

    for answers in (["n"], []):
        chat = Chat(*answers)
        _, failure = execute(chat, cave, "cave_setup", "existing")
        assert (type(failure).__name__, str(failure)) == ("Cancelled", "Cancelled. Nothing was changed.")
        assert chat.questions[0].endswith("Replace that token? [y/N] ")


@pytest.mark.parametrize("line", ["cave_setup new", "cave_setup existing", "cave_save"])
def test_plain_text_asks_no_question(cave, capsys, line):
    """If no one can answer, a command ends with the command that works there."""
    name, _, rest = line.partition(" ")
    _, failure = execute(PlainFrontend(), cave, name, rest)
    assert isinstance(failure, NobodyToAsk)
    assert "%cave_save --from-env CAVE_TOKEN" in str(failure)
    assert "\x1b" not in capsys.readouterr().out


PROGRAM = """
import json, sys
sys.modules["IPython"] = sys.modules["traitlets"] = None
from cave_magic.commands import find_command
from cave_magic.commands.context import Context
from cave_magic.commands.line import run
from cave_magic.credentials.target import Settings
from cave_magic.ui.frontend import frontend_for
def do(name, line):
    context = Context(frontend=frontend_for(None), settings=Settings(server=sys.argv[1]))
    return str(run(find_command(name), context, line)[1])
failures = [do("cave_save", "--from-env ADA"), do("cave_setup", ""), do("cave_whoami", ""), do("cave_check", "")]
print("\\n" + json.dumps(failures))
"""


def test_the_commands_run_where_ipython_is_not_installed(cave, home):
    """In a pipe, without IPython, the four commands work and print plain text. caveclient alone needs IPython."""
    files = {"caveclient/__init__.py": "import IPython", "caveclient/auth.py": ""}
    Tiny(name="caveclient", version="8.2.1", files=files).install(home / "packages")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, cave.server],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(home / "packages"), "ADA": cave.new_token("ada"), "FORCE_COLOR": "1"},
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    *printed, failures = done.stdout.splitlines()
    text = "\n".join(printed)
    assert json.loads(failures) == ["None"] * 4
    assert all(
        said in text for said in ("Token saved.", "The stored token works", "(id 10)", "environment   caveclient")
    )
    assert "\x1b" not in text
