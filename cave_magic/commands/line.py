"""One line behind a magic: read it, scrub a token from it, and end in one line of words where something goes wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..credentials.atomic_write import uninterrupted
from ..credentials.token_files import show_path
from ..environment.shadowed import find_shadowing_files
from ..errors import Cancelled, CaveMagicError
from ..redact import MASK, find_secrets, mask
from .arguments import MagicCommand, read
from .context import NOTHING, Context

_WITH_VALUE = ("-s", "--server", "-d", "--datastack", "--from-env", "--from-file", "--timeout", "--use")
_SAVES = ("cave_save", "cave_setup")
"""The magics that save a token, and may do something on the server before."""


# ---------------------------------------------------------------- running a line


def run(command: MagicCommand, context: Context, line: str) -> tuple[Any, CaveMagicError | None]:
    """Scrubs a typed token, reads the line, and does what it says.

    Args:
        command: one of `COMMANDS`.
        context: a new one for each line.
        line: what was typed behind the magic.
    Returns:
        What the command returned, and what went wrong; the error holds no frame, and nothing of a token.
    """
    secrets = find_secrets(line, _WITH_VALUE if command.name == "cave_save" else None)
    with uninterrupted(too_late=True):
        failed = context.shell.scrub(secrets)
    result, failure = _done(command, context, line)
    with uninterrupted(too_late=True):  # who presses Ctrl-C twice means the command
        if secrets:
            _say_what_is_left(context, secrets, failed, failure is None)
        context.frontend.finish()
    return result, None if failure is None else _bare(failure, secrets)


def _done(command: MagicCommand, context: Context, line: str) -> tuple[Any, CaveMagicError | None]:
    try:
        args = read(command, line)
        if not args.help:
            return command.run(context, args), None
        context.frontend.say(command.help.rstrip())
        return None, None
    except Cancelled as error:
        words = f"{error} {context.so_far}".lstrip()
        return None, Cancelled(words[0].lower() + words[1:])
    except CaveMagicError as error:
        return None, error
    except KeyboardInterrupt:
        return None, Cancelled(_stopped(command, context))
    except (Exception, SystemExit) as error:  # a script that is imported in the place of a package may want to exit
        done = "" if context.so_far == NOTHING else f" {context.so_far}"
        return None, CaveMagicError(_unforeseen(error) + done)


def _stopped(command: MagicCommand, context: Context) -> str:
    """What to say after an interrupt. A sign-in that is stopped may have made a token on the server."""
    if command.name in _SAVES and context.so_far == NOTHING:
        return "stopped. Nothing was saved."
    return f"stopped. {context.so_far}"


def _bare(error: CaveMagicError, secrets: Sequence[str]) -> CaveMagicError:
    """An error without the frames and errors that led to it, and without what was typed, in which a token may be."""
    error.__cause__ = error.__context__ = None
    error.args = tuple(mask(str(word), *secrets) for word in error.args)
    return error.with_traceback(None)


def _unforeseen(error: BaseException) -> str:
    """What to say of an error that nobody expected: its likely cause, where one can be seen."""
    where = _where_in_us(error)
    for one in find_shadowing_files()[:1]:
        path = show_path(Path(one.path))
        return f"{path} {one.words} ({where}). Rename it, restart the kernel, and try again."
    return f"this should not have happened ({where}). Please report it with what you typed, without the token."


def _where_in_us(error: BaseException) -> str:
    """The kind of an error and the place in this package that it passed last; never its message."""
    place, traceback = "", error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if traceback.tb_frame.f_globals.get("__name__", "").startswith("cave_magic."):
            place = f" in {os.path.basename(code.co_filename)}, line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return type(error).__name__ + place


# ---------------------------------------------------------------- a token on the line


def _say_what_is_left(context: Context, secrets: Sequence[str], failed: Sequence[str], succeeded: bool) -> None:
    """Removes a typed token from the cell, where the front end allows it, and says where it may still be."""
    shell, frontend = context.shell, context.frontend
    what = "password" if all(secret.endswith("@") for secret in secrets) else "token"
    place = "the front end's undo and a checkpoint of the notebook" if shell.has_cells else "the terminal above"
    but = f", but not from {' and '.join(failed)}" if failed else " in memory and on disk"
    frontend.say(
        f"The {what} that you typed was removed from the history{but}.\n"
        f"It may still be in {place}; clear it where it can be seen."
    )
    inputs = shell.inputs
    if succeeded and shell.has_cells and inputs and MASK in inputs[-1]:
        shell.replace_cell(_without_typed(inputs[-1]))


def _without_typed(cell: str) -> str:
    """A cell in which a token was masked, with `%cave_save` and its options in place of that line."""

    def rewritten(found: re.Match[str]) -> str:
        rest = re.sub(r"\s*\S*\*{4}\S*", "", found[2])
        return found[1] + ("" if re.search(r"[\"'{}\[\]:=(]", rest.replace("://", "")) else rest)

    return re.sub(r"(?m)^(\s*(?:\w+\s*=\s*)?%?cave_save\b)([^\n]*\*{4}[^\n]*)$", rewritten, cell)
