"""Exchanges a temporary token for a permanent one: an existing token of the account, or a new one."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace

from ..api import endpoints, responses
from ..api.batch import MAX_TIMEOUT, Batch
from ..api.failures import Failure
from ..api.http import Session
from ..api.responses import WITHIN, ListedToken, Response
from ..api.tokens import create_token, keeps_one_token
from ..api.urls import host_of
from ..credentials.target import Target
from ..doctor import next_steps
from ..errors import Cancelled, ServerInTrouble, TokenNotChecked, TokenRejected
from ..token import Token
from ..ui.document import Line
from ..ui.frontend import Frontend
from ..ui.prompts import choose, confirm
from . import revocation
from .auth_server import probe_auth_server
from .pages import another_account, called, choice_page, moment_of
from .verify import VerifiedToken, verify_token

PATIENCE = 5.0
"""The most seconds that a browser tab waits while its token is verified."""
MOST_LISTED = 20
"""The most tokens to choose from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """What to sign in to.

    Attributes:
        target: the server, and the datastack whose terms of service are accepted on the way.
        use: "new": create a token; "latest": reuse the token that was used last; "": ask if there are any.
        seconds: the timeout for the requests of each step.
    """

    target: Target
    use: str = ""
    seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginResult:
    """A token to save.

    Attributes:
        verified: the token, and what it can read.
        remarks: lines for the card.
        made: its description if it was created just now, else "".
        replaces: a temporary token to revoke once this one is saved, or None.
        exchanged: whether it was exchanged for a temporary token, so that the person has it only on the server.
    """

    verified: VerifiedToken
    remarks: tuple[Line, ...] = ()
    made: str = ""
    replaces: Token | None = None
    exchanged: bool = False


def exchange(verified: VerifiedToken, request: LoginRequest, frontend: Frontend, asks: bool) -> LoginResult | None:
    """Creates a permanent token with a temporary one, to be revoked once the new one is saved.

    Args:
        verified: the temporary token.
        request: the server and the timeout.
        frontend: asks the person.
        asks: whether to ask first; if a new token revokes another one, the person is always asked.
    Returns:
        The permanent token, not saved yet; None if the person declined.
    Raises:
        ServerInTrouble: no token could be created.
    """
    version = probe_auth_server(request.target, request.seconds, frontend).version
    question = f"This token is temporary: it expires {WITHIN}. Create a permanent one, and revoke this one?"
    if keeps_one_token(version):
        question, asks = f"{question} {_revokes_the_other(request.target)}", True
    if asks and not confirm(frontend, question):
        return None
    result = _create(verified, request, version, frontend)
    remarks = (*result.remarks, another_account(request.target))
    return replace(result, remarks=remarks, replaces=verified.token, exchanged=True)


def is_from_address(text: str) -> bool:
    """Whether a pasted token was part of a URL. Only temporary tokens are."""
    return re.search(r"[?&#](?:middle_auth_)?token=", text) is not None


def description() -> str:
    """The description of this computer's token on the tokens page."""
    return f"cave_magic on {_computer() or 'an unnamed computer'}"


def names_this_computer() -> bool:
    """Whether this computer has a name of its own, not one such as localhost."""
    return bool(_computer()) and not _computer().lower().startswith("localhost")


def _computer() -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", platform.node()[:60]).strip("-")


def choose_or_create(verified: VerifiedToken, request: LoginRequest, version: str, frontend: Frontend) -> LoginResult:
    """Lets the person choose one of the account's tokens, or creates one; verifies it."""
    keys = [] if request.use == "new" else _list_keys(verified, request)
    while (key := _choose(keys, verified, request, version, frontend)) is not None:
        try:
            return LoginResult(verified=_verify(key.token, request, frontend))
        except TokenRejected:
            keys = [one for one in keys if one.token != key.token]
            frontend.say(f"The token ending in {key.token.ending} is listed, but no longer works.")
    return _create(verified, request, version, frontend)


def _list_keys(verified: VerifiedToken, request: LoginRequest) -> list[ListedToken]:
    """The account's tokens, the most recently used first."""
    with Session() as session:
        response = session.get(endpoints.tokens_url(request.target.server), verified.token, seconds=request.seconds)
    keys = responses.listed_tokens_in(response)
    if keys is None:
        why = f"you signed in, but your tokens could not be listed: {response.sentence}"
        raise ServerInTrouble(f"{why}. {_by_hand(request.target)}")
    return sorted(keys, key=lambda key: (moment_of(key.last_used), moment_of(key.created)), reverse=True)[:MOST_LISTED]


