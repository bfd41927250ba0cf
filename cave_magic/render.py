"""What a person sees: pages made of words, drawn with rich in a terminal and as HTML in a notebook. Nobody else imports rich.

A page is data: lines and tables of words, each word with at most one style. The terminal, the notebook and the plain
text all draw the same page, so they cannot say different things. Text from outside is only ever a word, never markup.
"""

from __future__ import annotations

import html
import io
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from .doctor import Remedy, Report, Row, Status

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

WIDTH = 88
"""Columns of plain text, and the most that are used in a terminal."""

# style -> (rich style for terminals, CSS for notebooks). The colours keep a contrast of 4 or more on white and on #111.
STYLES = {
    "": ("", ""),
    "strong": ("bold", "font-weight:600"),
    "dim": ("dim", "opacity:.75"),
    "ok": ("green", "color:#16864b"),
    "warning": ("yellow", "color:#a36a00"),
    "failed": ("bold red", "color:#d93f4b;font-weight:600"),
    "skipped": ("dim", "opacity:.75"),
    "unknown": ("bold magenta", "color:#9a5fd0;font-weight:600"),
    "crashed": ("bold magenta", "color:#9a5fd0;font-weight:600"),
    "command": ("bold cyan", ""),
    "link": ("underline", ""),
}
MARKS = {
    Status.OK: "✔",
    Status.WARNING: "!",
    Status.FAILED: "✘",
    Status.SKIPPED: "–",
    Status.UNKNOWN: "?",
    Status.CRASHED: "✘",
}
_FONT = "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:var(--jp-ui-font-size1,13px)"
_CODE = "font-family:var(--jp-code-font-family,ui-monospace,Menlo,monospace);white-space:pre-wrap;background:none;padding:0"


@dataclass(frozen=True, slots=True)
class Word:
    """A piece of text with one style; a link's address is its text."""

    text: str
    style: str = ""


Line = tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, each cell a line of words."""

    rows: tuple[tuple[Line, ...], ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that one magic shows at once: lines and tables from top to bottom."""

    blocks: tuple[Line | Table, ...]

    def __str__(self) -> str:
        return as_text(self)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": as_text(self), "text/html": as_html(self)}


def line(*parts: str | Word) -> Line:
    """A line of words; a bare string has no style."""
    return tuple(Word(part) if isinstance(part, str) else part for part in parts)


# ---------------------------------------------------------------- drawing

def as_text(page: Page) -> str:
    """The page as plain text: no escape codes, at most 88 columns except for addresses."""
    out = io.StringIO()
    draw(page, out, plain=True)
    return out.getvalue().rstrip("\n")


def draw(page: Page, out: TextIO | None = None, *, plain: bool = False) -> None:
    """Draws a page in a terminal, or as plain text into a stream."""
    console = _console(out, plain)
    for block in page.blocks:
        if isinstance(block, Table):
            console.print(_grid(block, console))
        elif any(word.style in ("link", "command") for word in block):
            console.print(_text(block), soft_wrap=True)  # never broken by us: it is to be clicked or copied
        else:
            console.print(_text(block))


def _console(out: TextIO | None, plain: bool) -> Console:
    from rich.console import Console

    if plain:
        return Console(
            file=out, width=WIDTH, force_jupyter=False, force_terminal=False, color_system=None, highlight=False,
            markup=False, emoji=False, legacy_windows=False,
        )
    console = Console(file=out or sys.stdout, force_jupyter=False, highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDTH + 12)
    return console


def _text(words: Line) -> Text:
    from rich.text import Text

    text = Text()
    for word in words:
        style = STYLES[word.style][0]
        text.append(word.text, f"{style} link {word.text}" if word.style == "link" else style)
    return text


def _grid(table: Table, console: Console) -> RenderableType:
    from rich.table import Table as Grid

    grid = Grid.grid(padding=(0, 2, 0, 0))
    columns = max(len(row) for row in table.rows)
    for index in range(columns):
        grid.add_column(no_wrap=index < columns - 1 and console.width >= 60, overflow="fold")
    for row in table.rows:
        grid.add_row(*(_text(cell) for cell in row))
    return grid


def as_html(page: Page) -> str:
    """The page as HTML that follows the notebook's theme, wraps at any width and still reads well without styles."""
    blocks = "".join(_html_table(one) if isinstance(one, Table) else _html_line(one) for one in page.blocks)
    return f'<div class="cave-magic" style="{_FONT};line-height:1.5;max-width:62em">{blocks}</div>'


def _html_line(words: Line) -> str:
    return f'<p style="margin:.25em 0">{_html_words(words)}</p>'


def _html_table(table: Table) -> str:
    cell = "text-align:left;vertical-align:top;padding:.05em 1.2em .05em 0;border:none;max-width:none"
    rows = "".join(
        '<tr style="background:none">'
        + "".join(
            f'<td style="{cell}{";white-space:nowrap" if index < len(row) - 1 else ""}">{_html_words(words)}</td>'
            for index, words in enumerate(row)
        )
        + "</tr>"
        for row in table.rows
    )
    style = "border-collapse:collapse;border:none;margin:.25em 0;font-size:inherit"
    return f'<table style="{style}">{rows}</table>'


