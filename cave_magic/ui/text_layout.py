"""Lays out pages in columns of characters, for terminals and plain text. Standard library only.

Long text continues below its own beginning. Addresses and commands are never wrapped, because people click and copy
them. No line ends with a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from unicodedata import combining, east_asian_width

from .document import KEPT, WIDEST, WIDTH, Block, Line, Page, Span, Steps, Table, line, plain_text

GAP = 2
"""Spaces between two columns of a table."""
NARROWEST = 12
"""The least width of a second column; below it, single words stand one below the other."""
INDENT = 3
"""The width of the number before a step."""


def lay_out(page: Page, width: int) -> Iterator[Line]:
    """The lines of a page on a screen of this many columns. Only tables use more than `WIDTH` of them."""
    for block in page.blocks:
        for row in _block(block, max(min(width, WIDEST if isinstance(block, Table) else WIDTH), 20)):
            yield _cut(row, 0, len(plain_text(row).rstrip()))


def width_of(text: str) -> int:
    """The columns of a text: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(ch) else 2 if east_asian_width(ch) in "WF" else 1 for ch in text)


def _block(block: Block, width: int) -> Iterator[Line]:
    if isinstance(block, Table):
        yield from _table(block, width)
    elif isinstance(block, Steps):
        for number, step in enumerate(block.steps, 1):
            title = Span(f"{number}. ".ljust(INDENT), "strong")
            for row in (row for one in step for row in wrap(one, width - INDENT)):
                yield (title, *row)
                title = Span(" " * INDENT)
    else:
        yield from wrap(block, width)


def _table(table: Table, width: int) -> Iterator[Line]:
    """Each column is as wide as its longest cell if all fit; otherwise the widest ones share what is left.

    The second of two columns stands below a first that leaves it no room, such as a long command.
    """
    columns = max(map(len, table.rows))
    cells = [[row[at] for row in table.rows if at < len(row)] for at in range(columns)]
    widths = [max(width_of(plain_text(words)) for words in column) for column in cells]
    while sum(widths) + GAP * (columns - 1) > width and max(widths) > 8:
        widths[widths.index(max(widths))] -= 1
    for at, column in enumerate(cells[:-1]):
        widths[at] = max(width_of(plain_text(row)) for words in column for row in wrap(words, widths[at]))
    widths[-1] = max(width - sum(widths[:-1]) - GAP * (columns - 1), 8)
    if columns == 2 and widths[0] > width - GAP - NARROWEST and widths[0] > width // 2:
        for first, *rest in table.rows:
            yield from wrap(first, width)
            yield from (line(Span(" " * 4), *part) for cell in rest for part in wrap(cell, width - 4))
        return
    for row in table.rows:
        wrapped = [wrap(cell, room) for cell, room in zip(row, widths, strict=False)]
        for parts in zip_longest(*wrapped, fillvalue=()):
            padded = zip(parts, widths, strict=False)
            yield line(*((*part, Span(" " * (GAP + room - width_of(plain_text(part))))) for part, room in padded))


def wrap(words: Line, width: int) -> list[Line]:
    """Wraps a line at this many columns; only a link or a command may be longer."""
    text = plain_text(words)
    shape = "".join("\0" * len(span.text) if span.style in KEPT else span.text for span in words)  # one word each
    rows: list[Line] = []
    start = end = 0
    for word in re.finditer(r"\S+", shape):
        first, last = word.span()
        for piece in [text[first:last]] if "\0" in word[0] else _broken(word[0], width):
            last = first + len(piece)
            if start < end and ("\n" in text[end:first] or width_of(text[start:last]) > width):
                rows.append(_cut(words, start, end))
                start = end
            start, end = (start if start < end else first), last
            first = last
    return [*rows, _cut(words, start, end)]


def _broken(word: str, width: int) -> Iterator[str]:
    """A word in pieces of at most this many columns, split after a slash, else after a hyphen or the like."""
    while width_of(word) > width:
        end = next(at for at in range(len(word) + 1) if width_of(word[: at + 1]) > width) or 1
        slashes = [match.end() for match in re.finditer(r"[/\\\\](?=.)", word[:end])]
        others = [at for match in re.finditer(r"[\-_.,:)\]]", word[:end]) if (at := match.end()) > end // 2]
        end = (slashes or others or [end])[-1]
        yield word[:end]
        word = word[end:]
    if word:
        yield word


def _cut(words: Line, start: int, end: int) -> Line:
    """The part of a line between two positions in its text."""
    row, at = [], 0
    for span in words:
        row.append(Span(span.text[max(start - at, 0) : max(end - at, 0)], span.style))
        at += len(span.text)
    return line(*row)
