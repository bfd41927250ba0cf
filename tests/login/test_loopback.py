"""The door on loopback, attacked: whatever is not the one expected sign-in gets nothing, and the wait goes on."""

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
    LIFE,
    MOST_HANDLED,
    MOST_STRAY,
    NOT_REVOKED,
    OVER,
    REFUSED,
    NoLoopback,
    Receiver,
    token_in,
)
from cave_magic.token import Token

GOOD = "0123456789abcdef" * 2
BAD = "f" * 32
ISSUER = "127.0.0.1:9/sticky_auth"
CAME = f"middle_auth_token={GOOD}&middle_auth_url=127.0.0.1%3A9/sticky_auth&token={GOOD}"
LINK = "https://example.org/sign-out?a=1&b=2"


@dataclass
class Handler:
    """Takes `GOOD`, and notes what came."""

    where: str = DONE
    late: str = OVER
    asked: list[Token] = field(default_factory=list)
    returned: list[bool] = field(default_factory=list)
    too_late: list[Token] = field(default_factory=list)
    strays: list[tuple[Token, bool]] = field(default_factory=list)

    def receive(self, token: Token, returns: bool) -> str:
        self.asked.append(token)
        self.returned.append(returns)
        return self.where if token == Token(GOOD) else REFUSED

    def receive_late(self, token: Token) -> str:
        self.too_late.append(token)
        return self.late

    def receive_stray(self, token: Token, knows_path: bool) -> None:
        self.strays.append((token, knows_path))


@contextmanager
def waiting(handler: Handler, life: float = LIFE) -> Iterator[Receiver]:
    """A receiver that waits, and is closed whatever happens."""
    with Receiver(handler, ISSUER, life, ("It lives on.", LINK)) as receiver:
        try:
            yield receiver
        finally:
            receiver.close()


@pytest.fixture
def handler() -> Handler:
    """A handler that accepts one token."""
    return Handler()


@pytest.fixture
def door(handler: Handler) -> Iterator[Receiver]:
    """A receiver that waits."""
    with waiting(handler) as receiver:
        yield receiver


@dataclass
class Got:
    """An answer: status 0 if the connection ended without one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def port_of(door: Receiver) -> int:
    return urlsplit(door.address).port or 0


def ask(
    door: Receiver, target: str, method: str = "GET", host: str | None = None, more: str = "", body: str = ""
) -> Got:
    """Sends one request as it stands."""
    head = f"{method} {target} HTTP/1.1\r\nHost: {door._address if host is None else host}\r\n{more}\r\n{body}"
    return send(door, head.encode("latin-1"))


def send(door: Receiver, data: bytes) -> Got:
    """Sends bytes, and reads the answer if one comes."""
    with socket.create_connection((urlsplit(door.address).hostname, port_of(door)), timeout=10) as sock:
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


def still_works(door: Receiver) -> bool:
    """Whether the real sign-in is still taken."""
    return ask(door, f"{path_of(door.address)}?{CAME}").headers.get("location") == DONE


def is_sent_away(got: Got) -> bool:
    """Whether a browser is sent to a clean page that says that nothing was accepted."""
    return (got.status, got.headers.get("location"), got.body) == (303, REFUSED, "")


# ---------------------------------------------------------------- what it is for


def test_a_sign_in_is_taken_and_the_address_bar_is_clean(door, handler):
    """The token is passed on, and the browser goes to a page whose address and text do not hold it."""
    got = ask(door, f"{path_of(door.address)}?{CAME}")
    assert (got.status, got.headers["location"], got.body) == (303, DONE, "")
    assert handler.asked == [Token(GOOD)]
    page = ask(door, DONE)
    assert page.status == 200
    assert "Done, go back to your notebook" in page.body
    assert GOOD not in str(got) + str(page)


@pytest.mark.parametrize("target", ["address", "/done", "/nothing", REFUSED])
def test_every_answer_forbids_storing_referring_and_running_anything(door, target):
    """Whatever is asked: not stored, no referrer, no script, no frame, nothing about the software."""
    got = ask(door, f"{path_of(door.address)}?{CAME}" if target == "address" else target)
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["referrer-policy"] == "no-referrer"
    assert got.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in got.headers["content-security-policy"]
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "server" not in got.headers


def test_the_address_is_on_loopback_and_cannot_be_guessed(door):
    """127.0.0.1, a port of the system's choice, 128 random bits."""
    parts = urlsplit(door.address)
    assert parts.hostname == "127.0.0.1"
    assert door._server.socket.getsockname()[0] == "127.0.0.1"
    assert len(parts.path) == 1 + 22
    with waiting(Handler()) as other:
        assert len({path_of(one) for one in (other.address, other.back, door.address, door.back)}) == 4
        assert port_of(other) != port_of(door)


