"""Ports for servers that are told where to listen."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import ExitStack


def free_ports(count: int = 1) -> int:
    """The first of some free ports of loopback in a row.

    Until their server listens, nobody else gets them: a system gives sockets that name no port one above 32767, and
    each process of pytest-xdist has a range of its own.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        first = 10_000 + number % 20 * 1000 + secrets.randbelow(1000 - count)
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
