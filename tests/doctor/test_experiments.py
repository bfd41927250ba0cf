"""Which experiments are made for a failed request, and whom they contact."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from cave_magic.api import endpoints
from cave_magic.api.failures import Failure
from cave_magic.api.responses import Response
from cave_magic.credentials.target import Target
from cave_magic.deployments import DEFAULT_SERVER, KNOWN_SERVERS
from cave_magic.doctor.experiments.model import Change
from cave_magic.doctor.experiments.plan import NO_SERVER, comparisons, other_servers, trials
from cave_magic.doctor.experiments.run import is_strange

UNKNOWN = "https://cave.example.org"
USUAL = [Change.AGAIN, Change.FAMILY, Change.FAMILY, Change.OTHER_ADDRESS]


def _target(server: str = UNKNOWN, datastack: str = "mine", named_by: str = "option") -> Target:
    return Target(datastack=datastack, server=server, named_by=named_by)


def _trials(server: str = UNKNOWN, failure: Failure = Failure.RESET):
    url = endpoints.identity_url(server)
    return trials(Response(url=url, failure=failure), _target(server))


def _changes(*args: object, **options: object) -> list[Change]:
    return [one.change for one in _trials(*args, **options)]


def test_the_usual_experiments():
    """Without settings, only the kinds of addresses differ."""
    assert _changes() == USUAL


def test_the_experiments_are_in_the_order_of_preference(monkeypatch: pytest.MonkeyPatch, home: Path):
    """With every setting there is, the first one that changes the outcome is the preferred one."""
    monkeypatch.setattr("requests.Session.send", lambda *args, **options: None)
    (home / ".netrc").write_text("default login ada password x\n")
    for name in ("HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://{name.lower().replace('_', '-')}.example:3128")
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, certifi.where())
    planned = _changes(failure=Failure.TLS)
    assert planned == sorted(planned, key=list(Change).index)
    left = {Change.NO_EXCEPTION, Change.FAMILY, Change.SCHEME, Change.OTHER_SERVER, Change.NO_SERVER}
    assert set(Change) - set(planned) == left | {
        Change.PROXY_SPELLING,
        Change.MADE_UP,
        Change.MADE_UP_DIRECT,
        Change.OTHER_ADDRESS,
    }


@pytest.mark.parametrize(
    ("server", "failure", "schemes"),
    [
        ("http://cave.example.org", Failure.REFUSED, ["https"]),
        (UNKNOWN, Failure.NOT_TLS, ["http"]),
        (UNKNOWN, Failure.CERTIFICATE, []),
        (DEFAULT_SERVER, Failure.NOT_TLS, []),
    ],
)
def test_http_is_only_tried_where_nothing_speaks_https(server: str, failure: Failure, schemes: list[str]):
    """The token would otherwise be sent where it could be read."""
    assert [one.source for one in _trials(server, failure) if one.change is Change.SCHEME] == schemes


def test_a_password_in_netrc_stays_out_of_what_others_can_read():
    """It is not sent without encryption, nor to a server whose certificate is not verified."""
    tried = [*_trials(failure=Failure.NOT_TLS), *_trials(failure=Failure.TLS)]
    unsafe = [one for one in tried if one.url.startswith("http://") or not one.way.verified]
    assert {one.change for one in unsafe} == {Change.SCHEME, Change.UNVERIFIED}
    assert not any(one.way.uses_netrc for one in unsafe)


def test_certificates_are_only_tried_if_they_are_the_problem(monkeypatch: pytest.MonkeyPatch):
    """A request that was not rejected because of its certificate is never sent without verification."""
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    kinds = {Change.UNVERIFIED, Change.OTHER_BUNDLE, Change.NO_BUNDLE}
    assert not kinds & set(_changes())
    assert kinds & set(_changes(failure=Failure.TLS)) == {Change.UNVERIFIED, Change.OTHER_BUNDLE}


def test_only_known_servers_are_contacted_for_comparison():
    """Apart from the server itself, experiments contact known CAVE servers, each in a domain of its own."""
    others = [one.url for one in comparisons(_target())]
    assert set(others) <= {*map(endpoints.info_version_url, KNOWN_SERVERS), NO_SERVER}
    assert len({".".join(one.split("/")[2].split(".")[-2:]) for one in others}) == len(others) == 3
    assert {one.url for one in _trials()} == {""}
    assert DEFAULT_SERVER not in other_servers(_target(DEFAULT_SERVER))


@pytest.mark.parametrize("server", ["http://127.0.0.1:8900", "http://localhost:8900", "http://[::1]:8900"])
def test_a_server_on_this_computer_is_compared_with_none(server: str):
    """It needs no network."""
    assert other_servers(_target(server)) == []
    assert list(comparisons(_target(server))) == []


def test_the_known_server_of_a_datastack_is_compared_first():
    """If the address is remembered, the server that has the datastack is contacted, too."""
    assert other_servers(_target(datastack="v1dd_public", named_by="map"))[0] == "https://global.em.brain.allentech.org"
    assert other_servers(_target(datastack="v1dd_public"))[0] != "https://global.em.brain.allentech.org"


def test_a_socks_proxy_is_tried_as_another_kind(monkeypatch: pytest.MonkeyPatch):
    """The address of the proxy is tried with each scheme that it does not have."""
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:1080")
    schemes = [one.source for one in _trials() if one.change is Change.PROXY_SCHEME]
    assert schemes[0] == "https"
    assert "http" not in schemes


def test_passwords_of_proxies_are_not_shown(monkeypatch: pytest.MonkeyPatch):
    """The plan holds them where its repr does not show them."""
    monkeypatch.setenv("HTTPS_PROXY", "http://ada:s3cr3tpw@proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://ada:s3cr3tpx@proxy.example:3128")
    assert "https://ada:s3cr3tpw@proxy.example:3128" in {one.way.proxy for one in _trials()}
    assert "s3cr3t" not in repr(_trials())


@pytest.mark.parametrize(
    ("response", "strange"),
    [
        (Response(url=UNKNOWN, failure=Failure.RESET), True),
        (Response(url=UNKNOWN, status=503), True),
        (Response(url=UNKNOWN, status=200), True),
        (Response(url=UNKNOWN, status=503, wait=60.0), False),
        (Response(url=UNKNOWN, status=429), False),
        (Response(url=UNKNOWN, status=401, is_json=True, body={"error": "no_token"}), False),
    ],
)
def test_a_server_that_asks_for_a_pause_gets_no_experiments(response: Response, strange: bool):
    """Only a response that is not from a working CAVE service calls for experiments."""
    assert is_strange(response) is strange
