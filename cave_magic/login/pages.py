"""The pages of a sign-in: waiting for the browser, choosing a token, and lines for the card."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone

from ..api import endpoints
from ..api.responses import WITHIN, ListedToken
from ..api.urls import host_of
from ..credentials.target import Target
from ..deployments import datastack_for
from ..doctor import next_steps
from ..token import Token
from ..ui.document import Block, Line, Page, Span, Table, line
from ..ui.durations import parse_date
from ..ui.redact import Untrusted, sanitize
from .revocation import UnrevokedToken
from .verify import VerifiedToken

_CELLS = ("command", "", "dim", "dim", "dim")


def _titles() -> tuple[Line, ...]:
    """The titles of the columns. UTC is named, because a kernel on a hub mostly runs in it and its user does not."""
    zone = " (UTC)" if datetime.now().astimezone().tzname() == "UTC" else ""
    return tuple(line(Span(title, "dim")) for title in ("", "", "created" + zone, "last used" + zone, "ends in"))


def waiting_page(target: Target, address: str, problem: str, is_here: bool) -> Page:
    """What to do while the browser is open at the address of the sign-in page.

    `problem`: why the browser could not open it, or ""; `is_here`: whether the browser is on this computer.
    """
    link = Span(address, "link")
    ways: tuple[Line, ...] = (
        line(f"A browser tab has opened. {_TODO}"),
        line("No tab, an error page, or the wrong account? Open this address again: ", link),
    )
    if not is_here:
        ways = line("Open this address: ", link), line(_TODO)
    elif problem:
        opens = line("Open this address in a browser on this computer: ", link)
        ways = (line(Span("No browser opened: ", "warning"), f"{problem}."), opens, line(_TODO))
    title = line(Span(f"Access to {target.datastack} on {host_of(target.server)}", "strong"))
    return Page((title, *ways))


def way_out_page(interrupt: str, is_here: bool) -> Page:
    """How to do without the browser; `interrupt`: how this front end is interrupted, such as "press Ctrl+C".

    `is_here`: whether the browser is on this computer; a hub answers with an error page if it cannot reach the kernel.
    """
    end = "a page that cannot be reached" if is_here else "an error page"
    to_paste = (
        f"To paste a token instead, {interrupt}. If the tab ends on {end}, do the same, and "
        "paste the address of that page."
    )
    return Page((line(Span(to_paste, "dim")), line(Span(_LAST_COUNTS, "dim"))))


_TODO = (
    "Sign in there with a Google account. A new account also chooses a user name and accepts the terms of service. "
    "You do not need to copy anything."
)
_LAST_COUNTS = (
    "The last sign-in counts: finish it in the tab that you opened last. If no other account is offered, open the "
    "address in a private window."
)


def choice_page(keys: Sequence[ListedToken], verified: VerifiedToken, here: Collection[Token], warning: str) -> Page:
    """Lists the account's tokens, the default one first.

    `here`: the tokens of this computer; `warning`: what creating a new token would do, or "".
    """
    blocks: list[Block] = [
        line("You are signed in as ", Span(verified.account.label.text, "strong"), ". Your tokens:"),
        tokens_table(keys, dict.fromkeys(here, "this computer"), first=0),
        another_account(verified.target),
    ]
    if warning:
        blocks.append(line(Span("Note: ", "warning"), warning))
    return Page(tuple(blocks))


def _cells(number: int, key: ListedToken) -> tuple[str, ...]:
    name = sanitize(key.description).text or "(no description)"
    return (str(number), name, _minute(key.created), _minute(key.last_used), key.token.ending)


def _minute(said: Untrusted) -> str:
    """A date of the auth server in local time."""
    moment = moment_of(said)
    return f"{moment.astimezone():%d %b %Y %H:%M}" if moment.year > 1 else "never"


def moment_of(said: Untrusted) -> datetime:
    """Parses a date of the auth server; `datetime.min` without one."""
    return parse_date(sanitize(said).text) or datetime.min.replace(tzinfo=timezone.utc)


def another_account(target: Target) -> Line:
    """The line for a person who signed in with the wrong account."""
    again = next_steps.setup(target, "existing")
    return line(Span("Not your account? ", "dim"), again, Span(" and choose another when you sign in.", "dim"))


def expires_soon(target: Target, can_ask: bool, when: str = WITHIN) -> Line:
    """The warning about a saved temporary token."""
    again = next_steps.end(target, "replace", can_ask=can_ask)
    return line(Span("Note: ", "warning"), f"the token is temporary and expires {when}. For a permanent one: ", again)


def how_to_revoke(server: str, until: datetime) -> tuple[str, str]:
    """When a temporary token expires that could not be revoked, and the page that revokes it."""
    rest = "To revoke it, open this page once the server responds. It signs you out everywhere; permanent tokens stay:"
    return f"It expires by {until:%d %B %Y}. {rest}", endpoints.sign_out_page(server)


def not_revoked(one: UnrevokedToken) -> Line:
    """The line about a token that could not be revoked, with the next step."""
    host = host_of(one.server)
    if one.only:
        start = f"a new token ending in {one.token.ending} was created on {host}, which revoked your other one. "
        target = Target(datastack=datastack_for(one.server, ""), server=one.server, named_by="option")
        latest = next_steps.setup(target, "existing", "--use latest")
        return line(Span("Note: ", "warning"), f"{start}The new one is not saved. To save it: ", latest)
    if one.permanent:
        start = f"a new token was created on {host}, not saved, and could not be revoked ({one.why}). To delete it: "
        return line(Span("Note: ", "warning"), start, Span(endpoints.tokens_page(one.server), "link"))
    rest, link = how_to_revoke(one.server, one.expires)
    start = f"a temporary token could not be revoked on {host} ({one.why}). {rest} "
    return line(Span("Note: ", "warning"), start, Span(link, "link"))


def tokens_table(keys: Sequence[ListedToken], where: Mapping[Token, str], first: int = 1) -> Table:
    """Tokens of an account; `where`: which of them are on this computer, and where. Column 0 has their numbers."""
    rows = []
    for number, key in enumerate(keys, 1):
        cells = [line(Span(*cell)) for cell in zip(_cells(number, key), _CELLS, strict=True)]
        cells[1] += line(Span(f" ({where[key.token]})", "strong")) if key.token in where else ()
        rows.append(tuple(cells[first:]))
    return Table((_titles()[first:], *rows), "your tokens", head=1)


def older_page(keys: Sequence[ListedToken], server: str) -> Page:
    """Lists the older tokens with this computer's name."""
    rows = [tuple(map(line, _cells(*one)[2:])) for one in enumerate(keys, 1)]
    several = len(keys) > 1
    which = f"{len(keys)} older tokens" if several else "an older token"
    works = f"with the name of this computer still {'work' if several else 'works'} on {host_of(server)}."
    first = line(Span("Note: ", "warning"), f"{which} {works}")
    link = line("To revoke tokens later: ", Span(endpoints.tokens_page(server), "link"))
    return Page((first, Table((_titles()[2:], *rows), "older tokens"), link))


def with_lines(page: Page, lines: Iterable[Line]) -> Page:
    """A page with more lines before its last one."""
    return Page((*page.blocks[:-1], *lines, page.blocks[-1]))
