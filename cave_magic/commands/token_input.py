"""Takes in a token: finds it in a paste, verifies it with its server, exchanges a temporary one, and saves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ..api.endpoints import tokens_page
from ..api.responses import Account
from ..api.urls import host_of, host_port_of, parse_url
from ..credentials import scrub
from ..credentials.save import Saved, token_in_the_way
from ..credentials.stored_tokens import resolve
from ..credentials.target import Target, again
from ..credentials.token_files import SERVER_KEY
from ..deployments import KNOWN_SERVERS, datastack_for, formats_of, meant_address
from ..doctor import next_steps
from ..environment import packages, platforms
from ..errors import (
    BadInput,
    Cancelled,
    NobodyToAsk,
    NotAToken,
    ServerInTrouble,
    TokenNotChecked,
    TokenNotSaved,
    TokenRejected,
)
from ..login import pages, revocation, verify
from ..login.exchange import PATIENCE, Exchange, NewToken, probe_auth_server, stored_tokens
from ..login.route import is_sign_in_address
from ..token import PastedToken, Token, read_pasted, read_unknown_format
from ..ui.document import Line, Page, Span, line, plain_text
from ..ui.door import in_shell
from ..ui.prompts import TRIES, ask_secret, choose, confirm
from . import acceptance, outcomes
from .context import Context, trouble_of
from .views import access, guide

MOST_LISTED = 100
"""How many tokens from one paste to offer at most."""


def ask(context: Context, target: Target, or_signs_in: bool = False) -> str:
    """Asks for a token at a hidden prompt; "" only if the person may sign in meanwhile."""
    replaces = resolve(target.server).token is not None
    otherwise = next_steps.without_anybody(target, platforms.detect_runtime(), replaces).line
    what = "Address or token" if or_signs_in else "Token"
    return ask_secret(context.frontend, what, otherwise, or_empty=or_signs_in)


def by_prompt(
    context: Context, target: Target, overwrite: bool, signed_in: Callable[[], NewToken | None] | None = None
) -> NewToken:
    """Asks for a token up to three times, until one works. An empty answer cancels.

    If the person may sign in meanwhile, an empty answer takes the token of the sign-in, which `signed_in` returns.
    """
    for left in reversed(range(TRIES)):
        text = ask(context, target, or_signs_in=signed_in is not None)
        if signed_in is not None and not text:
            if (new := signed_in()) is None:
                raise Cancelled
            return new
        try:
            return accepted(context, text, target, overwrite)
        except (NotAToken, TokenRejected) as error:
            if not left:
                raise
            why = error.why if isinstance(error, TokenRejected) else error.args
            context.frontend.show(guide.again_page(line(*why)), passing=signed_in is not None)
    raise AssertionError  # the loop always returns or raises


def accepted(context: Context, text: str, target: Target, overwrite: bool, given: Sequence[str] = ()) -> NewToken:
    """The token in a text, verified by its server, and exchanged for a permanent one if the person agrees.

    A text can be the address of a sign-in that could not reach this computer. Its token is revoked in any case, unless
    it is already stored.
    """
    token = pick(context, text, target)
    if not context.frontend.can_ask or resolve(target.server).token == token or not is_sign_in_address(text):
        return exchanged(context, verified(context, token, target, given), overwrite)
    revocation.hold(target.server, token)
    try:
        found = verified(context, token, target)
    except TokenNotChecked as error:
        again = next_steps.check(target)
        raise ServerInTrouble(f"you signed in, but {error.why}. Nothing was saved. To see why: ", again) from None
    if found.permanent:
        revocation.release(token)
    return exchanged(context, replace(found, permanent=bool(found.permanent)), overwrite, asks=False)


def verified(context: Context, token: Token, target: Target, given: Sequence[str] = ()) -> verify.VerifiedToken:
    """Asks a token's server whose it is and what it can read."""
    try:
        with context.frontend.waiting() as on_wait:
            return verify.verify_token(token, target, context.seconds(), on_wait, given)
    except TokenNotChecked as error:
        trouble = trouble_of(context.facts(target)) if error.is_unreachable else None
        if trouble is None:
            raise
        raise verify.not_checked(plain_text(trouble.evidence), target, given) from None


def exchanged(context: Context, found: verify.VerifiedToken, overwrite: bool, asks: bool = True) -> NewToken:
    """Exchanges a temporary token for a permanent one, if the person agrees and it can be saved."""
    target = found.target
    agreed = None if overwrite else agrees_to_replace(context, found.token, target, found.account)
    if found.permanent is not False or not context.frontend.can_ask:
        return NewToken(verified=found, may_replace=agreed)
    verify.try_saving(target)
    result = exchange_on(context, target).replace(found, asks)
    if result is None and not asks:
        raise Cancelled
    return result or NewToken(verified=found, may_replace=agreed)


