"""The pages of a sign-in, in words: waiting for the browser, which token to take, and what the card adds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from . import lines
from .addresses import host_of
from .answers import Key
from .checks.account import ends_by
from .evidence import ServerFacts
from .login import Checked
from .page import Block, Line, Page, Table, Word, line
from .target import Target

STILL_ALIVE = line(
    Word("Note: ", "warning"), "the log-in could not be ended at the server; it ends by itself within 7 days"
)
_CELLS = ("command", "", "dim", "dim", "dim")
_TITLES = line("", "", *(Word(title, "dim") for title in ("made", "last used", "ends in")))


def waiting_page(target: Target, address: str) -> Page:
    """What stands there while the person is in the browser.

    Args:
        target: what the person gets access to.
        address: the page that has been opened.
    """
    host = host_of(target.server)
    todo = "A browser tab has opened: log in there with a Google account. A new account also chooses a user name "
    stop = "To paste a token instead, interrupt (the stop button, or Ctrl+C in a terminal)."
    back = "If the tab ends on a page that cannot be reached, interrupt and paste the address of that page."
    return Page(
        (
            line(Word(f"Access to {target.datastack} on {host}", "strong")),
            line(todo + "and accepts the terms of service. There is nothing to copy."),
            line("No tab? Open this address: ", Word(address, "link")),
            line(Word(f"{stop} {back}", "dim")),
        )
    )


def choice_page(keys: Sequence[Key], checked: Checked, warning: str = "") -> Page:
    """Whose tokens there are, to choose one of.

    Args:
        keys: the tokens, the one to take first.
        checked: the log-in.
        warning: what to know before a new one is made.
    """
    rows = [tuple(line(Word(*cell)) for cell in zip(_cells(*one), _CELLS, strict=True)) for one in enumerate(keys, 1)]
    blocks: list[Block] = [
        line("You are logged in as ", Word(checked.account.label, "strong"), ". Your tokens:"),
        Table((tuple(line(title) for title in _TITLES), *rows), "your tokens", head=1),
        another_account(checked.target),
    ]
    if warning:
        blocks.append(line(Word("Note: ", "warning"), warning))
    return Page(tuple(blocks))


def _cells(number: int, key: Key) -> tuple[str, ...]:
    name = key.description or "(no description)"
    return (str(number), name, _day(key.created), _day(key.last_used), key.token.ending)


def _day(text: str) -> str:
    moment = moment_of(text)
    return f"{moment:%d %b %Y}" if moment.year > 1 else "never"


def moment_of(text: str) -> datetime:
    """When that was, from how the auth server writes it; the beginning of time if it never was."""
    with suppress(TypeError, ValueError):
        found = parsedate_to_datetime(text)
        return found if found.tzinfo else found.replace(tzinfo=timezone.utc)
    return datetime.min.replace(tzinfo=timezone.utc)


def called(name: str) -> Line:
    """By which name a new token is found again."""
    return line(Word(f"On the tokens page this token is called “{name}”.", "dim"))


def another_account(target: Target) -> Line:
    """What to do where the wrong account was chosen."""
    again = Word(lines.setup(target, "existing"), "command")
    return line(Word("Not your account? ", "dim"), again, Word(" and choose another on the log-in page.", "dim"))


def ends_soon(facts: ServerFacts) -> Line:
    """What to say of a stored log-in token."""
    until = ends_by(facts)
    when = f"by {until:%d %B %Y} at the latest" if until else "within 7 days"
    again = Word(lines.setup(facts.target, "existing"), "command")
    return line(Word("Note: ", "warning"), f"it is from a log-in and ends {when}. For a permanent one: ", again)


def with_lines(page: Page, lines: Iterable[Line]) -> Page:
    """A page with more lines before its last one, the line to go on with."""
    return Page((*page.blocks[:-1], *lines, page.blocks[-1]))
