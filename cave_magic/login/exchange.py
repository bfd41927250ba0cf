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
from ..api.batch import MAX_TIMEOUT, Batch, OnWait
from ..api.failures import Failure
from ..api.http import Session
from ..api.responses import WITHIN, ListedToken, Response
from ..api.tokens import create_token, keeps_one_token
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
from .verify import VerifiedToken, verify_token

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

    def waiting(self) -> AbstractContextManager[OnWait]:
        """What shows for whom one waits."""

    def standing(self, page: Page) -> AbstractContextManager[Callable[[str, str], None]]:
        """A page, and what sets the line below it: where it stands, and the time that is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """What was typed.

    Attributes:
        target: the server, and the datastack whose terms are accepted on the way.
        use: "new": make a token; "latest": reuse the one that was used last; "": ask, where there is something to ask.
        seconds: the bound on the questions to the servers.
    """

    target: Target
    use: str = ""
    seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginResult:
    """A token that was checked.

    Attributes:
        checked: the token.
        remarks: what the person should know about how it came.
        made: the description with which it was made just now, "" for one that was there before.
        replaces: a temporary token that is revoked once this one is saved in its place, or None.
        exchanged: whether it came for a temporary token, and so is nowhere but on the server.
    """

    checked: VerifiedToken
    remarks: tuple[Words, ...] = ()
    made: str = ""
    replaces: Token | None = None
    exchanged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthServer:
    """An auth server, as far as it is known before a person is sent there.

    Attributes:
        version: its version, "" if unknown.
        page: what its sign-in page answered.
    """

    version: str
    page: Response

    @property
    def has_sign_in(self) -> bool:
        """Whether it has the sign-in. To programs that say that they are one the server names the log-in page."""
        return self.page.failure is None and 200 <= self.page.status < 400

    @property
    def failure(self) -> str:
        """Why nobody can open its pages now; "" if they are not known to be down."""
        is_down = self.page.failure is not None or self.page.status >= 500 or self.page.status == 429
        return self.page.sentence if is_down else ""


def probe_auth_server(request: LoginRequest, front: Front) -> AuthServer:
    """Asks the auth server for its version, and whether its pages can be opened."""
    server = request.target.server
    with Batch(request.seconds) as batch:
        version = batch.get(endpoints.auth_version_url(server))
        page = batch.get(endpoints.sign_in_page(server, f"http://{HOSTS[0]}/"))
        with front.waiting() as on_wait:
            batch.wait(on_wait)
        return AuthServer(version=responses.version_in(version.response), page=page.response)


def exchange(checked: VerifiedToken, request: LoginRequest, front: Front, asks: bool) -> LoginResult | None:
    """Makes a permanent token with a temporary one, which is to be revoked once the new one is saved.

    Args:
        checked: the temporary token.
        request: for which server, within which time.
        front: where questions are asked.
        asks: whether the person is asked first.
    Returns:
        The permanent token, not saved yet; None if the person does not want it.
    Raises:
        ServerInTrouble: none could be made.
    """
    version = probe_auth_server(request, front).version
    question = f"This token is temporary: it expires {WITHIN}. Make a permanent one, and revoke this one?"
    if keeps_one_token(version):
        question = f"{question} {_ends_the_other(request.target)}"
        asks = True
    if asks and not _agrees(front, question):
        return None
    result = _made_and_checked(checked, request, version, front)
    remarks = (*result.remarks, another_account(request.target))
    return replace(result, remarks=remarks, replaces=checked.token, exchanged=True)


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


def choose_or_create(checked: VerifiedToken, request: LoginRequest, version: str, front: Front) -> LoginResult:
    """One of the person's tokens, or a new one, checked."""
    keys = [] if request.use == "new" else _list_keys(checked, request)
    while (key := _choose(keys, checked, request, version, front)) is not None:
        try:
            return LoginResult(checked=_check(key.token, request, front))
        except TokenRejected:
            keys = [one for one in keys if one.token != key.token]
            front.say(f"The token ending in {key.token.ending} is listed, but does not work any more.")
    return _made_and_checked(checked, request, version, front)


