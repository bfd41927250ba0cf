"""Signing in with one click: the browser brings a temporary token, a permanent one is made with it, and it is revoked.

The temporary token stood in an address, so it is never saved, shown or logged; `revocation` sees to its end.
"""

from __future__ import annotations

import math
import platform
import re
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Protocol

from . import answers, lines, place, revocation, routes
from .addresses import host_of
from .answers import LOGIN_TOKEN_DAYS, WITHIN, Answer, Key, Terms
from .errors import Cancelled, NobodyToAsk, ServerInTrouble, TokenNotChecked, TokenRejected
from .inquiry import LONGEST, Inquiry, Watcher
from .keys import keeps_one_token, make_key
from .login import Checked, check_token
from .page import Line as Words
from .page import Page
from .place import Opening
from .questions import Line, Round
from .receiver import DONE, FAILED, HOSTS, LIFE, NOT_REVOKED, OVER, REFUSED, NoLoopback, Receiver
from .signin_page import another_account, called, choice_page, how_to_revoke, moment_of, waiting_page
from .target import Target
from .tokens import Token
from .troubles import Trouble

PATIENCE = 5.0
"""The most seconds that a browser tab waits for us to look at what it brought."""
LOOK_AGAIN = 3.0
"""Seconds between two looks at whether the terms were accepted in some other tab."""
STARTING = 0.3
"""Seconds in which a browser that cannot start mostly says so."""
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


# ---------------------------------------------------------------- the whole way


def look_ahead(wish: Wish, front: Front) -> AuthServer:
    """Asks the auth server for its version, and whether its pages can be opened."""
    server = wish.target.server
    with Round(wish.seconds) as round_:
        version = round_.ask(routes.auth_version_address(server))
        page = round_.ask(routes.sign_in_page(server, f"http://{HOSTS[0]}/"))
        with front.waiting() as watcher:
            round_.wait(watcher)
        return AuthServer(answers.version_in(version.answer), page.answer)


def by_browser(wish: Wish, auth: AuthServer, front: Front) -> Outcome | None:
    """Signs in through the browser on the person's own screen.

    Returns:
        The token, not saved yet. None where the prompt is to be used: there is no screen or no sign-in here, the person
        has interrupted the wait, or nothing came back.
    Raises:
        Cancelled: the person does not want to go on.
        ServerInTrouble: the server did not answer as it should after the sign-in.
    """
    if not place.find_place().has_screen:
        return None
    if not auth.has_sign_in:
        front.say(f"{host_of(wish.target.server)} has no sign-in that could come back to this notebook.")
        return None
    if wish.use == "new" and keeps_one_token(auth.version):
        _consent(front, wish.target)
    try:
        with SignIn(wish.target, wish.seconds) as sign_in:
            checked = _wait(sign_in, place.open_browser(sign_in.page), front)
            if checked is None:
                return None
            outcome = _permanent(checked, wish, auth.version, front)
    except NoLoopback:
        front.say("No program may listen on the loopback interface of this computer, so a sign-in cannot come back.")
        return None
    return replace(outcome, remarks=(*outcome.remarks, another_account(wish.target)), exchanged=True)


def _wait(sign_in: SignIn, opening: Opening, front: Front) -> Checked | None:
    """Waits for the browser; what came, or None where the prompt is to be used."""
    try:
        opening.wait(STARTING)
        known = opening.problem
        with front.standing(waiting_page(sign_in.target, sign_in.page, known)) as say:
            while sign_in.goes_on:
                topic, left = sign_in.words
                if opening.problem and not known and sign_in.came is None:
                    topic = f"no browser opened: {opening.problem}. Open the address above"
                say(topic, left)
                sign_in.step(0.25)
    except KeyboardInterrupt:
        return sign_in.settle()  # without the terms, if it is for them that one waited
    came = sign_in.settle()
    if sign_in.error is not None:
        raise sign_in.error
    if came is None:
        front.say(f"No sign-in came back within {LIFE / 60:.0f} minutes.")
    return came


# ---------------------------------------------------------------- what the browser does meanwhile


