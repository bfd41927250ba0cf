"""The request that the page of a notebook is asked to send: which front ends show it, and that nobody sees it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from cave_magic.ui import notebook
from cave_magic.ui.document import Page, line
from cave_magic.ui.frontend import PlainFrontend, TerminalFrontend
from cave_magic.ui.notebook import EMPTY, NotebookFrontend


class Output:
    """An output of a cell: what it shows now, and what it has shown."""

    every: ClassVar[list[Output]] = []

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []
        self.every.append(self)

    def display(self, data: dict[str, str], raw: bool) -> None:
        """Shows data."""
        self.shown.append(data)

    update = display


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list[Output]:
    """The outputs that can be updated."""
    monkeypatch.setattr(Output, "every", [])
    monkeypatch.setattr(notebook, "DisplayHandle", Output)
    return Output.every


def front_end(metadata: dict[str, Any], can_ask: bool = True) -> NotebookFrontend:
    """A front end whose requests have this metadata."""
    kernel = SimpleNamespace(_allow_stdin=can_ask, get_parent=lambda: {"metadata": metadata, "content": {}})
    return NotebookFrontend(kernel)


@pytest.mark.parametrize(
    ("metadata", "session", "can_ask", "has_page"),
    [
        ({"cellId": "1", "deletedCells": []}, "", True, True),
        ({"cellId": "1"}, "", True, True),
        ({}, "a.ipynb", True, True),
        ({}, "", True, False),
        ({"cellId": "vscode-notebook-cell:/a"}, "", True, False),
        ({"cellId": "1"}, "a.ipynb", False, False),
    ],
)
def test_notebooks_have_a_page(outputs, monkeypatch, metadata, session, can_ask, has_page):
    """JupyterLab, other notebooks and the classic one; not consoles, VS Code and nbclient, where nobody waits for it."""
    monkeypatch.setenv("JPY_SESSION_NAME", session) if session else monkeypatch.delenv(
        "JPY_SESSION_NAME", raising=False
    )
    assert front_end(metadata, can_ask).fetch(4711, "/x") is has_page
    assert len(outputs) == has_page


@pytest.mark.parametrize("front", [PlainFrontend(), TerminalFrontend()])
def test_a_terminal_has_no_page(front):
    """There nobody waits either."""
    assert front.fetch(4711, "/x") is False


def test_the_request_is_invisible_and_removed(outputs, monkeypatch):
    """It is a script only, without text, for the port and the path; the next page empties it."""
    front = front_end({"cellId": "1"})
    front.fetch(4711, "/x")
    (shown,) = outputs[0].shown
    assert shown["text/plain"] == ""
    assert shown["text/html"].startswith("<script>")
    assert shown["text/html"].endswith("</script>")
    assert "'proxy/4711/x'" in shown["text/html"]
    monkeypatch.setattr(notebook, "display", lambda data, raw: None)
    front.show(Page((line("the next page"),)))
    assert outputs[0].shown[-1] == EMPTY


@pytest.mark.parametrize("ends", [NotebookFrontend.finish, lambda front: front.show(Page((line("done"),)))])
def test_a_passing_page_stays_while_questions_are_asked(outputs, monkeypatch, ends):
    """Steps that are of no use afterwards stay at first, and are removed by the next page or the end of the command."""
    monkeypatch.setattr("builtins.input", lambda question: "y")
    monkeypatch.setattr(notebook, "display", lambda data, raw: None)
    front = front_end({"cellId": "1"})
    for text in ("open this link", "that was no address"):
        front.show(Page((line(text),)), passing=True)
        front.ask("Go on?")
    assert [one.shown[-1]["text/plain"].strip() for one in outputs] == ["open this link", "that was no address"]
    ends(front)
    assert [one.shown[-1] for one in outputs] == [EMPTY, EMPTY]
