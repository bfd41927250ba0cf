"""A token on its way in: picked from what was pasted, held against its server, exchanged for a permanent one, saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ..api.endpoints import tokens_page
from ..api.urls import host_of, host_port_of, parse
from ..credentials import scrub
from ..credentials.stored_tokens import resolve
from ..credentials.target import Target
from ..credentials.token_files import SERVER_KEY
from ..deployments import KNOWN_SERVERS, datastack_for, meant_address
from ..doctor import next_steps
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
from ..redact import sanitize
from ..token import PastedToken, Token, read_pasted, unusual_token
from ..ui.document import Page
from .context import Context

if TYPE_CHECKING:
    from ..login.exchange import LoginResult
    from ..login.verify import VerifiedToken

MOST_LISTED = 100
"""So many tokens of one paste are listed to choose from."""
TRIES = 3
"""So many odd answers to a prompt; then the magic ends and says what to do."""


def by_prompt(context: Context, target: Target, overwrite: bool) -> LoginResult:
    """Asks until a token works, at most three times; an empty answer cancels."""
    from .views.guide import again_page

    for left in reversed(range(TRIES)):
        text = context.ask_secret(target)
        try:
            return accepted(context, text, target, overwrite)
        except (NotAToken, TokenRejected) as error:
            if not left:
                raise
            context.show(again_page(str(error)))
    raise AssertionError  # the loop always returns or raises


def accepted(context: Context, text: str, target: Target, overwrite: bool, given: Sequence[str] = ()) -> LoginResult:
    """The token in a text, once its server has accepted it; in place of a temporary one a permanent one, if wanted.

    The address of a sign-in that could not come back was meant for us: its token is revoked whatever happens, unless it
    is the one that is stored.
    """
    from ..login import revocation
    from ..login.browser_sign_in import came_by_address

    token = pick(context, text, target)
    if not came_by_address(text) or not context.front.can_ask or resolve(target.server).token == token:
        return exchanged(context, check(context, token, target, given), overwrite)
    revocation.hold(target.server, token)
    try:
        checked = check(context, token, target)
    except TokenNotChecked as error:
        again = next_steps.check(target)
        raise ServerInTrouble(f"you signed in, but {error.why}. Nothing was saved. To see why: {again}") from None
    if checked.permanent:
        revocation.release(token)
    return exchanged(context, replace(checked, permanent=bool(checked.permanent)), overwrite, asks=False)


def check(context: Context, token: Token, target: Target, given: Sequence[str] = ()) -> VerifiedToken:
    """Holds a token against its server."""
    from ..login.verify import verify_token

    seconds = context.seconds()
    with context.front.waiting() as on_wait:
        return verify_token(token, target, seconds, on_wait, given)


def exchanged(context: Context, checked: VerifiedToken, overwrite: bool, asks: bool = True) -> LoginResult:
    """A permanent token in the place of a temporary one, where the person wants it and it could be saved."""
    from ..login.exchange import LoginRequest, LoginResult, exchange
    from ..login.verify import try_saving

    stored = resolve(checked.target.server)
    in_the_way = stored.token not in (None, checked.token) and not stored.belongs_to
    if checked.permanent is not False or not context.front.can_ask:
        return LoginResult(checked=checked)
    if in_the_way and not overwrite:
        if asks:
            return LoginResult(checked=checked)
        context.confirm(f"Another token is saved for {host_of(checked.target.server)}. Replace it?")
    try_saving(checked.target)
    request = LoginRequest(target=checked.target, use="new", seconds=context.seconds())
    result = exchange(checked, request, context.front, asks)
    if result is None and not asks:
        raise Cancelled("nothing was changed.")
    return result or LoginResult(checked=checked)


def save(context: Context, result: LoginResult, overwrite: bool) -> Page:
    """Saves what was checked, and revokes the temporary token in whose place it is; the card that says so."""
    from ..environment.packages import import_caveclient
    from ..login import revocation
    from ..login.pages import not_revoked, with_lines
    from ..login.verify import save_verified
    from .views.access import card_page

    token, target = result.checked.token, result.checked.target
    try:
        with saving(context, token, target):
            saved = save_verified(result.checked, overwrite or result.exchanged)
    except TokenNotSaved as error:
        raise _not_saved(result, error) from None
    except BaseException:
        if resolve(target.server).token == token:  # an interrupt came a moment after it was written
            revocation.release(token)
        raise
    revocation.release(token)
    if result.replaces is not None:
        revocation.hold(target.server, result.replaces)
        revocation.revoke([result.replaces])
    card = card_page(result.checked, saved, works=not import_caveclient())
    return with_lines(card, (*result.remarks, *map(not_revoked, revocation.untold())))


def _not_saved(result: LoginResult, error: TokenNotSaved) -> TokenNotSaved:
    """The same error, with where the token is if the person has it nowhere else. One that was just made is revoked."""
    from ..login import revocation

    token, server = result.checked.token, result.checked.target.server
    if result.made:
        revocation.revoke([token])
        return error  # `cleaning_up` says it if that failed
    revocation.release(token)
    if not result.exchanged:
        return error
    return TokenNotSaved(f"the token ending in {token.ending} is on {tokens_page(server)} but not saved here: {error}")


def finish(context: Context, result: LoginResult, overwrite: bool, asks: bool = True) -> None:
    """Saves a token, says so, and offers to revoke those that it has replaced."""
    context.show(save(context, result, overwrite))
    offer_to_revoke(context, result, asks)


@contextmanager
def cleaning_up(context: Context) -> Iterator[None]:
    """Revokes in the end, however that comes, the tokens that came or were made and not saved; says which live on.

    What could not be revoked at an earlier time is tried again meanwhile.
    """
    from ..login import revocation
    from ..login.pages import not_revoked

    revocation.retry_soon()
    try:
        yield
    finally:
        revocation.revoke()
        if alive := tuple(map(not_revoked, revocation.untold())):
            context.show(Page(alive))


def offer_to_revoke(context: Context, result: LoginResult, asks: bool = True) -> None:
    """Offers to revoke older tokens with this computer's name, once a new one is saved; asks only where it may."""
    from ..login.pages import older_page
    from ..login.replaced import older_keys, revoke_older

    older = older_keys(result) if context.front.can_ask else []
    if not older:
        return
    context.show(older_page(older, result.checked.target.server))
    try:
        if not asks or not context.agrees("Revoke them?" if len(older) > 1 else "Revoke it?"):
            return
    except (Cancelled, NobodyToAsk):
        return
    for key in older:
        problem = revoke_older(result, key)
        done = "is revoked" if not problem else f"could not be revoked: {problem}"
        context.front.say(f"The token ending in {key.token.ending} {done}.")


