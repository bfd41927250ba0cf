"""Which token caveclient uses for a server, in which file it is, and whether it belongs to another server.

The order of files is that of caveclient 7 and 8 (`auth.py`); a test compares this module with it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from ..api.urls import host_of, host_port_of, parse_url
from ..deployments import DEFAULT_SERVER, KNOWN_SERVERS, local_servers_of, meant_address
from ..token import Token
from .datastack_map import known_servers, remembered_servers
from .locations import ORIGINALS, READ_BY_PROGRAMS, Role, hosts_of_servers, is_host_of, locations, other_hosts
from .token_files import State, TokenFile, read_token_file, server_file, token_file_called

SAME_TIME = 60.0
"""Seconds. If two files were written within this time, the order of their times proves nothing."""

LOOK_UP_SECONDS = 1.0
"""The time limit for finding out whether two servers with the same token are one machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """The files that caveclient reads for a server, and which token it uses.

    Source: caveclient 8.2 `AuthClient.__init__`: the server's file if it is a file, else `cave-secret.json`; if that
    has no token, `chunkedgraph-secret.json`.

    Attributes:
        server_file: the file named after the server.
        default_file: `cave-secret.json`, read only if there is no server file.
        legacy_file: `chunkedgraph-secret.json`, the last resort.
        copies: the existing files that cloud-volume and cloud-files read for the server's known data servers.
        belongs_to: another server that the token is known to belong to; then it must not be sent to this one.
    """

    server: str
    server_file: TokenFile
    default_file: TokenFile
    legacy_file: TokenFile
    copies: tuple[TokenFile, ...] = ()
    belongs_to: str = ""

    @property
    def blocker(self) -> TokenFile | None:
        """The file on which caveclient fails with an error, or None."""
        if _stops_caveclient(self._first):
            return self._first
        return self.legacy_file if self._first.token is None and _stops_caveclient(self.legacy_file) else None

    @property
    def source(self) -> TokenFile | None:
        """The file with the token that caveclient uses, or None."""
        if self.blocker is not None:
            return None
        return next((file for file in (self._first, self.legacy_file) if file.token is not None), None)

    @property
    def token(self) -> Token | None:
        """The token that a fresh `AuthClient` would send, or None."""
        return self.source.token if self.source is not None else None

    @property
    def files(self) -> tuple[TokenFile, ...]:
        """The existing files of the three that caveclient reads."""
        all_three = (self.server_file, self.default_file, self.legacy_file)
        return tuple(one for one in all_three if one.state != State.ABSENT)

    @property
    def shadowed(self) -> Token | None:
        """The token of `cave-secret.json` if the server's own file takes precedence and has another or no token."""
        other = self.default_file.token
        return None if other == self.token else other

    def is_ours(self, file: TokenFile) -> bool:
        """Whether the token in one of the files that caveclient reads may be sent to this server.

        If `cave-secret.json` is hidden, it may be another server's, unless the file or a data server's copy names this
        one, or this computer uses no other.
        """
        if owner_of(self.server, file):
            return False
        is_read = file.path != self.default_file.path or self._first is self.default_file
        named = self.server == DEFAULT_SERVER or file.named_host or file.meant in [one.meant for one in self.copies]
        return is_read or bool(named) or not _uses_another(self.server)

    @property
    def _first(self) -> TokenFile:
        is_absent = self.server_file.state in (State.ABSENT, State.NOT_A_FILE)
        return self.default_file if is_absent else self.server_file


def resolve(server: str) -> StoredToken:
    """Reads the files of a server, and determines whether their token belongs to another server.

    The address is the one that is passed to caveclient.
    """
    own, default, legacy, *others = locations(server, roles=READ_BY_PROGRAMS)
    files = [
        replace(file, inside=None) if file.inside and named_owner(server, file) else file
        for file in (own.read(), default.read(), legacy.read())
    ]
    found = StoredToken(
        server=server,
        server_file=files[0],
        default_file=files[1],
        legacy_file=files[2],
        copies=tuple(one.read() for one in others if os.path.lexists(one.path)),
    )
    return found if found.source is None else replace(found, belongs_to=owner_of(server, found.source))


