"""`%cave_setup replace`: replaces a token that others may have seen. The old token is revoked last."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..credentials.obstacles import Intent, obstacle_to
from ..credentials.removal import files_with, still_with
from ..credentials.token_files import show_path
from ..doctor import next_steps
from ..doctor.checks.notebook import CLIENTS
from ..doctor.evidence import ServerFacts
from ..environment.caveclient_adapter import clients_in
from ..errors import Cancelled, ServerInTrouble, TokenExists, TokenNotChecked, TokenRejected
from ..login import revocation, verify
from ..login.exchange import Exchange, NewToken, revokes_the_other
from ..token import Token
from ..ui.document import Line, line
from ..ui.prompts import confirm
from . import token_input
from .context import Context
from .views import tokens
from .whoami import no_account


def replace_token(context: Context, args: argparse.Namespace) -> None:
    """Creates a token with the stored one, saves it in every file that has the old one, and then revokes that.

    The new token has been accepted by the server and read back by CAVEclient before the old one is revoked; and the
    request that revokes it is authorized by the new one. A server that keeps one token for each account revokes the old
    one when it creates the new one: there the person is told, and asked, before.
    """
    target = context.target_of_token(args)
    facts = context.facts(target)
    old = facts.stored.token
    if facts.account is None or old is None:
        raise no_account(facts)
    verify.try_saving(target)
    exchange = token_input.exchange_on(context, target)
    files, others = files_with(target.server, old.meant)
    copies = [path for path in files if obstacle_to(Intent.WRITE, path) is None]
    if not args.yes:
        warning = revokes_the_other(target) if exchange.keeps_one else ""
        question = tokens.replace_question(facts, old, copies, warning)
        if not confirm(context.frontend, question, line(next_steps.setup(target, "replace", "--yes"))):
            raise Cancelled
    with _keeping(context, exchange, facts, old) as found:
        new = exchange.renew(found)
    only = None if exchange.keeps_one else old.meant  # there the new token is the only one that works
    try:
        saved = token_input.save_new(context, new, True, copies, only)
    except TokenExists as error:
        show = next_steps.whoami(target)
        raise TokenExists(*error.args, " Nothing was replaced. To see which token is stored now: ", show) from None
    problem = _revoke(context, facts, old, new, exchange.keeps_one)
    left = [show_path(path) for path in (*files, *others) if path not in copies]
    with_key = (path for path in still_with(target.server, old.meant) if show_path(path) not in left)
    left += [f"another key of {show_path(path)}" for path in with_key]
    left += [f"{name} in the environment" for name, token in facts.machine.token_variables.items() if token == old]
    fate = tokens.replaced_lines(facts, old, problem, left)
    remarks = (*new.remarks(can_ask=False), *fate, *_clients(context, facts, new))
    token_input.show_card(context, new.verified, saved, remarks)
    token_input.offer_older(context, new, asks=not args.yes)


@contextmanager
def _keeping(context: Context, exchange: Exchange, facts: ServerFacts, old: Token) -> Iterator[verify.VerifiedToken]:
    """Wraps the creation of the new token, so that the message after a failure is true of the old one."""
    target = facts.target
    check = next_steps.check(target)
    kept: Line = line(f"The token{tokens.ending(old)} was not replaced, and still works.")
    if exchange.keeps_one:
        kept = line("To see whether the stored token still works: ", check, ".")
    context.so_far, which = kept, "stored"
    try:
        found = token_input.verified(context, old, target)
        which = "new"
        yield found
    except (ServerInTrouble, TokenNotChecked, TokenRejected) as error:
        if not exchange.keeps_one and verify.owner_of(old, target.server, context.seconds()) is None:
            kept = line(f"The token{tokens.ending(old)} was not replaced.")
        if isinstance(error, ServerInTrouble):
            sign_in = next_steps.setup(target, "existing", "--use new")
            raise ServerInTrouble(f"{error.why} ", *kept, " To create one by signing in: ", sign_in) from None
        why = error.why if isinstance(error, TokenNotChecked) else f"{facts.host} rejected the {which} token"
        raise ServerInTrouble(f"{why}. ", *kept, " To see why: ", check) from None


def _revoke(context: Context, facts: ServerFacts, old: Token, new: NewToken, keeps_one: bool) -> str:
    """Revokes the old token with the new one; returns why that failed, or ""."""
    server, token = facts.address, new.verified.token
    if keeps_one:
        return ""
    revoke = tokens.revoking(facts, old)
    perhaps = f"The new token{tokens.ending(token)} is saved. The old one{tokens.ending(old)} may still work. "
    with context.changing(context.so_far, line(perhaps, "To revoke it: ", revoke)):
        problem = revocation.revoke_in_use(server, old.meant, context.seconds(), by=token)
    if not problem:
        context.so_far = line(f"The new token{tokens.ending(token)} is saved, and the old one is revoked.")
    return problem


def _clients(context: Context, facts: ServerFacts, new: NewToken) -> list[Line]:
    """The clients in this notebook that still send the old token."""
    stale = clients_in(context.shell.variables, facts.address, new.verified.token)
    found = CLIENTS.look(replace(facts, stale_clients=stale))
    return [] if found is None or found.next_step is None else [line(found.evidence, "; ", found.next_step.line)]
