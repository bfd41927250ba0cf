"""The checks of the network and the auth service, on facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from cave_magic import deployments
from cave_magic.api import endpoints
from cave_magic.api.certificates import Certificate
from cave_magic.api.failures import PROXY_FORBIDS, PROXY_LOGIN, Failure
from cave_magic.api.responses import PAGE, TEXT, Response
from cave_magic.api.urls import host_of
from cave_magic.credentials.target import Target
from cave_magic.deployments import DEFAULT_SERVER, KNOWN_SERVERS
from cave_magic.doctor import healthy, variables
from cave_magic.doctor.checks.causes import CAUSES, tell_administrators
from cave_magic.doctor.checks.network import AUTH, CLOCK, NETWORK, failure_finding
from cave_magic.doctor.evidence import Machine, ServerFacts
from cave_magic.doctor.experiments.model import Change, Experiment, Tried
from cave_magic.environment.proxies import ProxySettings
from cave_magic.token import Token
from cave_magic.ui.redact import Untrusted

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


WORKS = error(401, "no_token")
DEAD = _none(Failure.CONNECT_TIMEOUT)


def _tried(
    *found: tuple[Change, str, Response], url: str = endpoints.identity_url(DEFAULT_SERVER), **facts: Any
) -> Tried:
    """Experiments on the identity of the default server."""
    made = tuple(Experiment(change=change, source=source, response=one) for change, source, one in found)
    return Tried(url=url, experiments=made, **facts)


def _cause(failure: Response, change: Change, source: str = "", **facts: Any) -> ServerFacts:
    """A server on which this change, and no other, made the request work."""
    others = [(one, source, failure) for one in Change if one is not change and one in CAUSES]
    experiments = sorted([*others, (change, source, WORKS)], key=lambda one: list(Change).index(one[0]))
    tried = _tried(*experiments, proxy=facts.pop("proxy", ""))
    return _server(failure, **{"tried": tried} | facts)


def _compared(failure: Response, *others: Response, nowhere: Response = DEAD, **facts: Any) -> ServerFacts:
    """A server on which nothing changed the outcome, and other servers."""
    names = ("cave.one.org", "cave.two.org")
    known = [(Change.OTHER_SERVER, name, one) for name, one in zip(names, others, strict=False)]
    tried = _tried((Change.AGAIN, "", failure), *known, (Change.NO_SERVER, "", nowhere), **facts.pop("looked", {}))
    return _server(failure, **{"tried": tried} | facts)


def _clocks(*apart: float) -> ServerFacts:
    """A server whose responses have a date that is so many seconds later than the clock of this computer."""
    identity, info = (replace(WORKS, date=WORKS.at + apart[one % len(apart)]) for one in (0, 1))
    return ServerFacts(identity=identity, info=info)


def _seen(
    start: str, end: str, date: str = "2026-11-21", clock: str = "2026-11-21", issuer: str = "Example CA"
) -> Response:
    """The response without verification: the certificate, the server's clock and that of this computer."""
    day = {text: datetime.fromisoformat(f"{text}T00:00+00:00").timestamp() for text in (start, end, date, clock)}
    certificate = Certificate(
        names=(Untrusted("portal.example"),), issuer=Untrusted(issuer), is_self_signed=not issuer,
        valid_from=day[start], valid_until=day[end],
    )  # fmt: skip
    return replace(WORKS, certificate=certificate, date=day[date], at=day[clock])


def _untrusted(failure: Failure, seen: Response, *others: Response, **facts: Any) -> ServerFacts:
    names = ("cave.one.org", "cave.two.org")
    known = [(Change.OTHER_SERVER, name, one) for name, one in zip(names, others, strict=False)]
    return _server(_none(failure), tried=_tried((Change.UNVERIFIED, "", seen), *known), **facts)


