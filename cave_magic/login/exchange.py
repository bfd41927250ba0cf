"""A permanent token for a temporary one: choose one of the account's tokens or create one, and verify it."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from ..api import endpoints, responses
from ..api.batch import Round
from ..api.failures import Trouble
from ..api.http import Line
from ..api.responses import WITHIN, Answer, Key
from ..api.tasks import LONGEST, Inquiry, Watcher
from ..api.tokens import keeps_one_token, make_key
from ..api.urls import host_of
from ..credentials.target import Target
from ..doctor import next_steps
from ..errors import Cancelled, NobodyToAsk, ServerInTrouble, TokenNotChecked, TokenRejected
from ..token import Token
from ..ui.document import Line as Words
from ..ui.document import Page
from . import revocation
from .loopback import HOSTS
from .pages import another_account, called, choice_page, moment_of
from .verify import Checked, check_token

PATIENCE = 5.0
"""The most seconds that a browser tab waits for us to look at what it brought."""
MOST_LISTED = 20
TRIES = 3


class Front(Protocol):
    """What the sign-in needs of the screen."""

    def show(self, page: Page) -> None:
        """Shows a page, in place of one that stands."""

    def say(self, text: str) -> None:
        """Prints a text."""

    def ask(self, question: str) -> str:
        """The answer to a question."""

    def waiting(self) -> AbstractContextManager[Watcher]:
        """What shows for whom one waits."""

    def standing(self, page: Page) -> AbstractContextManager[Callable[[str, str], None]]:
        """A page, and what sets the line below it: where it stands, and the time that is left."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed.

    Attributes:
        target: the server, and the datastack whose terms are accepted on the way.
        use: "new": make a token; "latest": reuse the one that was used last; "": ask, where there is something to ask.
        seconds: the bound on the questions to the servers.
    """

    target: Target
    use: str = ""
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A token that was checked.

    Attributes:
        checked: the token.
        remarks: what the person should know about how it came.
        made: the description with which it was made just now, "" for one that was there before.
        replaces: a temporary token that is revoked once this one is saved in its place, or None.
        exchanged: whether it came for a temporary token, and so is nowhere but on the server.
    """

    checked: Checked
    remarks: tuple[Words, ...] = ()
    made: str = ""
    replaces: Token | None = None
    exchanged: bool = False


@dataclass(frozen=True, slots=True)
class AuthServer:
    """An auth server, as far as it is known before a person is sent there.

    Attributes:
        version: its version, "" if unknown.
        page: what its sign-in page answered.
    """

    version: str
    page: Answer

    @property
    def has_sign_in(self) -> bool:
        """Whether it has the sign-in. To programs that say that they are one the server names the log-in page."""
        return self.page.trouble is None and 200 <= self.page.status < 400

    @property
    def trouble(self) -> str:
        """Why nobody can open its pages now; "" if they are not known to be down."""
        is_down = self.page.trouble is not None or self.page.status >= 500 or self.page.status == 429
        return self.page.sentence if is_down else ""


def look_ahead(wish: Wish, front: Front) -> AuthServer:
    """Asks the auth server for its version, and whether its pages can be opened."""
    server = wish.target.server
    with Round(wish.seconds) as round_:
        version = round_.ask(endpoints.auth_version_address(server))
        page = round_.ask(endpoints.sign_in_page(server, f"http://{HOSTS[0]}/"))
        with front.waiting() as watcher:
            round_.wait(watcher)
        return AuthServer(responses.version_in(version.answer), page.answer)


def exchange(checked: Checked, wish: Wish, front: Front, asks: bool) -> Outcome | None:
    """Makes a permanent token with a temporary one, which is to be revoked once the new one is saved.

    Args:
        checked: the temporary token.
        wish: for which server, within which time.
        front: where questions are asked.
        asks: whether the person is asked first.
    Returns:
        The permanent token, not saved yet; None if the person does not want it.
    Raises:
        ServerInTrouble: none could be made.
    """
    version = look_ahead(wish, front).version
    question = f"This token is temporary: it expires {WITHIN}. Make a permanent one, and revoke this one?"
    if keeps_one_token(version):
        question = f"{question} {_ends_the_other(wish.target)}"
        asks = True
    if asks and not _agrees(front, question):
        return None
    outcome = _made_and_checked(checked, wish, version, front)
    remarks = (*outcome.remarks, another_account(wish.target))
    return replace(outcome, remarks=remarks, replaces=checked.token, exchanged=True)


def stood_in_address(text: str) -> bool:
    """Whether the token in a paste stood in an address, as only temporary tokens do."""
    return re.search(r"[?&#](?:middle_auth_)?token=", text) is not None


def description() -> str:
    """By which a person knows the token of this computer on the tokens page."""
    return f"cave_magic on {_computer() or 'a computer without a name'}"


def names_this_computer() -> bool:
    """Whether that name is this computer's own, and not one that many have."""
    return bool(_computer()) and not _computer().lower().startswith("localhost")


def _computer() -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", platform.node()[:60]).strip("-")


def choose_or_create(checked: Checked, wish: Wish, version: str, front: Front) -> Outcome:
    """One of the person's tokens, or a new one, checked."""
    keys = [] if wish.use == "new" else _list_keys(checked, wish)
    while (key := _choose(keys, checked, wish, version, front)) is not None:
        try:
            return Outcome(_check(key.token, wish, front))
        except TokenRejected:
            keys = [one for one in keys if one.token != key.token]
            front.say(f"The token ending in {key.token.ending} is listed, but does not work any more.")
    return _made_and_checked(checked, wish, version, front)


