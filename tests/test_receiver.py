"""The door on loopback, attacked: whatever is not the one expected sign-in gets nothing, and the wait goes on."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from cave_magic import receiver as module
from cave_magic.receiver import DONE, FAILED, LIFE, Receiver, token_in
from cave_magic.tokens import Token

GOOD = "0123456789abcdef" * 2
BAD = "f" * 32
CAME = f"middle_auth_token={GOOD}&middle_auth_url=127.0.0.1%3A9/sticky_auth&token={GOOD}"


@dataclass
class Judge:
    """Takes `GOOD` and notes what it was asked."""

    where: str | None = DONE
    asked: list[Token] = field(default_factory=list)
    again: str = ""

    def __call__(self, token: Token, again: str) -> str | None:
        self.asked.append(token)
        self.again = again
        return self.where if token == Token(GOOD) else None


@pytest.fixture
def judge() -> Judge:
    """A judge that takes one token."""
    return Judge()


@pytest.fixture
def door(judge: Judge) -> Iterator[Receiver]:
    """A receiver that waits."""
    with Receiver(judge) as receiver:
        yield receiver


@dataclass
class Got:
    """An answer: status 0 if the connection ended without one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


def port_of(door: Receiver) -> int:
    return urlsplit(door._address if "//" in door._address else f"//{door._address}").port or 0


def ask(door: Receiver, target: str, method: str = "GET", host: str | None = None, more: str = "", body: str = "") -> Got:
    """Sends one request as it stands."""
    head = f"{method} {target} HTTP/1.1\r\nHost: {door._address if host is None else host}\r\n{more}\r\n{body}"
    return send(door, head.encode("latin-1"))


def send(door: Receiver, data: bytes) -> Got:
    """Sends bytes, and reads the answer if one comes."""
    with socket.create_connection(("127.0.0.1", port_of(door)), timeout=10) as sock:
        answer = http.client.HTTPResponse(sock)
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


# ---------------------------------------------------------------- what it is for

def test_a_sign_in_is_taken_and_the_address_bar_is_clean(door, judge):
    """The token is judged, and the browser goes on to a page whose address and text do not hold it."""
    got = ask(door, f"{path_of(door.address)}?{CAME}")
    assert (got.status, got.headers["location"], got.body) == (303, DONE, "")
    assert judge.asked == [Token(GOOD)]
    page = ask(door, DONE)
    assert page.status == 200
    assert "Done, go back to your notebook" in page.body
    assert GOOD not in str(got) + str(page)


@pytest.mark.parametrize("target", ["address", "/done", "/nothing"])
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
    with Receiver(Judge()) as other:
        assert path_of(other.address) != parts.path
        assert port_of(other) != port_of(door)


def test_a_second_address_is_good_once_for_coming_back(door, judge):
    """Sent on to another page, the browser can come back to a new path, and to the first one no more."""
    judge.where = "https://example.org/terms"
    first = path_of(door.address)
    assert ask(door, f"{first}?{CAME}").headers["location"] == "https://example.org/terms"
    assert ask(door, f"{first}?{CAME}").status == 404
    assert ask(door, DONE).status == 404
    judge.where = DONE
    second = path_of(judge.again)
    assert second != first
    assert ask(door, f"{second}?{CAME}").headers["location"] == DONE
    assert ask(door, f"{second}?{CAME}").status == 404


def test_a_failure_ends_at_a_clean_page_too(door, judge):
    """If the sign-in came and cannot be used, the page says so and the address holds nothing."""
    judge.where = FAILED
    assert ask(door, f"{path_of(door.address)}?{CAME}").headers["location"] == FAILED
    assert "This did not work" in ask(door, FAILED).body
    assert ask(door, DONE).status == 404


# ---------------------------------------------------------------- attacks

@pytest.mark.parametrize("target", ["/", "/favicon.ico", DONE, FAILED, "/../etc/passwd", "//", "/%2e%2e", "/" + "A" * 22])
def test_a_wrong_path_gets_404(door, judge, target):
    """Another path, with or without a good token, finds nothing, and the wait goes on."""
    assert ask(door, f"{target}?{CAME}").status == 404
    assert ask(door, target).status == 404
    assert judge.asked == []
    assert still_works(door)


def test_a_path_that_is_nearly_right_gets_404(door, judge):
    """A slash more, a letter less or another case is a wrong path."""
    path = path_of(door.address)
    for near in (path + "/", path[:-1], path.swapcase(), path + "%00", path + ";", "/" + path):
        assert ask(door, f"{near}?{CAME}").status == 404
    assert judge.asked == []
    assert still_works(door)


def test_a_second_use_gets_404(door, judge):
    """The path is used up by the first sign-in."""
    path = path_of(door.address)
    assert ask(door, f"{path}?{CAME}").status == 303
    assert ask(door, f"{path}?{CAME}").status == 404
    assert len(judge.asked) == 1


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"])
def test_another_method_gets_405(door, judge, method):
    """Only GET is served; a preflight is told nothing about who may ask."""
    got = ask(door, f"{path_of(door.address)}?{CAME}", method, more="Content-Length: 4\r\n", body="a=b&")
    assert got.status == 405
    assert not [name for name in got.headers if name.startswith("access-control")]
    assert got.body == ""
    assert judge.asked == []
    assert still_works(door)