FAILURES = {
    Failure.NAME_NOT_FOUND: ("failed", (CHECK,), "online"),
    Failure.UNREADABLE: ("failed", (CHECK,), "tell the administrators"),
    Failure.REFUSED: ("failed", (CHECK,), "check the address"),
    Failure.UNREACHABLE: ("failed", (CHECK,), "VPN"),
    Failure.RESET: ("failed", (CHECK,), f"allow {HOST}"),
    Failure.INCOMPLETE: ("failed", (CHECK,), "wait"),
    Failure.TLS: ("failed", (CHECK,), "set REQUESTS_CA_BUNDLE"),
    Failure.CERTIFICATE: ("failed", (CHECK,), f"tell the administrators of {HOST}"),
    Failure.CONNECT_TIMEOUT: ("failed", (LATER,), f"allow {HOST}"),
    Failure.NO_RESPONSE: ("failed", (LATER,), "if it is only slow"),
    Failure.TOO_SLOW: ("failed", (LATER,), "overloaded"),
    Failure.NOT_CONTACTED: ("unknown", (LATER,), "more time"),
    Failure.INVALID_URL: ("unknown", (f"{CHECK} --report",), "can help"),
    Failure.UNSENDABLE: ("unknown", (f"{CHECK} --report",), "can help"),
    Failure.SYSTEM: ("unknown", (f"{CHECK} --report",), "can help"),
    Failure.UNKNOWN: ("unknown", (CHECK, f"{CHECK} --report"), "restart the kernel"),
    Failure.NOT_TLS: ("failed", (CHECK,), "correct the port"),
    Failure.HEADERS: ("failed", (CHECK,), "tell the administrators"),
    Failure.NOT_HTTP: ("failed", (CHECK,), "correct the port"),
    Failure.CA_BUNDLE: ("failed", ("%pip install --force-reinstall --no-deps certifi", CHECK), "restart the kernel"),
    Failure.KEY_LOG: ("failed", ('import os; os.environ.pop("SSLKEYLOGFILE", None)', CHECK), ""),
    Failure.HANDSHAKE: ("failed", (CHECK,), f"tell the administrators of {HOST}"),
    Failure.PROXY: ("failed", (CHECK,), "correct this computer's settings"),
    Failure.SOCKS: ("failed", ('%pip install -U "requests[socks]"', CHECK), "restart the kernel"),
}
"""Failure -> the status, the commands and a word of the advice."""

