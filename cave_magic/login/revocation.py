"""Tokens that must not stay valid: however a sign-in ends, each is revoked, or the person is told that it still works.

The auth server lists permanent tokens only, and issues a new temporary one for each sign-in, whatever cookie the
browser sends (middle_auth 2.30), so a token that is lost here cannot be found again. It is kept from its arrival until
the server confirms that it is revoked. It is kept in memory only, because a file could be stolen. Failed attempts are
repeated at the next sign-in and when Python exits; a process that is terminated during a sign-in revokes its tokens
first. A permanent token that was created but not saved is treated the same way.
"""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial

from ..api.batch import Batch
from ..api.endpoints import identity_url, sign_out_urls
from ..api.http import Session
from ..api.responses import TEMPORARY_TOKEN_DAYS, Response, is_cave, listed_tokens_in
from ..api.tokens import is_revoked, revoke_permanent
from ..api.urls import host_of
from ..token import Token

REVOKING = 6.0
"""How many seconds a person waits at most for tokens to be revoked."""
EACH = 3.0
"""How many seconds one request may take."""
PAUSES = (0.0, 0.5, 1.5)
"""Seconds before each attempt, enough for a server that restarts."""
AT_EXIT = 2.0
"""How many seconds to wait at most when Python exits. Jupyter kills a kernel after five."""
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name))
"""The signals that end a process without `atexit`."""
USELESS = 422
"""The status of middle_auth for a sign-out with a permanent token, which stays valid."""


@dataclass(slots=True, eq=False, kw_only=True)
class UnrevokedToken:
    """A token that this process has to revoke.

    Attributes:
        server: the server that issued it, the only one that it is sent to.
        permanent: whether it is a permanent token that was created but not saved.
        only: whether it is the account's only token, on an old server; it is reported and never revoked.
        is_reported: whether to tell the person that it is still valid; False if a stranger may have sent it, or once
            the person was told.
        why: why the last attempt to revoke it failed; "" before the first attempt.
        expires: when a temporary token expires at the latest.
        process: the process that holds it. A fork leaves it to its parent.
    """

    server: str
    token: Token
    permanent: bool = False
    only: bool = False
    is_reported: bool = True
    why: str = ""
    expires: datetime = field(default_factory=lambda: datetime.now(timezone.utc) + timedelta(days=TEMPORARY_TOKEN_DAYS))
    process: int = field(default_factory=os.getpid)


_held: dict[Token, UnrevokedToken] = {}
_lock = threading.Lock()


def hold(server: str, token: Token, *, permanent: bool = False, only: bool = False, is_reported: bool = True) -> None:
    """Registers a token to be revoked or reported later; see `UnrevokedToken`. A second call changes nothing."""
    new = UnrevokedToken(server=server, token=token, permanent=permanent, only=only, is_reported=is_reported)
    with _lock:
        _held.setdefault(token, new).is_reported |= is_reported


def release(token: Token) -> None:
    """Unregisters a token that is revoked or may stay valid."""
    with _lock:
        _held.pop(token, None)


def revoke(tokens: Iterable[Token] | None = None) -> None:
    """Revokes held tokens, within `REVOKING` seconds. An interrupt ends the wait, not the attempts.

    Args:
        tokens: the tokens; by default those without an attempt so far.
    """
    wanted = None if tokens is None else set(tokens)
    chosen = [one for one in _mine() if (not one.why if wanted is None else one.token in wanted)]
    batch = Batch(REVOKING)
    deadline = time.monotonic() + batch.left
    for one in chosen:
        one.why = "it is the only one" if one.only else f"{host_of(one.server)} has not responded yet"
        if not one.only:
            batch.submit(partial(_try_repeatedly, one, deadline), host_of(one.server))
    with suppress(KeyboardInterrupt):
        batch.wait()


def revoke_soon(tokens: Iterable[Token] | None = None) -> None:
    """Revokes held tokens in the background; by default tries all of them again."""
    chosen = [one.token for one in _mine()] if tokens is None else list(tokens)
    if chosen:
        with suppress(RuntimeError):  # no more threads: they are tried again later
            threading.Thread(target=revoke, args=(chosen,), daemon=True).start()