def servers_with_tokens() -> tuple[str, ...]:
    """The servers for which this computer has a token file: known and remembered ones first, then by name.

    A file with the token of one of these is left out if it is named after an unknown host: that is one of its data
    servers. The default server is included if CAVEclient reads its token from a file for all servers.
    """
    known = known_servers()
    found = [server for server in known if os.path.lexists(server_file(server))]
    if DEFAULT_SERVER not in found and (default := resolve(DEFAULT_SERVER)).files and not default.belongs_to:
        found.insert(0, DEFAULT_SERVER)
    tokens = {read_token_file(server_file(server)).meant for server in found}
    others = {host_port_of(address) for one in known for address in (one, *local_servers_of(one))}
    for name in other_hosts(""):
        file = read_token_file(token_file_called(name))
        if host_port_of(name) not in others and file.meant not in tokens and (address := meant_address(name)):
            found.append(address)
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherFile:
    """A file with a token, other than the file that caveclient uses; `same`: whether that is the same token."""

    file: TokenFile
    role: Role
    same: bool


def other_files(stored: StoredToken, roles: Collection[Role] = ORIGINALS) -> tuple[OtherFile, ...]:
    """All other files with the stored token, or with a token that is not known to belong to another server."""
    if stored.source is None:
        return ()
    found = []
    for location in locations(stored.server, roles=roles):
        if location.path == stored.source.path or (file := location.read()).meant is None:
            continue
        same = file.meant == stored.source.meant
        if same or not (location.role is Role.FOREIGN or owner_of(stored.server, file)):
            found.append(OtherFile(file=file, role=location.role, same=same))
    return tuple(found)


def _stops_caveclient(found: TokenFile) -> bool:
    return found.state not in (State.ABSENT, State.READ)


def owner_of(server: str, file: TokenFile) -> str:
    """The other server that a file's token is known to belong to, or "".

    It belongs to another server if the file says so, or if that server's own file contains it too. If the file is
    this server's own, it also has to be newer, and the two servers must not be names of one machine.
    """
    if named := named_owner(server, file):
        return named
    if file.path != server_file(server):
        return other_owner(server, file.meant)
    for there, other in _others_with(server, file.meant):
        if file.modified + SAME_TIME >= other.modified and not _are_one(server, there):
            return there
    return ""


def _uses_another(server: str) -> bool:
    """Whether this computer has used another server, too."""
    is_remembered = any(not is_host_of(server, name) for name in map(host_of, remembered_servers()))
    return is_remembered or any(os.path.lexists(server_file(one)) for one in KNOWN_SERVERS if one != server)


def named_owner(server: str, file: TokenFile) -> str:
    """The other server that a file itself names, or ""."""
    if not file.named_host or is_host_of(server, file.named_host):
        return ""
    there = _server_with(file.named_host)
    return "" if _are_one(server, there) else there


def other_owner(server: str, token: Token | None) -> str:
    """The other server whose own file, or data server's file, contains this token; "" if there is none."""
    return next((there for there, _ in _others_with(server, token)), "")


def _others_with(server: str, token: Token | None) -> Iterator[tuple[str, TokenFile]]:
    """The other servers that have this token in one of their files, and that file."""
    # Once this server is set up here, an unknown host is one of its data servers.
    is_set_up = os.path.lexists(server_file(server))
    for name in hosts_of_servers() if is_set_up else other_hosts(server):
        if token is not None and not is_host_of(server, name):
            file = read_token_file(token_file_called(name))
            if file.meant == token:
                yield _server_with(name), file


def _are_one(server: str, other: str) -> bool:
    """Whether two addresses are names of one machine, and so of one deployment."""
    mine, theirs = parse_url(server), parse_url(other)
    if mine is None or theirs is None or (server in KNOWN_SERVERS and other in KNOWN_SERVERS):
        return False
    return mine.host_port[1] == theirs.host_port[1] and bool(_addresses_of(mine.host) & _addresses_of(theirs.host))


def _addresses_of(host: str) -> set[str]:
    """The network addresses of a host; none if the lookup takes too long."""
    found: list[str] = []

    def look() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found.extend(str(one[4][0]) for one in socket.getaddrinfo(host, None))

    looking = threading.Thread(target=look, daemon=True)
    with contextlib.suppress(RuntimeError):  # no more threads
        looking.start()
        looking.join(LOOK_UP_SECONDS)
    return set(found)


def _server_with(name: str) -> str:
    """The normalized address of the server whose own, or whose data server's, token file has this name."""
    address = parse_url(name)
    unknown = f"https://{address.host_and_port}" if address else "another server"
    return next((server for server in known_servers() if is_host_of(server, name)), unknown)
