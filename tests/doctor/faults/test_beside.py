"""Malformed addresses in the datastack map, and odd account data."""

from __future__ import annotations

import pytest

from ...support.shell import settings
from .world import ID, World, bad, says


@pytest.mark.parametrize("around", [" {} ", "{}\n", "\t{}", '"{}"', "<{}>", "{}#"])
def test_what_is_around_a_saved_address_is_named_and_fixed(world: World, around):
    """caveclient would use the malformed address; `--fix` removes the spaces and quotes."""
    world.write(world.map_file, {"minnie65_public": around.format(world.cave.server)})
    settings(world.shell).server = ""
    report = world.check()
    assert bad(report) == [("map", "failed")]
    assert world.fix().ok
    world.run("from caveclient import CAVEclient")
    assert world.run('CAVEclient("minnie65_public").info.local_server()').error == ""


@pytest.mark.parametrize("body", [{"name": ["A"], "email": {"x": 1}, "id": 7}, {"name": None, "email": 5, "id": "x"}])
def test_a_name_that_is_not_text_is_not_shown(world: World, body):
    """Such an account has no name, and nothing of the value is printed."""
    world.cave.misbehave(ID, says(200, body))
    out = world.run("%cave_check").out + world.run("%cave_whoami").out
    assert "(no name)" in out
    assert "['A']" not in out
    assert "{'x'" not in out