def test_a_browser_can_be_sent_on_and_come_back(door, handler):
    """Sent on to another page, the browser comes back to a second address; which of the two it was is told."""
    handler.where = "https://example.org/terms"
    assert ask(door, f"{path_of(door.address)}?{CAME}").headers["location"] == "https://example.org/terms"
    assert ask(door, DONE).status == 404
    handler.where = DONE
    assert ask(door, f"{path_of(door.back)}?{CAME}").headers["location"] == DONE
    assert handler.returned == [False, True]


def test_the_link_can_be_opened_again_while_it_waits(door, handler):
    """After choosing the wrong account one opens the link again; every token that comes is passed on."""
    handler.where = "https://example.org/terms"
    for _ in range(3):
        assert ask(door, f"{path_of(door.address)}?{CAME}").headers["location"] == handler.where
    assert len(handler.asked) == 3


def test_a_failure_ends_at_a_clean_page_too(door, handler):
    """If the sign-in came and cannot be used, the page says so and the address holds nothing."""
    handler.where = FAILED
    assert ask(door, f"{path_of(door.address)}?{CAME}").headers["location"] == FAILED
    assert "This did not work" in ask(door, FAILED).body
    assert ask(door, DONE).status == 404


# ---------------------------------------------------------------- attacks


@pytest.mark.parametrize(
    "target", ["/", "/favicon.ico", DONE, FAILED, OVER, "/../etc/passwd", "//", "/%2e%2e", "/" + "A" * 22]
)
def test_a_wrong_path_finds_nothing(door, handler, target):
    """Another path finds nothing; with a token in it the browser is sent to a clean address; the wait goes on."""
    assert is_sent_away(ask(door, f"{target}?{CAME}"))
    got = ask(door, target)
    assert (got.status, "Nothing is here" in got.body) == (404, True)
    assert handler.asked == []
    assert still_works(door)


def test_a_path_that_is_nearly_right_finds_nothing(door, handler):
    """A slash more, a letter less or another case is a wrong path."""
    path = path_of(door.address)
    for near in (path + "/", path[:-1], path.swapcase(), path + "%00", path + ";", "/" + path):
        assert is_sent_away(ask(door, f"{near}?{CAME}"))
        assert ask(door, near).status == 404
    assert handler.asked == []
    assert still_works(door)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_another_method_gets_405(door, handler, method):
    """Only GET is served; a preflight is told nothing about who may ask; a token in the address leaves it."""
    path = path_of(door.address)
    got = ask(door, path, method, more="Content-Length: 4\r\n", body="a=b&")
    assert got.status == 405
    assert not [name for name in got.headers if name.startswith("access-control")]
    assert ("Not accepted" in got.body) is (method != "HEAD")
    assert is_sent_away(ask(door, f"{path}?{CAME}", method, more="Content-Length: 4\r\n", body="a=b&"))
    assert handler.asked == []
    assert still_works(door)


