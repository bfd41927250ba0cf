"""Sessions: how responses are read, how each failure is named, what is sent and what is not."""

from __future__ import annotations

import errno
import gc
import gzip
import json
import os
import socket
import ssl
import sys
import threading
import time
import warnings
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import requests
from urllib3.exceptions import DependencyWarning

import cave_magic.api
from cave_magic.api.connections import DEADLINES
from cave_magic.api.failures import Failure, classify
from cave_magic.api.http import Session, Way, changed_by
from cave_magic.api.responses import PAGE, Response, version_in
from cave_magic.environment.packages import import_caveclient
from cave_magic.token import Token
from cave_magic.ui.redact import Untrusted

from ..support.odd_server import OddServer, drips, full_backlog, says, says_nothing
from ..support.waiting import LONG, long_enough, until

TOKEN = Token("a" * 31 + "0")
JSON = "Content-Type: application/json"


@pytest.fixture
def session():
    """A session, closed at the end."""
    with Session() as session:
        yield session


def test_a_good_response_is_parsed(cave, session):
    """A healthy server's response has its status, its JSON and its duration."""
    response = session.get(f"{cave.server}/info/version")
    assert (response.status, response.body, response.failure) == (200, "4.3.3", None)
    assert response.is_good
    assert 0 < response.seconds < LONG


REPLACED = (
    "Session",
    "Session.send",
    "adapters.HTTPAdapter.__init__",
    "adapters.HTTPAdapter.build_response",
    "models.Request.__init__",
    "models.Response.__init__",
)
"""Parts of requests that a startup file may replace."""


@pytest.mark.parametrize("part", REPLACED)
def test_requests_as_installed_have_nothing_that_was_replaced(cave, session, monkeypatch, part):
    """Whichever part of requests fails in this process, the second copy sends the request."""

    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("replaced")

    monkeypatch.setattr(f"requests.{part}", fail)
    url, filters = f"{cave.server}/info/version", [*warnings.filters]
    assert changed_by() == __file__
    assert session.get(url).failure is Failure.UNKNOWN
    assert session.request("GET", url, None, LONG, way=Way(as_installed=True)).is_good
    assert {one[2] for one in warnings.filters if one not in filters} <= {DependencyWarning}


def test_requests_that_nobody_changed_are_not_called_changed():
    """Else a check would blame a file of requests itself."""
    assert changed_by() == ""


def test_connections_are_reused(cave, session):
    """Requests one after the other use one connection."""
    for _ in range(5):
        session.get(f"{cave.server}/info/version")
    assert (len(cave.requests), cave.connections) == (5, 1)


def test_a_token_is_sent_as_bearer_to_that_host_only(cave, session):
    """The token is sent in the header, no cookie is sent or kept, and a redirect is not followed."""
    with OddServer(says(JSON, b"1")) as elsewhere:
        cave.misbehave("info", f"redirect:http://{elsewhere.host}/trap")
        response = session.get(f"{cave.server}/info/api/v2/datastacks", Token(cave.new_token("ada")))
    assert (response.status, response.location) == (302, f"http://{elsewhere.host}/trap")
    assert elsewhere.connections == 0
    assert [(one.authorization, one.cookie, one.user) for one in cave.requests] == [(True, False, "ada")]


def test_an_unsendable_token_is_not_sent(cave, session):
    """A token with a line break is detected before anything is sent."""
    assert session.get(f"{cave.server}/info/version", Token("abc\ndef")).failure is Failure.UNSENDABLE
    assert len(cave.requests) == 0


def test_an_echoed_token_is_masked(session):
    """A server that repeats the token cannot get it shown."""
    with OddServer(says("Content-Length: 36", b"You sent " + TOKEN.reveal().encode()[:27])) as odd:
        assert TOKEN.reveal() not in repr(session.get(f"http://{odd.host}/", TOKEN))
    with OddServer(says("Content-Length: 41", b"You sent " + TOKEN.reveal().encode())) as odd:
        response = session.get(f"http://{odd.host}/", TOKEN)
    assert response.opening == "You sent ****"


