"""All servers for which this computer has a token, for `%cave_whoami --all` and `%cave_check --all-servers`."""

from __future__ import annotations

from ..credentials.datastack_map import read_map
from ..credentials.stored_tokens import servers_with_tokens
from ..credentials.target import FRESH, Target, find_target, is_name
from ..deployments import datastack_for, deployment_of, meant_address
from ..doctor import next_steps
from ..errors import NoToken


def targets_everywhere() -> list[Target]:
    """Each server for which this computer has a token, with a datastack there.

    Raises:
        NoToken: this computer has no token at all.
    """
    servers = servers_with_tokens()
    if not servers:
        raise NoToken(
            "no token is stored on this computer. To get one: ", next_steps.setup(find_target(_on("")), "new")
        )
    return [find_target(_on(server), server) for server in servers]


def _on(server: str) -> str:
    """A datastack of a server: a known one, else one that CAVEclient remembers there, else the default."""
    name = datastack_for(server, FRESH.datastack)
    home = deployment_of(name)
    if not server or (home is not None and home.server == server):
        return name
    remembered = (one for one, address in read_map().entries.items() if meant_address(address) == server)
    return next((one for one in remembered if is_name(one)), name)
