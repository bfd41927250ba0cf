"""Many requests at the same time, all within one timeout."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from ..token import Token
from .http import Line
from .responses import Answer
from .tasks import Inquiry, Watcher
from .urls import host_of

T = TypeVar("T")

AFTERWARDS = 0.3
"""Seconds of a bound that are kept for what follows the waiting: judging, drawing."""


class Round:
    """The questions of one run: all within one bound, and each address asked once for a token.

    Use it as a context manager: at its end nothing more is sent.

    Args:
        seconds: the bound on everything, from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._inquiry = Inquiry(seconds - min(AFTERWARDS, seconds / 10))
        self._line = Line()
        self._asked: dict[tuple[str, Token | None], Question] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Round:
        return self

    def __exit__(self, *error: object) -> None:
        self._inquiry.close()
        self._line.close()

    def ask(self, address: str, token: Token | None = None) -> Question:
        """Starts asking, unless that very question was put before."""
        with self._lock:
            known = self._asked.get((address, token))
            if known is None:
                known = self._asked[address, token] = Question(address, self._line, self._start(address, token))
            return known

    def _start(self, address: str, token: Token | None) -> Future[Answer]:
        return self._inquiry.ask(host_of(address), lambda: self._line.get(address, token, seconds=self._inquiry.each))

    def then(self, question: Question, go_on: Callable[[Answer], object]) -> None:
        """Asks on when an answer is there; whatever is asked then belongs to this round too."""
        self._inquiry.then(question.future, go_on)

    def work(self, job: Callable[[], T]) -> Future[T]:
        """Does something else on this computer meanwhile, and waits for it as for an answer."""
        return self._inquiry.ask("", job)

    def wait(self, watcher: Watcher | None = None) -> None:
        """Waits until all is answered or the bound has passed."""
        self._inquiry.wait(watcher)


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was put.

    Attributes:
        address: what was asked.
        line: on which it was.
        future: its answer, some time.
    """

    address: str
    line: Line
    future: Future[Answer]

    @property
    def answer(self) -> Answer:
        """Its answer, or why there is none yet."""
        return self.future.result() if self.future.done() else self.line.late(self.address)
