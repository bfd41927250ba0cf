"""Signing in through the browser: it brings a temporary token, a permanent one is created with it, and it is revoked.

The temporary token was part of an address, so it is never saved, shown or logged; `revocation` revokes it.
"""

from __future__ import annotations

import math
import re
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from ..api import endpoints, responses
from ..api.http import Session
from ..api.responses import TEMPORARY_TOKEN_DAYS, Terms
from ..api.tokens import keeps_one_token
from ..api.urls import host_of
from ..credentials.target import Target
from ..doctor import next_steps
from ..environment import platforms
from ..errors import ServerInTrouble, TokenNotChecked, TokenRejected
from ..token import Token
from ..ui.frontend import Frontend
from . import revocation, web_browser
from .auth_server import AuthServer
from .exchange import PATIENCE, LoginRequest, LoginResult, ask_to_replace_only_token, choose_or_create
from .loopback import DONE, FAILED, HOSTS, LIFETIME, NOT_REVOKED, OVER, REFUSED, NoLoopback, Receiver
from .pages import another_account, how_to_revoke, waiting_page
from .verify import VerifiedToken, verify_token
from .web_browser import Opening

LOOK_AGAIN = 3.0
"""Seconds between two requests that find out whether the terms were accepted in another tab."""
STARTING = 0.3
"""Seconds within which a browser that cannot start usually exits."""


def sign_in_in_browser(request: LoginRequest, auth: AuthServer, frontend: Frontend) -> LoginResult | None:
    """Signs in through the browser on the person's own screen.

    Returns:
        The token, not saved yet. None if the prompt is to be used: there is no screen or no sign-in here, the person
        interrupted the wait, or nothing came back.
    Raises:
        Cancelled: the person declined.
        ServerInTrouble: the server returned an error after the sign-in.
    """
    if not platforms.detect_runtime().has_display:
        return None
    if not auth.has_sign_in:
        frontend.say(f"{host_of(request.target.server)} does not support signing in through the browser.")
        return None
    if request.use == "new" and keeps_one_token(auth.version):
        ask_to_replace_only_token(frontend, request.target)
    try:
        with SignIn(request.target, request.seconds) as sign_in:
            verified = _wait(sign_in, web_browser.open_browser(sign_in.page), frontend)
            if verified is None:
                return None
            result = choose_or_create(verified, request, auth.version, frontend)
    except NoLoopback:
        frontend.say("No program may listen on the loopback interface of this computer, so a sign-in cannot come back.")
        return None
    return replace(result, remarks=(*result.remarks, another_account(request.target)), exchanged=True)


def _wait(sign_in: SignIn, opening: Opening, frontend: Frontend) -> VerifiedToken | None:
    """Waits for the browser; returns the token that came, or None if the prompt is to be used."""
    try:
        opening.wait(STARTING)
        known = opening.problem
        with frontend.standing(waiting_page(sign_in.target, sign_in.page, known)) as say:
            while sign_in.goes_on:
                topic, left = sign_in.words
                if opening.problem and not known and sign_in.came is None:
                    topic = f"no browser opened: {opening.problem}. Open the address above"
                say(topic, left)
                sign_in.step(0.25)
    except KeyboardInterrupt:
        return sign_in.settle()  # a person who waits for the terms goes on without them
    came = sign_in.settle()
    if sign_in.error is not None:
        raise sign_in.error
    if came is None:
        frontend.say(f"No sign-in came back within {LIFETIME / 60:.0f} minutes.")
    return came


# ---------------------------------------------------------------- what the browser does meanwhile


