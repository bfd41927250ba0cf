"""What changes the outcome of a request is named, and the printed line, typed to the letter, changes it."""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest
import requests
import trustme
from urllib3.util import connection
from urllib3.util.ssl_ import create_urllib3_context

from cave_magic.api import connections
from cave_magic.api.urls import host_of
from cave_magic.credentials.save import save_token
from cave_magic.doctor.experiments import plan, run
from cave_magic.environment import name_lookup
from cave_magic.sandbox import Sandbox
from cave_magic.token import Token

from ...support.odd_server import OddServer, full_backlog, says
from ...support.proxy import Proxy, page
from ...support.shell import save_for_ada
from ...support.waiting import LONG
from .world import FULL, ID, World, bad, working

NAME = "cave.example.org"
SERVER = f"http://{NAME}"
DEAD = "http://127.0.0.1:1"
NO_TOKEN = b'{"error": "no_token"}'


def _network(report: Any) -> str:
    assert bad(report) == [("network", "failed")]
    return next(row.evidence for row in report.rows if row.id == "network")


def _set_up(world: World, server: str) -> str:
    """Stores a token for a server, and checks that one from now on."""
    token = world.cave.new_token("ada")
    save_token(Token(token), server)
    world.argument = f"--server {server}"
    return token


def _looked_up(world: World, addresses: dict[str, list[tuple[str, int | None]]]) -> None:
    """These names resolve to addresses whose port may differ from the requested port."""
    lookup = socket.getaddrinfo

    def found(host: Any, port: Any, family: int = 0, *args: Any, **options: Any) -> Any:
        if host not in addresses:
            return lookup(host, port, family, *args, **options)
        every = [lookup(one, other or port, 0, socket.SOCK_STREAM)[0] for one, other in addresses[host]]
        if fitting := [one for one in every if family in (0, one[0])]:
            return fitting
        raise socket.gaierror(socket.EAI_NONAME, "no address of this kind")

    world.patch.setattr(socket, "getaddrinfo", found)


# ---------------------------------------------------------------- proxies


@pytest.fixture
def proxy(world: World) -> Iterator[Proxy]:
    """The proxy of an institute, which alone knows where `cave.example.org` is."""
    _set_up(world, SERVER)
    with Proxy([host_of(world.cave.server), host_of(world.cave.local_server)], page(503)) as proxy:
        proxy.names[NAME] = host_of(world.cave.server)
        world.argument = f"--server {SERVER}"
        yield proxy


@pytest.mark.parametrize("password", ["", "ada:s3cr3tpw@"])
def test_a_proxy_with_the_wrong_scheme(world: World, proxy: Proxy, password):
    """The address of an http proxy begins with https://, and its password is not shown."""
    world.patch.setenv("HTTP_PROXY", f"https://{password}{host_of(proxy.address)}")
    report = world.check()
    assert "the proxy works if its address begins with http://" in _network(report)
    assert "s3cr3tpw" not in json.dumps(report.to_dict())
    assert world.fix().ok
    assert os.environ["HTTP_PROXY"] == f"http://{password}{host_of(proxy.address)}"


@pytest.mark.parametrize("written", ["'http://{}'", '" http://{} "', "http:/{}"])
def test_a_misspelled_address_of_a_proxy(world: World, proxy: Proxy, written: str):
    """`%env HTTP_PROXY='...'` keeps the quotes."""
    world.patch.setenv("HTTP_PROXY", written.format(host_of(proxy.address)))
    assert "the proxy works without the extra or missing characters in its address" in _network(world.check())
    assert world.fix().ok
    assert os.environ["HTTP_PROXY"] == proxy.address


@pytest.mark.parametrize("password", ["pa#s5", "p/a@s5"])
def test_a_password_of_a_proxy_that_is_not_encoded(world: World, proxy: Proxy, password: str):
    """A `#` or `/` ends the address for requests; the password is not shown."""
    proxy.password = base64.b64encode(f"ada:{password}".encode()).decode()
    world.patch.setenv("HTTP_PROXY", f"http://ada:{password}@{host_of(proxy.address)}")
    world.patch.setattr("builtins.input", lambda prompt="": "ada")
    world.patch.setattr("getpass.getpass", lambda prompt="": password)
    report = world.check()
    assert "once the special characters in the password are encoded" in _network(report)
    assert password not in json.dumps(report.to_dict())
    assert world.fix().ok


