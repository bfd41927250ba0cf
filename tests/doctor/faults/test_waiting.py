"""A server that asks clients to wait (`Retry-After`): for how long, and until when."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import flask
import pytest

from cave_magic.api.http import MAX_RETRY_AFTER, Session
from cave_magic.api.responses import Response

from ...support.odd_server import OddServer, says
from .world import World

TIME = r"at \d\d:\d\d( UTC)?"


def _evidence(report, row: str) -> str:
    return next(one.evidence for one in report.rows if one.id == row)


def test_a_date_is_understood(world: World):
    """The header may be a date."""
    later = format_datetime(datetime.now(timezone.utc) + timedelta(minutes=30), usegmt=True)
    world.cave.misbehave("all", lambda request: flask.Response("", status=503, headers={"Retry-After": later}))
    report = world.check()
    assert "30 minutes" in _evidence(report, "network")
    assert re.search(f"^try again {TIME}: ", report.next.text)


ODD = ["-5", "0", "soon", "1e9", "9" * 40, "\u0663", "120, 120", "Sat, 21 Nov 1999 16:40:00 GMT", "Sat, 99 Nov 2036 99:40:00 GMT",
       str(MAX_RETRY_AFTER + 1), "Sat, 21 Nov 2036 16:40:00 -9999999"]  # fmt: skip


@pytest.mark.parametrize("value", ODD)
def test_invalid_values_are_ignored(value):
    """Hostile and malformed values count as none."""
    with Session() as session, OddServer(says(f"Retry-After: {value}\r\nContent-Length: 0")) as odd:
        assert session.get(f"http://{odd.host}/").wait is None


def test_the_clock_of_the_server_counts_for_its_date():
    """The wait does not depend on the clock of this computer."""
    head = "Date: Fri, 21 Nov 2036 16:00:00 GMT\r\nRetry-After: Fri, 21 Nov 2036 16:40:00 GMT\r\nContent-Length: 0"
    with Session() as session, OddServer(says(head)) as odd:
        response = session.get(f"http://{odd.host}/")
    assert response.wait == 2400
    assert abs(response.at - time.time()) < 60


def test_the_time_of_a_response_is_not_compared():
    """Two responses with the same content are equal."""
    assert Response(url="http://x", status=200, at=1.0) == Response(url="http://x", status=200, at=2.0)