def _by_hand(target: Target) -> str:
    return f"Nothing was saved. To paste a token: {next_steps.setup(target, 'existing', '--paste')}"


def _choose(
    keys: Sequence[ListedToken], verified: VerifiedToken, request: LoginRequest, version: str, frontend: Frontend
) -> ListedToken | None:
    """The token to reuse; None to create one."""
    if not keys or request.use:
        return keys[0] if keys else None
    one_only = _revokes_the_other(request.target) if keeps_one_token(version) else ""
    page = choice_page(keys, verified, one_only)
    chosen = choose(frontend, page, len(keys), or_new=True, otherwise="use --use latest or --use new")
    if chosen is None and one_only:
        ask_to_replace_only_token(frontend, request.target)
    return None if chosen is None else keys[chosen]


def _create(verified: VerifiedToken, request: LoginRequest, version: str, frontend: Frontend) -> LoginResult:
    """Creates a token. `revocation` holds it until it is saved."""
    name, server, one_only = description(), request.target.server, keeps_one_token(version)
    latest = next_steps.setup(request.target, "existing", "--use latest")
    fate = f"will be your only token there. To save it: {latest}" if one_only else "will be revoked."
    response = _finished(lambda: _make(verified, name, version, request.seconds), host_of(server), frontend, fate)
    token = response.body
    if not response.is_good or not isinstance(token, Token) or not token.can_be_sent:
        perhaps = f" If one was created anyway, it is “{name}” on {endpoints.tokens_page(server)}."
        may_be = "" if one_only or _was_not_made(response) else perhaps
        raise ServerInTrouble(
            f"you signed in, but no token was created: {response.sentence}.{may_be} {_by_hand(request.target)}"
        )
    try:
        made = _verify(token, request, frontend)
    except TokenNotChecked:
        made = replace(verified, token=token, permanent=True)  # the auth server has just issued it
    return LoginResult(verified=made) if one_only else LoginResult(verified=made, remarks=(called(name),), made=name)


def _make(verified: VerifiedToken, name: str, version: str, seconds: float) -> Response:
    server = verified.target.server
    with Session() as session:
        response = create_token(session, server, verified.token, name, version, seconds)
    if response.is_good and isinstance(response.body, Token):
        revocation.hold(server, response.body, permanent=True, only=keeps_one_token(version))
    return response


def _finished(job: Callable[[], Response], host: str, frontend: Frontend, fate: str) -> Response:
    """Runs a request that creates a token. After an interrupt it waits a while, so that the token does not get lost."""
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
                frontend.say(f"{host} has not responded yet. If it still creates a token, that {fate}")
        raise


def _revoke_late(done: Future[Response]) -> None:
    """Revokes a token that arrived too late. An account's only token is kept and reported instead."""
    if done.exception() is None and isinstance(token := done.result().body, Token):
        revocation.revoke_soon([token])


_NEVER_ARRIVED = (
    Failure.INVALID_URL, Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.UNREACHABLE, Failure.CONNECT_TIMEOUT,
    Failure.NOT_CONTACTED, Failure.TLS, Failure.CERTIFICATE, Failure.CA_BUNDLE, Failure.NOT_TLS, Failure.SOCKS,
    Failure.UNSENDABLE,
)  # fmt: skip


def _was_not_made(response: Response) -> bool:
    """Whether the server has certainly created no token. With a 500 it may have (middle_auth 2.30)."""
    return response.failure in _NEVER_ARRIVED or 400 <= response.status < 500


def _verify(token: Token, request: LoginRequest, frontend: Frontend) -> VerifiedToken:
    with frontend.waiting() as on_wait:
        return verify_token(token, request.target, request.seconds, on_wait)


def ask_to_replace_only_token(frontend: Frontend, target: Target) -> None:
    """Asks before creating a token on a server that keeps one token for each account.

    Raises:
        Cancelled: the person declined.
    """
    if not confirm(frontend, f"{_revokes_the_other(target)} Create one?"):
        raise Cancelled


def _revokes_the_other(target: Target) -> str:
    return f"{host_of(target.server)} keeps one token for each account: creating one revokes the one in use elsewhere."