def test_a_script_in_place_of_a_proxy(world: World):
    """The variable names a proxy.pac, which answers every request with itself."""
    _set_up(world, SERVER)
    script = b"function FindProxyForURL(url, host) { return 'PROXY proxy.example.org:3128'; }"
    with OddServer(says(f"Content-Length: {len(script)}", script)) as odd:
        world.patch.setenv("HTTP_PROXY", f"http://{odd.host}/proxy.pac")
        assert "HTTP_PROXY names a script that chooses a proxy, not a proxy" in _network(world.check())


def test_a_proxy_of_this_computer_that_is_gone(world: World):
    """The tunnel that was the proxy has ended, and only it reached the server."""
    _set_up(world, SERVER)
    world.patch.setenv("HTTP_PROXY", "http://localhost:1")
    report = world.check()
    assert "nothing is listening there" in _network(report)
    assert report.next.text.startswith("start the program on this computer that provides this proxy")


def test_two_variables_that_disagree(world: World, proxy: Proxy):
    """The lower-case variable wins, and names a proxy that is gone."""
    world.patch.setenv("http_proxy", DEAD)
    world.patch.setenv("HTTP_PROXY", proxy.address)
    evidence = _network(world.check())
    assert "nothing is listening there" in evidence
    assert "the proxy in HTTP_PROXY reaches it, not the one in http_proxy" in evidence
    assert world.fix().ok


def test_a_proxy_for_the_other_scheme_only(world: World, proxy: Proxy):
    """The proxy is set for https only, but it reaches the server."""
    world.patch.setenv("HTTPS_PROXY", proxy.address)
    assert "the proxy in HTTPS_PROXY reaches it" in _network(world.check())
    assert world.fix().ok


@pytest.mark.parametrize("entries", ["10.0.0.0/8,example.org", "*", ".org, intranet"])
def test_an_exception_that_should_not_be_there(world: World, proxy: Proxy, entries):
    """NO_PROXY excludes a host that only the proxy reaches; the other entries stay."""
    world.patch.setenv("HTTP_PROXY", proxy.address)
    world.patch.setenv("NO_PROXY", entries)
    assert "the proxy reaches it, but NO_PROXY says not to use it" in _network(world.check())
    assert world.fix().ok
    assert ("10.0.0.0/8" in os.environ["NO_PROXY"]) is ("10.0.0.0/8" in entries)


def test_a_proxy_that_wants_a_password(world: World, proxy: Proxy):
    """The line asks for the password, and the check does not show it."""
    proxy.password = base64.b64encode(b"ada:a b@c").decode()
    world.patch.setenv("HTTP_PROXY", f"http://ada:0ldpassw0rd@{host_of(proxy.address)}")
    world.patch.setattr("builtins.input", lambda prompt="": "ada")
    world.patch.setattr("getpass.getpass", lambda prompt="": "a b@c")
    report = world.check()
    assert "requires a valid user name and password" in _network(report)
    assert "0ldpassw0rd" not in json.dumps(report.to_dict())
    assert world.fix().ok


def test_a_proxy_that_blocks_one_host(world: World, proxy: Proxy):
    """It reaches another known server, so the proxy itself works."""
    world.patch.setattr(plan, "KNOWN_SERVERS", (world.cave.server,))
    world.patch.setenv("HTTP_PROXY", proxy.address)
    proxy.names.clear()
    evidence = _network(world.check())
    assert f"the proxy reaches {host_of(world.cave.server)}, so either it blocks {NAME}" in evidence


