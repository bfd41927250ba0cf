"""Signing in with one click: the browser brings a log-in token home, a permanent one is made with it, and it is ended.

The log-in token stood in an address, so it is never saved, shown or logged, and does not outlive the sign-in.
"""

from __future__ import annotations

import math
import platform
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from . import answers, lines, place, routes
from .addresses import host_of
from .answers import Key, Terms
from .errors import Cancelled, NobodyToAsk, ServerInTrouble, TokenNotChecked, TokenRejected
from .inquiry import Watcher
from .keys import keeps_one_token, log_out, make_key
from .login import Checked, check_token
from .page import Line as Words
from .page import Page
from .questions import Line, Round
from .receiver import DONE, FAILED, HOST, LIFE, Receiver
from .signin_page import STILL_ALIVE, another_account, called, choice_page, moment_of, waiting_page
from .target import Target
from .tokens import Token

PATIENCE = 5.0
"""The most seconds that a browser tab waits for us to look at what it brought."""
LOOK_AGAIN = 3.0
"""Seconds between two looks at whether the terms were accepted in some other tab."""
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
        exchanged: whether it came for a log-in token, which it replaces.
    """

    checked: Checked
    remarks: tuple[Words, ...] = ()
    exchanged: bool = False

    def with_end(self, dead: bool) -> Outcome:
        """The same with how to change the account, and with a word on a log-in that could not be ended."""
        alive = () if dead else (STILL_ALIVE,)
        return Outcome(self.checked, (*self.remarks, *alive, another_account(self.checked.target)), exchanged=True)


# ---------------------------------------------------------------- the whole way

def by_browser(wish: Wish, front: Front) -> Outcome | None:
    """Signs in through the browser on the person's own screen.

    Returns:
        The token, not saved yet. None where the prompt is to be used: there is no browser here, the person has
        interrupted the wait, or nothing came back.
    Raises:
        Cancelled: the person does not want to go on. The log-in was ended.
        ServerInTrouble, TokenNotChecked: the server did not answer after the log-in, which was ended.
    """
    if not place.find_place().has_screen:
        return None
    version, has_sign_in = look_ahead(wish, front)
    if not has_sign_in:
        return None
    if wish.use == "new" and keeps_one_token(version):
        _consent(front, wish.target)
    with SignIn(wish.target, wish.seconds) as sign_in:
        if not place.open_browser(sign_in.page):
            return None
        checked = _wait(sign_in, front)
        if checked is None:
            return None
        outcome = _permanent(checked, wish, version, front)
        return outcome.with_end(sign_in.end())


def look_ahead(wish: Wish, front: Front) -> tuple[str, bool]:
    """The version of the auth server, "" if unknown, and whether it has the sign-in at all."""
    server = wish.target.server
    with Round(wish.seconds) as round_:
        version = round_.ask(routes.auth_version_address(server))
        page = round_.ask(routes.sign_in_page(server, f"http://{HOST}/"))
        with front.waiting() as watcher:
            round_.wait(watcher)
        # To programs that say that they are one the server names the log-in page, others it sends there.
        return answers.version_in(version.answer), 200 <= page.answer.status < 400


def _wait(sign_in: SignIn, front: Front) -> Checked | None:
    """Waits for the browser; what came, or None where the prompt is to be used."""
    try:
        with front.standing(waiting_page(sign_in.target, sign_in.page)) as say:
            while sign_in.goes_on:
                say(*sign_in.words)
                sign_in.step(0.25)
    except KeyboardInterrupt:
        return sign_in.came  # without the terms, if it is for them that one waited
    if sign_in.error is not None:
        raise sign_in.error
    if sign_in.trouble:
        host = host_of(sign_in.target.server)
        raise ServerInTrouble(
            f"you are logged in, but {host} did not answer after that. Nothing was saved, and the log-in was ended. "
            f"To see why: {lines.check(sign_in.target)}"
        )
    if sign_in.came is None:
        front.say(f"No log-in came back within {LIFE / 60:.0f} minutes.")
    return sign_in.came


# ---------------------------------------------------------------- what the browser does meanwhile

class SignIn:
    """One sign-in under way: a receiver, what it got, and the end of that. Use it as a context manager.

    Args:
        target: the server, and the datastack whose terms are to be accepted.
        seconds: the bound on questions to the server.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.came: Checked | None = None
        self.trouble = False
        self.error: Exception | None = None
        self._seconds = seconds
        self._receiver = Receiver(self._judge, LIFE)
        self._lock = threading.Lock()
        self._closed = False
        self._back = threading.Event()  # the browser has nothing more to bring
        self._ended: bool | None = None
        self._next_look = 0.0

    def __enter__(self) -> SignIn:
        self._receiver.__enter__()
        self.page = routes.sign_in_page(self.target.server, self._receiver.address)
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._closed = True
        if self._back.is_set():
            self._receiver.close_soon()
        else:
            self._receiver.close()
        self.end()

    @property
    def goes_on(self) -> bool:
        """Whether something may still come."""
        return not self._back.is_set() and not self._receiver.closed.is_set()

    @property
    def words(self) -> tuple[str, str]:
        """Where it stands, and the time that is left."""
        seconds = self._receiver.left
        left = f"{math.ceil(seconds / 60)} min left" if seconds > 60 else f"{math.ceil(seconds / 10) * 10} s left"
        if self.came is None:
            return "waiting for your log-in in the browser", left
        return f"logged in as {self.came.account.label}; waiting for the terms of service", left

    def step(self, seconds: float) -> None:
        """Waits a little, and now and then looks whether the terms were accepted elsewhere."""
        self._back.wait(seconds)
        came = self.came
        if came is None or came.terms is None or self._back.is_set() or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_AGAIN
        if _has_accepted(came, came.terms):
            self._back.set()

    def end(self) -> bool:
        """Ends the log-in; whether it is known to be dead. A second time changes nothing."""
        if self.came is not None and self._ended is None:
            self._ended = end_login(self.came.token, self.target)
        return self._ended is not False

    def _judge(self, token: Token, again: str) -> str | None:
        """Looks at a token that the browser brought, and says where the browser goes now. A mistake ends the wait."""
        try:
            return self._judged(token, again)
        except Exception as error:
            self.error = error
            return self._in_trouble(token)

    def _judged(self, token: Token, again: str) -> str | None:
        if self.came is not None:
            return self._is_back() if self._same_person(token) else None
        try:
            checked = check_token(token, self.target, min(self._seconds, PATIENCE))
        except TokenRejected:
            return None
        except TokenNotChecked:
            return self._in_trouble(token)
        if checked.permanent:
            return None  # no sign-in brings such a token
        with self._lock:
            if not self._closed:
                self.came = checked
        if self.came is None:  # given up while it was looked at
            end_login(token, self.target)
            return None
        return routes.page_and_back(checked.terms.url, again) if checked.terms else self._is_back()

    def _is_back(self) -> str:
        self._back.set()
        return DONE

    def _in_trouble(self, token: Token) -> str:
        end_login(token, self.target)
        self.trouble = True
        self._back.set()
        return FAILED

    def _same_person(self, token: Token) -> bool:
        """Whether a token that comes back from the terms is that of the log-in, or another of the same person."""
        came = self.came
        if came is None or token == came.token:
            return came is not None
        with suppress(TokenRejected, TokenNotChecked):
            account = check_token(token, self.target, min(self._seconds, PATIENCE)).account
            return account.id is not None and account.id == came.account.id
        return False


