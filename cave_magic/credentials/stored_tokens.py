"""Which token caveclient takes for a server, from which file, and whether that token is another server's.

The order of files is caveclient's (caveclient 7 and 8, `auth.py`); a test compares this module with it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..api.urls import host_port_of, name_for_files, parse
from ..deployments import KNOWN_SERVERS, local_servers_of
from ..token import Token
from .datastack_map import known_servers, remembered_servers
from .token_files import (
    DEFAULT_NAME,
    LEGACY_NAME,
    State,
    TokenFile,
    read_token_file,
    secrets_folder,
    server_file,
    token_file_called,
)

SAME_TIME = 60.0
"""Seconds: of two files that were written within them it cannot be told which had its token first."""

LOOK_UP_SECONDS = 1.0
"""So long the names of two servers with one token are looked up, which may be two names of one."""

MOST_FILES = 500
"""So many token files of other servers are held against one token to find whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """The files that caveclient reads for a server, and which token it takes from them.

    Source: caveclient 8.2 `AuthClient.__init__`: the server's file if it is a file, else `cave-secret.json`; if that
    gave nothing, `chunkedgraph-secret.json`.

    Attributes:
        server: the server's address.
        server_file: the file named after the server.
        default_file: `cave-secret.json`, read only where there is no server file.
        legacy_file: `chunkedgraph-secret.json`, the last resort.
        belongs_to: another server, if the token is known to be that one's; then it must not be sent to this one.
    """

    server: str
    server_file: TokenFile
    default_file: TokenFile
    legacy_file: TokenFile
    belongs_to: str = ""

    @property
    def blocker(self) -> TokenFile | None:
        """The file at which caveclient stops with an error of its own, or None."""
        if _stops_caveclient(self._first):
            return self._first
        return self.legacy_file if self._first.token is None and _stops_caveclient(self.legacy_file) else None

    @property
    def source(self) -> TokenFile | None:
        """The file that the token comes from, or None."""
        if self.blocker is not None:
            return None
        return next((file for file in (self._first, self.legacy_file) if file.token is not None), None)

    @property
    def token(self) -> Token | None:
        """The token that a fresh `AuthClient` would send, or None."""
        return self.source.token if self.source is not None else None

    @property
    def files(self) -> tuple[TokenFile, ...]:
        """Those of the three that are there."""
        all_three = (self.server_file, self.default_file, self.legacy_file)
        return tuple(one for one in all_three if one.state != State.ABSENT)

    @property
    def shadowed(self) -> Token | None:
        """The token of `cave-secret.json` where the server's own file hides it and has another one, or none."""
        if self._first is self.default_file:
            return None
        other = self.default_file.token
        return other if other is not None and other != self.token else None

    @property
    def _first(self) -> TokenFile:
        is_absent = self.server_file.state in (State.ABSENT, State.NOT_A_FILE)
        return self.default_file if is_absent else self.server_file


def resolve(server: str) -> StoredToken:
    """Reads the files of a server, and finds out whether the token in them is another server's.

    Args:
        server: the server's address, as caveclient is given it.
    """
    own, default, legacy = (read_token_file(path) for path in _paths(server))
    found = StoredToken(server=server, server_file=own, default_file=default, legacy_file=legacy)
    return replace(found, belongs_to=owner_of(server, found.source)) if found.source is not None else found


def _paths(server: str) -> tuple[Path, Path, Path]:
    folder = secrets_folder()
    return server_file(server), folder / DEFAULT_NAME, folder / LEGACY_NAME


def _stops_caveclient(found: TokenFile) -> bool:
    return found.state not in (State.ABSENT, State.READ)


def owner_of(server: str, file: TokenFile) -> str:
    """The other server that the token in a file is known to be for; "" if none is.

    It is another's if the file says so, or if it is in another server's own file too. In this server's own file that
    counts only where it came later than into the other's, and where the two are not names of one machine.
    """
    if named := named_owner(server, file):
        return named
    if file.path != server_file(server):
        return other_owner(server, file.meant)
    for there, other in _others_with(server, file.meant):
        if file.modified + SAME_TIME >= other.modified and not _are_one(server, there):
            return there
    return ""


def named_owner(server: str, file: TokenFile) -> str:
    """The other server that a file says its token is for; "" if it names none."""
    if not file.names or is_host_of(server, file.names):
        return ""
    there = _server_with(file.names)
    return "" if _are_one(server, there) else there


def is_host_of(server: str, host: str) -> bool:
    """Whether a host is a server's or one of its data servers'."""
    return host_port_of(host) in map(host_port_of, (server, *local_servers_of(server)))


def other_owner(server: str, token: Token | None) -> str:
    """The other server in whose own file, or data server's file, this very token is; "" if there is none."""
    return next((there for there, _ in _others_with(server, token)), "")


def _others_with(server: str, token: Token | None) -> Iterator[tuple[str, TokenFile]]:
    """The other servers with a token in one of their files, and that file."""
    # Once this server is set up here, a host that is not known to be a server is one of its data servers.
    is_set_up = os.path.lexists(server_file(server))
    for name in _names_of_servers() if is_set_up else hosts_with_files():
        if token is not None and not is_host_of(server, name):
            file = read_token_file(token_file_called(name))
            if file.meant == token:
                yield _server_with(name), file


def _are_one(server: str, other: str) -> bool:
    """Whether two addresses lead to one machine, so that they are two names of one deployment."""
    mine, theirs = parse(server), parse(other)
    if mine is None or theirs is None or (server in KNOWN_SERVERS and other in KNOWN_SERVERS):
        return False
    return mine.host_port[1] == theirs.host_port[1] and bool(_addresses_of(mine.host) & _addresses_of(theirs.host))


def _addresses_of(host: str) -> set[str]:
    """The network addresses of a host; none if they do not come in time."""
    found: list[str] = []

    def look() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found.extend(str(one[4][0]) for one in socket.getaddrinfo(host, None))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(LOOK_UP_SECONDS)
    return set(found)


def hosts_with_files() -> tuple[str, ...]:
    """What the names of token files begin with, those of known servers first. They may hold a password."""
    names = dict.fromkeys(_names_of_servers())
    ending = f"-{DEFAULT_NAME}"
    with contextlib.suppress(OSError), os.scandir(secrets_folder()) as entries:
        found = sorted(entry.name[: -len(ending)] for entry in entries if entry.name.endswith(ending))
        names.update(dict.fromkeys(found[:MOST_FILES]))
    return tuple(filter(None, names))


def _server_with(name: str) -> str:
    """The server, in the one form, whose own or whose data server's token file has a name that begins so."""
    host_port = host_port_of(name)
    for server in known_servers():
        if host_port is not None and host_port in map(host_port_of, (server, *local_servers_of(server))):
            return server
    address = parse(name)
    return f"https://{address.host_and_port}" if address else "another server"


def _names_of_servers() -> tuple[str, ...]:
    """What the names of their token files begin with."""
    return tuple(dict.fromkeys(map(name_for_files, (*KNOWN_SERVERS, *remembered_servers()))))