def test_a_proxy_that_removes_the_token(world: World):
    """A made-up token arrives without it, so the proxy is left out; nothing else is sent with a token."""
    with Proxy([host_of(world.cave.server), host_of(world.cave.local_server)], page(503)) as proxy:
        proxy.removes = b"authorization:"
        world.patch.setenv("HTTP_PROXY", proxy.address)
        world.cave.clear_requests()
        report = world.check()
        assert bad(report) == [("account", "failed")]
        assert "received no token (401 no_token); without the proxy, a made-up token gets through" in str(
            report.to_dict()
        )
        assert [one.path for one in world.cave.requests if one.authorization] == [ID]
        assert world.fix().ok


def test_a_network_that_removes_the_token(world: World):
    """No proxy is set, and no token arrives: only that is said."""
    with Proxy([host_of(world.cave.server)], page(503)) as gateway:
        gateway.removes = b"authorization:"
        gateway.names[""] = host_of(world.cave.server)
        _set_up(world, gateway.address)
        report = world.check()
    assert "account" in dict(bad(report))
    assert "a made-up token does not get through either" in next(
        row.evidence for row in report.rows if row.id == "account"
    )
    assert "proxy" not in report.next.text


@pytest.mark.parametrize("status", [403, 503])
def test_a_proxy_that_only_the_data_server_does_not_need(world: World, status: int):
    """The proxy reaches the server, but not its data server, which is reached directly."""
    with Proxy([host_of(world.cave.server)], page(status)) as proxy:
        world.patch.setenv("HTTP_PROXY", proxy.address)
        report = world.check()
        assert bad(report) == [("data-server", "failed")]
        assert "without the proxy it responds" in next(row.evidence for row in report.rows if row.id == "data-server")
        assert world.fix().ok


# ---------------------------------------------------------------- certificates


