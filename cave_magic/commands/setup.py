"""`%cave_setup`: from nothing to a saved token, through the browser or by a paste."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from IPython.core.magic_arguments import argument, magic_arguments

from ..credentials.target import Target
from ..doctor import next_steps
from ..doctor.evidence import ServerFacts
from ..errors import ServerInTrouble
from . import token_input
from .context import Dialogue, nobody_to_ask
from .line import where

if TYPE_CHECKING:
    from ..login.exchange import Outcome


@magic_arguments()
@argument("kind", nargs="?", choices=("new", "existing"), help="new: no account yet; existing: a token somewhere")
@argument("--paste", action="store_true", help="paste a token instead of signing in through the browser")
@argument("--use", choices=("latest", "new"), help="take the token used last, or make one, without being asked")
@where
def cave_setup(dialogue: Dialogue, args: argparse.Namespace) -> None:
    """Sets up access to CAVE on this computer, step by step.

    Alone it says which of the two is needed, or that nothing is::

        %cave_setup
        %cave_setup new
        %cave_setup existing --datastack v1dd_public
        %cave_setup existing --use latest
    """
    with token_input.cleaning_up(dialogue):
        _set_up(dialogue, args)


def _set_up(dialogue: Dialogue, args: argparse.Namespace) -> None:
    is_status = args.kind is None or not dialogue.front.can_ask
    facts = dialogue.facts(dialogue.target_of_token(args), access=is_status)
    if facts.account is not None and is_status:
        return _show_status(dialogue, facts)
    if facts.account is not None and not args.use:
        if _exchange_stored(dialogue, facts):
            return None
        dialogue.confirm(f"{facts.account.label} is set up here already. Replace that token?")
    if facts.account is None:
        _raise_if_in_trouble(facts)
    if args.kind is None:
        return _advise(dialogue, facts)
    outcome = _new_token(dialogue, facts.target, args)
    return token_input.finish(dialogue, outcome, overwrite=True, asks=not args.use)


def _show_status(dialogue: Dialogue, facts: ServerFacts) -> None:
    from ..doctor.checks.account import is_login_token
    from ..login.pages import ends_soon, with_lines
    from .views.access import status_page

    page = status_page(facts)
    dialogue.show(with_lines(page, [ends_soon(facts)]) if is_login_token(facts) else page)


def _advise(dialogue: Dialogue, facts: ServerFacts) -> None:
    from .views.access import advice_page

    dialogue.show(advice_page(facts))


def _exchange_stored(dialogue: Dialogue, facts: ServerFacts) -> bool:
    """Offers a permanent token for a stored one that ends by itself; says whether that was done."""
    from ..doctor.checks.account import is_login_token

    if facts.stored.token is None or not is_login_token(facts):
        return False
    checked = token_input.check(dialogue, facts.stored.token, facts.target)
    outcome = token_input.exchanged(dialogue, checked, overwrite=True)
    if outcome.checked is checked:
        return False
    token_input.finish(dialogue, outcome, overwrite=True)
    return True


def _raise_if_in_trouble(facts: ServerFacts) -> None:
    """Ends a set-up before it asks for anything, where the server could not be asked."""
    from ..api.responses import is_cave
    from ..doctor.checks.token import is_malformed

    good = any(is_cave(answer) for answer in facts.answers)
    first = next(iter(facts.answers), None)  # the auth server's
    if first is not None and not is_cave(first) and not (good and is_malformed(first)):
        raise ServerInTrouble(f"{first.sentence}. Nothing was changed. To see why: {next_steps.check(facts.target)}")


# ---------------------------------------------------------------- the two ways in


def _new_token(dialogue: Dialogue, target: Target, args: argparse.Namespace) -> Outcome:
    """A token that the server has accepted: by the browser where that works, else by the prompt."""
    from ..login.browser import by_browser
    from ..login.exchange import Wish, look_ahead
    from ..login.verify import try_saving

    try_saving(target)
    if not dialogue.front.can_ask:
        return _by_paste(dialogue, target, args.kind == "new")
    wish = Wish(target, args.use or ("new" if args.kind == "new" else ""), dialogue.seconds())
    auth = look_ahead(wish, dialogue.front)
    if auth.trouble and args.kind == "new" and not args.paste:
        raise ServerInTrouble(
            f"nobody can sign in now: {auth.trouble}. Nothing was changed. Try again later, or paste a token that you "
            f"have: {next_steps.setup(target, 'existing', '--paste')}"
        )
    came = None if args.paste or auth.trouble else by_browser(wish, auth, dialogue.front)
    return came or _by_paste(dialogue, target, args.kind == "new", auth.trouble)


def _by_paste(dialogue: Dialogue, target: Target, is_new: bool, trouble: str = "") -> Outcome:
    """The way that works everywhere: the pages to go to, unless they are known to be down, and a prompt."""
    from ..login.web_browser import open_browser
    from .guide import guide_for
    from .views.guide import guide_page

    guide = guide_for(target, is_new, dialogue.front.can_ask, trouble=trouble)
    dialogue.show(guide_page(guide))
    if not dialogue.front.can_ask:
        raise nobody_to_ask(target)
    if guide.first_page:
        open_browser(guide.first_page)
    return token_input.by_prompt(dialogue, target, overwrite=True)
