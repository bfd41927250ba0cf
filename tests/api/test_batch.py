"""Batches: what comes back, when, and that nothing is left to wait for."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future

import pytest
from urllib3.connection import HTTPConnection

from cave_magic.api.batch import Batch, PendingResponse, result_or
from cave_magic.api.failures import Failure
from cave_magic.api.http import CONNECTIONS_PER_HOST
from cave_magic.api.responses import Response
from cave_magic.token import Token

from ..support.desk import interrupt_when
from ..support.odd_server import OddServer, says
from ..support.waiting import LONG, until

TOKEN, OTHER = Token("a" * 31 + "0"), Token("b" * 31 + "1")


@pytest.fixture
def release():
    """An event that tasks wait for; set at the end, so that no thread stays."""
    event = threading.Event()
    yield event
    event.set()


def test_results_come_back():
    """Each task has its own result, and an error in one does not affect the others."""
    batch = Batch(LONG)
    good, bad = batch.submit(lambda: 1, "a"), batch.submit(lambda: 1 / 0, "a")
    batch.wait()
    assert (result_or(good, 0), result_or(bad, 0), result_or(None, 0)) == (1, 0, 0)


def test_local_work_begins_once_a_request_was_sent(cave, monkeypatch):
    """It keeps Python busy, and would delay the request."""
    done, send = [], HTTPConnection.request
    monkeypatch.setattr("cave_magic.api.batch.SENDING", LONG)
    monkeypatch.setattr(
        HTTPConnection, "request", lambda *args, **options: (send(*args, **options), done.append("sent"))
    )
    with Batch(LONG) as batch:
        batch.get(f"{cave.server}/info/version")
        batch.submit_later(lambda: done.append("worked")).result(LONG)
    assert done == ["sent", "worked"]


def test_local_work_begins_soon_without_a_request():
    """A slow name lookup does not keep it waiting."""
    with Batch(LONG) as batch:
        assert batch.submit_later(lambda: 1).result(LONG) == 1


def test_a_task_that_hangs_is_not_waited_for(release):
    """At the timeout `wait` returns, and the results so far are there."""
    batch = Batch(0.3)
    hangs, responds = batch.submit(release.wait, "a"), batch.submit(lambda: "here", "b")
    assert responds.result(LONG)
    start = time.monotonic()
    batch.wait()
    assert time.monotonic() - start < LONG / 2
    assert (result_or(hangs, None), result_or(responds, "")) == (None, "here")


def test_at_most_six_tasks_run_for_a_host(release):
    """More than six tasks for a host queue; another host's tasks do not wait for them."""
    batch, begun = Batch(LONG), []
    for number in range(20):
        batch.submit(lambda number=number: (begun.append(number), release.wait()), "a")
    assert batch.submit(lambda: "free", "b").result(LONG) == "free"
    until(lambda: len(begun) >= CONNECTIONS_PER_HOST)
    time.sleep(0.1)
    with batch:
        pass
    assert sorted(begun) == list(range(CONNECTIONS_PER_HOST))


def test_nothing_begins_after_the_timeout(release):
    """A task that is still in the queue at the timeout never runs."""
    batch, begun = Batch(0.2), []
    for number in range(CONNECTIONS_PER_HOST + 3):
        batch.submit(lambda number=number: (begun.append(number), release.wait()), "a")
    until(lambda: len(begun) == CONNECTIONS_PER_HOST)
    batch.wait()
    release.set()
    until(lambda: batch._threads["a"] == 0)
    assert len(begun) == CONNECTIONS_PER_HOST


def test_wait_includes_follow_ups(cave):
    """`wait` also waits for the requests that responses lead to, however long the chain."""
    found = []
    with Batch(LONG) as batch:

        def follow_up(response) -> None:
            found.append(response.url[-1])
            if len(found) < 5:
                batch.then(batch.get(f"{cave.server}/{len(found)}"), follow_up)

        batch.then(batch.get(f"{cave.server}/0"), follow_up)
        batch.wait()
        assert found == list("01234")


def test_a_follow_up_that_fails_stops_nothing(cave, capsys, caplog):
    """An error in a follow-up is not printed, and `wait` still returns."""
    with Batch(LONG) as batch:
        batch.then(batch.get(f"{cave.server}/info/version"), lambda _: 1 / 0)
        batch.wait()
        assert capsys.readouterr().err + caplog.text == ""
        assert batch.left > LONG / 2


def test_no_follow_up_runs_after_the_wait(release):
    """A response that comes after the wait leads to nothing."""
    begun, followed = threading.Event(), []
    with Batch(0.2) as batch:
        late = PendingResponse(
            future=batch.submit(lambda: begun.set() or release.wait()), unfinished=lambda: Response(url="")
        )
        batch.then(late, followed.append)
        assert begun.wait(LONG)
        batch.wait()
        release.set()
        assert late.future.result(LONG)
    assert followed == []


def test_a_wait_may_leave_out_a_task(release):
    """`wait` returns while a task that it is told to leave out is running, and other tasks may still begin."""
    with Batch(LONG) as batch:
        slow = batch.submit(release.wait)
        batch.wait(apart_from=(slow,))
        assert not slow.done()
        following = batch.after(slow, lambda: "after it")
        later = batch.submit(lambda: "later")
        release.set()
        batch.wait()
        assert (slow.result(), following.result(), later.result()) == (True, "after it", "later")