@pytest.fixture
def secure(home: Path, run: Any, shell: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Ada's computer with an https server whose certificate only the institute's authority signed."""
    with Sandbox(tls=True) as cave, working(cave, home, run, shell, monkeypatch, save_for_ada(cave, shell)) as world:
        yield world


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "PIP_CERT"])
def test_certificates_that_another_variable_names(secure: World, variable):
    """requests ignores SSL_CERT_FILE; with the certificates that it names the server is trusted."""
    secure.patch.setenv(variable, str(secure.cave.certificate))
    assert f"with the certificates that {variable} names it is trusted" in _network(secure.check())
    assert secure.fix().ok


def test_two_variables_with_wrong_certificates(secure: World):
    """Unsetting only the first one does not help, so both are named."""
    secure.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(secure.cave.certificate))
    secure.patch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    secure.patch.setenv("CURL_CA_BUNDLE", "/not/there.pem")
    assert "without REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE it is trusted" in _network(secure.check())
    assert secure.fix().ok


def _day(year: int) -> datetime.datetime:
    return datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc)


@contextlib.contextmanager
def _certified(world: World, name: str, until: int, date: str = "", is_trusted: bool = True) -> Iterator[None]:
    """A server with a certificate for a name that is valid until the start of a year; a date is that of its clock."""
    authority = trustme.CA(organization_name="Institute of Examples")
    tls, file = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), world.home / "authority.pem"
    authority.issue_cert(name, not_before=_day(2019), not_after=_day(until)).configure_cert(tls)
    authority.cert_pem.write_to_path(str(file))
    if is_trusted:
        world.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(file))
    head = f"Content-Length: {len(NO_TOKEN)}\r\nContent-Type: application/json" + (f"\r\nDate: {date}" if date else "")
    with OddServer(says(head, NO_TOKEN), tls) as odd:
        token = _set_up(world, f"https://{odd.host}")
        world.check()
        assert token.encode() not in odd.got  # it is not sent to a server that is not trusted
        yield


def test_an_expired_certificate(world: World):
    """Its dates are named."""
    with _certified(world, "127.0.0.1", 2021):
        assert "it has expired); its certificate is for 127.0.0.1, issued by Institute of Examples, valid " in _network(
            world.check()
        )


def test_a_clock_that_is_years_off(world: World):
    """By the server's clock the certificate is valid, so this computer's clock is wrong."""
    with _certified(world, "127.0.0.1", 2021, "Wed, 01 Jul 2020 12:00:00 GMT"):
        report = world.check()
        assert "this computer's clock is off by" in _network(report)
        assert report.next.text.startswith("set the clock")


def test_a_certificate_for_another_name(world: World):
    """The name that it is for is shown."""
    with _certified(world, "portal.example.org", 2099):
        assert "its certificate is for portal.example.org" in _network(world.check())


def test_a_certificate_of_an_unknown_authority(world: World):
    """Its issuer is shown, and an institute's file of certificates helps."""
    with _certified(world, "127.0.0.1", 2099, is_trusted=False):
        assert "issued by Institute of Examples" in _network(world.check()), world.run("%cave_check -v").out
        world.run(f"%env REQUESTS_CA_BUNDLE={world.home}/authority.pem")
        assert "network" not in dict(bad(world.check()))


def test_a_network_that_replaces_certificates(world: World):
    """Another known server has an untrusted certificate, too."""
    with _certified(world, "127.0.0.1", 2099, is_trusted=False):
        address = world.argument.split()[1]
        port = int(address.rpartition(":")[2])
        _set_up(world, f"https://{NAME}")
        _looked_up(world, {NAME: [("127.0.0.1", port)], "cave.other.net": [("127.0.0.1", port)]})
        world.patch.setattr(plan, "KNOWN_SERVERS", ("https://cave.other.net",))
        world.argument = f"--server https://{NAME}"
        report = world.check()
        assert "this computer does not trust cave.other.net either: this network replaces certificates" in _network(
            report
        )
        assert "ask the IT department of this network" in report.next.text


@pytest.mark.parametrize("written", ["~/institute.pem", '"{}/institute.pem"'])
def test_a_file_of_certificates_that_is_misspelled(secure: World, written: str):
    """Nothing expands `~` in REQUESTS_CA_BUNDLE, or removes quotes; the file that is meant has the certificates."""
    (secure.home / "institute.pem").write_bytes(Path(secure.cave.certificate).read_bytes())
    secure.patch.setenv("REQUESTS_CA_BUNDLE", written.format(secure.home))
    assert "it does not exist); with the certificates in ~/institute.pem it is trusted" in _network(secure.check())
    assert secure.fix().ok


def test_a_file_of_certificates_in_binary_form(secure: World):
    """The IT department offers it as DER, which requests cannot read; the advice is not about another package."""
    binary = secure.home / "institute.cer"
    binary.write_bytes(ssl.PEM_cert_to_DER_cert(Path(secure.cave.certificate).read_text().strip()))
    secure.patch.setenv("REQUESTS_CA_BUNDLE", str(binary))
    report = secure.check()
    assert "it contains no certificates in PEM form); REQUESTS_CA_BUNDLE names it" in _network(report)
    assert "in PEM form, and set REQUESTS_CA_BUNDLE" in report.next.text


def test_a_file_for_keys_that_cannot_be_written(secure: World):
    """Python writes the keys of every secure connection to the file that SSLKEYLOGFILE names."""
    secure.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(secure.cave.certificate))
    secure.patch.setenv("SSLKEYLOGFILE", str(secure.home / "gone" / "keys.log"))
    assert "the file that SSLKEYLOGFILE names cannot be written" in _network(secure.check())
    assert secure.fix().ok


def _tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize("fault", ["version", "certificate", "end"])
def test_a_handshake_that_fails_for_another_reason_than_trust(world: World, fault: str):
    """An old version of TLS, a certificate that the user should have, and a connection that ends in the handshake."""
    authority = trustme.CA()
    context = _tls(authority)
    file = world.home / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    world.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(file))
    words = "closed the connection without a response"
    if fault == "version":
        words = "(they have no version of TLS in common)"
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        world.patch.setattr(connections, "create_urllib3_context", _only_new_tls)
    elif fault == "certificate":
        words = "could not agree on a secure connection (TLS)"
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # with which the alert is a part of the handshake
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
    with OddServer(says("Content-Length: 0"), context if fault != "end" else _Closing()) as odd:
        _set_up(world, f"https://{odd.host}")
        evidence = _network(world.check())
    assert words in evidence
    assert "trust" not in evidence


