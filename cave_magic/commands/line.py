"""One line behind a magic: read it, wipe a token from it, and end in one line of words where something goes wrong."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, parse_argstring

from ..credentials import scrub
from ..credentials.atomic_write import uninterrupted
from ..credentials.token_files import show_path
from ..environment.shadowed import find_shadowing_files
from ..errors import BadInput, Cancelled, CaveMagicError
from ..redact import sanitize
from ..token import typed_secrets
from .context import NOTHING, Context

Command = Callable[[Context, argparse.Namespace], Any]
F = TypeVar("F", bound=Callable[..., Any])

_COMMENT = re.compile(r"""((?:^|\s)(?:"[^"]*"|'[^']*'))|(?:^|\s)#(?:\s.*)?$""")
"""A comment; before one come quoted words, in which `#` is a letter."""
_WITH_VALUE = ("-s", "--server", "-d", "--datastack", "--from-env", "--from-file", "--timeout", "--use")
_SAVES = ("cave_save", "cave_setup")
"""The magics that save a token, and may do something on the server before."""


def where(function: F) -> F:
    """The options that mean the same in every magic."""
    function = argument("-h", "--help", action="store_true", help="show this text")(function)
    function = argument("-d", "--datastack", metavar="NAME", help="the datastack that is meant")(function)
    return argument("-s", "--server", metavar="URL", help="the CAVE server, such as https://global.daf-apis.com")(
        function
    )


# ---------------------------------------------------------------- running a line


def run(command: Command, context: Context, line: str) -> tuple[Any, CaveMagicError | None]:
    """Wipes a typed token, reads the line, and does what it says.

    Args:
        command: made with `magic_arguments`.
        context: the person and the settings.
        line: what was typed behind the magic.
    Returns:
        What the command returned, and what went wrong; the error holds no frame, and nothing of a token.
    """
    secrets = _secrets_in(line, command)
    with uninterrupted(too_late=True):
        stuck = scrub.wipe(context.shell, secrets)
    result, failure = _done(command, context, line)
    with uninterrupted(too_late=True):  # who presses Ctrl-C twice means the command
        if secrets:
            _say_what_is_left(context, secrets, stuck, failure is None)
        context.front.finish()
    return result, None if failure is None else _bare(failure, secrets)


def _done(command: Command, context: Context, line: str) -> tuple[Any, CaveMagicError | None]:
    context.so_far = NOTHING
    try:
        args = read(command, line)
        return (print(help_of(command), end="") if args.help else command(context, args)), None
    except CaveMagicError as error:
        return None, error
    except KeyboardInterrupt:
        return None, Cancelled(_stopped(command, context))
    except (Exception, SystemExit) as error:  # a script that is imported in the place of a package may want to exit
        done = "" if context.so_far == NOTHING else f" {context.so_far}"
        return None, CaveMagicError(_unforeseen(error) + done)


def _stopped(command: Command, context: Context) -> str:
    """What to say after an interrupt. A sign-in that is stopped may have made a token on the server."""
    if command.__name__ in _SAVES and context.so_far == NOTHING:
        return "stopped. Nothing was saved."
    return f"stopped. {context.so_far}"


def _bare(error: CaveMagicError, secrets: Sequence[str]) -> CaveMagicError:
    """An error without the frames and errors that led to it, and without what was typed, in which a token may be."""
    error.__cause__ = error.__context__ = None
    error.args = tuple(scrub.mask(str(word), secrets) for word in error.args)
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


def _secrets_in(line: str, command: Command) -> list[str]:
    """The words of a line that are or, where one belongs on the line, may be tokens; longest first."""
    return typed_secrets(line, _WITH_VALUE if command.__name__ == "cave_save" else None)


