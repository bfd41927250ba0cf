"""Connections that end when their time is over, whatever the other side does. Nobody else imports urllib3.

Imported only once something is asked: loading the extension stays light.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from .tasks import AT_ONCE

_here = threading.local()


class Call:
    """One question under way.

    Attributes:
        deadline: when it is cut, by the monotonic clock.
        connected: whether a connection for it has come about.
        is_cut: whether its time is over. Then nothing is sent any more, and what is being read ends.
    """

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.connected = self.is_cut = False
        self._handle: socket.socket | None = None
        self._left: list[socket.socket] = []

    def hold(self, handle: socket.socket | None) -> None:
        """Takes the handle of its connection.

        Raises:
            TimeoutError: its time is over.
        """
        self._handle, self.connected = handle, handle is not None
        if self.is_cut or time.monotonic() > self.deadline:
            raise TimeoutError("the time for this question is over")

    def leave(self, handle: socket.socket) -> None:
        """Keeps the handle of a connection that was given up while its answer may still be read."""
        self._left.append(handle)

    def end(self) -> None:
        """Lets go of what nobody reads any more."""
        for handle in self._left:
            handle.close()

    def cut(self) -> None:
        """Cuts it off: a thread that waits for the other side wakes up at once."""
        self.is_cut = True
        if self._handle is not None:
            with suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)


class Calls:
    """The questions of one line, each cut at its time by a watching thread, since a read can be told only how long
    to wait for the next byte: a server that sends one byte a second would keep it for hours."""

    def __init__(self) -> None:
        self._open: set[Call] = set()
        self._changed = threading.Condition()
        self._closed = False
        self._watcher: threading.Thread | None = None

    @contextmanager
    def begin(self, call: Call) -> Iterator[None]:
        """The call belongs to this thread, and is watched, as long as this lasts.

        Raises:
            TimeoutError: the line is closed.
        """
        self._add(call)
        _here.call = call
        try:
            call.hold(None)
            yield
        finally:
            _here.call = None
            with self._changed:
                self._open.discard(call)
            call.end()

    def close(self) -> None:
        """Cuts what is under way and what may still begin."""
        with self._changed:
            self._closed = True
            for call in self._open:
                call.cut()
            self._changed.notify()

    def _add(self, call: Call) -> None:
        with self._changed:
            call.is_cut = self._closed
            is_first_to_end = all(call.deadline < other.deadline for other in self._open)
            self._open.add(call)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, daemon=True)
                with suppress(RuntimeError):  # Python ends, and starts no thread any more (3.12)
                    self._watcher.start()
            elif is_first_to_end:
                self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for call in self._open:
                    if call.deadline <= now and not call.is_cut:
                        call.cut()
                soonest = min((call.deadline for call in self._open if not call.is_cut), default=None)
                self._changed.wait(None if soonest is None else max(0.0, soonest - now))


class _Cuttable:
    """A connection that belongs to the call of its thread.

    The handle is a second one for the same connection: it works during the TLS handshake too, when the first one has
    passed into the hands of the ssl module.
    """

    _handle: socket.socket | None = None
    debuglevel = 0
    """A kernel in which http.client prints what it sends would print the token."""

    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        try:
            self._handle = made.dup()
            _hold(self._handle)
        except OSError:  # a TimeoutError is one
            made.close()
            self.close()
            raise
        return made

    def request(self, *args: Any, **options: Any) -> None:
        _hold(self._handle)
        super().request(*args, **options)  # type: ignore[misc]

    def close(self) -> None:
        super().close()  # type: ignore[misc]
        handle, self._handle = self._handle, None
        call: Call | None = getattr(_here, "call", None)
        if handle is not None and call is not None:
            call.leave(handle)  # http.client closes a connection before its last answer is read
        elif handle is not None:
            handle.close()


def _hold(handle: socket.socket | None) -> None:
    call: Call | None = getattr(_here, "call", None)
    if call is not None:
        call.hold(handle)


class _PlainConnection(_Cuttable, HTTPConnection):
    pass


class _SecureConnection(_Cuttable, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _PlainPool, "https": _SecurePool}


class UnusableBundle(requests.exceptions.SSLError):
    """The file or folder of trusted certificates cannot be read, or is none."""


class _Adapter(HTTPAdapter):
    """requests' own way to the network, with these connections, and with the list of trusted certificates read once.

    Reading it takes 15 ms or more, and urllib3 does so for every connection.
    """

    def __init__(self) -> None:
        self._contexts: dict[tuple[str | None, str | None], ssl.SSLContext] = {}
        self._reading = threading.Lock()
        super().__init__(pool_maxsize=AT_ONCE, max_retries=0)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        with self._reading:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            place = conn.ca_certs, conn.ca_cert_dir
            if cert or place == (None, None):
                return
            if place not in self._contexts:
                self._contexts[place] = _trusting(*place)
            conn.conn_kw["ssl_context"] = self._contexts[place]
            conn.ca_certs = conn.ca_cert_dir = None


def _trusting(file: str | None, folder: str | None) -> ssl.SSLContext:
    context = create_urllib3_context()
    try:
        context.load_verify_locations(file, folder)
    except OSError as error:
        raise UnusableBundle(error) from error
    return context


def open_session(agent: str) -> requests.Session:
    """A session that obeys the proxies, certificates and `.netrc` of this computer, as caveclient's own does.

    It keeps no cookies, tries nothing twice, and asks for answers that are not compressed.
    """
    session = requests.Session()
    session.headers.update({"User-Agent": f"{agent} {session.headers['User-Agent']!s}", "Accept-Encoding": "identity"})
    session.headers["X-Requested-With"] = "cave-magic"  # a refusal in data instead of a log-in page
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter()
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session
