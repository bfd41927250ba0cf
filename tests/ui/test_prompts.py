"""The questions on front ends that answer, interrupt or cannot ask, and the choice of the front end."""

from __future__ import annotations

import getpass
import io
import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from cave_magic.errors import Cancelled, NobodyToAsk
from cave_magic.ui.document import Page, line
from cave_magic.ui.frontend import PlainFrontend, TerminalFrontend, frontend_for
from cave_magic.ui.notebook import NotebookFrontend
from cave_magic.ui.prompts import ask_secret, choose, confirm
from cave_magic.ui.terminal import is_terminal

PAGE = Page((line("the list"),))


class Scripted(PlainFrontend):
    """Returns the scripted answers; raises those that are exceptions."""

    can_ask = True

    def __init__(self, *answers: Any) -> None:
        self.answers, self.questions = list(answers), list[str]()

    def ask(self, question: str) -> Any:
        self.questions.append(question)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    ask_secret = ask


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("answer", "agrees"), [("y", True), (" YES ", True), ("", False), ("n", False), ("yeah", False), ("1", False)]
)
def test_only_yes_is_yes(answer, agrees):
    """Everything but y and yes means no."""
    front = Scripted(answer)
    assert confirm(front, "Go on?") is agrees
    assert front.questions == ["Go on? [y/N] "]


@pytest.mark.parametrize(
    ("answers", "or_new", "index"),
    [
        (["2"], False, 1),
        ([" 1 "], True, 0),
        ([""], True, 0),
        (["n"], True, None),
        (["NEW"], True, None),
        (["0", "x", "3"], False, 2),
        (["-1", "٢"], True, 1),
    ],
)
def test_one_of_a_list_is_chosen(answers, or_new, index, capsys):
    """A number chooses, also after two invalid answers; if a new item is offered, Enter takes the first one."""
    front = Scripted(*answers)
    assert choose(front, PAGE, 3, or_new=or_new) == index
    assert front.answers == []
    shown, *explained = capsys.readouterr().out.splitlines()
    assert shown == "the list"
    assert len(explained) == len(answers) - 1
    assert all(
        one.startswith("That is not in the list. Type a number from the first column (1 to 3)") for one in explained
    )


@pytest.mark.parametrize("answers", [["4", "x", "n"], [""], [KeyboardInterrupt()], [EOFError()]])
def test_no_choice_cancels(answers):
    """Three invalid answers, Enter without a default, and an interrupt cancel."""
    front = Scripted(*answers)
    with pytest.raises(Cancelled):
        choose(front, PAGE, 3)
    assert front.answers == []


@pytest.mark.parametrize("token", ["ab" * 16, "12" * 16])
def test_a_token_in_place_of_an_answer_is_pointed_out(capsys, token):
    """A token that was pasted one prompt too early stays on the screen, and in the output of a notebook."""
    assert not confirm(Scripted(token), "Replace it?")
    assert choose(Scripted(token, "9" * 5000, "1"), PAGE, 2) == 0
    said = capsys.readouterr().out
    assert said.count("looks like a token, and can be read above") == 3
    assert token not in said


def test_a_secret_is_asked_for_once():
    """Spaces around it are removed; an empty answer cancels."""
    assert ask_secret(Scripted(" abc\n"), "Token") == "abc"
    with pytest.raises(Cancelled):
        ask_secret(Scripted("  "), "Token")


@pytest.mark.parametrize("front", [PlainFrontend(), Scripted(NobodyToAsk())])
def test_without_a_person_the_error_says_what_to_do(front):
    """The error says what to do instead, also if the front end notices only when it asks."""
    with pytest.raises(NobodyToAsk, match=r"^no one can answer a question here: say --yes$"):
        confirm(front, "Go on?", "say --yes")


def test_plain_text_is_never_updated(capsys):
    """A wait shows nothing, and pages with a status line between them are printed once."""
    front = PlainFrontend()
    with front.waiting() as on_wait, front.standing(PAGE, PAGE) as set_status:
        on_wait(["a.org"], 3.0)
        set_status("signing in", "3 min left")
    assert capsys.readouterr() == ("the list\nthe list\n", "")


