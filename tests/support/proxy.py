"""A proxy on loopback that reaches some hosts, and answers for all others itself."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable

from .odd_server import TLS


class Proxy:
    """Use it as a context manager.

    `address` is what goes into `HTTP_PROXY`, `reaches` the hosts (with ports) that it forwards to, `answer` what it
    says in the place of every other, `asked` the hosts that it was asked for. `names` has the hosts that only it can
    look up, and `password` is what it demands as `Proxy-Authorization`, if anything. It removes header lines that begin
    with `removes`. The name "" is where requests go that name no host, as if it were a gateway.
    """

    def __init__(self, reaches: Iterable[str], answer: bytes) -> None:
        self.reaches = set(reaches)
        self.answer = answer
        self.asked: list[str] = []
        self.names: dict[str, str] = {}
        self.password = ""
        self.removes = b"connection:"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError, ValueError):
            head = b""
            while b"\r\n\r\n" not in head and not head.startswith(TLS) and (part := sock.recv(65536)):
                head += part
            first, _, rest = head.partition(b"\r\n")
            method, url, version = first.decode().split(" ")
            host, _, path = url.removeprefix("http://").partition("/")
            self.asked.append(host)
            if self.password.encode() not in head:
                sock.sendall(page(407))
                return
            host = self.names.get(host, host)
            if method == "CONNECT" or host not in self.reaches:
                sock.sendall(self.answer)
                return
            name, _, port = host.partition(":")
            with socket.create_connection((name, int(port or 80)), timeout=60) as server:
                removed = (b"connection:", self.removes)
                lines = [line for line in rest.split(b"\r\n") if not line.lower().startswith(removed)]
                server.sendall(f"{method} /{path} {version}\r\nConnection: close\r\n".encode() + b"\r\n".join(lines))
                while part := server.recv(65536):
                    sock.sendall(part)


def page(status: int, text: str = "ERROR: The requested URL could not be retrieved") -> bytes:
    """An answer of a proxy: a page of its own."""
    body = f"<html><h1>{text}</h1></html>".encode()
    head = (
        f"HTTP/1.1 {status} Not reached\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close"
    )
    return f"{head}\r\n\r\n".encode() + body
