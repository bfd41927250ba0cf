"""Tokens on this computer that may be a server's and that CAVEclient does not read for it.

They are looked for only where the token that CAVEclient reads is missing or of no use. A file of another user of this
computer is passed over, and so is one that names another server. One that names no server is reported, and its token
sent to nobody: that is for its owner to decide.
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

    Attributes:
        file: where it is.
        token: the token.
        ours: whether something says that it is this server's; then the server may be asked about it.
    """

    file: TokenFile
    token: Token
    ours: bool


def find(server: str) -> tuple[MisplacedToken, ...]:
    """The tokens that may be a server's and that are not in the file named after it, the newest first.

    Those that are known to be another server's are not among them.
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
    """Whether a line to type can name the file: its name is shown whole, and nothing in it ends the line."""
    shown = token_files.show_path(path, 4096)
    return Path(os.path.expanduser(shown)) == path and not set(shown) & set('"#;')