class SignIn:
    """One sign-in under way: a receiver, and the tokens that it got. Use it as a context manager.

    The last account that signs in counts. At the end all tokens that came are revoked; later ones are revoked at once.

    Args:
        target: the server, and the datastack whose terms are to be accepted.
        seconds: the timeout for requests to the server.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.came: VerifiedToken | None = None
        self.error: Exception | None = None
        self._seconds = seconds
        self._tokens: dict[Token, None] = {}
        until = datetime.now(timezone.utc) + timedelta(days=TEMPORARY_TOKEN_DAYS, hours=1)
        text, link = how_to_revoke(target.server, until)
        alive = (f"The temporary token that came could not be revoked. {text}", link)
        self._receiver = Receiver(self, f"{host_of(target.server)}/sticky_auth", LIFETIME, alive)
        self._lock = threading.Lock()
        self._closed = False
        self._back = threading.Event()  # the browser has nothing more to bring
        self._next_look = 0.0

    def __enter__(self) -> SignIn:
        self._receiver.__enter__()
        self.page = endpoints.sign_in_page(self.target.server, self._receiver.sign_in_url)
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
        """The status, and the time that is left."""
        seconds = self._receiver.left
        left = f"{math.ceil(seconds / 60)} min left" if seconds > 60 else f"{math.ceil(seconds / 10) * 10} s left"
        if self.came is None:
            return "waiting for your sign-in in the browser", left
        return f"signed in as {self.came.account.label.text}; waiting for the terms of service", left

    def step(self, seconds: float) -> None:
        """Waits a little, and now and then finds out whether the terms were accepted in another tab."""
        self._back.wait(seconds)
        came = self.came
        if came is None or came.terms is None or self._back.is_set() or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + LOOK_AGAIN
        if _has_accepted(came, came.terms):
            with self._lock:
                if self.came is came:  # else another account has signed in meanwhile
                    self._back.set()

    def settle(self) -> VerifiedToken | None:
        """Accepts nothing more; returns what came."""
        with self._lock:
            self._closed = True
        self._receiver.finish()
        return self.came

    # ------------------------------------------------------------ called by the receiver, in its threads

    def handle_token(self, token: Token, returned: bool) -> str:
        """Verifies a token that the browser brought, and returns where the browser goes now. An error ends the wait."""
        with self._lock:
            if is_wanted := not (self._closed or self._back.is_set()):
                self._hold(token)
        if not is_wanted:
            return self.handle_late_token(token)
        try:
            return self._verify(token, returned)
        except TokenNotChecked as error:
            again = next_steps.check(self.target)
            self.error = ServerInTrouble(f"you signed in, but {error.why}. Nothing was saved. To see why: {again}")
        except Exception as error:
            self.error = error
        self._back.set()
        return FAILED

    def handle_late_token(self, token: Token) -> str:
        """Revokes a token that arrives after the end."""
        if self.came is not None and token == self.came.token and self.error is None:
            return DONE
        self._hold(token, tells=False)  # the browser says it
        revocation.revoke([token])
        return NOT_REVOKED if revocation.is_held(token) else OVER

    def handle_stray_token(self, token: Token, knows_path: bool) -> None:
        """Registers a token in a refused request, to be revoked unless it arrives again in a valid one."""
        self._hold(token, tells=knows_path)
        if self._closed:
            revocation.revoke_soon([token])

    def _hold(self, token: Token, tells: bool = True) -> None:
        self._tokens[token] = None
        revocation.hold(self.target.server, token, tells=tells)

    def _verify(self, token: Token, returned: bool) -> str:
        before = self.came
        if before is not None and token == before.token:
            return self._is_back() if returned else self._next_page(before)
        try:
            verified = verify_token(token, self.target, min(self._seconds, PATIENCE))
        except TokenRejected:
            revocation.release(token)
            return REFUSED
        if verified.permanent:  # no sign-in brings such a token
            revocation.release(token)
            return REFUSED
        with self._lock:
            if not self._closed:
                self.came = verified
        if self.came is not verified:  # the person gave up while it was verified
            return self.handle_late_token(token)
        if before is not None:
            revocation.revoke_soon([before.token])
        return self._next_page(verified)

    def _next_page(self, verified: VerifiedToken) -> str:
        """The terms that are left, or the end."""
        if verified.terms is None:
            return self._is_back()
        return endpoints.terms_page(self.target.server, verified.terms.number, self._receiver.return_url)

    def _is_back(self) -> str:
        self._back.set()
        return DONE


def _has_accepted(came: VerifiedToken, terms: Terms) -> bool:
    """Whether terms that the account had not accepted are accepted now; False if unknown."""
    if all(one.number != terms.number for one in came.account.unsigned):
        return False
    session, server = Session(), came.target.server
    try:
        account = responses.account_in(
            session.get(endpoints.identity_url(server), came.token, seconds=PATIENCE), server
        )
    finally:
        session.close()
    return account is not None and all(one.number != terms.number for one in account.unsigned)


def came_by_address(text: str) -> bool:
    """Whether a paste is the address of a sign-in that could not reach this computer."""
    hosts = "|".join(re.escape(f"[{host}]" if ":" in host else host) for host in HOSTS)
    return re.match(rf"[\s\"'<]*http://(?:{hosts}):\d+/[\w-]+\?\S*token=", text) is not None