def _has_accepted(came: Checked, terms: Terms) -> bool:
    """Whether terms that the account had not accepted are accepted now; False where that cannot be told."""
    if all(one.url != terms.url for one in came.account.unsigned):
        return False
    asking, server = Line(), came.target.server
    try:
        account = answers.account_in(asking.get(routes.identity_address(server), came.token, seconds=PATIENCE), server)
    finally:
        asking.close()
    return account is not None and all(one.url != terms.url for one in account.unsigned)


def end_login(token: Token, target: Target) -> bool:
    """Ends a log-in token, also while an interrupt is under way; whether it is known to be dead."""
    dead: list[bool] = []

    def end() -> None:
        asking = Line()
        try:
            dead.append(log_out(asking, target.server, token, PATIENCE))
        finally:
            asking.close()

    thread = threading.Thread(target=end, daemon=True)
    thread.start()
    thread.join(2 * PATIENCE)
    return dead == [True]


# ---------------------------------------------------------------- a permanent token for it

def exchange(checked: Checked, wish: Wish, front: Front, asks: bool) -> Outcome | None:
    """Makes a permanent token with a log-in token, and ends that.

    Args:
        checked: the log-in token.
        wish: for which server, within which time.
        front: where questions are asked.
        asks: whether the person is asked first.
    Returns:
        The permanent token, not saved yet; None if the person does not want it.
    Raises:
        ServerInTrouble: none could be made.
    """
    version, _ = look_ahead(wish, front)
    question = "This token is from a log-in and ends within 7 days. Make a permanent one, and end this one?"
    if keeps_one_token(version):
        question = f"{question} {_ends_the_other(wish.target)}"
        asks = True
    if asks and not _agrees(front, question):
        return None
    try:
        outcome = _made_and_checked(checked, wish, version, front)
    finally:
        dead = end_login(checked.token, wish.target)
    return outcome.with_end(dead)


