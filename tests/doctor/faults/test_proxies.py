"""A wrong address in the map behind a proxy, which answers for a host that it does not find: the map is the cause."""

from __future__ import annotations

import json

import pytest

from cave_magic.api.urls import host_of
from cave_magic.sandbox import Sandbox

from ...support.proxy import Proxy, page
from .world import World, bad

WRONG = "http://no.such.host.invalid"
VERSION = "/info/version"


@pytest.fixture
def world(mapped: World) -> World:
    """Ada's computer, where the map says which server is meant."""
    return mapped


@pytest.fixture(params=[502, 503, 504])
def proxy(world: World, request: pytest.FixtureRequest):
    """A proxy between Ada's computer and all servers; it reaches the practice server."""
    reaches = [host_of(world.cave.server), host_of(world.cave.local_server)]
    with Proxy(reaches, page(request.param)) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            world.patch.setenv(name, proxy.address)
        yield proxy


def _row(report, name: str):
    return next(row for row in report.rows if row.id == name)


@pytest.mark.parametrize("address", [WRONG, WRONG.replace("http:", "https:")])
def test_the_map_is_the_cause_and_not_the_proxy(world: World, proxy: Proxy, address):
    """The proxy answers 502 or refuses the tunnel; since it reaches the known server, the map is fixed."""
    world.write(world.map_file, {"minnie65_public": address})
    report = world.check()
    assert bad(report) == [("map", "failed")]
    assert "which the same proxy reaches" in _row(report, "map").evidence
    assert report.next.commands == ("%cave_check --fix",)
    assert world.mend().ok
    assert json.loads(world.map_file.read_text())["minnie65_public"] == world.cave.server


def test_it_is_the_same_without_a_token(world: World, proxy: Proxy):
    """Who has no token for the wrong host, either, is told of the map first."""
    world.write(world.map_file, {"minnie65_public": WRONG})
    world.default_file.unlink()
    assert bad(world.check()) == [("map", "failed")]


def test_no_token_goes_along_to_compare(world: World, proxy: Proxy):
    """The one request to the known server is one that anybody may make."""
    world.write(world.map_file, {"minnie65_public": WRONG})
    world.cave.clear_requests()
    world.check()
    assert [(one.path, one.authorization, one.cookie) for one in world.cave.requests] == [(VERSION, False, False)]


def test_nobody_else_is_asked_where_all_is_well(world: World, proxy: Proxy):
    """A check that works behind a proxy makes the same seven requests."""
    world.cave.clear_requests()
    assert world.check().ok
    assert len(world.cave.requests) == 7
    assert VERSION not in {one.path for one in world.cave.requests}


def test_a_proxy_that_reaches_nobody_is_the_cause(world: World, proxy: Proxy):
    """Where it answers the same for the known server, neither the map nor a server is to blame."""
    proxy.reaches.clear()
    world.write(world.map_file, {"minnie65_public": WRONG})
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert "the proxy reaches neither" in _row(report, "network").evidence
    assert "HTTP_PROXY" in report.next.text


def test_a_datastack_that_nobody_knows_may_be_on_a_server_that_is_down(world: World, proxy: Proxy):
    """Both are said, with where the address is from, since the right one is not known."""
    world.patch.setattr("cave_magic.doctor.gather_server.DEFAULT_SERVER", world.cave.server)
    world.write(world.map_file, {"mine": WRONG})
    world.argument = "mine"
    report = world.check()
    assert bad(report) == [("network", "failed")]
    said = _row(report, "network").evidence
    assert (
        f"the proxy reaches {host_of(world.cave.server)}, so no.such.host.invalid is down, or is a wrong address"
        in said
    )
    assert said.endswith("(address from cave_datastack_to_server_map.json)")
    assert "name the right one with --server" in report.next.text


def test_a_typed_address_may_be_one_that_the_proxy_does_not_find(world: World, proxy: Proxy):
    """Nobody else is asked then; the server is not said to be down for sure."""
    world.argument = f"minnie65_public --server {WRONG}"
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert "or the proxy that is set here cannot find it" in _row(report, "network").evidence
    assert not world.cave.requests


def test_without_a_proxy_the_server_itself_has_answered(world: World):
    """A server that moved may be in trouble: its own 502 is no reason to forget it."""
    with Sandbox() as moved:
        moved.misbehave("all", "down")
        world.write(world.map_file, {"minnie65_public": moved.server})
        world.cave.clear_requests()
        report = world.check()
    assert bad(report) == [("network", "failed")]
    assert not world.cave.requests


def test_a_host_that_the_proxy_is_not_used_for_has_answered_itself(world: World, proxy: Proxy):
    """NO_PROXY is heeded."""
    with Sandbox() as moved:
        moved.misbehave("all", "down")
        world.patch.setenv("NO_PROXY", "127.0.0.1")
        world.write(world.map_file, {"minnie65_public": moved.server})
        assert bad(world.check()) == [("network", "failed")]
    assert not proxy.asked
