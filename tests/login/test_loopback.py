"""The receiver on loopback under attack: anything but the expected sign-in is rejected, and the wait continues."""

from __future__ import annotations

import html
import http.client
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from cave_magic.login import loopback as module
from cave_magic.login.loopback import (
    DONE,
    FAILED,
    LIFETIME,
    MAX_STRAY_TOKENS,
    MAX_TOKENS,
    NOT_REVOKED,
    OVER,
    REFUSED,
    NoLoopback,
    Receiver,
    token_in,
)
from cave_magic.token import Token

from ..support.desk import close
from ..support.waiting import LONG

GOOD = "0123456789abcdef" * 2
BAD = "f" * 32
ISSUER = "127.0.0.1:9/sticky_auth"
CAME = f"middle_auth_token={GOOD}&middle_auth_url=127.0.0.1%3A9/sticky_auth&token={GOOD}"
LINK = "https://example.org/sign-out?a=1&b=2"


@dataclass
class Handler:
    """Accepts `GOOD`, and records what arrived."""

    where: str = DONE
    who: str = "Ada <i> Example"
    then: str = "Your notebook goes on, and you can close this tab."
    asked: list[Token] = field(default_factory=list)
    returned: list[bool] = field(default_factory=list)
    strays: list[tuple[Token, bool]] = field(default_factory=list)

    def handle_token(self, token: Token, returned: bool) -> str:
        self.asked.append(token)
        self.returned.append(returned)
        return self.where if token == Token(GOOD) else REFUSED

    def handle_stray_token(self, token: Token, knows_path: bool) -> None:
        self.strays.append((token, knows_path))


@contextmanager
def waiting(handler: Handler, lifetime: float = LIFETIME) -> Iterator[Receiver]:
    """A waiting receiver that is closed at the end."""
    receiver = Receiver(handler, ISSUER, lifetime, ("It is still valid.", LINK))
    try:
        yield receiver
    finally:
        close(receiver)


@pytest.fixture
def handler() -> Handler:
    """A handler that accepts one token."""
    return Handler()


@pytest.fixture
def receiver(handler: Handler) -> Iterator[Receiver]:
    """A waiting receiver."""
    with waiting(handler) as receiver:
        yield receiver


