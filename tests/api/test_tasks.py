"""Asking at the same time, within one bound: what comes back, when, and that nothing is left to wait for."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from cave_magic.api.tasks import AT_ONCE, TaskPool, result_of

LONG = 20.0
"""Seconds that no test takes: an answer that hangs is not waited for."""


@pytest.fixture
def release():
    """An event that questions wait for; set at the end, so that no thread stays."""
    event = threading.Event()
    yield event
    event.set()


def test_answers_come_back():
    """Each question gets its own answer, and an error of one is its own affair."""
    pool = TaskPool(LONG)
    good, bad = pool.ask("a", lambda: 1), pool.ask("a", lambda: 1 / 0)
    pool.wait()
    assert (result_of(good, 0), result_of(bad, 0)) == (1, 0)


def test_what_hangs_is_not_waited_for(release):
    """At the bound `wait` comes back with what there is."""
    pool = TaskPool(0.3)
    hangs, responses = pool.ask("a", release.wait), pool.ask("b", lambda: "here")
    start = time.monotonic()
    pool.wait()
    assert time.monotonic() - start < LONG / 2
    assert (result_of(hangs, None), result_of(responses, "")) == (None, "here")


def test_at_most_six_at_once_for_a_host(release):
    """More than six questions to a host queue; another host is not held up by them."""
    pool, begun = TaskPool(LONG), []
    for number in range(20):
        pool.ask("a", lambda number=number: (begun.append(number), release.wait()))
    assert pool.ask("b", lambda: "free").result(LONG) == "free"
    while len(begun) < AT_ONCE:
        time.sleep(0.01)
    time.sleep(0.1)
    pool.close()
    assert sorted(begun) == list(range(AT_ONCE))


def test_nothing_begins_after_the_bound(release):
    """A question that was still in the queue when the bound passed is never asked."""
    pool, begun = TaskPool(0.2), []
    for number in range(AT_ONCE + 3):
        pool.ask("a", lambda number=number: (release.wait(), begun.append(number)))
    pool.wait()
    release.set()
    later = TaskPool(LONG)
    later.ask("a", lambda: time.sleep(0.2))
    later.wait()
    assert len(begun) == AT_ONCE


def test_an_answer_leads_on():
    """What an answer leads to is waited for as well, however long the chain."""
    pool, found = TaskPool(LONG), []

    def go_on(number: int) -> None:
        found.append(number)
        if number < 5:
            pool.then(pool.ask("a", lambda: number + 1), go_on)

    pool.then(pool.ask("a", lambda: 1), go_on)
    pool.wait()
    assert found == [1, 2, 3, 4, 5]


def test_going_on_that_breaks_stops_nothing(capsys, caplog):
    """An error while going on is neither printed nor keeps `wait` from ending."""
    pool = TaskPool(LONG)
    pool.then(pool.ask("a", lambda: 1), lambda _: 1 / 0)
    pool.wait()
    assert capsys.readouterr().err + caplog.text == ""
    assert pool.left > LONG / 2


def test_many_questions_need_few_threads(release):
    """A hundred questions to a host take no more than six threads."""
    before, pool = threading.active_count(), TaskPool(0.3)
    for _ in range(100):
        pool.ask("a", release.wait)
    pool.wait()
    assert threading.active_count() - before <= AT_ONCE


def test_the_watcher_hears_whom_it_waits_for(release):
    """After a second the watcher is told the hosts and the seconds, and never before."""
    heard = []
    pool = TaskPool(1.4)
    pool.ask("slow", release.wait)
    pool.ask("", release.wait)
    pool.ask("quick", lambda: None)
    pool.wait(lambda whom, seconds: heard.append((whom, seconds)))
    assert heard
    assert {tuple(whom) for whom, _ in heard} == {("slow",)}
    assert all(seconds >= 1 for _, seconds in heard)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_an_interrupt_ends_the_waiting_at_once(release):
    """Ctrl-C while waiting ends it, long before the bound, and nothing more is asked."""
    pool, begun = TaskPool(120), []
    for number in range(AT_ONCE + 1):
        pool.ask("a", lambda number=number: (begun.append(number), release.wait()))
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pool.wait()
    assert time.monotonic() - start < LONG
    release.set()
    time.sleep(0.1)
    assert len(begun) == AT_ONCE


def test_one_question_may_take_half_of_the_time():
    """One question gets half of the bound, and never more than is left."""
    assert TaskPool(10).each == 5.0
    pool = TaskPool(0.2)
    time.sleep(0.15)
    assert pool.each <= 0.1
