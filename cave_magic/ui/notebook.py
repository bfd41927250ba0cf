"""The front end of a kernel: notebooks, and consoles with a kernel."""

# mypy: disallow-untyped-calls=False
# (IPython does not type its display functions.)

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.display import DisplayHandle, clear_output, display

from ..errors import NobodyToAsk
from .document import Line, Page, Span, line, plain_text
from .html import copyable, fetching
from .terminal import bundle, styled, waiting_words

EMPTY = {"text/plain": "", "text/html": ""}
"""Invisible in a notebook. Not {}, because nbconvert warns about a bundle without a type."""


class NotebookProgress:
    """Outputs of a cell that are emptied after a wait: an optional page, and a status line below it.

    Consoles (jupyter console, qtconsole, Spyder's) ignore updates. There the page and the first text of each topic
    stay, so both must remain true. For the same reason nothing else is shown by an update.
    """

    def __init__(self) -> None:
        self._outputs: list[Any] = []
        self._status: Any = None
        self._topic = self._words = ""

    def __bool__(self) -> bool:
        return bool(self._outputs)

    def show(self, page: Page) -> None:
        """Shows a page."""
        self.add(bundle(page))

    def add(self, data: dict[str, str]) -> None:
        """Shows data of several types."""
        self._outputs.append(DisplayHandle())  # registered first, in case an interrupt comes
        self._outputs[-1].display(data, raw=True)

    def tell(self, topic: str, first: str, words: str, style: str = "dim") -> None:
        """Sets the status line; for consoles, a new topic gets a new line, with `first` as its first text."""
        if topic != self._topic:
            self.show(Page((line(Span(first, style)),)))
            if self._status is None:
                self._status = self._outputs[-1]
            else:
                self._outputs[-1].update(EMPTY, raw=True)
            self._topic = topic
        if words != self._words:
            self._status.update(bundle(Page((line(Span(words, style)),))), raw=True)
            self._words = words

    def end(self) -> None:
        """Empties all outputs, in front ends that support updates."""
        for output in self._outputs:
            output.update(EMPTY, raw=True)


