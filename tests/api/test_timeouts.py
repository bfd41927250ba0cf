"""Every magic ends within its timeout, whatever servers, proxies and name servers do, and leaves nothing behind.

The limits here are generous on purpose: they show that a short timeout has an effect, not that it is exact.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from urllib3.connection import HTTPConnection

from cave_magic.api.batch import Batch

from ..support.desk import interrupt_when
from ..support.odd_server import OddServer, drips, full_backlog, says_nothing
from ..support.packages import CAVECLIENT
from ..support.waiting import LONG, long_enough

ROOT = Path(__file__).resolve().parents[2]
SILENT = b"HTTP/1.1 200 OK\r\nX-Long: "

HANGING = ["silent", "drip", "retry-after:3600", "loop", "big"]


def network(report):
    """The row of a report that says whether the server can be reached."""
    return next(row for row in report.rows if row.id == "network")


def failed(report):
    """The rows of a report that have failed."""
    return [row.id for row in report.rows if row.status.value == "failed"]


@pytest.fixture
def timed(run):
    """Runs a cell, which must end within a generous limit."""

    def run_in_time(cell):
        start = time.monotonic()
        ran = run(cell)
        assert time.monotonic() - start < LONG
        return ran

    return run_in_time


@pytest.mark.parametrize("how", HANGING)
def test_the_check_times_out(cave, set_up, timed, how):
    """Whatever the server does, `%cave_check` ends and reports a problem with the server."""
    cave.misbehave("all", how)
    report = long_enough(
        lambda seconds: timed(f"%cave_check --timeout {seconds} -o").value,
        lambda one: network(one).status.value == "failed",
    )
    assert network(report).status.value == "failed"


@pytest.mark.parametrize(("service", "row"), [("materialize", "materialize"), ("info", "info"), ("auth", "auth")])
def test_one_hanging_service_hides_no_other(cave, set_up, timed, service, row):
    """A service that sends one byte a second is reported, and the others are seen to work."""
    cave.misbehave(service, "drip")
    report = long_enough(
        lambda seconds: timed(f"%cave_check --timeout {seconds} -o").value,
        lambda one: failed(one) == [row] and network(one).status.value == "ok",
    )
    assert failed(report) == [row]
    assert network(report).status.value == "ok"


@pytest.mark.parametrize("how", ["drip", "big"])
def test_the_other_magics_time_out(cave, set_up, timed, monkeypatch, how):
    """`%cave_whoami`, `%cave_setup` and `%cave_save` end with one of our errors."""
    monkeypatch.setenv("ADA", cave.new_token("ada"))
    timed("%config CaveMagics.timeout = 0.6")
    cave.misbehave("all", how)
    assert timed("%cave_whoami").error == "ServerInTrouble"
    assert timed("%cave_setup").error == "ServerInTrouble"
    assert timed("%cave_save --from-env ADA --overwrite").error == "TokenNotChecked"


def test_checking_all_datastacks_times_out(cave, set_up, timed):
    """`%cave_check --all` ends if the list of datastacks never comes."""
    cave.misbehave("/info/api/v2/datastacks", "silent")
    assert timed("%cave_check --all --timeout 2 -o").value.datastacks == ("minnie65_public",)


@pytest.mark.parametrize("response", [says_nothing, drips(SILENT, b"x")], ids=["says nothing", "one byte at a time"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_responds_is_given_up(timed, token_for, response, scheme):
    """A port that accepts connections, with or without TLS, and never responds is given up."""
    with OddServer(response) as odd:
        token_for(f"{scheme}://{odd.host}")
        report = timed(f"%cave_check --server {scheme}://{odd.host} --timeout 0.6 -o").value
    assert not report.ok
    assert report.next is not None


def test_a_host_where_connecting_hangs_is_unreachable(timed, token_for):
    """A host that lets connections hang is reported as unreachable."""
    with full_backlog() as host:
        token_for(f"http://{host}")
        report = long_enough(
            lambda seconds: timed(f"%cave_check --server http://{host} --timeout {seconds} -o").value,
            lambda one: "is unreachable" in network(one).evidence,
        )
    assert "is unreachable" in network(report).evidence


def test_a_proxy_that_hangs_is_given_up(timed, token_for, monkeypatch):
    """A proxy that accepts connections and never responds is given up."""
    token_for("http://cave.example.org")
    with OddServer(says_nothing) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        report = timed("%cave_check --server http://cave.example.org --timeout 0.6 -o").value
    assert not report.ok


def test_a_name_server_that_hangs_is_reported(timed, token_for, monkeypatch):
    """A name that is never resolved is reported; if it is resolved later, no request is sent."""
    found = threading.Event()
    with OddServer(says_nothing) as odd:
        token_for("http://cave.example.org")
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(odd.host.rpartition(":")[2])))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found.wait(LONG) and [address])
        report = long_enough(
            lambda seconds: timed(f"%cave_check --server http://cave.example.org --timeout {seconds} -o").value,
            lambda one: "looked up" in network(one).evidence,
        )
        found.set()
        time.sleep(0.5)
        assert odd.got == b""
    assert "looked up" in network(report).evidence


def test_an_interrupt_cancels_a_magic_at_once(cave, set_up, timed):
    """Ctrl-C during the wait ends the magic with one line, long before its timeout."""
    cave.misbehave("all", "silent")
    cave.clear_requests()
    interrupt_when(lambda: cave.requests, inside=Batch.wait)
    ran = timed("%cave_check --timeout 300")
    assert ran.error == "Cancelled"
    assert "Traceback" not in ran.out


def test_nothing_is_sent_after_the_end(cave, set_up, timed, monkeypatch):
    """Once a magic has ended no further request is sent, although some were still unfinished."""
    late, over, send = [], threading.Event(), HTTPConnection.request
    served = (cave.server, cave.local_server)  # and not its services, which ask each other

    def count(self, *args, **options):
        is_late = over.is_set()
        send(self, *args, **options)
        if is_late and f"http://{self.host}:{self.port}" in served:
            late.append(args)

    monkeypatch.setattr(HTTPConnection, "request", count)
    cave.misbehave("all", "slow:1.5")
    timed("%cave_check --timeout 0.4")
    over.set()
    cave.behave()
    time.sleep(0.5)
    assert late == []


def test_threads_that_hang_do_not_keep_python_from_exiting(home, tmp_path):
    """A program whose name server hangs exits right after its check, with code 0."""
    CAVECLIENT.install(tmp_path)
    program = """
        import socket, threading, json, pathlib
        never = threading.Event()
        socket.getaddrinfo = lambda *args, **options: never.wait()
        folder = pathlib.Path.home() / ".cloudvolume" / "secrets"
        folder.mkdir(parents=True)
        (folder / "cave.example.org-cave-secret.json").write_text(json.dumps({"token": "a" * 31 + "0"}))
        import cave_magic
        print(cave_magic.check(server="http://cave.example.org", timeout=1).ok)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr


@pytest.fixture
def token_for(secrets):
    """Saves a token for a server, as `%cave_save --no-check` does."""
    from cave_magic.credentials.save import save_token
    from cave_magic.token import Token

    def store(server):
        save_token(Token("a" * 31 + "0"), server)

    return store