def exchange_on(context: Context, target: Target) -> Exchange:
    """What exchanges tokens on a server, whose auth service has been probed."""
    frontend, seconds = context.frontend, context.seconds()
    return Exchange(auth=probe_auth_server(target, seconds, frontend), frontend=frontend, seconds=seconds)


def agrees_to_replace(context: Context, token: Token, target: Target, account: Account | None = None) -> Token | None:
    """Asks whether a token may replace the one that is stored; None if that is the same, or if nobody can be asked.

    `account` is that of the new token, or None if it was not checked. Raises Cancelled if the person declines.
    """
    old, frontend = token_in_the_way(token, target.server), context.frontend
    if old is None or not frontend.can_ask:
        return None
    owner = None
    if account is not None:
        with frontend.waiting() as on_wait:
            owner = verify.owner_of(old, target.server, context.seconds(), on_wait)
    if not confirm(frontend, guide.replace_question(old, owner, token, account)):
        raise Cancelled("the stored token was kept.")
    return old.meant


def finish(context: Context, new: NewToken, overwrite: bool, asks: bool = True) -> None:
    """Saves a token, revokes the temporary one that it replaces, and shows the card.

    Then it offers to revoke older tokens with this computer's name; without `asks` it only lists them.
    """
    token, target = new.verified.token, new.verified.target
    saved = save_new(context, new, overwrite)
    if new.replaces is not None:
        revocation.hold(target.server, new.replaces)
        revocation.revoke([new.replaces])
    remarks = new.remarks(context.frontend.can_ask)
    show_card(context, new.verified, saved, (*remarks, *map(pages.not_revoked, revocation.unreported())))
    offer_older(context, new, asks)
    terms, by_browser = new.verified.terms, new.exchanged and new.replaces is None  # which passed the terms already
    if terms and not by_browser and acceptance.is_accepted_meanwhile(context, target, terms.url):
        show_card(context, verified(context, token, target), saved)


def save_new(
    context: Context, new: NewToken, overwrite: bool, copies: Sequence[Path] = (), replaces: Token | None = None
) -> Saved:
    """Saves a token, also in other files (`copies`), and proves that CAVEclient finds it. If that fails, a token that
    was created for this is revoked. If only one token may be replaced, that is `replaces`.
    """
    token, target = new.verified.token, new.verified.target
    try:
        with saving(context, token, target):
            may_replace, only = overwrite or new.exchanged or new.may_replace is not None, replaces or new.may_replace
            saved = verify.save_and_prove(token, target, may_replace, new.verified, copies, only)
    except TokenNotSaved as error:
        raise _not_saved(new, error) from None
    except BaseException:
        if resolve(target.server).token == token:  # an interrupt came just after it was written
            revocation.release(token)
        raise
    revocation.release(token)
    return saved


def offer_older(context: Context, new: NewToken, asks: bool = True) -> None:
    """Offers to revoke older tokens with this computer's name; without `asks` it only lists them."""
    if not context.frontend.can_ask or not (older := new.older()):
        return
    token, server = new.verified.token, new.verified.target.server
    context.frontend.show(pages.older_page(older, server))
    agreed = False
    with suppress(Cancelled, NobodyToAsk):  # the token is saved: nothing is cancelled any more
        agreed = asks and confirm(context.frontend, "Revoke them?" if len(older) > 1 else "Revoke it?")
    if agreed:
        for key in older:
            problem = revocation.revoke_in_use(server, key.token, PATIENCE, by=token)
            done = f"could not be revoked: {problem}" if problem else "is revoked"
            context.frontend.say(f"The token ending in {key.token.ending} {done}.")


def show_card(context: Context, found: verify.VerifiedToken, saved: Saved, remarks: Sequence[Line] = ()) -> None:
    """Shows the card, and writes the line to go on with into the next cell if it works.

    A script does not wait for the import of caveclient, which takes longer than saving a token.
    """
    works = None if in_shell() and not context.frontend.can_ask else not packages.import_caveclient()
    notes = [] if works is None else access.of_an_old_caveclient()
    page = pages.with_lines(access.card_page(found, saved, works), (*notes, *remarks))
    conclude(context, found.token, found.target, saved, page, found.account)
    if works and found.opens and context.frontend.can_ask:
        context.fill_next(next_steps.go_on(again(found.target)).text)


