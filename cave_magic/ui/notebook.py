"""The front end of a kernel: notebooks, and the consoles that talk to a kernel."""

# mypy: disallow-untyped-calls=False
# (IPython does not type its display functions.)

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from IPython.display import DisplayHandle, clear_output, display

from ..errors import NobodyToAsk
from .document import Page, Span, line
from .terminal import bundle, waiting_words

EMPTY = {"text/plain": "", "text/html": ""}
"""What nobody sees in a notebook; nbconvert warns of a bundle with no type at all."""


class NotebookProgress:
    """Outputs of a cell that are emptied after a wait: perhaps a page, and a line below it that changes.

    Consoles (jupyter console, qtconsole, Spyder's) drop every update. There the page and the first words of each topic
    stay for good, so those must be true for good. That is also why nothing else is ever shown by an update.
    """

    def __init__(self) -> None:
        self._outputs: list[Any] = []
        self._topic = self._words = ""

    def __bool__(self) -> bool:
        return bool(self._outputs)

    def show(self, page: Page) -> None:
        """Shows a page."""
        self._outputs.append(DisplayHandle())  # first, so that an interrupt leaves no output that is not known here
        self._outputs[-1].display(bundle(page), raw=True)

    def tell(self, topic: str, first: str, words: str) -> None:
        """Changes the line to some words; a new topic gets a line of its own, which begins with `first`."""
        if topic != self._topic:
            if self._topic:
                self._outputs[-1].update(EMPTY, raw=True)
            self.show(_dim(first))
            self._topic = topic
        if words != self._words:
            self._outputs[-1].update(bundle(_dim(words)), raw=True)
            self._words = words

    def end(self) -> None:
        """Empties all of it, in front ends that know updates."""
        for output in self._outputs:
            output.update(EMPTY, raw=True)


def _dim(words: str) -> Page:
    return Page((line(Span(words, "dim")),))


class NotebookFrontend:
    """The cell of a notebook, or the console, that a kernel works for. See `ui.frontend.Frontend`.

    Args:
        kernel: ipykernel's kernel.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._progress = NotebookProgress()
        self._shown: list[dict[str, str] | str] = []  # the pages and texts of the command that runs

    @property
    def can_ask(self) -> bool:
        """Whether the front end takes input requests, which nbclient and papermill do not."""
        return bool(getattr(self._kernel, "_allow_stdin", False))

    def show(self, page: Page) -> None:
        """Shows a page as an output of its own."""
        self._add(bundle(page))

    def say(self, text: str) -> None:
        """Prints a text as it is."""
        self._add(text)

    def _add(self, shown: dict[str, str] | str) -> None:
        self._end_progress()
        self._shown.append(shown)
        _output(shown)

    def ask(self, question: str) -> str:
        """Asks with an input box below the cell."""
        return self._answer(input, question)

    def ask_secret(self, question: str) -> str:
        """Asks with an input box that shows dots."""
        return self._answer(getpass.getpass, question)

    def _answer(self, ask: Callable[[str], str], question: str) -> str:
        self._end_progress()
        try:
            return ask(question)
        except NotImplementedError:  # IPython's StdinNotImplementedError
            raise NobodyToAsk from None
        except (KeyboardInterrupt, EOFError):
            if self._is_alone() and self._request("metadata", "cellId"):
                self._draw_again()  # or the dead input box stays in the page
            raise

    @contextmanager
    def waiting(self) -> Iterator[Callable[[Sequence[str], float], None]]:
        """Shows the hosts in an output that is emptied once the next page is up."""
        yield lambda hosts, seconds: self._progress.tell("servers", waiting_words(hosts), waiting_words(hosts, seconds))

    @contextmanager
    def standing(self, page: Page) -> Iterator[Callable[[str, str], None]]:
        """Shows a page and a status line; both go when the next page comes."""
        self._end_progress()
        self._progress.show(page)
        yield lambda topic, left: self._progress.tell(topic, f"{topic} …", f"{topic}, {left}")

    def finish(self) -> None:
        """Empties what a wait has shown."""
        self._end_progress(at_end=True)

    def _end_progress(self, at_end: bool = False) -> None:
        """Empties what a wait has shown, and removes the empty outputs too unless a prompt may come next.

        JupyterLab may clear a cell after it has put a prompt there, and with that take the prompt away.
        """
        if not self._progress:
            return
        self._progress.end()
        self._progress = NotebookProgress()
        if (at_end or not self.can_ask) and not self._shown and self._is_alone():
            clear_output()

    def _is_alone(self) -> bool:
        """Whether the cell is this magic's line and nothing else, so that all its outputs are ours."""
        lines = [one.strip() for one in str(self._request("content", "code") or "").splitlines()]
        lines = [one for one in lines if one and not one.startswith("#")]
        return len(lines) == 1 and lines[0].lstrip("%").startswith("cave_")

    def _request(self, part: str, name: str) -> Any:
        """A field of the request that the kernel works on, or None. Notebooks name their cell, consoles do not."""
        try:
            return self._kernel.get_parent()[part].get(name)
        except (AttributeError, KeyError, TypeError):
            return None

    def _draw_again(self) -> None:
        """Shows again what this command has shown, and with that takes everything else out of the cell."""
        clear_output()
        for shown in self._shown:
            _output(shown)


def _output(shown: dict[str, str] | str) -> None:
    if isinstance(shown, str):
        print(shown)
    else:
        display(shown, raw=True)
