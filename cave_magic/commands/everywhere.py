"""All servers for which this computer has a token, asked at the same time.

For `%cave_whoami --all` and `%cave_check --all-servers`.
"""

from __future__ import annotations

import time

from ..credentials.datastack_map import read_map
from ..credentials.stored_tokens import servers_with_tokens
from ..credentials.target import FRESH, Target, find_target, is_name
from ..deployments import datastack_for, deployment_of, meant_address
from ..doctor import next_steps
from ..doctor.diagnose import diagnose_each
from ..doctor.evidence import ServerFacts
from ..doctor.gather import ask_servers
from ..doctor.judge import Diagnosis
from ..doctor.session import NotebookSession
from ..errors import NoToken
from .context import Context


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


def ask_everywhere(context: Context) -> tuple[ServerFacts, ...]:
    """The facts about all servers, within one timeout. Each token is sent to its own server only."""
    seconds, notebook = context.seconds(), NotebookSession(can_ask=context.frontend.can_ask)
    with context.frontend.waiting() as on_wait:
        return ask_servers(targets_everywhere(), seconds, on_wait, notebook)


def check_everywhere(context: Context, seconds: float, notebook: NotebookSession) -> tuple[list[Diagnosis], float]:
    """A diagnosis of each server, within one timeout for all, and the seconds that it took."""
    start, targets = time.monotonic(), targets_everywhere()
    with context.frontend.waiting() as on_wait:
        return diagnose_each(targets, seconds, on_wait, notebook), time.monotonic() - start
