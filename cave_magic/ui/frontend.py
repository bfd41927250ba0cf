"""Front ends show pages and ask questions: a terminal and plain text here, a notebook in `ui.notebook`."""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from functools import lru_cache, partial
from typing import Any, Protocol, TextIO

from ..errors import Cancelled, CaveMagicError, NobodyToAsk
from .document import Line, Page, Span, as_sentence, line, plain_text
from .hidden import read_hidden
from .terminal import TerminalProgress, as_text, draw, drawn, encoding_of, is_terminal, writable, write

OnWait = Callable[[list[str], float], None]
"""Called with the hosts that have not responded yet, and the seconds waited so far."""
SetStatus = Callable[[str, str], None]
"""Called with what is in progress, and the time that is left."""


class Frontend(Protocol):
    """What a command needs from the screen and from the person in front of it.

    What a subclass leaves out is as in a pipe, a batch job or a script: plain text, no updates, and no one to answer.
    """

    @property
    def name(self) -> str:
        """What it is, for a report that is shared."""
        return "no terminal"

    @property
    def can_ask(self) -> bool:
        """Whether a person can answer a question."""
        return False

    @property
    def interrupt(self) -> str:
        """How a person interrupts a command, in words that follow a comma."""
        return "press Ctrl+C"

    @property
    def is_watched(self) -> bool:
        """Whether a person sees what changes on the screen."""
        return False

    def show(self, page: Page, passing: bool = False) -> None:
        """Shows a page; a passing one makes room for the next other page, in front ends that can remove it."""
        write(as_text(page))

    def draft(self, page: Page, words: str) -> None:
        """Shows a page until the next one is shown; where a page cannot be removed again, these words or nothing."""
        return

    def render(self, words: Line) -> list[str]:
        """A line as the lines of an error output, which the stream must be able to print, as IPython does.

        Plain text is not wrapped, because logs are searched.
        """
        return [writable(plain_text(words), encoding_of(sys.stdout))]

    def say(self, text: str) -> None:
        """Prints a text as it is."""
        write(text)

    def say_data(self, text: str) -> None:
        """Prints data for another program."""
        self.say(text)

    def say_to_copy(self, text: str) -> None:
        """Prints a text that people copy as a whole, with a button for that where there are buttons."""
        self.say_data(text)

    def ask(self, question: str) -> str:
        """Asks a question; the typed answer is visible.

        Raises KeyboardInterrupt or EOFError if the person did not answer, and NobodyToAsk if no one can.
        """
        raise NobodyToAsk

    def ask_secret(self, what: str) -> str:
        """Asks for a text that is hidden while it is typed, or says that it is not. Raises what `ask` raises."""
        raise NobodyToAsk

    def fetch(self, port: int, path: str) -> bool:
        """Lets the page of a notebook request a path of a port of this computer through the server of the notebook.

        Returns False if there is no such page. Whether it works is unknown: scripts may be off, or the server may not
        pass the request on.
        """
        return False

    def waiting(self) -> AbstractContextManager[OnWait]:
        """Shows which hosts have not responded, while requests are in progress; removes it afterwards."""
        return nullcontext(lambda hosts, seconds: None)

    def standing(self, page: Page, after: Page) -> AbstractContextManager[SetStatus]:
        """Shows a page, a status line while the block runs, and what follows it; a terminal has its status last."""
        self.show(page)
        self.show(after)
        return nullcontext(lambda topic, left: None)

    def finish(self) -> None:
        """Ends a command; removes what is left of a wait."""
        return


def failure_line(error: CaveMagicError) -> Line:
    """What went wrong and what to do, in the style of every page; grey if the person cancelled, which is no failure."""
    words = as_sentence(line(*error.args))
    if isinstance(error, Cancelled):
        return tuple(Span(span.text, span.style or "dim") for span in words)
    return line(Span("✘ ", "failed"), words)


