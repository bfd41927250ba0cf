"""Draws pages in a terminal, as plain text, or as a MIME bundle for notebooks. The only module that uses rich."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import FileIO, StringIO
from typing import TYPE_CHECKING, TextIO

from .document import WIDTH, Line, Page, is_web_address, some_of
from .door import on_windows
from .text_layout import lay_out, width_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_BOLD = ("strong", "done", "warning", "failed", "unknown", "crashed", "command")
STYLES = {**dict.fromkeys(_BOLD, "bold"), "link": "underline"}
"""The styles of words in a terminal, for rich. They have the terminal's own colour, because no other can be read on all
palettes: yellow on white has a contrast of 1.7, faint letters on Solarized one of 2."""

MARKS = {
    "ok": "green",
    "done": "green",
    "warning": "yellow",
    "failed": "red",
    "unknown": "magenta",
    "crashed": "magenta",
}
"""The colours of the mark at the beginning of a span, whose meaning is repeated by the words after it."""

UNKNOWN_WIDTH = 80
"""The width of a front end that does not tell its kernel how wide it is, such as a console."""

_PLAINER = str.maketrans({"✔": "+", "✘": "x", "\u2013": "-", "…": "..."})


def as_text(page: Page, width: int = WIDTH) -> str:
    """The page as plain text, without escape codes or trailing spaces."""
    return "\n".join("".join(span.text for span in row) for row in lay_out(page, width))


def bundle(page: Page) -> dict[str, str]:
    """The page as a MIME bundle."""
    from .html import as_html  # lazily: a terminal needs none

    return {"text/plain": as_text(page, UNKNOWN_WIDTH), "text/html": as_html(page)}


def write(text: str, out: TextIO | None = None) -> None:
    """Prints a text, with characters that the stream cannot encode replaced."""
    print(writable(text, encoding_of(out or sys.stdout)), file=out)


def draw(page: Page, out: TextIO | None = None) -> None:
    """Draws a page with the colours and links that the stream supports; in a pipe or a file as plain text."""
    stream = out or sys.stdout
    print("\n".join(drawn(page, stream)), file=stream)


def drawn(page: Page, stream: TextIO) -> list[str]:
    """The lines that `draw` prints; rich is imported only if they may have styles."""
    width = columns_of(stream)
    is_plain = not is_terminal(stream) and not {"FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"} & set(os.environ)
    if is_plain or not hasattr(stream, "flush"):  # None, or an object that has only `write`; rich needs more
        return [writable(row, encoding_of(stream)) for row in as_text(page, width).splitlines()]
    from rich.console import Console

    console = Console(file=stream, force_jupyter=False, highlight=False, markup=False, emoji=False)
    return _rows(console, page, width, encoding_of(stream))


def styled(page: Page) -> list[str]:
    """The lines of a page with the codes of a terminal, for a front end that understands them but has no stream."""
    from rich.console import Console

    console = Console(file=StringIO(), force_jupyter=False, force_terminal=True, color_system="standard")
    return _rows(console, page, UNKNOWN_WIDTH, "utf-8")


def _rows(console: Console, page: Page, width: int, encoding: str) -> list[str]:
    with console.capture() as captured:
        for row in lay_out(page, width):
            console.print(_text(row, encoding), soft_wrap=True)
    return captured.get().splitlines()


def _text(words: Line, encoding: str) -> Text:
    from rich.style import Style
    from rich.text import Text

    text = Text()
    for span in words:
        style = Style.parse(STYLES.get(span.style, ""))
        is_link = span.style == "link" and is_web_address(span.text)
        mark = re.match(r"[^\w\s]?", span.text)[0] if span.style in MARKS else ""  # type: ignore[index]
        text.append(writable(mark, encoding), style + Style.parse(MARKS.get(span.style, "")))
        rest = writable(span.text[len(mark) :], encoding)
        text.append(rest, style + Style(link=span.text) if is_link else style)
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
        text = f"waiting for {some_of(whom, shown)}"
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
    """Whether a stream is a terminal. The null device of Windows claims to be one, and then waits for keys."""
    with suppress(AttributeError, ValueError):
        raw = getattr(getattr(out, "buffer", None), "raw", None)
        return out is not None and out.isatty() and not (on_windows() and isinstance(raw, FileIO))
    return False


def encoding_of(out: TextIO | None) -> str:
    """The encoding of a stream; UTF-8 if it is missing or unknown to Python."""
    encoding = getattr(out, "encoding", None)
    with suppress(LookupError, TypeError):
        "".encode(encoding)  # type: ignore[arg-type]
        return str(encoding)
    return "utf-8"


def columns_of(out: TextIO | None) -> int:
    """The width of the terminal now; `COLUMNS`, which may be older than its window, only counts elsewhere; else 80."""
    said = os.environ.get("COLUMNS", "")
    with suppress(AttributeError, OSError, TypeError, ValueError):
        if columns := os.get_terminal_size(out.fileno()).columns:  # type: ignore[union-attr]
            return columns
    return int(said) if said.isdigit() and int(said) else UNKNOWN_WIDTH
