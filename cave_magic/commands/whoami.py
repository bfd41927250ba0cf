"""`%cave_whoami`: your account on a server or on all of them, and the token that this computer sends."""

from __future__ import annotations

import argparse
import json

from ..api.endpoints import tokens_page
from ..credentials.locations import Role
from ..credentials.stored_tokens import OtherFile, other_files
from ..credentials.token_files import show_path
from ..deployments import DEFAULT_SERVER
from ..doctor import next_steps
from ..doctor.checks.account import expiry, is_temporary
from ..doctor.checks.token import set_up
from ..doctor.evidence import ServerFacts
from ..errors import BadInput, CaveMagicError, NoToken, ServerInTrouble, TokenRejected
from ..login.verify import owner_of
from ..token import Token
from ..ui.document import Page, Span, line, plain_text
from ..ui.frontend import failure_line
from .arguments import DATASTACK, argument, command, examples
from .context import Context, in_trouble
from .everywhere import say_json, targets_everywhere
from .outcomes import Identity
from .views import tokens
from .views.everywhere import identities_page
from .views.whoami import revealed_page, whoami_page


@command(
    DATASTACK,
    argument("--reveal", action="store_true", help="print the token itself"),
    argument("--tokens", action="store_true", help="list the permanent tokens of your account, without their values"),
    argument("--all", action="store_true", help="every server for which this computer has a token"),
    argument("--json", action="store_true", help="print it as JSON and nothing else"),
    examples=[examples("Examples:", "", "--all", "--reveal", "--tokens")],
)
def cave_whoami(context: Context, args: argparse.Namespace) -> None:
    """Shows your account on the server, and which token this computer sends."""
    if args.all and (args.names or args.datastack or args.server or args.reveal or args.tokens):
        raise BadInput("--all shows every server: leave out the datastack, --server, --reveal and --tokens.")
    if args.json and (args.reveal or args.tokens):
        raise BadInput("--json prints no tokens: leave out --reveal and --tokens.")
    if args.all:
        return _everywhere(context, args.json)
    facts = context.facts(context.target(args))
    if args.reveal and facts.stored.token is not None:
        context.frontend.show(revealed_page(facts.stored.token))
    identity = _identity(facts, shown=other_files(facts.stored))
    context.outcome, context.is_well = identity, identity.ok
    if args.json:
        return context.frontend.say_data(json.dumps(identity.to_dict(), indent=2))
    if facts.account is None:
        raise no_account(facts)
    if args.tokens:
        return context.frontend.show(tokens.tokens_page(facts, _where(facts)))
    return context.frontend.show(identity.page)


def _everywhere(context: Context, is_json: bool) -> None:
    servers = context.facts_of_each(targets_everywhere(context, is_json))
    found = [_identity(facts, others=_others(context, facts)) for facts in servers]
    context.outcome, context.is_well = tuple(found), all(one.ok for one in found)
    if is_json:
        return say_json(context, found)
    return context.frontend.show(identities_page(found))


def _others(context: Context, facts: ServerFacts) -> tuple[str, ...]:
    """Other tokens that programs send to a server, with their accounts; only those that certainly belong to it."""
    roles = (Role.DATA_SERVER, *([Role.DEFAULT, Role.LEGACY] if facts.address == DEFAULT_SERVER else []))
    found = []
    for other in other_files(facts.stored, roles) if facts.account is not None else ():
        token = other.file.token
        if token is None or other.same or not token.can_be_sent:
            continue
        owner = owner_of(token, facts.address, context.seconds())
        whose = owner.label.text if owner is not None else "an unknown account"
        found.append(f"{other.file.name} has another token (ends in {token.ending}) of {whose}")
    return tuple(found)


def _identity(facts: ServerFacts, shown: tuple[OtherFile, ...] = (), others: tuple[str, ...] = ()) -> Identity:
    """What is known about the token of a server, without the token.

    `shown`: the other files that the page of this one server shows; `others`: other tokens that programs send to it,
    with their accounts.
    """
    account, stored = facts.account, facts.stored
    problem = None if account is not None else no_account(facts)
    page = Page((failure_line(problem),)) if problem else whoami_page(facts, shown)
    temporary = is_temporary(facts)
    return Identity(
        server=facts.address,
        ok=account is not None,
        account=account.to_dict() if account else None,
        token=stored.token.ending if stored.token is not None and not stored.belongs_to else "",
        permanent=None if temporary is None else not temporary,
        expires=expiry(facts) if temporary else "",
        file=show_path(stored.source.path) if stored.source is not None else "",
        others=others,
        datasets=dict(account.permissions) if account else {},
        terms=tuple(one.url for one in account.unsigned) if account else (),
        problem=plain_text(line(*problem.args)) if problem else "",
        why=line(*problem.args) if problem else (),
        page=page,
    )


def _where(facts: ServerFacts) -> dict[Token, str]:
    """The tokens on this computer, and where they are."""
    if facts.listed_tokens is None:
        raise no_list(facts)
    found = {one.file.meant: f"in {one.file.name}" for one in other_files(facts.stored) if one.file.meant is not None}
    token = facts.stored.token
    return found if token is None else {**found, token.meant: "this computer"}


def no_list(facts: ServerFacts) -> ServerInTrouble:
    """The error if the server did not list the account's tokens."""
    page = Span(tokens_page(facts.address), "link")
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
