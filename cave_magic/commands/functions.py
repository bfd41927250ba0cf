"""Runs a command for a function of `cave_magic`: shows nothing, asks nothing, and returns what the command found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..api.batch import validate_timeout
from ..doctor.next_steps import ARGUMENT
from ..errors import BadInput
from ..ui.document import Page
from ..ui.door import find_door, running_ipython
from ..ui.frontend import PlainFrontend
from . import find_command
from .context import Context
from .line import run
from .shell import Shell, scrub_call


class _Silent(PlainFrontend):
    """The front end of a function: what it shows is in the object that it returns."""

    def show(self, page: Page, passing: bool = False) -> None:
        """Shows nothing."""

    def say(self, text: str) -> None:
        """Shows nothing."""


class _Caller(Shell):
    """The program that calls a function: its arguments, and the history in which they may have been typed."""

    def __init__(self, arguments: Mapping[str, object]) -> None:
        super().__init__(running_ipython())
        self._arguments = arguments

    @property
    def variables(self) -> Mapping[str, object]:
        """The arguments of the function by name."""
        return self._arguments


def call(name: str, *words: str, timeout: float, options: Mapping[str, object], **token: object) -> Any:
    """Runs a command; returns what it found, or raises what the magic would show as an error.

    Args:
        name: the name of its magic.
        options: the options with a value; an empty one is left out.
        token: the token to save, in place of a variable that the command reads.
    """
    find_door()
    scrub_call(*options.values(), *token.values())
    seconds = validate_timeout(timeout, "timeout")
    if wrong := [option for option, value in {**options, **token}.items() if not isinstance(value, str)]:
        raise BadInput(f"{wrong[0]} must be a string.")
    shell = _Caller({ARGUMENT[1:]: one for one in token.values()})
    context = Context(frontend=_Silent(), timeout=seconds, shell=shell)
    given = (f"--{option}={value}" for option, value in options.items() if value)
    _, failure = run(find_command(name), context, [*([ARGUMENT] if token else []), *words, *given])
    if failure is not None:
        raise failure
    return context.outcome
