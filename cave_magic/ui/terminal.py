"""Pages drawn in a terminal, as plain text, or as the bundle that a notebook picks from. No other module uses rich."""

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
"""The styles of words in a terminal, for rich."""

_PLAINER = str.maketrans({"✔": "+", "✘": "x", "\u2013": "-", "…": "..."})


def as_text(page: Page, width: int = WIDTH) -> str:
    """The page as plain text: no escape codes, no blanks at an end, at most so many columns except for addresses."""
    return "\n".join("".join(span.text for span in row) for row in lay_out(page, width))


def bundle(page: Page) -> dict[str, str]:
    """The page in every form that a notebook may show."""
    return {"text/plain": as_text(page), "text/html": as_html(page)}


def write(text: str, out: TextIO | None = None) -> None:
    """Prints a text; characters that the stream cannot encode are replaced."""
    stream = out or sys.stdout
    print(writable(text, encoding_of(stream)), file=stream)


def draw(page: Page, out: TextIO | None = None) -> None:
    """Draws a page in a terminal, with the colours and links that it takes; in a pipe or a file as plain text."""
    from rich.console import Console

    stream = out or sys.stdout
    width = min(columns_of(stream), WIDTH)
    if not hasattr(stream, "flush"):  # no stream at all, or one that has only `write`: rich needs more
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
    """The text, with what the stream cannot write replaced by something plainer."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAINER).encode(encoding, "replace").decode(encoding)
    return text


# ---------------------------------------------------------------- progress


def waiting_words(whom: Sequence[str], seconds: float | None = None, width: int = WIDTH) -> str:
    """For whom a magic waits, and how long it has if that is given, in so many columns."""
    end = " …" if seconds is None else f" … {seconds:.0f} s"
    for shown in range(min(len(whom), 3), 0, -1):
        more = f" and {len(whom) - shown} more" if len(whom) > shown else ""
        text = f"waiting for {', '.join(whom[:shown])}{more}"
        if width_of(text + end) <= width:
            return text + end
    return f"waiting for {len(whom)} servers{end}" if len(whom) > 1 else f"waiting{end}"


class TerminalProgress:
    """A line in the terminal that is updated in place and gone afterwards; nothing where there is no terminal."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._drawn = False
        self._able = is_terminal(self._out) and os.environ.get("TERM") != "dumb"

    def __call__(self, whom: Sequence[str], seconds: float) -> None:
        self.write(waiting_words(whom, seconds, columns_of(self._out) - 1))

    def write(self, words: str) -> None:
        """Puts words on the line, as many as it holds."""
        if self._able:
            self._drawn = True
            words = words[: columns_of(self._out) - 1]
            self._out.write("\r\x1b[2K" + writable(words, encoding_of(self._out)))
            self._out.flush()

    def clear(self) -> None:
        """Takes the line away."""
        if self._drawn:
            self._out.write("\r\x1b[2K")
            self._out.flush()
            self._drawn = False

    def stop(self) -> None:
        """Leaves the cursor at the beginning of a line after an interrupt, which the terminal echoes as ^C."""
        if self._drawn:
            self.clear()
        elif is_terminal(self._out):
            self._out.write("\n")
            self._out.flush()


# ---------------------------------------------------------------- streams, which may be anything


def is_terminal(out: TextIO | None) -> bool:
    """Whether somebody sees at once what is written."""
    try:
        return out is not None and out.isatty()
    except (AttributeError, ValueError):
        return False


def encoding_of(out: TextIO | None) -> str:
    """How a stream writes characters; UTF-8 where it does not say, or names what Python does not know."""
    encoding = getattr(out, "encoding", None)
    try:
        "".encode(encoding)  # type: ignore[arg-type]
    except (LookupError, TypeError):
        return "utf-8"
    return str(encoding)


def columns_of(out: TextIO | None) -> int:
    """The columns of the terminal behind a stream, or what `COLUMNS` says, or 80."""
    said = os.environ.get("COLUMNS", "")
    if said.isdigit() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(out.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, OSError, TypeError, ValueError):
        return 80