@pytest.mark.parametrize(
    ("how", "failure"),
    [
        ("reset", Failure.RESET),
        ("close", Failure.RESET),
        ("truncated", Failure.INCOMPLETE),
        ("silent", Failure.NO_RESPONSE),
        ("drip", Failure.NO_RESPONSE),
        ("big", Failure.UNREADABLE),
    ],
)
def test_failures_are_named(cave, session, how, failure):
    """What a server does instead of responding is named, and soon."""
    cave.misbehave("info", how)
    url, hangs = f"{cave.server}/info/version", failure is Failure.NO_RESPONSE
    response = long_enough(
        lambda seconds: session.get(url, seconds=seconds if hangs else LONG), lambda one: one.failure is failure
    )
    assert response.seconds < LONG
    assert response.failure is failure
    assert response.body is None


@pytest.mark.parametrize("how", ["retry-after:3600", "retry-after:3600:429", "loop"])
def test_nothing_is_retried(cave, session, how):
    """Neither `Retry-After` nor a redirect loop leads to a second request or to a wait."""
    cave.misbehave("info", how)
    assert session.get(f"{cave.server}/info/version").status in (503, 429, 302)
    assert len(cave.requests) == 1


def test_a_connection_that_was_closed_between_two_requests_is_replaced(session):
    """A server may close a connection just as the next request is sent on it: a new one shows what it responds."""
    answer = says("Content-Length: 2", b"{}")

    def close_on_the_second_request(sock, over):
        answer(sock, over)
        sock.recv(65536)

    with OddServer(close_on_the_second_request) as odd:
        responses = [session.get(f"http://{odd.host}/{number}") for number in range(3)]
    assert [(response.status, response.failure) for response in responses] == 3 * [(200, None)]
    assert odd.connections == 3


def test_a_connection_that_was_closed_at_the_timeout_is_a_failure(session, monkeypatch):
    """No time is left for a new one: that it was closed is what happened."""
    closed = threading.Event()

    def close_on_the_second_request(sock, over):
        says("Content-Length: 2", b"{}")(sock, over)
        sock.recv(65536)
        closed.set()

    later = SimpleNamespace(monotonic=lambda: time.monotonic() + LONG * closed.is_set())
    monkeypatch.setattr("cave_magic.api.http.time", later)
    with OddServer(close_on_the_second_request) as odd:
        responses = [session.get(f"http://{odd.host}/{number}") for number in range(2)]
    assert [response.failure for response in responses] == [None, Failure.RESET]


def test_a_connection_that_is_always_closed_is_a_failure(session):
    """Only the first request on a new connection shows it, so nothing is sent twice."""
    with OddServer(lambda sock, over: None) as odd:
        assert session.get(f"http://{odd.host}/x").failure is Failure.RESET
    assert odd.connections == 1


@pytest.mark.parametrize(
    ("address", "failure"),
    [
        ("http://127.0.0.1:9/x", Failure.REFUSED),
        ("http://no-such-host.invalid/", Failure.NAME_NOT_FOUND),
        ("127.0.0.1:80/x", Failure.INVALID_URL),
        ("ftp://127.0.0.1/", Failure.INVALID_URL),
        ("http://", Failure.INVALID_URL),
        ("http://ada:password@127.0.0.1:9/x", Failure.INVALID_URL),
    ],
)
def test_urls_that_lead_nowhere_are_named(session, monkeypatch, address, failure):
    """A URL that leads nowhere is told apart from a server with a problem."""
    find = socket.getaddrinfo

    def resolve(host, *args, **options):
        if host.endswith("invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return find(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert session.get(address, seconds=LONG).failure is failure


def test_connecting_times_out(session):
    """A port whose queue is full is given up in time, and reported as unreachable."""
    with full_backlog() as host:
        assert session.get(f"http://{host}/", seconds=0.3).failure is Failure.CONNECT_TIMEOUT


def test_a_tls_handshake_times_out(session):
    """A server that accepts a TLS connection and sends nothing is given up in time."""
    with OddServer(says_nothing) as odd:
        assert session.get(f"https://{odd.host}/", seconds=0.3).failure is not None


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"\x1f"),
    ],
    ids=["in the head", "in the body", "without an end", "in chunks", "not yet", "compressed"],
)
def test_a_response_that_drips_times_out(session, start, more):
    """However a server draws out its response, the request ends in time, and so does its thread."""
    with OddServer(drips(start, more)) as odd:
        response = long_enough(
            lambda seconds: session.get(f"http://{odd.host}/", seconds=seconds),
            lambda one: one.failure is not Failure.CONNECT_TIMEOUT,
        )
    assert response.seconds < LONG
    assert response.failure in (Failure.NO_RESPONSE, Failure.TOO_SLOW, Failure.RESET)


