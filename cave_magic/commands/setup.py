"""`%cave_setup`: gets a token through the browser or a paste, and saves it."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ..api.responses import is_cave
from ..credentials.target import Target
from ..doctor import next_steps
from ..doctor.checks.account import expiry, is_temporary
from ..doctor.checks.token import is_malformed
from ..doctor.evidence import ServerFacts
from ..errors import BadInput, Cancelled, ServerInTrouble
from ..login import pages, verify, web_browser
from ..login.browser_sign_in import sign_in_in_browser
from ..login.exchange import NewToken
from ..ui.prompts import confirm
from . import KINDS, acceptance, token_input
from .arguments import DATASTACK, argument, command, examples
from .context import Context, in_trouble
from .remove import remove_token
from .replace import replace_token
from .views import access, guide


@command(
    argument(
        "kind",
        nargs="?",
        metavar="|".join(KINDS),
        help="new: you have no account yet; existing: you have an account; replace: others may have seen your token; "
        "remove: take the token off this computer",
    ),
    DATASTACK,
    argument("--paste", action="store_true", help="paste a token instead of signing in through the browser"),
    argument(
        "--use", choices=("latest", "new"), help="reuse the token that was used last, or create one, without asking"
    ),
    argument("--yes", action="store_true", help="with replace or remove: do not ask first"),
    argument("--revoke", action="store_true", help="with remove: also revoke the token on the server"),
    argument(
        "--token", metavar="ENDING", help="with remove: revoke another token of your account, by its last characters"
    ),
    examples=[
        examples(
            "Without arguments it says whether you need new or existing, or that you are set up:",
            *("", "new", "existing v1dd_public", "existing --use latest"),
        ),
        examples(
            "If others may have seen your token, or when a course on a shared computer ends:",
            *("replace", "remove --revoke", "remove --token 4f2a"),
        ),
    ],
)
def cave_setup(context: Context, args: argparse.Namespace) -> None:
    """Sets up access to CAVE on this computer, step by step."""
    _refuse_contradictions(args)
    run = {"replace": replace_token, "remove": remove_token}.get(args.kind, _set_up)
    with token_input.cleaning_up(context):
        run(context, args)


def _refuse_contradictions(args: argparse.Namespace) -> None:
    kinds = {"yes": ("replace", "remove"), "revoke": ("remove",), "token": ("remove",)}
    for option, those in kinds.items():
        if getattr(args, option) not in (None, False) and args.kind not in those:
            raise BadInput(f"--{option} works only with {' and '.join(those)}.")
    if args.kind in ("replace", "remove") and (args.paste or args.use):
        raise BadInput("--paste and --use work only with new and existing.")
    if args.revoke and args.token is not None:
        raise BadInput("give --revoke or --token, not both: --token revokes another token than this computer's.")


def _set_up(context: Context, args: argparse.Namespace) -> None:
    is_status = args.kind is None or not context.frontend.can_ask
    facts = context.facts(context.target_of_token(args), access=is_status)
    if facts.account is not None and is_status:
        _show_status(context, facts)
        terms = access.terms_to_accept(facts)
        if terms is not None and acceptance.is_accepted_meanwhile(context, facts.target, terms.url):
            _show_status(context, context.facts(facts.target, access=True))
        return None
    verify.try_saving(facts.target)
    if facts.account is not None and not args.use:
        if _exchange_stored(context, facts):
            return None
        if not confirm(context.frontend, f"{facts.account.label.text} is already set up here. Replace that token?"):
            raise Cancelled
    if facts.account is None:
        _raise_if_in_trouble(facts)
    if args.kind is None:
        context.is_well = False
        return context.frontend.show(access.advice_page(facts))
    new = _new_token(context, facts.target, args)
    return token_input.finish(context, new, overwrite=True, asks=not args.use)


def _show_status(context: Context, facts: ServerFacts) -> None:
    context.is_well = access.can_go_on(facts)
    notes = [pages.expires_soon(facts.target, context.frontend.can_ask, expiry(facts))] if is_temporary(facts) else []
    page = pages.with_lines(access.status_page(facts), (*access.of_an_old_caveclient(), *notes))
    context.frontend.show(page)


def _exchange_stored(context: Context, facts: ServerFacts) -> bool:
    """Offers a permanent token for a stored temporary one; returns whether it was replaced."""
    if facts.stored.token is None or not is_temporary(facts):
        return False
    verified = token_input.verified(context, facts.stored.token, facts.target)
    new = token_input.exchanged(context, verified, overwrite=True)
    if new.exchanged:
        token_input.finish(context, new, overwrite=True)
    return new.exchanged


def _raise_if_in_trouble(facts: ServerFacts) -> None:
    """Stops before any prompt if the auth server does not respond like an auth server.

    Some servers answer a malformed stored token with an error page; then a good response of another service is enough.
    """
    good = any(map(is_cave, facts.responses))
    first = next(iter(facts.responses), None)  # the auth server's
    if first is not None and not is_cave(first) and not (good and is_malformed(first)):
        raise in_trouble(facts)


def _new_token(context: Context, target: Target, args: argparse.Namespace) -> NewToken:
    """A token that the server has accepted: through the browser if that works, else from the prompt."""
    if not context.frontend.can_ask:
        return _by_paste(context, target, args.kind == "new")
    exchange = token_input.exchange_on(context, target)
    auth = exchange.auth
    if auth.failure and args.kind == "new" and not args.paste:
        raise ServerInTrouble(
            f"signing in does not work right now: {auth.failure}. Nothing was changed. Try again {auth.page.until}, "
            "or paste a token that you have: ",
            next_steps.setup(target, "existing", "--paste"),
        )
    use = args.use or ("new" if args.kind == "new" else "")
    if not args.paste and not auth.failure:

        def at_prompt(address: str, signed_in: Callable[[], NewToken | None]) -> NewToken:
            context.frontend.show(guide.guide_page(target, args.kind == "new", sign_in=address), passing=True)
            return token_input.by_prompt(context, target, overwrite=True, signed_in=signed_in)

        if result := sign_in_in_browser(target, use, exchange, at_prompt):
            return result
    return _by_paste(context, target, args.kind == "new", auth.failure)


def _by_paste(context: Context, target: Target, is_new: bool, failure: str = "") -> NewToken:
    """Works everywhere: shows the pages to open, unless they are known to be down, and a prompt."""
    context.frontend.show(guide.guide_page(target, is_new, context.frontend.can_ask, failure=failure))
    if context.frontend.can_ask and not failure:
        web_browser.open_browser(guide.first_address(target, is_new))
    return token_input.by_prompt(context, target, overwrite=True)
