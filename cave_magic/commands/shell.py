"""What a command needs of the program that it runs in: variables, history and the last error. IPython, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from ..credentials import scrub as scrubbing
from ..token import Token


class Shell(Protocol):
    """The interactive program that a command runs in."""

    @property
    def variables(self) -> Mapping[str, object]:
        """The person's variables by name."""

    @property
    def inputs(self) -> Sequence[str]:
        """What was typed in this session, the line that runs last."""

    @property
    def last_error(self) -> BaseException | None:
        """What the cell before this one ended with; an older error is nobody's concern."""

    @property
    def has_cells(self) -> bool:
        """Whether lines are typed into cells that stay, as in a notebook."""

    def scrub(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Masks texts in everything that the session remembers; returns the places where that failed."""

    def find_tokens(self, tokens: Iterable[Token]) -> tuple[scrubbing.LeftoverToken, ...]:
        """Where tokens were left in the session's history and in the notebook file."""

    def scrub_tokens(self, tokens: Iterable[Token]) -> None:
        """Masks what `find_tokens` finds."""

    def replace_cell(self, text: str) -> None:
        """Puts a text in place of the cell that runs, where the program can do that."""


class NoShell:
    """A program without history or variables, such as one that was started from a command line."""

    variables: Mapping[str, object] = {}
    inputs: Sequence[str] = ()
    last_error: BaseException | None = None
    has_cells = False

    def scrub(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Nothing is remembered."""
        return ()

    def find_tokens(self, tokens: Iterable[Token]) -> tuple[scrubbing.LeftoverToken, ...]:
        """Nothing is left."""
        return ()

    def scrub_tokens(self, tokens: Iterable[Token]) -> None:
        """Nothing is left."""

    def replace_cell(self, text: str) -> None:
        """There are no cells."""


class IPythonShell:
    """A shell of IPython.

    Args:
        shell: the InteractiveShell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    @property
    def variables(self) -> Mapping[str, object]:
        """The user namespace."""
        names: dict[str, object] = self._shell.user_ns
        return names

    @property
    def inputs(self) -> Sequence[str]:
        """The raw inputs; nothing where the shell keeps no history."""
        manager = self._shell.history_manager
        return manager.input_hist_raw if manager else ()

    @property
    def last_error(self) -> BaseException | None:
        """The error of the last cell."""
        result = getattr(self._shell, "last_execution_result", None)
        return getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)

    @property
    def has_cells(self) -> bool:
        """Whether a kernel runs the shell."""
        return getattr(self._shell, "kernel", None) is not None

    def scrub(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Masks texts in memory, in the history database and in the log."""
        return scrubbing.scrub_session(self._shell, secrets)

    def find_tokens(self, tokens: Iterable[Token]) -> tuple[scrubbing.LeftoverToken, ...]:
        """Looks in the inputs, the history database and the notebook file."""
        return scrubbing.find_tokens(self._shell, tokens)

    def scrub_tokens(self, tokens: Iterable[Token]) -> None:
        """Masks tokens in the history and in the notebook file."""
        scrubbing.scrub_tokens(self._shell, tokens)

    def replace_cell(self, text: str) -> None:
        """Asks the front end to replace the cell; a notebook may insert one instead."""
        self._shell.set_next_input(text, replace=True)
