"""The checks of the network and the auth service, on facts alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cave_magic import deployments
from cave_magic.api import endpoints
from cave_magic.api.failures import Failure
from cave_magic.api.responses import PAGE, TEXT, Response
from cave_magic.api.urls import host_of
from cave_magic.credentials.target import Target
from cave_magic.deployments import DEFAULT_SERVER, KNOWN_SERVERS
from cave_magic.doctor import healthy
from cave_magic.doctor.checks.network import AUTH, NETWORK, failure_finding, tell_administrators
from cave_magic.doctor.evidence import Machine, ServerFacts
from cave_magic.environment.proxies import ProxySettings
from cave_magic.token import Token

from .facts import (
    CHECK,
    HOST,
    LOCAL,
    MINE,
    REJECTED,
    Case,
    advice_of,
    case,
    commands_of,
    each,
    error,
    finding,
    nothing_but_facts,
    page,
    response,
    said,
    stored,
    token_file,
)

MINE_HOST = host_of(MINE.server)
AT_MINE = f"{CHECK} --server {MINE.server}"
REMEMBERED = Target(datastack="mine", server=MINE.server, named_by="map", by_name=(MINE.server,))
LATER = f"{CHECK} --timeout 60"
NO_PROXY = f"%env NO_PROXY={HOST},{LOCAL},prod.flywire-daf.com,cave.fanc-fly.com"
ODD = stored(token_file(token=Token("an odd token")))
VERSION = healthy.json_response(endpoints.info_version_url(DEFAULT_SERVER), "4.3.0")


def _none(failure: Failure, **facts: Any) -> Response:
    """No response, for this reason."""
    return Response(url=endpoints.identity_url(DEFAULT_SERVER), failure=failure, at=0.0, **facts)


def _at(target: Target, one: Response) -> Response:
    return replace(one, url=endpoints.identity_url(target.server))


def _server(first: Response | None, **facts: Any) -> ServerFacts:
    """A server with only its first response."""
    first = _at(facts["target"], first) if "target" in facts and first is not None else first
    return ServerFacts(**{"identity": first, "account": None, "info": None} | facts)


def _set(**settings: Any) -> Machine:
    return Machine(proxy_settings=ProxySettings(**settings))


FAILURES = {
    Failure.NAME_NOT_FOUND: ("failed", (CHECK,), "online"),
    Failure.REFUSED: ("failed", (CHECK,), "check the address"),
    Failure.UNREACHABLE: ("failed", (CHECK,), "VPN"),
    Failure.RESET: ("failed", (CHECK,), f"allow {HOST}"),
    Failure.INCOMPLETE: ("failed", (CHECK,), "wait"),
    Failure.TLS: ("failed", (CHECK,), "REQUESTS_CA_BUNDLE"),
    Failure.CERTIFICATE: ("failed", (CHECK,), "clock"),
    Failure.CONNECT_TIMEOUT: ("failed", (LATER,), f"allow {HOST}"),
    Failure.NO_RESPONSE: ("failed", (LATER,), "if it is just slow"),
    Failure.TOO_SLOW: ("failed", (LATER,), "overloaded"),
    Failure.NOT_CONTACTED: ("unknown", (LATER,), "more time"),
    Failure.INVALID_URL: ("unknown", (f"{CHECK} --report",), "can help"),
    Failure.UNSENDABLE: ("unknown", (f"{CHECK} --report",), "can help"),
    Failure.UNKNOWN: ("unknown", (f"{CHECK} --report",), "can help"),
    Failure.NOT_TLS: ("failed", (f"{CHECK} --server http://{HOST}",), ""),
    Failure.CA_BUNDLE: ("failed", ("%pip install --force-reinstall certifi", CHECK), "restart the kernel"),
    Failure.PROXY: ("failed", (NO_PROXY, CHECK), "correct the proxy in this computer's settings"),
    Failure.SOCKS: ("failed", ('%pip install "requests[socks]"', CHECK), "unset the proxy"),
}
"""Failure -> the status, the commands and a word of the advice."""

CASES = [
    case("the server works", NETWORK, ServerFacts(), "ok", f"{HOST} responded in 0.1 s"),
    case("a rejected token needs a server that works", NETWORK, _server(REJECTED), "ok"),
    case("no request was sent", NETWORK, _server(None), "unknown", f"{HOST} was not contacted", CHECK),
    *(case(f"no response: {failure.name}", NETWORK, _server(_none(failure)), status, failure.value if failure is not Failure.NOT_TLS else "does not speak https", *commands, advises=words) for failure, (status, commands, words) in FAILURES.items()),
    case("the auth service alone does not respond", NETWORK, _server(_none(Failure.NO_RESPONSE), info=healthy.INFO), "ok"),
    case("a timeout of a minute is not extended", NETWORK, _server(_none(Failure.NO_RESPONSE, seconds=14.7), timeout=60), "failed", "within 15 s", CHECK),
    case("not contacted within a minute", NETWORK, _server(_none(Failure.NOT_CONTACTED), timeout=60), "unknown", Failure.NOT_CONTACTED.value, f"{CHECK} --report"),
    case("a file of certificates that does not know the server", NETWORK, _server(_none(Failure.TLS), machine=_set(bundle="CURL_CA_BUNDLE")), "failed", "TLS", 'import os; os.environ.pop("CURL_CA_BUNDLE", None)', CHECK, advises="correct the file that CURL_CA_BUNDLE names"),
    case("a file of certificates that is not there", NETWORK, _server(_none(Failure.CA_BUNDLE, detail="it is not there"), machine=_set(bundle="REQUESTS_CA_BUNDLE")), "failed", "(it is not there)", 'import os; os.environ.pop("REQUESTS_CA_BUNDLE", None)', CHECK),
    case("a proxy that a variable names", NETWORK, _server(_none(Failure.PROXY), machine=_set(proxies={"https": "HTTPS_PROXY"})), "failed", "proxy", NO_PROXY, CHECK, advises="correct HTTPS_PROXY"),
    case("a proxy with exceptions", NETWORK, _server(_none(Failure.PROXY), machine=_set(proxies={"all": "all_proxy"}, no_proxy="no_proxy", has_exceptions=True)), "failed", "proxy", f'import os; os.environ["no_proxy"] += ",{NO_PROXY.partition("=")[2]}"', CHECK, advises="correct all_proxy"),
    case("a proxy that requires a password", NETWORK, _server(page(407)), "failed", "407", NO_PROXY, CHECK),
    case("a network that requires a sign-in", NETWORK, _server(page(511)), "failed", "511", CHECK, advises="portal"),
    case("a redirect to a portal", NETWORK, _server(response(302, location="https://portal.example/login")), "failed", "portal.example", CHECK, advises=("portal", "correct the address")),
    case("a redirect to https", NETWORK, _server(response(301, url="http://cave.example.org/auth", location="https://cave.example.org/auth"), target=replace(MINE, server="http://cave.example.org")), "failed", "https://", AT_MINE),
    case("plain http at an https port", NETWORK, _server(page(400, "The plain HTTP request was sent to HTTPS port"), target=MINE), "failed", "speaks https", AT_MINE),
    case("the server is down", NETWORK, _server(response(502)), "failed", ("the server", "(502)"), CHECK, advises="your token is not the reason"),
    case("a redirect from http to a portal", NETWORK, _server(response(302, location="https://portal.example/login"), target=replace(MINE, server="http://cave.example.org")), "failed", "portal.example", f"{CHECK} --server http://cave.example.org"),
    case("the server is down, or the proxy does not find it", NETWORK, _server(response(502), target=MINE, uses_proxy=True), "failed", "or the configured proxy", AT_MINE),
    case("a known server is down behind a proxy", NETWORK, _server(response(502), uses_proxy=True), "failed", "down or broken (502)", CHECK),
    case("the server is broken behind a proxy", NETWORK, _server(response(500), target=MINE, uses_proxy=True), "failed", "down or broken (500)", AT_MINE),
    case("asked to wait for an hour", NETWORK, _server(response(503, wait=3600.0)), "failed", "to wait 60 minutes", CHECK, advises="try again at 01:00 UTC"),
    case("asked to wait for 20 seconds", NETWORK, _server(response(429, wait=20.0)), "failed", ("slow down (429)", "20 seconds"), CHECK, advises="wait 20 seconds"),
    case("asked to slow down", NETWORK, _server(response(429, {"message": "429 Too Many Requests: 5 per 1 minute"})), "failed", "slow down (429)", CHECK, advises=f"a minute or so, then {CHECK}"),
    case("asked to slow down for an hour", NETWORK, _server(response(429, wait=3600.0)), "failed", ("slow down (429)", "to wait 60 minutes"), CHECK, advises="try again at 01:00 UTC"),
    case("a page in place of data", NETWORK, _server(page(words="Log in")), "failed", ("a web page", '"Log in"'), CHECK, advises="portal"),
    case("text in place of data", NETWORK, _server(response(form=TEXT, opening="OK")), "failed", ("text", '"OK"'), CHECK),
    case("a page without words", NETWORK, _server(response(form=PAGE)), "failed", "a web page", CHECK),
    case("an empty response", NETWORK, _server(response()), "failed", "an empty response", CHECK),
    case("binary data in place of data", NETWORK, _server(response(form="binary data")), "unknown", "binary data", CHECK),
    case("no CAVE server", NETWORK, _server(page(404)), "failed", f"{HOST} is not a CAVE server (404)", f"{CHECK} --server {KNOWN_SERVERS[0]}", advises=KNOWN_SERVERS[-1]),
    case("an unexpected status", NETWORK, _server(page(418, "teapot")), "unknown", ("418", "teapot"), CHECK),
    case("a proxy rejects an odd token", NETWORK, _server(response(400), stored=ODD), "ok"),
    case("a proxy rejects a usual token", NETWORK, _server(response(400)), "unknown", "400", CHECK),
    case("a remembered address that does not resolve", NETWORK, _server(_none(Failure.NAME_NOT_FOUND), target=REMEMBERED), "failed", "(address from cave_datastack_to_server_map.json)", f"{CHECK} mine", advises="with --server"),
    case("a remembered address of something else", NETWORK, _server(page(404), target=REMEMBERED), "failed", ("is not a CAVE server", "(address from"), f"{CHECK} mine --server {KNOWN_SERVERS[0]}"),
    case("a remembered server that is down", NETWORK, _server(response(502), target=REMEMBERED), "failed", "(502)", f"{CHECK} mine"),
    case("a remembered server that is known", NETWORK, _server(_none(Failure.NAME_NOT_FOUND), target=replace(healthy.TARGET, named_by="map")), "failed", Failure.NAME_NOT_FOUND.value, CHECK),
    case("a typed address that does not resolve", NETWORK, _server(_none(Failure.NAME_NOT_FOUND), target=MINE), "failed", Failure.NAME_NOT_FOUND.value, AT_MINE),
    case("the proxy reaches another server", NETWORK, _server(response(503), target=REMEMBERED, reference=VERSION), "failed", (f"the proxy reaches {HOST}", "is down or its address is wrong", "(address from"), f"{CHECK} mine", advises="with --server"),
    case("the proxy reaches neither", NETWORK, _server(response(503), target=REMEMBERED, reference=replace(VERSION, status=503, is_json=False)), "failed", f"and so does {HOST}: the proxy reaches neither", f"%env NO_PROXY={MINE_HOST}", f"{CHECK} mine"),
    case("the proxy responds differently for another server", NETWORK, _server(response(503), target=REMEMBERED, reference=replace(VERSION, status=404, is_json=False)), "failed", "(503)", f"{CHECK} mine"),
    case("the auth service works", AUTH, ServerFacts(), "ok", "responded in 0.1 s"),
    case("the auth service works without a token", AUTH, ServerFacts(identity=None, anonymous_identity=error(401, "no_token")), "ok"),
    case("the auth service was not asked", AUTH, ServerFacts(identity=None), "nothing"),
    case("the auth service asks to slow down", AUTH, ServerFacts(identity=response(429, {"message": "x"})), "failed", "slow down (429)", CHECK, advises="a minute"),
    case("the auth service is down", AUTH, ServerFacts(identity=response(503)), "failed", "the auth service", CHECK, advises="wait"),
    case("the auth service is gone", AUTH, ServerFacts(identity=page(404)), "failed", ("auth service", "(404)"), CHECK, advises="your token is not the reason"),
    case("the auth service asks to wait", AUTH, ServerFacts(identity=response(503, wait=3600.0)), "failed", "to wait 60 minutes", CHECK),
]  # fmt: skip


@each(CASES)
def test_the_network(case: Case):
    """Each check of the network gives the expected finding."""
    case.run()


def test_every_failure_has_its_advice():
    """All failures are in the table."""
    assert set(FAILURES) == set(Failure)


def _judged(one: Response, **facts: Any) -> tuple[str, str, tuple[str, ...]]:
    with nothing_but_facts():
        found = failure_finding(one, ServerFacts(**facts), "the data server")
    return said(found), advice_of(found), commands_of(found)


def test_a_missing_proxy_is_not_blamed():
    """Without a proxy, a 502 is from the server."""
    found = finding(NETWORK, _server(response(502), target=MINE))
    assert found is not None
    assert said(found).endswith("(502)")


@pytest.mark.parametrize("failure", [Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.NOT_TLS])
def test_a_wrong_data_server_address_is_for_the_administrators(failure: Failure):
    """The address comes from the info service."""
    _, advice, commands = _judged(Response(url=healthy.LOCAL_SERVER, failure=failure))
    assert "wrong address" in advice
    assert commands == (CHECK,)


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "did not respond"), (1.5, "within 1.5 s"), (14.7, "within 15 s")])
def test_the_time_waited_is_rounded(seconds: float, words: str):
    """Less than a second is not shown, and less than ten seconds with one decimal."""
    assert _judged(_none(Failure.NO_RESPONSE, seconds=seconds))[0].endswith(words)


@pytest.mark.parametrize(("address", "sleeps"), [("/info/api/v2/datastacks", True), ("/auth/api/v1/user/cache", False)])
@pytest.mark.parametrize(("wait", "is_long"), [(3600.0, True), (20.0, False)])
def test_caveclient_sleeps_through_long_waits(address: str, sleeps: bool, wait: float, is_long: bool):
    """Its session sleeps as long as the server asks, except for requests to the auth service."""
    evidence, _, _ = _judged(response(503, url=DEFAULT_SERVER + address, wait=wait))
    assert ("CAVEclient sleeps that long" in evidence) is (sleeps and is_long)


@pytest.mark.parametrize(("contact", "page"), [("cave@x.org", "https://status.x.org"), ("", "")])
def test_the_contact_and_the_status_page_of_a_deployment_are_named(monkeypatch, contact, page):
    """They come from the table of servers; without them nothing is printed in their place."""
    one = replace(deployments.DEPLOYMENTS[0], contact=contact, status_page=page)
    monkeypatch.setattr(deployments, "DEPLOYMENTS", (one,))
    down = failure_finding(response(503, url=DEFAULT_SERVER), _server(response(503)), "the server")
    said = f"; its status: {page}" if page else ""
    assert down.next_step.text == f"your token is not the reason: wait, then {CHECK}{said}"
    assert down.next_step.url == (page or None)
    who = "tell the administrators of minnie.microns-daf.com"
    assert tell_administrators("minnie.microns-daf.com") == (f"{who} ({contact})" if contact else who)
