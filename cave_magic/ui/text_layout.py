"""Lays out pages in columns of characters, for terminals and plain text. Standard library only.

Long text continues below its own beginning. Addresses and commands are never wrapped, because people click and copy
them. No line ends with a space.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from unicodedata import combining, east_asian_width

from .document import KEPT, Block, Line, Page, Span, Steps, Table

GAP = 2
"""Spaces between two columns of a table."""

INDENT = 3
"""The width of the number before a step."""


def lay_out(page: Page, width: int) -> Iterator[Line]:
    """The lines of a page on a screen of this many columns."""
    for block in page.blocks:
        for row in _block(block, max(width, 20)):
            while row and not row[-1].text.strip():
                row = row[:-1]
            yield (*row[:-1], Span(row[-1].text.rstrip(), row[-1].style)) if row else row


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
            yield from _step(step, f"{number}. ".ljust(INDENT), width)
    else:
        yield from wrap(block, width)


def _step(step: tuple[Line, ...], number: str, width: int) -> Iterator[Line]:
    rows = [row for one in step for row in wrap(one, width - INDENT)]
    for place, row in enumerate(rows):
        yield (Span(" " * INDENT) if place else Span(number, "strong"), *row)


# ---------------------------------------------------------------- tables


def _table(table: Table, width: int) -> Iterator[Line]:
    widths = _widths(table, width)
    for row in table.rows:
        cells = [wrap(cell, room) for cell, room in zip(row, widths, strict=False)]
        for parts in zip_longest(*cells, fillvalue=()):
            yield _side_by_side(parts, widths)


def _widths(table: Table, width: int) -> list[int]:
    """The width of each column, as narrow as possible; the last one gets at least half of the screen."""
    columns = max(len(row) for row in table.rows)
    widths: list[int] = []
    for at in range(columns - 1):
        cells = [row[at] for row in table.rows if at < len(row)]
        room = max(width // 2 - sum(widths) - GAP * (columns - 1), 8)
        widths.append(max(_width(one) for cell in cells for one in wrap(cell, room)))
    return [*widths, max(width - sum(widths) - GAP * (columns - 1), 8)]


def _side_by_side(cells: tuple[Line, ...], widths: list[int]) -> Line:
    row: list[Span] = []
    for cell, width in zip(cells, widths, strict=False):
        row += [*cell, Span(" " * (max(width - _width(cell), 0) + GAP))]
    return tuple(row)


# ---------------------------------------------------------------- wrapping


def wrap(words: Line, width: int) -> list[Line]:
    """Wraps a line at this many columns; only a link or a command may be longer."""
    rows: list[list[Span]] = [[]]
    used = 0
    for blank, unit in _units(words):
        for piece in _pieces(unit, width):
            if rows[-1] and ("\n" in blank or used + len(blank) + _width(piece) > width):
                rows.append([])
            blank = blank if rows[-1] else ""
            used = (used if rows[-1] else 0) + len(blank) + _width(piece)
            rows[-1] += [_blank(blank, rows[-1][-1], piece[0]), *piece] if blank else piece
            blank = ""
    return [_joined(row) for row in rows]


def _blank(text: str, before: Span, after: Span) -> Span:
    """The space between two words, in their style if they have the same."""
    return Span(text, before.style if before.style == after.style and before.style not in KEPT else "")


def _units(words: Line) -> Iterator[tuple[str, Line]]:
    """The parts of a line that stay together, each with the space before it."""
    blank, unit = "", []
    for span in words:
        for piece in [span.text] if span.style in KEPT else re.findall(r"\s+|\S+", span.text):
            if not piece.isspace():
                unit.append(Span(piece, span.style))
                continue
            if unit:
                yield blank, tuple(unit)
                blank, unit = "", []
            blank += piece
    if unit:
        yield blank, tuple(unit)


def _pieces(unit: Line, width: int) -> Iterator[Line]:
    """The unit, split if it is too long and may be split."""
    if _width(unit) <= width or any(span.style in KEPT for span in unit):
        yield unit
        return
    for span in unit:
        for text in _broken(span.text, width):
            yield (Span(text, span.style),)


def _broken(text: str, width: int) -> Iterator[str]:
    """A long word in pieces, split after a slash, a hyphen or the like if possible."""
    while width_of(text) > width:
        end = next(at for at in range(len(text) + 1) if width_of(text[: at + 1]) > width) or 1
        found = [match.end() for match in re.finditer(r"[/\-_.,:)\]]", text[:end])]
        end = found[-1] if found and found[-1] > end // 2 else end
        yield text[:end]
        text = text[end:]
    if text:
        yield text


def _joined(row: list[Span]) -> Line:
    """Merges neighbours of the same style."""
    joined: list[Span] = []
    for span in row:
        if joined and joined[-1].style == span.style and span.style not in KEPT:
            joined[-1] = Span(joined[-1].text + span.text, span.style)
        else:
            joined.append(span)
    return tuple(joined)


def _width(words: Line) -> int:
    return sum(width_of(span.text) for span in words)
