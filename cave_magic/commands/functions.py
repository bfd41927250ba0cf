"""Runs a command for a function of `cave_magic`: shows nothing, asks nothing, and returns what the command found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def call(
    name: str, *words: str, timeout: float, options: Mapping[str, object], secrets: Iterator[object] | None = None
) -> Any:
    """Runs a command; returns what it found, or raises what the magic would show as an error.

    Args:
        name: the name of its magic.
        options: the options with a value; an empty one is left out.
        secrets: the token to save, which an iterator shows in no frame of an error.
    """
    find_door()
    shell = Shell(running_ipython(), {ARGUMENT[1:]: next(secrets)} if secrets else {})
    token = [ARGUMENT] if shell.variables else []
    scrub_call(*options.values(), *shell.variables.values())
    seconds = validate_timeout(timeout, "timeout")
    if wrong := [option for option, value in options.items() if not isinstance(value, str)]:
        raise BadInput(f"{wrong[0]} must be a string.")
    if not all(isinstance(value, str) for value in shell.variables.values()):
        raise BadInput("token must be a string.")
    context = Context(frontend=_Silent(), timeout=seconds, shell=shell)
    given = (f"--{option}={value}" for option, value in options.items() if value)
    _, failure = run(find_command(name), context, [*token, *words, *given])
    if failure is not None:
        raise failure
    return context.outcome
