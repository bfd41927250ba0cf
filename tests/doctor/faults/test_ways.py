"""Faults on the way to a working server: timeouts, proxies, certificates, responses without data."""

from __future__ import annotations

import os
import random
from pathlib import Path

import certifi
import flask
import pytest
import requests

from cave_magic.api.failures import Failure, classify
from cave_magic.doctor.report import Report
from cave_magic.sandbox import Sandbox

from ...support.odd_server import OddServer, says
from ...support.shell import save_for_ada
from ...support.waiting import long_enough
from .world import World, bad, working

# ---------------------------------------------------------------- time


@pytest.mark.parametrize(("service", "row"), [("all", "network"), ("auth", "auth"), ("/materialize", "materialize")])
def test_a_slow_server_is_given_more_time(world: World, service, row):
    """If the check's own timeout was too short, Next has a line with a longer one, which works."""
    assert world.check().ok  # what the first check imports is not counted

    def check(seconds: float) -> Report:
        world.run(f"%config CaveMagics.timeout = {2 * seconds}")  # each request may take half of it
        world.cave.misbehave(service, f"slow:{1.5 * seconds}")
        return world.check()

    report = long_enough(check, lambda report: bad(report) == [(row, "failed")])
    assert bad(report) == [(row, "failed")]
    assert report.next.commands == ("%cave_check --timeout 60",)
    assert world.fix().ok


def test_the_line_with_more_time_keeps_the_arguments(world: World):
    """The line has the datastack and the server that were typed."""
    world.argument = f"flywire_fafb_public --server {world.cave.server} --timeout 0.3"
    world.cave.misbehave("all", "silent")
    again = f"%cave_check flywire_fafb_public --server {world.cave.server} --timeout 60"
    assert world.check().next.commands == (again,)


# ---------------------------------------------------------------- proxies


DEAD = "http://127.0.0.1:1"


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_the_proxy_variable_that_counts_is_named(world: World, variable):
    """If the proxy fails, Next names the variable that sets it for this address."""
    world.patch.setenv("https_proxy", DEAD)
    world.patch.setenv(variable, DEAD)
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert report.next.text.endswith(f"correct {variable}")
    assert world.fix().ok


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_hosts_in_no_proxy_are_kept(world: World, variable):
    """The line that bypasses the proxy adds to the existing list."""
    world.patch.setenv("HTTP_PROXY", DEAD)
    world.patch.setenv(variable, "intranet.example.org,10.0.0.0/8")
    report = world.check()
    assert "intranet" not in report.next.text
    assert world.fix().ok
    assert os.environ[variable] == "intranet.example.org,10.0.0.0/8,127.0.0.1"


def test_a_socks_proxy_needs_a_package(world: World):
    """requests needs PySocks for it, and Next installs it if the server is not reachable without the proxy."""

    def lacking(*args: object, **options: object) -> None:
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    world.patch.setattr(requests.adapters, "SOCKSProxyManager", lacking)
    world.patch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert "PySocks" in next(row.evidence for row in report.rows if row.id == "network")
    assert report.next.commands == ("%env NO_PROXY=127.0.0.1", "%cave_check")
    world.argument = "--server http://cave.example.org"
    assert world.check().next.commands == (
        '%pip install -U "requests[socks]"',
        world.argument.join(("%cave_check ", "")),
    )


@pytest.mark.parametrize("kind", ["ProxyConnectionError", "SOCKS5Error", "GeneralProxyError"])
def test_a_failing_socks_proxy_is_a_proxy_failure(kind):
    """Errors of PySocks are not blamed on the server."""
    error = requests.exceptions.ConnectionError("refused")
    error.__cause__ = type(kind, (OSError,), {})("Connection refused")
    assert classify(error)[0] is Failure.PROXY


# ---------------------------------------------------------------- certificates


@pytest.fixture
def secure(home, run, shell, monkeypatch):
    """Ada's computer with an https server whose certificate requests trusts."""
    with Sandbox(tls=True) as cave:
        monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", cave.certificate)
        with working(cave, home, run, shell, monkeypatch, save_for_ada(cave, shell)) as world:
            yield world


FILES = {
    "not there": lambda path: None,
    "no certificates": lambda path: path.write_text("nothing"),
    "other certificates": lambda path: path.write_bytes(Path(certifi.where()).read_bytes()),
    "an empty folder": lambda path: path.mkdir(),
}


