"""Pages as data: lines, lists of steps and tables, made of spans. Standard library only.

The terminal, the notebook and plain text all draw the same page, so they say the same. Text from outside is always a
span, never markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter

WIDTH = 88
"""The maximum width of plain text and of sentences in a terminal; only addresses and commands may be longer."""

WIDEST = 140
"""The maximum width of a table, in a terminal that is wider."""

WITHHELD = "[withheld]"
"""Replaces a private span in a text that is shared."""

KEPT = ("link", "command")
"""Styles of spans that people click or copy; they are never wrapped."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text with one style.

    Attributes:
        text: printable text; control characters, which could control a terminal, become spaces.
        style: a key of `html.STYLES`, "command" or "link"; the address of a "link" is its text.
        private: whether it is withheld when a line is shared.
    """

    text: str
    style: str = ""
    private: bool = False

    def __post_init__(self) -> None:
        if not self.text.isprintable():
            printable = "".join(ch if ch.isprintable() or ch == "\n" else " " for ch in self.text)
            object.__setattr__(self, "text", printable)

    def __str__(self) -> str:
        """The text. A private span raises TypeError, because a string cannot say that it is private."""
        if self.private:
            raise TypeError("a private span cannot become part of a string; put it into a line")
        return self.text


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, each cell a line. Screen readers use its name and the column with the row titles, `head`."""

    rows: tuple[tuple[Line, ...], ...]
    name: str = ""
    head: int = 0


@dataclass(frozen=True, slots=True)
class Steps:
    """A numbered list. Each step has one or more lines."""

    steps: tuple[tuple[Line, ...], ...]


Block = Line | Table | Steps


@dataclass(frozen=True, slots=True)
class Page:
    """The output of a magic, from top to bottom."""

    blocks: tuple[Block, ...]


def line(*parts: str | Span | Line) -> Line:
    """A line of spans. Strings become spans without style, lines are flattened, and empty spans are dropped."""
    spans: list[Span] = []
    for part in parts:
        spans += part if isinstance(part, tuple) else [Span(part) if isinstance(part, str) else part]
    return tuple(span for span in spans if span.text)


def joined(separator: str, parts: Iterable[str | Span | Line]) -> Line:
    """Joins parts with a separator, as `str.join` does."""
    first, *others = parts
    return line(first, *(line(separator, other) for other in others))


def filled(template: str, parts: Mapping[str, str | Span | Line]) -> Line:
    """A sentence with a part in place of each name in braces."""
    pieces = ((text, parts[name] if name else "") for text, name, _, _ in Formatter().parse(template))
    return line(*(part for piece in pieces for part in piece))


def some_of(names: Sequence[object], most: int) -> str:
    """The first names: `a, b and 3 more`."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(map(str, names[:most]))}{more}"


def as_sentence(words: Line) -> Line:
    """A line that begins with a capital, unless its first word is the name of a host, a file or a package."""
    text = words[0].text if words else ""
    if not text.split(" ")[0].rstrip(",:").isalpha():
        return words
    return (Span(text[:1].upper() + text[1:], words[0].style, words[0].private), *words[1:])


def plain_text(words: Line) -> str:
    """The text of a line, as the person sees it."""
    return "".join(span.text for span in words)


def shareable_text(words: Line) -> str:
    """The text of a line that may be shared: private spans are withheld."""
    return "".join(WITHHELD if span.private else span.text for span in words)


def is_web_address(text: str) -> bool:
    """Whether a text is a web address without a user name or password, and can become a link."""
    return re.fullmatch(r"https?://[^\s\"'<>@/?#]+(?:[/?#][^\s\"'<>]*)?", text) is not None
