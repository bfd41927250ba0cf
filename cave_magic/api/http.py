"""One HTTP request with a deadline, and how to read its response. Only this module and `connections` use requests."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Mapping
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..token import Token
from ..ui.durations import parse_date
from ..ui.redact import Untrusted, redact, redact_token, sanitize
from .failures import Failure, classify
from .responses import NOTHING, PAGE, TEXT, Response
from .special_files import harmful_netrc
from .urls import display_page, display_url, parse_url

if TYPE_CHECKING:
    import requests

    from .connections import ActiveRequest, TrustedCertificates

CONNECTIONS_PER_HOST = 6
"""Connections to one host at the same time, each of them reused: as many as a browser opens."""

MAX_BODY = 2_000_000
"""Bytes of a body that are read. The longest real one (a list of all datastacks) has a few thousand."""

MISSING = "part of it is missing"
"""Why a body is incomplete if the connection was closed."""

MAX_RETRY_AFTER = 7 * 86_400
"""Seconds. A longer `Retry-After` is ignored."""

MADE_UP = Token("0" * 32)
"""Looks like a token, but is not one; only experiments send it."""

_importing = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a request is sent, where that differs from this computer's settings.

    Attributes:
        proxy: the address of a proxy, which may contain a password; "" for none; None for the one in the settings.
        certificates: a file or folder of trusted certificates; "" for those that come with requests; None for the
            ones in the settings.
        verified: whether the server's certificate is verified; if not, the response carries it.
        family: `socket.AF_INET` or `socket.AF_INET6`, to use only addresses of that kind; 0 for both.
        skipped: how many addresses of that kind are left out.
        uses_netrc: whether requests may send a password from a `.netrc` file.
        made_up_token: whether it carries a made-up token, to find out whether tokens arrive.
        as_installed: whether it is sent by requests as it is installed, without what was replaced in this process.
    """

    proxy: str | None = field(default=None, repr=False)
    certificates: str | None = None
    verified: bool = True
    family: int = 0
    skipped: int = 0
    uses_netrc: bool = True
    made_up_token: bool = False
    as_installed: bool = False


def import_connections() -> ModuleType:
    """Imports the module that uses requests, in one thread at a time; the import of caveclient waits for it too.

    requests and urllib3 import each other: two threads that begin at different ends deadlock, and Python then raises
    an error in one of them.
    """
    with _importing:
        from . import connections
    return connections


