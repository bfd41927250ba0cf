"""All servers for which this computer has a token, for `%cave_whoami --all` and `%cave_check --all-servers`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..credentials.datastack_map import read_map
from ..credentials.stored_tokens import servers_with_tokens
from ..credentials.target import FRESH, Target, find_target, is_name
from ..deployments import datastack_for, deployment_of, meant_address
from ..doctor import next_steps
from ..doctor.report import Report
from ..errors import NoToken
from .context import Context
from .outcomes import Identity


def targets_everywhere(context: Context, is_json: bool, **more: object) -> list[Target]:
    """Each server for which this computer has a token, with a datastack there.

    Raises:
        NoToken: this computer has no token at all; as JSON, that is an empty list of servers.
    """
    servers = servers_with_tokens()
    if not servers:
        context.is_well = False
        if is_json:
            say_json(context, (), **more)
        set_up = next_steps.setup(find_target(_on("")), "new")
        raise NoToken("no token is stored on this computer. To get one: ", set_up)
    return [find_target(_on(server), server) for server in servers]


def say_json(context: Context, servers: Sequence[Report | Identity], **more: object) -> None:
    """Prints what was found out about each server as JSON."""
    said = {"schema": 1, "ok": context.is_well, "servers": [one.to_dict() for one in servers], **more}
    context.frontend.say_data(json.dumps(said, indent=2))


def _on(server: str) -> str:
    """A datastack of a server: a known one, else one that CAVEclient remembers there, else the default."""
    name = datastack_for(server, FRESH.datastack)
    home = deployment_of(name)
    if not server or (home is not None and home.server == server):
        return name
    remembered = (one for one, address in read_map().entries.items() if meant_address(address) == server)
    return next((one for one in remembered if is_name(one)), name)