def conclude(
    context: Context, token: Token, target: Target, saved: Saved, page: Page, account: Account | None = None
) -> None:
    """Shows the last page, and keeps what was saved for a script."""
    context.outcome = outcomes.SavedToken(
        server=target.server,
        token=token.ending,
        files=tuple(map(str, saved.written)),
        unchanged=saved.unchanged,
        account=account.to_dict() if account is not None else None,
        page=page,
    )
    context.frontend.show(page)


def _not_saved(new: NewToken, error: TokenNotSaved) -> TokenNotSaved:
    """The same error. Revokes a token that was just created; names one that the person has only on the server."""
    token, server = new.verified.token, new.verified.target.server
    if new.made and token not in stored_tokens(server):
        revocation.revoke([token])
        return error  # `cleaning_up` reports a failure
    revocation.release(token)
    if new.made:
        return TokenNotSaved(f"the new token ending in {token.ending} is in a file and stays valid: ", *error.args)
    if not new.exchanged:
        return error
    link = Span(tokens_page(server), "link")
    return TokenNotSaved(f"the token ending in {token.ending} is on ", link, " but not saved here: ", *error.args)


@contextmanager
def cleaning_up(context: Context) -> Iterator[None]:
    """Revokes, at the end, tokens that arrived or were created but not saved; says which ones still work.

    In the background it retries the tokens of earlier lines.
    """
    revocation.revoke_soon()
    with revocation.before_termination() as is_ending:
        try:
            yield
        finally:
            is_ending.set()
            revocation.revoke()
            if lines := tuple(map(pages.not_revoked, revocation.unreported())):
                context.frontend.show(Page(lines))


def saving(context: Context, token: Token, target: Target) -> AbstractContextManager[None]:
    """Wraps the saving of a token, so that what is said after an interrupt is true."""
    show, ending = next_steps.whoami(target), f" ending in {token.ending}" if token.ending else ""
    done = line(f"The token{ending} is saved for {host_of(target.server)}. To see it: ", show)
    return context.changing(done, line("To see which token is stored now: ", show))


def pick(context: Context, text: str, target: Target) -> Token:
    """The token in a pasted text, removed from the history; if there are several, the person chooses."""
    try:
        found = read_pasted(text, formats_of(target.server))
    except NotAToken as error:
        unknown = None if target.server in KNOWN_SERVERS else read_unknown_format(text)
        if unknown is None:
            raise NotAToken(f"This is not a token: {error}") from None
        context.frontend.say("Note: this does not look like a token of any known server. The server decides.")
        found = [PastedToken(token=unknown)]
    if not found:
        raise Cancelled("No token was given.")
    pasted = found[0]
    if len(found) > 1:
        only_one = f"found {len(found)} tokens; give just one"
        if len(found) > MOST_LISTED:
            raise BadInput(f"{only_one}.")
        pasted = found[choose(context.frontend, guide.pasted_page(found), len(found), otherwise=only_one) or 0]
    _refuse_foreign(pasted.server, target)
    secret = pasted.token.reveal()
    was_left = scrub.find_tokens_in_inputs(context.shell.inputs, [secret])  # such as in an assignment to a variable
    if failed := context.shell.scrub([secret]):
        context.frontend.say(f"The token could not be removed from {' and '.join(failed)}.")
    elif was_left:
        found_in = f"The token was also in {was_left.details}; it was removed from there. "
        context.frontend.show(Page((line(found_in, if_shared(context, target)),)))
    return pasted.token


def if_shared(context: Context, target: Target) -> Line:
    """What to do about a token that other people may have seen."""
    return line("If others have seen it: ", next_steps.end(target, "replace", can_ask=context.frontend.can_ask))


def _refuse_foreign(named: str, target: Target) -> None:
    """Raises an error if a downloaded file names another server: its token is sent to no other."""
    address = parse_url(named)
    if named.strip() and address is None:
        raise BadInput(
            f'the server of this token is unknown: "{SERVER_KEY}" is not an address. Nothing was sent. '
            "To save it here, give only the token."
        )
    if address is None or not {".", ":"} & set(address.host_and_port):
        return
    server = meant_address(address.host_and_port)
    if server != target.server and address.host_port != host_port_of(target.server):
        there = Target(datastack=datastack_for(server, ""), server=server, named_by="option")
        raise BadInput(
            f"this token is for {host_of(server)}, not for {host_of(target.server)}. Nothing was sent. "
            "To save it there: ",
            next_steps.save(there),
        )
