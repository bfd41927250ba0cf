"""What a command needs from the program that runs it: variables, history and the last error."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..token import Token
from ..ui.door import running_ipython
from ..ui.redact import find_secrets

if TYPE_CHECKING:
    from ..credentials.scrub import LeftoverToken


def scrub_call(*arguments: object) -> None:
    """Masks tokens among the arguments of a function in the history of IPython, where the call may have been typed."""
    if (shell := running_ipython()) is not None:
        Shell(shell).scrub(find_secrets(" ".join(one for one in arguments if isinstance(one, str))))


class Shell:
    """An IPython shell, or (None) a program without variables and history, such as a command line."""

    def __init__(self, shell: Any = None) -> None:
        self._shell = shell

    @property
    def variables(self) -> Mapping[str, object]:
        """The user's variables by name."""
        names: Mapping[str, object] = getattr(self._shell, "user_ns", {})
        return names

    @property
    def inputs(self) -> Sequence[str]:
        """The raw inputs of this session; the last one is the running one."""
        inputs: Sequence[str] = getattr(getattr(self._shell, "history_manager", None), "input_hist_raw", ())
        return inputs

    @property
    def last_error(self) -> BaseException | None:
        """The error of the previous cell, if it failed."""
        result = getattr(self._shell, "last_execution_result", None)
        return getattr(result, "error_in_exec", None) or getattr(result, "error_before_exec", None)

    @property
    def has_cells(self) -> bool:
        """Whether inputs are cells that stay visible, as in a notebook."""
        return getattr(self._shell, "kernel", None) is not None

    def shows_result(self, name: str) -> bool:
        """Whether what a magic returns becomes the value of the running cell, which IPython shows."""
        last = next(iter(reversed((self.inputs or [""])[-1].strip().splitlines())), "")
        return last.lstrip("%").split(" ")[0] == name

    def scrub(self, secrets: Collection[str]) -> tuple[str, ...]:
        """Masks texts in memory, in the history database and in the log; returns the places where that failed."""
        if self._shell is None or not secrets:
            return ()
        from ..credentials.scrub import scrub_session  # lazily, as below: few lines have a token

        return scrub_session(self._shell, secrets)

    def find_tokens(self, tokens: Iterable[Token]) -> tuple[LeftoverToken, ...]:
        """Finds tokens that were left in the history or in the notebook file."""
        if self._shell is None:
            return ()
        from ..credentials.scrub import find_tokens

        return find_tokens(self._shell, tokens)

    def scrub_tokens(self, tokens: Iterable[Token]) -> None:
        """Masks what `find_tokens` finds."""
        from ..credentials.scrub import scrub_tokens

        if self._shell is not None:
            scrub_tokens(self._shell, tokens)

    def replace_cell(self, text: str) -> None:
        """Asks the front end to replace the running cell; a notebook may insert a cell instead."""
        self._shell.set_next_input(text, replace=True)
