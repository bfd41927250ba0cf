"""Ada's computer, for all fault tests."""

from __future__ import annotations

import caveclient  # noqa: F401 - the first check of a process would else import it within its time limit
import pytest

import cave_magic.doctor.healthy  # noqa: F401 - it reads the known deployments, which the tests replace
from cave_magic.deployments import Deployment

from ...support.shell import settings
from .world import working


@pytest.fixture
def world(cave, home, run, shell, set_up, monkeypatch):
    """Ada's computer, on which everything works; she answers every prompt with a working token."""
    with working(cave, home, run, shell, monkeypatch, set_up) as world:
        yield world


@pytest.fixture
def mapped(world, monkeypatch):
    """The same, with the practice server as the known server of minnie65_public, and no server in the settings."""
    deployment = Deployment(
        name="practice", server=world.cave.server, local_servers=(world.cave.local_server,), public=("minnie65_public",)
    )
    monkeypatch.setattr("cave_magic.deployments.DEPLOYMENTS", (deployment,))
    settings(world.shell).server = ""
    return world