def _list_keys(checked: VerifiedToken, request: LoginRequest) -> list[ListedToken]:
    """The person's tokens, the one that was used last in front."""
    session = Session()
    try:
        response = session.get(endpoints.tokens_url(request.target.server), checked.token, seconds=request.seconds)
    finally:
        session.close()
    keys = responses.listed_tokens_in(response)
    if keys is None:
        why = f"you signed in, but your tokens could not be listed: {response.sentence}"
        raise ServerInTrouble(f"{why}. {_by_hand(request.target)}")
    return sorted(keys, key=_last_used, reverse=True)[:MOST_LISTED]


def _by_hand(target: Target) -> str:
    return f"Nothing was saved. To paste a token: {next_steps.setup(target, 'existing', '--paste')}"


def _last_used(key: ListedToken) -> tuple[datetime, datetime]:
    return moment_of(key.last_used), moment_of(key.created)


def _choose(
    keys: Sequence[ListedToken], checked: VerifiedToken, request: LoginRequest, version: str, front: Front
) -> ListedToken | None:
    """The token to reuse; None to make one."""
    if not keys or request.use:
        return keys[0] if keys else None
    one_only = _ends_the_other(request.target) if keeps_one_token(version) else ""
    front.show(choice_page(keys, checked, one_only))
    numbers = f"1 to {len(keys)}" if len(keys) > 1 else "1"
    for _ in range(TRIES):
        response = _ask(front, f"Which one? {numbers}, or n for a new one [1] ").strip().lower()
        if response in ("n", "new"):
            if one_only:
                ask_to_replace_only_token(front, request.target)
            return None
        if not response or (response.isdecimal() and 1 <= int(response) <= len(keys)):
            return keys[int(response or 1) - 1]
    raise Cancelled("that is none of them. Nothing was changed.")


def _made_and_checked(checked: VerifiedToken, request: LoginRequest, version: str, front: Front) -> LoginResult:
    """A new token. Until it is saved it is held: to be revoked, or named where it has replaced the only one."""
    name, server, one_only = description(), request.target.server, keeps_one_token(version)
    latest = next_steps.setup(request.target, "existing", "--use latest")
    fate = f"then your only token there. To save it: {latest}" if one_only else "revoked then."
    response = _finished(lambda: _make(checked, name, version, request.seconds), host_of(server), front, fate)
    token = response.body
    if not response.is_good or not isinstance(token, Token) or not token.can_be_sent:
        perhaps = f" If one was made all the same, it is “{name}” on {endpoints.tokens_page(server)}."
        may_be = "" if one_only or _was_not_made(response) else perhaps
        raise ServerInTrouble(
            f"you signed in, but no token came back: {response.sentence}.{may_be} {_by_hand(request.target)}"
        )
    try:
        made = _check(token, request, front)
    except TokenNotChecked:
        made = replace(checked, token=token, permanent=True)  # the auth server itself has just given it
    return LoginResult(checked=made) if one_only else LoginResult(checked=made, remarks=(called(name),), made=name)


def _make(checked: VerifiedToken, name: str, version: str, seconds: float) -> Response:
    session, server = Session(), checked.target.server
    try:
        response = create_token(session, server, checked.token, name, version, seconds)
    finally:
        session.close()
    if response.is_good and isinstance(response.body, Token):
        revocation.hold(server, response.body, permanent=True, only=keeps_one_token(version))
    return response


def _finished(job: Callable[[], Response], host: str, front: Front, fate: str) -> Response:
    """What a request brings. An interrupt waits a while for its end: what it makes on the server must not get lost."""
    future = Batch(MAX_TIMEOUT).submit(job, host)
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


def _revoke_late(done: Future[Response]) -> None:
    """Revokes a token that came when nobody waited for it any more. One that must stay is named by the next line."""
    if done.exception() is None and isinstance(token := done.result().body, Token):
        revocation.revoke_soon([token])


_NEVER_ARRIVED = (
    Failure.INVALID_URL, Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.UNREACHABLE, Failure.CONNECT_TIMEOUT,
    Failure.NOT_CONTACTED, Failure.TLS, Failure.CERTIFICATE, Failure.CA_BUNDLE, Failure.NOT_TLS, Failure.SOCKS,
    Failure.UNSENDABLE,
)  # fmt: skip


def _was_not_made(response: Response) -> bool:
    """Whether the server certainly made no token. With a 500 it may have (middle_auth 2.30)."""
    return response.failure in _NEVER_ARRIVED or 400 <= response.status < 500


def _check(token: Token, request: LoginRequest, front: Front) -> VerifiedToken:
    with front.waiting() as on_wait:
        return verify_token(token, request.target, request.seconds, on_wait)


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
