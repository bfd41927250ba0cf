"""A front end that the package does not know: a class with the methods of the protocol runs every command."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from cave_magic.commands import NAMES
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Visitor
from cave_magic.ui import frontend
from cave_magic.ui.document import Line, Page, plain_text
from cave_magic.ui.frontend import Frontend
from cave_magic.ui.terminal import as_text

from ..support.desk import Desk, stored


class Radio:
    """Speaks everything, and hears the answers that were prepared. It shares no code with the other front ends."""

    name, interrupt, can_ask, is_watched = "radio", "say stop", True, False

    def __init__(self) -> None:
        self.spoken, self.answers = list[str](), list[str]()
        self.say = self.say_data = self.say_to_copy = self.spoken.append

    def show(self, page: Page, passing: bool = False) -> None:
        self.say(as_text(page))

    def draft(self, page: Page, words: str) -> None:
        self.say(words)

    def render(self, words: Line) -> list[str]:
        return [plain_text(words)]

    def ask(self, question: str) -> str:
        self.say(question)
        return self.answers.pop(0)

    ask_secret = ask

    def fetch(self, port: int, path: str) -> bool:
        return False

    def waiting(self) -> Any:
        return nullcontext(lambda hosts, seconds: None)

    @contextmanager
    def standing(self, page: Page, after: Page) -> Iterator[Callable[[str, str], None]]:
        self.show(page)
        yield lambda topic, left: None

    def finish(self) -> None:
        self.say("over")


@pytest.fixture
def radio(here: Any, monkeypatch: pytest.MonkeyPatch) -> Radio:
    """The front end of this shell."""
    radio = Radio()
    monkeypatch.setattr(frontend, "frontend_for", lambda shell: radio)
    return radio


def test_a_front_end_is_a_short_class():
    """It takes no more than the protocol asks for, in fewer than 40 lines."""
    members = [name for name in vars(Frontend) if not name.startswith("_")]
    assert [name for name in members if not hasattr(Radio(), name)] == []
    assert len(inspect.getsource(Radio).splitlines()) < 40


def test_it_runs_every_command(radio: Radio, here: Any, desk: Desk, cave: Sandbox, home: Any):
    """All kinds of all commands speak through it, ask through it, and print nothing themselves."""
    token, ran = cave.new_token("ada"), set[str]()

    def types(line: str, *answers: str) -> str:
        radio.spoken.clear()
        radio.answers[:] = answers
        done = here(line)
        ran.add(line.split()[0].lstrip("%"))
        assert (done.out if not done.error else "", radio.answers) == ("", []), line
        assert radio.spoken.pop() == "over"
        return " ".join((" ".join(radio.spoken) + done.message).split())

    assert "No token is stored" in types("%cave_setup")
    assert f"ends in {token[-4:]}" in types("%cave_save", token)
    assert "ada@example.org" in types("%cave_whoami")
    for option in ("--tokens", "--all", "--help"):
        assert types(f"%cave_whoami {option}")
    assert "All well" in types("%cave_check")
    for option in ("-v", "--all", "--all-servers", "--report", "--explain terms", "--version"):
        assert types(f"%cave_check {option}")
    assert json.loads(types("%cave_check --json"))["ok"]
    own = home / ".cloudvolume" / "secrets" / "cave-secret.json"
    own.chmod(0o644)
    assert "owner-only" in types("%cave_check --fix", "y")
    assert own.stat().st_mode & 0o777 == 0o600
    assert "there is no variable" in types("%cave_save $nothing")
    other = cave.new_token("ada")
    types("%cave_setup existing --paste", "y", other)
    assert stored(home) == [other]
    types("%cave_setup replace", "y")
    assert stored(home) not in ([token], [other], [])
    types("%cave_setup remove", "y")
    assert stored(home) == []
    desk.goes = Visitor("ada@example.org").open
    assert "You are set up" in types("%cave_setup new")
    assert ran == set(NAMES)
