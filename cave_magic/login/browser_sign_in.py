"""Signing in with one click: the browser brings a temporary token, a permanent one is made with it, and it is revoked.

The temporary token stood in an address, so it is never saved, shown or logged; `revocation` sees to its end.
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
from . import revocation, web_browser
from .exchange import (
    PATIENCE,
    AuthServer,
    Front,
    LoginRequest,
    LoginResult,
    ask_to_replace_only_token,
    choose_or_create,
)
from .loopback import DONE, FAILED, HOSTS, LIFE, NOT_REVOKED, OVER, REFUSED, NoLoopback, Receiver
from .pages import another_account, how_to_revoke, waiting_page
from .verify import VerifiedToken, verify_token
from .web_browser import Opening

LOOK_AGAIN = 3.0
"""Seconds between two looks at whether the terms were accepted in some other tab."""
STARTING = 0.3
"""Seconds in which a browser that cannot start mostly says so."""


def sign_in_in_browser(request: LoginRequest, auth: AuthServer, front: Front) -> LoginResult | None:
    """Signs in through the browser on the person's own screen.

    Returns:
        The token, not saved yet. None where the prompt is to be used: there is no screen or no sign-in here, the person
        has interrupted the wait, or nothing came back.
    Raises:
        Cancelled: the person does not want to go on.
        ServerInTrouble: the server did not answer as it should after the sign-in.
    """
    if not platforms.detect_runtime().has_display:
        return None
    if not auth.has_sign_in:
        front.say(f"{host_of(request.target.server)} has no sign-in that could come back to this notebook.")
        return None
    if request.use == "new" and keeps_one_token(auth.version):
        ask_to_replace_only_token(front, request.target)
    try:
        with SignIn(request.target, request.seconds) as sign_in:
            checked = _wait(sign_in, web_browser.open_browser(sign_in.page), front)
            if checked is None:
                return None
            result = choose_or_create(checked, request, auth.version, front)
    except NoLoopback:
        front.say("No program may listen on the loopback interface of this computer, so a sign-in cannot come back.")
        return None
    return replace(result, remarks=(*result.remarks, another_account(request.target)), exchanged=True)


def _wait(sign_in: SignIn, opening: Opening, front: Front) -> VerifiedToken | None:
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
        self.came: VerifiedToken | None = None
        self.error: Exception | None = None
        self._seconds = seconds
        self._tokens: dict[Token, None] = {}
        until = datetime.now(timezone.utc) + timedelta(days=TEMPORARY_TOKEN_DAYS, hours=1)
        text, link = how_to_revoke(target.server, until)
        alive = (f"The temporary token that came could not be revoked. {text}", link)
        self._receiver = Receiver(self, f"{host_of(target.server)}/sticky_auth", LIFE, alive)
        self._lock = threading.Lock()
        self._closed = False
        self._back = threading.Event()  # the browser has nothing more to bring
        self._next_look = 0.0

    def __enter__(self) -> SignIn:
        self._receiver.__enter__()
        self.page = endpoints.sign_in_page(self.target.server, self._receiver.address)
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
        return f"signed in as {self.came.account.label.text}; waiting for the terms of service", left

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

    def settle(self) -> VerifiedToken | None:
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
            again = next_steps.check(self.target)
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
            checked = verify_token(token, self.target, min(self._seconds, PATIENCE))
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

    def _next_page(self, checked: VerifiedToken) -> str:
        """The terms that are left, or the end."""
        if checked.terms is None:
            return self._is_back()
        return endpoints.terms_page(self.target.server, checked.terms.number, self._receiver.back)

    def _is_back(self) -> str:
        self._back.set()
        return DONE


def _has_accepted(came: VerifiedToken, terms: Terms) -> bool:
    """Whether terms that the account had not accepted are accepted now; False where that cannot be told."""
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
    """Whether a paste is the address at which a sign-in ended that could not reach this computer."""
    hosts = "|".join(re.escape(f"[{host}]" if ":" in host else host) for host in HOSTS)
    return re.match(rf"[\s\"'<]*http://(?:{hosts}):\d+/[\w-]+\?\S*token=", text) is not None