def test_plain_text_is_printed_in_any_encoding(monkeypatch):
    """Characters that the stream cannot encode are replaced."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    PlainFrontend().say("✔ done …")
    PlainFrontend().show(Page((line("é"),)))
    print(*PlainFrontend().render(line("✘ failed")))  # as IPython prints an error
    sys.stdout.flush()
    assert raw.getvalue().split() == [b"+", b"done", b"...", b"?", b"x", b"failed"]


def test_the_null_device_of_windows_is_not_a_terminal(windows, monkeypatch):
    """It says that it is one, and nobody presses the keys that a hidden prompt would wait for."""

    class Null(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    with Null(open(os.devnull, "rb")) as nothing:
        assert not is_terminal(nothing)


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_one_terminal_among_the_streams_is_enough(monkeypatch, name):
    """If any stream is a terminal, the terminal front end is used; it can ask only if the input is one."""
    assert isinstance(frontend_for(None), PlainFrontend)
    monkeypatch.setattr(sys, name, Terminal())
    front = frontend_for(SimpleNamespace())
    assert isinstance(front, TerminalFrontend)
    assert front.can_ask is (name == "stdin")


@pytest.mark.parametrize("answers", [False, True])
def test_a_kernel_gets_the_notebook_front_end(answers):
    """The execute request says whether someone can answer."""
    front = frontend_for(SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=answers)))
    assert isinstance(front, NotebookFrontend)
    assert front.can_ask is answers


def test_a_kernel_that_cannot_ask_raises_no_traceback(monkeypatch):
    """ipykernel's StdinNotImplementedError becomes the error that every front end raises."""
    from IPython.core.error import StdinNotImplementedError

    def ask(question: str = "") -> str:
        raise StdinNotImplementedError("raw_input was called, but this frontend does not support input requests.")

    monkeypatch.setattr("builtins.input", ask)
    with pytest.raises(NobodyToAsk, match="no one can answer"):
        confirm(NotebookFrontend(SimpleNamespace(_allow_stdin=True)), "Go on?")


# ---------------------------------------------------------------- what is said before a secret is typed


def test_a_terminal_that_shows_a_secret_says_so_before_the_question(monkeypatch):
    """Where getpass would only warn (no terminal device, some consoles), the question says that it is visible."""
    asked: list[str] = []
    monkeypatch.setattr(getpass, "getpass", getpass.fallback_getpass)
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "abc")
    assert TerminalFrontend().ask_secret("Token") == "abc"
    assert asked == ["Token (visible: this terminal cannot hide it): "]


@pytest.mark.parametrize(
    ("metadata", "name", "question", "interrupt"),
    [
        (
            {"cellId": "1", "deletedCells": []},
            "JupyterLab or Notebook",
            "Token (hidden): ",
            "press the stop button above (■)",
        ),
        ({"cellId": "vscode-notebook-cell:/a"}, "VS Code", "Token (hidden): ", "press the stop button (■)"),
        ({"cellId": "1"}, "notebook", "Token (hidden): ", "press the stop button (■)"),
        ({}, "console with a kernel", "Token (hidden, but visible in qtconsole and Spyder): ", "press Ctrl+C"),
    ],
)
def test_a_kernel_says_what_its_front_end_does(monkeypatch, metadata, name, question, interrupt):
    """Consoles, of which some show a secret, name no cell; JupyterLab has its stop button above the cells."""
    kernel = SimpleNamespace(_allow_stdin=True, get_parent=lambda: {"metadata": metadata, "content": {}})
    asked: list[str] = []
    monkeypatch.setattr(getpass, "getpass", lambda text: asked.append(text) or "abc")
    front = NotebookFrontend(kernel)
    assert front.ask_secret("Token") == "abc"
    assert (front.name, asked, front.interrupt) == (name, [question], interrupt)