@pytest.mark.in_turn(variable=("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), content=tuple(FILES))
def test_the_variable_of_a_wrong_certificate_file_is_named(secure: World, variable, content):
    """The printed line unsets the variable."""
    path = secure.home / "company.pem"
    FILES[content](path)
    secure.patch.setenv(variable, str(path))
    report = secure.check()
    assert bad(report) == [("network", "failed")]
    assert report.next.commands[0] == f'import os; os.environ.pop("{variable}", None)'
    assert ("CURL" in report.next.text) is (variable == "CURL_CA_BUNDLE")
    assert secure.fix().ok


def test_the_variable_of_requests_comes_first(secure: World):
    """With both variables set, the one that requests uses is named."""
    secure.patch.setenv("REQUESTS_CA_BUNDLE", "/not/there.pem")
    secure.patch.setenv("CURL_CA_BUNDLE", str(secure.cave.certificate))
    report = secure.check()
    assert "CURL" not in report.next.text
    assert secure.fix().ok


def test_an_unknown_authority_needs_a_variable(secure: World):
    """Next says which variable to set for a company's own authority."""
    secure.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", certifi.where())
    report = secure.check()
    assert bad(report) == [("network", "failed")]
    assert "set REQUESTS_CA_BUNDLE to a file with" in report.next.text
    secure.patch.setenv("REQUESTS_CA_BUNDLE", str(secure.cave.certificate))
    assert secure.check().ok


def test_a_damaged_certifi_is_reinstalled(secure: World):
    """If no variable names the broken certificate file, it is certifi's."""
    secure.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", "/not/there.pem")
    assert secure.check().next.commands[0] == "%pip install --force-reinstall --no-deps certifi"


@pytest.mark.parametrize("reason", ["certificate has expired", "Hostname mismatch, certificate is not valid for"])
def test_an_invalid_certificate_is_not_an_unknown_authority(reason):
    """No certificate file helps if the certificate has expired or is for another host."""
    error = requests.exceptions.SSLError(f"certificate verify failed: {reason}")
    assert classify(error)[0] is Failure.CERTIFICATE


# ---------------------------------------------------------------- responses without data


BODIES = {
    "a page": (b"<!DOCTYPE html><h1>Log in</h1>", {}, "failed", 'returned a web page instead of data ("Log in")'),
    "an older page": ("<p>Portail d'accès: identité</p>".encode("latin-1"), {}, "failed", "returned a web page"),
    "words": (b"OK", {}, "failed", 'returned text instead of data ("OK")'),
    "an archive": (b"PK\x03\x04" + bytes(range(256)), {}, "unknown", "returned HTTP 200 with binary data"),
    "random bytes": (random.Random(1).randbytes(400), {}, "unknown", "returned HTTP 200 with binary data"),
    "brotli": (random.Random(2).randbytes(90), {"Content-Encoding": "br"}, "unknown", "with data compressed as br"),
    "zstd": (random.Random(3).randbytes(90), {"Content-Encoding": "zstd"}, "unknown", "with data compressed as zstd"),
    "an unknown compression": (
        random.Random(5).randbytes(90),
        {"Content-Encoding": "\x1b[31m" + "y" * 90},
        "unknown",
        "with data compressed as something unknown",
    ),
}


@pytest.mark.parametrize(("body", "headers", "status", "words"), BODIES.values(), ids=BODIES)
def test_a_response_without_data_is_named(world: World, body, headers, status, words):
    """A page leads to the portal; unreadable bytes are unknown and not shown."""
    with OddServer(
        says("\r\n".join([f"Content-Length: {len(body)}", *(f"{a}: {b}" for a, b in headers.items())]), body)
    ) as odd:
        world.argument = f"--server http://{odd.host}"
        report = world.check()
    assert bad(report) == [("network", status)]
    evidence = next(row.evidence for row in report.rows if row.id == "network")
    assert words in evidence
    assert status == "failed" or "\ufffd" not in evidence
    assert len(evidence) < 140
    assert ("portal" in report.next.text) is (status == "failed")


def test_binary_data_with_an_error_status_is_named(world: World):
    """The bytes are not shown."""
    body = random.Random(4).randbytes(300)
    world.cave.misbehave("all", lambda request: flask.Response(body, status=418))
    assert "returned HTTP 418 with binary data" in next(
        row.evidence for row in world.check().rows if row.id == "network"
    )
