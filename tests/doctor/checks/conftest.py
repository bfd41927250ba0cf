"""The same home and time zone for every unit test of a check; neither is looked at."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home that is not there, in place of a temporary one: no check needs it."""
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