def test_a_compressed_response_is_decompressed(session):
    """A server that compresses although it was not asked to is understood."""
    body = gzip.compress(json.dumps({"ok": True}).encode())
    with OddServer(says(f"Content-Encoding: gzip\r\nContent-Length: {len(body)}", body)) as odd:
        assert session.get(f"http://{odd.host}/").body == {"ok": True}


def test_a_compressed_bomb_stays_small(session):
    """A small response that decompresses to a large one is given up."""
    body = gzip.compress(b" " * 50_000_000, 1)
    with OddServer(says(f"Content-Encoding: gzip\r\nContent-Length: {len(body)}", body)) as odd:
        response = session.get(f"http://{odd.host}/")
    assert (response.failure, response.detail) == (Failure.UNREADABLE, "it is too long")


def test_a_compressed_response_that_is_none_cannot_be_read(session):
    """Each response is requested in the form that caveclient asks for, so that its errors are seen here, too."""
    with OddServer(says("Content-Encoding: gzip\r\nContent-Length: 5", b"plain")) as odd:
        response = session.get(f"http://{odd.host}/")
    assert (response.failure, response.detail) == (Failure.UNREADABLE, "it cannot be decompressed")
    assert b"Accept-Encoding: gzip\r\n" in odd.got


def test_an_empty_response_is_not_decompressed(session):
    """A response without a body may still name an encoding."""
    with OddServer(says("Content-Encoding: gzip\r\nContent-Length: 0")) as odd:
        assert session.get(f"http://{odd.host}/").failure is None


def test_a_response_that_a_proxy_has_changed_is_good(session):
    """It turns 200 into 203, which caveclient accepts."""
    with OddServer(lambda sock, over: sock.sendall(b'HTTP/1.1 203 X\r\nContent-Length: 7\r\n\r\n"4.3.3"')) as odd:
        response = session.get(f"http://{odd.host}/info/version")
    assert response.is_good
    assert version_in(response) == "4.3.3"


def test_a_compressed_response_that_breaks_off_is_incomplete(session):
    """It is not said to be too long."""
    body = gzip.compress(json.dumps({"ok": True}).encode())[:-12]
    with OddServer(says(f"Content-Encoding: gzip\r\nContent-Length: {len(body)}", body)) as odd:
        response = session.get(f"http://{odd.host}/")
    assert (response.failure, response.detail) == (Failure.INCOMPLETE, "part of it is missing")


def test_a_proxy_is_used_and_times_out(session, monkeypatch):
    """The proxy variables apply here as in caveclient; a proxy that hangs is given up in time."""
    with OddServer(says_nothing) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://{proxy.host}")
        monkeypatch.setenv("HTTPS_PROXY", f"http://{proxy.host}")
        plain, secure = (
            long_enough(
                lambda seconds, scheme=scheme: session.get(
                    f"{scheme}://cave.example.org/info/version", seconds=seconds
                ),
                lambda one: one.failure is not Failure.CONNECT_TIMEOUT,
            )
            for scheme in ("http", "https")
        )
    assert plain.failure is Failure.NO_RESPONSE
    assert secure.failure is not None
    assert proxy.got.startswith((b"GET http://cave.example.org", b"CONNECT cave.example.org:443"))


def test_a_configured_ca_bundle_is_trusted(session, monkeypatch):
    """`REQUESTS_CA_BUNDLE` applies here as in caveclient, and nothing is trusted without it."""
    from cave_magic.sandbox import Sandbox

    pytest.importorskip("ssl")
    with Sandbox(tls=True) as secure:
        assert session.get(f"{secure.server}/info/version").failure is Failure.TLS
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", secure.certificate)
        assert session.get(f"{secure.server}/info/version").is_good
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/not/there")
        response = session.get(f"{secure.server}/info/version")
    assert (response.failure, response.detail) == (Failure.CA_BUNDLE, "it does not exist")


def test_a_closed_session_sends_nothing(cave):
    """After `close` no request is sent, and the failure says so."""
    session = Session()
    session.close()
    assert session.get(f"{cave.server}/info/version").failure is Failure.NOT_CONTACTED
    assert cave.connections == 0


