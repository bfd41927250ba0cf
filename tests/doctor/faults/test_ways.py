"""Faults on the way to a server that works: little time, proxies, certificates, answers that are no data."""

from __future__ import annotations

import os
import random
from pathlib import Path

import certifi
import flask
import pytest
import requests

from cave_magic.api.failures import Failure, classify
from cave_magic.sandbox import Sandbox

from ...support.odd_server import OddServer, says
from ...support.shell import save_for_ada
from .world import World, bad, working

# ---------------------------------------------------------------- time


@pytest.mark.parametrize(("service", "row"), [("all", "network"), ("auth", "auth"), ("/materialize", "materialize")])
def test_a_slow_server_is_given_more_time(world: World, service, row):
    """Where a question was cut because the check's own time was over, Next has a line with more of it, and that works."""
    world.run("%config CaveMagics.timeout = 0.8")
    world.cave.misbehave(service, "slow:0.6")
    report = world.check()
    assert bad(report) == [(row, "failed")]
    assert report.next.commands == ("%cave_check --timeout 60",)
    assert world.mend().ok


def test_more_time_is_asked_for_with_the_same_words(world: World):
    """The line has the datastack and the server that were typed."""
    world.argument = f"flywire_fafb_public --server {world.cave.server} --timeout 0.3"
    world.cave.misbehave("all", "silent")
    again = f"%cave_check flywire_fafb_public --server {world.cave.server} --timeout 60"
    assert world.check().next.commands == (again,)


# ---------------------------------------------------------------- proxies


DEAD = "http://127.0.0.1:1"


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_the_proxy_variable_that_counts_is_named(world: World, variable):
    """Where the proxy is at fault, Next names the variable that sets it for this address, and no other."""
    world.patch.setenv("https_proxy", DEAD)
    world.patch.setenv(variable, DEAD)
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert report.next.text.endswith(f"correct {variable}")
    assert world.mend().ok


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_hosts_that_need_no_proxy_already_are_kept(world: World, variable):
    """The line that passes the proxy by adds to the list that is there."""
    world.patch.setenv("HTTP_PROXY", DEAD)
    world.patch.setenv(variable, "intranet.example.org,10.0.0.0/8")
    report = world.check()
    assert "intranet" not in report.next.text
    assert world.mend().ok
    assert os.environ[variable] == "intranet.example.org,10.0.0.0/8,127.0.0.1"


def test_a_socks_proxy_wants_a_package(world: World):
    """requests cannot use one without PySocks: that is said, with the line that installs it."""

    def lacking(*args: object, **options: object) -> None:
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    world.patch.setattr(requests.adapters, "SOCKSProxyManager", lacking)
    world.patch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert "PySocks" in next(row.evidence for row in report.rows if row.id == "network")
    assert report.next.commands == ('%pip install "requests[socks]"', "%cave_check")
    assert "ALL_PROXY" in report.next.text


@pytest.mark.parametrize("kind", ["ProxyConnectionError", "SOCKS5Error", "GeneralProxyError"])
def test_a_socks_proxy_that_fails_is_the_proxy(kind):
    """What PySocks raises is not blamed on the server behind the proxy."""
    error = requests.exceptions.ConnectionError("refused")
    error.__cause__ = type(kind, (OSError,), {})("Connection refused")
    assert classify(error)[0] is Failure.PROXY


# ---------------------------------------------------------------- certificates


@pytest.fixture
def secure(home, run, shell, monkeypatch):
    """Ada's computer with a server that speaks https, whose certificate requests is told to trust."""
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


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
def test_a_wrong_file_of_certificates_is_the_variables_fault(secure: World, variable, make):
    """The variable that names it is named, and the printed line takes it away."""
    path = secure.home / "company.pem"
    make(path)
    secure.patch.setenv(variable, str(path))
    report = secure.check()
    assert bad(report) == [("network", "failed")]
    assert report.next.commands[0] == f'import os; os.environ.pop("{variable}", None)'
    assert ("CURL" in report.next.text) is (variable == "CURL_CA_BUNDLE")
    assert secure.mend().ok


def test_the_variable_of_requests_comes_first(secure: World):
    """With both set, the one that is obeyed is named; without it the other one counts, which is good."""
    secure.patch.setenv("REQUESTS_CA_BUNDLE", "/not/there.pem")
    secure.patch.setenv("CURL_CA_BUNDLE", str(secure.cave.certificate))
    report = secure.check()
    assert "CURL" not in report.next.text
    assert secure.mend().ok


def test_an_unknown_authority_is_made_known(secure: World):
    """With no variable set, Next says which one to set; that is what a company's own authority needs."""
    secure.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", certifi.where())
    report = secure.check()
    assert bad(report) == [("network", "failed")]
    assert "point REQUESTS_CA_BUNDLE at" in report.next.text
    secure.patch.setenv("REQUESTS_CA_BUNDLE", str(secure.cave.certificate))
    assert secure.check().ok


def test_what_requests_brings_along_can_be_damaged(secure: World):
    """Where no variable is to blame for the file of certificates, the package that has it is."""
    secure.patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", "/not/there.pem")
    assert secure.check().next.commands[0] == "%pip install --force-reinstall certifi"


@pytest.mark.parametrize("reason", ["certificate has expired", "Hostname mismatch, certificate is not valid for"])
def test_an_invalid_certificate_is_not_a_matter_of_trust(reason):
    """No file of certificates helps against one that has expired or is another host's."""
    error = requests.exceptions.SSLError(f"certificate verify failed: {reason}")
    assert classify(error)[0] is Failure.CERTIFICATE


# ---------------------------------------------------------------- answers that are no data


BODIES = {
    "a page": (b"<!DOCTYPE html><h1>Log in</h1>", {}, "failed", 'returned a web page instead of data ("Log in")'),
    "an older page": ("<p>Portail d'accès: identité</p>".encode("latin-1"), {}, "failed", "returned a web page"),
    "words": (b"OK", {}, "failed", 'returned text instead of data ("OK")'),
    "an archive": (b"PK\x03\x04" + bytes(range(256)), {}, "unknown", "returned HTTP 200 with binary data"),
    "random bytes": (random.Random(1).randbytes(400), {}, "unknown", "returned HTTP 200 with binary data"),
    "brotli": (random.Random(2).randbytes(90), {"Content-Encoding": "br"}, "unknown", "with data compressed as br"),
    "zstd": (random.Random(3).randbytes(90), {"Content-Encoding": "zstd"}, "unknown", "with data compressed as zstd"),
    "a packing of no name": (
        random.Random(5).randbytes(90),
        {"Content-Encoding": "\x1b[31m" + "y" * 90},
        "unknown",
        "with data compressed as something unknown",
    ),
}


@pytest.mark.parametrize(("body", "headers", "status", "words"), BODIES.values(), ids=BODIES)
def test_what_is_no_data_is_called_what_it_is(world: World, body, headers, status, words):
    """A page sends one to the portal; what nobody can read in an answer is unknown, and its bytes are not shown."""
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


def test_a_refusal_in_bytes_is_told_by_its_status(world: World):
    """Bytes that come with another status are named, not shown."""
    body = random.Random(4).randbytes(300)
    world.cave.misbehave("all", lambda request: flask.Response(body, status=418))
    assert "returned HTTP 418 with binary data" in next(
        row.evidence for row in world.check().rows if row.id == "network"
    )