def frontend_for(shell: Any) -> Frontend:
    """The front end of an InteractiveShell, or of a program without IPython (None)."""
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        from .notebook import NotebookFrontend

        return NotebookFrontend(kernel)
    has_terminal = any(map(is_terminal, (sys.stdin, sys.stdout, sys.stderr)))
    return TerminalFrontend() if has_terminal else PlainFrontend()


class PlainFrontend(Frontend):
    """Plain text for a pipe, a batch job or a script: what every front end does by default."""


class TerminalFrontend(PlainFrontend):
    """A terminal: colours and links if it supports them, and one line that is updated in place."""

    name = "terminal"
    _progress: TerminalProgress

    @property
    def can_ask(self) -> bool:
        """Whether the input comes from a terminal."""
        return is_terminal(sys.stdin)

    @property
    def is_watched(self) -> bool:
        """Whether both input and output are a terminal."""
        return self.can_ask and is_terminal(sys.stdout)

    def show(self, page: Page, passing: bool = False) -> None:
        """Draws a page."""
        draw(page)

    def render(self, words: Line) -> list[str]:
        """With the styles that the terminal supports."""
        return drawn(Page((words,)), sys.stdout)

    def ask(self, question: str) -> str:
        """Reads a line."""
        return _answer(input, question)

    def ask_secret(self, what: str) -> str:
        """Reads a line that the terminal does not show; says so if it cannot be hidden."""
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # it comes before the question
            try:
                return _answer(read_hidden, f"{what} (hidden: nothing appears while you paste): ")
            except getpass.GetPassWarning:
                return _answer(input, f"{what} (visible: this terminal cannot hide it): ")

    def draft(self, page: Page, words: str) -> None:
        """Shows the words in the line of `waiting`."""
        self._progress.write(words)

    @contextmanager
    def waiting(self) -> Iterator[OnWait]:
        """Shows the hosts in a line that is updated in place."""
        progress = self._progress = TerminalProgress()
        try:
            yield progress
        except KeyboardInterrupt:
            progress.stop()
            raise
        finally:
            progress.write("")

    @contextmanager
    def standing(self, page: Page, after: Page) -> Iterator[SetStatus]:
        """Draws the pages, which stay, and a status line, which is removed afterwards."""
        self.show(page)
        self.show(after)
        progress = TerminalProgress()
        try:
            yield lru_cache(1)(lambda topic, left: progress.write(f"{topic}, {left}"))  # draws the same text only once
        finally:
            progress.write("")


class ShellFrontend(TerminalFrontend):
    """The front end of the program `cave-magic`: errors and waits go to stderr, everything else to stdout.

    If nobody reads stdout any more (`| head`), the command still does its work.

    Args:
        is_data: whether stdout takes only data for another program; then pages go to stderr, too.
    """

    name = "shell"

    def __init__(self, is_data: bool = False) -> None:
        self._out = sys.stdout
        self._pages = sys.stderr if is_data else sys.stdout

    def show(self, page: Page, passing: bool = False) -> None:
        """Draws a page."""
        self._print(self._pages, partial(draw, page))

    def say(self, text: str) -> None:
        """Prints a text as it is."""
        self._print(self._pages, partial(write, text))

    def say_data(self, text: str) -> None:
        """Prints a text as it is, on stdout."""
        self._print(self._out, partial(write, text))

    def render(self, words: Line) -> list[str]:
        """With the styles that stderr supports."""
        return drawn(Page((words,)), sys.stderr)

    def ask(self, question: str) -> str:
        """Reads a line that begins with the question."""
        with redirect_stdout(self._pages):
            return super().ask(question)

    def _print(self, out: TextIO | None, put: Callable[[TextIO | None], None]) -> None:
        if out is None:  # closed by the shell: `>&-`
            return
        try:
            put(out)
            out.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # else Python complains once more at the end
            if not isinstance(error, BrokenPipeError):
                raise


def _answer(ask: Callable[[str], str], question: str) -> str:
    try:
        return ask(question)
    except (KeyboardInterrupt, EOFError):
        print()  # the cursor is still after the question
        raise