class SignIn:
    """One sign-in under way: a receiver, what it got, and the end of that. Use it as a context manager.

    The last account that signs in counts. At its end all tokens that came are revoked; those that come later, at once.

    Args:
        target: the server, and the datastack whose terms are to be accepted.
        seconds: the bound on questions to the server.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.came: Checked | None = None
        self.error: Exception | None = None
        self._seconds = seconds
        self._tokens: dict[Token, None] = {}
        until = datetime.now(timezone.utc) + timedelta(days=LOGIN_TOKEN_DAYS, hours=1)
        text, link = how_to_revoke(target.server, until)
        alive = (f"The temporary token that came could not be revoked. {text}", link)
        self._receiver = Receiver(self, f"{host_of(target.server)}/sticky_auth", LIFE, alive)
        self._lock = threading.Lock()
        self._closed = False
        self._back = threading.Event()  # the browser has nothing more to bring
        self._next_look = 0.0

    def __enter__(self) -> SignIn:
        self._receiver.__enter__()
        self.page = routes.sign_in_page(self.target.server, self._receiver.address)
        return self

    def __exit__(self, *error: object) -> None:
        self.settle()
        revocation.revoke(list(self._tokens))

    @property
    def goes_on(self) -> bool:
        """Whether something may still come."""
        return not self._back.is_set() and not self._receiver.is_over.is_set()

    @property
    def words(self) -> tuple[str, str]:
        """Where it stands, and the time that is left."""
        seconds = self._receiver.left
        left = f"{math.ceil(seconds / 60)} min left" if seconds > 60 else f"{math.ceil(seconds / 10) * 10} s left"
        if self.came is None:
            return "waiting for your sign-in in the browser", left
        return f"signed in as {self.came.account.label}; waiting for the terms of service", left

    def step(self, seconds: float) -> None:
        """Waits a little, and now and then looks whether the terms were accepted elsewhere."""
        self._back.wait(seconds)
        came = self.came
        if came is None or came.terms is None or self._back.is_set() or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_AGAIN
        if _has_accepted(came, came.terms):
            with self._lock:
                if self.came is came:  # else another account has signed in meanwhile
                    self._back.set()

    def settle(self) -> Checked | None:
        """Accepts nothing any more; gives what came."""
        with self._lock:
            self._closed = True
        self._receiver.finish()
        return self.came

    # ------------------------------------------------------------ called by the receiver, in its threads

    def judge(self, token: Token, returns: bool) -> str:
        """Looks at a token that the browser brought, and says where the browser goes now. A mistake ends the wait."""
        with self._lock:
            if is_wanted := not (self._closed or self._back.is_set()):
                self._hold(token)
        if not is_wanted:
            return self.judge_late(token)
        try:
            return self._judged(token, returns)
        except TokenNotChecked as error:
            again = lines.check(self.target)
            self.error = ServerInTrouble(f"you signed in, but {error.why}. Nothing was saved. To see why: {again}")
        except Exception as error:
            self.error = error
        self._back.set()
        return FAILED

    def judge_late(self, token: Token) -> str:
        """Revokes a token for which nobody waits any more."""
        if self.came is not None and token == self.came.token and self.error is None:
            return DONE
        self._hold(token, tells=False)  # the browser says it
        revocation.revoke([token])
        return NOT_REVOKED if revocation.is_held(token) else OVER

    def note_stray(self, token: Token, knows_path: bool) -> None:
        """Notes a token that came in a refused request, to be revoked unless it comes again as it should."""
        self._hold(token, tells=knows_path)
        if self._closed:
            revocation.revoke_soon([token])

    def _hold(self, token: Token, tells: bool = True) -> None:
        self._tokens[token] = None
        revocation.hold(self.target.server, token, tells=tells)

    def _judged(self, token: Token, returns: bool) -> str:
        before = self.came
        if before is not None and token == before.token:
            return self._is_back() if returns else self._next_page(before)
        try:
            checked = check_token(token, self.target, min(self._seconds, PATIENCE))
        except TokenRejected:
            revocation.release(token)
            return REFUSED
        if checked.permanent:  # no sign-in brings such a token
            revocation.release(token)
            return REFUSED
        with self._lock:
            if not self._closed:
                self.came = checked
        if self.came is not checked:  # given up while it was looked at
            return self.judge_late(token)
        if before is not None:
            revocation.revoke_soon([before.token])
        return self._next_page(checked)

    def _next_page(self, checked: Checked) -> str:
        """The terms that are left, or the end."""
        if checked.terms is None:
            return self._is_back()
        return routes.terms_page(self.target.server, checked.terms.number, self._receiver.back)

    def _is_back(self) -> str:
        self._back.set()
        return DONE


def _has_accepted(came: Checked, terms: Terms) -> bool:
    """Whether terms that the account had not accepted are accepted now; False where that cannot be told."""
    if all(one.number != terms.number for one in came.account.unsigned):
        return False
    asking, server = Line(), came.target.server
    try:
        account = answers.account_in(asking.get(routes.identity_address(server), came.token, seconds=PATIENCE), server)
    finally:
        asking.close()
    return account is not None and all(one.number != terms.number for one in account.unsigned)


# ---------------------------------------------------------------- a permanent token for it


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


def came_by_address(text: str) -> bool:
    """Whether a paste is the address at which a sign-in ended that could not reach this computer."""
    hosts = "|".join(re.escape(f"[{host}]" if ":" in host else host) for host in HOSTS)
    return re.match(rf"[\s\"'<]*http://(?:{hosts}):\d+/[\w-]+\?\S*token=", text) is not None


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
        why = f"you signed in, but your tokens could not be listed: {answer.sentence}"
        raise ServerInTrouble(f"{why}. {_by_hand(wish.target)}")
    return sorted(keys, key=_last_used, reverse=True)[:MOST_LISTED]


def _by_hand(target: Target) -> str:
    return f"Nothing was saved. To paste a token: {lines.setup(target, 'existing', '--paste')}"


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
    raise Cancelled("that is none of them. Nothing was changed.")


def _made_and_checked(checked: Checked, wish: Wish, version: str, front: Front) -> Outcome:
    """A new token. Until it is saved it is held: to be revoked, or named where it has replaced the only one."""
    name, server, one_only = description(), wish.target.server, keeps_one_token(version)
    latest = lines.setup(wish.target, "existing", "--use latest")
    fate = f"then your only token there. To save it: {latest}" if one_only else "revoked then."
    answer = _finished(lambda: _make(checked, name, version, wish.seconds), host_of(server), front, fate)
    token = answer.body
    if not answer.is_good or not isinstance(token, Token) or not token.can_be_sent:
        perhaps = f" If one was made all the same, it is “{name}” on {routes.tokens_page(server)}."
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
