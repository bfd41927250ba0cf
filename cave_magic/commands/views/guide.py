"""The pages around the token prompt: the steps to a token, a choice of pasted tokens, and invalid answers."""

from __future__ import annotations

from collections.abc import Sequence

from ...api import endpoints
from ...api.responses import Account
from ...api.urls import host_of
from ...credentials.target import Target
from ...deployments import deployment_of
from ...doctor import next_steps
from ...environment import platforms
from ...token import PastedToken, Token
from ...ui.document import Block, Line, Page, Span, Steps, Table, line
from ...ui.redact import sanitize


def guide_page(target: Target, is_new: bool, can_ask: bool = True, failure: str = "", sign_in: str = "") -> Page:
    """The numbered steps to a token, with links and a note about the platform.

    Args:
        is_new: whether the person has no account yet.
        can_ask: whether a prompt for the token follows.
        failure: why the pages of the auth server cannot be opened now, or "".
        sign_in: the page of a sign-in whose last address can be pasted, or "".
    """
    where = platforms.detect_runtime()
    blocks: list[Block] = [line(Span(f"Access to {target.datastack} on {host_of(target.server)}", "strong"))]
    if where.note:
        blocks.append(line(Span("Note: ", "warning"), where.note))
    if where.is_ephemeral and where.secrets_name:
        blocks += [line(command) for command in next_steps.recall(where, target)]
    if sign_in:
        tokens = Span(endpoints.tokens_page(target.server), "link")
        paste = (*_step("Paste", _LAST_ADDRESS), line(Span(_IF_IT_ARRIVES, "dim")))
        steps = Steps((_step("Sign in", "open this page, and sign in with a Google account.", sign_in), paste))
        return Page((*blocks, steps, line(Span("The prompt also takes a token of yours: ", "dim"), tokens)))
    if is_new:
        blocks.append(line(Span(_WHAT, "dim")))
    last = _step("Paste", "paste the token into the prompt below.")
    if not can_ask:
        last = _step("Keep", f"store the token as CAVE_TOKEN in {where.secrets_name or 'an environment variable'}.")
    return Page((*blocks, Steps((*_ways(target, is_new, failure), last))))


def prompt_page(target: Target, is_first: bool) -> Page:
    """Shown before `%cave_save` asks for a token; `is_first`: also says what a token is."""
    place = line(f"Your tokens for {host_of(target.server)}: ", Span(endpoints.tokens_page(target.server), "link"))
    return Page((line(Span(_WHAT, "dim")), place) if is_first else (place,))


_WHAT = (
    "A token is like a password for programs: whoever has it can use your account. You copy it once, and CAVEclient "
    "and cloud-volume send it from then on."
)
_LAST_ADDRESS = (
    "the tab then ends on a page that cannot be reached. Copy the address of that page, and paste it into the prompt "
    "below."
)
_IF_IT_ARRIVES = "If the tab says that you are signed in instead, press Enter at the prompt."


def replace_question(old: Token, owner: Account | None, new: Token, account: Account | None) -> str:
    """Asks whether a new token may replace a stored one; an account is None if it is unknown."""
    old_end, new_end = (f" (ending {token.ending})" if token.ending else "" for token in (old, new))
    if owner is None or account is None:
        return f"Replace the stored token{old_end} with this one{new_end}?"
    mine = f"Replace the token of {owner.who.text}{old_end} with this one of"
    if (owner.id, owner.email) == (account.id, account.email):
        return f"{mine} the same account{new_end}?"
    return f"{mine} another account, {account.who.text}{new_end}?"


def first_address(target: Target, is_new: bool) -> str:
    """The page of the first step of the guide."""
    return (is_new and _account_address(target)) or endpoints.tokens_page(target.server)


def _ways(target: Target, is_new: bool, failure: str) -> list[tuple[Line, ...]]:
    """The steps up to the token."""
    tokens = endpoints.tokens_page(target.server)
    if failure:
        why = f"the tokens page cannot be opened right now: {failure}."
        return [_step("Token", f"{why} Copy the token from where you have it, such as another computer.")]
    if not is_new:
        todo = "this page lists your tokens. Copy one, or create one for this computer; the others stay valid."
        return [_step("Token", todo, tokens)]
    steps = [_step("Token", "sign in on this page with a Google account, create a token, and copy it.", tokens)]
    if address := _account_address(target):
        todo = "sign in with a Google account and accept the terms of service. Then come back here."
        steps.insert(0, _step("Account", todo, address))
    return steps


def _account_address(target: Target) -> str:
    """Where a new person signs in and accepts a datastack's terms; "" for an unknown datastack.

    The datastack map cannot tell which are known: caveclient writes misspelled names to it too.
    """
    home = deployment_of(target.datastack)
    if home is None:
        return ""
    local = home.local_servers[0] if home.server == target.server else ""
    return endpoints.first_page(target.server, target.datastack, local)


def _step(title: str, todo: str, address: str = "") -> tuple[Line, ...]:
    first = line(Span(f"{title}: ", "strong"), todo)
    return (first, line(Span(address, "link"))) if address else (first,)


def pasted_page(found: Sequence[PastedToken]) -> Page:
    """Lists pasted tokens to choose from."""
    rows = [
        (
            line(str(number)),
            line(sanitize(one.description).text or "(no description)"),
            line(Span(sanitize(one.created).text[:16], "dim")),
            line(Span(f"ends in {one.token.ending}", "dim")),
        )
        for number, one in enumerate(found, 1)
    ]
    return Page((Table(tuple(rows), "the pasted tokens", head=1),))


def again_page(problem: str | Line) -> Page:
    """Shown after an invalid answer, before the prompt is repeated; `problem` is whole sentences."""
    again = line(Span("Try again, or press Enter to cancel.", "dim"))
    return Page((line(Span("! ", "warning"), problem), again))
