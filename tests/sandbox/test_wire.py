"""The practice server accepts any bytes and keeps running."""

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
    """A sandbox for all examples."""
    with Sandbox() as cave:
        yield cave


def read(raw: bytes) -> Request:
    """Reads a request from bytes."""
    return read_request(io.BytesIO(raw), lambda data: None)


@given(st.binary(max_size=300))
@example(b"GET http://[ HTTP/1.1\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n")
@example(b"\n")
def test_any_bytes_are_a_request_or_rejected(raw: bytes) -> None:
    """Any bytes are a request, BadRequest or EOFError; nothing else is raised."""
    with contextlib.suppress(BadRequest, EOFError):
        assert read(raw).method is not None


@given(st.sampled_from(["Host", "Authorization", "Cookie", "Origin", "X-Requested-With", "Accept"]), ANY_VALUE)
@settings(max_examples=60)
def test_any_header_gets_a_response(tough: Sandbox, raw: Callable[..., Any], name: str, value: str) -> None:
    """The server responds whatever the value of a header."""
    got = raw(tough.server, "GET /info/api/v2/datastack/full/minnie65_public", {name: value})
    assert got.status in (200, 302, 400, 401)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=40))
@example("sticky_auth/api/v1/tos/99999999999999999999999/accept")
@example("auth/api/v1/user/%00/ttl")
@example("%ff%fe")
@settings(max_examples=60)
def test_any_path_gets_a_response(tough: Sandbox, raw: Callable[..., Any], path: str) -> None:
    """The server responds whatever the path, and never with an internal error."""
    headers = {"Authorization": f"Bearer {tough.tokens('ada')[0]['token']}"}
    assert raw(tough.server, f"GET /{path}", headers).status < 500


def test_a_request_is_read_as_nginx_reads_it() -> None:
    """Double slashes are merged, trailing spaces removed, and lines without a colon skipped."""
    request = read(
        b"POST //info//x?a=//b HTTP/1.1\r\nAuthorization: Bearer tok  \r\nodd\r\nContent-Length: 2\r\n\r\nhi!"
    )
    assert (request.method, request.path, request.query, request.body) == ("POST", "/info/x", "a=//b", b"hi")
    assert request.header("authorization") == "Bearer tok"
    assert request.header("odd") is None


def test_an_absolute_url_is_read_as_its_path() -> None:
    """Scheme and host of an absolute URL, which proxies send, are dropped."""
    assert read(b"GET http://cave.example/info/version?x=1 HTTP/1.1\r\n\r\n").path == "/info/version"


def test_an_unknown_status_can_be_sent() -> None:
    """Any number can be sent as a status."""
    assert Reply(799).encode().startswith(b"HTTP/1.1 799 Unknown\r\n")


def test_expect_continue_is_supported(cave: Sandbox, raw: Callable[..., Any]) -> None:
    """`Expect: 100-continue`, which curl sends, gets a response before the body."""
    sent: list[bytes] = []
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"
    assert read_request(io.BytesIO(head), sent.append).body == b"x"
    assert sent == [b"HTTP/1.1 100 Continue\r\n\r\n"]
