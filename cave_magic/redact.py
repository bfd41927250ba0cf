"""Finding and hiding secrets in text, and text from outside made safe and short enough to show."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import cache
from html import unescape
from typing import Any
from urllib.parse import quote, unquote

from .token import Token, TokenFormat, as_token, formats
from .ui.document import Span

MASK = "****"
"""What stands in the place of a secret, in what is shown and in histories."""
SHORTEST = 8
"""A given secret of fewer characters is not searched for: it would tear words apart, and no token is so short."""

_KEYED = re.compile(r"""(?i)(token\\*["']?\s*[:=]\s*\\*["']?)(?!<Token)[^\s&'"\\;,)}\]]+""")
_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]+@|(?<![^\s\"'(=,])[^\s\"'(=,:/@]+:[^\s\"'/@]+@")
_TYPED_CREDENTIALS = re.compile(r"[A-Za-z][\w+.-]*://[^\s\"'<>]*@|(?<![^\s\"'=])[^\s\"'=/\\@:]+:[^\s\"'/\\@]*@")
_OPTION = re.compile(r"--?[a-z-]{0,40}")
_NAME = re.compile(r"-|\$|~|\.|/|\w*://|[\"']?(?:[A-Z0-9_]+|[a-z0-9]+(?:[_-][a-z0-9]+)+|.*\.[a-z]{2,5})[\"']?$")


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
    """About so many characters of the beginning of a text, without a token that the cut goes through."""
    if len(text) <= size:
        return text
    more = 2 * max(one.lengths[1] for one in formats())  # twice: some of its characters may be escaped
    return redact(text[: size + more])[:-more]


# ---------------------------------------------------------------- hiding


def redact(text: str, *secrets: Token | str) -> str:
    """The same text with everything that looks like a credential, and the given secrets, hidden."""
    tokens, headers = _patterns(formats())
    text = tokens.sub(MASK, mask(text, *secrets))
    for pattern, hidden in ((headers, rf"\1{MASK}"), (_KEYED, rf"\1{MASK}"), (_CREDENTIALS, f"{MASK}@")):
        text = pattern.sub(hidden, text)
    return text


@cache
def _patterns(known: tuple[TokenFormat, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns for a token of any format, and for what stands before the value of a header that carries one."""
    tokens = re.compile("|".join(one.pattern for one in known) or r"(?!)")
    headers = dict.fromkeys((re.escape(one.header), re.escape(one.scheme)) for one in known)
    before = [r"\bbearer\s+", r"\bauthorization\s*:\s*basic\s+"]
    before += [rf"\b{name}[\"']?\s*:\s*[\"']?" + (rf"{scheme}\s+" if scheme else "") for name, scheme in headers]
    return tokens, re.compile(rf"(?i)({'|'.join(before)})(?:bearer\s+)*[^\s'\"]+")


def mask(text: str, *secrets: Token | str) -> str:
    """The same text with the given secrets hidden, however they are written in it, and nothing else changed."""
    values = {one.reveal() if isinstance(one, Token) else one for one in secrets}
    for form in sorted({form for value in values for form in _forms_of(value)}, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def _forms_of(value: str) -> set[str]:
    """How a secret may stand in a text: as it is, without what is around it, escaped, percent-encoded."""
    bare = {value, value.strip(), value.strip(" \t\r\n\"'")}
    forms = bare | {repr(one)[1:-1] for one in bare}
    forms |= {json.dumps(one, ensure_ascii=escape)[1:-1] for one in bare for escape in (True, False)}
    forms |= {quote(one, safe=safe, errors="replace") for one in bare for safe in ("/", "")}
    return {form for form in forms if len(form) >= SHORTEST}


def redact_token(value: Any, token: Token | None) -> Any:
    """What a server sent, parsed or not, without the token that was sent to it, however it is written there.

    Args:
        value: a text, or a JSON value; `Token` objects in it stay.
        token: the token; None if none was sent.
    """
    if token is None:
        return value
    if isinstance(value, str):
        return _without_echo(value, token)
    if isinstance(value, list):
        return [redact_token(one, token) for one in value]
    if isinstance(value, dict):
        return {redact_token(key, token): redact_token(one, token) for key, one in value.items()}
    return value


def _without_echo(text: str, token: Token) -> str:
    if len(text) < len(token.reveal()):
        return text
    text, bare = mask(text, token), _letters(token.reveal())
    return MASK if len(bare) >= SHORTEST and bare in _letters(text) else text


def _letters(text: str) -> str:
    """The letters and digits of a text, whatever stands between them and however they are written."""
    return re.sub(r"[^0-9A-Za-z]", "", unquote(unescape(text)))


# ---------------------------------------------------------------- finding


def find_secrets(line: str, options: Collection[str] | None = None) -> list[str]:
    """The words of a typed line that are tokens, parts of one, or may be a token of an unknown format.

    Also `https://user:password@`, the part of an address in which a password stands.

    Args:
        line: what was typed behind a magic.
        options: given where a token may stand on the line: the options that take a value which is not a token. A long
            word in any other place is then taken for a token.
    Returns:
        The words, longest first. Names of datastacks, files, addresses and environment variables are not among them.
    """
    found = set(_TYPED_CREDENTIALS.findall(line))
    for start, end in (spans := set(_spans(line))):
        if not any(first <= start and end <= last and (start, end) != (first, last) for first, last in spans):
            found.update(_with_tail(line[start:end]))
    before = ""
    for word in line.split():
        bare = word.lstrip("\"'")
        found.update(_glued_to_option(bare))
        if options is not None and not bare.startswith(tuple(options)) and before not in options:
            found.update(_in_place_of_token(bare))
        before = word
    return sorted(found, key=len, reverse=True)


def _spans(line: str) -> Iterator[tuple[int, int]]:
    """Where whole tokens are, with whatever stands around them, and parts of one, if they stand alone."""
    for one in formats():
        for pattern in (one.pattern, one.part_alone):
            yield from (match.span() for match in re.finditer(pattern, line))


def _with_tail(run: str) -> Iterator[str]:
    """A run of characters that holds a token, and the token at its end if other letters are glued to it."""
    yield run
    if as_token(run) is None:
        yield from (tail for one in formats() if one.read(tail := run[-one.lengths[1] :]) is not None)


def _glued_to_option(word: str) -> Iterator[str]:
    """What stands behind the name of an option without a space (`-xTOKEN`), if it is a token or a part of one.

    The name may end in letters that a token may begin with, so there can be several.
    """
    name = _OPTION.match(word)
    for size in range(2, name.end() + 1 if name else 0):
        rest = word[size:].strip("\"'=")
        if any(one.read(rest) is not None or re.fullmatch(one.part, rest) for one in formats()):
            yield rest


def _in_place_of_token(word: str) -> Iterator[str]:
    """The parts of a word that are long and have a digit, unless it is a name, a path or an address."""
    value = word.lstrip("-").partition("=")[2] or word.lstrip("-")
    if not _NAME.match(value):
        yield from (part for part in re.findall(r"[A-Za-z0-9+/_.=~-]{20,}", value) if re.search(r"\d", part))
