"""Services that are missing or too old, told by the real bodies of their responses."""

from __future__ import annotations

from .world import World, bad, says

APACHE = "<!DOCTYPE HTML><title>404 Not Found</title><h1>Not Found</h1><p>The requested URL was not found on this server.</p>"
FLASK = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found "
    "on the server. If you entered the URL manually please check your spelling and try again.</p>\n"
)


def _row(report, name: str):
    return next((row for row in report.rows if row.id == name), None)


def test_a_service_that_is_not_there_is_named(world: World):
    """Where a web server has no such service, that one is at fault and the others are not."""
    world.cave.misbehave("materialize", says(404, APACHE))
    report = world.check()
    assert bad(report) == [("materialize", "failed")]
    assert "has no materialize service (404)" in _row(report, "materialize").evidence


def test_a_materialize_of_unknown_version_is_too_old_for_the_queries_of_caveclient_8(world: World):
    """caveclient 8 refuses to query a service that does not say its version."""
    world.cave.misbehave("/materialize/version", says(404, FLASK))
    row = _row(world.check(), "client-version")
    assert row.status == "warning"
    assert "is too old to say its version" in row.evidence
    world.run("from caveclient import CAVEclient")
    ran = world.run("CAVEclient('minnie65_public').materialize.query_table('nuclei')")
    assert ran.error == "ServerIncompatibilityError"


def test_the_line_is_about_the_datastack_whose_service_it_is(world: World):
    """Of two datastacks the one in trouble is checked again."""
    world.argument = "minnie65_public flywire_fafb_public"
    world.cave.misbehave("/info/api/v2/datastack/full/flywire_fafb_public", "down")
    report = world.check()
    assert bad(report) == [("info:flywire_fafb_public", "failed")]
    assert report.next.commands == ("%cave_check flywire_fafb_public",)
