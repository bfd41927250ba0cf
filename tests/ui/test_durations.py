"""Durations and times of day in words."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from cave_magic.ui.durations import duration, elapsed, moment


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.0001, "1 ms"), (0.034, "34 ms"), (0.9996, "1.0 s"), (1.23, "1.2 s"), (12, "12.0 s")]
)
def test_short_times_are_milliseconds(seconds: float, words: str):
    """No response takes 0.0 s."""
    assert elapsed(seconds) == words


@pytest.fixture(params=["Europe/Berlin", "America/New_York"])
def zone(request, monkeypatch):
    """A computer in a time zone."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "1 second"), (1, "1 second"), (20, "20 seconds"), (90, "90 seconds"), (91, "2 minutes"),
        (300, "5 minutes"), (3600, "60 minutes"), (5401, "2 hours"), (86_400, "24 hours"), (200_000, "3 days"),
    ],
)  # fmt: skip
def test_a_duration_has_one_unit(seconds, words):
    """One unit, rounded up."""
    assert duration(seconds) == words


def test_a_moment_is_in_local_time_and_rounded_up(zone):
    """It is the local time of the computer, never too early."""
    start = datetime(2026, 11, 21, 15, 30, 1).timestamp()
    assert moment(start, 300) == "at 15:36"
    assert moment(start - 1, 300) == "at 15:35"


def test_another_day_is_named(zone):
    """After midnight the date is included."""
    assert moment(datetime(2026, 11, 30, 23, 58).timestamp(), 300) == "on 1 December at 00:03"


def test_utc_is_named(monkeypatch):
    """A kernel on a hub mostly runs in UTC, unlike its user."""
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone of a process cannot be set here")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert moment(datetime(2026, 11, 21, 15, 30).timestamp(), 300) == "at 15:35 UTC"
    monkeypatch.undo()
    time.tzset()
