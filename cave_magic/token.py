"""Tokens: a type that never shows its value, the formats that servers use, and how to read a token from a paste."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NoReturn
from urllib.parse import parse_qsl, unquote

from .errors import NotAToken

_PLACEHOLDER = re.compile(r"your|paste|here|token|shiny|example|xxx|\.\.\.|…|<|>", re.IGNORECASE)
_PREFIX = re.compile(
    r"""^\s*(?:authorization\s*:\s*)?(?:bearer\s+|["']?(?:middle_auth_)?token["']?\s*[:=]\s*)+""", re.IGNORECASE
)
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad"))
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_LONGEST_PASTE = 200_000


# ---------------------------------------------------------------- what tokens look like


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFormat:
    """What one kind of token looks like; used for reading, sending, redacting and scrubbing tokens.

    The patterns are regular expressions without capturing groups. They search texts of megabytes, so give every
    repetition an upper bound or make what follows it optional.

    Attributes:
        looks: what a token consists of, in words that follow "a token is".
        whole: a pattern that matches a whole token and no other text. It must not end in a dot, which may end a
            sentence.
        pattern: a pattern that finds a token anywhere in a text, to redact it. It may match more than the token: a
            whole run of digits, or an escaped character.
        part: a pattern for part of a token, or a token with extra characters, too long and too random to be a name.
        lengths: the minimum and maximum number of characters.
        beside: characters other than letters and digits that a token may contain, written as between `[]`. A token
            stands alone in a text if none of them is next to it.
        ignores_case: whether people may paste it in capitals, although servers know it in lower case only.
        header: the name of the HTTP header that carries it.
        scheme: the word before it in that header; "" for none.
        shown: how many of its last characters may be shown, so that people recognise it.
    """

    looks: str
    whole: str
    pattern: str
    part: str
    lengths: tuple[int, int]
    beside: str = ""
    ignores_case: bool = False
    header: str = "Authorization"
    scheme: str = "Bearer"
    shown: int = 4

    def read(self, word: str) -> Token | None:
        """The word as a token of this format, spelt as its server expects; None if it is not one."""
        word = word.lower() if self.ignores_case else word
        return Token(word) if re.fullmatch(self.whole, word) else None

    @property
    def alone(self) -> str:
        """A pattern that finds a token with nothing next to it that could belong to it."""
        whole = f"(?i:{self.whole})" if self.ignores_case else f"(?:{self.whole})"
        return self.bounded(f"(?={whole}(?![A-Za-z0-9{self.beside}]))(?:{self.pattern})")

    def bounded(self, pattern: str) -> str:
        """A pattern that matches where no character of a token is before or after it."""
        return rf"(?<![A-Za-z0-9{self.beside}])(?:{pattern})(?![A-Za-z0-9{self.beside}])"

    @property
    def length(self) -> str:
        """The number of characters, in words: "32", "100 to 2000"."""
        return " to ".join(str(number) for number in dict.fromkeys(self.lengths))


HEX = TokenFormat(
    looks="32 hexadecimal characters (0-9, a-f)",
    whole=r"[0-9a-f]{32}",
    pattern=r"[0-9A-Fa-f]{32,}",
    part=r"[0-9A-Fa-f]{28,512}|(?=\d{0,26}[A-Fa-f])[0-9A-Fa-f]{16,27}",  # shorter decimal numbers are segment ids
    lengths=(32, 32),
    ignores_case=True,
)
"""The tokens of middle_auth (2.30)."""

_MIXED = r"(?=[A-Za-z0-9+/_-]{43})(?=.{0,42}[a-z])(?=.{0,42}[A-Z])(?=.{0,42}\d).{43}"
_MIXED_PART = "".join(rf"(?=[A-Za-z0-9+/_-]{{0,99}}[{kind}])" for kind in ("a-z", "A-Z", "0-9"))
_NO_PATH = r"(?<![A-Za-z0-9+/_.:~-]){}(?![A-Za-z0-9+/_.-])"
BASE64 = TokenFormat(
    looks="44 base64 characters",
    whole=rf"[A-Za-z0-9+/_-]{{43}}=|{_MIXED}",
    pattern=rf"(?=[A-Za-z0-9+/_-]{{43}}(?:=|%3D)){_MIXED}(?:=|%3D)|{_NO_PATH.format(_MIXED)}",
    part=_NO_PATH.format(rf"{_MIXED_PART}[A-Za-z0-9+/_-]{{40,100}}={{0,2}}"),
    lengths=(43, 44),
    beside="+/_-",
)
"""32 bytes in base64 or base64url, as older Zetta servers create them; the `=` at the end is padding."""

FORMATS = (HEX, BASE64)
"""All formats. To support a server with another kind of token, add an entry here; read them with `formats()`."""


def formats(among: Iterable[TokenFormat] | None = None) -> tuple[TokenFormat, ...]:
    """These formats (None: all), longest first, so that a part of a long token is not taken for a short one."""
    return tuple(sorted(FORMATS if among is None else among, key=lambda one: one.lengths[1], reverse=True))


def as_token(word: str, among: Iterable[TokenFormat] | None = None) -> Token | None:
    """The word as a token of one of these formats (None: all), spelt as its server expects; None if it is not one."""
    return next((token for one in formats(among) if (token := one.read(word)) is not None), None)


def find_tokens(text: str, among: Iterable[TokenFormat] | None = None) -> list[Token]:
    """The tokens of these formats (None: all) that stand alone in a text, in order and without repeats."""
    chosen = formats(among)
    words = _alone(chosen).findall(text)
    return list(dict.fromkeys(token for word in words if (token := as_token(word, chosen)) is not None))


@cache
def _alone(among: tuple[TokenFormat, ...]) -> re.Pattern[str]:
    return re.compile("|".join(one.alone for one in among))


# ---------------------------------------------------------------- the type


class Token:
    """A credential. Printing, formatting or logging it shows at most its ending, and it cannot be pickled.

    Args:
        value: the token as the server expects it. Only `reveal()` returns it.
    """

    __slots__ = ("_value",)
    _value: str

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a token is text, not of type {type(value).__name__}")
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """The token itself: for the `Authorization` header, the token file and `%cave_whoami --reveal`."""
        return self._value

    @property
    def format(self) -> TokenFormat | None:
        """The registered format that it matches exactly; None if it is quoted, cut off or of an unknown kind."""
        return next((one for one in formats() if one.read(self._value) == self), None)

    @property
    def ending(self) -> str:
        """The last characters, by which people recognise it; "" if it is too short or too odd to show any."""
        if (known := self.format) is not None:
            return self._value[len(self._value) - known.shown :]
        return self._value[-4:] if len(self._value) >= 16 and self._value[-4:].isalnum() else ""

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that carry it: those of its format, or what caveclient would send."""
        known = self.format or HEX
        return {known.header: f"{known.scheme} {self._value}" if known.scheme else self._value}

    def oddity(self, among: Iterable[TokenFormat] | None = None) -> str | None:
        """What is odd about it as a stored token of these formats (None: all), without quoting it; None if nothing is.

        Source: header forms measured with middle_auth 2.30 and requests 2.34.
        """
        chosen = formats(among)
        return None if as_token(self._value, chosen) == self else _describe_stored(self._value, chosen)

    @property
    def can_be_sent(self) -> bool:
        """Whether an HTTP header can carry it (if not, caveclient raises an error that prints it)."""
        return bool(self._value) and self._value.isascii() and self._value.isprintable()

    def reads_as(self, among: Iterable[TokenFormat] | None = None) -> Token | None:
        """The only token inside an odd one (with quotes, spaces, `Bearer` or JSON around it); else None."""
        try:
            found = read_pasted(self._value, among)
        except NotAToken:
            return None
        return found[0].token if len(found) == 1 else None

    @property
    def meant(self) -> Token:
        """The only token inside an odd one; else this one."""
        return self.reads_as() or self

    def __repr__(self) -> str:
        return f"<Token ending in {self.ending}>" if self.ending else "<Token>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        return hmac.compare_digest(*(one._value.encode(errors="surrogatepass") for one in (self, other)))

    def __hash__(self) -> int:
        return hash((Token, self._value))

    def __deepcopy__(self, memo: object = None) -> Token:
        return self

    __copy__ = __deepcopy__

    def __setattr__(self, name: str, *value: object) -> NoReturn:
        raise AttributeError("a Token cannot be changed")

    __delattr__ = __setattr__

    def __reduce_ex__(self, *protocol: object) -> NoReturn:
        raise TypeError("a Token cannot be pickled")

    __reduce__ = __getstate__ = __reduce_ex__


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedToken:
    """A token found in a paste, with what the paste says about it: texts of the server, or ""."""

    token: Token
    description: str = ""
    created: str = ""
    server: str = ""


# ---------------------------------------------------------------- reading a paste


def read_pasted(text: str, among: Iterable[TokenFormat] | None = None) -> list[PastedToken]:
    """Finds the tokens in a paste.

    Args:
        text: a bare or quoted token, one after `token:` or `Bearer`, the JSON object of a downloaded file, the JSON
            list of the tokens page, a whole `save_token(token="...")` line, or an address with `middle_auth_token=`.
        among: the formats that the token may have; None for all.
    Returns:
        The tokens without repeats; none for an empty text; several only for a JSON list.
    Raises:
        NotAToken: what is odd about the text, in one sentence that does not quote it.
    """
    text = text[:_LONGEST_PASTE].translate(_INVISIBLE).strip()
    if not text.strip(_QUOTES + " "):
        return []
    chosen = formats(among)
    found = list(_from_json(text, chosen)) or _from_address(text, chosen) or _from_words(text, chosen)
    once: dict[Token, PastedToken] = {}
    for one in found:
        once.setdefault(one.token, one)
    return list(once.values())


def read_unknown_format(text: str) -> Token | None:
    """The paste as a token of a format that is not registered, for a server that is not in the table.

    None unless it is one word of 20 to 512 characters that a header can carry, and no part of a token or placeholder.
    """
    word = _bare_word(text)
    fits = re.fullmatch(r"[A-Za-z0-9+/_.=~-]{20,512}", word) and _cut_or_glued(word, formats()) is None
    return Token(word) if fits and not _PLACEHOLDER.search(word) else None


def _from_json(text: str, among: Sequence[TokenFormat]) -> Iterator[PastedToken]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(data, str):
        yield from read_pasted(data, among)
    for item in data if isinstance(data, list) else [data]:
        if isinstance(item, dict) and isinstance(value := item.get("token"), str):
            keys = {"description": "description", "created": "created", "server": "middle_auth_url"}
            said = {name: word for name, key in keys.items() if isinstance(word := item.get(key), str)}
            yield PastedToken(token=_only_token(value, among), **said)


def _from_address(text: str, among: Sequence[TokenFormat]) -> list[PastedToken]:
    """The tokens in addresses; also in one inside another, as a hub that asks for a password has it (`?next=`)."""
    for _ in range(3):
        found = re.findall(r"https?://[^\s\"'<>?#]*[?#]([^\s\"'<>]+)", text)
        queries = (re.sub("[?#]", "&", one).replace("+", "%2B") for one in found)  # `+` is a digit, and not a space
        pairs = (pair for query in queries for pair in parse_qsl(query))
        tokens = [value for key, value in pairs if key in ("middle_auth_token", "token")]
        if tokens:
            return [PastedToken(token=_only_token(value, among)) for value in tokens]
        text = unquote(text)
    return []


def _from_words(text: str, among: Sequence[TokenFormat]) -> list[PastedToken]:
    bare = _bare_word(text)
    alone = as_token(bare, among)
    found = [alone] if alone is not None else find_tokens(text, among)
    if len(found) > 1:
        raise NotAToken(f"it contains {len(found)} different tokens; paste just one.")
    if not found:
        raise NotAToken(_describe_pasted(bare, among))
    return [PastedToken(token=found[0])]


def _bare_word(text: str) -> str:
    text = text.translate(_INVISIBLE).strip().strip(_QUOTES).strip()
    return _PREFIX.sub("", text).strip().strip(_QUOTES).strip()


def _only_token(value: str, among: Sequence[TokenFormat]) -> Token:
    """The token that is the whole value, or the only one inside it."""
    if len(found := read_pasted(value, among)) == 1:
        return found[0].token
    raise NotAToken(_describe_pasted(_bare_word(value), among))


def _describe_pasted(word: str, among: Sequence[TokenFormat]) -> str:
    if not word:
        return "the token is empty."
    if (near := _cut_or_glued(word, among)) is not None:
        side = "part of it is missing" if len(word) < near.lengths[0] else "it is too long"
        return f"it has {len(word)} characters, but a token has {near.length}: {side}."
    if re.match("https?://", word):
        return "it is an address without a token."
    if _PLACEHOLDER.search(word) and len(word) < 60:
        return "it is a placeholder; replace it with your own token."
    if len(word.split()) > 3:
        return "it is text without a token."
    return f"a token is {_looks(among)}; this is something else."


def _describe_stored(value: str, among: Sequence[TokenFormat]) -> str:
    near = _cut_or_glued(value, among)
    is_placeholder = len(value) < 60 and _PLACEHOLDER.search(value) and not find_tokens(value)
    oddities = (
        (not value, "is empty"),
        (not value.isprintable(), "contains a line break or another invisible character"),
        (not value.isascii(), "contains a character that no token has, such as a typographic quote"),
        (value != value.strip(), "has a space before or after it"),
        (value != value.strip(_QUOTES), "has quotes inside it"),
        (_PREFIX.match(value), "has a word before it"),
        (as_token(value, among), "is in capitals"),
        (is_placeholder, "is a placeholder"),
        (near, f"has {len(value)} characters, not {near.length if near else ''}"),
    )
    return next((words for is_odd, words in oddities if is_odd), f"is not {_looks(among)}")


def _cut_or_glued(word: str, among: Sequence[TokenFormat]) -> TokenFormat | None:
    """The format of which a word is a part, or a whole token with extra characters; None if neither."""
    right_length = [one for one in among if one.lengths[0] <= len(word) <= one.lengths[1]]
    return next((one for one in among if one not in right_length and re.fullmatch(one.part, word)), None)


def _looks(among: Sequence[TokenFormat]) -> str:
    return " or ".join(one.looks for one in reversed(among))
