"""Many requests at the same time, all within one timeout."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from ..token import Token
from .http import Session
from .responses import Response
from .tasks import OnWait, TaskPool
from .urls import host_of

T = TypeVar("T")

AFTERWARDS = 0.3
"""Seconds of a bound that are kept for what follows the waiting: judging, drawing."""


class Batch:
    """The questions of one run: all within one bound, and each address asked once for a token.

    Use it as a context manager: at its end nothing more is sent.

    Args:
        seconds: the bound on everything, from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._pool = TaskPool(seconds - min(AFTERWARDS, seconds / 10))
        self._session = Session()
        self._asked: dict[tuple[str, Token | None], PendingResponse] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.close()
        self._session.close()

    def ask(self, address: str, token: Token | None = None) -> PendingResponse:
        """Starts asking, unless that very question was put before."""
        with self._lock:
            known = self._asked.get((address, token))
            if known is None:
                known = self._asked[address, token] = PendingResponse(
                    address=address, session=self._session, future=self._start(address, token)
                )
            return known

    def _start(self, address: str, token: Token | None) -> Future[Response]:
        return self._pool.ask(host_of(address), lambda: self._session.get(address, token, seconds=self._pool.each))

    def then(self, question: PendingResponse, go_on: Callable[[Response], object]) -> None:
        """Asks on when an answer is there; whatever is asked then belongs to this round too."""
        self._pool.then(question.future, go_on)

    def work(self, job: Callable[[], T]) -> Future[T]:
        """Does something else on this computer meanwhile, and waits for it as for an answer."""
        return self._pool.ask("", job)

    def wait(self, on_wait: OnWait | None = None) -> None:
        """Waits until all is answered or the bound has passed."""
        self._pool.wait(on_wait)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingResponse:
    """A question that was put.

    Attributes:
        address: what was asked.
        session: on which it was.
        future: its answer, some time.
    """

    address: str
    session: Session
    future: Future[Response]

    @property
    def response(self) -> Response:
        """Its answer, or why there is none yet."""
        return self.future.result() if self.future.done() else self.session.late(self.address)
