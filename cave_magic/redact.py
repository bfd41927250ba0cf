"""Text from outside (servers, files, exceptions) made safe and short enough to show."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from urllib.parse import quote, unquote

from .token import Token
from .ui.document import Span

MASK = "****"
SHORTEST = 4
"""A given value of fewer characters is not searched for: it would tear words apart and hide nothing."""

_BASE64 = r"(?=[A-Za-z0-9+/_-]{43}(?:=|%3D))(?=.{0,42}[a-z])(?=.{0,42}[A-Z])(?=.{0,42}\d).{43}(?:=|%3D)"  # 32 bytes
_SECRET = re.compile(rf"[0-9A-Fa-f]{{32,}}|{_BASE64}")
_HEADER = re.compile(r"(?i)(\bbearer\s+|\bauthorization\s*:\s*basic\s+)(?:bearer\s+)*[^\s'\"]+")
_KEYED = re.compile(r"""(?i)(token\\*["']?\s*[:=]\s*\\*["']?)(?!<Token)[^\s&'"\\;,)}\]]+""")
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]+@|(?<![^\s\"'(=,])[^\s\"'(=,:/@]+:[^\s\"'/@]+@")
_MASKS = ((_SECRET, MASK), (_HEADER, rf"\1{MASK}"), (_KEYED, rf"\1{MASK}"), (_CREDENTIALS, f"{MASK}@"))


class Untrusted:
    """Text from outside: what a server, a file or an exception says. Only `sanitize` makes it something to show.

    It is no `str`, so the type checker keeps it out of messages, and neither `str()`, an f-string nor `repr` shows any
    of it. It can be compared, and searched for what a pattern of ours allows.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return self._text == (other._text if isinstance(other, Untrusted) else other)

    def __hash__(self) -> int:
        return hash(self._text)

    def __contains__(self, part: str) -> bool:
        return part in self._text

    def __repr__(self) -> str:
        return "Untrusted(...)"

    def __str__(self) -> str:
        raise TypeError("text from outside has to go through sanitize()")

    def __format__(self, spec: str) -> str:
        return str(self)

    def matches(self, pattern: str | re.Pattern[str]) -> bool:
        """Whether a pattern is found anywhere in it."""
        return re.search(pattern, self._text) is not None

    def without(self, pattern: str) -> Untrusted:
        """The same without whatever a pattern finds in it."""
        return Untrusted(re.sub(pattern, "", self._text))

    def extract(self, pattern: str | re.Pattern[str]) -> str:
        """What a pattern finds in it first, or its first group; "" if nothing. The pattern says what that can be."""
        found = re.search(pattern, self._text)
        return found[1 if found.re.groups else 0] or "" if found else ""


def sanitize(text: object, limit: int = 120, *, shareable: bool = False) -> Span:
    """One line of printable characters: the only way from outside into what is shown.

    Args:
        text: anything; what is neither a string nor `Untrusted` is turned into a string.
        limit: the most characters to keep.
        shareable: whether anybody may see it; else it is private, and withheld from what the person shares.
    Returns:
        The text without control characters (terminal escapes, bidirectional marks), with blanks folded, every
        token, header value and `user:password@` in it hidden, and cut at the limit. Its `text` is for the messages of
        exceptions, which nobody shares unseen, and for names to compare and to sort.
    """
    raw = _start_of(text._text if isinstance(text, Untrusted) else str(text), limit * 20)
    line = "".join(ch if ch.isprintable() else " " for ch in raw)
    line = redact(" ".join(line.split()))
    return Span(line if len(line) <= limit else line[: limit - 1].rstrip() + "…", private=not shareable)


def _start_of(text: str, size: int) -> str:
    """The beginning of a text, without the word that the cut goes through: half a token could not be recognised."""
    if len(text) <= size:
        return text
    words = text[:size].rsplit(None, 1)
    return words[0] if len(words) == 2 else text[: size - 64] if size > 64 else ""


def redact(text: str, *tokens: Token) -> str:
    """The same text with everything that looks like a credential, and the given tokens, hidden."""
    text = _without_forms(text, *tokens)
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


def _without_forms(text: str, *tokens: Token) -> str:
    for form in sorted({form for token in tokens for form in _forms_of(token)}, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def redact_token(value: Any, token: Token | None) -> Any:
    """What a server sent, parsed or not, without the token that was sent to it, however it is written there.

    Args:
        value: a text, or a JSON value; `Token` objects in it stay.
        token: the token; None if none was sent.
    """
    if token is None:
        return value
    if isinstance(value, str):
        return _text_without(value, token)
    if isinstance(value, list):
        return [redact_token(one, token) for one in value]
    if isinstance(value, dict):
        return {redact_token(key, token): redact_token(one, token) for key, one in value.items()}
    return value


def _text_without(text: str, token: Token) -> str:
    if len(text) < len(token.reveal()):
        return text
    text = _without_forms(text, token)
    bare = _letters(token.reveal())
    return MASK if len(bare) >= 2 * SHORTEST and bare in _letters(text) else text


def _letters(text: str) -> str:
    """The letters and digits of a text, whatever stands between them and however they are written."""
    return re.sub(r"[^0-9A-Za-z]", "", unquote(unescape(text)))


def _forms_of(token: Token) -> set[str]:
    """How a token may stand in a text: as it is, without what is around it, escaped, percent-encoded."""
    value = token.reveal()
    bare = {value, value.strip(), value.strip(" \t\r\n\"'")}
    forms = bare | {repr(one)[1:-1] for one in bare} | {json.dumps(one)[1:-1] for one in bare}
    forms |= {_quoted(one, safe) for one in bare for safe in ("/", "")}
    return {form for form in forms if len(form) >= SHORTEST}


def _quoted(text: str, safe: str) -> str:
    return quote(text, safe=safe, errors="replace")
