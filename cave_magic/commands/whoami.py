"""`%cave_whoami`: your account on the server, and the token that this computer sends."""

from __future__ import annotations

import argparse

from ..credentials.stored_tokens import other_files
from ..doctor import next_steps
from ..doctor.checks.token import set_up
from ..doctor.evidence import ServerFacts
from ..errors import CaveMagicError, NoToken, ServerInTrouble, TokenRejected
from ..token import Token
from ..ui.document import Span
from .arguments import DATASTACK, argument, command
from .context import Context, in_trouble
from .views import tokens
from .views.whoami import revealed_page, whoami_page


@command(
    DATASTACK,
    argument("--reveal", action="store_true", help="print the token itself"),
    argument("--tokens", action="store_true", help="list the permanent tokens of your account, without their values"),
)
def cave_whoami(context: Context, args: argparse.Namespace) -> None:
    """Shows your account on the server, and which token this computer sends.

    Examples:

        %cave_whoami
        %cave_whoami --reveal
        %cave_whoami --tokens
    """
    facts = context.facts(context.target(args))
    if args.reveal and facts.stored.token is not None:
        context.frontend.show(revealed_page(facts.stored.token))
    if facts.account is None:
        raise no_account(facts)
    if args.tokens:
        context.frontend.show(tokens.tokens_page(facts, _where(facts)))
    else:
        context.frontend.show(whoami_page(facts, other_files(facts.stored)))


def _where(facts: ServerFacts) -> dict[Token, str]:
    """The tokens of this computer, and in what they are."""
    if facts.listed_tokens is None:
        raise no_list(facts)
    found = {one.file.meant: f"in {one.file.name}" for one in other_files(facts.stored) if one.file.meant is not None}
    token = facts.stored.token
    return found if token is None else {**found, token.reads_as() or token: "this computer"}


def no_list(facts: ServerFacts) -> ServerInTrouble:
    """The error if the server did not list the account's tokens."""
    page = Span(tokens.page_of(facts.target), "link")
    return ServerInTrouble(f"{facts.host} did not list your tokens. To see them: ", page)


def no_account(facts: ServerFacts) -> CaveMagicError:
    """The error if the account of the stored token is unknown: why, and what to do."""
    target, blocker = facts.target, facts.stored.blocker
    if blocker is not None:
        return NoToken(f"{blocker.fault}, so no token can be read from it. To fix it: ", next_steps.check(target))
    if facts.stored.token is None or facts.stored.belongs_to:
        for name in facts.machine.token_variables:
            save = next_steps.save(target, "--from-env", name)
            return NoToken(f"no token is stored for {facts.host}, but {name} is set. To save that one: ", save)
        return NoToken(f"no token is stored for {facts.host}. To get one: ", *set_up(facts, "new").line)
    if facts.identity is not None and facts.identity.code == "invalid_token":
        return TokenRejected(f"{facts.host} rejected the stored token. Next: ", *set_up(facts).line)
    return in_trouble(facts, ". ")
