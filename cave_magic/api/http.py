"""One bounded question to a server, and a round of them at the same time. Nobody else imports requests."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from html import unescape
from typing import TYPE_CHECKING, Any

from ..redact import Untrusted, redact, redact_token, sanitize
from ..token import Token
from .failures import Failure, classify
from .responses import NOTHING, PAGE, TEXT, Response
from .urls import display_page, parse, shown

if TYPE_CHECKING:
    import requests

    from .connections import Call, Calls


LARGEST_ANSWER = 2_000_000
"""Bytes of an answer that are read. The longest real one (a list of all datastacks) has some thousand."""

LONGEST_WAIT = 7 * 86_400
"""Seconds. A server that asks to wait longer (`Retry-After`) is not taken at its word."""

_importing = threading.Lock()


def import_connections() -> Any:
    """The module that has requests. One thread imports it, and all others wait, the one with caveclient too.

    requests and urllib3 import each other; two threads that begin at different ends can deadlock, which Python notices
    and turns into an error in one of them.
    """
    with _importing:
        from . import connections
    return connections


def _user_agent() -> str:
    """By which the servers know these requests."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"cave-magic/{version('cave-magic')}"
    except PackageNotFoundError:  # the sources, not installed
        return "cave-magic"


class Session:
    """A line to the servers: one requests session with few, reused connections, as caveclient's own would be set up.

    It obeys the same proxies, certificates and `.netrc` as caveclient, since they are what can be wrong. It keeps no
    cookies, follows no redirect, and gives each question a bound in seconds and bytes. Once it is closed it sends
    nothing more, not even for a question that was under way.
    """

    def __init__(self) -> None:
        self._session: requests.Session | None = None
        self._calls: Calls | None = None
        self._by_address: dict[str, Call] = {}
        self._closed = False
        self._lock = threading.Lock()

    def get(self, address: str, token: Token | None = None, *, seconds: float = 5.0) -> Response:
        """Asks once. Never raises, never follows, never takes much longer than `seconds`.

        Only name resolution can take longer, since nothing can end it; ask in a thread (`Batch`).

        Args:
            address: the whole URL; the token never stands in it.
            token: sent in the header of its format, to this host only.
            seconds: the bound on the whole: connecting, each silence, head and body.
        """
        return self._ask("GET", address, token, seconds)

    def post(self, address: str, token: Token, data: Mapping[str, str], *, seconds: float = 5.0) -> Response:
        """Sends JSON once, never a second time. Otherwise as `get`."""
        return self._ask("POST", address, token, seconds, data)

    def delete(self, address: str, token: Token, *, seconds: float = 5.0) -> Response:
        """Deletes what stands at an address. Otherwise as `get`."""
        return self._ask("DELETE", address, token, seconds)

    def late(self, address: str) -> Response:
        """What there is to say of a question whose answer has not come when nobody waits any longer."""
        call = self._by_address.get(address)
        if call is None:
            return Response(address=address, failure=Failure.LATE)
        if not call.connected:
            return Response(address=address, failure=Failure.CONNECT_TIMEOUT, detail="its name may still be looked up")
        return Response(address=address, failure=Failure.SILENT)

    def close(self) -> None:
        """Gives the connections back and ends what is under way."""
        with self._lock:
            self._closed = True
        if self._session is not None and self._calls is not None:
            self._calls.close()
            self._session.close()

    def _ask(
        self, method: str, address: str, token: Token | None, seconds: float, data: Mapping[str, str] | None = None
    ) -> Response:
        parsed = parse(address)
        if parsed is None or parsed.has_credentials:
            return Response(address=shown(address), failure=Failure.ADDRESS)
        if token is not None and not token.can_be_sent:
            return Response(address=address, failure=Failure.UNSENDABLE)
        if self._closed:
            return Response(address=address, failure=Failure.LATE)
        start, call = time.monotonic(), None
        try:
            session, calls, call = self._begin(address, seconds)
            start = time.monotonic()
            with calls.begin(call):
                response = _sent(session, call, method, address, token, seconds, data)
        except (Exception, SystemExit) as error:  # a script in the place of requests may want to exit
            failure, detail = classify(error)
            if failure is Failure.ADDRESS and has_proxy(address):
                failure, detail = Failure.PROXY, "it is no proxy's address, or of a kind that requests cannot use here"
            detail = redact(detail, token) if token else detail
            response = Response(address=address, failure=failure, detail=detail)
            if call is not None and call.is_cut:
                response = self.late(address)
        return replace(response, seconds=time.monotonic() - start)

    def _begin(self, address: str, seconds: float) -> tuple[requests.Session, Calls, Call]:
        """The session, made when the first question is asked, and a new call on it.

        Raises:
            Exception: requests cannot be imported.
        """
        connections = import_connections()
        with self._lock:
            if self._session is None or self._calls is None:
                self._calls, self._session = connections.Calls(), connections.open_session(_user_agent())
                if self._closed:
                    self._calls.close()
            call = self._by_address[address] = connections.Call(time.monotonic() + seconds)
            return self._session, self._calls, call


