"""Tokens on this computer that may belong to a server, but that CAVEclient does not read for it.

They are looked for only if the token that CAVEclient reads is missing or does not work. Files of other users of this
computer, and files that name another server, are ignored. A file that names no server is reported, but its
token is not sent: its owner decides.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..deployments import DEFAULT_SERVER
from ..token import Token
from . import stored_tokens, token_files
from .locations import READ_BY_CAVECLIENT, Role, host_in_name, is_host_of, locations, newest
from .token_files import TokenFile


@dataclass(frozen=True, slots=True, kw_only=True)
class MisplacedToken:
    """A token that CAVEclient does not read for a server.

    `ours`: whether it is labelled as this server's, so that it may be sent there.
    """

    file: TokenFile
    token: Token
    ours: bool


def find(server: str) -> tuple[MisplacedToken, ...]:
    """The tokens outside the server's own file that may belong to the server, the newest first.

    Tokens that are known to belong to another server are left out.
    """
    found: dict[Token, MisplacedToken] = {}
    roles = {one.path: one.role for one in locations(server) if one.role is not Role.OWN}
    for path in newest(roles):
        file = token_files.read_token_file(path)
        token = file.meant
        if token is None or not token.can_be_sent or not _can_be_typed(path):
            continue
        host = file.named_host or host_in_name(path)
        if (host and not is_host_of(server, host)) or stored_tokens.other_owner(server, token):
            continue
        is_default_servers = server == DEFAULT_SERVER and roles[path] in READ_BY_CAVECLIENT
        one = MisplacedToken(file=file, token=token, ours=bool(host) or is_default_servers)
        if token not in found or (one.ours and not found[token].ours):
            found[token] = one
    return tuple(found.values())


def _can_be_typed(path: Path) -> bool:
    """Whether a command can name the file: its name is shown in full, and contains nothing that would end the line."""
    shown = token_files.show_path(path, 4096)
    return Path(os.path.expanduser(shown)) == path and not set(shown) & set('"#;')
