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

from .inquiry import Watcher
from .page import Page, line


class Frontend:
    """The place in front of which the person sits.

    Args:
        shell: the InteractiveShell; one with a kernel is a notebook's, any other a terminal's.
    """

    def __init__(self, shell: Any) -> None:
        self.kernel: Any = getattr(shell, "kernel", None)
        self._waiting: Any = None  # the output of the present magic that says whom it waits for
        self._shown: list[dict[str, str] | str] = []  # the pages and texts that it has shown in a notebook

    @property
    def can_ask(self) -> bool:
        """Whether somebody can answer a question."""
        if self.kernel is not None:
            return bool(getattr(self.kernel, "_allow_stdin", False))
        from .render import is_terminal

        return is_terminal(sys.stdin)

    def ask(self, question: str) -> str:
        """The answer to a question, which may be seen by others."""
        return self._asked(input, question)

    def ask_secret(self, question: str) -> str:
        """The answer to a question, typed where nobody sees it."""
        return self._asked(getpass.getpass, question)

    def _asked(self, ask: Callable[[str], str], question: str) -> str:
        self._take_line_away()
        try:
            return ask(question)
        except (KeyboardInterrupt, EOFError):
            if self.kernel is None:
                print()  # the cursor still stands behind the question
            elif self._is_alone():
                self._draw_again()  # or the dead box stays in the page
            raise

    def show(self, page: Page) -> None:
        """Shows a page: in a notebook in place of the waiting line, where one is up."""
        from .render import bundle, draw

        if self.kernel is None:
            return draw(page)
        data = bundle(page)
        self._shown.append(data)
        return self._display(data, ends=True)

    def say(self, text: str) -> None:
        """Prints a text as it is."""
        self._take_line_away()
        self._shown.append(text)
        print(text)

    @contextmanager
    def waiting(self) -> Iterator[Watcher]:
        """A watcher for questions that are under way; what it shows is gone once the next page is up."""
        from .render import TerminalProgress

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

    @contextmanager
    def standing(self, page: Page) -> Iterator[Callable[[str], None]]:
        """Shows a page whose last line changes: in a notebook the next page takes its place.

        Yields:
            What sets the last line.
        """
        from .render import TerminalProgress, draw

        if self.kernel is not None:
            yield lru_cache(1)(lambda words: self._stand(page, words))  # the same words are drawn once
            return
        draw(page)
        progress = TerminalProgress()
        try:
            yield lru_cache(1)(progress.write)
        finally:
            progress.clear()

    def _stand(self, page: Page, words: str) -> None:
        from .render import bundle

        self._display(bundle(Page((*page.blocks, line(words)))), ends=False)

    def finish(self) -> None:
        """Ends a magic: nothing of a waiting line is left."""
        self._take_line_away()
        self._shown.clear()

    def _take_line_away(self) -> None:
        if self._waiting is None:
            return
        if self._is_alone():
            self._draw_again()
        else:
            self._display({}, ends=True)

    def _is_alone(self) -> bool:
        """Whether the cell is this magic's line and nothing else, so that all its outputs are ours."""
        try:
            code = self.kernel.get_parent()["content"]["code"]
        except (AttributeError, KeyError, TypeError):
            return False
        lines = [line.strip() for line in code.splitlines()]
        lines = [line for line in lines if line and not line.startswith("#")]
        return len(lines) == 1 and lines[0].lstrip("%").startswith("cave_")

    def _draw_again(self) -> None:
        """Shows again what the present magic has shown, and with that takes everything else out of the cell."""
        from IPython.display import clear_output, display

        self._waiting = None
        clear_output()
        for shown in self._shown:
            print(shown) if isinstance(shown, str) else display(shown, raw=True)

    def _wait_in_cell(self, whom: Sequence[str], seconds: float) -> None:
        from .render import waiting_words

        self._display({"text/plain": waiting_words(whom, seconds)}, ends=False)

    def _display(self, data: dict[str, str], ends: bool) -> None:
        """Draws into the one output of the waiting line, or into a new one; `ends` makes it the last time."""
        from IPython.display import display

        if self._waiting is not None:
            self._waiting.update(data, raw=True)
        else:
            self._waiting = display(data, raw=True, display_id=None if ends else True)
        if ends:
            self._waiting = None
