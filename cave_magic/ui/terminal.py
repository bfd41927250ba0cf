"""Draws pages in a terminal, as plain text, or as a MIME bundle for notebooks. The only module that uses rich."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from .document import WIDTH, Line, Page, is_address
from .html import as_html
from .text_layout import lay_out, width_of

if TYPE_CHECKING:
    from rich.text import Text

STYLES = {
    "": "",
    "strong": "bold",
    "dim": "dim",
    "ok": "green",
    "done": "bold green",
    "warning": "yellow",
    "failed": "bold red",
    "skipped": "dim",
    "unknown": "bold magenta",
    "crashed": "bold magenta",
    "command": "bold cyan",
    "link": "underline",
}
"""The styles in a terminal, for rich."""

_PLAINER = str.maketrans({"✔": "+", "✘": "x", "\u2013": "-", "…": "..."})


def as_text(page: Page, width: int = WIDTH) -> str:
    """The page as plain text, without escape codes or trailing spaces."""
    return "\n".join("".join(span.text for span in row) for row in lay_out(page, width))


def bundle(page: Page) -> dict[str, str]:
    """The page as a MIME bundle."""
    return {"text/plain": as_text(page), "text/html": as_html(page)}


def write(text: str, out: TextIO | None = None) -> None:
    """Prints a text, with characters that the stream cannot encode replaced."""
    print(writable(text, encoding_of(out or sys.stdout)), file=out)


def draw(page: Page, out: TextIO | None = None) -> None:
    """Draws a page with the colours and links that the stream supports; in a pipe or a file as plain text."""
    from rich.console import Console

    stream = out or sys.stdout
    width = min(columns_of(stream), WIDTH)
    if not hasattr(stream, "flush"):  # None, or an object that has only `write`; rich needs more
        return write(as_text(page, width), stream)
    console = Console(file=stream, force_jupyter=False, highlight=False, markup=False, emoji=False)
    for row in lay_out(page, width):
        console.print(_text(row, encoding_of(stream)), soft_wrap=True)
    return None


def _text(words: Line, encoding: str) -> Text:
    from rich.style import Style
    from rich.text import Text

    text = Text()
    for span in words:
        style = Style.parse(STYLES[span.style])
        is_link = span.style == "link" and is_address(span.text)
        text.append(writable(span.text, encoding), style + Style(link=span.text) if is_link else style)
    return text


def writable(text: str, encoding: str) -> str:
    """The text, with characters that the encoding lacks replaced by plainer ones."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAINER).encode(encoding, "replace").decode(encoding)
    return text


def waiting_words(whom: Sequence[str], seconds: float | None = None, width: int = WIDTH) -> str:
    """The text that names the hosts and, if given, the seconds waited so far, shortened to this many columns."""
    end = " …" if seconds is None else f" … {seconds:.0f} s"
    for shown in range(min(len(whom), 3), 0, -1):
        more = f" and {len(whom) - shown} more" if len(whom) > shown else ""
        text = f"waiting for {', '.join(whom[:shown])}{more}"
        if width_of(text + end) <= width:
            return text + end
    return f"waiting for {len(whom)} servers{end}" if len(whom) > 1 else f"waiting{end}"


class TerminalProgress:
    """A line in the terminal that is updated in place and then removed. Does nothing without a terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._drawn = False
        self._able = is_terminal(self._out) and os.environ.get("TERM") != "dumb"

    def __call__(self, whom: Sequence[str], seconds: float) -> None:
        self.write(waiting_words(whom, seconds, columns_of(self._out) - 1))

    def write(self, words: str) -> None:
        """Sets the line, cut at the width of the terminal; "" removes it."""
        if self._able and (words or self._drawn):
            self._drawn = bool(words)
            self._put("\r\x1b[2K" + writable(words[: columns_of(self._out) - 1], encoding_of(self._out)))

    def stop(self) -> None:
        """Moves the cursor to the start of a line after an interrupt, which the terminal echoes as ^C."""
        if self._drawn:
            self.write("")
        elif is_terminal(self._out):
            self._put("\n")

    def _put(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


# ---------------------------------------------------------------- streams, which may be any object


def is_terminal(out: TextIO | None) -> bool:
    """Whether a stream is a terminal."""
    try:
        return out is not None and out.isatty()
    except (AttributeError, ValueError):
        return False


def encoding_of(out: TextIO | None) -> str:
    """The encoding of a stream; UTF-8 if it is missing or unknown to Python."""
    encoding = getattr(out, "encoding", None)
    try:
        "".encode(encoding)  # type: ignore[arg-type]
    except (LookupError, TypeError):
        return "utf-8"
    return str(encoding)


def columns_of(out: TextIO | None) -> int:
    """The width of the terminal: `COLUMNS`, else that of the stream, else 80."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(out.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, OSError, TypeError, ValueError):
        return 80
