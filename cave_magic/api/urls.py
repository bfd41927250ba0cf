"""Parses and shows URLs; no other module does. No repr and no text from here contains a secret.

URLs come from users, caveclient's datastack map, responses and redirects, and may contain a password or a token:
`https://TOKEN@host`. requests would send that instead of the stored token, so no request goes to such a URL.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import quote, unquote, urljoin, urlsplit

from ..token import as_token
from ..ui.redact import MASK, redact, sanitize

UNREADABLE = "an unreadable address"
SHORTEST = 20
"""Characters of the shortest part of a host that may be a token; every format has more."""

MAX_LENGTH = 2000
"""Characters. A longer text is not a URL."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = re.compile(r"[0-9a-z_][0-9a-z_.-]*|[0-9a-f:]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """A URL with a host.

    Attributes:
        scheme: in lower case, or "".
        host: in lower case, without brackets and final dot.
        port: as written, or None.
        path: without query and fragment.
        has_credentials: whether a user name, a password or a token precedes the host.
        has_more: whether anything but a slash follows the host.
    """

    scheme: str
    host: str
    port: int | None
    path: str = field(repr=False, compare=False)
    has_credentials: bool
    has_more: bool

    @property
    def is_loopback(self) -> bool:
        """Whether it is this computer."""
        with suppress(ValueError):
            return ip_address(self.host).is_loopback
        return self.host == "localhost"

    @property
    def host_port(self) -> tuple[str, int | None]:
        """Host and port, the same for every spelling."""
        return self.host, None if self.port in _DEFAULT_PORTS.values() else self.port

    @property
    def host_and_port(self) -> str:
        """The host, with its port if that is not the default of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (None, _DEFAULT_PORTS.get(self.scheme)) else f"{host}:{self.port}"

    @property
    def normal(self) -> str:
        """The normal form: scheme, host and port only."""
        return f"{self.scheme}://{self.host_and_port}" if self.scheme else self.host_and_port


def parse_url(text: object) -> Url | None:
    """Parses a URL.

    Args:
        text: with or without a scheme; spaces, quotes and angle brackets around it are ignored.
    Returns:
        None if the text is not a URL: no host, an invalid port, a token as the host, an `@` after it.
    """
    bare = text.strip().strip("\"'<>") if isinstance(text, str) else ""
    scheme = _SCHEME.match(bare)
    rest = bare[scheme.end() :] if scheme else bare
    if len(rest) > MAX_LENGTH or not rest.isprintable() or " " in rest or _SCHEME.match(rest):
        return None
    try:
        parts = urlsplit(f"//{rest}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if not _HOST.fullmatch(host) or port == 0 or "@" in parts.path:  # a password with a slash in it
        return None
    written = parts.netloc.rpartition("@")[2]
    if any(map(_is_token_like, (written, *written.split(".")))):
        return None
    has_more = bool(parts.path.strip("/") or parts.query or parts.fragment)
    name = scheme[1].lower() if scheme else ""
    return Url(
        scheme=name, host=host, port=port, path=parts.path, has_credentials="@" in parts.netloc, has_more=has_more
    )


def _is_token_like(label: str) -> bool:
    """Whether a part of a host is a token, or the beginning of a base64 token up to its first slash.

    No long label of a real host mixes lower case, capitals and digits.
    """
    if len(label) < SHORTEST:
        return False
    is_mixed = "." not in label and all(re.search(kind, label) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return as_token(label) is not None or is_mixed


def host_of(text: str) -> str:
    """`https://ada:pw@Host:443/path` -> `host`, with the port if it is not the default; "" if there is none."""
    url = parse_url(text)
    return url.host_and_port if url and url.scheme else ""


def proxy_parts(proxy: str) -> tuple[str, str]:
    """The scheme of a proxy's address, and the rest as requests reads it: without quotes, with an encoded password.

    `%env NAME='value'` keeps the quotes, and a `#` in a password would end the address.
    """
    bare = proxy.strip(" \t\r\n'\"")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?=:/)", bare)
    login, at, address = (bare[scheme.end() :].lstrip(":/") if scheme else bare).rpartition("@")
    user, colon, password = login.partition(":")
    encoded = (quote(unquote(part), safe="") for part in (user, password))
    return scheme[0].lower() if scheme else "http", colon.join(encoded) + at + address


def is_on_this_computer(address: str) -> bool:
    """Whether an address is one of this computer itself."""
    parsed = parse_url(address)
    return parsed is not None and parsed.is_loopback


def name_of_host(text: str) -> str:
    """The host without its port, as in proxy settings and `.netrc`; "" if there is none."""
    url = parse_url(text)
    return url.host if url else ""


@lru_cache(1024)  # the names of all token files are compared with all servers
def host_port_of(text: str) -> tuple[str, int | None] | None:
    """Host and port of a URL with or without a scheme, to compare; None if it is not a URL."""
    url = parse_url(text)
    return url.host_port if url else None


def display_url(text: object) -> str:
    """A server's URL, safe to show: its normal form."""
    url = parse_url(text)
    return sanitize(url.normal, 100).text if url else UNREADABLE


def display_page(text: str, base: str) -> str:
    """The URL of a page, safe to show: with its path, without credentials, query and fragment; it may be relative."""
    with suppress(ValueError):
        if url := parse_url(urljoin(base, text)):
            return sanitize(url.normal + url.path, 100).text
    return UNREADABLE


def holds_secret(value: object) -> bool:
    """Whether a value that should be a server's URL contains a token, a user name or a password."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return "@" in text or redact(text) != text


# ---------------------------------------------------------------- token files


def name_for_files(server: str) -> str:
    """What caveclient writes before `-cave-secret.json` for a server. It may contain a password: never show it.

    Source: caveclient 8.2, `auth.server_token_filename`: everything between `//` and the path, with capitals and
    `user:password@`, after adding `https://` to a URL without a scheme.
    """
    with suppress(ValueError):
        return urlsplit(server if urlsplit(server).scheme else f"https://{server}").netloc
    return ""


def display_file_name(name: str) -> str:
    """The name of a token file, safe to show."""
    credentials, _, rest = name.rpartition("@")
    return sanitize(f"{MASK}@{rest}" if credentials else rest, 200).text
