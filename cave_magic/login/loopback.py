"""The receiver on loopback to which a sign-in redirects; this package starts no other server.

A browser on this computer reaches it directly, one on another computer through a Jupyter server (`route`).
Standard library only. RFC 8252, section 7.3: an ephemeral port on loopback, random paths, a short lifetime. Nothing is
logged, and no response repeats any part of a request. A URL with a query, which may contain a token, always gets a
redirect to a URL without one, before a browser shows anything.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import re
import secrets
import socket
import socketserver
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qsl

from ..token import Token
from .route import HOSTS, Request, Route, route_of

LIFETIME = 300.0
"""Seconds that a sign-in may take."""
GRACE_PERIOD = 300.0
"""Seconds after the end of a sign-in during which late tokens are received, to be revoked; at least `LIFETIME`."""
REQUEST_TIMEOUT = 5.0
"""Seconds within which a whole request must arrive, and a response must be sent."""
MAX_HEAD = 32_768
"""Bytes of a request line with its headers; browsers send the cookies of every server on 127.0.0.1."""
MAX_TARGET = 2048
"""Bytes of a path with its query."""
MAX_READING = 64
"""Connections that may send their request at the same time. Another one closes the oldest."""
MAX_TOKENS = 30
"""Different tokens that are verified, which sends them to the auth server. A person needs one, rarely two."""
MAX_STRAY_TOKENS = 8
"""Different tokens of refused requests that are revoked, so that a flood does not reach the auth server."""

DONE, FAILED, OVER, NOT_REVOKED, REFUSED = "/done", "/failed", "/over", "/not-revoked", "/refused"
"""The pages where a browser ends up. Their URLs contain no secrets."""

TOKEN_PARAMETERS = ("token", "middle_auth_token")
PARAMETERS = (*TOKEN_PARAMETERS, "middle_auth_url")
"""The parameters that the auth server adds to the URL (middle_auth 2.30); no others are accepted."""


class NoLoopback(Exception):
    """This computer does not let a program listen on a loopback address."""


class TokenHandler(Protocol):
    """Handles the tokens that arrive. The receiver calls it in its threads."""

    @property
    def who(self) -> str:
        """The account that is signed in."""

    @property
    def then(self) -> str:
        """What the person does after the sign-in."""

    def handle_token(self, token: Token, returned: bool) -> str:
        """Verifies a token, one at a time; returns where the browser goes: one of our pages, or a URL.

        `returned`: whether it arrived at the return URL, not at the sign-in URL. It may arrive after the end.
        """

    def handle_stray_token(self, token: Token, knows_path: bool) -> None:
        """Registers a token of a refused request; `knows_path`: it arrived at a secret path of this sign-in."""


_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; background: light-dark(#f4f6f6, #12181a); color: light-dark(#1d2728, #e4ebeb);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 34rem; box-sizing: border-box; margin: 2.5rem auto; padding: 1.75rem 2rem; border-radius: 14px;
  background: light-dark(#fff, #1b2326); border: 1px solid light-dark(#dce3e3, #2f3b3e); }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .35rem; }
p { margin: 0; overflow-wrap: anywhere; }
a { color: light-dark(#1f6f74, #6cc3c6); }
"""
_WORDS = {
    DONE: (200, "Signed in", "You are signed in as {who}. {then}"),
    FAILED: (200, "This did not work", "Go back to your notebook to see what to do. You can close this tab."),
    OVER: (410, "This sign-in is over", "To sign in again, start from your notebook. You can close this tab."),
    NOT_REVOKED: (410, "This sign-in is over", ""),
    REFUSED: (403, "Not accepted", "This address was not accepted. Your notebook shows whether it is still waiting."),
}
_NOT_FOUND = (404, "Nothing here", "This address belongs to a sign-in in a notebook.")
_NOT_ALLOWED = (405, "Not accepted", "This address can only be opened in a browser.")
_PREFETCHED = (503, "Not yet", "Open this address in a browser to continue.")
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{0}</title><style>{2}</style><main><h1>{0}</h1><p>{1}</p></main></html>
"""
_STYLE_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = (
    "Content-Type: text/html; charset=utf-8",
    "Cache-Control: no-store",
    "Referrer-Policy: no-referrer",
    "X-Content-Type-Options: nosniff",
    "Content-Security-Policy: default-src 'none'; style-src 'sha256-" + _STYLE_HASH + "'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy: same-origin",
    "Connection: close",
)
_REQUEST_LINE = re.compile(rf"([A-Z]{{1,20}}) (/[\x21-\x7e]{{0,{MAX_TARGET}}}) HTTP/1\.[01]")
_HEADER = re.compile(r"([!#-'*+.^-z|~0-9A-Z-]{1,80}):[ \t]*(.*?)[ \t]*")


def parse_request(head: bytes) -> Request | None:
    """Parses a request line and its headers; None unless they are a plain HTTP/1 request for a path."""
    first, *lines = head.decode("latin-1").split("\r\n")
    request_line = _REQUEST_LINE.fullmatch(first)
    fields = [_HEADER.fullmatch(line) for line in lines]
    if request_line is None or None in fields:
        return None
    headers = tuple((field[1].lower(), field[2]) for field in fields if field)
    path, _, query = request_line[2].partition("?")
    return Request(method=request_line[1], path=path, query=query, headers=headers)


def token_in(query: str) -> Token | None:
    """The token in a query; None unless the query is exactly as the auth server writes it."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=3)
    except ValueError:
        return None
    given = dict(pairs)
    values = {given[name] for name in TOKEN_PARAMETERS if name in given}
    if len(given) != len(pairs) or not given.keys() <= set(PARAMETERS) or len(values) != 1:
        return None
    token = Token(values.pop())
    return token if token.format is not None else None


