"""What is a service of CAVE and what stands in its place: by its answer, body and all, so that green is green."""

from __future__ import annotations

import flask
import pytest

from cave_magic.api.endpoints import SERVICES

from .world import FULL, World, bad, says

NGINX = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1><hr>nginx/1.22</body></html>"
FLASK = (
    "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found "
    "on the server. If you entered the URL manually please check your spelling and try again.</p>\n"
)
NOBODY = {"nginx": NGINX, "a load balancer": "default backend - 404", "nothing": "", "Apache": (
    "<!DOCTYPE HTML><title>404 Not Found</title><h1>Not Found</h1><p>The requested URL was not found on this server.</p>"
)}  # fmt: skip
OLD = {"JSON": {"message": "404 Not Found: there is no such route"}, "Flask": FLASK}


def _row(report, name: str):
    return next((row for row in report.rows if row.id == name), None)


@pytest.mark.parametrize("body", [*NOBODY.values(), OLD["JSON"]], ids=[*NOBODY, "a gateway"])
def test_a_data_server_without_any_service_is_not_all_well(world: World, body):
    """404 on each is one failed row, whatever stands in it; the client would fail."""
    world.cave.misbehave("local", says(404, body))
    report = world.check()
    assert bad(report) == [("data-server", "failed")]
    assert "none of the data services (404 on each)" in _row(report, "data-server").evidence
    assert "tell the administrators of" in report.next.text


@pytest.mark.parametrize("service", ["materialize", "chunkedgraph"])
@pytest.mark.parametrize("body", NOBODY.values(), ids=NOBODY)
def test_a_service_that_is_not_there_is_named(world: World, service, body):
    """Where a web server has no such service, that one is at fault and the others are not."""
    world.cave.misbehave(service, says(404, body))
    report = world.check()
    assert bad(report) == [(service, "failed")]
    assert f"has no {service} service (404)" in _row(report, service).evidence


@pytest.mark.parametrize("service", ["l2cache", "skeleton"])
def test_a_service_that_not_everybody_has_is_a_warning(world: World, service):
    """Deployments without these two are in good health, and what does not work there is said."""
    world.cave.misbehave(service, "missing")
    report = world.check()
    assert report.ok
    row = _row(report, service)
    assert row.status == "warning"
    assert f"client.{service} does not work for this datastack" in row.evidence


def test_a_flat_segmentation_needs_no_chunkedgraph(world: World):
    """Where nobody edits the segmentation there is no service to edit it."""
    body = world.cave._catalogue.datastacks["minnie65_public"].full(world.cave.local_server)
    world.cave.misbehave(FULL, says(200, {**body, "segmentation_source": "precomputed://gs://x/seg"}))
    world.cave.misbehave("chunkedgraph", "missing")
    report = world.check()
    assert report.ok
    assert _row(report, "chunkedgraph").status == "warning"


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("body", OLD.values(), ids=OLD)
def test_an_old_service_without_that_route_is_up(world: World, service, body):
    """caveclient takes this for "version unknown" and goes on, and so does the check."""
    world.cave.misbehave(service, says(404, body))
    report = world.check()
    assert report.ok
    assert "does not say its version" in _row(report, service).evidence


def test_a_materialize_of_unknown_version_is_too_old_for_the_queries_of_caveclient_8(world: World):
    """caveclient 8 refuses to query a service that does not say its version."""
    world.cave.misbehave("/materialize/version", says(404, FLASK))
    row = _row(world.check(), "client-version")
    assert row.status == "warning"
    assert "is too old to say its version" in row.evidence
    world.run("from caveclient import CAVEclient")
    ran = world.run("CAVEclient('minnie65_public').materialize.query_table('nuclei')")
    assert ran.error == "ServerIncompatibilityError"


@pytest.mark.parametrize("service", ["materialize", "chunkedgraph", "skeleton"])
@pytest.mark.parametrize("body", [{"maintenance": True}, ["5.20.0"], 5, "soon", None])
def test_a_version_that_is_none_is_not_all_well(world: World, service, body):
    """caveclient fails on it, before anything is asked that matters."""
    world.cave.misbehave(service, lambda request: flask.jsonify(body))
    assert bad(world.check()) == [(service, "unknown")]


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_that_refuses_is_no_service(world: World, status):
    """A firewall or a web server that lets nobody in is not a service that asks for a token."""
    world.cave.misbehave("materialize", says(status, f"<html><h1>{status}</h1>nginx</html>"))
    assert [name for name, _ in bad(world.check())] == ["materialize"]


@pytest.mark.parametrize("location", ["http://portal.example/login", "/welcome"])
def test_a_redirect_is_no_service(world: World, location):
    """What sends one elsewhere is not the service; caveclient ends in "You have not setup a token"."""
    world.cave.misbehave("chunkedgraph", f"redirect:{location}")
    report = world.check()
    assert bad(report) == [("chunkedgraph", "failed")]
    assert "address" not in report.next.text


@pytest.mark.parametrize(
    "response",
    [
        lambda request: flask.redirect("https://global.example/sticky_auth/api/v1/authorize?redirect=x"),
        lambda request: flask.Response("Unauthorized", 401, content_type="text/html"),
    ],
    ids=["log-in page", "text"],
)
def test_a_service_that_asks_for_a_token_in_another_way_is_up(world: World, response):
    """Older ones send a browser to the log-in, or refuse in plain text."""
    world.cave.misbehave("l2cache", response)
    assert world.check().ok
    assert "l2cache" not in {row.id for row in world.check().rows if row.status == "warning"}


def test_a_data_server_that_sends_on_to_https_is_not_the_persons_to_mend(world: World):
    """Its address comes from the info service, and no line with another `--server` would change it."""
    world.cave.misbehave("local", lambda request: flask.redirect(request.url.replace("http://", "https://"), 301))
    report = world.check()
    assert bad(report) == [("data-server", "failed")]
    assert "--server" not in report.next.text
    assert "tell the administrators of" in report.next.text


def test_the_line_is_about_the_datastack_whose_service_it_is(world: World):
    """Of two datastacks the one in trouble is checked again."""
    world.argument = "minnie65_public flywire_fafb_public"
    world.cave.misbehave("/info/api/v2/datastack/full/flywire_fafb_public", "down")
    report = world.check()
    assert bad(report) == [("info:flywire_fafb_public", "failed")]
    assert report.next.commands == ("%cave_check flywire_fafb_public",)