def saving(context: Context, token: Token, target: Target) -> AbstractContextManager[None]:
    """Around the saving of a token; keeps what is said after an interrupt true."""
    look, ending = next_steps.whoami(target), f" ending in {token.ending}" if token.ending else ""
    done = f"The token{ending} is saved for {host_of(target.server)}. To see it: {look}"
    return context.changing(done, f"Which token is stored now: {look}")


# ---------------------------------------------------------------- picking it from a text


def pick(context: Context, text: str, target: Target) -> Token:
    """The one token in what was pasted."""
    try:
        found = read_pasted(text)
    except NotAToken as error:
        unusual = unusual_token(text)
        if unusual is None or not _takes_unusual(target.server):
            raise NotAToken(f"this is not a token: {error}") from None
        context.front.say("Note: this does not look like a usual token; the server will say.")
        return _forgotten(context, unusual)
    if not found:
        raise Cancelled("no token was given. Nothing was changed.")
    one = found[0] if len(found) == 1 else _choose(context, found)
    _refuse_foreign(one.server, target)
    return _forgotten(context, one.token)


def _takes_unusual(server: str) -> bool:
    return server not in KNOWN_SERVERS or "zetta" in server


def _choose(context: Context, found: Sequence[PastedToken]) -> PastedToken:
    if not context.front.can_ask or len(found) > MOST_LISTED:
        raise BadInput(f"{len(found)} tokens are in it; give the one to use.")
    for number, one in enumerate(found, 1):
        name, created = sanitize(one.description).text or "(no description)", sanitize(one.created).text[:16]
        context.front.say(f"{number}. {name}  {created}  ends in {one.token.ending}")
    answer = context.ask(f"Which one? [1-{len(found)}] ")
    if not answer:
        raise Cancelled("nothing was changed.")
    if not answer.isdigit() or not 1 <= int(answer) <= len(found):
        raise Cancelled("that is none of them. Nothing was changed.")
    return found[int(answer) - 1]


def _refuse_foreign(named: str, target: Target) -> None:
    """A downloaded token says whose it is; one of another server is not sent to this one."""
    address = parse(named)
    if named.strip() and address is None:
        raise BadInput(
            f'the server that this token is for cannot be read ("{SERVER_KEY}" is no address). Nothing was sent. '
            "Give the token alone to save it here."
        )
    if address is None or not {".", ":"} & set(address.host_and_port):
        return
    server = meant_address(address.host_and_port)
    if server == target.server or address.host_port == host_port_of(target.server):
        return
    there = Target(datastack=datastack_for(server, ""), server=server, named_by="option")
    raise BadInput(
        f"this token is for {host_of(server)}, not for {host_of(target.server)}. Nothing was sent. "
        f"To save it there: {next_steps.save(there)}"
    )


def _forgotten(context: Context, token: Token) -> Token:
    """The token, wiped from where it lies in the history, such as the cell that gave it to a variable."""
    manager = context.shell.history_manager
    lies = scrub.found_in_inputs(manager.input_hist_raw if manager else (), [token.reveal()])
    if stuck := scrub.wipe(context.shell, [token.reveal()]):
        context.front.say(f"The token could not be taken out of {' and '.join(stuck)}.")
    elif lies:
        context.front.say(f"The token also stood in {lies.where}; it was taken out there.")
    return token
