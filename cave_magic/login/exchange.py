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
from ..credentials.locations import locations
from ..credentials.target import Target
from ..doctor import next_steps
from ..errors import Cancelled, ServerInTrouble, TokenNotChecked, TokenRejected
from ..token import Token
from ..ui.document import Line, Span, line
from ..ui.frontend import Frontend
from ..ui.prompts import choose, confirm
from . import revocation
from .pages import another_account, choice_page, moment_of
from .route import HOSTS
from .verify import VerifiedToken, verify_token

PATIENCE = 5.0
"""How many seconds a browser tab waits at most while its token is verified."""
MOST_LISTED = 20
"""How many tokens to offer at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthServer:
    """What is known about an auth server before a sign-in: its version ("" if unknown), and its sign-in page."""

    version: str
    page: Response

    @property
    def has_sign_in(self) -> bool:
        """Whether it has a sign-in page: it redirects programs to it, too."""
        return self.page.failure is None and 200 <= self.page.status < 400

    @property
    def failure(self) -> str:
        """Why its pages cannot be opened now; "" if they are not known to be down."""
        is_down = self.page.failure is not None or self.page.status >= 500 or self.page.status == 429
        return self.page.sentence if is_down else ""


def probe_auth_server(target: Target, seconds: float, frontend: Frontend) -> AuthServer:
    """Requests the version and the sign-in page of the auth server."""
    server = target.server
    with Batch(seconds) as batch:
        version = batch.get(endpoints.auth_version_url(server))
        page = batch.get(endpoints.sign_in_page(server, f"http://{HOSTS[0]}/"))
        with frontend.waiting() as on_wait:
            batch.wait(on_wait)
        return AuthServer(version=responses.version_in(version.response), page=page.response)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token to save.

    Attributes:
        verified: the token, and what it can read.
        made: its description if it was created just now and can be revoked again, else "".
        exchanged: whether it was exchanged for a temporary token, so that the person has it only on the server.
        may_replace: the stored token that it replaces if it is another one, as the person agreed, or None.
        replaces: a temporary token to revoke once this one is saved, or None.
    """

    verified: VerifiedToken
    made: str = ""
    exchanged: bool = False
    may_replace: Token | None = None
    replaces: Token | None = None

    def remarks(self, can_ask: bool) -> tuple[Line, ...]:
        """Lines for the card; `can_ask`: whether somebody could sign in with another account."""
        named = line(Span(f"The tokens page lists this token as “{self.made}”.", "dim")) if self.made else ()
        other = another_account(self.verified.target) if self.exchanged and can_ask else ()
        return tuple(filter(None, (named, other)))

    def older(self) -> list[ListedToken]:
        """The account's older tokens with the description of this new one, except those stored on this computer.

        None of them if they cannot be listed, or if other computers may have the same name.
        """
        token, server = self.verified.token, self.verified.target.server
        if not self.made or not names_this_computer():
            return []
        with Session() as session:
            listed = responses.listed_tokens_in(session.get(endpoints.tokens_url(server), token, seconds=PATIENCE))
        newest = next((key.number for key in listed or () if key.token == token), None)
        stored = stored_tokens(server)
        named = [key for key in listed or () if key.description == self.made and key.token not in stored]
        return [key for key in named if newest is not None and key.number is not None and key.number < newest]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Exchanges temporary tokens for permanent ones, which are not saved yet. `revocation` holds them until they are.

    `seconds` is the timeout for the requests of each step.
    """

    auth: AuthServer
    frontend: Frontend
    seconds: float

    def replace(self, temporary: VerifiedToken, asks: bool) -> NewToken | None:
        """Creates a permanent token (None: the person declined); the temporary one is to be revoked once it is saved.

        Without `asks` the person is asked only if a new token revokes another one.

        Raises:
            ServerInTrouble: no token could be created.
        """
        question = f"This token is temporary: it expires {WITHIN}. Create a permanent one, and revoke this one?"
        if self.keeps_one:
            question, asks = f"{question} {revokes_the_other(temporary.target)}", True
        if asks and not confirm(self.frontend, question):
            return None
        return replace(self._create(temporary), replaces=temporary.token)

    def renew(self, stored: VerifiedToken) -> NewToken:
        """Creates a permanent token with the stored one, which stays valid unless the server keeps only one.

        Raises:
            ServerInTrouble: no token could be created; `why` says why.
            TokenNotChecked, TokenRejected: the server did not accept the new token; it is revoked unless it is the only
                one.
        """
        return self._create(stored, proven=not self.keeps_one)

    def choose_or_create(self, temporary: VerifiedToken, use: str) -> NewToken:
        """Lets the person choose one of the account's tokens, or creates one; for `use` see `sign_in_in_browser`."""
        keys = [] if use == "new" else self._list_keys(temporary)
        while (key := self._choose(keys, temporary, use)) is not None:
            try:
                return NewToken(verified=self._verify(key.token, temporary.target), exchanged=True)
            except TokenRejected:
                keys = [one for one in keys if one.token != key.token]
                self.frontend.say(f"The token ending in {key.token.ending} is listed, but no longer works.")
        return self._create(temporary)

    def ask_to_replace_only_token(self, target: Target) -> None:
        """Asks before creating a token, if the server keeps one token for each account.

        Raises:
            Cancelled: the person declined.
        """
        if self.keeps_one and not confirm(self.frontend, f"{revokes_the_other(target)} Create one?"):
            raise Cancelled

    @property
    def keeps_one(self) -> bool:
        """Whether the server keeps one token for each account, so that a new one revokes the other."""
        return keeps_one_token(self.auth.version)

    def _list_keys(self, temporary: VerifiedToken) -> list[ListedToken]:
        """The account's tokens, the most recently used first."""
        address = endpoints.tokens_url(temporary.target.server)
        with Session() as session:
            response = session.get(address, temporary.token, seconds=self.seconds)
        keys = responses.listed_tokens_in(response)
        if keys is None:
            why = f"you signed in, but your tokens could not be listed: {response.sentence}"
            raise ServerInTrouble(f"{why}. ", *_by_hand(temporary.target))
        newest_first = sorted(keys, key=lambda key: (moment_of(key.last_used), moment_of(key.created)), reverse=True)
        return newest_first[:MOST_LISTED]

    def _choose(self, keys: Sequence[ListedToken], temporary: VerifiedToken, use: str) -> ListedToken | None:
        """The token to reuse; None to create one."""
        if not keys or use:
            return keys[0] if keys else None
        stored = stored_tokens(temporary.target.server)
        own_name = description() if names_this_computer() else None
        here = {key.token for key in keys if key.token in stored or key.description == own_name}
        keys = sorted(keys, key=lambda key: (key.token not in stored, key.token not in here))
        warning = revokes_the_other(temporary.target) if self.keeps_one else ""
        page = choice_page(keys, temporary, here, warning)
        chosen = choose(self.frontend, page, len(keys), or_new=True, otherwise="use --use latest or --use new")
        if chosen is None:
            self.ask_to_replace_only_token(temporary.target)
        return None if chosen is None else keys[chosen]

    def _create(self, temporary: VerifiedToken, proven: bool = False) -> NewToken:
        """Creates a permanent token; with `proven`, it counts only once the server has accepted it."""
        name, target, one_only = description(), temporary.target, self.keeps_one
        server = target.server

        def make() -> Response:
            with Session() as session:
                made = create_token(session, server, temporary.token, name, self.auth.version, self.seconds)
            if made.is_good and isinstance(made.body, Token):
                revocation.hold(server, made.body, permanent=True, only=one_only)
            return made

        latest = next_steps.setup(target, "existing", "--use latest")
        fate = f"will be your only token there. To save it: {latest}" if one_only else "will be revoked."
        response = _finished(make, host_of(server), self.frontend, fate)
        token = response.body
        if not response.is_good or not isinstance(token, Token) or not token.can_be_sent:
            perhaps = f" If one was created anyway, it is “{name}” on {endpoints.tokens_page(server)}."
            # With a 500 one may have been created (middle_auth 2.30).
            was_not_made = response.failure in _NEVER_ARRIVED or 400 <= response.status < 500
            may_be = "" if one_only or was_not_made else perhaps
            raise _no_token(f"no token was created: {response.sentence}.{may_be}", target)
        try:
            verified = self._verify(token, target)
        except TokenRejected:
            if proven:
                raise
            raise _no_token(f"{host_of(server)} rejected the token that it had just created.", target) from None
        except TokenNotChecked:
            if proven:
                raise
            verified = replace(temporary, token=token, permanent=True)  # the auth server has just issued it
        return NewToken(verified=verified, made="" if one_only else name, exchanged=True)

    def _verify(self, token: Token, target: Target) -> VerifiedToken:
        with self.frontend.waiting() as on_wait:
            return verify_token(token, target, self.seconds, on_wait)