def test_a_foreign_host_gets_403(door, judge):
    """A name that was re-bound to 127.0.0.1, or no name at all, is refused before anything is looked at."""
    port = port_of(door)
    names = ("evil.example.com", f"evil.example.com:{port}", f"localhost:{port}", f"127.0.0.1.nip.io:{port}", "127.0.0.1",
             f"127.0.0.1:{port + 1}", f"[::1]:{port}", f"0.0.0.0:{port}", f"127.1:{port}", f"2130706433:{port}",
             f"127.0.0.1:{port}.evil.example.com", f"user@127.0.0.1:{port}", f"127.0.0.1:{port},evil.example.com", "")  # fmt: skip
    for host in names:
        assert ask(door, f"{path_of(door.address)}?{CAME}", host=host).status == 403, host
        assert ask(door, DONE, host=host).status == 403
    two = ask(door, f"{path_of(door.address)}?{CAME}", more="Host: evil.example.com\r\n")
    assert two.status == 403
    assert judge.asked == []
    assert still_works(door)


@pytest.mark.parametrize("kind", ["image", "script", "empty", "iframe", "document, document", ""])
def test_a_request_from_inside_a_page_gets_403(door, judge, kind):
    """A browser says what it fetches for; only opening it as a page counts."""
    more = f"Sec-Fetch-Dest: {kind}\r\n"
    assert ask(door, f"{path_of(door.address)}?{CAME}", more=more).status == 403
    assert judge.asked == []
    assert ask(door, f"{path_of(door.address)}?{CAME}", more="Sec-Fetch-Dest: document\r\n").status == 303


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
def test_parameters_that_the_auth_server_would_not_send_get_403(door, judge, query):
    """Missing, malformed, doubled, contradicting or additional parameters: nobody is asked, nothing is echoed."""
    got = ask(door, f"{path_of(door.address)}?{query}")
    assert (got.status, got.body) == (403, "")
    assert "location" not in got.headers
    assert judge.asked == []
    assert still_works(door)


def test_a_script_in_the_other_parameter_reaches_no_page(door):
    """`middle_auth_url` is not used, so what stands in it appears nowhere."""
    script = "%3Cscript%3Ealert(1)%3C/script%3E"
    got = ask(door, f"{path_of(door.address)}?token={GOOD}&middle_auth_url={script}")
    assert got.headers["location"] == DONE
    assert "script" not in ask(door, DONE).body


def test_a_token_that_the_server_refuses_gets_403_and_the_wait_goes_on(door, judge):
    """A well-formed token that the judge refuses does not use up the path."""
    for _ in range(5):
        assert ask(door, f"{path_of(door.address)}?token={BAD}").status == 403
    assert len(judge.asked) == 5
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
def test_what_is_no_plain_request_gets_no_answer(door, judge, data):
    """Malformed, huge, or another protocol: the connection ends, and the wait goes on."""
    assert send(door, data).status == 0
    assert judge.asked == []
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


def test_of_a_hundred_at_once_one_is_taken(door, judge):
    """A hundred right requests at the same time: one goes on, the others find nothing."""
    path = path_of(door.address)
    with ThreadPoolExecutor(100) as pool:
        all_ = list(pool.map(lambda _: ask(door, f"{path}?{CAME}").status, range(100)))
    assert sorted(set(all_)) in ([303, 404], [0, 303, 404])  # 0: more at once than are read; cut off
    assert all_.count(303) == 1
    assert len(judge.asked) == 1


def test_a_hundred_wrong_requests_at_once_do_not_keep_the_right_one_out(door):
    """While others guess, the browser gets through."""
    with ThreadPoolExecutor(50) as pool:
        guesses = [pool.submit(ask, door, f"/{n:022d}?{CAME}") for n in range(100)]
        right = pool.submit(still_works, door)
        assert right.result()
        assert {guess.result().status for guess in guesses} <= {404, 0}


def test_a_judge_that_fails_is_a_refusal_that_says_nothing(caplog, capsys):
    """An error while judging ends the connection; nothing is printed or logged, and the wait goes on."""
    times = iter([True, False])

    def judge(token: Token, again: str) -> str | None:
        if next(times):
            raise RuntimeError(token.reveal())
        return DONE

    with Receiver(judge) as door:
        assert ask(door, f"{path_of(door.address)}?{CAME}").status == 0
        assert still_works(door)
    assert capsys.readouterr() == ("", "")
    assert caplog.text == ""


# ---------------------------------------------------------------- its end

def can_connect(door: Receiver) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port_of(door)), timeout=5).close()
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


def test_it_closes_by_itself():
    """After its life, five minutes if nothing else is said, nobody listens."""
    assert LIFE == 300
    with Receiver(Judge(), life=0.2) as door:
        assert 0 < door.left <= 0.2
        assert door.closed.wait(5)
        deadline = time.monotonic() + 5
        while can_connect(door) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not can_connect(door)


def test_it_closes_once_the_last_page_was_shown(door):
    """After success it stays just long enough to show the browser that it is done."""
    path = path_of(door.address)
    assert ask(door, f"{path}?{CAME}").status == 303
    door.close_soon(30)
    assert not door.closed.is_set()
    assert ask(door, DONE).status == 200
    assert door.closed.wait(5)


def test_a_sign_in_that_comes_while_it_closes_is_refused():
    """The answer of a judge who was still looking when it closed does not count."""
    begun, go = threading.Event(), threading.Event()

    def judge(token: Token, again: str) -> str | None:
        begun.set()
        go.wait(5)
        return DONE

    with Receiver(judge) as door, ThreadPoolExecutor(1) as pool:
        got = pool.submit(ask, door, f"{path_of(door.address)}?{CAME}")
        assert begun.wait(5)
        door.close()
        go.set()
        assert got.result().status == 403


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
