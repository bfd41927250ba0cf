"""Loopback ports that speak HTTP/1.1 like the nginx in front of the real services. Standard library only."""

from __future__ import annotations

import contextlib
import io
import re
import select
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

HOST = "127.0.0.1"
LONGEST_LINE = 8192
LONGEST_BODY = 10_000_000
_HARD_LIMIT = 200_000


class BadRequest(Exception):
    """A request that nginx itself rejects; `reason` is the title of its page."""

    def __init__(self, reason: str = "400 Bad Request", detail: str = "") -> None:
        super().__init__(reason)
        self.reply = nginx_page(400, reason, "400 Bad Request", detail)


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names in lower case, values as latin-1 text."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of a header, or None."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Reply:
    """One response; `encode` adds `Content-Length`, `Date` and `Server`."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def encode(self, *, bodyless: bool = False, length: int | None = None, close: bool = False) -> bytes:
        """The bytes on the wire. `length` overrides the true length of the body."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", "Server: nginx"]
        lines.append(f"Date: {format_datetime(datetime.now(timezone.utc), usegmt=True)}")
        lines += [f"{k}: {v}" for k, v in self.headers if k.lower() not in ("content-length", "server", "date")]
        if self.status not in (204, 304):
            lines.append(f"Content-Length: {self._length(bodyless) if length is None else length}")
        lines.append(f"Connection: {'close' if close else 'keep-alive'}")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        return head if bodyless else head + self.body

    def _length(self, bodyless: bool) -> str:
        stated = next((v for k, v in self.headers if k.lower() == "content-length"), None)
        return stated if bodyless and stated else str(len(self.body))


def nginx_page(status: int, title: str, heading: str | None = None, detail: str = "") -> Reply:
    """A page of nginx itself, such as its 502."""
    extra = f"<center>{detail}</center>\r\n" if detail else ""
    text = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{heading or title}</h1></center>\r\n{extra}"
        f"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Reply(status, (("Content-Type", "text/html"),), text.encode())