def _list_keys(checked: Checked, wish: Wish) -> list[Key]:
    """The person's tokens, the one that was used last in front."""
    asking = Line()
    try:
        answer = asking.get(endpoints.keys_address(wish.target.server), checked.token, seconds=wish.seconds)
    finally:
        asking.close()
    keys = responses.keys_in(answer)
    if keys is None:
        why = f"you signed in, but your tokens could not be listed: {answer.sentence}"
        raise ServerInTrouble(f"{why}. {_by_hand(wish.target)}")
    return sorted(keys, key=_last_used, reverse=True)[:MOST_LISTED]


def _by_hand(target: Target) -> str:
    return f"Nothing was saved. To paste a token: {next_steps.setup(target, 'existing', '--paste')}"


def _last_used(key: Key) -> tuple[datetime, datetime]:
    return moment_of(key.last_used), moment_of(key.created)


def _choose(keys: Sequence[Key], checked: Checked, wish: Wish, version: str, front: Front) -> Key | None:
    """The token to reuse; None to make one."""
    if not keys or wish.use:
        return keys[0] if keys else None
    one_only = _ends_the_other(wish.target) if keeps_one_token(version) else ""
    front.show(choice_page(keys, checked, one_only))
    numbers = f"1 to {len(keys)}" if len(keys) > 1 else "1"
    for _ in range(TRIES):
        answer = _ask(front, f"Which one? {numbers}, or n for a new one [1] ").strip().lower()
        if answer in ("n", "new"):
            if one_only:
                ask_to_replace_only_token(front, wish.target)
            return None
        if not answer or (answer.isdecimal() and 1 <= int(answer) <= len(keys)):
            return keys[int(answer or 1) - 1]
    raise Cancelled("that is none of them. Nothing was changed.")


def _made_and_checked(checked: Checked, wish: Wish, version: str, front: Front) -> Outcome:
    """A new token. Until it is saved it is held: to be revoked, or named where it has replaced the only one."""
    name, server, one_only = description(), wish.target.server, keeps_one_token(version)
    latest = next_steps.setup(wish.target, "existing", "--use latest")
    fate = f"then your only token there. To save it: {latest}" if one_only else "revoked then."
    answer = _finished(lambda: _make(checked, name, version, wish.seconds), host_of(server), front, fate)
    token = answer.body
    if not answer.is_good or not isinstance(token, Token) or not token.can_be_sent:
        perhaps = f" If one was made all the same, it is “{name}” on {endpoints.tokens_page(server)}."
        may_be = "" if one_only or _was_not_made(answer) else perhaps
        raise ServerInTrouble(
            f"you signed in, but no token came back: {answer.sentence}.{may_be} {_by_hand(wish.target)}"
        )
    try:
        made = _check(token, wish, front)
    except TokenNotChecked:
        made = replace(checked, token=token, permanent=True)  # the auth server itself has just given it
    return Outcome(made) if one_only else Outcome(made, (called(name),), name)


def _make(checked: Checked, name: str, version: str, seconds: float) -> Answer:
    asking, server = Line(), checked.target.server
    try:
        answer = make_key(asking, server, checked.token, name, version, seconds)
    finally:
        asking.close()
    if answer.is_good and isinstance(answer.body, Token):
        revocation.hold(server, answer.body, permanent=True, only=keeps_one_token(version))
    return answer


def _finished(job: Callable[[], Answer], host: str, front: Front, fate: str) -> Answer:
    """What a request brings. An interrupt waits a while for its end: what it makes on the server must not get lost."""
    future = Inquiry(LONGEST).ask(host, job)
    try:
        return future.result()
    except KeyboardInterrupt:
        try:
            with suppress(Exception):
                future.result(PATIENCE)
        finally:
            if not future.done():
                future.add_done_callback(_revoke_late)
                front.say(f"{host} has not answered yet. What it still makes is {fate}")
        raise


def _revoke_late(done: Future[Answer]) -> None:
    """Revokes a token that came when nobody waited for it any more. One that must stay is named by the next line."""
    if done.exception() is None and isinstance(token := done.result().body, Token):
        revocation.revoke_soon([token])


_NEVER_ARRIVED = (
    Trouble.ADDRESS, Trouble.NAME, Trouble.REFUSED, Trouble.UNREACHABLE, Trouble.CONNECT_TIMEOUT, Trouble.LATE,
    Trouble.TLS, Trouble.CERTIFICATE, Trouble.BUNDLE, Trouble.NOT_TLS, Trouble.SOCKS, Trouble.UNSENDABLE,
)  # fmt: skip


def _was_not_made(answer: Answer) -> bool:
    """Whether the server certainly made no token. With a 500 it may have (middle_auth 2.30)."""
    return answer.trouble in _NEVER_ARRIVED or 400 <= answer.status < 500


def _check(token: Token, wish: Wish, front: Front) -> Checked:
    with front.waiting() as watcher:
        return check_token(token, wish.target, wish.seconds, watcher)


def _ask(front: Front, question: str) -> str:
    try:
        return front.ask(question)
    except (KeyboardInterrupt, EOFError):
        raise Cancelled("nothing was changed.") from None
    except NotImplementedError:  # a front end that cannot ask
        raise NobodyToAsk("nothing can be asked here. Say --use latest or --use new.") from None


def _agrees(front: Front, question: str) -> bool:
    return _ask(front, f"{question} [y/N] ").strip().lower() in ("y", "yes")


def ask_to_replace_only_token(front: Front, target: Target) -> None:
    """Asks before a token is created on a server that keeps one token for each account.

    Raises:
        Cancelled: the person says no.
    """
    if not _agrees(front, f"{_ends_the_other(target)} Make one?"):
        raise Cancelled("nothing was changed.")


def _ends_the_other(target: Target) -> str:
    return f"{host_of(target.server)} keeps one token for a person: making one ends the one that is in use elsewhere."