def test_a_foreign_host_gets_403(door, handler):
    """A name that was re-bound to 127.0.0.1, or no name at all, is refused before anything is looked at."""
    port = port_of(door)
    names = ("evil.example.com", f"evil.example.com:{port}", f"localhost:{port}", f"127.0.0.1.nip.io:{port}", "127.0.0.1",
             f"127.0.0.1:{port + 1}", f"[::1]:{port}", f"0.0.0.0:{port}", f"127.1:{port}", f"2130706433:{port}",
             f"127.0.0.1:{port}.evil.example.com", f"user@127.0.0.1:{port}", f"127.0.0.1:{port},evil.example.com", "")  # fmt: skip
    for host in names:
        assert is_sent_away(ask(door, f"{path_of(door.address)}?{CAME}", host=host)), host
        assert ask(door, DONE, host=host).status == 403
        assert ask(door, REFUSED, host=host).status == 403
    assert is_sent_away(ask(door, f"{path_of(door.address)}?{CAME}", more="Host: evil.example.com\r\n"))
    assert handler.asked == []
    assert still_works(door)


@pytest.mark.parametrize("kind", ["image", "script", "empty", "iframe", "document, document", ""])
def test_a_request_from_inside_a_page_is_refused(door, handler, kind):
    """A browser says what it fetches for; only opening it as a page counts."""
    more = f"Sec-Fetch-Dest: {kind}\r\n"
    assert is_sent_away(ask(door, f"{path_of(door.address)}?{CAME}", more=more))
    assert handler.asked == []
    assert ask(door, f"{path_of(door.address)}?{CAME}", more="Sec-Fetch-Dest: document\r\n").headers["location"] == DONE


@pytest.mark.parametrize("header", ["Sec-Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "Purpose: prefetch"])
def test_preloading_is_no_visit(door, handler, header):
    """A browser that loads the address ahead gets an error, which it throws away; opening it then counts."""
    got = ask(door, f"{path_of(door.address)}?{CAME}", more=f"{header}\r\n")
    assert (got.status, handler.asked) == (503, [])
    assert GOOD not in got.body
    assert still_works(door)


# ---------------------------------------------------------------- tokens in refused requests


def test_a_token_in_a_refused_request_is_reported(door, handler):
    """Whatever is wrong with a request to a secret address, the token in it is not forgotten; each is reported once."""
    path = path_of(door.address)
    tokens = [f"{number:032x}" for number in range(5)]
    for token, (method, more, rest) in zip(tokens, [
        ("HEAD", "", ""), ("POST", "", ""), ("GET", "Sec-Fetch-Dest: image\r\n", ""), ("GET", "Purpose: prefetch\r\n", ""),
        ("GET", "", "&utm_source=mail"),
    ], strict=True):  # fmt: skip
        for _ in range(2):
            ask(door, f"{path}?token={token}{rest}", method, more=more)
    assert handler.strays == [(Token(token), True) for token in tokens]
    assert handler.asked == []


def test_at_a_wrong_path_only_a_token_of_this_auth_server_is_reported(door, handler):
    """A token that says nothing about its server, or names another one, must not be sent to this one."""
    ask(door, f"/wrong?token={BAD}")
    ask(door, f"/wrong?token={BAD}&middle_auth_url=other.example.org/sticky_auth")
    assert handler.strays == []
    ask(door, f"/wrong?{CAME}")
    assert handler.strays == [(Token(GOOD), False)]


def test_a_flood_of_tokens_does_not_pass_through(door, handler):
    """Only so many different tokens are passed on, however many come; after that the browser still gets a page."""
    for number in range(MOST_STRAY + 5):
        ask(door, f"/wrong?token={number:032x}&middle_auth_url={ISSUER}")
    assert len(handler.strays) == MOST_STRAY
    for number in range(MOST_HANDLED + 5):
        assert is_sent_away(ask(door, f"{path_of(door.address)}?token={number:032x}"))
    assert len(handler.asked) == MOST_HANDLED


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
def test_parameters_that_the_auth_server_would_not_send_are_refused(door, handler, query):
    """Missing, malformed, doubled, contradicting or additional parameters: nobody is asked, nothing is echoed."""
    got = ask(door, f"{path_of(door.address)}?{query}")
    assert is_sent_away(got) or (query == "" and got.status == 404)
    assert handler.asked == []
    assert still_works(door)


def test_a_script_in_the_other_parameter_reaches_no_page(door):
    """`middle_auth_url` is not used, so what stands in it appears nowhere."""
    script = "%3Cscript%3Ealert(1)%3C/script%3E"
    got = ask(door, f"{path_of(door.address)}?token={GOOD}&middle_auth_url={script}")
    assert got.headers["location"] == DONE
    assert "script" not in ask(door, DONE).body


def test_a_token_that_is_refused_leads_to_a_page_and_the_wait_goes_on(door, handler):
    """A well-formed token that the handler refuses does not use up the path."""
    for _ in range(5):
        assert is_sent_away(ask(door, f"{path_of(door.address)}?token={BAD}"))
    assert ask(door, REFUSED).status == 403
    assert "Not accepted" in ask(door, REFUSED).body
    assert len(handler.asked) == 5
    assert still_works(door)


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
def test_what_is_no_plain_request_gets_no_answer(door, handler, data):
    """Malformed, huge, or another protocol: the connection ends, and the wait goes on."""
    assert send(door, data).status == 0
    assert handler.asked == []
    assert still_works(door)


def test_slow_connections_block_nobody(door, monkeypatch):
    """Many connections that send nothing, or a letter now and then, do not keep the browser out."""
    monkeypatch.setattr(module, "READING", 1.0)
    slow = [socket.create_connection(("127.0.0.1", port_of(door)), timeout=10) for _ in range(200)]
    try:
        for one in slow[::2]:
            one.sendall(b"GET /")
        start = time.monotonic()
        assert still_works(door)
        assert time.monotonic() - start < 1
    finally:
        for one in slow:
            one.close()


def test_a_slow_connection_is_ended(door, monkeypatch):
    """A request that drips is cut off when its time is over, however often a letter comes."""
    monkeypatch.setattr(module, "READING", 0.4)
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port_of(door)), timeout=10) as sock:
        sock.settimeout(0.05)
        while time.monotonic() - start < 5:
            try:
                sock.sendall(b"G")
                if sock.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    assert time.monotonic() - start < 2


