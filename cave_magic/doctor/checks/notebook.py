"""Does this notebook hold clients made with an old token, or a token in plain text?"""

from __future__ import annotations

from ...ui.redact import sanitize
from .. import fixes, next_steps
from ..evidence import Machine, ServerFacts
from ..model import Check, Finding, advise, warning
from .account import ACCOUNT


def _clients(server: ServerFacts) -> Finding | None:
    if not server.stale_clients:
        return None
    names = " and ".join(one.variable for one in server.stale_clients[:3])
    first = server.stale_clients[0]
    remembered = server.machine.datastack_map.opens_on(first.datastack)
    code = next_steps.client(first.variable, sanitize(first.datastack).text, server.address, remembered)
    return warning(
        f"{names} {'was' if len(server.stale_clients) == 1 else 'were'} created with a token other than the stored one",
        next_step=advise("create it again: ", next_steps.python_line(code)),
    )


def _left(machine: Machine) -> Finding | None:
    if not machine.leftover_tokens:
        return None
    places = "; ".join(f"{left.found_in} ({left.details})" for left in machine.leftover_tokens[:3])
    return warning("a token was left in ", sanitize(places, 200), fix=fixes.fix_left(machine))


LEFT = Check(
    id="token-left",
    group="this notebook",
    title="traces",
    about=Machine,
    look=_left,
    explains="A token was left in this session's history or in the notebook file.",
    fixed_by="{fix} removes it; if anybody may have seen it, {replace}.",
)
CLIENTS = Check(
    id="clients",
    group="this notebook",
    title="old clients",
    about=ServerFacts,
    look=_clients,
    needs=(ACCOUNT,),
    explains="A variable holds a CAVEclient that was created with another token, and still sends that one.",
    fixed_by="Create the client again: {client}.",
)
CHECKS = (LEFT, CLIENTS)
