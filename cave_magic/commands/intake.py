"""A token on its way in: picked from what was pasted, held against its server, exchanged for a permanent one, saved."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from .. import history, lines
from ..addresses import host_of, parse, place_of
from ..dialogue import Dialogue
from ..errors import BadInput, Cancelled, NotAToken, TokenNotSaved, TokenRejected
from ..page import Page
from ..routes import tokens_page
from ..servers import KNOWN_SERVERS, datastack_for, meant_address
from ..store import resolve
from ..target import Target
from ..tokens import Pasted, Token, read_pasted, unusual_token

if TYPE_CHECKING:
    from ..login import Checked
    from ..signin import Outcome

TRIES = 3
"""So many odd answers to a prompt; then the magic ends and says what to do."""


def by_prompt(dialogue: Dialogue, target: Target, overwrite: bool) -> Outcome:
    """Asks until a token works, at most three times; an empty answer cancels."""
    from ..pages import again_page

    for left in reversed(range(TRIES)):
        text = dialogue.ask_secret(target)
        try:
            return accepted(dialogue, text, target, overwrite)
        except (NotAToken, TokenRejected) as error:
            if not left:
                raise
            dialogue.show(again_page(str(error)))
    raise AssertionError  # the loop always returns or raises


def accepted(dialogue: Dialogue, text: str, target: Target, overwrite: bool, given: Sequence[str] = ()) -> Outcome:
    """The token in a text, once its server has accepted it; in place of a log-in token a permanent one, if wanted."""
    return exchanged(dialogue, check(dialogue, pick(dialogue, text, target), target, given), overwrite, text)


def check(dialogue: Dialogue, token: Token, target: Target, given: Sequence[str] = ()) -> Checked:
    """Holds a token against its server."""
    from ..login import check_token

    seconds = dialogue.seconds()
    with dialogue.front.waiting() as watcher:
        return check_token(token, target, seconds, watcher, given)


def exchanged(dialogue: Dialogue, checked: Checked, overwrite: bool, text: str = "") -> Outcome:
    """A permanent token in the place of a log-in token, where the person wants it and it could be saved."""
    from ..login import try_saving
    from ..signin import Outcome, Wish, came_by_address, exchange

    stored = resolve(checked.target.server)
    in_the_way = stored.token not in (None, checked.token) and not stored.belongs_to
    if checked.permanent is not False or (in_the_way and not overwrite) or not dialogue.front.can_ask:
        return Outcome(checked)
    try_saving(checked.target)
    wish = Wish(checked.target, "new", dialogue.seconds())
    return exchange(checked, wish, dialogue.front, asks=not came_by_address(text)) or Outcome(checked)


def save(dialogue: Dialogue, outcome: Outcome, overwrite: bool) -> Page:
    """Saves what was checked; the card that says so."""
    from ..installed import import_caveclient
    from ..login import save_checked
    from ..pages import card_page
    from ..signin_page import with_lines

    token, target = outcome.checked.token, outcome.checked.target
    try:
        with saving(dialogue, token, target):
            saved = save_checked(outcome.checked, overwrite or outcome.exchanged)
    except TokenNotSaved as error:
        if not outcome.exchanged:
            raise
        page = tokens_page(target.server)
        raise TokenNotSaved(f"the token ending in {token.ending} is on {page} but not saved here: {error}") from None
    return with_lines(card_page(outcome.checked, saved, works=not import_caveclient()), outcome.remarks)


def saving(dialogue: Dialogue, token: Token, target: Target) -> AbstractContextManager[None]:
    """Around the saving of a token; keeps what is said after an interrupt true."""
    look, ending = lines.whoami(target), f" ending in {token.ending}" if token.ending else ""
    done = f"The token{ending} is saved for {host_of(target.server)}. To see it: {look}"
    return dialogue.changing(done, f"Which token is stored now: {look}")


# ---------------------------------------------------------------- picking it from a text

def pick(dialogue: Dialogue, text: str, target: Target) -> Token:
    """The one token in what was pasted."""
    try:
        found = read_pasted(text)
    except NotAToken as error:
        unusual = unusual_token(text)
        if unusual is None or not _takes_unusual(target.server):
            raise NotAToken(f"this is not a token: {error}") from None
        dialogue.front.say("Note: this does not look like a usual token; the server will say.")
        return _forgotten(dialogue, unusual)
    if not found:
        raise Cancelled("no token was given. Nothing was changed.")
    one = found[0] if len(found) == 1 else _choose(dialogue, found)
    _refuse_foreign(one.server, target)
    return _forgotten(dialogue, one.token)


def _takes_unusual(server: str) -> bool:
    return server not in KNOWN_SERVERS or "zetta" in server


def _choose(dialogue: Dialogue, found: Sequence[Pasted]) -> Pasted:
    if not dialogue.front.can_ask:
        raise BadInput(f"{len(found)} tokens are in it; give the one to use.")
    for number, one in enumerate(found, 1):
        name = one.description or "(no description)"
        dialogue.front.say(f"{number}. {name}  {one.created[:16]}  ends in {one.token.ending}")
    answer = dialogue.ask(f"Which one? [1-{len(found)}] ")
    if not answer:
        raise Cancelled("nothing was changed.")
    if not answer.isdigit() or not 1 <= int(answer) <= len(found):
        raise Cancelled("that is none of them. Nothing was changed.")
    return found[int(answer) - 1]


def _refuse_foreign(named: str, target: Target) -> None:
    """A downloaded token says whose it is; one of another server is not sent to this one."""
    address = parse(named)
    if address is None or not {".", ":"} & set(address.host_and_port):
        return
    server = meant_address(address.host_and_port)
    if server == target.server or address.place == place_of(target.server):
        return
    there = Target(datastack_for(server, ""), server, "option")
    raise BadInput(
        f"this token is for {host_of(server)}, not for {host_of(target.server)}. Nothing was sent. "
        f"To save it there: {lines.save(there)}"
    )


def _forgotten(dialogue: Dialogue, token: Token) -> Token:
    """The token, wiped from where it lies in the history, such as the cell that gave it to a variable."""
    manager = dialogue.shell.history_manager
    lies = history.found_in_inputs(manager.input_hist_raw if manager else (), [token.reveal()])
    if stuck := history.wipe(dialogue.shell, [token.reveal()]):
        dialogue.front.say(f"The token could not be taken out of {' and '.join(stuck)}.")
    elif lies:
        dialogue.front.say(f"The token also stood in {lies.where}; it was taken out there.")
    return token