def test_a_hundred_at_once_are_passed_on_one_after_the_other(door, handler):
    """A hundred right requests at the same time: no two tokens are handled together, and all go to the same page."""
    path, busy = path_of(door.address), threading.Lock()
    sanitize, met = handler.receive, []

    def receive_alone(token: Token, returns: bool) -> str:
        met.append(busy.acquire(blocking=False))
        try:
            return sanitize(token, returns)
        finally:
            busy.release()

    handler.receive = receive_alone
    with ThreadPoolExecutor(100) as pool:
        all_ = list(pool.map(lambda _: ask(door, f"{path}?{CAME}").headers.get("location"), range(100)))
    assert set(all_) <= {DONE, None}  # None: more at once than are read; cut off
    assert all(met)


def test_a_hundred_wrong_requests_at_once_do_not_keep_the_right_one_out(door):
    """While others guess, the browser gets through."""
    with ThreadPoolExecutor(50) as pool:
        guesses = [pool.submit(ask, door, f"/{n:022d}?{CAME}") for n in range(100)]
        right = pool.submit(still_works, door)
        assert right.result()
        assert {guess.result().status for guess in guesses} <= {303, 0}


def test_a_handler_that_fails_is_a_refusal_that_says_nothing(door, handler, caplog, capsys):
    """An error while judging: the browser leaves the address, nothing is printed or logged, and the wait goes on."""
    sanitize = handler.receive

    def fail(token: Token, returns: bool) -> str:
        handler.receive = sanitize
        raise RuntimeError(token.reveal())

    handler.receive = fail
    assert is_sent_away(ask(door, f"{path_of(door.address)}?{CAME}"))
    assert still_works(door)
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""


# ---------------------------------------------------------------- its end


