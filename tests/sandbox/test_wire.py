"""The front of the practice server takes any bytes at all and stays up."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.wire import BadRequest, Reply, Request, read_request

ANY_VALUE = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=60)


@pytest.fixture(scope="module")
def tough() -> Iterator[Sandbox]:
    """A sandbox that all examples share."""
    with Sandbox() as cave:
        yield cave


def read(raw: bytes) -> Request:
    """What the front makes of some bytes."""
    return read_request(io.BytesIO(raw), lambda data: None)


@given(st.binary(max_size=300))
@example(b"GET http://[ HTTP/1.1\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n")
@example(b"\n")
@settings(deadline=None)
def test_bytes_are_a_request_or_refused(raw: bytes) -> None:
    """Whatever comes in is a request, a bad one, or the end: nothing else is raised."""
    with contextlib.suppress(BadRequest, EOFError):
        assert read(raw).method is not None


@given(st.sampled_from(["Host", "Authorization", "Cookie", "Origin", "X-Requested-With", "Accept"]), ANY_VALUE)
@settings(deadline=None, max_examples=60)
def test_any_header_gets_an_answer(tough: Sandbox, raw: Callable[..., Any], name: str, value: str) -> None:
    """No value of a header keeps the server from answering."""
    got = raw(tough.server, "GET /info/api/v2/datastack/full/minnie65_public", {name: value})
    assert got.status in (200, 302, 400, 401)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=40))
@example("sticky_auth/api/v1/tos/99999999999999999999999/accept")
@example("auth/api/v1/user/%00/ttl")
@example("%ff%fe")
@settings(deadline=None, max_examples=60)
def test_any_path_gets_an_answer(tough: Sandbox, raw: Callable[..., Any], path: str) -> None:
    """No path keeps the server from answering, and none makes it fail."""
    headers = {"Authorization": f"Bearer {tough.tokens('ada')[0]['token']}"}
    assert raw(tough.server, f"GET /{path}", headers).status < 500


def test_a_request_is_read_as_nginx_reads_it() -> None:
    """Doubled slashes merge, spaces at the end of a value go, lines without a colon are skipped."""
    request = read(
        b"POST //info//x?a=//b HTTP/1.1\r\nAuthorization: Bearer tok  \r\nodd\r\nContent-Length: 2\r\n\r\nhi!"
    )
    assert (request.method, request.path, request.query, request.body) == ("POST", "/info/x", "a=//b", b"hi")
    assert request.header("authorization") == "Bearer tok"
    assert request.header("odd") is None


def test_a_proxys_form_of_the_address_is_understood() -> None:
    """The absolute form loses its scheme and host."""
    assert read(b"GET http://cave.example/info/version?x=1 HTTP/1.1\r\n\r\n").path == "/info/version"


def test_an_unknown_status_still_has_a_line() -> None:
    """Any number can be sent as a status."""
    assert Reply(799).encode().startswith(b"HTTP/1.1 799 Unknown\r\n")


def test_a_client_may_ask_before_it_sends_a_body(cave: Sandbox, raw: Callable[..., Any]) -> None:
    """`Expect: 100-continue` is answered, as curl wants it."""
    sent: list[bytes] = []
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"
    assert read_request(io.BytesIO(head), sent.append).body == b"x"
    assert sent == [b"HTTP/1.1 100 Continue\r\n\r\n"]
