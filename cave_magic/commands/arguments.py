"""The arguments of a command: declared once, then used for parsing, help and tab completion."""

from __future__ import annotations

import argparse
import inspect
import re
import shlex
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from ..credentials.datastack_map import read_map
from ..deployments import DEPLOYMENTS, KNOWN_DATASTACKS, datastack_called
from ..errors import BadInput
from ..ui.door import in_shell, name_here
from . import KINDS
from .context import Context

if TYPE_CHECKING:
    from ..doctor.model import Command

Run = Callable[[Context, argparse.Namespace], Any]
Argument = tuple[tuple[str, ...], dict[str, Any]]
Examples = tuple[str, tuple[str, ...], dict[str, str]]

_COMMENT = re.compile(r"""((?:^|\s)(?:"[^"]*"|'[^']*'))|(?:^|\s)#(?:\s.*)?$""")
"""A comment. The first group skips quoted words, in which `#` is an ordinary character."""

_KINDS = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"

SEVERAL = ("cave_check",)
"""The magics that take several datastacks; the others are about one."""


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help without the word "usage"."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Unlike argparse, keeps addresses whole, since notebooks turn them into links."""
        return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wraps the sentences, and keeps the examples, which are indented, as they are."""
        rows = text.splitlines()
        return "\n".join(row if row[:1] == " " else "\n".join(self._split_lines(row, width)) for row in rows) + "\n"

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix="")


class MagicCommand(argparse.ArgumentParser):
    """One of the four commands: the parser of its arguments, which neither prints nor exits, and what it runs.

    Args:
        run: returns what the magic returns; its name and docstring become the name and the help.
        arguments: the arguments that other commands do not have.
        examples: the examples in the help, in groups.
    """

    def __init__(self, run: Run, arguments: Sequence[Argument], examples: Sequence[Examples]) -> None:
        self.name, self.run, self._examples = run.__name__, run, examples
        one_column = partial(_HelpFormatter, max_help_position=30)
        super().__init__(self.name, description=inspect.getdoc(run), formatter_class=one_column, add_help=False)
        self._positionals.title = "arguments"
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

    def examples(self) -> Iterator[tuple[str, tuple[Command, ...]]]:
        """The headings of the examples, each with its lines to type; a shell has neither variables nor objects."""
        from ..doctor.next_steps import magic, with_result  # lazily: other lines send their requests first

        for heading, lines, results in self._examples:
            shown = () if in_shell() else (with_result(name, magic(self.name, line)) for name, line in results.items())
            yield heading, (*(magic(self.name, line) for line in lines), *shown)

    def format_help(self) -> str:
        """The help, for where it is shown."""
        from ..doctor.next_steps import magic

        hidden = {one: one.help for one in self._of_notebooks if in_shell()}
        for action in hidden:
            action.help = argparse.SUPPRESS
        self.prog, summary = magic(self.name).text, self.description
        parts = (
            "\n".join((f"{heading}\n", *(f"    {one.text}" for one in lines))) for heading, lines in self.examples()
        )
        self.description = "\n\n".join((summary or "", *parts))
        text = super().format_help()
        self.description = summary
        for action, words in hidden.items():
            action.help = words
        return text

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


def examples(heading: str, *lines: str, **results: str) -> Examples:
    """Declares examples: a heading, and what is typed after the name of the command, if need be into a variable."""
    return heading, lines, results


def command(*arguments: Argument, examples: Sequence[Examples]) -> Callable[[Run], MagicCommand]:
    """Turns a function into a command."""
    return lambda run: MagicCommand(run, arguments, examples)


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
        bare = {one.lstrip("-"): one for one in options}  # the hyphens would make any two of them alike
        near = get_close_matches(flags[0].lstrip("-"), bare, n=1) if flags else []
        spelled_out = ", ".join(one for one in options if one.startswith("--"))
        hint = f"Did you mean {bare[near[0]]}?" if near else f"Its options: {spelled_out}."
        return f"{name} {f'has no option {flags[0]}' if flags else 'has no such option'}. {hint}"
    if "invalid choice" in message:
        return f"{name} --use takes latest or new."
    without_value = re.sub(r":? '.*", "", message, flags=re.DOTALL)  # argparse quotes the value at the end
    return f"{name}: {without_value}."


# ---------------------------------------------------------------- the words that are not options


def read_words(magic: str, words: Iterable[str], options: Sequence[str], server: str) -> tuple[str | None, list[str]]:
    """The kind of set-up, or None, and the datastacks.

    A datastack that the server may know and this computer does not is accepted where it cannot be another word.

    Args:
        words: as they were typed; a comma separates words, too.
        server: the address that the line or the settings name, or "".
    Raises:
        BadInput: a word is misspelled, or there is one too many. The message quotes known words only, never what was
            typed.
    """
    parts = [part for word in words for part in word.split(",") if part]
    kinds = [part for part in parts if magic == "cave_setup" and part in KINDS]
    names = [part for part in parts if part not in kinds]
    if len(kinds) > 1:
        raise BadInput(f"give one of {_KINDS}.")
    meant = [datastack_meant(name, server) for name in names]
    for at, name in enumerate(meant):
        if not is_known(name):
            others = [*kinds, *filter(is_known, meant[:at] + meant[at + 1 :])]
            _refuse_misspelled(magic, name, others, options, server)
    if magic not in SEVERAL and len(set(meant)) > 1:
        raise BadInput(f"{name_here(magic)} takes one datastack at a time.")
    return (kinds[0] if kinds else None), list(dict.fromkeys(meant))


def datastack_meant(word: str, server: str = "") -> str:
    """The datastack that a word means: `microns` is minnie65_public, unless there is a datastack with that name."""
    return word if is_known(word) else datastack_called(word, server) or word


def is_known(name: str) -> bool:
    """Whether this computer knows a datastack with this name."""
    return name in KNOWN_DATASTACKS or name in read_map().entries


def _refuse_misspelled(magic: str, word: str, others: list[str], options: Sequence[str], server: str) -> None:
    """Raises BadInput if a word is a misspelled word of the magic, or if the magic cannot use it."""
    is_kind = magic == "cave_setup" and not set(KINDS) & set(others)
    near = get_close_matches(word, KINDS, n=1, cutoff=0.6) if is_kind else []
    near = near or [option for option in options if option == f"--{word.lower()}"]
    if not near and not server and magic not in SEVERAL:  # a check asks the server, and prints any name as a word
        names = (*KNOWN_DATASTACKS, *(part.lower() for one in DEPLOYMENTS for part in one.names))
        similar = get_close_matches(word.lower(), names, n=3, cutoff=0.8)
        letters = re.sub(r"\d", "", word.lower())  # minnie65_phase3_v2 is not a misspelled v1
        near = [name for name in similar if re.sub(r"\d", "", name) != letters][:1]
    if near:
        from ..doctor import next_steps  # lazily: the requests of a right line are sent first

        line = next_steps.magic(magic, *(near + others if near[0] in KINDS else others + near))
        raise BadInput(f"{name_here(magic)} does not know one of these words. Did you mean {near[0]}? ", line)
    if not server and (is_kind or magic == "cave_whoami"):
        takes = f"{_KINDS}, and" if is_kind else "only"
        raise BadInput(
            f"{name_here(magic)} takes {takes} the name of a datastack that is known here. "
            "For any other datastack, name its server with --server."
        )