def stray_tokens_in(query: str, issuer: str) -> list[Token]:
    """The well-formed tokens in any query; given an issuer, only in a query that names it."""
    with suppress(ValueError):
        pairs = parse_qsl(query, max_num_fields=20)
        if not issuer or ("middle_auth_url", issuer) in pairs:
            tokens = (Token(value) for name, value in pairs if name in TOKEN_PARAMETERS)
            return list(dict.fromkeys(token for token in tokens if token.format is not None))
    return []


class Receiver:
    """Waits on loopback for one sign-in, from now until `finish`.

    Until the sign-in is over, the browser may come several times, for example if the person opens the link again after
    choosing the wrong account. After that only late tokens are handled.

    Args:
        issuer: the value of `middle_auth_url` for the auth server.
        lifetime: seconds until the sign-in times out.
        not_revoked: the text and the link of the page `NOT_REVOKED`.
    Raises:
        NoLoopback: there is no loopback address to listen on.
    """

    def __init__(self, handler: TokenHandler, issuer: str, lifetime: float, not_revoked: tuple[str, str]) -> None:
        self._handler, self._issuer, self._not_revoked = handler, issuer, not_revoked
        self._one_at_a_time = threading.Lock()
        self._sign_in_path, self._return_path, self._hello_path = (f"/{secrets.token_urlsafe(16)}" for _ in range(3))
        self._found_route = threading.Event()
        self._done_path = f"{DONE}/{secrets.token_urlsafe(16)}"  # the page names the account
        self._tokens: dict[Token, None] = {}
        self._stray_tokens: dict[Token, None] = {}
        self._last_page = ""
        self.is_over = threading.Event()
        """Set once the sign-in is over."""
        for address in HOSTS:
            with suppress(OSError):
                self._server = _Server(self, address)
                break
        else:
            raise NoLoopback
        host, port = map(str, self._server.server_address[:2])
        self._host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._port = int(port)
        self._route = Route(base=f"http://{self._host}", host=self._host)
        self._ends = time.monotonic() + lifetime  # the sign-in; then the grace period
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def sign_in_url(self) -> str:
        """The URL to which the sign-in redirects."""
        return self._route.base + self._sign_in_path

    @property
    def return_url(self) -> str:
        """The URL to which another page, such as the terms of service, redirects."""
        return self._route.base + self._return_path

    def find_route(self, say_hello: Callable[[int, str], bool], seconds: float) -> bool:
        """Lets the notebook page say hello, once; returns whether that revealed a way through its server.

        `say_hello` makes the page request a path of a port of this computer, and returns whether there is a page.
        """
        if say_hello(self._port, self._hello_path):
            self._found_route.wait(seconds)
        with self._one_at_a_time:
            self._hello_path = ""
        return self._found_route.is_set()

    @property
    def left(self) -> float:
        """Seconds until the sign-in times out."""
        return 0.0 if self.is_over.is_set() else max(0.0, self._ends - time.monotonic())

    def finish(self) -> None:
        """Ends the sign-in, but handles late tokens during the grace period. A second call changes nothing."""
        if not self.is_over.is_set():
            self._ends = time.monotonic() + GRACE_PERIOD
            self.is_over.set()

    def _serve(self) -> None:
        with self._server:
            while not self.is_over.is_set() or time.monotonic() < self._ends:
                self._server.timeout = max(0.0, self._ends - time.monotonic())
                self._server.handle_request()  # returns after that time if nobody connects
                if time.monotonic() >= self._ends:
                    self.finish()

    def respond(self, request: Request) -> bytes:
        """The response to a request."""
        if self._is_hello(request):
            return _response(200)
        is_own_host = self._route.carries(request)
        if request.query and (location := self._handle_query(request, is_own_host)) is not None:
            return _response(303, location=self._route.location(location))
        status, title, text = _PREFETCHED if request.is_prefetch else self._page(request, is_own_host)
        body = _PAGE.format(html.escape(title), text, _STYLE)
        return _response(status, "" if request.method == "HEAD" else body)

    def _is_hello(self, request: Request) -> bool:
        """Whether it is the page's only hello; from then on, requests must come the same way."""
        if not hmac.compare_digest(request.path.encode(), self._hello_path.encode()):
            return False
        with self._one_at_a_time:
            route = route_of(request, self._port) if request.method == "GET" and not request.query else None
            if route is None or not self._hello_path or self.is_over.is_set():
                return False
            self._route, self._hello_path = route, ""
            self._found_route.set()
        return True

    def _page(self, request: Request, is_own_host: bool) -> tuple[int, str, str]:
        """Status, title and text (HTML) of the page at a URL without a query."""
        if not is_own_host:
            return _WORDS[REFUSED]
        if request.method != "GET":
            return _NOT_ALLOWED
        over = {OVER, NOT_REVOKED} if self._last_page or self.is_over.is_set() else set()
        path = DONE if request.path == self._done_path else request.path
        if request.path not in {REFUSED, self._last_page} | over:
            return _NOT_FOUND
        status, title, text = _WORDS[path]
        text = text.format(who=f"<b>{html.escape(self._handler.who)}</b>", then=html.escape(self._handler.then))
        if request.path == NOT_REVOKED:
            text, link = map(html.escape, self._not_revoked)
            text = f'{text} <a href="{link}" rel="noreferrer">{link}</a>'
        return status, title, text

    def _handle_query(self, request: Request, is_own_host: bool) -> str | None:
        """Handles the tokens in a query; returns where the browser goes now, or None for a prefetch."""
        paths = (self._sign_in_path, self._return_path)
        path = next((path for path in paths if hmac.compare_digest(request.path.encode(), path.encode())), "")
        token = token_in(request.query)
        if token is not None and path and is_own_host and request.is_opened:
            return self._handle_token(token, path == self._return_path)
        for stray in stray_tokens_in(request.query, "" if path else self._issuer):
            if stray not in self._stray_tokens and _has_room(self._stray_tokens, stray, MAX_STRAY_TOKENS):
                self._handler.handle_stray_token(stray, bool(path))
        return None if request.is_prefetch else REFUSED

    def _handle_token(self, token: Token, returned: bool) -> str:
        with self._one_at_a_time, suppress(Exception):  # the browser must leave the URL whatever happens
            if _has_room(self._tokens, token, MAX_TOKENS):
                location = self._handler.handle_token(token, returned)
                if location == DONE:
                    location = self._done_path
                self._last_page = location if location in (self._done_path, FAILED) else self._last_page
                return location
        return REFUSED


