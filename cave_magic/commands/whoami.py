"""`%cave_whoami`: your account on the server, and the token that this computer sends."""

from __future__ import annotations

import argparse

from ..credentials.stored_tokens import other_files
from ..doctor import next_steps
from ..doctor.checks.token import set_up
from ..doctor.evidence import ServerFacts
from ..errors import CaveMagicError, NoToken, TokenRejected
from .arguments import argument, command
from .context import Context, in_trouble
from .views.whoami import revealed_page, whoami_page


@command(argument("--reveal", action="store_true", help="print the token itself"))
def cave_whoami(context: Context, args: argparse.Namespace) -> None:
    """Shows your account on the server, and which token this computer sends.

    Examples:

        %cave_whoami
        %cave_whoami --reveal
    """
    facts = context.facts(context.target(args))
    if args.reveal and facts.stored.token is not None:
        context.frontend.show(revealed_page(facts.stored.token))
    if facts.account is None:
        raise _no_account(facts)
    context.frontend.show(whoami_page(facts, other_files(facts.stored)))


def _no_account(facts: ServerFacts) -> CaveMagicError:
    """Why the account is unknown."""
    target, blocker = facts.target, facts.stored.blocker
    if blocker is not None:
        return NoToken(f"{blocker.fault}, so no token can be read from it. To fix it: ", next_steps.check(target))
    if facts.stored.token is None or facts.stored.belongs_to:
        return NoToken(f"no token is stored for {facts.host}. To get one: ", *set_up(facts, "new").line)
    if facts.identity is not None and facts.identity.code == "invalid_token":
        return TokenRejected(f"{facts.host} rejected the stored token. Next: ", *set_up(facts).line)
    return in_trouble(facts, ". ")
