"""The token: one type that never shows itself, and the many forms in which people paste one."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qs, urlsplit

from .errors import NotAToken

USUAL_LENGTH = 32
"""Length in characters of a token that middle_auth makes: 32 lower-case hexadecimal digits."""

_HEX_WORD = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{32}(?![0-9A-Za-z])")
_HEX_RUN = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{16,512}(?![0-9A-Za-z])")
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_.:~-])[A-Za-z0-9+/_-]{40,100}={0,2}(?![A-Za-z0-9+/_.-])")
_GLUED = re.compile(r"[0-9A-Fa-f]{32,512}")  # #xTOKEN
_BEHIND_OPTION = re.compile(r"[0-9A-Fa-f]{16,512}(?![0-9A-Za-z])|[0-9A-Fa-f]{28,512}")  # -xTOKEN, --from-filePART
_LOG_IN = re.compile(r"[A-Za-z][\w+.-]*://[^\s\"'<>]*@|(?<![^\s\"'=])[^\s\"'=/\\@:]+:[^\s\"'/\\@]*@")
_NO_TOKEN = re.compile(r"-|\$|~|\.|/|\w*://|[\"']?(?:[A-Z0-9_]+|[a-z0-9]+(?:[_-][a-z0-9]+)+|.*\.[a-z]{2,5})[\"']?$")
_PLACEHOLDER = re.compile(r"your|paste|here|token|shiny|example|xxx|\.\.\.|…|<|>", re.IGNORECASE)
_PREFIX = re.compile(
    r"""^\s*(?:authorization\s*:\s*)?(?:bearer\s+|["']?(?:middle_auth_)?token["']?\s*[:=]\s*)+""", re.IGNORECASE
)
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060\u00ad"))
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"
_LONGEST_PASTE = 200_000


class Token:
    """A credential. Printing, formatting, logging or pickling it shows at most its last four characters.

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
    def ending(self) -> str:
        """The last four characters, by which people recognise it; empty for one too short to show any of."""
        return self._value[-4:] if len(self._value) >= 16 and self._value[-4:].isalnum() else ""

    @property
    def is_usual(self) -> bool:
        """Whether it has the form that middle_auth gives tokens: 32 lower-case hexadecimal digits."""
        return re.fullmatch(r"[0-9a-f]{32}", self._value) is not None

    @property
    def oddity(self) -> str | None:
        """What is odd about it as a stored credential, in words that do not contain it; None if it is usual.

        Source: header forms measured against middle_auth 2.30 and requests 2.34.
        """
        return None if self.is_usual else _describe_stored(self._value)

    @property
    def can_be_sent(self) -> bool:
        """Whether it can travel in an HTTP header (caveclient raises an error that prints it when it cannot)."""
        return bool(self._value) and self._value.isascii() and self._value.isprintable()

    @property
    def reads_as(self) -> Token | None:
        """The usual token inside an odd one (quotes, blanks, `Bearer`, JSON around it), if there is just one."""
        try:
            found = read_pasted(self._value)
        except NotAToken:
            return None
        return found[0].token if len(found) == 1 and found[0].token.is_usual else None

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


def read_pasted(text: str) -> list[PastedToken]:
    """Finds the token in whatever a person pasted.

    Args:
        text: bare, quoted, after `token:` or `Bearer`, the JSON object of a downloaded file, the JSON list of
            the tokens page, a whole `save_token(token="...")` line, or an address with `middle_auth_token=`.
    Returns:
        The tokens found, without repeats; empty for an empty answer; several for a list of them.
    Raises:
        NotAToken: one sentence on what is odd about it, which never contains it.
    """
    text = text[:_LONGEST_PASTE].translate(_INVISIBLE).strip()
    if not text.strip(_QUOTES + " "):
        return []
    found = list(_from_json(text)) or list(_from_address(text)) or list(_from_words(text))
    once: dict[Token, PastedToken] = {}
    for one in found:
        once.setdefault(one.token, one)
    return list(once.values())


def unusual_token(text: str) -> Token | None:
    """The token that a paste may be on a deployment with a form of its own (older Zetta ones: 44 base64 characters).

    Returns:
        The bare word in it, if it is 20 to 512 characters that fit in a header and no usual form; else None.
    """
    word = _bare_word(text)
    fits = re.fullmatch(r"[A-Za-z0-9+/_.=~-]{20,512}", word) and not re.fullmatch(r"[0-9A-Fa-f]+", word)
    return Token(word) if fits and not _PLACEHOLDER.search(word) else None


def is_token(word: str) -> bool:
    """Whether a word is a token or the beginning of one, in one of the known forms: no host is called so."""
    return _HEX_WORD.fullmatch(word) is not None or (len(word) >= 20 and _is_mixed(word))


def tokens_in(text: str) -> list[str]:
    """Every run of characters in a text that looks like a usual token: for wiping it out of histories."""
    return sorted(set(_HEX_WORD.findall(text)))


def typed_secrets(line: str, odd: Collection[str] | None = None) -> list[str]:
    """The words of a magic's line that are tokens, parts of one, or may be a token of another form: to be wiped.

    Also `https://user:password@`, the part of an address in which a password stands.

    Args:
        line: what was typed behind the magic.
        odd: given where a token of any form may stand on the line: the options that take a value which is no token.
    Returns:
        The words, longest first. Names of datastacks, files, addresses and environment variables are not among them.
    """
    found = {word for word in _HEX_RUN.findall(line) if len(word) >= 28 or not word.isdecimal()}
    found.update(word for word in _BASE64.findall(line) if _is_mixed(word))
    found.update(_LOG_IN.findall(line))
    before = ""
    for word in line.split():
        option = word.lstrip("\"'")
        found.update(_glued(option))
        if odd is not None and not option.startswith(tuple(odd)) and before not in odd:
            found.update(_odd_parts(option.lstrip("-").partition("=")[2] or option.lstrip("-")))
        before = word
    return sorted(found, key=len, reverse=True)


def _glued(word: str) -> Iterator[str]:
    """The tokens, and behind an option the parts of one, that stand behind other letters without a blank."""
    for run in (_BEHIND_OPTION if word.startswith("-") else _GLUED).findall(word):
        if len(run) >= 28 or not run.isdecimal():
            yield from (run, run[-USUAL_LENGTH:])  # the name of the option may end in such a letter
    for run in filter(_is_mixed, _BASE64.findall(word)):
        yield run[-44:]


def _odd_parts(word: str) -> Iterator[str]:
    """The parts of a word that are long and have a digit, unless it is a name, a path or an address."""
    if not _NO_TOKEN.match(word):
        yield from (part for part in re.findall(r"[A-Za-z0-9+/_.=~-]{20,}", word) if re.search(r"\d", part))


def _is_mixed(word: str) -> bool:
    return all(re.search(kind, word) for kind in ("[a-z]", "[A-Z]", "[0-9]"))


def _from_json(text: str) -> Iterator[PastedToken]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(data, str):
        yield from read_pasted(data)
    for item in data if isinstance(data, list) else [data]:
        if isinstance(item, dict) and isinstance(value := item.get("token"), str):
            yield PastedToken(
                token=_usual(value),
                description=_word(item, "description"),
                created=_word(item, "created"),
                server=_word(item, "middle_auth_url"),
            )


def _word(item: dict[str, object], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else ""


def _from_address(text: str) -> Iterator[PastedToken]:
    for match in re.finditer(r"https?://[^\s\"'<>]+", text):
        try:
            address = urlsplit(match.group())
        except ValueError:
            continue
        for part in (address.query, address.fragment):
            for key, values in parse_qs(part).items():
                if key in ("middle_auth_token", "token"):
                    yield from (PastedToken(token=_usual(value)) for value in values)


def _from_words(text: str) -> Iterator[PastedToken]:
    words = {word.lower(): None for word in _HEX_WORD.findall(text)}
    if len(words) > 1:
        raise NotAToken(f"{len(words)} different tokens are in it; paste the one to use.")
    if not words:
        raise NotAToken(_describe_pasted(_bare_word(text)))
    yield from (PastedToken(token=Token(word)) for word in words)


def _bare_word(text: str) -> str:
    text = text.translate(_INVISIBLE).strip().strip(_QUOTES).strip()
    return _PREFIX.sub("", text).strip().strip(_QUOTES).strip()


def _usual(value: str) -> Token:
    word = _bare_word(value)
    if re.fullmatch(r"[0-9A-Fa-f]{32}", word):
        return Token(word.lower())
    if len(inside := list(_from_json(word))) == 1:
        return inside[0].token
    if (unusual := unusual_token(word)) is not None:
        return unusual
    raise NotAToken(_describe_pasted(word))


def _describe_pasted(word: str) -> str:
    if not word:
        return "the token in it is empty."
    if re.fullmatch(r"[0-9A-Fa-f]+", word):
        side = "a part of it is missing" if len(word) < USUAL_LENGTH else "there is more than a token in it"
        return f"it has {len(word)} characters where a token has {USUAL_LENGTH}: {side}."
    if _PLACEHOLDER.search(word) and len(word) < 60:
        return "it is a placeholder; put your own token in its place."
    if len(word.split()) > 3:
        return "it is a text without a token in it."
    return f"a token is {USUAL_LENGTH} characters, digits and the letters a to f only; this is something else."


def _describe_stored(value: str) -> str:
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
    if _PLACEHOLDER.search(value) and len(value) < 60 and not tokens_in(value):
        return "is a placeholder"
    if re.fullmatch(r"[0-9A-Fa-f]{32}", value):
        return "is in capitals"
    if re.fullmatch(r"[0-9A-Fa-f]+", value):
        return f"has {len(value)} characters, not {USUAL_LENGTH}"
    return f"is not {USUAL_LENGTH} hexadecimal characters"
