"""How a browser reaches the receiver: directly on loopback, or through the Jupyter server that serves the notebook.

jupyter-server-proxy, which many hubs have, passes `<base URL>proxy/<port>/` on to a port of its own computer. Only the
notebook page can find out whether it is installed, and at which address. So the page sends a request, the hello, and
reports its base URL; the report counts only if the other headers of the request agree with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from ..api.urls import parse_url

HOSTS = ("127.0.0.1", "::1")
"""The receiver listens on the first of these that the computer has."""

PAGE_HEADER = "x-cave-page"
"""The header with the base URL of the page. A page of another site could send it only if the receiver allowed that."""

_BASE_PATH = re.compile(r"/(?:[\w.~%!$&'()*+,;=:-]+/)*", re.ASCII)
_FETCHED = {"sec-fetch-site": {"same-origin"}, "sec-fetch-mode": {"cors", "same-origin"}, "sec-fetch-dest": {"empty"}}
"""What a browser says about a page's request to its own server; over plain http it says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Request:
    """A request, whose headers have names in lower case. It has no repr, because its query may contain a token."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    def values(self, *names: str) -> list[str]:
        """The values of the headers with one of these names."""
        return [value for name, value in self.headers if name in names]

    @property
    def is_prefetch(self) -> bool:
        """Whether the browser only prefetches the URL."""
        return any("prefetch" in value for value in self.values("sec-purpose", "purpose"))

    @property
    def is_opened(self) -> bool:
        """Whether a person opens the URL as a page."""
        kind = [*self.values("sec-fetch-dest"), "document"][0]  # older browsers do not say
        return self.method == "GET" and kind == "document" and not self.is_prefetch


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to the receiver.

    Attributes:
        base: the URL outside of the receiver's "/", without that slash.
        host: the Host header of a request that comes this way.
        prefix: its X-Forwarded-Prefix header; "" for a direct request, which has none.
    """

    base: str
    host: str
    prefix: str = ""

    def carries(self, request: Request) -> bool:
        """Whether a request came this way."""
        prefixes = [self.prefix] if self.prefix else []
        return request.values("host") == [self.host] and request.values("x-forwarded-prefix") == prefixes

    def location(self, target: str) -> str:
        """The Location header that leads to a path of the receiver, or to a URL, which stays as it is."""
        return self.base + target if self.prefix and target.startswith("/") else target  # old proxies rewrite no path


def route_of(hello: Request, port: int) -> Route | None:
    """The way that the hello of a page came to a port; None if page, proxy and browser do not agree on it."""
    reported, hosts, prefixes = (hello.values(name) for name in (PAGE_HEADER, "host", "x-forwarded-prefix"))
    page = parse_url(reported[0]) if len(reported) == len(hosts) == len(prefixes) == 1 else None
    if page is None or page.scheme not in ("http", "https") or not _BASE_PATH.fullmatch(page.path):
        return None
    origin, base = page.normal, page.normal + page.path
    names = hosts + [name for value in hello.values("x-forwarded-host") for name in value.split(",")]
    agrees = (
        reported == [base]
        and page.host in {url.host for url in map(parse_url, names) if url}  # some reverse proxies leave out the port
        and unquote(prefixes[0]) == unquote(f"{page.path}proxy/{port}")
        and set(hello.values("origin")) <= {origin}
        and all(sender == f"{origin}/" or sender.startswith(base) for sender in hello.values("referer"))
        and all(set(hello.values(name)) <= good for name, good in _FETCHED.items())
    )
    return Route(base=f"{base}proxy/{port}", host=hosts[0], prefix=prefixes[0]) if agrees else None


def is_sign_in_address(text: str) -> bool:
    """Whether a pasted text is the URL of a sign-in that could not reach this computer."""
    hosts = "|".join(re.escape(f"[{host}]" if ":" in host else host) for host in HOSTS)
    direct, proxied = rf"(?:http://)?(?:{hosts}):\d+", r"https?://[^\s\"'<>?#]+/proxy/\d+"
    return re.match(rf"[\s\"'<]*(?:{direct}|{proxied})/[\w-]+\?\S*token=", text) is not None