class Session:
    """A requests session that reuses a few connections. Use it as a context manager.

    It uses the same proxies, certificates and `.netrc` as caveclient, because they can be at fault. It keeps no
    cookies, follows no redirect, and limits each request in seconds and bytes. Once it is closed it sends nothing more,
    not even for a request in progress.

    Attributes:
        sent: set once the first request with `get` was sent, or has failed.
    """

    def __init__(self) -> None:
        self._session: requests.Session | None = None
        self._trusted: TrustedCertificates | None = None
        self._requests: dict[tuple[str, Token | None], ActiveRequest] = {}
        self._tries: list[ActiveRequest] = []
        self._closed = False
        self.sent = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def get(self, url: str, token: Token | None = None, *, seconds: float = 5.0) -> Response:
        """Sends a GET request, as `request` does."""
        return self.request("GET", url, token, seconds)

    def unfinished(self, url: str, token: Token | None) -> Response:
        """The response of a request that has timed out."""
        return _unfinished(url, self._requests.get((url, token)))

    def close(self) -> None:
        """Cancels the requests in progress and closes the connections."""
        with self._lock:
            self._closed = True
            for request in (*self._requests.values(), *self._tries):
                request.cancel()
        if self._session is not None:
            self._session.close()
            import_connections().DEADLINES.rest()

    def request(
        self,
        method: str,
        url: str,
        token: Token | None,
        seconds: float,
        data: Mapping[str, str] | None = None,
        way: Way | None = None,
        masked: Token | None = None,
    ) -> Response:
        """Sends one request. Never raises, and never takes much longer than its timeout.

        Only name resolution can take longer, because nothing can interrupt it: use a thread (`Batch`). Nothing is sent
        twice but a GET request whose connection served another one before and was closed without a response.

        Args:
            url: the whole URL; it never contains the token.
            token: sent in the header of its format, to this host only.
            seconds: the timeout for connecting, headers and body together.
            data: sent as JSON.
            way: another way to send it, on a connection of its own, and never with a real token.
            masked: a token that the server got before, which is masked in the response.
        """
        parsed = parse_url(url)
        if parsed is None or parsed.has_credentials:
            return Response(url=display_url(url), failure=Failure.INVALID_URL)
        if token is not None and not token.can_be_sent:
            return Response(url=url, failure=Failure.UNSENDABLE)
        start, request = time.monotonic(), None
        try:
            connections = import_connections()
            start = time.monotonic()
            if (opened := self._open(url, token, seconds, way)) is None:
                return _unfinished(url, None)
            session, request = opened
            options = connections.options_for(way) if way is not None else {}
            sent = MADE_UP if way is not None and way.made_up_token else token
            settings = {"json": data, "headers": sent.headers if sent else {}, "timeout": seconds, **options}
            with (
                closing(session) if way is not None else nullcontext(),
                request,
                session.request(method, url, allow_redirects=False, stream=True, **settings) as received,
            ):
                response = _response(url, received, request, token or masked)
        except (Exception, SystemExit) as error:  # a script that shadows requests may exit
            if request is not None and request.cancelled:
                response = _unfinished(url, request)
            else:
                response = _failed(url, error, token or masked)
                is_stale = response.failure is Failure.RESET and request is not None and request.reuses
                if is_stale and method == "GET" and (left := start + seconds - time.monotonic()) > 0:
                    response = self.get(url, token, seconds=left)
        return replace(response, seconds=time.monotonic() - start)

    def _open(
        self, url: str, token: Token | None, seconds: float, way: Way | None
    ) -> tuple[requests.Session, ActiveRequest] | None:
        """Registers a request, with the session to send it; None once this one is closed. Another way has its own."""
        connections = import_connections()
        with self._lock:
            if self._closed:
                return None
            self._trusted = self._trusted or connections.TrustedCertificates()
            if way is not None:
                self._tries.append(connections.ActiveRequest(seconds, way))
                return connections.open_session(1, self._trusted, way), self._tries[-1]
            self._session = self._session or connections.open_session(CONNECTIONS_PER_HOST, self._trusted)
            self._requests[url, token] = connections.ActiveRequest(seconds, sent=self.sent)
            return self._session, self._requests[url, token]


def _unfinished(url: str, request: ActiveRequest | None) -> Response:
    if request is None:
        return Response(url=url, failure=Failure.NOT_CONTACTED)
    if not request.connected:
        return Response(url=url, failure=Failure.CONNECT_TIMEOUT, detail="its name may still be looked up")
    return Response(url=url, failure=Failure.NO_RESPONSE)


def _failed(url: str, error: BaseException, token: Token | None) -> Response:
    failure, detail = classify(error)
    if failure is Failure.INVALID_URL and proxy_for(url):
        failure, detail = Failure.PROXY, "its address is malformed, or has a scheme that requests does not support"
    return Response(url=url, failure=failure, detail=redact(detail, token) if token else detail)


def _response(url: str, received: requests.Response, request: ActiveRequest, token: Token | None) -> Response:
    raw, problem = _read(received, request)
    text = raw.decode("utf-8", errors="replace")
    body, is_json = (None, False) if problem else _json(text, token)
    form = "" if is_json else _form(text, received.headers.get("Content-Encoding", ""))
    failure, location, certificate, date = None, NOTHING, None, parse_date(received.headers.get("Date", ""))
    if request.certificate:
        from .certificates import certificate_in  # lazily: only experiments need it

        certificate = certificate_in(request.certificate)
    if problem and received.status_code < 400:
        failure = Failure.INCOMPLETE if problem == MISSING else Failure.UNREADABLE
        failure = Failure.TOO_SLOW if request.cancelled else failure
    if received.is_redirect:
        location = Untrusted(display_page(redact_token(received.headers["Location"], token), url))
    return Response(
        url=url,
        status=received.status_code,
        failure=failure,
        detail=problem,
        body=body,
        is_json=is_json,
        opening=_opening(text, token) if form in (PAGE, TEXT) else NOTHING,
        location=location,
        form=form,
        wait=retry_after(received.headers),
        certificate=certificate,
        date=date.timestamp() if date else None,
    )


