"""The pages of a sign-in, in words: waiting for the browser, which token to take, and what the card adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from ..api import endpoints
from ..api.responses import WITHIN, ListedToken
from ..api.urls import host_of
from ..credentials.target import Target
from ..deployments import datastack_for
from ..doctor import next_steps
from ..doctor.checks.account import expiry
from ..doctor.evidence import ServerFacts
from ..redact import Untrusted, sanitize
from ..ui.document import Block, Line, Page, Span, Table, line
from .revocation import UnrevokedToken
from .verify import VerifiedToken

_CELLS = ("command", "", "dim", "dim", "dim")
_TITLES = tuple(line(Span(title, "dim")) for title in ("", "", "made", "last used", "ends in"))


def waiting_page(target: Target, address: str, problem: str = "") -> Page:
    """What stands there while the person is in the browser.

    Args:
        target: what the person gets access to.
        address: the page that has been opened.
        problem: why it has not, or "".
    """
    link = Span(address, "link")
    ways: tuple[Line, ...] = (
        line(f"A browser tab has opened. {_TODO}"),
        line("No tab, an error page, or the wrong account? Open this address again: ", link),
    )
    if problem:
        opens = line("Open this address in a browser on this computer: ", link)
        ways = (line(Span("No browser opened: ", "warning"), f"{problem}."), opens, line(_TODO))
    title = line(Span(f"Access to {target.datastack} on {host_of(target.server)}", "strong"))
    return Page((title, *ways, line(Span(f"{_LAST_COUNTS} {_TO_PASTE}", "dim"))))


_TODO = (
    "Sign in there with a Google account. A new account also chooses a user name and accepts the terms of service. "
    "There is nothing to copy."
)
_LAST_COUNTS = (
    "The last sign-in counts: finish it in the tab that was opened last. If no other account is offered, open the "
    "address in a private window."
)
_TO_PASTE = (
    "To paste a token instead, interrupt (the stop button, or Ctrl+C in a terminal). If the tab ends on a page that "
    "cannot be reached, interrupt and paste the address of that page."
)


def choice_page(keys: Sequence[ListedToken], verified: VerifiedToken, warning: str = "") -> Page:
    """Whose tokens there are, to choose one of.

    Args:
        keys: the tokens, the one to take first.
        verified: the temporary token of the sign-in.
        warning: what to know before a new one is made.
    """
    rows = [tuple(line(Span(*cell)) for cell in zip(_cells(*one), _CELLS, strict=True)) for one in enumerate(keys, 1)]
    blocks: list[Block] = [
        line("You are signed in as ", Span(verified.account.label.text, "strong"), ". Your tokens:"),
        Table((_TITLES, *rows), "your tokens", head=1),
        another_account(verified.target),
    ]
    if warning:
        blocks.append(line(Span("Note: ", "warning"), warning))
    return Page(tuple(blocks))


def _cells(number: int, key: ListedToken) -> tuple[str, ...]:
    name = sanitize(key.description).text or "(no description)"
    return (str(number), name, _day(key.created), _day(key.last_used), key.token.ending)


def _day(said: Untrusted) -> str:
    moment = moment_of(said)
    return f"{moment:%d %b %Y}" if moment.year > 1 else "never"


def moment_of(said: Untrusted) -> datetime:
    """When that was, from how the auth server writes it; the beginning of time if it never was."""
    with suppress(TypeError, ValueError):
        found = parsedate_to_datetime(sanitize(said).text)
        return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return datetime.min.replace(tzinfo=timezone.utc)


def called(name: str) -> Line:
    """By which name a new token is found again."""
    return line(Span(f"On the tokens page this token is called “{name}”.", "dim"))


def another_account(target: Target) -> Line:
    """What to do where the wrong account was chosen."""
    again = next_steps.setup(target, "existing")
    return line(Span("Not your account? ", "dim"), again, Span(" and choose another when you sign in.", "dim"))


def ends_soon(facts: ServerFacts) -> Line:
    """What to say of a stored temporary token."""
    return expires(facts.target, expiry(facts))


def expires(target: Target, when: str = WITHIN) -> Line:
    """What to say of a temporary token that is saved."""
    again = next_steps.setup(target, "existing")
    return line(Span("Note: ", "warning"), f"the token is temporary and expires {when}. For a permanent one: ", again)


def how_to_revoke(server: str, until: datetime) -> tuple[str, str]:
    """How long a temporary token lives that could not be revoked, and the page that revokes it."""
    rest = "To revoke it, open this page once it answers. It signs you out everywhere, and keeps permanent tokens:"
    return f"It expires by itself by {until:%d %B %Y} at the latest. {rest}", endpoints.sign_out_page(server)


def not_revoked(one: UnrevokedToken) -> Line:
    """A token that could not be revoked, where, and what ends it."""
    host = host_of(one.server)
    if one.only:
        start = f"a new token ending in {one.token.ending} was made on {host} and ended your other one, but not saved. "
        latest = next_steps.setup(
            Target(datastack=datastack_for(one.server, ""), server=one.server, named_by="option"),
            "existing",
            "--use latest",
        )
        return line(Span("Note: ", "warning"), f"{start}To save it: ", latest)
    if one.permanent:
        start = f"a new token was made on {host}, not saved, and could not be revoked ({one.why}). To delete it: "
        return line(Span("Note: ", "warning"), start, Span(endpoints.tokens_page(one.server), "link"))
    rest, link = how_to_revoke(one.server, one.expires)
    start = f"a temporary token could not be revoked on {host} ({one.why}). {rest} "
    return line(Span("Note: ", "warning"), start, Span(link, "link"))


def older_page(keys: Sequence[ListedToken], server: str) -> Page:
    """Tokens with this computer's name that a new one has replaced."""
    rows = [tuple(map(line, _cells(*one)[2:])) for one in enumerate(keys, 1)]
    many = (
        f"{len(keys)} older tokens with the name of this computer still work"
        if len(keys) > 1
        else ("an older token with the name of this computer still works")
    )
    first = line(Span("Note: ", "warning"), f"{many} on {host_of(server)}.")
    link = line("To revoke tokens later: ", Span(endpoints.tokens_page(server), "link"))
    return Page((first, Table((_TITLES[2:], *rows), "older tokens"), link))


def with_lines(page: Page, lines: Iterable[Line]) -> Page:
    """A page with more lines before its last one, the line to go on with."""
    return Page((*page.blocks[:-1], *lines, page.blocks[-1]))