def test_a_closed_session_leaves_no_thread(cave):
    """The thread that cuts requests at their deadlines has ended, for whoever counts the threads right after a check."""
    until(lambda: DEADLINES.thread is None)  # no request of another test is left
    with Session() as session:
        session.get(f"{cave.server}/info/version")
        watching = DEADLINES.thread
        assert watching in threading.enumerate()
    assert watching not in threading.enumerate()


def test_closing_cancels_requests_in_progress(cave):
    """A request that hangs ends at once when its session is closed, and its thread with it."""
    cave.misbehave("info", "silent")
    session, responses = Session(), []
    thread = threading.Thread(target=lambda: responses.append(session.get(f"{cave.server}/info/version", seconds=120)))
    thread.start()
    until(lambda: cave.requests)
    session.close()
    thread.join(LONG)
    assert responses[0].failure is Failure.NO_RESPONSE


def test_a_broken_requests_package_is_a_failure(monkeypatch, session):
    """If requests itself cannot be imported, the response says so and nothing is raised."""
    monkeypatch.delitem(sys.modules, "cave_magic.api.connections")
    monkeypatch.delattr(cave_magic.api, "connections")
    monkeypatch.setitem(sys.modules, "requests", None)
    response = session.get("http://127.0.0.1:9/")
    assert (response.failure, response.detail) == (Failure.UNKNOWN, "ModuleNotFoundError")


def test_an_error_of_a_mock_is_named_with_its_module(session, monkeypatch):
    """What replaces a part of requests, in a test or a notebook, may raise anything."""

    def refuse(*args: object, **options: object) -> None:
        raise RuntimeError("network access is blocked")

    monkeypatch.setattr("requests.Session.request", refuse)
    response = session.get("http://127.0.0.1:9/")
    assert (response.failure, response.detail) == (Failure.UNKNOWN, f"RuntimeError in {__name__}")


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("urllib3.util.connection", (Failure.SYSTEM, os.strerror(errno.ENOBUFS))),
        ("socket", (Failure.SYSTEM, os.strerror(errno.ENOBUFS))),
        ("pytest_socket", (Failure.UNKNOWN, "OSError in pytest_socket")),
    ],
)
def test_an_error_of_the_system_is_not_blamed_on_changed_requests(module: str, expected: tuple[Failure, str]):
    """What no other code raised is the system's own error, in its own words, such as that of a firewall."""
    names = {"__name__": module, "error": OSError(errno.ENOBUFS, TOKEN.reveal())}
    with pytest.raises(OSError) as caught:  # noqa: PT011
        exec("def connect(): raise error\nconnect()", names)
    assert classify(caught.value) == expected


@pytest.mark.parametrize("number", [errno.ENETDOWN, errno.EHOSTDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH])
def test_a_network_that_is_down_is_no_error_of_the_system(number: int):
    """macOS says "Host is down" or "Network is down" where Linux says "No route to host"."""
    assert classify(OSError(number, "")) == (Failure.UNREACHABLE, "")


def test_a_cache_of_responses_sees_none_of_ours(cave, session, monkeypatch):
    """What replaces the session of requests, as requests_cache does, would store the tokens of a list on disk."""
    stored: list[object] = []

    class Cached(requests.Session):
        def send(self, *args: object, **options: object) -> object:
            stored.append(args)
            return super().send(*args, **options)

    monkeypatch.setattr(requests, "Session", Cached)
    response = session.get(f"{cave.server}/auth/api/v1/user/token", Token(cave.new_token("ada")))
    assert (response.status, stored) == (200, [])


def test_what_replaces_the_session_of_requests_may_be_a_function(cave, session, monkeypatch):
    """A function in place of that class, as a test or a notebook may put there, makes the session."""
    real = requests.Session
    monkeypatch.setattr(requests, "Session", lambda: real())
    assert session.get(f"{cave.server}/auth/api/v1/user/token", Token(cave.new_token("ada"))).status == 200


@pytest.mark.parametrize("number", ["text", [1], 10**30, -5])
def test_an_error_with_an_odd_number_is_a_failure(session, monkeypatch, number):
    """`OSError` takes anything in place of the number of a system's error, and a mock of Python raises what it gets."""
    monkeypatch.setattr("requests.Session.request", Mock(side_effect=OSError(number, "text")))
    response = session.get("http://127.0.0.1:9/")
    assert (response.failure, response.detail) == (Failure.UNKNOWN, "OSError in unittest.mock")


