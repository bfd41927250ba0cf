"""A server's address, taken apart. Nothing else in the package splits one. Pure; no repr and no text here has a secret.

Addresses come from people, caveclient's map, answers and redirects, and a password or a token may stand in one:
`https://TOKEN@host`. requests would send that in place of the stored token, so nobody is asked at such an address.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from ..redact import MASK, redact, sanitize
from ..token import as_token

UNREADABLE = "an unreadable address"
LONGEST = 2000
"""Characters. A longer text is no address."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST = re.compile(r"[0-9a-z_][0-9a-z_.-]*|[0-9a-f:]+")
_USUAL_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """An address with a host.

    Attributes:
        scheme: in lower case; "" where none is written.
        host: in lower case, without brackets and final dot.
        port: as it is written; None where none is.
        path: what follows the host, up to a query or fragment.
        has_credentials: whether a user name, a password or a token stands before the host.
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
        """Whether it means this computer itself."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def host_port(self) -> tuple[str, int | None]:
        """Host and port, the same for every way to write them."""
        return self.host, None if self.port in _USUAL_PORTS.values() else self.port

    @property
    def host_and_port(self) -> str:
        """The host, with its port where that is not the usual one of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (None, _USUAL_PORTS.get(self.scheme)) else f"{host}:{self.port}"

    @property
    def normal(self) -> str:
        """The one normal form: scheme, host and port, and nothing behind."""
        return f"{self.scheme}://{self.host_and_port}" if self.scheme else self.host_and_port


def parse(text: object) -> Url | None:
    """Takes an address apart.

    Args:
        text: with or without a scheme; blanks, quotes and angle brackets around it do not matter.
    Returns:
        None where the text is no address: no host, a port that is none, a token in the place of the host, an `@`
        behind it.
    """
    bare = text.strip().strip("\"'<>") if isinstance(text, str) else ""
    scheme = _SCHEME.match(bare)
    rest = bare[scheme.end() :] if scheme else bare
    if len(rest) > LONGEST or not rest.isprintable() or " " in rest or _SCHEME.match(rest):
        return None
    try:
        parts = urlsplit(f"//{rest}")
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return None
    if not _HOST.fullmatch(host) or port == 0 or "@" in parts.path:  # a password with a slash in it
        return None
    written = parts.netloc.rpartition("@")[2]
    if as_token(written) is not None or any(map(_is_no_label, written.split("."))):
        return None
    has_more = bool(parts.path.strip("/") or parts.query or parts.fragment)
    name = scheme[1].lower() if scheme else ""
    return Url(
        scheme=name, host=host, port=port, path=parts.path, has_credentials="@" in parts.netloc, has_more=has_more
    )


def _is_no_label(label: str) -> bool:
    """Whether a part of a host is a token, or begins like one: no long label mixes lower case and capitals.

    A token of base64 is cut off at its first slash.
    """
    is_mixed = all(re.search(kind, label) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return as_token(label) is not None or (len(label) >= 20 and is_mixed)


def host_of(text: str) -> str:
    """`https://ada:pw@Host:443/path` -> `host`, with the port where it is not the usual one; "" where there is none."""
    address = parse(text)
    return address.host_and_port if address and address.scheme else ""


def name_of_host(text: str) -> str:
    """The host alone, without its port, as proxies and `.netrc` files know it; "" where there is none."""
    address = parse(text)
    return address.host if address else ""


def host_port_of(text: str) -> tuple[str, int | None] | None:
    """Host and port of an address with or without a scheme, to compare; None where it is no address."""
    address = parse(text)
    return address.host_port if address else None


def shown(text: object) -> str:
    """A server's address as it may be shown, whatever stands in it: the normal form."""
    address = parse(text)
    return sanitize(address.normal, 100).text if address else UNREADABLE


def display_page(text: str, base: str) -> str:
    """The address of a page as it may be shown: with its path, without credentials, query and fragment.

    Args:
        text: the address, which may be relative.
        base: the address of the page that led there.
    """
    try:
        address = parse(urljoin(base, text))
    except ValueError:
        address = None
    return sanitize(address.normal + address.path, 100).text if address else UNREADABLE


def holds_secret(value: object) -> bool:
    """Whether a text that should be a server's address has a token, a user name or a password anywhere in it."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return "@" in text or redact(text) != text


# ---------------------------------------------------------------- token files


def name_for_files(server: str) -> str:
    """What caveclient puts before `-cave-secret.json` for a server. It may hold a password: it is never shown.

    Source: caveclient 8.2, `auth.server_token_filename`: all that stands between `//` and the path, capitals and
    `user:password@` included, with `https://` put before an address without a scheme.
    """
    try:
        return urlsplit(server if urlsplit(server).scheme else f"https://{server}").netloc
    except ValueError:
        return ""


def shown_file_name(name: str) -> str:
    """The name of a token file as it may be shown."""
    credentials, _, rest = name.rpartition("@")
    return sanitize(f"{MASK}@{rest}" if credentials else rest, 200).text
