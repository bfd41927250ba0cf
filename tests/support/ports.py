"""Ports for servers that are told where to listen."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack


def free_ports(count: int = 1) -> int:
    """The first of some free ports of loopback in a row.

    Until their server listens, nobody else gets them: a system gives sockets that name no port one above 32767.
    """
    while True:
        first = 10_000 + secrets.randbelow(20_000)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
