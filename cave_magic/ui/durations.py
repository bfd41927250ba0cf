"""Durations and times of day, in words for a person who has to wait; and the dates of servers."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import datetime, timezone


def elapsed(seconds: float) -> str:
    """How long something took: `0.034` -> "34 ms", `1.23` -> "1.2 s"."""
    return f"{max(seconds * 1000, 1):.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def duration(seconds: float) -> str:
    """`20` -> "20 seconds", `300` -> "5 minutes", `86400` -> "24 hours". Rounds up."""
    units = ((1, "second", 90), (60, "minute", 90), (3600, "hour", 48), (86_400, "day", math.inf))
    number, unit = next((math.ceil(seconds / size), unit) for size, unit, most in units if seconds <= size * most)
    return f"{number} {unit}" + ("" if number == 1 else "s")


def moment(start: float, seconds: float) -> str:
    """The local time some seconds after a start (Unix time): "at 15:35"; on another day "on 3 May at 15:35".

    It is rounded up to the minute, so that it is never too early. UTC is named, because a kernel on a hub mostly runs
    in UTC and its user does not.
    """
    begin = datetime.fromtimestamp(start).astimezone()
    end = datetime.fromtimestamp(math.ceil((start + seconds) / 60) * 60).astimezone()
    day = "" if end.date() == begin.date() else f"on {end.day} {end:%B} "
    return f"{day}at {end:%H:%M}" + (" UTC" if end.tzname() == "UTC" else "")


def parse_date(text: str) -> datetime | None:
    """A date as HTTP headers and the auth server write it (RFC 5322), in UTC if it names no zone; None without one."""
    with suppress(Exception):
        from email.utils import parsedate_to_datetime  # lazily: a file called email.py may shadow it

        found = parsedate_to_datetime(text)
        return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)
    return None