@dataclass
class Got:
    """A response: status 0 if the connection ended without one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def port_of(receiver: Receiver) -> int:
    return urlsplit(receiver.sign_in_url).port or 0


def ask(
    receiver: Receiver, target: str, method: str = "GET", host: str | None = None, more: str = "", body: str = ""
) -> Got:
    """Sends one request unchanged."""
    head = f"{method} {target} HTTP/1.1\r\nHost: {receiver._host if host is None else host}\r\n{more}\r\n{body}"
    return send(receiver, head.encode("latin-1"))


def send(receiver: Receiver, data: bytes) -> Got:
    """Sends bytes, and reads the response if there is one."""
    with socket.create_connection(receiver._server.server_address[:2], timeout=60) as sock:
        answer = http.client.HTTPResponse(sock, method="HEAD" if data.startswith(b"HEAD") else "GET")
        try:
            sock.sendall(data)
            answer.begin()
            return Got(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
        except (http.client.HTTPException, OSError):
            return Got(0)
        finally:
            answer.close()


def path_of(address: str) -> str:
    return urlsplit(address).path


def still_works(receiver: Receiver) -> bool:
    """Whether the real sign-in is still accepted."""
    return ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}").headers.get("location") == receiver._done_path


def is_redirected_away(got: Got) -> bool:
    """Whether a browser is redirected to a clean page that says that nothing was accepted."""
    return (got.status, got.headers.get("location"), got.body) == (303, REFUSED, "")


# ---------------------------------------------------------------- what it is for


def test_a_sign_in_is_accepted_and_the_url_is_clean(receiver, handler):
    """The token is handled, and the browser is redirected to a page whose URL and text do not contain it."""
    got = ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}")
    assert (got.status, got.headers["location"], got.body) == (303, receiver._done_path, "")
    assert handler.asked == [Token(GOOD)]
    page = ask(receiver, receiver._done_path)
    assert page.status == 200
    assert "You are signed in" in page.body
    assert GOOD not in str(got) + str(page)


@pytest.mark.parametrize("target", ["address", "/done", "/nothing", REFUSED])
def test_every_response_forbids_caching_referrers_and_scripts(receiver, target):
    """Every response: no caching, no referrer, no script, no frame, nothing about the software."""
    got = ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}" if target == "address" else target)
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["referrer-policy"] == "no-referrer"
    assert got.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in got.headers["content-security-policy"]
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "server" not in got.headers


def test_the_url_is_on_loopback_and_cannot_be_guessed(receiver):
    """127.0.0.1, an ephemeral port, 128 random bits."""
    parts = urlsplit(receiver.sign_in_url)
    assert parts.hostname == "127.0.0.1"
    assert receiver._server.socket.getsockname()[0] == "127.0.0.1"
    assert len(parts.path) == 1 + 22
    with waiting(Handler()) as other:
        assert (
            len(
                {
                    path_of(one)
                    for one in (other.sign_in_url, other.return_url, receiver.sign_in_url, receiver.return_url)
                }
            )
            == 4
        )
        assert port_of(other) != port_of(receiver)


def test_a_browser_can_be_redirected_and_return(receiver, handler):
    """A browser that was redirected to another page returns to a second URL; the handler learns which of the two it was."""
    handler.where = "https://example.org/terms"
    assert ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}").headers["location"] == "https://example.org/terms"
    assert ask(receiver, receiver._done_path).status == 404
    handler.where = DONE
    assert ask(receiver, f"{path_of(receiver.return_url)}?{CAME}").headers["location"] == receiver._done_path
    assert handler.returned == [False, True]


def test_the_link_can_be_opened_again_while_it_waits(receiver, handler):
    """A person who chose the wrong account opens the link again; every token that arrives is handled."""
    handler.where = "https://example.org/terms"
    for _ in range(3):
        assert ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}").headers["location"] == handler.where
    assert len(handler.asked) == 3


def test_a_failure_ends_at_a_clean_page_too(receiver, handler):
    """If a sign-in cannot be used, the page says so and its URL contains nothing."""
    handler.where = FAILED
    assert ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}").headers["location"] == FAILED
    assert "This did not work" in ask(receiver, FAILED).body
    assert ask(receiver, receiver._done_path).status == 404


# ---------------------------------------------------------------- attacks


@pytest.mark.parametrize(
    "target", ["/", "/favicon.ico", DONE, FAILED, OVER, "/../etc/passwd", "//", "/%2e%2e", "/" + "A" * 22]
)
def test_a_wrong_path_finds_nothing(receiver, handler, target):
    """Another path is not found; with a token the browser is redirected to a clean URL; the wait continues."""
    assert is_redirected_away(ask(receiver, f"{target}?{CAME}"))
    got = ask(receiver, target)
    assert (got.status, "Nothing here" in got.body) == (404, True)
    assert handler.asked == []
    assert still_works(receiver)


def test_a_nearly_right_path_finds_nothing(receiver, handler):
    """One more slash, one letter less or another case is a wrong path."""
    path = path_of(receiver.sign_in_url)
    for near in (path + "/", path[:-1], path.swapcase(), path + "%00", path + ";", "/" + path):
        assert is_redirected_away(ask(receiver, f"{near}?{CAME}"))
        assert ask(receiver, near).status == 404
    assert handler.asked == []
    assert still_works(receiver)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_another_method_gets_405(receiver, handler, method):
    """Only GET is served; a preflight learns nothing about allowed origins; a token in the URL is removed from it."""
    path = path_of(receiver.sign_in_url)
    got = ask(receiver, path, method, more="Content-Length: 4\r\n", body="a=b&")
    assert got.status == 405
    assert not [name for name in got.headers if name.startswith("access-control")]
    assert ("Not accepted" in got.body) is (method != "HEAD")
    assert is_redirected_away(ask(receiver, f"{path}?{CAME}", method, more="Content-Length: 4\r\n", body="a=b&"))
    assert handler.asked == []
    assert still_works(receiver)


def test_a_foreign_host_gets_403(receiver, handler):
    """A name that was rebound to 127.0.0.1, or no name at all, is refused before anything is read."""
    port = port_of(receiver)
    names = ("evil.example.com", f"evil.example.com:{port}", f"localhost:{port}", f"127.0.0.1.nip.io:{port}", "127.0.0.1",
             f"127.0.0.1:{port + 1}", f"[::1]:{port}", f"0.0.0.0:{port}", f"127.1:{port}", f"2130706433:{port}",
             f"127.0.0.1:{port}.evil.example.com", f"user@127.0.0.1:{port}", f"127.0.0.1:{port},evil.example.com", "")  # fmt: skip
    for host in names:
        assert is_redirected_away(ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}", host=host)), host
        assert ask(receiver, DONE, host=host).status == 403
        assert ask(receiver, REFUSED, host=host).status == 403
    assert is_redirected_away(
        ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}", more="Host: evil.example.com\r\n")
    )
    assert handler.asked == []
    assert still_works(receiver)


@pytest.mark.parametrize("kind", ["image", "script", "empty", "iframe", "document, document", ""])
def test_a_request_from_within_a_page_is_refused(receiver, handler, kind):
    """A browser says why it fetches a URL; only opening it as a page is accepted."""
    more = f"Sec-Fetch-Dest: {kind}\r\n"
    assert is_redirected_away(ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}", more=more))
    assert handler.asked == []
    assert (
        ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}", more="Sec-Fetch-Dest: document\r\n").headers[
            "location"
        ]
        == receiver._done_path
    )


@pytest.mark.parametrize("header", ["Sec-Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "Purpose: prefetch"])
def test_a_prefetch_is_not_accepted(receiver, handler, header):
    """A browser that prefetches the URL gets an error, which it discards; opening the URL then works."""
    got = ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}", more=f"{header}\r\n")
    assert (got.status, handler.asked) == (503, [])
    assert GOOD not in got.body
    assert still_works(receiver)


# ---------------------------------------------------------------- tokens in refused requests


def test_a_token_in_a_refused_request_is_reported(receiver, handler):
    """Whatever is wrong with a request to a secret path, the token in it is reported, and only once."""
    path = path_of(receiver.sign_in_url)
    tokens = [f"{number:032x}" for number in range(5)]
    for token, (method, more, rest) in zip(tokens, [
        ("HEAD", "", ""), ("POST", "", ""), ("GET", "Sec-Fetch-Dest: image\r\n", ""), ("GET", "Purpose: prefetch\r\n", ""),
        ("GET", "", "&utm_source=mail"),
    ], strict=True):  # fmt: skip
        for _ in range(2):
            ask(receiver, f"{path}?token={token}{rest}", method, more=more)
    assert handler.strays == [(Token(token), True) for token in tokens]
    assert handler.asked == []


def test_at_a_wrong_path_only_a_token_of_this_auth_server_is_reported(receiver, handler):
    """A token without an issuer, or with another one, must not be sent to this server."""
    ask(receiver, f"/wrong?token={BAD}")
    ask(receiver, f"/wrong?token={BAD}&middle_auth_url=other.example.org/sticky_auth")
    assert handler.strays == []
    ask(receiver, f"/wrong?{CAME}")
    assert handler.strays == [(Token(GOOD), False)]


def test_a_flood_of_tokens_is_limited(receiver, handler):
    """A limited number of tokens is reported or handled; after that the browser still gets a response."""
    for number in range(MAX_STRAY_TOKENS + 5):
        ask(receiver, f"/wrong?token={number:032x}&middle_auth_url={ISSUER}")
    assert len(handler.strays) == MAX_STRAY_TOKENS
    for number in range(MAX_TOKENS + 5):
        assert is_redirected_away(ask(receiver, f"{path_of(receiver.sign_in_url)}?token={number:032x}"))
    assert len(handler.asked) == MAX_TOKENS


@pytest.mark.parametrize(
    "query",
    [
        "",
        "token=",
        f"token={GOOD[:-1]}",
        f"token={GOOD.upper()}",
        f"token={GOOD}&token={GOOD}",
        f"token={GOOD}&middle_auth_token={BAD}",
        f"{CAME}&more=1",
        f"{CAME}&token={GOOD}",
        f"Token={GOOD}",
        f"token[]={GOOD}",
        "middle_auth_url=127.0.0.1",
        f"token={GOOD}%0d%0aSet-Cookie:a=b",
        f"token={GOOD}%00",
        f"token=%20{GOOD}",
        f"token={GOOD};token={GOOD}",
        "token=%3Cscript%3Ealert(1)%3C/script%3E",
        "token=<script>alert(1)</script>",
        "token=%ff%fe",
        f"{GOOD}",
        "&",
        "token=YOUR_TOKEN_GOES_RIGHT_HERE",
    ],
)
def test_parameters_that_the_auth_server_would_not_send_are_refused(receiver, handler, query):
    """Missing, malformed, repeated, contradictory or additional parameters: nothing is handled or echoed."""
    got = ask(receiver, f"{path_of(receiver.sign_in_url)}?{query}")
    assert is_redirected_away(got) or (query == "" and got.status == 404)
    assert handler.asked == []
    assert still_works(receiver)


def test_a_script_in_the_other_parameter_reaches_no_page(receiver):
    """`middle_auth_url` is not used, so its value appears nowhere."""
    script = "%3Cscript%3Ealert(1)%3C/script%3E"
    got = ask(receiver, f"{path_of(receiver.sign_in_url)}?token={GOOD}&middle_auth_url={script}")
    assert got.headers["location"] == receiver._done_path
    assert "script" not in ask(receiver, receiver._done_path).body


def test_a_rejected_token_leads_to_a_page_and_the_wait_continues(receiver, handler):
    """A well-formed token that the handler refuses does not use up the path."""
    for _ in range(5):
        assert is_redirected_away(ask(receiver, f"{path_of(receiver.sign_in_url)}?token={BAD}"))
    assert ask(receiver, REFUSED).status == 403
    assert "Not accepted" in ask(receiver, REFUSED).body
    assert len(handler.asked) == 5
    assert still_works(receiver)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n",
        b"GET  / HTTP/1.1\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: line\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n",
        b"GET /" + b"A" * 3000 + b" HTTP/1.1\r\n\r\n",
        b"GET /" + b"A" * 1_000_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
)
def test_an_invalid_request_gets_no_response(receiver, handler, data):
    """Malformed, huge and foreign requests end the connection, and the wait continues."""
    assert send(receiver, data).status == 0
    assert handler.asked == []
    assert still_works(receiver)


def test_slow_connections_block_nobody(receiver, monkeypatch):
    """Many connections that send nothing, or very little, do not keep the browser out."""
    monkeypatch.setattr(module, "REQUEST_TIMEOUT", LONG)
    slow = [socket.create_connection(("127.0.0.1", port_of(receiver)), timeout=LONG) for _ in range(200)]
    try:
        for one in slow[::2]:
            one.sendall(b"GET /")
        start = time.monotonic()
        assert still_works(receiver)
        assert time.monotonic() - start < LONG / 2
    finally:
        for one in slow:
            one.close()


def test_a_slow_connection_is_closed(receiver, monkeypatch):
    """A request that arrives byte by byte is cut off at the timeout."""
    monkeypatch.setattr(module, "REQUEST_TIMEOUT", 0.4)
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port_of(receiver)), timeout=LONG) as sock:
        sock.settimeout(0.05)
        while time.monotonic() - start < LONG:
            try:
                sock.sendall(b"G")
                if sock.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - start < LONG / 2


def test_a_hundred_requests_are_handled_one_at_a_time(receiver, handler):
    """A hundred simultaneous requests are handled one at a time, and all lead to the same page."""
    path, busy = path_of(receiver.sign_in_url), threading.Lock()
    handle_token, met = handler.handle_token, []

    def handle_alone(token: Token, returned: bool) -> str:
        met.append(busy.acquire(blocking=False))
        try:
            return handle_token(token, returned)
        finally:
            busy.release()

    handler.handle_token = handle_alone
    with ThreadPoolExecutor(100) as pool:
        all_ = list(pool.map(lambda _: ask(receiver, f"{path}?{CAME}").headers.get("location"), range(100)))
    assert set(all_) <= {receiver._done_path, None}  # None: more at once than are read; cut off
    assert all(met)


def test_a_hundred_wrong_requests_at_once_do_not_keep_the_right_one_out(receiver):
    """The browser gets through while others guess paths."""
    with ThreadPoolExecutor(50) as pool:
        guesses = [pool.submit(ask, receiver, f"/{n:022d}?{CAME}") for n in range(100)]
        right = pool.submit(still_works, receiver)
        assert right.result()
        assert {guess.result().status for guess in guesses} <= {303, 0}


def test_an_error_in_the_handler_is_not_shown(receiver, handler, caplog, capsys):
    """If the handler raises, the browser leaves the URL, nothing is printed or logged, and the wait continues."""
    handle_token = handler.handle_token

    def fail(token: Token, returned: bool) -> str:
        handler.handle_token = handle_token
        raise RuntimeError(token.reveal())

    handler.handle_token = fail
    assert is_redirected_away(ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}"))
    assert still_works(receiver)
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""


# ---------------------------------------------------------------- its end


def can_connect(receiver: Receiver) -> bool:
    try:
        socket.create_connection((urlsplit(receiver.sign_in_url).hostname, port_of(receiver)), timeout=LONG).close()
    except OSError:
        return False
    return True


def test_closing_also_ends_slow_connections(receiver, monkeypatch):
    """After the grace period nothing listens, and unfinished requests end with their timeout."""
    is_reading, read = threading.Event(), module._read_head
    monkeypatch.setattr(module, "REQUEST_TIMEOUT", 0.3)
    monkeypatch.setattr(module, "_read_head", lambda connection: is_reading.set() or read(connection))
    with socket.create_connection(("127.0.0.1", port_of(receiver)), timeout=LONG) as sock:
        sock.sendall(b"GET /")
        assert is_reading.wait(LONG)
        close(receiver)
        assert sock.recv(1) == b""
    assert not can_connect(receiver)


def test_a_sign_in_times_out(monkeypatch):
    """After its lifetime, five minutes by default, nothing is accepted; after the grace period nothing listens."""
    assert (LIFETIME, module.GRACE_PERIOD) == (300, 300)
    with waiting(Handler()) as receiver:
        assert 0 < receiver.left <= LIFETIME
    monkeypatch.setattr(module, "GRACE_PERIOD", 0.2)
    with waiting(Handler(), lifetime=0.2) as receiver:
        assert receiver.is_over.wait(LONG)
        assert receiver.left == 0
        receiver._thread.join(LONG)
        assert not can_connect(receiver)


def test_a_late_token_is_handled_and_the_browser_told(receiver, handler):
    """After the end a token is still handled; the page at a clean URL says that the sign-in is over."""
    receiver.finish()
    receiver.finish()
    handler.where = OVER
    for address in (receiver.sign_in_url, receiver.return_url):
        assert ask(receiver, f"{path_of(address)}?{CAME}").headers["location"] == OVER
    assert handler.asked == [Token(GOOD)] * 2
    got = ask(receiver, OVER)
    assert (got.status, "This sign-in is over" in got.body) == (410, True)


def test_the_browser_is_told_of_a_late_token_that_is_not_revoked(receiver, handler):
    """The notebook is no longer waiting, so the page reports it, with a link that revokes the token."""
    receiver.finish()
    handler.where = NOT_REVOKED
    assert ask(receiver, f"{path_of(receiver.sign_in_url)}?{CAME}").headers["location"] == NOT_REVOKED
    body = ask(receiver, NOT_REVOKED).body
    assert "It is still valid." in body
    assert f'href="{html.escape(LINK)}"' in body
    assert GOOD not in body


def test_the_last_page_says_who_is_signed_in_to_the_browser_only(receiver):
    """It names the account, as text, at an address that no other program can guess; what is done, the notebook says."""
    assert still_works(receiver)
    body = ask(receiver, receiver._done_path).body
    assert "You are signed in as <b>Ada &lt;i&gt; Example</b>. Your notebook goes on" in body
    assert "Done" not in body
    assert ask(receiver, DONE).status == 404


def test_the_last_page_can_be_reloaded(receiver):
    """The last page of a sign-in can be reloaded after the end."""
    assert still_works(receiver)
    receiver.finish()
    assert ask(receiver, receiver._done_path).status == 200
    assert ask(receiver, FAILED).status == 404


def test_it_listens_on_ipv6_if_there_is_no_ipv4(handler, monkeypatch):
    """On a computer without 127.0.0.1 the URL has the other loopback address, and the sign-in works."""
    monkeypatch.setattr(module, "HOSTS", ("192.0.2.1", "::1"))
    with waiting(handler) as receiver:
        assert receiver.sign_in_url.startswith("http://[::1]:")
        assert still_works(receiver)


def test_a_computer_without_loopback_is_reported(handler, monkeypatch):
    """If no program may listen, `NoLoopback` is raised."""
    monkeypatch.setattr(module, "HOSTS", ("192.0.2.1",))
    with pytest.raises(NoLoopback), waiting(handler):
        pass


def test_nothing_is_logged(receiver, caplog, capsys):
    """Neither valid nor invalid requests are logged."""
    caplog.set_level(logging.DEBUG)
    ask(receiver, f"/wrong?{CAME}")
    send(receiver, b"\xff\xff\r\n\r\n")
    assert still_works(receiver)
    assert caplog.text == ""
    assert capsys.readouterr() == ("", "")


def test_both_forms_of_a_token_are_read():
    """The usual form and that of older deployments are tokens, and their repr does not show them."""
    assert token_in(f"token={GOOD}") == Token(GOOD)
    assert token_in(f"middle_auth_token={GOOD}") == Token(GOOD)
    older = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA"
    assert token_in(f"token={older}") == Token(older)
    assert GOOD not in repr(token_in(CAME))