class Connection:
    """An accepted connection, for the code that responds to its current request."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, data: bytes) -> None:
        """Sends all of `data`. Raises OSError if the client has disconnected."""
        self._sock.sendall(data)

    def reset(self) -> None:
        """Makes the client see `Connection reset by peer` when the connection is closed."""
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


Respond = Callable[[Request, Connection], "Reply | None"]
"""Handles a request; None closes the connection."""


@dataclass
class Port:
    """One listening port of 127.0.0.1. Every connection calls `respond` in its own thread.

    `name` is its host, without a port, in tests that redirect that host here.
    """

    respond: Respond
    number: int = 0
    tls: ssl.SSLContext | None = None
    accepted: Callable[[], None] = lambda: None
    name: str = ""
    _open: set[socket.socket] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closing: bool = False

    def __post_init__(self) -> None:
        """Binds the port. Raises OSError if it is taken."""
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if sys.platform != "win32":
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((HOST, self.number))
            self._listener.listen(128)
        except OSError:
            self._listener.close()
            raise
        self.number = self._listener.getsockname()[1]
        self._wake, self._woken = socket.socketpair()

    @property
    def netloc(self) -> str:
        """Host and port, as in a URL."""
        return self.name or f"{HOST}:{self.number}"

    @property
    def address(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self.tls else 'http'}://{self.netloc}"

    def start(self) -> None:
        """Starts to accept connections."""
        self._spawn(self._accept)

    def close(self) -> None:
        """Stops listening and closes every connection; returns within about half a second."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        self._cut()
        for thread in [t for t in self._threads if t is not threading.current_thread()]:
            thread.join(0.5)
        for sock in (self._listener, self._wake, self._woken):
            sock.close()

    def _cut(self) -> None:
        with self._lock:
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _spawn(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, name=f"cave sandbox {self.netloc}", daemon=True)
        thread.start()  # first: `close`, in another thread, joins those that are listed
        with self._lock:  # the thread that accepts connections may add one at the same time
            self._threads = [*(t for t in self._threads if t.is_alive()), thread]

    def _accept(self) -> None:
        while not self._closing:
            try:
                ready, _, _ = select.select([self._listener, self._woken], [], [])
            except (OSError, ValueError):
                if self._listener.fileno() < 0:  # `close` has not waited for this thread any longer
                    return
                raise
            if self._woken in ready:
                return
            try:
                sock, _ = self._listener.accept()
            except OSError:
                continue
            self.accepted()
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), self._kept(sock):
            if not self._closing:
                self._converse(sock)

    def _converse(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.tls is None:
            self._talk(sock)
        elif sock.recv(1, socket.MSG_PEEK) != b"\x16":
            page = nginx_page(
                400,
                "400 The plain HTTP request was sent to HTTPS port",
                "400 Bad Request",
                "The plain HTTP request was sent to HTTPS port",
            )
            with sock.makefile("rb") as stream, contextlib.suppress(BadRequest):
                read_request(stream, sock.sendall)
            sock.sendall(page.encode(close=True))
        else:
            with contextlib.suppress(ssl.SSLError), self._kept(self.tls.wrap_socket(sock, server_side=True)) as secure:
                self._talk(secure)

    @contextlib.contextmanager
    def _kept(self, sock: socket.socket) -> Iterator[socket.socket]:
        """Closes a socket at the end of the block; closing the port shuts it down before."""
        with self._lock:
            self._open.add(sock)
        try:
            yield sock
        finally:
            with self._lock:
                self._open.discard(sock)
            sock.close()

    def _talk(self, sock: socket.socket) -> None:
        with sock.makefile("rb") as stream:
            while not self._closing:
                try:
                    request = read_request(stream, sock.sendall)
                except BadRequest as refused:
                    sock.sendall(refused.reply.encode(close=True))
                    return
                reply = self.respond(request, Connection(sock))
                if reply is None:
                    return
                last = (request.header("connection") or "").lower() == "close"
                sock.sendall(reply.encode(bodyless=request.method == "HEAD", close=last))
                if last:
                    return


def read_request(stream: io.BufferedIOBase, send: Callable[[bytes], object]) -> Request:
    """Reads one request by nginx's rules. Raises EOFError at the end of the connection, and BadRequest for what nginx
    itself rejects: a folded header, a NUL, a line over 8 kB, something that is not HTTP."""
    first = _line(stream)
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest
    headers = _headers(stream)
    path, query = _target(parts[1])
    request = Request(parts[0], path, query, headers)
    if (request.header("expect") or "").lower() == "100-continue":
        send(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(parts[0], path, query, headers, _body(stream, request.header("content-length")))


def _line(stream: io.BufferedIOBase) -> str:
    raw = stream.readline(_HARD_LIMIT)
    if not raw:
        raise EOFError
    return raw.rstrip(b"\r\n").decode("latin-1")


def _headers(stream: io.BufferedIOBase) -> tuple[tuple[str, str], ...]:
    """The header lines up to the empty one. Reads all of them even if one is bad, so that the error page arrives."""
    found: list[tuple[str, str]] = []
    refusal: BadRequest | None = None
    while line := _line(stream):
        if len(line) > LONGEST_LINE:
            detail = "Request Header Or Cookie Too Large"
            refusal = BadRequest(f"400 {detail}", detail)
        elif line[0] in " \t" or "\0" in line:
            refusal = refusal or BadRequest()
        elif ":" in line:  # a line without a colon is skipped, as nginx does
            name, value = line.split(":", 1)
            found.append((name.lower(), value.strip(" ")))
    if refusal:
        raise refusal
    return tuple(found)


def _target(target: str) -> tuple[str, str]:
    """The path, with double slashes merged, and the query; drops the host of an absolute URL."""
    if not target.startswith("/"):
        try:
            parts = urlsplit(target)
        except ValueError:
            raise BadRequest from None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    path, _, query = target.partition("?")
    return re.sub("/{2,}", "/", path), query


def _body(stream: io.BufferedIOBase, length: str | None) -> bytes:
    if not length:
        return b""
    if not (length.isascii() and length.isdigit()) or int(length) > LONGEST_BODY:
        raise BadRequest
    return stream.read(int(length))


def environ(request: Request, port: Port) -> dict[str, Any]:
    """The WSGI environment of the request."""
    found: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
        "QUERY_STRING": request.query,
        "SERVER_NAME": HOST,
        "SERVER_PORT": str(port.number),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": HOST,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if port.tls else "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