CASES = [
    case("the server works", NETWORK, ServerFacts(), "ok", f"{HOST} responded in 100 ms"),
    case("a rejected token needs a server that works", NETWORK, _server(REJECTED), "ok"),
    *(case(f"no response: {failure.name}", NETWORK, _server(_none(failure)), status, failure.value, *commands, advises=words) for failure, (status, commands, words) in FAILURES.items()),
    case("the auth service alone does not respond", NETWORK, _server(_none(Failure.NO_RESPONSE), info=healthy.INFO), "ok"),
    case("a timeout of a minute is not extended", NETWORK, _server(_none(Failure.NO_RESPONSE, seconds=14.7), timeout=60), "failed", "within 15 s", CHECK),
    case("not contacted within a minute", NETWORK, _server(_none(Failure.NOT_CONTACTED), timeout=60), "unknown", Failure.NOT_CONTACTED.value, f"{CHECK} --report"),
    case("a network that requires a sign-in", NETWORK, _server(page(511)), "failed", "511", CHECK, advises="portal"),
    case("a redirect to a portal", NETWORK, _server(response(302, location="https://portal.example/login")), "failed", "portal.example", CHECK, advises=("portal", "tell the administrators")),
    case("a redirect of an unknown server", NETWORK, _server(response(302, location="https://portal.example/login"), target=MINE), "failed", "portal.example", AT_MINE, advises=("portal", "correct the address")),
    case("the server is down", NETWORK, _server(response(502)), "failed", ("the server", "(502)"), CHECK, advises="your token is not the cause"),
    case("a redirect from http to a portal", NETWORK, _server(response(302, location="https://portal.example/login"), target=replace(MINE, server="http://cave.example.org")), "failed", "portal.example", f"{CHECK} --server http://cave.example.org"),
    case("asked to wait for an hour", NETWORK, _server(response(503, wait=3600.0)), "failed", "to wait 60 minutes", CHECK, advises="try again at 01:00 UTC"),
    case("asked to wait for 20 seconds", NETWORK, _server(response(429, wait=20.0)), "failed", ("slow down (429)", "20 seconds"), CHECK, advises="wait 20 seconds"),
    case("asked to slow down", NETWORK, _server(response(429, {"message": "429 Too Many Requests: 5 per 1 minute"})), "failed", "slow down (429)", CHECK, advises=f"a minute or so, then {CHECK}"),
    case("asked to slow down for an hour", NETWORK, _server(response(429, wait=3600.0)), "failed", ("slow down (429)", "to wait 60 minutes"), CHECK, advises="try again at 01:00 UTC"),
    case("a page in place of data", NETWORK, _server(page(words="Log in")), "failed", ("a web page", '"Log in"'), CHECK, advises="portal"),
    case("text in place of data", NETWORK, _server(response(form=TEXT, opening="OK")), "failed", ("text", '"OK"'), CHECK, advises="tell the administrators"),
    case("a page without words", NETWORK, _server(response(form=PAGE)), "failed", "a web page", CHECK),
    case("an empty response", NETWORK, _server(response()), "failed", "an empty response", CHECK),
    case("binary data in place of data", NETWORK, _server(response(form="binary data")), "unknown", "binary data", CHECK),
    case("a known server without services", NETWORK, _server(page(404)), "failed", f"{HOST} has no CAVE services at the moment (404)", CHECK, advises="tell the administrators"),
    case("a firewall in front of a server", NETWORK, _compared(page(403, "Access Denied"), WORKS), "unknown", ("403", "Access Denied", "only this server"), CHECK, advises="try another network; if it fails there, too"),
    case("a firewall in front of all servers", NETWORK, _compared(page(403, "Access Denied"), page(403), page(403)), "failed", "cave.one.org and cave.two.org return 403, too: something on this network seems to respond in their place", CHECK, advises=(f"open {endpoints.identity_url(DEFAULT_SERVER)} in a browser", "another network")),
    case("one other server with the same trouble", NETWORK, _compared(response(503), response(503)), "failed", "down or broken", CHECK),
    case("maintenance with a page", NETWORK, _server(page(503, "Back on Monday")), "failed", "down or broken (503): Back on Monday", CHECK),
    case("the usual page of a gateway", NETWORK, _server(page(502, "502 Bad Gateway nginx/1.22.1")), "failed", "down or broken (502)", CHECK),
    case("a known name that does not resolve here", NETWORK, _compared(_none(Failure.NAME_NOT_FOUND), WORKS), "failed", "only this server is affected", CHECK, advises="try another network"),
    case("no CAVE server", NETWORK, _server(page(404), target=MINE), "failed", f"{MINE_HOST} is not a CAVE server (404)", f"{CHECK} --server {KNOWN_SERVERS[0]}", advises=KNOWN_SERVERS[-1]),
    case("an unexpected status", NETWORK, _server(page(418, "teapot")), "unknown", ("418", "teapot"), CHECK),
    case("a proxy rejects an odd token", NETWORK, _server(response(400), stored=ODD), "ok"),
    case("a proxy rejects a usual token", NETWORK, _server(response(400)), "unknown", "400", CHECK),
    case("a remembered address that does not resolve", NETWORK, _server(_none(Failure.NAME_NOT_FOUND), target=REMEMBERED), "failed", "(address from cave_datastack_to_server_map.json)", f"{CHECK} mine", advises="with --server"),
    case("a remembered address of something else", NETWORK, _server(page(404), target=REMEMBERED), "failed", ("is not a CAVE server", "(address from"), f"{CHECK} mine --server {KNOWN_SERVERS[0]}"),
    case("a remembered server that is down", NETWORK, _server(response(502), target=REMEMBERED), "failed", "(502)", f"{CHECK} mine"),
    case("a remembered server that is known", NETWORK, _server(_none(Failure.NAME_NOT_FOUND), target=replace(healthy.TARGET, named_by="map")), "failed", Failure.NAME_NOT_FOUND.value, CHECK),
    case("a typed address that does not resolve", NETWORK, _server(_none(Failure.NAME_NOT_FOUND), target=MINE), "failed", Failure.NAME_NOT_FOUND.value, AT_MINE),
    case("a slow request works without the token", NETWORK, _cause(_none(Failure.NO_RESPONSE), Change.AGAIN), "failed", "a moment later, without the token", LATER, advises=("give it more time", "if it fails every time")),
    case("a slow request works without the token after a minute", NETWORK, _cause(_none(Failure.NO_RESPONSE), Change.AGAIN, timeout=60.0), "failed", "a moment later, without the token", CHECK, advises="wait a minute"),
    case("a second request works", NETWORK, _cause(DEAD, Change.AGAIN), "failed", ("timed out", "a moment later, without the token"), CHECK, advises="if it fails every time"),
    case("code in this kernel changes requests", NETWORK, _cause(_none(Failure.UNKNOWN), Change.AS_INSTALLED, "~/00.py"), "failed", "without what ~/00.py changed in requests, it responds", CHECK, advises="restart the kernel without that"),
    case("quotes around the address of a proxy", NETWORK, _cause(_none(Failure.PROXY), Change.PROXY_SPELLING, proxy="HTTPS_PROXY"), "failed", "works without the extra or missing characters", variables.with_scheme("HTTPS_PROXY", "http").text, CHECK),
    case("a password that is not encoded", NETWORK, _cause(_none(Failure.PROXY), Change.PROXY_SPELLING, "password", proxy="HTTPS_PROXY"), "failed", "once the special characters in the password are encoded", variables.with_proxy_password("HTTPS_PROXY").text, CHECK),
    case("a password of the system's proxy that is not encoded", NETWORK, _cause(_none(Failure.PROXY), Change.PROXY_SPELLING, "password", proxy="this computer's settings"), "failed", "encoded", CHECK, advises="the proxy in this computer's settings"),
    case("a proxy with the wrong scheme", NETWORK, _cause(_none(Failure.PROXY), Change.PROXY_SCHEME, "http", proxy="HTTPS_PROXY"), "failed", "works if its address begins with http://", variables.with_scheme("HTTPS_PROXY", "http").text, CHECK),
    case("the system's proxy with the wrong scheme", NETWORK, _cause(_none(Failure.PROXY), Change.PROXY_SCHEME, "http", proxy="this computer's settings"), "failed", "begins with http://", CHECK, advises="the proxy in this computer's settings"),
    case("another variable has the right proxy", NETWORK, _cause(_none(Failure.PROXY), Change.OTHER_PROXY, "HTTPS_PROXY", proxy="https_proxy"), "failed", "the proxy in HTTPS_PROXY reaches it, not the one in https_proxy", 'import os; os.environ["https_proxy"] = os.environ["HTTPS_PROXY"]', CHECK),
    case("the proxy is set for the other scheme only", NETWORK, _cause(DEAD, Change.OTHER_PROXY, "HTTP_PROXY"), "failed", "the proxy in HTTP_PROXY reaches it", 'import os; os.environ["https_proxy"] = os.environ["HTTP_PROXY"]', CHECK),
    case("an exception that should not be there", NETWORK, _cause(DEAD, Change.NO_EXCEPTION, ".com,*"), "failed", "NO_PROXY says not to use it (.com,*)", 'import os; os.environ["NO_PROXY"] = ",".join(one for one in os.environ["NO_PROXY"].split(",") if one.strip() not in [".com", "*"])', CHECK),
    case("a password in netrc", NETWORK, _cause(page(400), Change.NETRC, "~/.netrc"), "failed", f"~/.netrc has a password for {HOST}", "%env NETRC=/dev/null", CHECK),
    case("a wrong file of certificates", NETWORK, _cause(_none(Failure.TLS), Change.NO_BUNDLE, "CURL_CA_BUNDLE"), "failed", "without CURL_CA_BUNDLE it is trusted", 'import os; os.environ.pop("CURL_CA_BUNDLE", None)', CHECK),
    case("two wrong files of certificates", NETWORK, _cause(_none(Failure.CA_BUNDLE), Change.NO_BUNDLE, "A and B"), "failed", "without A and B", 'import os; os.environ.pop("A", None); os.environ.pop("B", None)', CHECK),
    case("another variable names the certificates", NETWORK, _cause(_none(Failure.TLS), Change.OTHER_BUNDLE, "SSL_CERT_FILE"), "failed", "the certificates that SSL_CERT_FILE names", 'import os; os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"]', CHECK),
    case("the system has the certificates", NETWORK, _cause(_none(Failure.TLS), Change.OTHER_BUNDLE, "/etc/ssl/ca.pem"), "failed", "the certificates in /etc/ssl/ca.pem", "%env REQUESTS_CA_BUNDLE=/etc/ssl/ca.pem", CHECK),
    case("no proxy is needed", NETWORK, _cause(_none(Failure.PROXY), Change.NO_PROXY, proxy="HTTPS_PROXY"), "failed", "without the proxy it responds", NO_PROXY, CHECK, advises="or correct HTTPS_PROXY"),
    case("no proxy is needed, as for others", NETWORK, _cause(page(407), Change.NO_PROXY, proxy="all_proxy", machine=_set(no_proxy="no_proxy", has_exceptions=True)), "failed", "without the proxy", f'import os; os.environ["no_proxy"] += ",{NO_PROXY.partition("=")[2]}"', CHECK),
    case("IPv6 does not work", NETWORK, _cause(DEAD, Change.FAMILY, "IPv4"), "failed", "over IPv4 it responds: the connection over IPv6 does not work", "import socket, urllib3.util.connection as c; c.allowed_gai_family = lambda: socket.AF_INET", CHECK),
    case("IPv4 does not work", NETWORK, _cause(DEAD, Change.FAMILY, "IPv6"), "failed", "over IPv6 it responds", "import socket, urllib3.util.connection as c; c.allowed_gai_family = lambda: socket.AF_INET6", CHECK),
    case("the first address does not work", NETWORK, _cause(DEAD, Change.OTHER_ADDRESS), "failed", f"{HOST} has several addresses: it responds at the second", CHECK, advises=f"tell the administrators of {HOST}"),
    case("the other scheme", NETWORK, _cause(page(400), Change.SCHEME, "https", target=MINE, tried=_tried((Change.SCHEME, "https", WORKS), url=endpoints.identity_url(MINE.server))), "failed", "begins with https://", AT_MINE),
    case("a portal", NETWORK, _compared(response(302, location="https://portal.example/login"), page(), nowhere=page()), "failed", ("portal.example", "even a host that does not exist responds"), CHECK, advises="open any page in a browser"),
    case("a portal that says so", NETWORK, _compared(page(511), page(511), nowhere=page(511)), "failed", "in place of every server", CHECK),
    case("a script in place of a proxy", NETWORK, _compared(page(words="function FindProxyForURL()"), page(), nowhere=page(), looked={"proxy": "HTTPS_PROXY"}), "failed", "HTTPS_PROXY names a script that chooses a proxy", CHECK, advises="set HTTPS_PROXY to the proxy that the script names"),
    case("a proxy that requires a sign-in", NETWORK, _compared(page(), page(), nowhere=page(), looked={"proxy": "HTTPS_PROXY"}), "failed", "the proxy in HTTPS_PROXY responds in place of every server", CHECK, advises="sign in to that proxy"),
    case("a proxy on the way that requires a password", NETWORK, _compared(page(407), page(407)), "failed", "no proxy is configured on this computer", CHECK, advises="which proxy to use"),
    case("names that do not exist lead to a page", NETWORK, _compared(DEAD, WORKS, nowhere=page()), "failed", "cave.one.org responds, so only this server is affected", LATER, advises=f"allow {HOST}"),
    case("offline", NETWORK, _compared(_none(Failure.NAME_NOT_FOUND), _none(Failure.NAME_NOT_FOUND), _none(Failure.UNREACHABLE)), "failed", ("cave.one.org and cave.two.org cannot be reached either", "this computer seems to be offline"), CHECK, advises="connect it to a network"),
    case("a network that blocks all servers", NETWORK, _compared(_none(Failure.RESET), _none(Failure.RESET)), "failed", "cave.one.org cannot be reached either", CHECK, advises=f"allow {HOST}"),
    case("a redirect of one server", NETWORK, _compared(response(302, location="https://new.example/"), WORKS), "failed", ("new.example", "only this server is affected"), CHECK, advises="tell the administrators"),
    case("a redirect of one service", AUTH, replace(ServerFacts(), identity=response(308, location=f"https://{HOST}/auth/")), "failed", f"redirects to https://{HOST}/auth/", CHECK, advises="tell the administrators"),
    case("a page in place of one server", NETWORK, _compared(page(), WORKS), "failed", "only this server is affected", CHECK, advises=f"open {endpoints.identity_url(DEFAULT_SERVER)} in a browser"),
    case("an address in the file of hosts", NETWORK, _compared(_none(Failure.REFUSED), looked={"hosts_file": "/etc/hosts", "private_address": "127.0.0.1"}), "failed", f"/etc/hosts maps {HOST} to 127.0.0.1", CHECK, advises="the line for"),
    case("a name server with a private address", NETWORK, _compared(DEAD, looked={"private_address": "10.0.0.1"}), "failed", "this network resolves it to 10.0.0.1, which is not a public address", CHECK, advises=f"allow {HOST}"),
    case("a proxy that requires a password", NETWORK, _compared(page(407), looked={"proxy": "HTTPS_PROXY"}), "failed", "the proxy in HTTPS_PROXY requires a valid user name and password", variables.with_proxy_password("HTTPS_PROXY").text, CHECK, advises="enter yours"),
    case("a proxy that requires a password for a tunnel", NETWORK, _compared(_none(Failure.PROXY, detail=PROXY_LOGIN), looked={"proxy": "this computer's settings"}), "failed", "407", CHECK, advises="enter yours there"),
    case("the proxy reaches another server", NETWORK, _compared(response(503), WORKS, looked={"proxy": "HTTPS_PROXY"}), "failed", ("the proxy reaches cave.one.org", f"blocks {HOST}"), CHECK, advises="ask the IT department"),
    case("the proxy forbids one server", NETWORK, _compared(_none(Failure.PROXY, detail=PROXY_FORBIDS), WORKS, looked={"proxy": "HTTPS_PROXY"}), "failed", f"it reaches cave.one.org, so it blocks {HOST}", CHECK, advises="to allow"),
    case("a proxy on this computer that is gone", NETWORK, _compared(_none(Failure.PROXY), DEAD, looked={"proxy": "HTTPS_PROXY", "is_proxy_here": True}), "failed", "does not reach cave.one.org either", CHECK, advises="start the program on this computer"),
    case("a tunnel on this computer that is gone", NETWORK, _server(_none(Failure.REFUSED), target=replace(MINE, server="http://localhost:8080")), "failed", Failure.REFUSED.value, f"{CHECK} --server http://localhost:8080", advises="start the program that should respond at localhost:8080"),
    case("a tunnel on this computer whose other end is gone", NETWORK, _server(_none(Failure.RESET), target=replace(MINE, server="http://localhost:8080")), "failed", Failure.RESET.value, f"{CHECK} --server http://localhost:8080", advises="restart the program that should respond at localhost:8080"),
    case("a remembered server on this computer that is gone", NETWORK, _compared(_none(Failure.REFUSED), DEAD, target=replace(REMEMBERED, server="http://localhost:8080", by_name=("http://localhost:8080",))), "failed", Failure.REFUSED.value, f"{CHECK} mine", advises="start the program that should respond at localhost:8080"),
    case("a file of certificates that cannot be used", NETWORK, _server(_none(Failure.CA_BUNDLE), machine=_set(bundle="CURL_CA_BUNDLE")), "failed", "CURL_CA_BUNDLE names it", CHECK, advises="in PEM form"),
    case("the proxy reaches no server", NETWORK, _compared(_none(Failure.PROXY, detail="nothing is listening there"), DEAD, looked={"proxy": "HTTPS_PROXY"}), "failed", ("nothing is listening there", "does not reach cave.one.org either", "without the proxy"), CHECK, advises="correct HTTPS_PROXY"),
    case("a server is down behind a proxy", NETWORK, _server(response(502), tried=_tried((Change.NO_PROXY, "", response(502)), proxy="HTTPS_PROXY")), "failed", "down or broken (502)", CHECK),
    case("a server is broken behind a proxy", NETWORK, _server(response(500), tried=_tried(proxy="HTTPS_PROXY")), "failed", "down or broken (500)", CHECK),
    case("a remembered server that the proxy does not reach", NETWORK, _server(response(503), target=REMEMBERED, tried=_tried((Change.OTHER_SERVER, "cave.one.org", WORKS), proxy="HTTPS_PROXY")), "failed", ("the proxy reaches cave.one.org", "(address from"), f"{CHECK} mine", advises="with --server"),
    case("a certificate that has expired", NETWORK, _untrusted(Failure.CERTIFICATE, _seen("2024-01-01", "2025-01-01")), "failed", "for portal.example, issued by Example CA, valid 2024-01-01 to 2025-01-01", CHECK, advises=f"tell the administrators of {HOST}"),
    case("a certificate that cannot be read", NETWORK, _untrusted(Failure.TLS, WORKS), "failed", "does not trust", CHECK, advises="set REQUESTS_CA_BUNDLE"),
    case("a clock that is wrong", NETWORK, _untrusted(Failure.CERTIFICATE, _seen("2026-01-01", "2027-01-01", clock="2020-11-21")), "failed", "this computer's clock is off by", CHECK, advises="set the clock"),
    case("a network that replaces certificates", NETWORK, _untrusted(Failure.TLS, _seen("2026-01-01", "2027-01-01"), _none(Failure.TLS)), "failed", "this computer does not trust cave.one.org either: this network replaces certificates", CHECK, advises="ask the IT department"),
    case("a certificate of an unknown server", NETWORK, _untrusted(Failure.CERTIFICATE, _seen("2026-01-01", "2027-01-01", issuer=""), target=MINE), "failed", "issued by itself", AT_MINE, advises="correct the address"),
    case("a certificate for another host", NETWORK, _untrusted(Failure.CERTIFICATE, _seen("2026-01-01", "2027-01-01"), WORKS), "failed", "only this server is affected", CHECK, advises=f"tell the administrators of {HOST}"),
    case("the clock is right", CLOCK, ServerFacts(), "nothing"),
    case("the clock is years behind", CLOCK, _clocks(7 * 365 * 86_400.0), "warning", f"this computer's clock is 2555 days behind that of {HOST}", CHECK, advises="set the clock"),
    case("the clock is days ahead", CLOCK, _clocks(-3 * 86_400.0), "warning", f"3 days ahead of that of {HOST}", CHECK, advises="ask its administrators"),
    case("a proxy keeps old responses", CLOCK, _clocks(-3 * 86_400.0, 1.0), "nothing"),
    case("the auth service works", AUTH, ServerFacts(), "ok", "responded in 100 ms"),
    case("a gateway rejects every request", AUTH, ServerFacts(identity=error(401, "invalid_token"), account=None, anonymous_identity=error(401, "invalid_token")), "failed", ("invalid_token", "even without a token"), CHECK, advises="administrators"),
    case("the auth service works without a token", AUTH, ServerFacts(identity=None, anonymous_identity=error(401, "no_token")), "ok"),
    case("the auth service asks to slow down", AUTH, ServerFacts(identity=response(429, {"message": "x"})), "failed", "slow down (429)", CHECK, advises="a minute"),
    case("the auth service is down", AUTH, ServerFacts(identity=response(503)), "failed", "the auth service", CHECK, advises="wait"),
    case("the auth service says why it is down", AUTH, ServerFacts(identity=response(503, {"message": "Maintenance until 14:00"})), "failed", "down or broken (503): Maintenance until 14:00", CHECK),
    case("the auth service is gone", AUTH, ServerFacts(identity=page(404)), "failed", ("auth service", "(404)"), CHECK, advises="your token is not the cause"),
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


@pytest.mark.parametrize("failure", [Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.NOT_TLS, Failure.NOT_HTTP])
def test_a_wrong_data_server_address_is_for_the_administrators(failure: Failure):
    """The address comes from the info service; that of a known data server is right, and never http."""
    _, advice, commands = _judged(Response(url="https://data.example.org/x", failure=failure))
    assert "wrong address" in advice
    assert commands == (CHECK,)
    evidence, advice, _ = _judged(Response(url=healthy.LOCAL_SERVER, failure=failure))
    assert "http:" not in evidence
    assert advice.startswith("try another network")


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "did not respond"), (1.5, "within 1.5 s"), (14.7, "within 15 s")])
def test_the_time_waited_is_rounded(seconds: float, words: str):
    """Less than a second is not shown, and less than ten seconds with one decimal."""
    assert _judged(_none(Failure.NO_RESPONSE, seconds=seconds))[0].endswith(words)


