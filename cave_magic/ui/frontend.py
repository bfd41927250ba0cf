"""Where a magic's words go and a person's answers come from: a notebook's cell or a terminal."""

# mypy: disallow-untyped-calls=False
# (IPython does not type its display functions.)

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from .document import Page, Span, line

OnWait = Callable[[list[str], float], None]
"""Told for whom one waits, and for how many seconds so far."""

EMPTY = {"text/plain": "", "text/html": ""}
"""What nobody sees in a notebook; nbconvert warns of a bundle with no type at all."""


class Progress:
    """What stands in a cell only as long as something lasts: perhaps a page, and a line below it that changes.

    Consoles (jupyter console, qtconsole, Spyder's) drop every update. There the page and the first words of each topic
    stay for good, so those must be true for good. That is also why nothing else is ever shown by an update.
    """

    def __init__(self) -> None:
        self._outputs: list[Any] = []
        self._topic = self._words = ""

    def __bool__(self) -> bool:
        return bool(self._outputs)

    def show(self, page: Page) -> None:
        """Shows a page that goes with the rest."""
        from IPython.display import DisplayHandle

        from .terminal import bundle

        self._outputs.append(DisplayHandle())  # first, so that an interrupt leaves nothing that is not known here
        self._outputs[-1].display(bundle(page), raw=True)

    def tell(self, topic: str, first: str, words: str) -> None:
        """Changes the line to some words; a new topic gets a line of its own, which begins with `first`."""
        from .terminal import bundle

        if topic != self._topic:
            if self._topic:
                self._outputs[-1].update(EMPTY, raw=True)
            self.show(_dim(first))
            self._topic = topic
        if words != self._words:
            self._outputs[-1].update(bundle(_dim(words)), raw=True)
            self._words = words

    def end(self) -> None:
        """Empties all of it, where updates are known."""
        for output in self._outputs:
            output.update(EMPTY, raw=True)


def _dim(words: str) -> Page:
    return Page((line(Span(words, "dim")),))


class Frontend:
    """The place in front of which the person sits.

    Args:
        shell: the InteractiveShell; one with a kernel is a notebook's or a console's, any other a terminal's.
    """

    def __init__(self, shell: Any) -> None:
        self.kernel: Any = getattr(shell, "kernel", None)
        self._progress = Progress()
        self._shown: list[dict[str, str] | str] = []  # the pages and texts that the present magic has shown in a cell

    @property
    def can_ask(self) -> bool:
        """Whether somebody can answer a question."""
        if self.kernel is not None:
            return bool(getattr(self.kernel, "_allow_stdin", False))
        from .terminal import is_terminal

        return is_terminal(sys.stdin)

    def ask(self, question: str) -> str:
        """The answer to a question, which may be seen by others."""
        return self._asked(input, question)

    def ask_secret(self, question: str) -> str:
        """The answer to a question, typed where nobody sees it."""
        return self._asked(getpass.getpass, question)

    def _asked(self, ask: Callable[[str], str], question: str) -> str:
        self._end_progress()
        try:
            return ask(question)
        except (KeyboardInterrupt, EOFError):
            if self.kernel is None:
                print()  # the cursor still stands behind the question
            elif self._is_alone() and self._parent("metadata", "cellId"):
                self._draw_again()  # or the dead box stays in the page
            raise

    def show(self, page: Page) -> None:
        """Shows a page, in a display of its own."""
        from .terminal import bundle, draw

        if self.kernel is None:
            return draw(page)
        self._end_progress()
        self._shown.append(bundle(page))
        return _output(self._shown[-1])

    def say(self, text: str) -> None:
        """Prints a text as it is."""
        self._end_progress()
        self._shown.append(text)
        _output(text)

    @contextmanager
    def waiting(self) -> Iterator[OnWait]:
        """A watcher for questions that are under way; what it shows is gone once the next page is up."""
        from .terminal import TerminalProgress

        if self.kernel is not None:
            yield self._wait_in_cell
            return
        progress = TerminalProgress()
        try:
            yield progress
        except KeyboardInterrupt:
            progress.stop()
            raise
        finally:
            progress.clear()

    def _wait_in_cell(self, whom: Sequence[str], seconds: float) -> None:
        from .terminal import waiting_words

        self._progress.tell("servers", waiting_words(whom), waiting_words(whom, seconds))

    @contextmanager
    def standing(self, page: Page) -> Iterator[Callable[[str, str], None]]:
        """Shows a page with a line below it that changes; a notebook takes both away when the next page comes.

        Yields:
            What sets the line: where it stands, and the time that is left.
        """
        from .terminal import TerminalProgress, draw

        if self.kernel is not None:
            self._end_progress()
            self._progress.show(page)
            yield lambda topic, left: self._progress.tell(topic, f"{topic} …", f"{topic}, {left}")
            return
        draw(page)
        progress = TerminalProgress()
        try:
            yield lru_cache(1)(lambda topic, left: progress.write(f"{topic}, {left}"))  # the same words are drawn once
        finally:
            progress.clear()

    def finish(self) -> None:
        """Ends a magic: nothing of a wait is left, and the next magic starts with an empty page."""
        self._end_progress(at_end=True)
        self._shown.clear()

    def _end_progress(self, at_end: bool = False) -> None:
        """Takes away what shows a wait, and its empty outputs too where it can be told that nobody is asked next.

        JupyterLab may clear a cell after it has put a prompt there, and with that take the prompt away.
        """
        if not self._progress:
            return
        self._progress.end()
        self._progress = Progress()
        if (at_end or not self.can_ask) and not self._shown and self._is_alone():
            from IPython.display import clear_output

            clear_output()

    def _is_alone(self) -> bool:
        """Whether the cell is this magic's line and nothing else, so that all its outputs are ours."""
        lines = [one.strip() for one in str(self._parent("content", "code") or "").splitlines()]
        lines = [one for one in lines if one and not one.startswith("#")]
        return len(lines) == 1 and lines[0].lstrip("%").startswith("cave_")

    def _parent(self, part: str, name: str) -> Any:
        """Something of the request that the kernel works on; None if it is not there. Notebooks name their cell."""
        try:
            return self.kernel.get_parent()[part].get(name)
        except (AttributeError, KeyError, TypeError):
            return None

    def _draw_again(self) -> None:
        """Shows again what the present magic has shown, and with that takes everything else out of the cell."""
        from IPython.display import clear_output

        clear_output()
        for shown in self._shown:
            _output(shown)


def _output(shown: dict[str, str] | str) -> None:
    """Puts a text or a page into a cell."""
    if isinstance(shown, str):
        return print(shown)
    from IPython.display import display

    display(shown, raw=True)
    return None