def _has_room(known: dict[Token, None], token: Token, most: int) -> bool:
    """Adds a token unless there are too many; returns whether it is known now."""
    if token not in known and len(known) < most:
        known[token] = None
    return token in known


def _response(status: int, body: str = "", location: str = "") -> bytes:
    more = [f"Location: {location}"] if location else []
    content = body.encode()
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    head = (first, *_HEADERS, *more, f"Content-Length: {len(content)}", "", "")
    return "\r\n".join(head).encode("latin-1") + content


# Not `http.server`: it limits the time of each read but not of a request, accepts folded headers and HTTP/0.9, repeats
# the request line (which may contain a token) in error pages, and resolves the host name.
class _Server(socketserver.ThreadingTCPServer):
    """Handles each connection in a thread, and limits slow ones."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, receiver: Receiver, host: str) -> None:
        self.receiver = receiver
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._lock = threading.Lock()
        self._reading: dict[socket.socket, None] = {}
        super().__init__((host, 0), _Handler)

    def server_bind(self) -> None:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: no other program may share the port
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """Logs nothing: a request may contain a token."""

    @contextmanager
    def reading(self, connection: socket.socket) -> Iterator[None]:
        """Counts a connection while it is sending its request. If there are too many, shuts down the oldest."""
        with self._lock:
            self._reading[connection] = None
            if len(self._reading) > MAX_READING:
                oldest = next(iter(self._reading))
                del self._reading[oldest]
                with suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)
        try:
            yield
        finally:
            with self._lock:
                self._reading.pop(connection, None)


class _Handler(socketserver.BaseRequestHandler):
    """One connection: a valid request and its response. An invalid request gets none."""

    server: _Server

    def handle(self) -> None:
        with suppress(OSError):
            with self.server.reading(self.request):
                request = parse_request(_read_head(self.request))
            if request is not None:
                response = self.server.receiver.respond(request)
                self.request.settimeout(REQUEST_TIMEOUT)
                self.request.sendall(response)
                _drain(self.request)


def _read_head(connection: socket.socket) -> bytes:
    """The request line and the headers; b"" if they are too long or take too long."""
    deadline, head = time.monotonic() + REQUEST_TIMEOUT, b""
    while len(head) <= MAX_HEAD and (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        head += (part := connection.recv(4096))
        if b"\r\n\r\n" in head:
            return head.partition(b"\r\n\r\n")[0]
        if not part:
            break
    return b""


def _drain(connection: socket.socket) -> None:
    """Reads what is still being sent (the body of a POST), because closing earlier would discard the response."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(0.5)
    for _ in range(16):
        if not connection.recv(4096):
            return
