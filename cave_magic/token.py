"""The token: one type that never shows itself, what each kind of token looks like, and reading one from a paste."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

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
    """What one kind of token looks like. Reading, sending, redacting and scrubbing all go by this description.

    The patterns are regular expressions without groups that capture. Give every repetition an upper bound, or let
    what follows it be optional: they are searched for in texts of megabytes.

    Attributes:
        looks: what a token consists of, in words to follow "a token is".
        whole: a pattern that the token matches as a whole, and no other text does.
        pattern: a pattern that finds it anywhere in a text, whatever stands around it, to redact it. It may match more
            than the token: all digits of a run, or an escaped character.
        part: a pattern for a piece of one, or one with more behind it, that is too long and too random to be a name.
        lengths: the fewest and the most characters of a token.
        beside: characters other than letters and digits that a token may contain, as they are written between `[]`.
            A token stands alone in a text where none of them is beside it.
        ignores_case: whether people may paste it in capitals, though servers know it in lower case only.
        header: the name of the HTTP header that carries it.
        scheme: the word before it in that header; "" for none.
        shown: how many characters of its end may be shown, by which people recognise it.
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
        """The token that a word is, spelt as its server knows it; None if the word is not a token of this format."""
        word = word.lower() if self.ignores_case else word
        return Token(word) if re.fullmatch(self.whole, word) else None

    @property
    def alone(self) -> str:
        """A pattern that finds a token where nothing beside it could belong to it."""
        whole = f"(?i:{self.whole})" if self.ignores_case else f"(?:{self.whole})"
        return self._bounded(f"(?={whole}(?![A-Za-z0-9{self.beside}]))(?:{self.pattern})")

    @property
    def part_alone(self) -> str:
        """The same for a part of a token."""
        return self._bounded(self.part)

    def _bounded(self, pattern: str) -> str:
        return rf"(?<![A-Za-z0-9{self.beside}])(?:{pattern})(?![A-Za-z0-9{self.beside}])"

    @property
    def length(self) -> str:
        """How many characters it has, in words: "32", "100 to 2000"."""
        least, most = self.lengths
        return str(least) if least == most else f"{least} to {most}"


HEX = TokenFormat(
    looks="32 hexadecimal characters (0-9, a-f)",
    whole=r"[0-9a-f]{32}",
    pattern=r"[0-9A-Fa-f]{32,}",
    part=r"[0-9A-Fa-f]{28,512}|(?=\d{0,26}[A-Fa-f])[0-9A-Fa-f]{16,27}",  # shorter decimal numbers are ids of segments
    lengths=(32, 32),
    ignores_case=True,
)
"""What middle_auth makes (2.30)."""

_MIXED = r"(?=.{0,42}[a-z])(?=.{0,42}[A-Z])(?=.{0,42}\d)[A-Za-z0-9+/_-]{43}"
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
"""32 bytes in base64 or base64url, as older Zetta servers make them; the last character only fills it up."""

FORMATS = (HEX, BASE64)
"""All formats. One more entry is all that a server with another kind of token needs; use `formats()` to read them."""


def formats(among: Iterable[TokenFormat] | None = None) -> tuple[TokenFormat, ...]:
    """These formats (None: all), the longest first, so that no token is taken for a shorter one inside it."""
    return tuple(sorted(FORMATS if among is None else among, key=lambda one: one.lengths[1], reverse=True))


def as_token(word: str, among: Iterable[TokenFormat] | None = None) -> Token | None:
    """The token that a word is, spelt as its server knows it; None if the word has none of the formats.

    Args:
        word: any text.
        among: the formats that count; None for all.
    """
    return next((token for one in formats(among) if (token := one.read(word)) is not None), None)


def find_tokens(text: str, among: Iterable[TokenFormat] | None = None) -> list[Token]:
    """The tokens that stand alone in a text, in their order, without repeats; the arguments are those of `as_token`."""
    chosen = formats(among)
    words = re.findall("|".join(one.alone for one in chosen), text) if chosen else []
    return list(dict.fromkeys(token for word in words if (token := as_token(word, chosen)) is not None))


# ---------------------------------------------------------------- the type


class Token:
    """A credential. Printing, formatting or logging it shows at most its ending, and it cannot be pickled.

    Args:
        value: the token as the server wants it. `reveal()` gives it back; nothing else does.
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
        """The registered format that it has exactly; None for one that is quoted, cut off or of an unknown kind."""
        return next((one for one in formats() if one.read(self._value) == self), None)

    @property
    def ending(self) -> str:
        """The last characters, by which people recognise it; empty for one too short or odd to show any of."""
        if (known := self.format) is not None:
            return self._value[len(self._value) - known.shown :]
        return self._value[-4:] if len(self._value) >= 16 and self._value[-4:].isalnum() else ""

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers that carry it: those of its format, or what caveclient would send."""
        known = self.format or HEX
        return {known.header: f"{known.scheme} {self._value}" if known.scheme else self._value}

    def oddity(self, among: Iterable[TokenFormat] | None = None) -> str | None:
        """What is odd about it as a stored credential, in words that do not contain it; None if nothing is.

        Args:
            among: the formats that its server makes; None for all.
        Source: header forms measured against middle_auth 2.30 and requests 2.34.
        """
        chosen = formats(among)
        return None if as_token(self._value, chosen) == self else _describe_stored(self._value, chosen)

    @property
    def can_be_sent(self) -> bool:
        """Whether it can travel in an HTTP header (caveclient raises an error that prints it when it cannot)."""
        return bool(self._value) and self._value.isascii() and self._value.isprintable()

    def reads_as(self, among: Iterable[TokenFormat] | None = None) -> Token | None:
        """The token inside an odd one (quotes, spaces, `Bearer` or JSON around it), if there is just one.

        Args:
            among: the formats that its server makes; None for all.
        """
        try:
            found = read_pasted(self._value, among)
        except NotAToken:
            return None
        return found[0].token if len(found) == 1 else None

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

    def __copy__(self) -> Token:
        return self

    def __deepcopy__(self, memo: object) -> Token:
        return self

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Token does not change")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Token does not change")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Token is not pickled")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Token is not pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a Token is not pickled")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastedToken:
    """One token found in what was pasted, with what the paste says about it.

    Attributes:
        token: the token.
        description: the name that the tokens page has for it, or "".
        created: when it was made, as the server wrote it, or "".
        server: the address of the auth server it says it belongs to (the downloaded file does), or "".
    """

    token: Token
    description: str = ""
    created: str = ""
    server: str = ""


