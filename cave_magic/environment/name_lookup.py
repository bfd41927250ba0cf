"""The addresses that this computer uses for a host: its hosts file comes before the network's name server."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from ..ui.door import on_windows

HOSTS_FILE = Path(os.path.expandvars(r"%SystemRoot%\System32\drivers\etc\hosts") if on_windows() else "/etc/hosts")


def is_in_hosts_file(name: str) -> bool:
    """Whether the hosts file has an address for a host."""
    with suppress(OSError):
        lines = HOSTS_FILE.read_text(encoding="utf-8", errors="replace").splitlines()
        return any(name in line.partition("#")[0].lower().split()[1:] for line in lines)
    return False


def private_address_of(name: str) -> str:
    """The first address of a host, if no public server can have it; otherwise "".

    Raises:
        OSError: the name does not resolve.
    """
    address = str(socket.getaddrinfo(name, None, 0, socket.SOCK_STREAM)[0][4][0])
    return "" if ip_address(address.partition("%")[0]).is_global else address


def is_ip_address(host: str) -> bool:
    """Whether a host is an IP address, which nobody looks up."""
    with suppress(ValueError):
        return bool(ip_address(host))
    return False
