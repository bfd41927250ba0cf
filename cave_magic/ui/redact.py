"""Redacting, masking and finding secrets in text, and sanitizing text from outside before it is shown."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any
from urllib.parse import quote, unquote

from ..token import Token, TokenFormat, as_token, formats
from .document import Span

MASK = "****"
"""What replaces a secret in output and in histories."""
SHORTEST = 8
"""Shorter secrets are not searched for: they would match parts of words, and no token is so short."""
LONG = 20
"""So many characters, a digit among them, may be a token of an unknown format."""
MOST_PIECES = 16
"""The most pieces of a typed token that are put together."""

_KEYED = re.compile(r"""(?i)(token\\*["']?\s*[:=]\s*\\*["']?)(?!<Token)[^\s&'"\\;,)}\]]+""")
# The next three take linear time: they begin where a run of characters begins, and look for its `@` once.
# Group 1 of the first two is what precedes the secret there.
_CREDENTIALS = re.compile(
    r"(?<=://)[^/?#\s]+@"
    r"|(?<![^\s\"'/@])(?=[^\s\"'/@]+@)([^\s\"'/@]*?)(?<![^\s\"'(=,])[^\s\"'(=,:/@]+:[^\s\"'/@]+@"
)
_TYPED_ADDRESS = re.compile(
    r"(?<![^\s\"'<>])(?=[^\s\"'<>]*@)"
    r"(?=([^\s\"'<>]*?(?<![\w+.-])(?:(?![A-Za-z])[\w+.-])*)([A-Za-z][\w+.-]*://))\1(\2[^\s\"'<>]*@)"
)
_TYPED_USER = re.compile(
    r"(?<![^\s\"'/\\@])(?=[^\s\"'/\\@]+@)[^\s\"'/\\@]*?(?<![^\s\"'=])([^\s\"'=/\\@:]+:[^\s\"'/\\@]*@)"
)
_TYPED_ENDING = re.compile(r"""(?<!\S)--token(?:=|\s+)["']?((?=\S*\d)[^\s"']{9,})""")
_OPTION = re.compile(r"--?[a-z-]{0,40}")
_NAME = re.compile(r"-|\$|~|\.|/|\w*://|[\"']?(?:[A-Z0-9_]+|[a-z0-9]+(?:[_-][a-z0-9]+)+|.*\.[a-z]{2,5})[\"']?$")


class Untrusted:
    """Text from a server, a file or an exception. Only `sanitize` turns it into something to show.

    It is not a `str`, so the type checker keeps it out of messages, and `str()`, f-strings and `repr` show none of it.
    It can be compared and searched, and `extract` returns what one of our patterns allows.
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
        raise TypeError("untrusted text has to go through sanitize()")

    def __format__(self, spec: str) -> str:
        return str(self)

    def matches(self, pattern: str | re.Pattern[str]) -> bool:
        """Whether a pattern matches anywhere in it."""
        return re.search(pattern, self._text) is not None

    def without(self, pattern: str) -> Untrusted:
        """The text without all matches of a pattern."""
        return Untrusted(re.sub(pattern, "", self._text))

    def extract(self, pattern: str | re.Pattern[str]) -> str:
        """The first match of a pattern, or the first group of it; "" if there is no match."""
        found = re.search(pattern, self._text)
        return found[1 if found.re.groups else 0] or "" if found else ""


def sanitize(text: object, limit: int = 120, *, shareable: bool = False) -> Span:
    """Turns text from outside into one printable line; nothing else from outside is shown.

    Args:
        text: anything; `str()` is applied to what is not `Untrusted`.
        limit: the maximum number of characters.
        shareable: whether anybody may see it; otherwise it is private and withheld from reports.
    Returns:
        The text without control characters (terminal escapes, bidirectional marks), with white space collapsed,
        tokens, header values and `user:password@` redacted, and cut at the limit. Use its `text` only in messages of
        exceptions, which people read before they share them, and to compare or sort names.
    """
    raw, size = text._text if isinstance(text, Untrusted) else str(text), limit * 20
    if len(raw) > size:  # without part of a token at the end; twice, because some of its characters may be escaped
        more = 2 * max(one.lengths[1] for one in formats())
        raw = redact(raw[: size + more])[:-more]
    line = "".join(ch if ch.isprintable() else " " for ch in raw)
    line = redact(" ".join(line.split()))
    return Span(line if len(line) <= limit else line[: limit - 1].rstrip() + "…", private=not shareable)


_LOOK_ALIKES = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u0501\u04bb"
    "\u0410\u0415\u041e\u0420\u0421\u0425\u0406\u0405\u0408\u0412\u041d\u041a\u041c\u0422"
    "\u2010\u2011\u2012\u2013\u2014\u2212\u0131\u03bf",
    "aeopcyxisjdhAEOPCXISJBHKMT------io",
)
"""Cyrillic letters, dashes, a Turkish and a Greek letter -> the ASCII characters that they look like."""


def plain_name(name: Untrusted) -> str:
    """The name that somebody meant by one with invisible or look-alike characters; "" if that is unclear."""
    compatible = unicodedata.normalize("NFKC", name._text).translate(_LOOK_ALIKES)
    plain = "".join(ch for ch in compatible if ch.isprintable() and not ch.isspace())
    return plain if re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", plain) else ""


def odd_characters(name: Untrusted) -> tuple[str, ...]:
    """The characters of a name that ASCII names do not have, with their code points: `U+200B ZERO WIDTH SPACE`."""
    odd = dict.fromkeys(ch for ch in name._text if not "!" <= ch <= "~")
    return tuple(f"U+{ord(ch):04X} {unicodedata.name(ch, 'CONTROL CHARACTER')}" for ch in odd)


def redact(text: str, *secrets: Token | str) -> str:
    """Replaces the given secrets, and everything that looks like a credential, by a mask."""
    tokens, headers = _patterns(formats())
    text = tokens.sub(MASK, mask(text, *secrets))
    for pattern, masked in ((headers, rf"\1{MASK}"), (_KEYED, rf"\1{MASK}"), (_CREDENTIALS, rf"\1{MASK}@")):
        text = pattern.sub(masked, text)
    return text


@cache
def _patterns(known: tuple[TokenFormat, ...]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Patterns for a token of any format, and for a header that carries one: its group 1 precedes the value."""
    tokens = re.compile("|".join(one.pattern for one in known))
    headers = dict.fromkeys((re.escape(one.header), re.escape(one.scheme)) for one in known)
    before = [r"\bbearer\s+", r"\bauthorization\s*:\s*basic\s+"]
    before += [rf"\b{name}[\"']?\s*:\s*[\"']?" + (rf"{scheme}\s+" if scheme else "") for name, scheme in headers]
    return tokens, re.compile(rf"(?i)({'|'.join(before)})(?:bearer\s+)*[^\s'\"]+")


def mask(text: str, *secrets: Token | str) -> str:
    """Replaces the given secrets by a mask, however they are escaped, and changes nothing else."""
    return Masker(secrets)(text)


class Masker:
    """Replaces secrets, however they are escaped, by a mask. Secrets that overlap get one mask, which covers them all.

    Args:
        secrets: the secrets; shorter ones than `SHORTEST` are left out.
        with_rest: whether a secret that is a part of a token takes the rest of that token along.

    Attributes:
        forms: the ways in which the secrets may be written.
    """

    def __init__(self, secrets: Collection[Token | str], with_rest: bool = False) -> None:
        values = {one.reveal() if isinstance(one, Token) else one for one in secrets}
        self.forms = frozenset(form for value in values for form in _forms_of(value))
        self._with_rest = with_rest

    def __call__(self, text: str, fill: Callable[[str], str] = lambda secret: MASK) -> str:
        """The text with `fill(secret)`, by default the mask, instead of each secret."""
        spans = [span for form in self.forms if form in text for span in _spans(text, form)]
        if not spans:
            return text
        if self._with_rest:
            tokens = _patterns(formats())[0].finditer(text)
            spans += [found.span() for found in tokens if any(form in found[0] for form in self.forms)]
        merged: list[tuple[int, int]] = []
        for start, end in sorted(spans):
            if merged and start < merged[-1][1]:
                start, end = merged[-1][0], max(end, merged.pop()[1])
            merged.append((start, end))
        parts: list[str] = []
        done = 0
        for start, end in merged:
            parts += text[done:start], fill(text[start:end])
            done = end
        return "".join((*parts, text[done:]))


def _spans(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Where a text contains a form, also where two of them overlap."""
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _forms_of(value: str) -> set[str]:
    """The ways in which a secret may be written: as it is, stripped, in capitals, escaped, percent-encoded."""
    bare = {value, value.strip(), value.strip(" \t\r\n\"'")}
    if (token := as_token(value)) is not None:  # a token that was typed in capitals is stored in lower case
        bare |= {token.reveal(), *([value.upper()] if as_token(value.upper()) == token else [])}
    forms = bare | {repr(one)[1:-1] for one in bare}
    forms |= {json.dumps(one, ensure_ascii=escape)[1:-1] for one in bare for escape in (True, False)}
    forms |= {quote(one, safe=safe, errors="replace") for one in bare for safe in ("/", "")}
    return {form for form in forms if len(form) >= SHORTEST}


def redact_token(value: Any, token: Token | None) -> Any:
    """Redacts the token that was sent to a server (None: none was) in its response, a text or a JSON value.

    A part of the token is redacted, too, unless it is an odd one, which may be made of words.
    """
    if token is None:
        return value
    secret = token.reveal()
    places = range(len(secret) - SHORTEST + 1 if token.format is not None else 0)
    parts = {re.escape(secret[at : at + SHORTEST].lower()) for at in places}
    return _without_echo(value, secret, re.compile(f"(?=({'|'.join(parts)}))" if parts else "(?!)"))


def _without_echo(value: Any, secret: str, part: re.Pattern[str]) -> Any:
    if isinstance(value, list):
        return [_without_echo(one, secret, part) for one in value]
    if isinstance(value, dict):
        return {_without_echo(key, secret, part): _without_echo(one, secret, part) for key, one in value.items()}
    if not isinstance(value, str) or len(value) < SHORTEST:
        return value
    low = value.encode("ascii", "replace").lower().decode()  # as long as the value, unlike `value.lower()`
    parts = [value[found.start() : found.end(1)] for found in part.finditer(low)]
    if not parts and len(value) < len(secret):
        return value
    text = mask(value, secret, *parts) if parts or not part.groups else value
    # only letters and digits, however they are escaped and whatever is between them
    from html import unescape  # lazily: only what comes back needs it

    bare, rest = (re.sub(r"[^0-9A-Za-z]", "", unquote(unescape(one))).lower() for one in (secret, text))
    return MASK if len(bare) >= SHORTEST and bare in rest else text


def find_secrets(line: str, options: Collection[str] | None = None) -> list[str]:
    """Finds the words of a typed line that are tokens, parts of tokens, or may be tokens of an unknown format.

    The part of a URL that holds a password (`https://user:password@`) is found too. Names of datastacks, files,
    addresses and environment variables are not.

    Args:
        line: what was typed after a magic.
        options: the options whose value is not a token, if the line may contain a token; a long word anywhere else is
            then taken for one. None if the line takes no token.
    Returns:
        The words, longest first.
    """
    endings = (one for one in _TYPED_ENDING.findall(line) if one.isdecimal() or not _NAME.match(one))
    users = _TYPED_USER.findall(_TYPED_ADDRESS.sub(r"\1/", line))  # beside the addresses
    found = {*(address for _, _, address in _TYPED_ADDRESS.findall(line)), *users, *endings}
    patterns = (pattern for one in formats() for pattern in (one.pattern, one.bounded(one.part)))
    spans = {match.span() for pattern in patterns for match in re.finditer(pattern, line)}
    last = 0
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if end <= last:  # inside another
            continue
        last = end
        found.add(run := line[start:end])
        if as_token(run) is None:  # letters may be glued to the front of a token
            found.update(tail for one in formats() if one.read(tail := run[-one.lengths[1] :]) is not None)
    for word in re.findall(r"(?<!\S)[\"']*(-\S+)", line):
        found.update(_glued_to_option(word))
    if options is not None:
        before = ""
        for word in line.split():
            bare = word.lstrip("\"'")
            if len(bare) >= LONG and not bare.startswith(tuple(options)) and before not in options:
                found.update(_in_place_of_token(bare))
            before = word
        found.update(_in_pieces(line))
    return sorted(found, key=len, reverse=True)


def _in_pieces(line: str) -> Iterator[str]:
    """The tokens into which spaces have come, as where a line of a mail or a PDF was wrapped."""
    sizes = {size for one in formats() for size in range(one.lengths[0], one.lengths[1] + 1)}
    longest = max(sizes)
    words = [found.span() for found in re.finditer(r"[^\s\"']+", line)]
    for number, (start, end) in enumerate(words):
        size = end - start
        for first, end in words[number + 1 : number + MOST_PIECES]:
            size += end - first
            if size > longest:
                break
            if size not in sizes or as_token("".join(line[start:end].split())) is None:
                continue
            if not re.search(r"(?<!\S)--?[a-z]", line[start:end]):  # options have such letters, too
                yield line[start:end]


def _glued_to_option(word: str) -> Iterator[str]:
    """The tokens and parts of tokens that follow the name of an option without a space (`-xTOKEN`).

    There can be several, since the name may end in letters that a token may begin with.
    """
    name, known = _OPTION.match(word), formats()
    for size in range(2, name.end() + 1 if name else 0):
        rest = word[size:].strip("\"'=")
        if len(rest) >= SHORTEST and any(one.read(rest) is not None or re.fullmatch(one.part, rest) for one in known):
            yield rest


def _in_place_of_token(word: str) -> Iterator[str]:
    """The long parts of a word that contain a digit, unless the word is a name, a path or an address."""
    value = word.lstrip("-").partition("=")[2] or word.lstrip("-")
    if not _NAME.match(value):
        yield from (part for part in re.findall(rf"[A-Za-z0-9+/_.=~-]{{{LONG},}}", value) if re.search(r"\d", part))
