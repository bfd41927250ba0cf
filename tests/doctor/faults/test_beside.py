"""Answers that are beside the point: gateways that answer for the server, addresses that are none, tokens taken out."""

from __future__ import annotations

import pytest

from .world import ID, World, bad, says


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


@pytest.mark.parametrize("body", [{"name": ["A"], "email": {"x": 1}, "id": 7}, {"name": None, "email": 5, "id": "x"}])
def test_a_name_that_is_no_text_is_not_shown(world: World, body):
    """An account whose name is no text has none, and nothing of its form is printed."""
    world.cave.misbehave(ID, says(200, body))
    out = world.run("%cave_check").out + world.run("%cave_whoami").out
    assert "(no name)" in out
    assert "['A']" not in out
    assert "{'x'" not in out