def test_an_unknown_error_is_named_by_its_type():
    """An unknown error is named by its type alone: its text could contain anything."""
    assert classify(RuntimeError(TOKEN.reveal())) == (Failure.UNKNOWN, "RuntimeError")


@pytest.mark.parametrize(
    "head",
    [
        "X: " + "y" * 70_000,
        "\r\n".join(f"X-{number}: y" for number in range(120)),
        "Content-Length: 2\r\nContent-Length: 3",
    ],
    ids=["long", "many", "two lengths"],
)
def test_bad_headers_are_a_failure_of_their_own(session, head):
    """The server responded, so it is not said that it could not be contacted."""
    with OddServer(says(head, b"{}")) as odd:
        assert session.get(f"http://{odd.host}/").failure is Failure.HEADERS


def test_cookies_are_not_kept(session):
    """A cookie that a server sets is not sent back."""
    with OddServer(says("Set-Cookie: a=b\r\nContent-Length: 1\r\nConnection: close", b"1")) as odd:
        session.get(f"http://{odd.host}/")
        session.get(f"http://{odd.host}/")
    assert b"Cookie" not in odd.got
    assert odd.got.count(b"GET") == 2


def test_the_user_agent_names_the_program(cave, session):
    """The servers can tell from the User-Agent which program sends the requests."""
    with OddServer(says("Content-Length: 1", b"1")) as odd:
        session.get(f"http://{odd.host}/")
    assert b"User-Agent: cave-magic/" in odd.got
    assert cave_magic.__version__.encode() in odd.got


@pytest.mark.parametrize("collects", [True, False])
def test_importing_leaves_the_collector_as_it_was(monkeypatch, collects):
    """The garbage collector pauses only while caveclient is imported, also if that import fails."""
    was = gc.isenabled()
    try:
        gc.enable() if collects else gc.disable()
        monkeypatch.delitem(sys.modules, "caveclient.auth", raising=False)
        monkeypatch.setitem(sys.modules, "caveclient", None)
        assert import_caveclient().startswith("ModuleNotFoundError")
        assert gc.isenabled() is collects
    finally:
        gc.enable() if was else gc.disable()


def test_a_later_import_leaves_the_objects_of_the_collector_alone(monkeypatch):
    """Only those that the first import of caveclient made are moved to the oldest generation."""
    assert import_caveclient() == ""
    monkeypatch.setattr(gc, "freeze", lambda: pytest.fail("they were moved"))
    assert import_caveclient() == ""


@pytest.mark.parametrize(
    ("message", "failure"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: path length constraint exceeded", Failure.TLS),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has expired", Failure.CERTIFICATE),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert certificate required", Failure.HANDSHAKE),
        ("[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version", Failure.HANDSHAKE),
        ("[SSL: UNSAFE_LEGACY_RENEGOTIATION_DISABLED] unsafe legacy renegotiation disabled", Failure.HANDSHAKE),
        ("[SSL: DH_KEY_TOO_SMALL] dh key too small", Failure.HANDSHAKE),
        ("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol", Failure.RESET),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number", Failure.NOT_TLS),
        ("something new", Failure.HANDSHAKE),
    ],
)
def test_a_certificate_is_blamed_only_if_openssl_rejects_it(message: str, failure: Failure):
    """All other failures of a secure connection have nothing to do with trust."""
    assert classify(ssl.SSLError(1, message))[0] is failure


@pytest.mark.parametrize(
    ("opening", "said"),
    [
        ("502 Bad Gateway 502 Bad Gateway nginx", "Bad Gateway nginx"),
        ("Error 502 (Server Error)!!1 502. That is an error.", "Error 502 (Server Error)!!1 502. That is an error."),
        ("No such table", "No such table"),
    ],
)
def test_what_a_web_server_says_twice_is_repeated_once(opening, said):
    """A page has its status and its words in the title and in a heading."""
    response = Response(url="https://x.org/auth", status=502, form=PAGE, opening=Untrusted(opening))
    assert response.sentence == f"x.org returned HTTP 502: {said}"