def _only_new_tls() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class _Closing:
    """In place of a context: reads the beginning of the handshake, and ends the connection."""

    def wrap_socket(self, sock: socket.socket, server_side: bool) -> Any:
        sock.recv(65536)
        sock.shutdown(socket.SHUT_RDWR)
        raise OSError


# ---------------------------------------------------------------- addresses


@pytest.fixture
def named(world: World) -> int:
    """The practice server has a name; the port on which it listens."""
    port = int(world.cave.server.rpartition(":")[2])
    _set_up(world, f"{SERVER}:{port}")
    world.patch.setattr(connection, "allowed_gai_family", connection.allowed_gai_family)
    return port


def test_ipv6_that_leads_nowhere(world: World, named: int):
    """Connecting over IPv6 hangs; over IPv4 alone the server responds."""
    world.hurry()
    with full_backlog("::1", named):
        _looked_up(world, {NAME: [("::1", None), ("127.0.0.1", None)]})
        assert "over IPv4 it responds: the connection over IPv6 does not work" in _network(world.check())
        assert world.fix().ok


def test_a_first_address_that_leads_nowhere(world: World, named: int):
    """Connecting to the first of two IPv4 addresses hangs; only the administrators can change that."""
    world.hurry()
    with full_backlog("127.0.0.2", named):
        _looked_up(world, {NAME: [("127.0.0.2", None), ("127.0.0.1", None)]})
        report = world.check()
    assert "it responds at the second, but not at the first" in _network(report)
    assert report.next.text.startswith("tell the administrators of")


def test_a_lookup_that_hangs_for_one_kind_of_address(world: World, named: int):
    """The experiments begin although the first request is still looking up its host."""
    over, lookup = threading.Event(), socket.getaddrinfo
    world.hurry()

    def found(host: Any, port: Any, family: int = 0, *args: Any, **options: Any) -> Any:
        if host == NAME and family != socket.AF_INET:
            over.wait(LONG)
        return lookup("127.0.0.1" if host == NAME else host, port, family, *args, **options)

    world.patch.setattr(socket, "getaddrinfo", found)
    try:
        assert "over IPv4 it responds" in _network(world.check())
        assert world.fix().ok
    finally:
        over.set()


def test_a_hosts_file_that_hides_a_server(world: World):
    """The line in it is the cause."""
    hosts = world.home / "hosts"
    world.write(hosts, f"127.0.0.1 localhost\n0.0.0.0 ads.example {NAME}  # blocked\n")
    world.patch.setattr(name_lookup, "HOSTS_FILE", hosts)
    _looked_up(world, {NAME: [("127.0.0.1", 1)]})
    _set_up(world, SERVER)
    assert f"hosts maps {NAME} to 127.0.0.1" in _network(world.check())


def test_a_computer_that_is_offline(world: World):
    """No known server is found either."""
    _set_up(world, SERVER)
    assert "cannot be reached either: this computer seems to be offline" in _network(world.check())


@pytest.mark.parametrize("line", ["%cave_whoami", "%cave_setup", "%cave_setup new", "%cave_save --from-env MINE"])
def test_every_magic_says_that_the_computer_is_offline(world: World, line: str):
    """The same fact has the same words as in the check."""
    world.patch.setenv("MINE", "0f3b8c6e1d2a4b5c" * 2)
    _set_up(world, SERVER)
    ran = world.run(f"{line} --server {SERVER}")
    assert ran.error in ("ServerInTrouble", "TokenNotChecked")
    assert "cannot be reached either: this computer seems to be offline" in ran.message


def test_an_address_that_is_gone_while_others_respond(world: World):
    """Another known server responds, so this computer is online."""
    world.patch.setattr(plan, "KNOWN_SERVERS", (world.cave.server,))
    _set_up(world, SERVER)
    report = world.check()
    assert f"{host_of(world.cave.server)} responds, so only this server is affected" in _network(report)
    assert "offline" not in _network(report)


# ---------------------------------------------------------------- responses of something else