def _sent(
    session: requests.Session,
    call: Call,
    how: str,
    address: str,
    token: Token | None,
    seconds: float,
    data: Mapping[str, str] | None,
) -> Response:
    """Sends a question and reads its answer, whatever it is.

    Raises:
        Exception: no answer came.
    """
    headers = token.headers if token else {}
    with session.request(
        how, address, json=data, headers=headers, timeout=seconds, allow_redirects=False, stream=True
    ) as response:
        raw, problem = _read(response, call)
        text = raw.decode("utf-8-sig", errors="replace")
        body, is_json = (None, False) if problem else _json(text, token)
        form = "" if is_json else _form(text, response.headers.get("Content-Encoding", ""))
        return Response(
            address=address,
            status=response.status_code,
            failure=(Failure.SLOW if call.is_cut else Failure.BROKEN)
            if problem and response.status_code < 400
            else None,
            detail=problem,
            body=body,
            is_json=is_json,
            opening=_opening(text, token) if form in (PAGE, TEXT) else NOTHING,
            location=Untrusted(display_page(redact_token(response.headers["Location"], token), address))
            if response.is_redirect
            else NOTHING,
            form=form,
            wait=wait_in(response.headers),
        )


def netrc_for(address: str) -> str:
    """The file with a log-in for this host, which requests (and so caveclient) sends in place of the token, or ""."""
    with suppress(Exception):  # requests is broken: then nothing was sent
        from requests.utils import NETRC_FILES, get_netrc_auth

        if get_netrc_auth(address) is not None:
            names = [os.environ.get("NETRC") or "", *(f"~/{name}" for name in NETRC_FILES)]
            return next(name for name in names if name and os.path.exists(os.path.expanduser(name)))
    return ""


def has_proxy(address: str) -> bool:
    """Whether requests would go to this address through a proxy."""
    from requests.utils import get_environ_proxies, select_proxy

    return select_proxy(address, get_environ_proxies(address)) is not None


def _read(response: requests.Response, call: Call) -> tuple[bytes, str]:
    """Reads a body up to a size and a moment; says why that was not all of it, or "".

    It is unpacked here, if need be, so that a small answer cannot become a large one in memory.
    """
    parts: list[bytes] = []
    size = 0
    try:
        while size <= LARGEST_ANSWER and (part := response.raw.read(65536, decode_content=False)):
            parts.append(part)
            size += len(part)
    except Exception:
        if not call.is_cut:
            raise
    if call.is_cut:
        return b"".join(parts), "it came too slowly"
    if size > LARGEST_ANSWER:
        return b"".join(parts), "more came than was read"
    if getattr(response.raw, "length_remaining", 0):
        return b"".join(parts), "a part of it is missing"
    return _unpacked(b"".join(parts), response.headers.get("Content-Encoding", ""))


def _unpacked(raw: bytes, how: str) -> tuple[bytes, str]:
    """A body as it was before it was compressed, as far as it is not too large; says what is wrong with it, or ""."""
    if how.lower() not in ("gzip", "x-gzip", "deflate"):
        return raw, ""
    import zlib

    unpacking = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        text = unpacking.decompress(raw, LARGEST_ANSWER)
    except zlib.error:
        return b"", "it cannot be unpacked"
    return text, "" if unpacking.eof else "more came than was read"


def _json(text: str, token: Token | None) -> tuple[Any, bool]:
    try:
        return redact_token(json.loads(text, object_hook=_with_hidden_tokens), token), True
    except (ValueError, RecursionError):
        return None, False


def _with_hidden_tokens(item: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value := item.get("token"), str):
        item["token"] = Token(value)
    return item


def _form(text: str, packing: str) -> str:
    """What a body is that is no JSON; "" for none. Not by its `Content-Type`, which is often wrong."""
    start = text[:1000]
    if re.match(r"\s*<[!?a-zA-Z]", start):
        return PAGE
    unreadable = sum(one == "\ufffd" or not (one.isprintable() or one.isspace()) for one in start)
    if unreadable > len(start) / 10:
        name = packing if re.fullmatch(r"[A-Za-z0-9-]{1,12}", packing) else "something unknown"
        return f"data packed as {name}" if packing else "binary data"
    return TEXT if start.strip() else ""


def _opening(text: str, token: Token | None) -> Untrusted:
    """How a text begins, as a browser would show it."""
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>", " ", text[:20_000])
    text = unescape(re.sub(r"<[^>]{0,500}>", " ", text))[:2000]
    return Untrusted(sanitize(redact_token(text, token), 80).text)


def wait_in(headers: Mapping[str, str]) -> float | None:
    """The seconds in a `Retry-After`, which has a number of them or a date; None if nobody can wait for it."""
    said = headers.get("Retry-After", "").strip()
    until = _date(said)
    if re.fullmatch(r"[0-9]{1,9}", said):
        seconds = float(said)
    elif until is not None:  # by the clock of the server, if it says what that shows
        seconds = (until - (_date(headers.get("Date", "")) or datetime.now(timezone.utc))).total_seconds()
    else:
        return None
    return seconds if 0 < seconds <= LONGEST_WAIT else None


def _date(text: str) -> datetime | None:
    try:
        from email.utils import parsedate_to_datetime  # a script called email.py may stand in its place

        found = parsedate_to_datetime(text)
    except Exception:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)
