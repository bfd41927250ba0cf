"""`%cave_setup remove`: removes the token from this computer; can also revoke it, or another token of the account."""

from __future__ import annotations

import argparse

from ..api.endpoints import tokens_page
from ..api.responses import ListedToken
from ..credentials import removal
from ..credentials.removal import Removal
from ..credentials.token_files import show_path
from ..deployments import local_servers_of
from ..doctor import feasible, next_steps
from ..doctor.evidence import ServerFacts
from ..doctor.gather_memory import MEMORY
from ..environment import cloud_volume
from ..environment.caveclient_adapter import clients_in
from ..errors import BadInput, Cancelled, NoToken, ServerInTrouble, TokenNotSaved
from ..login import revocation
from ..token import Token, as_token
from ..ui.document import Line, Span, line
from ..ui.prompts import confirm
from . import token_input
from .context import NOTHING, Context
from .views import tokens
from .whoami import no_account, no_list

SHORTEST = 4
"""How many characters it takes to name a token: as many as are shown."""


def remove_token(context: Context, args: argparse.Namespace) -> None:
    """Shows the files with the server's token, asks, and removes it; with `--token` revokes another one instead."""
    target = context.target_of_token(args)
    facts = context.facts(target)
    context.so_far = line("Nothing was removed.")
    if args.token is None:
        _remove(context, facts, args)
    else:
        _revoke_another(context, facts, args)


def _remove(context: Context, facts: ServerFacts, args: argparse.Namespace) -> None:
    target = facts.target
    found = removal.find_removal(target.server)
    if not found.plan:
        removal.remove(target.server)  # what a killed removal left
        but = "".join(f", but {name} is set in the environment" for name in list(facts.machine.token_variables)[:1])
        raise NoToken(f"no file on this computer has a token for {facts.host}{but}. {NOTHING}")
    left = context.shell.find_tokens(found.tokens)
    notes = [line(f"It is also in {one.found_in} ({one.details}), and will be removed there.") for one in left]
    if facts.account is not None and not args.revoke and not args.yes:
        too = next_steps.end(target, "remove", "--revoke", can_ask=context.frontend.can_ask)
        notes.append(line(f"It stays valid on {facts.host}. To revoke it there, too: ", too))
    context.frontend.show(tokens.removal_page(facts, found, notes))
    question = "Remove it?"
    if args.revoke:
        question = "Remove it, and revoke it on the server? Other computers that use it will stop working."
    unasked = next_steps.setup(target, "remove", *(["--revoke"] * args.revoke), "--yes")
    if not args.yes and not confirm(context.frontend, question, line(unasked)):
        raise Cancelled
    is_old = facts.account is not None and token_input.exchange_on(context, target).keeps_one
    said = _revoke_each(context, facts, found, is_old) if args.revoke else []
    try:
        removed = line(f"The token for {facts.host} was removed from this computer.")
        with context.changing(removed, line("To see which files have the token: ", next_steps.whoami(target))):
            done = removal.remove(target.server)
            if left:
                context.shell.scrub_tokens(found.tokens)
    except TokenNotSaved as error:
        again, check = next_steps.setup(target, "remove", "--yes"), line(" Next: ", next_steps.check(target))
        then = feasible.after(error, again, check)
        raise TokenNotSaved(*error.args, *(part for one in said for part in (Span(" "), *one)), *then) from None
    met = (local for (server, _), local in MEMORY.local_servers.items() if server == target.server)
    cloud_volume.forget_cached((target.server, *local_servers_of(target.server), *met))
    MEMORY.clear()
    if args.revoke:  # what was saved while the question was on the screen is removed too, and was not revoked
        said += [_valid(facts, one, is_old) for one in done.tokens if one not in found.tokens]
    else:
        said = _still_valid(facts, done, is_old)
    context.frontend.show(tokens.removed_page(facts, done, [*said, *_elsewhere(context, facts, done)]))


def _revoke_each(context: Context, facts: ServerFacts, found: Removal, is_old: bool) -> list[Line]:
    """Revokes the tokens before they are removed, since each one authorizes that itself; says which are revoked.

    A server that `is_old` keeps one token for each account, and has no request that revokes it.
    """
    if is_old:
        return _still_valid(facts, found, is_old)
    said: list[Line] = []
    for token in dict.fromkeys(one.meant for one in found.tokens):
        context.so_far = line(f"The token{tokens.ending(token)} may be revoked; no file was changed. To see: ",
                              next_steps.check(facts.target))  # fmt: skip
        problem = revocation.revoke_in_use(facts.address, token, context.seconds())
        if problem:
            said += [_valid(facts, token, False, problem)]
        else:
            said += [line(f"The token{tokens.ending(token)} is revoked: it no longer works anywhere.")]
        context.so_far = line(*said[-1], " No file was changed.")
    return said