def test_a_portal_that_responds_for_every_host(world: World):
    """A host that does not exist responds; once the user has signed in to the network, all is well."""
    _set_up(world, SERVER)
    welcome = b"<html><h1>Welcome to the guest network</h1></html>"
    with OddServer(says(f"Content-Length: {len(welcome)}", welcome)) as portal:
        port = int(portal.host.rpartition(":")[2])
        names = (NAME, "no-such-server.invalid", *map(host_of, plan.KNOWN_SERVERS))
        with world.patch.context() as patch:
            world.patch, before = patch, world.patch
            _looked_up(world, {name: [("127.0.0.1", port)] for name in names})
            report = world.check()
            world.patch = before
    assert "even a host that does not exist responds" in _network(report)
    assert "sign in to this network" in report.next.text
    _looked_up(world, {NAME: [("127.0.0.1", int(world.cave.server.rpartition(":")[2]))]})
    assert world.check().ok


def test_a_server_that_speaks_another_protocol(world: World):
    """A greeting in another protocol is neither http nor a closed connection."""
    with OddServer(lambda sock, over: sock.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")) as odd:
        world.argument = f"--server http://{odd.host}"
        report = world.check()
    assert "responds, but speaks neither http nor https" in _network(report)
    assert "correct the port" in report.next.text


def test_a_password_in_netrc_that_a_firewall_rejects(world: World):
    """Without a token, too, requests sends the password; without it the server responds."""

    def firewall(sock: socket.socket, over: threading.Event) -> None:
        is_sent = b"basic" in odd.asked.lower()
        body = b"<h1>Blocked</h1>" if is_sent else NO_TOKEN
        status = "403 Forbidden" if is_sent else "401 Unauthorized"
        sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    world.write(world.home / ".netrc", "default login ada password s3cr3tpw\n")
    with OddServer(firewall) as odd:
        world.argument = f"--server http://{odd.host}"
        world.server_file.unlink()
        report = world.check()
        assert "~/.netrc has a password for 127.0.0.1" in next(
            row.evidence for row in report.rows if row.id == "network"
        )
        world.follow(report.next)
        assert "network" not in dict(bad(world.check()))


def test_a_failure_that_passes(world: World):
    """The same request works a moment later."""

    def busy_at_first(sock: socket.socket, over: threading.Event) -> None:
        is_first = odd.got.count(b"user/cache") <= 1
        status, body = ("503 Busy", b"<h1>Busy</h1>") if is_first else ("401 Unauthorized", NO_TOKEN)
        sock.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    with OddServer(busy_at_first) as odd:
        _set_up(world, f"http://{odd.host}")
        row = next(row for row in world.check().rows if row.status.value == "failed")
    assert row.id in ("network", "auth")
    assert "a moment later, without the token, it responded normally" in row.evidence


# ---------------------------------------------------------------- what experiments never do


def test_experiments_never_send_the_token(world: World):
    """Only the usual requests carry it."""
    world.cave.misbehave("all", "down")
    world.cave.clear_requests()
    world.check()
    assert sorted(one.path for one in world.cave.requests if one.authorization or one.cookie) == [ID, FULL]
    assert len([one for one in world.cave.requests if one.path == ID]) > 1


def test_a_healthy_check_makes_no_experiments(world: World):
    """It does not even import what plans them."""
    world.patch.setattr(run.Experiments, "start", lambda *args: pytest.fail("an experiment"))
    world.patch.delitem(sys.modules, plan.__name__)
    assert world.check().ok
    assert plan.__name__ not in sys.modules


def test_what_was_tried_is_shown(world: World):
    """`-v` has a line for each experiment, and JSON a list."""
    world.patch.setenv("HTTP_PROXY", DEAD)
    shown = world.run("%cave_check -v").out
    assert "without the proxy: works" in shown
    assert "without the proxy" not in world.run("%cave_check --report").out.partition("Next:")[0].replace(
        "without the proxy it responds", ""
    )
    rows = json.loads(world.run("%cave_check --json").out)["rows"]
    assert "without the proxy: works" in next(row["tried"] for row in rows if row["id"] == "network")
