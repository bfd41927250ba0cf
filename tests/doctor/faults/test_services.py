"""Services that are missing or too old, recognised by real responses."""

from __future__ import annotations

import requests

from .world import FULL, World, bad, says

APACHE = "<!DOCTYPE HTML><title>404 Not Found</title><h1>Not Found</h1><p>The requested URL was not found on this server.</p>"
FLASK = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found "
    "on the server. If you entered the URL manually please check your spelling and try again.</p>\n"
)


def _row(report, name: str):
    return next((row for row in report.rows if row.id == name), None)


def test_a_missing_service_is_named(world: World):
    """If a web server lacks one service, only that one fails."""
    world.cave.misbehave("materialize", says(404, APACHE))
    report = world.check()
    assert bad(report) == [("materialize", "failed")]
    assert "has no materialize service (404)" in _row(report, "materialize").evidence


def test_a_materialize_without_a_version_is_too_old(world: World):
    """caveclient 8 refuses to query a service that does not report its version."""
    world.cave.misbehave("/materialize/version", says(404, FLASK))
    row = _row(world.check(), "client-version")
    assert row.status == "warning"
    assert "is too old to report its version" in row.evidence
    world.run("from caveclient import CAVEclient")
    ran = world.run("CAVEclient('minnie65_public').materialize.query_table('nuclei')")
    assert ran.error == "ServerIncompatibilityError"


def test_a_server_without_services_is_not_called_old(world: World):
    """If the info service names a server with none of the services, that is the only cause."""
    info = requests.get(world.cave.server + FULL, headers={"Authorization": f"Bearer {world.token}"}, timeout=60).json()
    world.cave.misbehave(FULL, says(200, info | {"local_server": world.cave.server}))
    report = world.check()
    assert bad(report) == [("data-server", "failed")]
    assert _row(report, "client-version") is None or _row(report, "client-version").status == "skipped"


def test_the_line_names_the_datastack_of_the_service(world: World):
    """Of two datastacks, the failing one is checked again."""
    world.argument = "minnie65_public flywire_fafb_public"
    world.cave.misbehave("/info/api/v2/datastack/full/flywire_fafb_public", "down")
    report = world.check()
    assert bad(report) == [("info:flywire_fafb_public", "failed")]
    assert report.next.commands == ("%cave_check flywire_fafb_public",)
