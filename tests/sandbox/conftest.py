"""Fixtures for the tests of the practice server: running servers, and a client that sends any bytes."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox


@dataclass(frozen=True)
class Got:
    """One response, as it came over the socket."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def data(self) -> Any:
        """The body as JSON, or as text if it is not JSON."""
        text = self.body.decode()
        return json.loads(text) if self.headers.get("Content-Type") == "application/json" and text else text


def send_raw(address: str, ask: str, headers: Mapping[str, str] | None = None, body: str | None = None) -> Got:
    """Sends `ask` ("GET /path") with headers that requests would not send, and reads the response."""
    method, path = ask.split(" ", 1)
    host, port = address.removeprefix("http://").split(":")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}:{port}"]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    request = "\r\n".join([*lines, "", body or ""]).encode("latin-1")
    with socket.create_connection((host, int(port)), timeout=60) as sock:
        sock.sendall(request)
        answer = http.client.HTTPResponse(sock, method=method)
        try:
            answer.begin()
            return Got(answer.status, answer.headers, answer.read())
        finally:
            answer.close()


@pytest.fixture(scope="session")
def raw() -> Callable[..., Got]:
    """A client for requests that `requests` would not send."""
    return send_raw


@pytest.fixture
def cave() -> Iterator[Sandbox]:
    """A fresh practice server."""
    with Sandbox() as running:
        yield running


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for every test, so that the real secrets are neither read nor written."""
    home = tmp_path / "practice-home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes services retry a broken auth server at once instead of over three seconds."""
    from cave_magic.sandbox import gate

    adapter = gate._library().session.get_adapter(f"https://{gate.PLACEHOLDER}/")
    monkeypatch.setattr(adapter, "max_retries", adapter.max_retries.new(backoff_factor=0))
