"""The log of the requests that a sandbox received."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from cave_magic.sandbox.faults import SERVICES
from cave_magic.sandbox.people import Account
from cave_magic.sandbox.wire import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request that a sandbox received. It records whether there were credentials, never the credentials.

    Attributes:
        service: a name from `SERVICES`, or "other".
        status: of the response; None if there is none (yet).
        time: when it arrived, in seconds since 1970.
        authorization: whether it had an `Authorization` header.
        cookie: whether it had the token cookie.
        user: the nick of the account of its token; None without a valid one.
    """

    service: str
    method: str
    host: str
    path: str
    status: int | None
    time: float
    authorization: bool
    cookie: bool
    user: str | None


class RequestLog(Sequence[Record]):
    """The requests that a sandbox received, in order. Safe to use from several threads."""

    def __init__(self) -> None:
        self._records: dict[int, Record] = {}
        self._next = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        return self.snapshot()[index]

    def __iter__(self) -> Iterator[Record]:
        return iter(self.snapshot())

    def __repr__(self) -> str:
        return f"RequestLog({self.snapshot()!r})"

    def snapshot(self) -> list[Record]:
        """The records so far, as a list."""
        with self._lock:
            return list(self._records.values())

    def clear(self) -> None:
        """Removes all requests so far, even those without a response yet."""
        with self._lock:
            self._records.clear()

    def add(self, record: Record) -> int:
        """Adds a request, and returns a number for `responded`."""
        with self._lock:
            self._next += 1
            self._records[self._next] = record
            return self._next

    def responded(self, number: int, status: int | None) -> None:
        """Records the status of the response."""
        with self._lock:
            if number in self._records:
                self._records[number] = replace(self._records[number], status=status)


def record_of(request: Request, owner: Callable[[str], Account | None]) -> Record:
    """The record of a request that has just arrived.

    Args:
        request: what arrived.
        owner: finds the account that a token belongs to.
    """
    header = request.header("authorization")
    cookie = _token_cookie(request.header("cookie") or "")
    words = (header or "").split(" ")
    token = words[1] if len(words) > 1 else cookie
    person = owner(token) if token else None
    return Record(
        service=_service(request.path),
        method=request.method,
        host=request.header("host") or "",
        path=request.path,
        status=None,
        time=time.time(),
        authorization=header is not None,
        cookie=cookie is not None,
        user=person.nick if person else None,
    )


def _service(path: str) -> str:
    for name, prefix in SERVICES.items():
        if path == prefix or path.startswith(prefix + "/"):
            return name
    return "other"


def _token_cookie(header: str) -> str | None:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == "middle_auth_token":
            return value
    return None
