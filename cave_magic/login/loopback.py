"""The receiver on loopback to which a sign-in comes back. The only server that this package opens.

Standard library only. RFC 8252, section 7.3: a port of the system's choice on loopback, paths that nobody can guess, a
short life. Nothing is logged, and nothing of a request is ever repeated in an answer. Every address with a query, which
may hold a token, is answered with a redirect to an address without one, before a browser shows anything.
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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl

from ..token import Token

HOSTS = ("127.0.0.1", "::1")
"""Where it listens: at the first of them that this computer has."""
LIFE = 300.0
"""Seconds in which a sign-in must have come back."""
AFTERLIFE = 300.0
"""Seconds after the end of a sign-in in which a token that still comes is revoked, and the browser is told so."""
READING = 5.0
"""Seconds in which a whole request must have come, and in which an answer must have gone."""
LONGEST_HEAD = 32_768
"""Bytes of a request line with its headers; browsers send the cookies of every server on 127.0.0.1."""
LONGEST_TARGET = 2048
MOST_AT_ONCE = 64
"""Connections that may be sending their request at the same time; one more cuts off the one that began first."""
MOST_HANDLED = 30
"""Different tokens that are looked at, and so sent to the auth server. A person needs one, seldom two."""
MOST_STRAY = 8
"""Different tokens out of refused requests that are revoked. A flood of them does not become one of the auth server."""

DONE, FAILED, OVER, NOT_REVOKED, REFUSED = "/done", "/failed", "/over", "/not-revoked", "/refused"
"""The pages at which a browser ends. Their addresses hold nothing."""

TOKEN_PARAMETERS = ("token", "middle_auth_token")
PARAMETERS = (*TOKEN_PARAMETERS, "middle_auth_url")
"""What the auth server adds to the address (middle_auth 2.30); nothing else may stand there."""


class NoLoopback(Exception):
    """There is no address of this computer itself at which a program may listen."""


class TokenHandler(Protocol):
    """What the receiver passes tokens to: the sign-in. Called in threads of the receiver."""

    def receive(self, token: Token, returns: bool) -> str:
        """Takes one token at a time; returns where the browser goes: `DONE`, `FAILED`, `REFUSED` or an address.

        Args:
            token: what came.
            returns: whether it came to the address for coming back, not to the one for signing in.
        """

    def receive_late(self, token: Token) -> str:
        """The same for a token that came after the end: `DONE`, `OVER` or `NOT_REVOKED`."""

    def receive_stray(self, token: Token, knows_path: bool) -> None:
        """Takes notice of a token in a request that is refused.

        Args:
            token: what came.
            knows_path: whether it came to an address of this sign-in, which no stranger knows.
        """


_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 17px/1.5 system-ui, sans-serif; }
main { padding: 2rem; text-align: center; }
h1 { font-size: 1.6rem; font-weight: 600; margin: 0 0 .4rem; }
p { margin: 0; opacity: .75; }
"""
_WORDS = {
    DONE: (200, "Done, go back to your notebook", "You can close this tab."),
    FAILED: (200, "This did not work", "Go back to your notebook: it says what to do. You can close this tab."),
    OVER: (410, "This sign-in is over", "To sign in again, start from your notebook. You can close this tab."),
    NOT_REVOKED: (410, "This sign-in is over", ""),
    REFUSED: (403, "Not accepted", "Nothing was done with this address. Your notebook says whether it still waits."),
}
_NOT_FOUND = (404, "Nothing is here", "This address belongs to a sign-in in a notebook.")
_NOT_ALLOWED = (405, "Not accepted", "This address can only be opened in a browser.")
_PREFETCHED = (503, "Not yet", "This address is answered once it is opened.")
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
_REASONS = {
    200: "OK", 303: "See Other", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 410: "Gone",
    503: "Service Unavailable",
}  # fmt: skip
_FIRST_LINE = re.compile(rf"([A-Z]{{1,20}}) (/[\x21-\x7e]{{0,{LONGEST_TARGET}}}) HTTP/1\.[01]")
_HEADER = re.compile(r"([!#-'*+.^-z|~0-9A-Z-]{1,80}):[ \t]*(.*?)[ \t]*")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What counts of a request: how, what for, and to whom the browser thinks it speaks."""

    method: str
    path: str
    query: str
    hosts: tuple[str, ...]
    fetched_as: str
    is_prefetch: bool = False


def read_request(head: bytes) -> Request | None:
    """Reads a request line and its headers; None if they are not a plain HTTP/1 request for a path."""
    first, *lines = head.decode("latin-1").split("\r\n")
    asked = _FIRST_LINE.fullmatch(first)
    fields = [_HEADER.fullmatch(one) for one in lines]
    if asked is None or None in fields:
        return None
    named = [(field[1].lower(), field[2]) for field in fields if field]
    path, _, query = asked[2].partition("?")
    hosts = tuple(value for name, value in named if name == "host")
    fetched_as = next((value for name, value in named if name == "sec-fetch-dest"), "document")
    is_prefetch = any(name in ("sec-purpose", "purpose") and "prefetch" in value for name, value in named)
    return Request(asked[1], path, query, hosts, fetched_as, is_prefetch)


def token_in(query: str) -> Token | None:
    """The token in the query that the auth server makes; None if anything about it is not as that server makes it."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=3)
    except ValueError:
        return None
    given = dict(pairs)
    values = {given[name] for name in TOKEN_PARAMETERS if name in given}
    if len(given) != len(pairs) or not given.keys() <= set(PARAMETERS) or len(values) != 1:
        return None
    return _token(values.pop())


