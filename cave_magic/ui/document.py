"""What a magic shows, as data: lines, lists of steps and tables, made of words. Standard library only.

The terminal, the notebook and the plain text all draw the same page, so they cannot say different things. Text from
outside is only ever a word, never markup.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WIDTH = 88
"""The most columns of plain text and of a page in a terminal; only addresses and lines to type may be longer."""

KEPT = ("link", "command")
"""Styles of words that are clicked or copied, so they are never broken."""


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of text with one style.

    Attributes:
        text: printable text; control characters, which could steer a terminal, become blanks.
        style: a key of `render.STYLES`; the address of a "link" is its text.
    """

    text: str
    style: str = ""

    def __post_init__(self) -> None:
        if not self.text.isprintable():
            calm = "".join(ch if ch.isprintable() or ch == "\n" else " " for ch in self.text)
            object.__setattr__(self, "text", calm)


Line = tuple[Word, ...]


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


def line(*parts: str | Word) -> Line:
    """A line of words; a bare string has no style."""
    return tuple(Word(part) if isinstance(part, str) else part for part in parts)


def is_address(text: str) -> bool:
    """Whether a text is a web address, without a name or password, and nothing else: it can be made a link."""
    return re.fullmatch(r"https?://[^\s\"'<>@/?#]+(?:[/?#][^\s\"'<>]*)?", text) is not None


def words_of(page: Page) -> tuple[Word, ...]:
    """All words of a page in reading order."""
    return tuple(word for block in page.blocks for one in _lines(block) for word in one)


def _lines(block: Block) -> tuple[Line, ...]:
    if isinstance(block, Table):
        return tuple(cell for row in block.rows for cell in row)
    if isinstance(block, Steps):
        return tuple(one for step in block.steps for one in step)
    return (block,)