def is_held(token: Token) -> bool:
    """Whether a token may still be valid."""
    with _lock:
        return token in _held


def unreported() -> tuple[UnrevokedToken, ...]:
    """Returns each token that could not be revoked, once, to be reported to the person."""
    found = tuple(one for one in _mine() if one.why and one.is_reported)
    for one in found:
        one.is_reported = False
    return found


def _mine() -> list[UnrevokedToken]:
    with _lock:
        return [one for one in _held.values() if one.process == os.getpid()]


def _try_repeatedly(one: UnrevokedToken, deadline: float) -> None:
    for pause in PAUSES:
        time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
        if (left := deadline - time.monotonic()) <= 0 or not is_held(one.token) or not _try(one, min(EACH, left)):
            return


def _try(one: UnrevokedToken, seconds: float) -> bool:
    """Tries to revoke a token; returns whether another attempt may succeed."""
    responses: list[Response] = []
    with Session() as session:
        attempts = [partial(session.get, url, one.token, seconds=seconds) for url in sign_out_urls(one.server)]
        if one.permanent:
            attempts = [partial(revoke_permanent, session, one.server, one.token, lambda: seconds)]
        for attempt in attempts:
            response = attempt()
            if is_revoked(response) or (response.status == USELESS and not one.permanent):
                release(one.token)
                return False
            responses.append(response)
    one.why = responses[0].sentence
    return any(response.failure or response.status >= 500 or response.status == 429 for response in responses)


def revoke_in_use(server: str, token: Token, seconds: float, by: Token | None = None) -> str:
    """Revokes a token that is in use, of either kind, and asks the server whether it still accepts it.

    Args:
        seconds: the timeout of all requests together.
        by: another token of the account, which authorizes it; so nothing is revoked unless the server accepts that one.
    Returns:
        "" if the token is revoked; else why it may still be valid.
    """
    deadline = time.monotonic() + seconds

    def left() -> float:
        return max(0.05, min(EACH, deadline - time.monotonic()))

    with Session() as session:
        response = revoke_permanent(session, server, token, left, by)
        if listed_tokens_in(response) is not None:  # a temporary one
            for url in sign_out_urls(server):
                response = session.get(url, token, seconds=left())
                if is_revoked(response):
                    break
        now = session.get(identity_url(server), token, seconds=left())
    if now.code == "invalid_token" or (response.body == "success" and not is_cave(now)):
        return ""
    return f"{host_of(server)} still accepts it" if response.is_good else response.sentence


@contextmanager
def before_termination() -> Iterator[threading.Event]:
    """Lets a block finish properly if the process is terminated, and then ends the process all the same.

    By default Python would end at once, without `atexit`: on SIGTERM, or if the terminal is closed (SIGHUP; on Windows
    SIGBREAK). Somebody else's handler is left alone. Only the main thread can have handlers.

    Yields:
        an event, to be set when the block is ending anyway: from then on it is not disturbed.
    """
    came: list[int] = []
    is_ending = threading.Event()

    def end(number: int, frame: object) -> None:
        came.append(number)
        if not is_ending.is_set():
            is_ending.set()
            raise SystemExit(128 + number)

    is_main = threading.current_thread() is threading.main_thread()
    handled = [one for one in ENDING if is_main and signal.getsignal(one) is signal.SIG_DFL]
    try:
        for one in handled:
            signal.signal(one, end)
        yield is_ending
    finally:
        for one in handled:
            signal.signal(one, signal.SIG_DFL)
        for number in came[:1]:
            signal.raise_signal(number)


@atexit.register
def _at_exit() -> None:
    """Tries the held tokens once more, in this thread, because Python is exiting."""
    deadline = time.monotonic() + AT_EXIT
    for one in _mine():
        if (left := deadline - time.monotonic()) > 0 and not one.only:
            with suppress(Exception):
                _try(one, min(AT_EXIT / 2, left))
