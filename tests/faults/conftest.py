"""Ada's computer, for every test about faults."""

from __future__ import annotations

import pytest

from .world import working


@pytest.fixture
def world(cave, home, run, shell, set_up, monkeypatch):
    """Ada's computer, on which everything works; she answers every prompt with a token that works."""
    with working(cave, home, run, shell, monkeypatch, set_up) as world:
        yield world
