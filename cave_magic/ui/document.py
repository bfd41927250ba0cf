"""What a magic shows, as data: lines, lists of steps and tables, made of spans. Standard library only.

The terminal, the notebook and the plain text all draw the same page, so they cannot say different things. Text from
outside is only ever a span, never markup.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH = 88
"""The most columns of plain text and of a page in a terminal; only addresses and lines to type may be longer."""

WITHHELD = "[withheld]"
"""What stands in place of a private span in a text to share."""

KEPT = ("link", "command")
"""Styles of spans that are clicked or copied, so they are never broken."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text with one style.

    Attributes:
        text: printable text; control characters, which could steer a terminal, become blanks.
        style: a key of `terminal.STYLES`; the address of a "link" is its text.
        private: whether it is withheld where a line is shared with others.
    """

    text: str
    style: str = ""
    private: bool = False

    def __post_init__(self) -> None:
        if not self.text.isprintable():
            calm = "".join(ch if ch.isprintable() or ch == "\n" else " " for ch in self.text)
            object.__setattr__(self, "text", calm)

    def __str__(self) -> str:
        """The text, for a message. A private span has to stay one: in a string nothing says that it is private."""
        if self.private:
            raise TypeError("a private span cannot become part of a string; put it into a line")
        return self.text


Line = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells.

    Attributes:
        rows: each row a tuple of cells, each cell a line.
        name: what the table is, for those who hear it read.
        head: the column that names its row.
    """

    rows: tuple[tuple[Line, ...], ...]
    name: str = ""
    head: int = 0


@dataclass(frozen=True, slots=True)
class Steps:
    """A numbered list; each step a line, and further lines below it."""

    steps: tuple[tuple[Line, ...], ...]


Block = Line | Table | Steps


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that a magic shows at once, from top to bottom."""

    blocks: tuple[Block, ...]


def line(*parts: str | Span | Line) -> Line:
    """A line of spans; a bare string has no style, a line in it is taken apart, and what is empty is left out."""
    spans: list[Span] = []
    for part in parts:
        spans += part if isinstance(part, tuple) else [Span(part) if isinstance(part, str) else part]
    return tuple(span for span in spans if span.text)


def joined(separator: str, parts: Iterable[str | Span | Line]) -> Line:
    """A line of parts with a separator between them, as `str.join` makes one of strings."""
    first, *others = parts
    return line(first, *(line(separator, other) for other in others))


def plain_text(words: Line) -> str:
    """A line as the person sees it, without its styles."""
    return "".join(span.text for span in words)


def shareable_text(words: Line) -> str:
    """A line as anybody may see it: what is private is withheld."""
    return "".join(WITHHELD if span.private else span.text for span in words)


def is_address(text: str) -> bool:
    """Whether a text is a web address, without a name or password, and nothing else: it can be made a link."""
    return re.fullmatch(r"https?://[^\s\"'<>@/?#]+(?:[/?#][^\s\"'<>]*)?", text) is not None
