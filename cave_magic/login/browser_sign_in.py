"""Signs in through the browser, which yields a temporary token, and creates a permanent token with it.

The temporary token was part of a URL, so it is never saved, shown or logged, and `revocation` revokes it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import datetime, timedelta, timezone

from ..api import endpoints
from ..api.batch import result_or
from ..api.responses import TEMPORARY_TOKEN_DAYS, Terms
from ..api.urls import host_of
from ..credentials.target import Target
from ..doctor import next_steps
from ..environment import platforms
from ..errors import ServerInTrouble, TokenNotChecked, TokenRejected
from ..token import Token
from ..ui.frontend import Frontend
from . import revocation, web_browser
from .exchange import PATIENCE, Exchange, NewToken
from .loopback import DONE, FAILED, LIFETIME, NOT_REVOKED, OVER, REFUSED, NoLoopback, Receiver
from .pages import how_to_revoke, waiting_page, way_out_page
from .verify import VerifiedToken, owner_of, verify_token

LOOK_AGAIN = 3.0
"""Seconds between two requests that check whether the terms were accepted in another tab."""
STARTING = 0.3
"""Seconds within which a browser that cannot start usually exits."""
HELLO = 2.0
"""Seconds within which the notebook page says hello, if it can."""


def sign_in_in_browser(
    target: Target, use: str, exchange: Exchange, at_prompt: Callable[[str, Callable[[], NewToken | None]], NewToken]
) -> NewToken | None:
    """Signs in through the browser: one on this computer, or one that shows the notebook and can reach this kernel.

    Args:
        target: the server, and the datastack whose terms of service are accepted on the way.
        use: "new": create a token; "latest": reuse the token that was used last; "": ask if there are any.
        exchange: exchanges the temporary token.
        at_prompt: shows the address of the sign-in page and a prompt, if no browser is known to reach this kernel. It
            also gets a function that returns the token if one has reached it all the same, such as that of VS Code,
            which forwards the port.
    Returns:
        The token, not saved yet. None if the caller should use the prompt without a sign-in: there is no sign-in page,
        the person interrupted the wait, or the sign-in timed out.
    Raises:
        Cancelled: the person declined.
        ServerInTrouble: the server returned an error after the sign-in.
    """
    frontend, has_display = exchange.frontend, platforms.detect_runtime().has_display
    if not exchange.auth.has_sign_in:
        frontend.say(f"{host_of(target.server)} does not support signing in through the browser.")
        return None
    try:
        with SignIn(target, exchange.seconds) as sign_in:
            if not has_display and not sign_in.find_route(frontend):
                return at_prompt(sign_in.page, lambda: _signed_in(sign_in, use, exchange))
            if use == "new":
                exchange.ask_to_replace_only_token(target)
            opening = web_browser.open_browser(sign_in.page) if has_display else None
            verified = _wait(sign_in, opening, frontend)
            return None if verified is None else exchange.choose_or_create(verified, use)
    except NoLoopback:
        frontend.say("This computer does not let a program listen on loopback, so it cannot receive a browser sign-in.")
        return None


def _signed_in(sign_in: SignIn, use: str, exchange: Exchange) -> NewToken | None:
    """The token of a sign-in that arrived at a prompt, or None."""
    verified = sign_in.settle()
    if sign_in.error is not None:
        raise sign_in.error
    if verified is not None and use == "new":
        exchange.ask_to_replace_only_token(sign_in.target)
    return None if verified is None else exchange.choose_or_create(verified, use)


def _wait(sign_in: SignIn, opening: Future[str] | None, frontend: Frontend) -> VerifiedToken | None:
    """Waits for the browser; returns its token, or None if the caller should use the prompt.

    `opening`: the browser on this computer, or None if the person opens the page.
    """
    try:
        if opening is not None:
            wait([opening], STARTING)
        is_here, known = opening is not None, result_or(opening, "")
        page = waiting_page(sign_in.target, sign_in.page, known, is_here)
        with frontend.standing(page, way_out_page(frontend.interrupt, is_here)) as say:
            while sign_in.is_waiting:
                topic, left = sign_in.status
                if (problem := result_or(opening, "")) and not known and sign_in.verified is None:
                    topic = f"no browser opened: {problem}. Open the address above"
                say(topic, left)
                sign_in.step(0.25)
    except KeyboardInterrupt:
        return sign_in.settle()  # a person who is signed in but has not accepted the terms continues without them
    verified = sign_in.settle()
    if sign_in.error is not None:
        raise sign_in.error
    if verified is None:
        frontend.say(f"The sign-in timed out after {LIFETIME / 60:.0f} minutes.")
    return verified


class SignIn:
    """A sign-in in progress: a receiver, and the tokens that it received. Use it as a context manager.

    The account that signs in last counts. At the end all received tokens are revoked; later ones are revoked at once.
    Requests to the server of the target time out after these seconds.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        self.target = target
        self.verified: VerifiedToken | None = None
        self.error: Exception | None = None
        self._seconds = seconds
        self._tokens: dict[Token, None] = {}
        until = datetime.now(timezone.utc) + timedelta(days=TEMPORARY_TOKEN_DAYS, hours=1)
        text, link = how_to_revoke(target.server, until)
        not_revoked = (f"The temporary token of this sign-in could not be revoked. {text}", link)
        self._lock = threading.Lock()  # so that a token is accepted before the end or not at all
        self._next_request = 0.0
        self._is_at_prompt = False
        self._receiver = Receiver(self, f"{host_of(target.server)}/sticky_auth", LIFETIME, not_revoked)

    def __enter__(self) -> SignIn:
        return self

    def __exit__(self, *error: object) -> None:
        self.settle()
        revocation.revoke(list(self._tokens))

    def find_route(self, frontend: Frontend) -> bool:
        """Whether the browser that shows the notebook can reach this kernel; if not, show a prompt."""
        self._is_at_prompt = not self._receiver.find_route(frontend.fetch, HELLO)
        return not self._is_at_prompt

    @property
    def page(self) -> str:
        """The page where the person signs in."""
        return endpoints.sign_in_page(self.target.server, self._receiver.sign_in_url)

    @property
    def is_waiting(self) -> bool:
        """Whether a token or the acceptance of the terms may still arrive."""
        return not self._receiver.is_over.is_set()

    @property
    def who(self) -> str:
        """Who is signed in, for the last page in the browser."""
        return self.verified.account.label.text if self.verified else ""

    @property
    def then(self) -> str:
        """What the person does after the sign-in, for the last page in the browser."""
        if self._is_at_prompt:
            return "To go on, press Enter at the prompt in your notebook. You can close this tab."
        return "Your notebook goes on, and you can close this tab."

    @property
    def status(self) -> tuple[str, str]:
        """What it waits for, and the time that is left."""
        seconds = self._receiver.left
        left = f"{math.ceil(seconds / 60)} min left" if seconds > 60 else f"{math.ceil(seconds / 10) * 10} s left"
        if self.verified is None:
            return "waiting for your sign-in in the browser", left
        return f"signed in as {self.verified.account.label.text}; waiting for the terms of service", left

    def step(self, seconds: float) -> None:
        """Waits, and checks every few seconds whether the terms were accepted in another tab."""
        if self._receiver.is_over.wait(seconds) or time.monotonic() < self._next_request:
            return
        self._next_request = time.monotonic() + LOOK_AGAIN
        verified = self.verified
        if verified is not None and verified.terms is not None and _has_accepted(verified, verified.terms):
            with self._lock:
                if self.verified is verified:  # else another account has signed in meanwhile
                    self._receiver.finish()

    def settle(self) -> VerifiedToken | None:
        """Accepts no more tokens; returns the last verified one."""
        with self._lock:
            self._receiver.finish()
        return self.verified

    # The receiver calls the following methods in its threads.

    def handle_token(self, token: Token, returned: bool) -> str:
        """Verifies a token; see `TokenHandler`. An error ends the wait."""
        with self._lock:
            if is_early := self.is_waiting:
                self._hold(token)
        if not is_early:
            return self._refuse_late(token)
        try:
            return self._verify(token, returned)
        except TokenNotChecked as error:
            again = next_steps.check(self.target)
            self.error = ServerInTrouble(f"you signed in, but {error.why}. Nothing was saved. To see why: ", again)
        except Exception as error:
            self.error = error
        self._receiver.finish()
        return FAILED

    def _refuse_late(self, token: Token) -> str:
        """Revokes a token that arrives after the end."""
        if self.verified is not None and token == self.verified.token and self.error is None:
            return DONE
        self._hold(token, is_reported=False)  # the page in the browser reports it
        revocation.revoke([token])
        return NOT_REVOKED if revocation.is_held(token) else OVER

    def handle_stray_token(self, token: Token, knows_path: bool) -> None:
        """Registers a token of a refused request, to be revoked unless it arrives again in a valid request."""
        self._hold(token, is_reported=knows_path)
        if not self.is_waiting:
            revocation.revoke_soon([token])

    def _hold(self, token: Token, is_reported: bool = True) -> None:
        self._tokens[token] = None
        revocation.hold(self.target.server, token, is_reported=is_reported)

    def _verify(self, token: Token, returned: bool) -> str:
        before = self.verified
        if before is not None and token == before.token:
            return self._done() if returned else self._next_page(before)
        try:
            verified = verify_token(token, self.target, min(self._seconds, PATIENCE))
        except TokenRejected:
            verified = None
        if verified is None or verified.permanent:  # a sign-in issues temporary tokens only
            revocation.release(token)
            return REFUSED
        with self._lock:
            if self.is_waiting:
                self.verified = verified
        if self.verified is not verified:  # the person cancelled while it was verified
            return self._refuse_late(token)
        if before is not None:
            revocation.revoke_soon([before.token])
        return self._next_page(verified)

    def _next_page(self, verified: VerifiedToken) -> str:
        """The page where the terms are accepted, or the last page."""
        if verified.terms is None:
            return self._done()
        return endpoints.terms_page(self.target.server, verified.terms.number, self._receiver.return_url)

    def _done(self) -> str:
        self._receiver.finish()
        return DONE


def _has_accepted(verified: VerifiedToken, terms: Terms) -> bool:
    """Whether the account has accepted terms that it had not accepted before; False if unknown."""
    now = owner_of(verified.token, verified.target.server, 2 * PATIENCE)  # a request may take half of the timeout
    was_unsigned = terms.number in {one.number for one in verified.account.unsigned}
    return was_unsigned and now is not None and terms.number not in {one.number for one in now.unsigned}
