"""Answers that are beside the point: gateways that answer for the server, addresses that are none, tokens taken out."""

from __future__ import annotations

import flask
import pytest

from .world import FULL, ID, World, bad, says


@pytest.mark.parametrize(("service", "row"), [("info", "info"), ("auth", "auth"), ("all", "network")])
def test_asking_to_slow_down_is_called_that(world: World, service, row):
    """A 429 is no trouble of the token, whether a page or JSON came with it."""
    world.cave.misbehave(service, says(429, {"message": "429 Too Many Requests: 5 per 1 minute"}))
    report = world.check()
    assert bad(report) == [(row, "failed")]
    assert "asks to slow down (429)" in next(one.evidence for one in report.rows if one.id == row)


@pytest.mark.parametrize("code", ["no_token", "bad_auth_header"])
def test_a_token_that_does_not_arrive_is_not_a_bad_one(world: World, code):
    """Where something on the way takes the header out, that is said, and no new token is asked for."""
    world.cave.misbehave(ID, says(401, {"error": code, "message": "x"}))
    report = world.check()
    assert bad(report) == [("account", "failed")]
    assert "did not arrive" in world.run("%cave_check").out
    assert "%cave_setup" not in report.next.text


@pytest.mark.parametrize(
    "address", ["http://", "http://[::1", "http://127.0.0.1:99999", "https://mi nnie.example", "minnie", 5]
)
def test_an_address_of_the_data_that_is_none_is_not_all_well(world: World, address):
    """Where the info service names no address that can be asked, CAVEclient fails, and the check is not green."""
    world.cave.misbehave(FULL, says(200, {"local_server": address, "aligned_volume": {"name": "x"}}))
    assert bad(world.check()) == [("access", "unknown")]


@pytest.mark.parametrize("around", [" {} ", "{}\n", "\t{}"])
def test_a_blank_around_a_remembered_address_is_named_and_fixed(world: World, around):
    """caveclient would ask at an address that is none; `--fix` takes the blanks away."""
    world.write(world.map_file, {"minnie65_public": around.format(world.cave.server)})
    world.run('%config CaveMagics.server = ""')
    report = world.check()
    assert bad(report) == [("map", "failed")]
    assert world.mend().ok
    world.run("from caveclient import CAVEclient")
    assert world.run('CAVEclient("minnie65_public").info.local_server()').error == ""


def test_a_server_that_sends_on_to_https_is_named_with_its_address(world: World):
    """A redirect to the same host over https is no log-in page of a network: the line has the right address."""
    world.cave.misbehave("all", lambda request: flask.redirect(request.url.replace("http://", "https://"), 301))
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert report.next.commands == (f"%cave_check --server {world.cave.server.replace('http://', 'https://')}",)


@pytest.mark.parametrize("body", [{"name": ["A"], "email": {"x": 1}, "id": 7}, {"name": None, "email": 5, "id": "x"}])
def test_a_name_that_is_no_text_is_not_shown(world: World, body):
    """An account whose name is no text has none, and nothing of its form is printed."""
    world.cave.misbehave(ID, says(200, body))
    out = world.run("%cave_check").out + world.run("%cave_whoami").out
    assert "(no name)" in out
    assert "['A']" not in out
    assert "{'x'" not in out