def can_connect(door: Receiver) -> bool:
    try:
        socket.create_connection((urlsplit(door.address).hostname, port_of(door)), timeout=5).close()
    except OSError:
        return False
    return True


def test_closing_ends_it_at_once_also_for_slow_connections(door):
    """After `close` nobody listens, and whoever was still sending is cut off; twice is harmless."""
    with socket.create_connection(("127.0.0.1", port_of(door)), timeout=5) as sock:
        sock.sendall(b"GET /")
        time.sleep(0.1)
        door.close()
        door.close()
        assert sock.recv(1) == b""
    assert not can_connect(door)
    assert door.left == 0


def test_it_ends_by_itself(monkeypatch):
    """After its life, five minutes if nothing else is said, nothing is accepted; after its afterlife nobody listens."""
    assert (LIFE, module.AFTERLIFE) == (300, 300)
    monkeypatch.setattr(module, "AFTERLIFE", 0.2)
    with waiting(Handler(), life=0.2) as door:
        assert 0 < door.left <= 0.2
        assert door.is_over.wait(5)
        assert door.left == 0
        assert door.closed.wait(5)
        deadline = time.monotonic() + 5
        while can_connect(door) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not can_connect(door)


def test_what_comes_too_late_is_taken_away_and_the_browser_told(door, handler):
    """After the end a token counts as late; the page says that it is over, at a clean address."""
    door.finish()
    door.finish()
    for address in (door.address, door.back):
        assert ask(door, f"{path_of(address)}?{CAME}").headers["location"] == OVER
    assert (handler.asked, handler.too_late) == ([], [Token(GOOD)] * 2)
    got = ask(door, OVER)
    assert (got.status, "This sign-in is over" in got.body) == (410, True)


def test_a_late_token_that_lives_on_is_told_of_in_the_browser(door, handler):
    """Nobody looks at the notebook any more: the page says it, with a link to what ends the token."""
    door.finish()
    handler.late = NOT_REVOKED
    assert ask(door, f"{path_of(door.address)}?{CAME}").headers["location"] == NOT_REVOKED
    body = ask(door, NOT_REVOKED).body
    assert "It lives on." in body
    assert f'href="{html.escape(LINK)}"' in body
    assert GOOD not in body


def test_the_last_page_is_shown_as_long_as_it_listens(door):
    """The page at which a sign-in ended can be reloaded after the end, and no other appears in its place."""
    assert still_works(door)
    door.finish()
    assert ask(door, DONE).status == 200
    assert ask(door, FAILED).status == 404


def test_where_only_ipv6_has_a_loopback_it_listens_there(handler, monkeypatch):
    """A computer without 127.0.0.1: the address is that of the other loopback, and the sign-in comes back."""
    monkeypatch.setattr(module, "HOSTS", ("192.0.2.1", "::1"))
    with waiting(handler) as door:
        assert door.address.startswith("http://[::1]:")
        assert still_works(door)


def test_without_a_loopback_it_says_so(handler, monkeypatch):
    """Where no program may listen, that has a name of its own."""
    monkeypatch.setattr(module, "HOSTS", ("192.0.2.1",))
    with pytest.raises(NoLoopback), waiting(handler):
        pass


def test_nothing_is_logged(door, caplog, capsys):
    """Neither good nor bad requests leave a line anywhere."""
    caplog.set_level(logging.DEBUG)
    ask(door, f"/wrong?{CAME}")
    send(door, b"\xff\xff\r\n\r\n")
    assert still_works(door)
    assert caplog.text == ""
    assert capsys.readouterr() == ("", "")


def test_only_the_form_of_a_token_is_read():
    """The usual form and that of older deployments are tokens; what came is never shown by its type."""
    assert token_in(f"token={GOOD}") == Token(GOOD)
    assert token_in(f"middle_auth_token={GOOD}") == Token(GOOD)
    older = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA"
    assert token_in(f"token={older}") == Token(older)
    assert GOOD not in repr(token_in(CAME))