def strays_in(query: str, issuer: str) -> list[Token]:
    """What may be tokens in any query; with an issuer only in a query that says that it comes from there."""
    with suppress(ValueError):
        pairs = parse_qsl(query, max_num_fields=20)
        if not issuer or ("middle_auth_url", issuer) in pairs:
            tokens = (_token(value) for name, value in pairs if name in TOKEN_PARAMETERS)
            return list(dict.fromkeys(filter(None, tokens)))
    return []


def _token(text: str) -> Token | None:
    token = Token(text)
    return token if token.format is not None else None


class Receiver:
    """Waits on loopback for one sign-in. Use it as a context manager.

    While the sign-in lasts a browser may come as often as it wants to: the person may have chosen the wrong account and
    open the link again. After that it only takes in what comes too late.

    Args:
        handler: takes the well-formed tokens.
        issuer: what the auth server calls itself in `middle_auth_url`.
        life: seconds after which the sign-in is over.
        alive: what the browser is told of a token that came too late and could not be revoked, and a link for it.
    Raises:
        NoLoopback: when entered.
    """

    def __init__(
        self, handler: TokenHandler, issuer: str, life: float = LIFE, alive: tuple[str, str] = ("", "")
    ) -> None:
        self._handler = handler
        self._life = life
        self._alive = alive
        self._issuer = issuer
        self._turn = threading.Lock()
        self._first, self._second = _new_path(), _new_path()
        self._handled: dict[Token, None] = {}
        self._strays: dict[Token, None] = {}
        self._ended_at = ""
        self.is_over = threading.Event()
        """Set once nothing is accepted any more."""
        self.closed = threading.Event()
        """Set once nobody listens any more."""

    def __enter__(self) -> Receiver:
        self._server = _listen(self)
        host, port = map(str, self._server.server_address[:2])
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._ends = time.monotonic() + self._life
        self._timer = _after(self._life, self.finish)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.finish()

    @property
    def address(self) -> str:
        """Where the sign-in comes to."""
        return f"http://{self._address}{self._first}"

    @property
    def back(self) -> str:
        """Where a browser comes back to from a page that it was sent on to."""
        return f"http://{self._address}{self._second}"

    @property
    def left(self) -> float:
        """Seconds until the sign-in is over by itself."""
        return 0.0 if self.is_over.is_set() else max(0.0, self._ends - time.monotonic())

    def finish(self) -> None:
        """Accepts nothing any more; what still comes is revoked for some minutes. A second time changes nothing."""
        with self._server.lock:
            if self.is_over.is_set():
                return
            self.is_over.set()
        self._timer.cancel()
        self._timer = _after(AFTERLIFE, self.close)

    def close(self) -> None:
        """Stops listening at once. A second time changes nothing."""
        self.is_over.set()
        with self._server.lock:
            if self.closed.is_set():
                return
            self.closed.set()
        self._timer.cancel()
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_all()

    def answer(self, request: Request) -> bytes:
        """What a request gets."""
        is_known = request.hosts == (self._address,)
        if request.query and (where := self._take(request, is_known)) is not None:
            return _reply(303, location=where)
        status, title, text = _PREFETCHED if request.is_prefetch else self._page(request, is_known)
        body = _PAGE.format(html.escape(title), text, _STYLE)
        return _reply(status, "" if request.method == "HEAD" else body)

    def _page(self, request: Request, is_known: bool) -> tuple[int, str, str]:
        """The page at an address without a query."""
        if not is_known:
            return _WORDS[REFUSED]
        if request.method != "GET":
            return _NOT_ALLOWED
        shown = {REFUSED, self._ended_at} | ({OVER, NOT_REVOKED} if self._ended_at or self.is_over.is_set() else set())
        if request.path not in shown or request.path not in _WORDS:
            return _NOT_FOUND
        status, title, text = _WORDS[request.path]
        return status, title, _with_link(*self._alive) if request.path == NOT_REVOKED else text

    def _take(self, request: Request, is_known: bool) -> str | None:
        """Takes the token out of an address; where the browser goes now, None for one that has only been preloaded."""
        path = next((one for one in (self._first, self._second) if _is_same(request.path, one)), "")
        is_opened = request.method == "GET" and request.fetched_as == "document" and not request.is_prefetch
        token = token_in(request.query)
        if token is not None and path and is_known and is_opened:
            return self._handle(token, path == self._second)
        for stray in strays_in(request.query, "" if path else self._issuer):
            if stray not in self._strays and _has_room(self._strays, stray, MOST_STRAY):
                self._handler.receive_stray(stray, bool(path))
        return None if request.is_prefetch else REFUSED

    def _handle(self, token: Token, returns: bool) -> str:
        with self._turn, suppress(Exception):  # the browser must leave the address whatever happens
            if _has_room(self._handled, token, MOST_HANDLED):
                is_late = self.is_over.is_set()
                where = self._handler.receive_late(token) if is_late else self._handler.receive(token, returns)
                self._ended_at = where if where in (DONE, FAILED) else self._ended_at
                return where
        return REFUSED


