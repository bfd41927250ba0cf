"""A server on loopback that does with a connection whatever a test wants: answer in bytes of its own, or never."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable

TLS = b"\x16"
"""The first byte of a secure connection."""
Response = Callable[[socket.socket, threading.Event], None]


class OddServer:
    """Use it as a context manager; `got` is what came in, `connections` how often somebody connected.

    `asked` is the request to which the answer that asks for it responds: several may come at the same time.
    """

    def __init__(self, answer: Response, tls: ssl.SSLContext | None = None) -> None:
        self.answer, self.tls = answer, tls
        self.got = b""
        self.connections = 0
        self.over = threading.Event()
        self._lock, self._here = threading.Lock(), threading.local()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def asked(self) -> bytes:
        asked: bytes = self._here.asked
        return asked

    def __enter__(self) -> OddServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while not self.over.is_set():
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            stack.enter_context(sock)
            if self.tls:
                sock = stack.enter_context(self.tls.wrap_socket(sock, server_side=True))
            asked = b""
            # What stays unread resets the connection. TLS has no such end, and a server of http answers it at once.
            while b"\r\n\r\n" not in asked and not asked.startswith(TLS) and (part := sock.recv(65536)):
                asked += part
                with self._lock:
                    self.got += part
            self._here.asked = asked
            self.answer(sock, self.over)


def says(head: str, body: bytes = b"") -> Response:
    """Answers 200 with these header lines and this body."""

    def answer(sock: socket.socket, over: threading.Event) -> None:
        sock.sendall(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)

    return answer


def drips(start: bytes, more: bytes, pause: float = 0.1) -> Response:
    """Sends `start`, and then `more` again and again, with pauses, without an end."""

    def answer(sock: socket.socket, over: threading.Event) -> None:
        sock.sendall(start)
        while not over.wait(pause):
            sock.sendall(more)

    return answer


def says_nothing(sock: socket.socket, over: threading.Event) -> None:
    """Takes the connection and what is sent, and never answers."""
    over.wait(60)


@contextlib.contextmanager
def full_backlog(address: str = "127.0.0.1", port: int = 0):
    """The address of a port on which connecting never completes: its queue is full and nobody accepts."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family)
    listener.bind((address, port))
    listener.listen(0)
    waiting = []
    try:
        for _ in range(4):
            sock = socket.socket(family)
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        time.sleep(0.05)
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for sock in (*waiting, listener):
            sock.close()