def _html_words(words: Line) -> str:
    return "".join(_html_word(word) for word in words)


def _html_word(word: Word) -> str:
    text = html.escape(word.text)
    if word.style == "link" and re.match(r"https?://", word.text):
        return f'<a href="{text}" target="_blank" rel="noopener noreferrer" style="overflow-wrap:anywhere">{text}</a>'
    if word.style == "command":
        return f'<code style="{_CODE}">{text}</code>'
    css = STYLES[word.style][1]
    if word.style in ("strong", "failed"):
        return f'<b style="{css}">{text}</b>'
    return f'<span style="{css}">{text}</span>' if css else text


# ---------------------------------------------------------------- pages

def remedy_words(remedy: Remedy) -> Line:
    """The sentence of a remedy with its commands and its link set off."""
    parts = sorted({*remedy.commands, *((remedy.url,) if remedy.url else ())}, key=len, reverse=True)
    if not parts:
        return line(remedy.text)
    pieces = re.split("(" + "|".join(re.escape(part) for part in parts) + ")", remedy.text)
    kinds = dict.fromkeys(remedy.commands, "command") | ({remedy.url: "link"} if remedy.url else {})
    return tuple(Word(piece, kinds.get(piece, "")) for piece in pieces if piece)


def report_page(report: Report, verbose: bool = False) -> Page:
    """The report of `%cave_check`.

    Args:
        report: what was found.
        verbose: every row, also the quiet good ones and each that was skipped.
    """
    host = report.server.partition("://")[2]
    blocks: list[Line | Table] = []
    if report.begins:
        blocks.append(line(Word("The last error: ", "strong"), report.begins))
    blocks.append(line(Word(f"CAVE check: {', '.join(report.datastacks)} on {host}", "strong")))
    shown = [row for row in report.rows if verbose or _is_shown(row)]
    if shown:
        blocks.append(Table(tuple(_row(row) for row in shown)))
    if not verbose and (skipped := _skipped(report.rows)):
        blocks.append(skipped)
    blocks += [advice for row in shown if row.status is Status.WARNING and (advice := _advice(row))]
    blocks.append(_ending(report))
    return Page(tuple(blocks))


def _is_shown(row: Row) -> bool:
    return row.status is not Status.SKIPPED and not (row.quiet and row.status is Status.OK)


def _row(row: Row) -> tuple[Line, ...]:
    mark = line(Word(f"{MARKS[row.status]} {row.status.value}", row.status.value))
    return mark, line(Word(row.title, "strong" if row.status is Status.FAILED else "")), line(row.evidence)


def _skipped(rows: Iterable[Row]) -> Line | None:
    waiting: dict[str, list[str]] = {}
    for row in rows:
        if row.status is Status.SKIPPED and not row.quiet:
            waiting.setdefault(row.evidence.removeprefix("needs: "), []).append(row.title)
    if not waiting:
        return None
    parts = [f"{', '.join(titles)} (needs: {need})" for need, titles in waiting.items()]
    return line(Word(f"{MARKS[Status.SKIPPED]} skipped  {'; '.join(parts)}", "skipped"))


def _advice(row: Row) -> Line | None:
    if row.remedy is None:
        return None
    return (Word(f"{row.title}: ", "dim"), *remedy_words(row.remedy))


def _ending(report: Report) -> Line:
    if report.next is not None:
        return (Word("Next: ", "strong"), *remedy_words(report.next))
    if not report.ok:
        return line(Word("Something could not be told; try again later.", "strong"))
    return line(Word("All well. ", "ok"), "Go on with: ", Word(go_on(report.datastacks[0]), "command"))


def go_on(datastack: str) -> str:
    """The line with which work begins."""
    return f'from caveclient import CAVEclient; client = CAVEclient("{datastack}")'


# ---------------------------------------------------------------- progress

def waiting_words(whom: Sequence[str], seconds: float) -> str:
    """For whom a magic waits, and how long it has."""
    names = ", ".join(whom[:3]) + (f" and {len(whom) - 3} more" if len(whom) > 3 else "")
    return f"waiting for {names} … {seconds:.0f} s"


class TerminalProgress:
    """A line in the terminal that is updated in place and gone afterwards; nothing where there is no terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._drawn = False
        self._able = self._out.isatty() and os.environ.get("TERM") != "dumb"

    def __call__(self, whom: list[str], seconds: float) -> None:
        if self._able:
            self._drawn = True
            self._out.write("\r\x1b[2K" + waiting_words(whom, seconds)[:78])
            self._out.flush()

    def clear(self) -> None:
        """Takes the line away."""
        if self._drawn:
            self._out.write("\r\x1b[2K")
            self._out.flush()
            self._drawn = False


