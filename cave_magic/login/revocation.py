"""Tokens that must not stay valid: each is revoked, however a sign-in ends, or the person is told that it was not.

The auth server lists permanent tokens only, and gives each sign-in a new temporary one, whatever the browser's cookie
holds (middle_auth 2.30), so one that is forgotten here cannot be found again. It is kept from the moment it comes until
the server has confirmed that it is revoked, in memory only: a file would be one more place to steal it from. What could
not be revoked is tried again at the next sign-in and when Python exits. A permanent token that was created and not
saved is treated in the same way.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial

from ..api.batch import Batch
from ..api.endpoints import sign_out_urls
from ..api.http import Session
from ..api.responses import TEMPORARY_TOKEN_DAYS, Response
from ..api.tokens import is_revoked, revoke_itself, revoke_temporary
from ..api.urls import host_of
from ..token import Token

REVOKING = 6.0
"""The most seconds that a person waits for tokens to be revoked."""
EACH = 3.0
"""The most seconds for one request."""
PAUSES = (0.0, 0.5, 1.5)
"""Seconds before each attempt: a server that is being restarted is back soon."""
AT_EXIT = 2.0
"""The most seconds that the exit of Python waits. Jupyter kills a kernel after five."""
USELESS = 422
"""The status with which middle_auth says that a token is a permanent one, and stays."""


@dataclass(slots=True, eq=False, kw_only=True)
class UnrevokedToken:
    """A token that this process has to revoke.

    Attributes:
        server: whose token it is, and who alone is sent it.
        token: the token.
        permanent: whether it is one that was made, and not saved.
        only: whether it has replaced the person's only one, on an old server: it is named, and never revoked.
        tells: whether the person is told if it stays valid. Not so if a stranger may have sent it.
        told: whether the person was told.
        why: what came of the last attempt to revoke it; "" before the first one.
        expires: the latest moment at which a temporary one expires by itself.
        process: who holds it; a fork leaves it to its parent.
    """

    server: str
    token: Token
    permanent: bool = False
    only: bool = False
    tells: bool = True
    told: bool = False
    why: str = ""
    expires: datetime = field(default_factory=lambda: datetime.now(timezone.utc) + timedelta(days=TEMPORARY_TOKEN_DAYS))
    process: int = field(default_factory=os.getpid)


_held: dict[Token, UnrevokedToken] = {}
_lock = threading.Lock()


def hold(server: str, token: Token, *, permanent: bool = False, only: bool = False, tells: bool = True) -> None:
    """Remembers a token that is to be revoked, or named, now or later. A second time changes nothing."""
    with _lock:
        one = _held.setdefault(
            token, UnrevokedToken(server=server, token=token, permanent=permanent, only=only, tells=tells)
        )
        one.tells |= tells


def release(token: Token) -> None:
    """Forgets a token: it is revoked, or may stay valid."""
    with _lock:
        _held.pop(token, None)


def revoke(tokens: Iterable[Token] | None = None) -> None:
    """Revokes tokens that are held, within `REVOKING` seconds. An interrupt ends the waiting, not the attempts.

    Args:
        tokens: which; without them all that nobody has tried to revoke yet.
    """
    wanted = None if tokens is None else set(tokens)
    chosen = [one for one in _mine() if (not one.why if wanted is None else one.token in wanted)]
    batch = Batch(REVOKING)
    deadline = time.monotonic() + batch.left
    for one in chosen:
        one.why = "it is the only one" if one.only else f"{host_of(one.server)} has not answered yet"
        if one.only:
            continue
        batch.submit(partial(_try_often, one, deadline), host_of(one.server))
    with suppress(KeyboardInterrupt):
        batch.wait()


def revoke_soon(tokens: Iterable[Token]) -> None:
    """The same without waiting."""
    threading.Thread(target=revoke, args=(list(tokens),), daemon=True).start()


def retry_soon() -> None:
    """Tries again, without waiting, what could not be revoked before."""
    if left := [one.token for one in _mine()]:
        revoke_soon(left)


def is_held(token: Token) -> bool:
    """Whether a token may still be valid."""
    with _lock:
        return token in _held


def untold() -> tuple[UnrevokedToken, ...]:
    """The tokens that could not be revoked and that the person does not know of; from now on they count as told."""
    found = tuple(one for one in _mine() if one.why and one.tells and not one.told)
    for one in found:
        one.told = True
    return found


def _mine() -> list[UnrevokedToken]:
    with _lock:
        return [one for one in _held.values() if one.process == os.getpid()]


def _try_often(one: UnrevokedToken, deadline: float) -> None:
    for pause in PAUSES:
        time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
        if (left := deadline - time.monotonic()) <= 0 or not is_held(one.token) or not _try(one, min(EACH, left)):
            return


def _try(one: UnrevokedToken, seconds: float) -> bool:
    """Tries to revoke a token; returns whether another attempt may succeed."""
    session = Session()
    try:
        responses = _ask(session, one, seconds)
    finally:
        session.close()
    if any(is_revoked(response) or (response.status == USELESS and not one.permanent) for response in responses):
        release(one.token)
        return False
    one.why = responses[0].sentence
    return any(response.failure or response.status >= 500 or response.status == 429 for response in responses)


def _ask(session: Session, one: UnrevokedToken, seconds: float) -> list[Response]:
    if one.permanent:
        return [revoke_itself(session, one.server, one.token, seconds)]
    responses: list[Response] = []
    for address in sign_out_urls(one.server):
        responses.append(revoke_temporary(session, address, one.token, seconds))
        if is_revoked(responses[-1]):
            break
    return responses


@atexit.register
def _at_exit() -> None:
    """Tries once more what is left. No thread is started: Python ends."""
    deadline = time.monotonic() + AT_EXIT
    for one in _mine():
        if (left := deadline - time.monotonic()) > 0 and not one.only:
            with suppress(Exception):
                _try(one, min(1.0, left))