def came_by_address(text: str) -> bool:
    """Whether a paste is the address at which a sign-in ended that could not reach this computer."""
    return re.match(r"[\s\"'<]*http://127\.0\.0\.1:\d+/[\w-]+\?\S*token=", text) is not None


def description() -> str:
    """By which a person knows the token of this computer on the tokens page."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", platform.node()[:60]).strip("-")
    return f"cave_magic on {name or 'a computer without a name'}"


def _permanent(checked: Checked, wish: Wish, version: str, front: Front) -> Outcome:
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
        answer = asking.get(routes.keys_address(wish.target.server), checked.token, seconds=wish.seconds)
    finally:
        asking.close()
    keys = answers.keys_in(answer)
    if keys is None:
        said = f"your tokens could not be listed: {answer.sentence}"
        raise ServerInTrouble(f"you are logged in, but {said}. {_by_hand(wish)}")
    return sorted(keys, key=_last_used, reverse=True)[:MOST_LISTED]


def _by_hand(wish: Wish) -> str:
    paste = lines.setup(wish.target, "existing", "--paste")
    return f"Nothing was saved, and the log-in was ended. To paste a token: {paste}"


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
                _consent(front, wish.target)
            return None
        if not answer or (answer.isdecimal() and 1 <= int(answer) <= len(keys)):
            return keys[int(answer or 1) - 1]
    raise Cancelled("that is none of them. Nothing was changed, and the log-in was ended.")


def _made_and_checked(checked: Checked, wish: Wish, version: str, front: Front) -> Outcome:
    name = description()
    asking = Line()
    try:
        answer = make_key(asking, wish.target.server, checked.token, name, version, wish.seconds)
    finally:
        asking.close()
    token = answer.body
    if not answer.is_good or not isinstance(token, Token) or not token.can_be_sent:
        raise ServerInTrouble(f"you are logged in, but no token could be made: {answer.sentence}. {_by_hand(wish)}")
    try:
        made = _check(token, wish, front)
    except TokenNotChecked:
        made = replace(checked, token=token, permanent=True)  # the auth server itself has just given it
    return Outcome(made, () if keeps_one_token(version) else (called(name),))


def _check(token: Token, wish: Wish, front: Front) -> Checked:
    with front.waiting() as watcher:
        return check_token(token, wish.target, wish.seconds, watcher)


# ---------------------------------------------------------------- asking

def _ask(front: Front, question: str) -> str:
    try:
        return front.ask(question)
    except (KeyboardInterrupt, EOFError):
        raise Cancelled("nothing was changed.") from None
    except NotImplementedError:  # a front end that cannot ask
        raise NobodyToAsk("nothing can be asked here. Say --use latest or --use new.") from None


def _agrees(front: Front, question: str) -> bool:
    return _ask(front, f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _consent(front: Front, target: Target) -> None:
    if not _agrees(front, f"{_ends_the_other(target)} Make one?"):
        raise Cancelled("nothing was changed.")


def _ends_the_other(target: Target) -> str:
    return f"{host_of(target.server)} keeps one token for a person: making one ends the one that is in use elsewhere."