class NotebookFrontend:
    """The cell of a notebook, or a console with a kernel (ipykernel). See `ui.frontend.Frontend`."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._progress, self._passing = NotebookProgress(), NotebookProgress()
        self._shown: list[Callable[[], object]] = []  # draw what the running command has shown

    @property
    def name(self) -> str:
        """As precise as a kernel can tell."""
        if not self.can_ask:
            return "kernel without a person"
        if self.is_lab:
            return "JupyterLab or Notebook"
        if self._is_vscode:
            return "VS Code"
        return "notebook" if self.is_notebook else "console with a kernel"

    @property
    def interrupt(self) -> str:
        """Notebooks have a button for it, JupyterLab and Notebook 7 above the cells."""
        if not self.is_notebook:
            return "press Ctrl+C"
        return "press the stop button above (■)" if self.is_lab else "press the stop button (■)"

    @property
    def is_notebook(self) -> bool:
        """Whether it is a notebook, which names the cell that it runs; consoles have none."""
        return self._request("metadata", "cellId") is not None

    @property
    def is_lab(self) -> bool:
        """Whether it is JupyterLab or Notebook 7: only their requests name the deleted cells."""
        return self._request("metadata", "deletedCells") is not None

    @property
    def _is_vscode(self) -> bool:
        return str(self._request("metadata", "cellId")).startswith("vscode")  # vscode-notebook-cell:...

    @property
    def can_ask(self) -> bool:
        """Whether the front end accepts input requests; nbclient and papermill do not."""
        return bool(getattr(self._kernel, "_allow_stdin", False))

    @property
    def is_watched(self) -> bool:
        """As `can_ask`: nbclient and papermill draw nothing."""
        return self.can_ask

    def show(self, page: Page, passing: bool = False) -> None:
        """Shows a page as a separate output."""
        if passing:
            self._end_progress()
            return self._passing.show(page)
        self._end_passing()
        return self._add(lambda: display(bundle(page), raw=True))

    def draft(self, page: Page, words: str) -> None:
        """Shows the page in an output that is emptied when the next page is shown, where that certainly works."""
        if (self.is_lab or self.name == "VS Code") and self.is_watched and not self._is_captured:
            self._progress.show(page)

    def render(self, words: Line) -> list[str]:
        """With bold commands, or as plain text for a log if there is no person."""
        return styled(Page((words,))) if self.can_ask else [plain_text(words)]

    @property
    def shows_failure(self) -> bool:
        """Whether a failed cell needs no error output, so that a page can take its place.

        JupyterLab and Notebook 7 go by the reply; papermill and VS Code go by the output.
        """
        return self.can_ask and self.is_lab and not self._is_captured

    @property
    def _is_captured(self) -> bool:
        return isinstance(self._kernel.shell.display_pub, CapturingDisplayPublisher)

    def say(self, text: str) -> None:
        """Prints a text as it is."""
        self._add(lambda: print(text))

    def say_data(self, text: str) -> None:
        """Prints a text as it is."""
        self.say(text)

    def say_to_copy(self, text: str) -> None:
        """Prints a text as it is, below a button that copies it."""
        self._add(lambda: display({"text/plain": text, "text/html": copyable(text)}, raw=True))

    def _add(self, draw: Callable[[], object]) -> None:
        self._end_progress()
        self._shown.append(draw)
        draw()

    def ask(self, question: str) -> str:
        """Asks with an input box below the cell."""
        return self._answer(input, question)

    def ask_secret(self, what: str) -> str:
        """Asks with an input box that shows dots. A kernel cannot tell consoles apart; two show what is typed."""
        how = "hidden" if self.is_notebook else "hidden, but visible in qtconsole and Spyder"
        return self._answer(getpass.getpass, f"{what} ({how}): ")

    def _answer(self, ask: Callable[[str], str], question: str) -> str:
        self._end_progress()
        try:
            return ask(question)
        except NotImplementedError:  # IPython's StdinNotImplementedError
            raise NobodyToAsk from None
        except (KeyboardInterrupt, EOFError):
            if self._is_alone() and self.is_notebook:
                clear_output()  # otherwise the dead input box stays in the page
                for draw in self._shown:
                    draw()
            raise

    def fetch(self, port: int, path: str) -> bool:
        """Shows an invisible script, which is emptied with the outputs of a wait.

        The classic Notebook names no cell; its kernel has the name of the session, which consoles do not have.
        """
        has_page = self.can_ask and (self.is_notebook or "JPY_SESSION_NAME" in os.environ) and not self._is_vscode
        if has_page:
            self._progress.add(EMPTY | {"text/html": fetching(port, path)})
        return has_page

    @contextmanager
    def waiting(self) -> Iterator[Callable[[Sequence[str], float], None]]:
        """Shows the hosts in an output that is emptied when the next page is shown."""
        yield lambda hosts, seconds: self._progress.tell("servers", waiting_words(hosts), waiting_words(hosts, seconds))

    @contextmanager
    def standing(self, page: Page, after: Page) -> Iterator[Callable[[str, str], None]]:
        """Shows a page, a status line and what follows it; all are emptied when the next page is shown."""
        self._end_progress()
        self._progress.show(page)
        following = [after]

        def tell(topic: str, left: str) -> None:
            self._progress.tell(topic, f"{topic} …", f"{topic}, {left}", "strong")
            while following:
                self._progress.show(following.pop())

        yield tell

    def finish(self) -> None:
        """Empties the outputs of a wait, and the passing pages."""
        self._end_progress(at_end=True)
        self._end_passing()

    def _end_passing(self) -> None:
        self._passing.end()
        self._passing = NotebookProgress()

    def _end_progress(self, at_end: bool = False) -> None:
        """Empties the outputs of a wait, and removes them unless a prompt may come next.

        JupyterLab may execute `clear_output` after it has shown a prompt, and remove the prompt with it.
        """
        if not self._progress:
            return
        self._progress.end()
        self._progress = NotebookProgress()
        if (at_end or not self.can_ask) and not self._shown and self._is_alone():
            clear_output()

    def _is_alone(self) -> bool:
        """Whether the cell contains only this magic, so that all its outputs are ours."""
        lines = [text.strip() for text in str(self._request("content", "code") or "").splitlines()]
        lines = [text for text in lines if text and not text.startswith("#")]
        return len(lines) == 1 and lines[0].lstrip("%").startswith("cave_")

    def _request(self, part: str, name: str) -> Any:
        """A field of the current execute request, or None. Notebooks name their cell, consoles do not."""
        with suppress(AttributeError, KeyError, TypeError):
            return self._kernel.get_parent()[part].get(name)
        return None
