"""Text from outside (servers, files, exceptions) made safe and short enough to show."""

from __future__ import annotations

import re

from .tokens import Token

HIDDEN = "****"
_SECRET = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{32,}(?![0-9A-Za-z])")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_HEADER = re.compile(r"(?i)\bbearer\s+[^\s'\"]+|(?<=token=)[^\s&'\"]+")


def plain(text: object, limit: int = 120) -> str:
    """One line of printable characters.

    Args:
        text: anything; what is not a string is turned into one.
        limit: the most characters to keep.
    Returns:
        The text without control characters (terminal escapes, bidirectional marks), with blanks folded, every
        token, header value and `user:password@` in it hidden, and cut at the limit.
    """
    raw = str(text)[: limit * 20]
    line = "".join(ch if ch.isprintable() else " " for ch in raw)
    line = hide_secrets(" ".join(line.split()))
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def hide_secrets(text: str, *tokens: Token) -> str:
    """The same text with everything that looks like a credential, and the given tokens, hidden."""
    for token in tokens:
        if len(token.reveal()) >= 4:
            text = text.replace(token.reveal(), HIDDEN)
    for pattern, mask in ((_SECRET, HIDDEN), (_HEADER, HIDDEN), (_CREDENTIALS, f"{HIDDEN}@")):
        text = pattern.sub(mask, text)
    return text