def _listen(receiver: Receiver) -> _Server:
    """A server at the first address of loopback that there is.

    Raises:
        NoLoopback: there is none.
    """
    for host in HOSTS:
        with suppress(OSError):
            return _Server(receiver, host)
    raise NoLoopback


def _after(seconds: float, then: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, then)
    timer.daemon = True
    timer.start()
    return timer


def _has_room(known: dict[Token, None], token: Token, most: int) -> bool:
    """Whether a token is known, or one of the first so many."""
    if token not in known and len(known) < most:
        known[token] = None
    return token in known


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _new_path() -> str:
    return f"/{secrets.token_urlsafe(16)}"


def _with_link(text: str, link: str) -> str:
    """A sentence that ends in a link, as HTML."""
    return f'{html.escape(text)} <a href="{html.escape(link)}" rel="noreferrer">{html.escape(link)}</a>'


def _reply(status: int, body: str = "", location: str = "") -> bytes:
    more = [f"Location: {location}"] if location else []
    content = body.encode()
    head = (f"HTTP/1.1 {status} {_REASONS[status]}", *_HEADERS, *more, f"Content-Length: {len(content)}", "", "")
    return "\r\n".join(head).encode("latin-1") + content


class _Server(socketserver.ThreadingTCPServer):
    """A thread for each connection, and an end to each that is slow."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, receiver: Receiver, host: str) -> None:
        self.receiver = receiver
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.lock = threading.Lock()
        self._reading: dict[socket.socket, None] = {}
        super().__init__((host, 0), _Handler)

    def server_bind(self) -> None:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows: nobody else may listen on this port
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        super().server_bind()

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: what came in may hold a token."""

    def begins(self, connection: socket.socket) -> None:
        """Notes that a connection sends its request; too many at once, and the oldest is cut off."""
        with self.lock:
            self._reading[connection] = None
            if len(self._reading) > MOST_AT_ONCE:
                _cut(oldest := next(iter(self._reading)))
                del self._reading[oldest]

    def has_read(self, connection: socket.socket) -> None:
        with self.lock:
            self._reading.pop(connection, None)

    def cut_all(self) -> None:
        """Ends the connections that have not sent their request yet."""
        with self.lock:
            for connection in self._reading:
                _cut(connection)
            self._reading.clear()


class _Handler(socketserver.BaseRequestHandler):
    """One connection: one request, one answer; no answer to what is no request."""

    server: _Server

    def setup(self) -> None:
        self.server.begins(self.request)

    def handle(self) -> None:
        with suppress(OSError):
            head = _read_head(self.request)
            self.server.has_read(self.request)
            request = read_request(head) if head else None
            if request is None:
                return
            answer = self.server.receiver.answer(request)
            self.request.settimeout(READING)
            self.request.sendall(answer)
            _drain(self.request)

    def finish(self) -> None:
        self.server.has_read(self.request)


def _read_head(connection: socket.socket) -> bytes:
    """The request line and the headers; b"" if they are too long or too slow."""
    deadline, head = time.monotonic() + READING, b""
    while len(head) <= LONGEST_HEAD and (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        part = connection.recv(4096)
        head += part
        if not part:
            break
        if b"\r\n\r\n" in head:
            return head.partition(b"\r\n\r\n")[0]
    return b""


def _drain(connection: socket.socket) -> None:
    """Takes what is still being sent (the body of a POST), so that the answer is not lost with it."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(0.5)
    for _ in range(16):
        if not connection.recv(4096):
            return


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
