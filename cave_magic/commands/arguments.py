"""The arguments of a command: declared once, then used for parsing, help and tab completion."""

from __future__ import annotations

import argparse
import inspect
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ..errors import BadInput
from ..redact import find_secrets, sanitize
from .context import Context

Run = Callable[[Context, argparse.Namespace], Any]
Argument = Callable[[argparse.ArgumentParser], object]

_COMMENT = re.compile(r"""((?:^|\s)(?:"[^"]*"|'[^']*'))|(?:^|\s)#(?:\s.*)?$""")
"""A comment. The first group skips quoted words, in which `#` is an ordinary character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MagicCommand:
    """One of the four commands; `run` returns what the magic returns."""

    name: str
    run: Run
    parser: _Parser

    @property
    def help(self) -> str:
        """The usage, the docstring and the arguments."""
        return self.parser.format_help()

    @property
    def options(self) -> tuple[str, ...]:
        """Its options, such as `--server`."""
        return self.parser.options


def argument(*names: str, **settings: Any) -> Argument:
    """Declares an argument with the parameters of `argparse.ArgumentParser.add_argument`."""
    return lambda parser: parser.add_argument(*names, **settings)


_COMMON = (
    argument("-s", "--server", metavar="URL", help="the CAVE server, such as https://global.daf-apis.com"),
    argument("-d", "--datastack", metavar="NAME", help="the datastack"),
    argument("-h", "--help", action="store_true", help="show this text"),
)
"""The options of every command."""


def command(*arguments: Argument) -> Callable[[Run], MagicCommand]:
    """Turns a function into a command; its name and docstring become the name and the help."""

    def decorate(run: Run) -> MagicCommand:
        name, text = f"%{run.__name__}", inspect.getdoc(run)
        parser = _Parser(prog=name, description=text, formatter_class=_HelpFormatter, add_help=False)
        for add_to in (*arguments, *_COMMON):
            add_to(parser)
        return MagicCommand(name=run.__name__, run=run, parser=parser)

    return decorate


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help without the words "usage" and "positional"."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix="")

    def start_section(self, heading: str | None) -> None:
        super().start_section("arguments" if heading == "positional arguments" else heading)


class _Parser(argparse.ArgumentParser):
    """A parser that neither prints nor exits."""

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(option for action in self._actions for option in action.option_strings)

    def error(self, message: str) -> Any:
        raise BadInput(_without_values(message, self.prog.lstrip("%"), self.options)) from None


def read(command: MagicCommand, line: str) -> argparse.Namespace:
    """Parses a line, without its comment and without the `;` that keeps IPython from showing a result.

    Raises:
        BadInput: the line is invalid; the message quotes only its options.
    """
    lexer = shlex.shlex(_without_comment(line).rstrip("; "), posix=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        args = command.parser.parse_args(list(lexer))
    except ValueError:
        raise BadInput("a quotation mark is not closed.") from None
    for name, value in vars(args).items():
        setattr(args, name, [_unquoted(word) for word in value] if isinstance(value, list) else _unquoted(value))
    if any("," in name for name in getattr(args, "names", ())):
        words = re.sub(r"[\s,]+", " ", _without_comment(line)).strip()
        corrected = "." if find_secrets(words) else f": %{command.name} {sanitize(words, 400).text}"
        raise BadInput(f"separate names with spaces, not commas{corrected}")
    return args


def _without_comment(line: str) -> str:
    return _COMMENT.sub(lambda found: found[1] or "", line)


def _unquoted(value: Any) -> Any:
    """A word without the quotation marks around it, which the lexer keeps."""
    is_quoted = isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if is_quoted else value


def _without_values(message: str, name: str, options: tuple[str, ...]) -> str:
    """argparse's message with the choices, and without what was typed, which may be a token."""
    if "unrecognized arguments" in message:
        flags = re.findall(r"(?<!\S)(--?[a-z][a-z-]{0,24})(?=[\s=]|$)", message.partition(":")[2])
        near = get_close_matches(flags[0], options, n=1) if flags else []
        hint = f"Did you mean {near[0]}?" if near else f"Its options: {', '.join(o for o in options if o[:2] == '--')}."
        return f"{name} {f'has no option {flags[0]}' if flags else 'takes no more words'}. {hint}"
    if "invalid choice" in message and "--use" in message:
        return f"{name} --use takes latest or new."
    if "invalid choice" in message:
        return f"{name} takes new or existing."
    without_value = re.sub(r":? '.*", "", message, flags=re.DOTALL)  # argparse quotes the value at the end
    return f"{name}: {without_value}."
