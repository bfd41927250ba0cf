"""What a command needs of the program that runs it: variables, history and the last error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..credentials import scrub as scrubbing
from ..token import Token


class Shell:
    """A program without history or variables, such as a command line. `IPythonShell` has them."""

    @property
    def variables(self) -> Mapping[str, object]:
        """The user's variables by name."""
        return {}

    @property
    def inputs(self) -> Sequence[str]:
        """The inputs of this session; the last one is the running one."""
        return ()

    @property
    def last_error(self) -> BaseException | None:
        """The error of the previous cell, if it failed."""
        return None

    @property
    def has_cells(self) -> bool:
        """Whether inputs are cells that stay visible, as in a notebook."""
        return False

    def scrub(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """Masks texts in memory, in the history database and in the log; returns the places where that failed."""
        return ()

    def find_tokens(self, tokens: Iterable[Token]) -> tuple[scrubbing.LeftoverToken, ...]:
        """Finds tokens that were left in the history or in the notebook file."""
        return ()

    def scrub_tokens(self, tokens: Iterable[Token]) -> None:
        """Masks what `find_tokens` finds."""

    def replace_cell(self, text: str) -> None:
        """Asks the front end to replace the running cell; a notebook may insert a cell instead."""


class IPythonShell(Shell):
    """An IPython shell.

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
        """The raw inputs; empty if the shell keeps no history."""
        manager = self._shell.history_manager
        return manager.input_hist_raw if manager else ()

    @property
    def last_error(self) -> BaseException | None:
        """The error of the previous cell."""
        result = getattr(self._shell, "last_execution_result", None)
        return getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)

    @property
    def has_cells(self) -> bool:
        """Whether the shell runs in a kernel."""
        return getattr(self._shell, "kernel", None) is not None

    def scrub(self, secrets: Iterable[str]) -> tuple[str, ...]:
        """See `Shell`."""
        return scrubbing.scrub_session(self._shell, secrets)

    def find_tokens(self, tokens: Iterable[Token]) -> tuple[scrubbing.LeftoverToken, ...]:
        """See `Shell`."""
        return scrubbing.find_tokens(self._shell, tokens)

    def scrub_tokens(self, tokens: Iterable[Token]) -> None:
        """See `Shell`."""
        scrubbing.scrub_tokens(self._shell, tokens)

    def replace_cell(self, text: str) -> None:
        """See `Shell`."""
        self._shell.set_next_input(text, replace=True)