def _valid(facts: ServerFacts, token: Token, is_old: bool, why: str = "") -> Line:
    """Says that a token is still valid, and what revokes it now that it is not stored."""
    reason = f" could not be revoked ({why}), and" if why else ""
    rest = f"the token{tokens.ending(token)}{reason} is still valid on {facts.host}. "
    if is_old:
        way = line("That server revokes it only when it creates another one: ", next_steps.setup(facts.target, "new"))
    else:
        way = line("To revoke it: ", Span(tokens_page(facts.address), "link"))
    return line(Span("Note: ", "warning"), rest, way)


def _still_valid(facts: ServerFacts, done: Removal, is_old: bool) -> list[Line]:
    """What the server still accepts of what was removed, as far as is known: what it has just rejected is not valid."""
    is_rejected = facts.identity is not None and facts.identity.code == "invalid_token"
    rejected = facts.stored.token if is_rejected else None
    distinct = dict.fromkeys(one.meant for one in done.tokens)
    return [_valid(facts, one, is_old) for one in distinct if rejected is None or one != rejected.meant]


def _elsewhere(context: Context, facts: ServerFacts, done: Removal) -> list[Line]:
    """What else has the token, and cannot be changed here."""
    names = [one.variable for one in clients_in(context.shell.variables, facts.address, Token(""))]
    said = []
    if names:
        said.append(f"{' and '.join(names)} still {'has' if len(names) == 1 else 'have'} it until the kernel restarts")
    variables = (name for name, one in facts.machine.token_variables.items() if one in done.tokens)
    said += [f"{name} in the environment still has it" for name in variables]
    said += [f"{show_path(path)} still has it: that file belongs to another server" for path in done.kept]
    return [line(Span("Note: ", "warning"), f"{one}.") for one in said]


# ---------------------------------------------------------------- another token of the account


def _revoke_another(context: Context, facts: ServerFacts, args: argparse.Namespace) -> None:
    """Revokes the token with an ending, authorized by the stored one."""
    own = facts.stored.token
    if facts.account is None or own is None:
        raise no_account(facts)
    if facts.listed_tokens is None:
        raise no_list(facts)
    key = _with_ending(facts, args.token, own.meant)
    files = (show_path(path) for paths in removal.files_with(facts.address, key.token) for path in paths)
    context.frontend.show(tokens.token_page(key, files))
    unasked = next_steps.setup(facts.target, "remove", *next_steps.by_ending(key.token), "--yes")
    if not args.yes and not confirm(context.frontend, "Revoke it? Programs that use it stop working.", line(unasked)):
        raise Cancelled
    perhaps = line("To see which tokens are valid: ", next_steps.whoami(facts.target, "--tokens"))
    done = line(f"The token{tokens.ending(key.token)} is revoked.")
    with context.changing(done, perhaps):
        problem = revocation.revoke_in_use(facts.address, key.token, context.seconds(), by=own.meant)
        if problem:
            why = f"the token{tokens.ending(key.token)} could not be revoked ({problem}), and may still work. "
            raise ServerInTrouble(why, *perhaps)
    context.frontend.say(f"The token{tokens.ending(key.token)} is revoked.")


def _with_ending(facts: ServerFacts, given: str, own: Token) -> ListedToken:
    """The listed token that an ending names. What was typed is not repeated: it may be a whole token."""
    whole = as_token(given)
    listed, target = facts.listed_tokens or (), facts.target
    found = [key for key in listed if key.token == whole or (not whole and key.token.reveal().endswith(given))]
    is_own = own == whole or (not whole and own.reveal().endswith(given))
    show = next_steps.whoami(target, "--tokens")
    if not whole and len(given) < SHORTEST:
        raise BadInput(f"--token takes the last {SHORTEST} characters of a token. {NOTHING} To list yours: ", show)
    if len(found) + (is_own and own not in [key.token for key in found]) > 1:
        page = Span(tokens_page(target.server), "link")
        raise BadInput(f"several of your tokens end like that. {NOTHING} To choose the right one: ", page)
    if is_own:
        line_for_own = next_steps.end(target, "remove", "--revoke", can_ask=facts.machine.can_ask)
        raise BadInput(f"that is this computer's token. {NOTHING} To remove it here and revoke it: ", line_for_own)
    if not found:
        raise BadInput(f"none of your tokens on {facts.host} ends like that. {NOTHING} To list them: ", show)
    return found[0]