def _say_what_is_left(context: Context, secrets: Sequence[str], stuck: Sequence[str], succeeded: bool) -> None:
    """Takes a typed token out of the cell, where the front end allows it, and says where it still may be."""
    shell, front = context.shell, context.front
    what = "password" if all(secret.endswith("@") for secret in secrets) else "token"
    place = "the front end's undo and a checkpoint of the notebook" if front.kernel else "the terminal above"
    but = f", but not out of {' and '.join(stuck)}" if stuck else " in memory and on disk"
    front.say(
        f"The {what} that you typed was taken out of the history{but}.\n"
        f"It may still be in {place}; clear it where it can be seen."
    )
    inputs = shell.history_manager.input_hist_raw if shell.history_manager else []
    if succeeded and front.kernel and inputs and scrub.MASK in inputs[-1]:
        shell.set_next_input(_without_typed(inputs[-1]), replace=True)


def _without_typed(cell: str) -> str:
    """A cell in which a token was masked, with `%cave_save` and its options in place of that line."""

    def rewritten(found: re.Match[str]) -> str:
        rest = re.sub(r"\s*\S*\*{4}\S*", "", found[2])
        return found[1] + ("" if re.search(r"[\"'{}\[\]:=(]", rest.replace("://", "")) else rest)

    return re.sub(r"(?m)^(\s*(?:\w+\s*=\s*)?%?cave_save\b)([^\n]*\*{4}[^\n]*)$", rewritten, cell)


# ---------------------------------------------------------------- reading a line


def read(command: Command, line: str) -> argparse.Namespace:
    """What a line says, without a comment and without `;`, by which people keep IPython from showing a result.

    Raises:
        BadInput: it is none that the command takes; the message quotes nothing of it but options.
    """
    try:
        args: argparse.Namespace = parse_argstring(command, _without_comment(line).rstrip("; "))
    except UsageError as error:
        raise BadInput(_without_values(str(error), command)) from None
    except ValueError:
        raise BadInput("a quote is not closed.") from None
    for name, value in vars(args).items():
        setattr(args, name, [_unquoted(one) for one in value] if isinstance(value, list) else _unquoted(value))
    if any("," in name for name in getattr(args, "names", ())):
        raise BadInput(f"separate names with spaces, not commas{_without_commas(command, line)}")
    return args


def _without_comment(line: str) -> str:
    return _COMMENT.sub(lambda found: found[1] or "", line)


def _without_commas(command: Command, line: str) -> str:
    """The line that was meant, unless a token stands in it."""
    words = re.sub(r"[\s,]+", " ", _without_comment(line)).strip()
    return "." if typed_secrets(words) else f": %{command.__name__} {sanitize(words, 400).text}"


def _unquoted(value: Any) -> Any:
    """A word without the quotes around it, which IPython leaves there."""
    is_quoted = isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if is_quoted else value


def help_of(command: Any) -> str:
    """How to use a command, as it stands on a screen: without the marks that `magic_arguments` writes for Sphinx."""
    usage, _, rest = str(command.__doc__).removeprefix("::\n\n  ").rstrip().partition("\n\n")
    usage = usage.replace("\n      ", "\n")  # the lines below stood behind those marks
    rest = re.sub(r"(?m)::$", ":", rest).replace("positional arguments:", "arguments:")
    rest = re.sub(r"<({[^}>]*})>", r"\1", rest)
    return f"{usage}\n\n{rest}\n"


def options_of(command: Any) -> tuple[str, ...]:
    """The options of a command, such as `--server`."""
    return tuple(option for action in command.parser._actions for option in action.option_strings)


def _without_values(message: str, command: Any) -> str:
    """argparse's complaint without what was typed, which may be a token, and with the choices."""
    name, options = command.__name__, options_of(command)
    if "unrecognized arguments" in message:
        flags = re.findall(r"(?<!\S)(--?[a-z][a-z-]{0,24})(?=[\s=]|$)", message.partition(":")[2])
        near = get_close_matches(flags[0], options, n=1) if flags else []
        hint = f"Did you mean {near[0]}?" if near else f"Its options: {', '.join(o for o in options if o[:2] == '--')}."
        return f"{name} has no {'option ' + flags[0] if flags else 'place for another word'}. {hint}"
    if "invalid choice" in message and "--use" in message:
        return f"{name} --use takes latest or new."
    if "invalid choice" in message:
        return f"{name} takes new or existing."
    return f"{name}: {message.partition(': ' + chr(39))[0]}."
