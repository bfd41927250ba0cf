"""Requests and local work that run at the same time, all within one timeout."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ..errors import BadInput
from ..token import Token
from .failures import is_interrupt
from .http import CONNECTIONS_PER_HOST, Session, Way, import_connections
from .responses import Response
from .urls import host_of

T = TypeVar("T")
OnWait = Callable[[list[str], float], None]
"""A progress callback: the hosts that have not responded yet, and the seconds since the start."""

MAX_TIMEOUT = 3600
"""Seconds. A timeout must be shorter."""

PROGRESS_AFTER = 1.0
"""Seconds before the progress callback is called for the first time."""

SENDING = 0.05
"""Seconds after which local work begins even if no request was sent: looking up a name may take long."""

RESERVE = 0.3
"""Seconds of the timeout that are reserved for judging and showing the responses."""


class Batch:
    """Runs requests in threads: six at a time for each host, and one for each URL and token.

    `wait` returns within the timeout, whatever the servers do. Nothing is sent after the end of the `with` block.
    The threads are daemons, not a `ThreadPoolExecutor`, whose threads Python joins when it exits: one that hangs in
    name resolution would keep Python from exiting.

    Args:
        seconds: the timeout of the whole batch, from now.
        connections: once this many are open, each further host gets only one.
    """

    def __init__(self, seconds: float, connections: int = 100) -> None:
        self.seconds, self._most_connections = seconds, connections
        self._start = time.monotonic()
        self._session = Session()
        self._pending: dict[tuple[str, Token | None], PendingResponse] = {}
        self._queues: dict[str, deque[Callable[[], None]]] = defaultdict(deque)
        self._threads: Counter[str] = Counter()
        self._connections: Counter[str] = Counter()  # host -> the most threads that it had
        self._lanes = itertools.count()
        self._late: list[tuple[PendingResponse, Callable[[Response], object]]] = []
        self._unfinished: dict[Future[Any], str] = {}  # task -> its host
        self._closed = threading.Event()
        self._lock = threading.RLock()
        self._one_finished = threading.Condition(self._lock)

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *error: object) -> None:
        self._closed.set()
        self._session.close()

    @property
    def left(self) -> float:
        """Seconds until the timeout; 0 after it."""
        return max(0.0, self._start + self.seconds - min(RESERVE, self.seconds / 10) - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether no task begins any more."""
        return self._closed.is_set()

    @property
    def request_timeout(self) -> float:
        """Seconds that one request may take: half of the timeout, which leaves time for a follow-up request."""
        return max(0.05, min(self.seconds / 2, self.left))

    def get(self, url: str, token: Token | None = None) -> PendingResponse:
        """Starts a GET request. A second call with the same URL and token returns the first request."""
        with self._lock:
            if (url, token) not in self._pending:
                future = self.submit(
                    lambda: self._session.get(url, token, seconds=self.request_timeout), host=host_of(url)
                )
                unfinished = partial(self._session.unfinished, url, token)
                self._pending[url, token] = PendingResponse(future=future, unfinished=unfinished)
            return self._pending[url, token]

    def try_way(self, url: str, way: Way, masked: Token | None) -> Future[Response]:
        """Starts a GET request without a token in another way, which waits for no other request to the same host."""

        def send() -> Response:
            return self._session.request("GET", url, None, self.request_timeout, way=way, masked=masked)

        return self.submit(send, host=host_of(url), lane=f"{host_of(url)} {next(self._lanes)}")

    def submit(self, function: Callable[[], T], host: str = "", lane: str = "") -> Future[T]:
        """Runs a function in a thread.

        Args:
            function: what to run. An error in it is kept in the future and stops nothing else.
            host: the server that it contacts; "" for local work.
            lane: the queue in which it waits for a thread; "" for the one of the host.
        """
        lane = lane or host
        future: Future[T] = Future()

        def task() -> None:
            try:
                future.set_result(function())  # runs the follow-ups, so that their tasks begin before this one ends
            except BaseException as error:
                if not future.done():
                    future.set_exception(error)
                if is_interrupt(error):
                    raise
            finally:
                with self._lock:
                    del self._unfinished[future]
                    self._one_finished.notify()

        with self._lock:
            self._unfinished[future] = host
            self._queues[lane].append(task)
            needs_thread = self._has_room(lane, is_of_a_host=lane == host != "")
            self._threads[lane] += needs_thread
        if needs_thread:
            try:
                threading.Thread(target=self._work, args=(lane,), daemon=True).start()
            except RuntimeError:  # no more threads: this one does the work, and only a name look-up ignores the timeout
                self._work(lane)
        return future

    def submit_later(self, function: Callable[[], T]) -> Future[T]:
        """Runs a function in a thread once the first request was sent: what keeps Python busy would delay that."""

        def run() -> T:
            with suppress(BaseException):  # a request says what is wrong with requests
                import_connections()
            self._session.sent.wait(SENDING)
            return function()

        return self.submit(run)

    def _has_room(self, lane: str, is_of_a_host: bool) -> bool:
        """Whether a queue may have one more thread; a thread of a host needs a connection."""
        threads, opened = self._threads[lane], self._connections
        if not is_of_a_host or threads < opened[lane]:
            return threads < CONNECTIONS_PER_HOST
        if threads and (threads >= CONNECTIONS_PER_HOST or sum(opened.values()) >= self._most_connections):
            return False
        opened[lane] += 1
        return True

    def then(self, pending: PendingResponse, follow_up: Callable[[Response], object]) -> None:
        """Calls a function with the response once it is there; `wait` also waits for the requests that it starts."""
        self.after(pending.future, lambda: follow_up(pending.response))

    def after(self, future: Future[Any], function: Callable[[], T]) -> Future[T]:
        """Runs a function in the thread of another once that has finished, or at once; not if the batch is over."""
        following: Future[T] = Future()

        def run(_: Future[Any]) -> None:
            if not self._closed.is_set():
                try:
                    following.set_result(function())
                except BaseException as error:
                    following.set_exception(error)
                    if is_interrupt(error):
                        raise

        future.add_done_callback(run)
        return following

    def then_or_late(self, pending: PendingResponse, follow_up: Callable[[Response], object]) -> None:
        """As `then`, but also calls the function if the request outlasts its own timeout, as name resolution can.

        So it may be called twice: a follow-up makes sure that it does its work once.
        """
        self.then(pending, follow_up)
        with self._lock:
            self._late.append((pending, follow_up))

    def wait(self, on_wait: OnWait | None = None, apart_from: Collection[Future[Any]] = ()) -> None:
        """Waits until every task has finished, the timeout, or an interrupt. After that no task begins.

        Args:
            on_wait: called four times a second, after the first second.
            apart_from: tasks that it does not wait for; if there are any, other tasks may still begin.
        """

        def is_over() -> bool:
            return self._unfinished.keys() <= set(apart_from)

        try:
            while self.left > 0:
                with self._lock:
                    if self._one_finished.wait_for(is_over, min(0.25, self.left)):
                        break
                    hosts = sorted(set(self._unfinished.values()) - {""})
                waited = time.monotonic() - self._start
                if waited > self.seconds / 2:
                    self._start_late()
                if on_wait is not None and hosts and waited >= PROGRESS_AFTER:
                    on_wait(hosts, waited)
        finally:
            if not apart_from:
                self._closed.set()

    def _start_late(self) -> None:
        """Calls the follow-ups of the requests that should have ended, in case their names are still looked up."""
        with self._lock:
            late, self._late = self._late, []
        for pending, follow_up in late:
            if not pending.future.done():
                with suppress(Exception):
                    follow_up(pending.response)

    def _work(self, lane: str) -> None:
        """Runs the tasks of a queue one after the other until it is empty."""
        while True:
            with self._lock:
                if self._closed.is_set() or not self._queues[lane]:
                    self._threads[lane] -= 1
                    return
                task = self._queues[lane].popleft()
            task()


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingResponse:
    """The future of the response to a request in progress; until it is done, `unfinished` says why there is none."""

    future: Future[Response]
    unfinished: Callable[[], Response]

    @property
    def response(self) -> Response:
        """The response, or one that says why there is none yet."""
        return self.future.result() if self.future.done() else self.unfinished()


def validate_timeout(seconds: object, name: str) -> float:
    """Returns a timeout as a float. `name` is the option or setting that it comes from.

    Raises:
        BadInput: it is not a number between 0 and `MAX_TIMEOUT`.
    """
    if isinstance(seconds, int | float) and 0 < seconds < MAX_TIMEOUT:
        return float(seconds)
    raise BadInput(f"{name} takes seconds, more than 0 and less than {MAX_TIMEOUT}.")


def result_or(future: Future[T] | None, default: T) -> T:
    """The result of a future, or a default if it has not finished or has failed."""
    if future is None or not future.done() or future.exception() is not None:
        return default
    return future.result()