# ---------------------------------------------------------------- reading a paste


def read_pasted(text: str, among: Iterable[TokenFormat] | None = None) -> list[PastedToken]:
    """Finds the token in whatever a person pasted.

    Args:
        text: bare, quoted, after `token:` or `Bearer`, the JSON object of a downloaded file, the JSON list of
            the tokens page, a whole `save_token(token="...")` line, or an address with `middle_auth_token=`.
        among: the formats that the token may have; None for all.
    Returns:
        The tokens found, without repeats; empty for an empty answer; several for a list of them.
    Raises:
        NotAToken: one sentence on what is odd about it, which never contains it.
    """
    text = text[:_LONGEST_PASTE].translate(_INVISIBLE).strip()
    if not text.strip(_QUOTES + " "):
        return []
    chosen = formats(among)
    found = list(_from_json(text, chosen)) or list(_from_address(text, chosen)) or _from_words(text, chosen)
    once: dict[Token, PastedToken] = {}
    for one in found:
        once.setdefault(one.token, one)
    return list(once.values())


def _from_json(text: str, among: Sequence[TokenFormat]) -> Iterator[PastedToken]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(data, str):
        yield from read_pasted(data, among)
    for item in data if isinstance(data, list) else [data]:
        if isinstance(item, dict) and isinstance(value := item.get("token"), str):
            yield PastedToken(
                token=_only_token(value, among),
                description=_word(item, "description"),
                created=_word(item, "created"),
                server=_word(item, "middle_auth_url"),
            )


def _word(item: dict[str, object], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _from_address(text: str, among: Sequence[TokenFormat]) -> Iterator[PastedToken]:
    for match in re.finditer(r"https?://[^\s\"'<>]+", text):
        try:
            address = urlsplit(match.group())
        except ValueError:
            continue
        for part in (address.query, address.fragment):
            for key, values in parse_qs(part.replace("+", "%2B")).items():  # a `+` is a digit of base64, not a space
                if key in ("middle_auth_token", "token"):
                    yield from (PastedToken(token=_only_token(value, among)) for value in values)


def _from_words(text: str, among: Sequence[TokenFormat]) -> list[PastedToken]:
    bare = _bare_word(text)
    alone = as_token(bare, among)
    found = [alone] if alone is not None else find_tokens(text, among)
    if len(found) > 1:
        raise NotAToken(f"{len(found)} different tokens are in it; paste just one.")
    if not found:
        raise NotAToken(_describe_pasted(bare, among))
    return [PastedToken(token=found[0])]


def _bare_word(text: str) -> str:
    text = text.translate(_INVISIBLE).strip().strip(_QUOTES).strip()
    return _PREFIX.sub("", text).strip().strip(_QUOTES).strip()


def _only_token(value: str, among: Sequence[TokenFormat]) -> Token:
    """The token that is all of a value, or all of the JSON in it."""
    word = _bare_word(value)
    if (token := as_token(word, among)) is not None:
        return token
    if len(inside := list(_from_json(word, among))) == 1:
        return inside[0].token
    raise NotAToken(_describe_pasted(word, among))


def _describe_pasted(word: str, among: Sequence[TokenFormat]) -> str:
    if not word:
        return "the token in it is empty."
    if (near := _cut_or_glued(word, among)) is not None:
        side = "a part of it is missing" if len(word) < near.lengths[0] else "there is more than a token in it"
        return f"it has {len(word)} characters where a token has {near.length}: {side}."
    if _PLACEHOLDER.search(word) and len(word) < 60:
        return "it is a placeholder; put your own token in its place."
    if len(word.split()) > 3:
        return "it is a text without a token in it."
    return f"a token is {_looks(among)}; this is something else."


def _describe_stored(value: str, among: Sequence[TokenFormat]) -> str:
    if not value:
        return "is empty"
    if not value.isprintable():
        return "has a line break or another invisible character in it"
    if not value.isascii():
        return "has a character in it that no token has (a typographic quote, perhaps)"
    if value != value.strip():
        return "has a space before or after it"
    if value.strip(_QUOTES) != value:
        return "has quotes inside it"
    if _PREFIX.match(value):
        return "has a word before it"
    if as_token(value, among) is not None:
        return "is in capitals"
    if _PLACEHOLDER.search(value) and len(value) < 60 and not find_tokens(value):
        return "is a placeholder"
    if (near := _cut_or_glued(value, among)) is not None:
        return f"has {len(value)} characters, not {near.length}"
    return f"is not {_looks(among)}"


def _cut_or_glued(word: str, among: Sequence[TokenFormat]) -> TokenFormat | None:
    """The format of which a word is a piece, or a whole with something glued to it; None if it is neither."""
    right_length = [one for one in among if one.lengths[0] <= len(word) <= one.lengths[1]]
    return next((one for one in among if one not in right_length and re.fullmatch(one.part, word)), None)


def _looks(among: Sequence[TokenFormat]) -> str:
    return " or ".join(one.looks for one in reversed(among))