def test_what_follows_a_task_is_left_out_once_the_batch_is_over(release):
    """A task that ends after the batch leads to nothing."""
    with Batch(LONG) as batch:
        slow = batch.submit(release.wait)
        following = batch.after(slow, lambda: "too late")
    release.set()
    assert slow.result(LONG)
    assert not following.done()


def test_a_host_gets_one_connection_if_there_are_many(release):
    """Once a batch has its connections, each further host gets one, so that it also gets its turn."""
    batch, begun, all_begun = Batch(LONG, connections=3), [], threading.Event()

    def begin(host):
        begun.append(host)
        if len(begun) == 4:
            all_begun.set()
        release.wait()

    for host in "abab":
        batch.submit(lambda host=host: begin(host), host)
        batch.submit(lambda host=host: begin(host), host)
    batch.submit(lambda: begin("c"), "c")
    assert all_begun.wait(LONG)
    with batch:
        pass
    assert sorted(begun) == ["a", "a", "b", "c"]


def test_many_requests_need_few_threads(release):
    """A hundred tasks for a host take no more than six threads."""
    before, batch = threading.active_count(), Batch(0.3)
    for _ in range(100):
        batch.submit(release.wait, "a")
    batch.wait()
    assert threading.active_count() - before <= CONNECTIONS_PER_HOST


def test_progress_names_the_hosts(release):
    """After a second the callback gets the hosts and the seconds, and never before."""
    heard = []
    batch = Batch(LONG)
    batch.submit(release.wait, "slow")
    batch.submit(release.wait)
    batch.submit(lambda: None, "quick")
    until(lambda: list(batch._unfinished.values()) == ["slow", ""])

    def hear(hosts: list[str], seconds: float) -> None:
        heard.append((*hosts, seconds >= 1))
        release.set()

    batch.wait(hear)
    assert set(heard) == {("slow", True)}  # heard again if the task takes long to end


def test_an_interrupt_ends_the_wait_at_once(release):
    """Ctrl-C ends the wait long before the timeout, and no further task begins."""
    batch, begun = Batch(120), []
    for number in range(CONNECTIONS_PER_HOST + 1):
        batch.submit(lambda number=number: (begun.append(number), release.wait()), "a")
    interrupt_when(lambda: len(begun) == CONNECTIONS_PER_HOST, inside=Batch.wait)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        batch.wait()
    assert time.monotonic() - start < LONG
    release.set()
    until(lambda: batch._threads["a"] == 0)
    assert len(begun) == CONNECTIONS_PER_HOST


def test_an_interrupt_of_what_runs_at_once_is_not_lost(monkeypatch):
    """What follows something that has finished runs in the main thread, and so does all work if there are no threads."""

    def is_interrupted() -> None:
        raise KeyboardInterrupt

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    batch, finished = Batch(LONG), Future()
    finished.set_result(None)
    with pytest.raises(KeyboardInterrupt):
        batch.after(finished, is_interrupted)
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        batch.submit(is_interrupted)


def test_one_request_may_take_half_of_the_timeout():
    """One request gets half of the timeout, and never more than is left."""
    assert Batch(10).request_timeout == 5.0
    batch = Batch(0.2)
    time.sleep(0.15)
    assert batch.request_timeout <= 0.1


def test_a_batch_sends_each_request_once(cave):
    """A URL is requested once for each token, however often it is wanted."""
    with Batch(LONG) as batch:
        first, second = (batch.get(f"{cave.server}/info/version") for _ in range(2))
        other = batch.get(f"{cave.server}/info/version", TOKEN)
        batch.wait()
    assert first is second
    assert first is not other
    assert len(cave.requests) == 2


def test_a_request_whose_turn_never_came_says_so(cave):
    """A request that was not sent in time is not reported as one without a response."""
    with Batch(0.01) as batch:
        pass
    assert batch.get(f"{cave.server}/info/version").response.failure is Failure.NOT_CONTACTED


def test_unfinished_requests_for_one_url_are_told_apart(cave):
    """Of two requests to one URL with different tokens each is reported as what it is."""
    cave.misbehave("info", "silent")
    with Batch(LONG) as batch:
        sent = batch.get(f"{cave.server}/info/version", TOKEN)
        until(lambda: cave.requests)
    unsent = batch.get(f"{cave.server}/info/version", OTHER)
    assert (sent.response.failure, unsent.response.failure) == (Failure.NO_RESPONSE, Failure.NOT_CONTACTED)


def test_a_name_that_resolves_too_late_gets_no_request(monkeypatch):
    """If the name server responds after the timeout, neither request nor token is sent."""
    asked, found, find = threading.Event(), threading.Event(), socket.getaddrinfo

    def look_up(*args, **options):
        asked.set()
        found.wait(LONG)
        return find(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with OddServer(says("Content-Type: application/json", b"1")) as odd:
        with Batch(LONG) as batch:
            pending = batch.get(f"http://{odd.host}/", TOKEN)
            assert asked.wait(LONG)
            batch.seconds = 0.0  # that was the timeout
            batch.wait()
            response = pending.response
        found.set()
        pending.future.result(LONG)
        assert odd.got == b""
    assert response.failure is Failure.CONNECT_TIMEOUT
    assert "looked up" in response.detail