@pytest.mark.parametrize(("address", "sleeps"), [("/info/api/v2/datastacks", True), ("/auth/api/v1/user/cache", False)])
@pytest.mark.parametrize(("wait", "is_long"), [(3600.0, True), (20.0, False)])
def test_caveclient_sleeps_through_long_waits(address: str, sleeps: bool, wait: float, is_long: bool):
    """Its session sleeps as long as the server asks, except for requests to the auth service."""
    evidence, _, _ = _judged(response(503, url=DEFAULT_SERVER + address, wait=wait))
    assert ("CAVEclient silently waits that long" in evidence) is (sleeps and is_long)


@pytest.mark.parametrize(("contact", "page"), [("cave@x.org", "https://status.x.org"), ("", "")])
def test_the_contact_and_the_status_page_of_a_deployment_are_named(monkeypatch, contact, page):
    """They come from the table of servers; without them nothing is printed in their place."""
    one = replace(deployments.DEPLOYMENTS[0], contact=contact, status_page=page)
    monkeypatch.setattr(deployments, "DEPLOYMENTS", (one,))
    down = failure_finding(response(503, url=DEFAULT_SERVER), _server(response(503)), "the server")
    said = f"; its status: {page}" if page else ""
    assert down.next_step.text == f"your token is not the cause: wait, then {CHECK}{said}"
    assert down.next_step.url == (page or None)
    who = "tell the administrators of minnie.microns-daf.com"
    assert tell_administrators("minnie.microns-daf.com") == (f"{who} ({contact})" if contact else who)
