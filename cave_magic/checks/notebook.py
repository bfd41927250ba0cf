"""Does this notebook hold on to something old?"""

from __future__ import annotations

from ..doctor import Check, Finding, Remedy, warning
from ..evidence import ServerFacts
from .account import ACCOUNT


def _clients(server: ServerFacts) -> Finding | None:
    if not server.stale_clients:
        return None
    names = " and ".join(server.stale_clients[:3])
    name, datastack = server.stale_clients[0], server.target.datastack
    command = f'{name} = CAVEclient("{datastack}")'
    return warning(
        f"{names} {'was' if len(server.stale_clients) == 1 else 'were'} made with another token than the stored one",
        Remedy(f"make it again: {command}", (command,)),
    )


CLIENTS = Check(
    "clients", "this notebook", "old clients", ServerFacts, _clients, (ACCOUNT,), quiet=True,
    explains="A variable holds a CAVEclient that was made with another token; it goes on sending that one.",
    mends='Make the client again: `client = CAVEclient("minnie65_public")`.',
)
CHECKS = (CLIENTS,)
