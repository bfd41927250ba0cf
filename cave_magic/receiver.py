"""The door on loopback through which a sign-in comes back, once. The only server that this package opens.

Standard library only. RFC 8252, section 7.3: a port of the system's choice on 127.0.0.1, a path that nobody can
guess, one use, a short life. Nothing is logged, and nothing of a request is ever repeated in an answer.
"""

from __future__ import annotations

import hashlib
import hmac
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
from urllib.parse import parse_qsl

from .tokens import Token, unusual_token

HOST = "127.0.0.1"
LIFE = 300.0
"""Seconds after which it closes by itself."""
READING = 5.0
"""Seconds in which a whole request must have come, and in which an answer must have gone."""
LONGEST_HEAD = 32_768
"""Bytes of a request line with its headers; browsers send the cookies of every server on 127.0.0.1."""
LONGEST_TARGET = 2048
MOST_AT_ONCE = 64
"""Connections that may be sending their request at the same time; one more cuts off the one that began first."""

DONE, FAILED = "/done", "/failed"
"""The two pages at which a browser ends. Their addresses hold nothing."""

TOKEN_PARAMETERS = ("token", "middle_auth_token")
PARAMETERS = (*TOKEN_PARAMETERS, "middle_auth_url")
"""What the auth server adds to the address (middle_auth 2.30); nothing else may stand there."""

Judge = Callable[[Token, str], "str | None"]
"""Looks at a token that came, and says where the browser goes: None (refused, the wait goes on), `DONE`, `FAILED`, or
the address of a page that sends it back to the address in the second argument, which is good once."""

_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 17px/1.5 system-ui, sans-serif; }
main { padding: 2rem; text-align: center; }
h1 { font-size: 1.6rem; font-weight: 600; margin: 0 0 .4rem; }
p { margin: 0; opacity: .75; }
"""
_WORDS = {
    DONE: ("Done, go back to your notebook", "You can close this tab."),
    FAILED: ("This did not work", "Go back to your notebook: it says what to do. You can close this tab."),
}
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
_REASONS = {200: "OK", 303: "See Other", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed"}
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
    return Request(asked[1], path, query, hosts, next((v for n, v in named if n == "sec-fetch-dest"), "document"))


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
    token = Token(values.pop())
    return token if token.is_usual or unusual_token(token.reveal()) == token else None


class Receiver:
    """Waits on loopback for one sign-in. Use it as a context manager.

    Args:
        judge: called with a well-formed token, in a thread of the receiver, one call at a time.
        life: seconds after which it closes.
    """

    def __init__(self, judge: Judge, life: float = LIFE) -> None:
        self._judge = judge
        self._life = life
        self._turn = threading.Lock()
        self._open = _new_path()
        self._page = ""
        self._seen = threading.Event()
        self.closed = threading.Event()
        """Set once it is closed, for whatever reason."""

    def __enter__(self) -> Receiver:
        self._server = _Server(self)
        self._ends = time.monotonic() + self._life
        self._address = f"{HOST}:{self._server.server_address[1]}"
        self._timer = threading.Timer(self._life, self.close)
        self._timer.daemon = True
        self._timer.start()
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def address(self) -> str:
        """Where the sign-in may come back to, as long as nothing did."""
        return f"http://{self._address}{self._open}"

    @property
    def left(self) -> float:
        """Seconds until it closes by itself."""
        return 0.0 if self.closed.is_set() else max(0.0, self._ends - time.monotonic())

    def close(self) -> None:
        """Stops listening at once. A second time changes nothing."""
        with self._server.lock:
            if self.closed.is_set():
                return
            self.closed.set()
        self._timer.cancel()
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_all()

    def close_soon(self, seconds: float = 3.0) -> None:
        """Goes on only to show the browser its last page, for so many seconds at most; comes back at once."""

        def wait() -> None:
            self._seen.wait(seconds)
            self.close()

        threading.Thread(target=wait, daemon=True).start()

    def answer(self, request: Request) -> bytes:
        """What a request gets."""
        if request.hosts != (self._address,):
            return _reply(403)
        if request.method != "GET":
            return _reply(405)
        if self._page and request.path == self._page and not request.query:
            return _reply(200, _PAGE.format(*_WORDS[self._page], _STYLE))
        if not self._is_open(request.path):
            return _reply(404)
        token = token_in(request.query)
        if token is None or request.fetched_as != "document":
            return _reply(403)
        return self._receive(request.path, token)

    def was_answered(self, request: Request) -> None:
        """Told when an answer has gone."""
        if self._page and request.path == self._page:
            self._seen.set()

    def _receive(self, path: str, token: Token) -> bytes:
        """Lets the judge look, and shuts the path once a token was taken."""
        with self._turn:
            if not self._is_open(path):
                return _reply(404)
            again = _new_path()
            where = self._judge(token, f"http://{self._address}{again}")
            if where is None or self.closed.is_set():
                return _reply(403)
            self._page = where if where in _WORDS else ""
            self._open = "" if self._page else again
            return _reply(303, location=where)

    def _is_open(self, path: str) -> bool:
        return bool(self._open) and hmac.compare_digest(path.encode(), self._open.encode())


def _new_path() -> str:
    return f"/{secrets.token_urlsafe(16)}"


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

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        self.lock = threading.Lock()
        self._reading: dict[socket.socket, None] = {}
        super().__init__((HOST, 0), _Handler)

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
            self.server.receiver.was_answered(request)
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
