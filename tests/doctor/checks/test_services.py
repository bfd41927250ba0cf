"""The checks of a data server and its services, on facts alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cave_magic.api.endpoints import SERVICES
from cave_magic.api.failures import Failure
from cave_magic.api.responses import FLASK_404, PAGE, TEXT, Response
from cave_magic.doctor import healthy
from cave_magic.doctor.checks.services import FITS, SERVICE_CHECKS
from cave_magic.doctor.checks.services import LOCAL as DATA_SERVER
from cave_magic.doctor.evidence import DatastackFacts, Machine, ServerFacts
from cave_magic.doctor.experiments.model import Change, Experiment, Tried

from .facts import CHECK, LOCAL, Case, case, each, response

BY_NAME = {check.id: check for check in SERVICE_CHECKS}
MATERIALIZE, CHUNKEDGRAPH, L2CACHE, SKELETON = (BY_NAME[name] for name in SERVICES)
AUTHORIZE = "https://global.daf-apis.com/sticky_auth/api/v1/authorize"


def _responds(status: int = 200, body: object = None, url: str = healthy.LOCAL_SERVER, **facts: Any) -> Response:
    return response(status, body, url + "/x", **facts)


GONE, DOWN = _responds(404, form=PAGE, opening="nginx"), _responds(503)
REFUSED = Response(url=healthy.LOCAL_SERVER, failure=Failure.REFUSED)
FLASK = _responds(404, form=PAGE, opening=FLASK_404)
HTTPS = _responds(301, url="http://minnie.microns-daf.com", location="https://minnie.microns-daf.com/x")


def _every(one: Response) -> DatastackFacts:
    return DatastackFacts(services=dict.fromkeys(SERVICES, one))


def _changed(one: Response, change: Change, source: str = "") -> DatastackFacts:
    """A change with which the first service works."""
    made = Experiment(change=change, source=source, response=healthy.SERVICES["materialize"])
    return replace(_every(one), tried=Tried(url=one.url, experiments=(made,), proxy="HTTPS_PROXY"))


def _but(name: str, one: Response, **facts: Any) -> DatastackFacts:
    return DatastackFacts(services={**healthy.SERVICES, name: one}, **facts)


def _with_client(version: str, one: Response) -> DatastackFacts:
    return _but("materialize", one, server=ServerFacts(machine=Machine(versions={"caveclient": version})))


FLAT = healthy.json_response(healthy.INFO.url, {**healthy.INFO.body, "segmentation_source": "precomputed://gs://x"})
ODD = healthy.json_response(healthy.INFO.url, {**healthy.INFO.body, "segmentation_source": None})


def _not_up() -> Iterator[Case]:
    """Responses that are not from the service itself."""
    for name, one in {
        "maintenance": {"maintenance": True}, "a list": ["5.20.0"], "a number": 5, "a word": "soon", "null": None,
    }.items():  # fmt: skip
        for check in (MATERIALIZE, CHUNKEDGRAPH, SKELETON):
            yield case(
                f"{check.id} says {name}",
                check,
                _but(check.id, _responds(200, one, is_json=True)),
                "unknown",
                LOCAL,
                CHECK,
            )
    yield case("l2cache says a word", L2CACHE, _but("l2cache", _responds(200, "soon")), "unknown", LOCAL, CHECK)


CASES = [
    case("the data server works", DATA_SERVER, DatastackFacts(), "ok", f"{LOCAL} responded in 100 ms"),
    case("the data server is not known", DATA_SERVER, DatastackFacts(services={}), "nothing"),
    case("none of the services is there", DATA_SERVER, _every(GONE), "failed", "404 for each", CHECK, advises=f"tell the administrators of {LOCAL}"),
    case("none of the services is at an unknown address", DATA_SERVER, _every(replace(GONE, url="https://data.example.org")), "failed", "404 for each", CHECK, advises="wrong address"),
    case("nothing listens", DATA_SERVER, _every(REFUSED), "failed", LOCAL, CHECK, advises="try another network"),
    case("nothing listens at an unknown address", DATA_SERVER, _every(replace(REFUSED, url="https://data.example.org")), "failed", "data.example.org", CHECK, advises="wrong address"),
    case("the data server is down", DATA_SERVER, _every(DOWN), "failed", ("data server", "503"), CHECK, advises="wait"),
    case("the data server redirects to https", DATA_SERVER, _changed(HTTPS, Change.SCHEME, "https"), "failed", "with https:// it responds", CHECK, advises="wrong address"),
    case("a proxy in front of the data server only", DATA_SERVER, _changed(REFUSED, Change.NO_PROXY), "failed", "without the proxy it responds", f"%env NO_PROXY={LOCAL}", CHECK),
    case("the data server needs https", DATA_SERVER, _changed(_responds(400, form=TEXT), Change.SCHEME, "https"), "failed", "with https:// it responds", CHECK),
    case("a second request to the data server works", DATA_SERVER, _changed(DOWN, Change.AGAIN), "failed", ("503", "a moment later"), CHECK),
    case("the data server redirects elsewhere", DATA_SERVER, _every(_responds(302, location="https://portal.example/")), "failed", "portal.example", CHECK, advises="portal"),
    case("the services fail in different ways", DATA_SERVER, DatastackFacts(services={"materialize": DOWN, "l2cache": REFUSED}), "nothing"),
    case("one service is up", DATA_SERVER, DatastackFacts(services={"materialize": DOWN, "l2cache": healthy.SERVICES["l2cache"]}), "ok"),
    case("materialize was not asked", MATERIALIZE, DatastackFacts(services={}), "nothing"),
    case("materialize works", MATERIALIZE, DatastackFacts(), "ok", "version 5.20.0"),
    case("chunkedgraph works", CHUNKEDGRAPH, DatastackFacts(), "ok", "version 3.0.0"),
    case("l2cache has no version", L2CACHE, DatastackFacts(), "ok", "responded in 100 ms"),
    case("an old materialize", MATERIALIZE, _but("materialize", FLASK), "ok", "does not report its version"),
    case("an old skeleton responds in JSON", SKELETON, _but("skeleton", _responds(404, {"message": "no such route"})), "ok", "does not report"),
    case("no materialize", MATERIALIZE, _but("materialize", GONE), "failed", "no materialize service (404)", CHECK, advises="your token is not the cause"),
    case("no chunkedgraph", CHUNKEDGRAPH, _but("chunkedgraph", GONE), "failed", "no chunkedgraph service", CHECK),
    case("no chunkedgraph, no information", CHUNKEDGRAPH, _but("chunkedgraph", GONE, info=response(503)), "failed", "no chunkedgraph", CHECK),
    case("no chunkedgraph, odd information", CHUNKEDGRAPH, _but("chunkedgraph", GONE, info=ODD), "failed", "no chunkedgraph", CHECK),
    case("a flat segmentation needs none", CHUNKEDGRAPH, _but("chunkedgraph", GONE, info=FLAT), "warning", "client.chunkedgraph does not work"),
    case("no l2cache", L2CACHE, _but("l2cache", GONE), "warning", "client.l2cache does not work for this datastack"),
    case("no skeleton", SKELETON, _but("skeleton", GONE), "warning", "client.skeleton"),
    case("materialize asks to wait", MATERIALIZE, _but("materialize", _responds(429, wait=3600.0)), "failed", ("to wait 60 minutes", "CAVEclient silently waits"), CHECK, advises="try again at 01:00 UTC"),
    case("materialize is down", MATERIALIZE, _but("materialize", DOWN), "failed", ("materialize", "503"), CHECK, advises="wait"),
    case("chunkedgraph does not respond", CHUNKEDGRAPH, _but("chunkedgraph", Response(url=healthy.LOCAL_SERVER, failure=Failure.NO_RESPONSE, seconds=5)), "failed", "within 5.0 s", f"{CHECK} --timeout 60"),
    case("a service that asks for a token", L2CACHE, _but("l2cache", _responds(401, {"error": "no_token"})), "ok"),
    case("a service that forbids", L2CACHE, _but("l2cache", _responds(403, {"error": "missing_permission"})), "ok"),
    case("an older one asks in plain text", L2CACHE, _but("l2cache", _responds(401, form=TEXT, opening="Unauthorized")), "ok"),
    case("a web server forbids", L2CACHE, _but("l2cache", _responds(403, form=TEXT, opening="Forbidden")), "unknown", "403", CHECK),
    case("a firewall's page", MATERIALIZE, _but("materialize", _responds(401, form=PAGE, opening="nginx")), "unknown", "401", CHECK),
    case("a web server's page forbids", MATERIALIZE, _but("materialize", _responds(403, form=PAGE, opening="nginx")), "unknown", "403", CHECK),
    case("a redirect to the sign-in", L2CACHE, _but("l2cache", _responds(302, location=AUTHORIZE)), "ok"),
    case("a redirect to a portal", CHUNKEDGRAPH, _but("chunkedgraph", _responds(302, location="https://portal.example/")), "failed", "portal.example", CHECK),
    *_not_up(),
    case("the versions fit", FITS, DatastackFacts(), "nothing"),
    case("materialize was not asked for its version", FITS, DatastackFacts(services={}), "nothing"),
    case("caveclient 7 queries any materialize", FITS, _with_client("7.5.0", _responds(200, "5.12.9")), "nothing"),
    case("no caveclient", FITS, DatastackFacts(server=ServerFacts(machine=Machine(versions={}))), "nothing"),
    case("materialize is too old", FITS, _with_client("8.2.1", _responds(200, "5.12.9")), "warning", ("version 5.12.9", "caveclient 8.2.1 needs 5.13"), '%pip install -U "caveclient<8"'),
    case("materialize is just new enough", FITS, _with_client("8.2.1", _responds(200, "5.13")), "nothing"),
    case("materialize is too old to report its version", FITS, _with_client("8.2.1", FLASK), "warning", "too old to report its version", '%pip install -U "caveclient<8"'),
    case("materialize asks for a token first", FITS, _with_client("8.2.1", _responds(401, {"error": "no_token"})), "nothing"),
    case("materialize is not there", FITS, _with_client("8.2.1", GONE), "nothing"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("opening", "is_its_own"),
    [
        ("404 Not Found nginx/1.22", False),
        ("default backend - 404", False),
        ("", False),
        ("404 Not Found Not Found The requested URL was not found on this server.", False),
        (f"404 Not Found Not Found {FLASK_404} entered the URL manually", True),
    ],
)
def test_a_web_servers_404_is_not_a_services(opening: str, is_its_own: bool):
    """A service that lacks a route returns JSON or Flask's page; the page of a web server differs."""
    assert response(404, form=PAGE, opening=opening).is_of_a_service is is_its_own


@each(CASES)
def test_the_services(case: Case):
    """Each check of the data server gives the expected finding."""
    case.run()
