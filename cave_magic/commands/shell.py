"""What a command needs from the program that runs it: variables, history and the last error."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..credentials import our_lines
from ..token import Token
from ..ui.door import running_ipython
from ..ui.redact import find_secrets

if TYPE_CHECKING:
    from ..credentials.scrub import LeftoverToken


def scrub_call(*arguments: object) -> None:
    """Masks tokens among the arguments of a function in the history of IPython or Python, where the call may have been
    typed. Python writes its own to a file at its end."""
    shell = running_ipython()
    if shell is not None or hasattr(sys, "ps1"):
        _scrub(shell, find_secrets(" ".join(one for one in arguments if isinstance(one, str))))


def _scrub(shell: Any, secrets: Collection[str]) -> tuple[str, ...]:
    from ..credentials.scrub import scrub_session  # lazily, as below: few lines have a token

    return scrub_session(shell, secrets) if secrets else ()


class Shell:
    """An IPython shell, or (None) a program without variables and history, such as a command line.

    Attributes:
        variables: the user's variables by name; of a function that runs a command, its arguments.
    """

    def __init__(self, shell: Any = None, variables: Mapping[str, object] | None = None) -> None:
        self._shell = shell
        self.variables: Mapping[str, object] = getattr(shell, "user_ns", {}) if variables is None else variables

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
        return () if self._shell is None else _scrub(self._shell, secrets)

    def scrub_typed(self, secrets: Collection[str], too: bool) -> tuple[str, tuple[str, ...]]:
        """Masks the secrets of the running line and, if `too`, the tokens that were typed for our magics where none of
        them ran, such as after a misspelled name; all at once, since one may be a part of another.

        Returns the inputs that had such a token ("In[3]"), or "", and the places where masking failed.
        """
        inputs, names = enumerate(self.inputs if too else ()), our_lines.own_names(self.variables)
        found = {number: new for number, text in inputs if (new := our_lines.certain(text, secrets, names))}
        failed = self.scrub([*secrets, *(one for new in found.values() for one in new)])
        for name in ("last_type", "last_value", "last_traceback", "last_exc") if found else ():
            vars(sys).pop(name, None)  # the last error may be that of such a line, and its frames have the line
        return ", ".join(f"In[{number}]" for number in found), failed

    def find_tokens(self, tokens: Iterable[Token]) -> tuple[LeftoverToken, ...]:
        """Finds tokens that were left in the history or in the notebook file."""
        if self._shell is None:
            return ()
        from ..credentials.scrub import find_tokens

        return find_tokens(self._shell, tokens)

    def scrub_tokens(self, tokens: Iterable[Token]) -> None:
        """Masks what `find_tokens` has found."""
        from ..credentials.scrub import scrub_tokens

        scrub_tokens(self._shell, tokens)

    def replace_cell(self, text: str) -> None:
        """Asks the front end to replace the running cell; a notebook may insert a cell instead."""
        self._shell.set_next_input(text, replace=True)