def netrc_for(url: str) -> str:
    """The `.netrc` file with a password for this host, which caveclient would send instead of the token, or ""."""
    with suppress(Exception, SystemExit):  # a broken requests, or a script in its place, sends nothing
        if harmful_netrc():
            return ""
        from requests.utils import NETRC_FILES, get_netrc_auth

        if get_netrc_auth(url) is not None:
            names = [os.environ.get("NETRC") or "", *(f"~/{name}" for name in NETRC_FILES)]
            return next(name for name in names if name and os.path.exists(os.path.expanduser(name)))
    return ""


def proxy_for(url: str) -> str:
    """The address of the proxy that requests would use for this URL, which may contain a password; "" for none."""
    with suppress(Exception, SystemExit):  # as in `netrc_for`
        from requests.utils import get_environ_proxies, select_proxy

        return select_proxy(url, get_environ_proxies(url)) or ""
    return ""


def changed_by() -> str:
    """The file of the code that replaced a part of requests in this process; "" if none did."""
    with suppress(Exception, SystemExit):  # as in `netrc_for`
        return str(import_connections().changed_by())
    return ""


def _read(received: requests.Response, request: ActiveRequest) -> tuple[bytes, str]:
    """Reads a body up to `MAX_BODY` and the deadline, and says why it is incomplete, or "".

    `_decompress` does what urllib3 would do, so that a small body cannot become a large one in memory.
    """
    raw = b""
    try:
        while len(raw) <= MAX_BODY and (part := received.raw.read(65536, decode_content=False)):
            raw += part
    except Exception:
        if not request.cancelled:
            raise
    if request.cancelled:
        return raw, "it was too slow"
    if len(raw) > MAX_BODY:
        return raw, "it is too long"
    if getattr(received.raw, "length_remaining", 0):
        return raw, MISSING
    return _decompress(raw, received.headers.get("Content-Encoding", ""))


def _decompress(raw: bytes, encoding: str) -> tuple[bytes, str]:
    if not raw or encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return raw, ""
    import zlib

    decompressor = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        text = decompressor.decompress(raw, MAX_BODY)
    except zlib.error:
        return b"", "it cannot be decompressed"
    if decompressor.eof:
        return text, ""
    return text, "it is too long" if decompressor.unconsumed_tail else MISSING


def _json(text: str, token: Token | None) -> tuple[Any, bool]:
    with suppress(ValueError, RecursionError):
        return redact_token(json.loads(text, object_hook=_with_hidden_tokens), token), True
    return None, False


def _with_hidden_tokens(item: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value := item.get("token"), str):
        item["token"] = Token(value)
    return item


def _form(text: str, encoding: str) -> str:
    """The kind of a body that is not JSON; "" if it is empty. Ignores its `Content-Type`, which is often wrong."""
    start = text[:1000]
    if re.match(r"\ufeff?\s*<[!?a-zA-Z]", start):
        return PAGE
    if start.startswith("\ufeff"):
        return "text after a byte order mark, which caveclient cannot read"
    unreadable = sum(one == "\ufffd" or not (one.isprintable() or one.isspace()) for one in start)
    if unreadable > len(start) / 10:
        name = encoding if re.fullmatch(r"[A-Za-z0-9-]{1,12}", encoding) else "something unknown"
        return f"data compressed as {name}" if encoding else "binary data"
    return TEXT if start.strip() else ""


def _opening(text: str, token: Token | None) -> Untrusted:
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>", " ", text[:20_000])
    from html import unescape  # lazily: only a page needs it

    text = unescape(re.sub(r"<[^>]{0,500}>", " ", text))[:2000]
    return Untrusted(sanitize(redact_token(text, token), 80).text)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds in a `Retry-After` header, a number or a date; None if it is neither, or out of range."""
    value = headers.get("Retry-After", "").strip()
    until = parse_date(value)
    if re.fullmatch(r"[0-9]{1,9}", value):
        seconds = float(value)
    elif until is not None:  # by the server's clock, if there is a `Date`
        seconds = (until - (parse_date(headers.get("Date", "")) or datetime.now(timezone.utc))).total_seconds()
    else:
        return None
    return seconds if 0 < seconds <= MAX_RETRY_AFTER else None