def _finished(job: Callable[[], Response], host: str, frontend: Frontend, fate: str) -> Response:
    """Runs a request that creates a token. After an interrupt it waits a while, so that the token is not lost."""
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


def _no_token(why: str, target: Target) -> ServerInTrouble:
    error = ServerInTrouble(f"you signed in, but {why} ", *_by_hand(target))
    error.why = why
    return error


def _by_hand(target: Target) -> Line:
    return line("Nothing was saved. To paste a token: ", next_steps.setup(target, "existing", "--paste"))


def revokes_the_other(target: Target) -> str:
    """Says what a new token does to the other one, on a server that keeps one for each account."""
    return f"{host_of(target.server)} keeps one token for each account: creating one revokes the one in use elsewhere."


def is_from_address(text: str) -> bool:
    """Whether a pasted token was part of a URL. Only temporary tokens are."""
    return re.search(r"[?&#](?:middle_auth_)?token=", text) is not None


def description() -> str:
    """The description of this computer's token on the tokens page."""
    return f"cave_magic on {_computer() or 'an unnamed computer'}"


def stored_tokens(server: str) -> set[Token | None]:
    """The tokens in all files of this computer that may hold one of a server."""
    return {location.read().meant for location in locations(server)}


def names_this_computer() -> bool:
    """Whether this computer has a name of its own, not one such as localhost."""
    return bool(_computer()) and not _computer().lower().startswith("localhost")


def _computer() -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", platform.node()[:60]).strip("-")
