"""A wrong address in the map behind a proxy that responds in place of a missing host: the map is the cause."""

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
    """Ada's computer, on which the map decides the server."""
    return mapped


@pytest.fixture
def status() -> int:
    """What the proxy returns for a host that it does not reach."""
    return 502


@pytest.fixture
def proxy(world: World, status: int):
    """A proxy that reaches only the practice server."""
    reaches = [host_of(world.cave.server), host_of(world.cave.local_server)]
    with Proxy(reaches, page(status)) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            world.patch.setenv(name, proxy.address)
        yield proxy


def _row(report, name: str):
    return next(row for row in report.rows if row.id == name)


@pytest.mark.in_turn(address=(WRONG, WRONG.replace("http:", "https:")), status=(502, 503, 504))
def test_the_map_is_the_cause_and_not_the_proxy(world: World, proxy: Proxy, address):
    """The proxy returns an error or refuses the tunnel; since it reaches the known server, the map is wrong."""
    world.write(world.map_file, {"minnie65_public": address})
    report = world.check()
    assert bad(report) == [("map", "failed")]
    assert "which the same proxy reaches" in _row(report, "map").evidence
    assert report.next.commands == ("%cave_check --fix",)
    assert world.fix().ok
    assert json.loads(world.map_file.read_text())["minnie65_public"] == world.cave.server


def test_the_map_is_the_cause_without_a_token(world: World, proxy: Proxy):
    """Without a token, too, the map is named first."""
    world.write(world.map_file, {"minnie65_public": WRONG})
    world.default_file.unlink()
    assert bad(world.check()) == [("map", "failed")]


def test_the_comparison_sends_no_token(world: World, proxy: Proxy):
    """The only request to the known server is anonymous."""
    world.write(world.map_file, {"minnie65_public": WRONG})
    world.cave.clear_requests()
    world.check()
    assert [(one.path, one.authorization, one.cookie) for one in world.cave.requests] == [(VERSION, False, False)]


def test_a_healthy_check_compares_nothing(world: World, proxy: Proxy):
    """Behind a working proxy a check sends the usual seven requests."""
    world.cave.clear_requests()
    assert world.check().ok
    assert len(world.cave.requests) == 7
    assert VERSION not in {one.path for one in world.cave.requests}


def test_a_proxy_that_reaches_no_server_is_the_cause(world: World, proxy: Proxy):
    """If it returns the same for the known server, neither the map nor a server is the cause."""
    proxy.reaches.clear()
    world.write(world.map_file, {"minnie65_public": WRONG})
    report = world.check()
    assert bad(report) == [("network", "failed")]
    evidence = _row(report, "network").evidence
    assert f"the proxy does not reach {host_of(world.cave.server)}" in evidence
    assert "without the proxy, no.such.host.invalid does not respond either" in evidence
    assert "correct HTTP_PROXY" in report.next.text


def test_an_unknown_datastack_may_be_on_a_server_that_is_down(world: World, proxy: Proxy):
    """Both causes are named, and where the address is from."""
    world.patch.setattr("cave_magic.doctor.experiments.plan.KNOWN_SERVERS", (world.cave.server,))
    world.write(world.map_file, {"mine": WRONG})
    world.argument = "mine"
    report = world.check()
    assert bad(report) == [("network", "failed")]
    evidence = _row(report, "network").evidence
    assert (
        f"the proxy reaches {host_of(world.cave.server)}, so either it blocks no.such.host.invalid, or that server is "
        "down, or its address is wrong" in evidence
    )
    assert evidence.endswith("(address from cave_datastack_to_server_map.json)")
    assert "name the right one with --server" in report.next.text


def test_a_typed_address_may_be_unknown_to_the_proxy(world: World, proxy: Proxy):
    """The proxy reaches another known server, so the proxy works; that server gets no token."""
    world.patch.setattr("cave_magic.doctor.experiments.plan.KNOWN_SERVERS", (world.cave.server,))
    world.argument = f"minnie65_public --server {WRONG}"
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert f"the proxy reaches {host_of(world.cave.server)}" in _row(report, "network").evidence
    assert [(one.path, one.authorization, one.cookie) for one in world.cave.requests] == [(VERSION, False, False)]


def test_without_a_proxy_the_response_is_the_servers(world: World):
    """A 502 of a moved server does not make its address wrong."""
    with Sandbox() as moved:
        moved.misbehave("all", "down")
        world.write(world.map_file, {"minnie65_public": moved.server})
        report = world.check()
    assert bad(report) == [("network", "failed")]
    assert "is down or broken (502)" in _row(report, "network").evidence


def test_no_proxy_is_respected(world: World, proxy: Proxy):
    """For a host in NO_PROXY the response is the server's own."""
    with Sandbox() as moved:
        moved.misbehave("all", "down")
        world.patch.setenv("NO_PROXY", "127.0.0.1")
        world.write(world.map_file, {"minnie65_public": moved.server})
        report = world.check()
        assert bad(report) == [("network", "failed")]
        assert "is down or broken" in _row(report, "network").evidence
