"""Asking many questions at the same time, all within one bound, whatever the answerers do."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import wait as wait_for
from typing import Any, TypeVar

from ..errors import BadInput

T = TypeVar("T")
OnWait = Callable[[list[str], float], None]
"""Told, while the waiting lasts, for whom it is and for how many seconds so far."""
_Job = tuple["Future[Any]", Callable[[], Any]]

LONGEST = 3600
"""No bound, in seconds, is as long as this."""

QUIET = 1.0
"""Seconds of waiting of which nobody is told."""

AT_ONCE = 6
"""Questions to one host under way at the same time: few connections, each used again."""


class TaskPool:
    """Questions under way on threads that nobody has to wait for, at most six for each host.

    A thread that hangs (name resolution, a server that drips) is left behind: it is a daemon, holds no lock and ends
    with the interpreter at the latest. `wait` always comes back in time, and so does an interrupt; from then on
    nothing more is asked.

    Args:
        seconds: the bound on everything asked here, from now.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._start = time.monotonic()
        self._open: list[tuple[Future[Any], str]] = []
        self._jobs: dict[str, deque[_Job]] = {}
        self._threads: dict[str, int] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()

    @property
    def left(self) -> float:
        """Seconds until the bound; 0 when it has passed."""
        return max(0.0, self._start + self.seconds - time.monotonic())

    @property
    def each(self) -> float:
        """Seconds that one question may take: half of the bound, so that one answer can lead to another question."""
        return max(0.05, min(self.seconds / 2, self.left))

    def ask(self, whom: str, question: Callable[[], T]) -> Future[T]:
        """Starts asking. `whom` is a host: at most six questions to it are under way at once, the others queue."""
        future: Future[T] = Future()
        with self._lock:
            self._open.append((future, whom))
            self._jobs.setdefault(whom, deque()).append((future, question))
            needs_thread = self._threads.get(whom, 0) < AT_ONCE
            self._threads[whom] = self._threads.get(whom, 0) + needs_thread
        if needs_thread:
            threading.Thread(target=self._work, args=(whom,), daemon=True).start()
        return future

    def _work(self, whom: str) -> None:
        """Asks what is queued for a host, one after the other, until nothing is."""
        while (job := self._next(whom)) is not None:
            future, question = job
            try:
                future.set_result(question())
            except BaseException as error:
                future.set_exception(error)

    def _next(self, whom: str) -> _Job | None:
        with self._lock:
            if self._jobs[whom] and not self._closed.is_set():
                return self._jobs[whom].popleft()
            self._threads[whom] -= 1
            return None

    def then(self, first: Future[T], go_on: Callable[[T], object]) -> None:
        """Asks on when an answer is there; what `go_on` starts belongs to this inquiry too."""
        follow: Future[None] = Future()
        with self._lock:
            self._open.append((follow, ""))

        def step(done: Future[T]) -> None:
            try:
                if done.exception() is None and not self._closed.is_set():
                    go_on(done.result())
            except Exception as error:
                follow.set_exception(error)
            else:
                follow.set_result(None)

        first.add_done_callback(step)

    def wait(self, on_wait: OnWait | None = None) -> None:
        """Waits until all is answered or the bound has passed, and tells the watcher four times a second."""
        try:
            while (pending := self._pending()) and self.left > 0:
                wait_for(pending, timeout=min(0.25, self.left))
                waited = time.monotonic() - self._start
                if on_wait is not None and waited >= QUIET and (whom := self._waiting_for()):
                    on_wait(whom, waited)
        finally:
            self.close()

    def close(self) -> None:
        """Asks nothing more."""
        self._closed.set()

    def _pending(self) -> list[Future[Any]]:
        with self._lock:
            return [future for future, _ in self._open if not future.done()]

    def _waiting_for(self) -> list[str]:
        with self._lock:
            names = [whom for future, whom in self._open if not future.done()]
        return sorted(set(filter(None, names)))


def check_timeout(seconds: object, name: str) -> float:
    """A bound that a person gave, under a name, if it is one.

    Raises:
        BadInput: it is no number of seconds that anybody waits.
    """
    if isinstance(seconds, int | float) and 0 < seconds < LONGEST:
        return float(seconds)
    raise BadInput(f"{name} takes seconds, more than 0 and less than {LONGEST}.")


def result_of(future: Future[T] | None, otherwise: T) -> T:
    """The answer if it has come; `otherwise` if it has not, or the asking itself failed."""
    if future is None or not future.done() or future.cancelled():
        return otherwise
    try:
        return future.result()
    except (Exception, CancelledError):
        return otherwise
