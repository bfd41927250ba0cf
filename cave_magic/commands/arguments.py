"""The arguments of a command: declared once, then used for parsing, help and tab completion."""

from __future__ import annotations

import argparse
import inspect
import re
import shlex
import textwrap
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from ..errors import BadInput
from ..ui.door import in_shell, name_here
from .context import Context
from .words import datastack_meant, is_known, read_words

Run = Callable[[Context, argparse.Namespace], Any]
Argument = tuple[tuple[str, ...], dict[str, Any]]

_COMMENT = re.compile(r"""((?:^|\s)(?:"[^"]*"|'[^']*'))|(?:^|\s)#(?:\s.*)?$""")
"""A comment. The first group skips quoted words, in which `#` is an ordinary character."""


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help without the words "usage" and "positional", with all explanations in one column."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Unlike argparse, keeps addresses whole, since notebooks turn them into links."""
        return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix="")

    def start_section(self, heading: str | None) -> None:
        super().start_section("arguments" if heading == "positional arguments" else heading)


class MagicCommand(argparse.ArgumentParser):
    """One of the four commands: the parser of its arguments, which neither prints nor exits, and what it runs.

    Args:
        run: returns what the magic returns; its name and docstring become the name and the help.
        arguments: the arguments that other commands do not have.
    """

    def __init__(self, run: Run, *arguments: Argument) -> None:
        self.name, self.run = run.__name__, run
        description = inspect.getdoc(run)
        super().__init__(f"%{self.name}", description=description, formatter_class=_HelpFormatter, add_help=False)
        self._of_notebooks: list[argparse.Action] = []
        for names, settings in (*arguments, *_COMMON):
            is_of_notebooks = settings.pop("only_in_notebooks", False)
            action = self.add_argument(*names, **settings)
            if is_of_notebooks:
                self._of_notebooks.append(action)

    @property
    def options(self) -> tuple[str, ...]:
        """Its options, such as `--server`."""
        return tuple(option for action in self._actions for option in action.option_strings)

    def format_help(self) -> str:
        """The help, for where it is shown: a shell has neither variables nor objects."""
        from ..doctor.next_steps import for_help  # lazily: a line that asks for no help sends its requests first

        hidden = {one: one.help for one in self._of_notebooks if in_shell()}
        for action in hidden:
            action.help = argparse.SUPPRESS
        text = super().format_help()
        for action, words in hidden.items():
            action.help = words
        return for_help(text)

    def error(self, message: str) -> NoReturn:
        """Raises BadInput."""
        raise BadInput(_without_values(message, name_here(self.name), self.options)) from None


def argument(*names: str, **settings: Any) -> Argument:
    """Declares an argument with the parameters of `argparse.ArgumentParser.add_argument`."""
    return names, settings


_COMMON = (
    argument("-s", "--server", metavar="URL", help="the CAVE server, such as https://global.daf-apis.com"),
    argument("-d", "--datastack", metavar="NAME", help="the datastack"),
    argument("--version", action="store_true", help="show the versions of cave-magic and of the packages it uses"),
    argument("-h", "--help", action="store_true", help="show this text"),
)
"""The options of every command."""


def command(*arguments: Argument) -> Callable[[Run], MagicCommand]:
    """Turns a function into a command."""
    return lambda run: MagicCommand(run, *arguments)


DATASTACK = argument("names", nargs="*", metavar="DATASTACK", help="the datastack, or a deployment such as microns")
"""The words of the commands that take datastacks."""


def read(command: MagicCommand, line: str | Sequence[str], server: str = "") -> argparse.Namespace:
    """Parses a line, without its comment and without the `;` that keeps IPython from showing a result.

    The words may stand before, between and after the options.

    Args:
        line: what was typed after a magic, or the words that a shell passes.
        server: the address in the settings, or "".
    Raises:
        BadInput: the line is invalid; the message quotes only its options.
    """
    args, more = command.parse_known_args(_words(line) if isinstance(line, str) else list(line))
    if flags := [word for word in more if word.startswith("-")]:
        command.error(f"unrecognized arguments: {' '.join(flags)}")
    if command.name == "cave_save":
        typed, stacks = _without_datastacks([*args.token, *more])
        args.token, args.names = typed, stacks
    else:
        args.names = [*([args.kind] if getattr(args, "kind", None) else []), *args.names, *more]
    for name, value in vars(args).items():
        if isinstance(line, str):
            setattr(args, name, [_unquoted(word) for word in value] if isinstance(value, list) else _unquoted(value))
    if not args.help:
        args.kind, args.names = read_words(command.name, args.names, command.options, args.server or server)
    return args


def _without_datastacks(words: list[str]) -> tuple[list[str], list[str]]:
    """The words of `%cave_save` in two parts: those of the token, and known datastacks.

    A pasted JSON object or call is left whole.
    """
    if any(set(word) & set('":=(') for word in words):
        return words, []
    stacks = [word for word in words if is_known(datastack_meant(word.strip(",")))]
    return [word for word in words if word not in stacks], stacks


def _words(line: str) -> list[str]:
    """The words of a line, with their quotation marks."""
    without_comment = _COMMENT.sub(lambda found: found[1] or "", line)
    lexer = shlex.shlex(without_comment.rstrip("; "), posix=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        return list(lexer)
    except ValueError:
        raise BadInput("a quotation mark is not closed.") from None


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
        return f"{name} {f'has no option {flags[0]}' if flags else 'has no such option'}. {hint}"
    if "invalid choice" in message:
        return f"{name} --use takes latest or new."
    without_value = re.sub(r":? '.*", "", message, flags=re.DOTALL)  # argparse quotes the value at the end
    return f"{name}: {without_value}."
