"""Connections that are cut at a deadline, whatever the server does. No other module imports urllib3.

It is imported with the first request, so that the extension loads fast.
"""

from __future__ import annotations

import importlib
import os
import socket
import ssl
import sys
import threading
import time
import warnings
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from types import ModuleType
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.models import PreparedRequest, Request, Response
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import DependencyWarning
from urllib3.util.ssl_ import create_urllib3_context

from .special_files import harmful_netrc, never_ends

if TYPE_CHECKING:
    from .http import Way

_of_thread = threading.local()  # its `request` is the one that this thread sends


class ActiveRequest:
    """A request in progress. Use it as a context manager in the thread that sends it.

    It is cancelled at its deadline, because a socket's timeout only limits the wait for the next byte: a server that
    sends one byte a second would keep it for hours.

    Args:
        seconds: the time until the deadline, from now.
        way: what differs from this computer's settings, or None.

    Attributes:
        connected: whether it got a connection in time.
        reuses: whether another request had used that connection, which the server may close at any time.
        cancelled: whether it was cancelled. Nothing is sent after that, and reading ends.
        deadline: when it is cancelled, by the monotonic clock.
        certificate: the server's, in binary form (DER), if it was not verified.
        sent: set once it, or another with the same event, was sent or has failed.
    """

    def __init__(self, seconds: float, way: Way | None = None, sent: threading.Event | None = None) -> None:
        self.connected = self.reuses = self.cancelled = False
        self.way, self.certificate = way, b""
        self.sent = sent or threading.Event()
        self.deadline = time.monotonic() + seconds
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> ActiveRequest:
        _of_thread.request = self
        DEADLINES.add(self)
        return self

    def __exit__(self, *error: object) -> None:
        del _of_thread.request
        self.sent.set()
        DEADLINES.remove(self)
        self._use(None)

    def attach(self, connection: socket.socket | None) -> None:
        """Attaches a socket, if there is one yet, so that `cancel` can shut it down.

        It keeps a duplicate, which still works after the ssl module has taken over the socket (from the handshake on),
        and after http.client has closed its own but still reads the response.

        Raises:
            TimeoutError: the request is cancelled, or past its deadline.
        """
        if connection is not None:
            self._use(socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, socket.dup(connection.fileno())))
        if self.cancelled or time.monotonic() > self.deadline:
            raise TimeoutError("this request has timed out")
        self.connected = connection is not None

    def cancel(self) -> None:
        """Shuts the connection down. A thread that waits for the server wakes up at once."""
        with self._lock:
            self.cancelled = True
            if self._socket is not None:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _use(self, duplicate: socket.socket | None) -> None:
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            self._socket = duplicate


class _Deadlines:
    """One thread that cancels requests at their deadlines, and ends once there are none.

    A timer for each request would wait until its thread has started: milliseconds, while caveclient is imported.

    Attributes:
        thread: that thread; None once it ends.
    """

    def __init__(self) -> None:
        self._requests: set[ActiveRequest] = set()
        self._changed = threading.Condition()
        self.thread: threading.Thread | None = None

    def add(self, request: ActiveRequest) -> None:
        """Watches a request from now on."""
        with self._changed:
            is_first = all(request.deadline < other.deadline for other in self._requests)
            self._requests.add(request)
            if self.thread is None or not self.thread.is_alive():  # a fork has no copy of the thread
                self.thread = threading.Thread(target=self._watch, daemon=True)
                with suppress(RuntimeError):  # no new threads while Python exits (3.12): the socket's timeout remains
                    self.thread.start()
            elif is_first:
                self._changed.notify()

    def remove(self, request: ActiveRequest) -> None:
        """Stops watching it."""
        with self._changed:
            self._requests.discard(request)

    def rest(self) -> None:
        """Ends the thread if there is nothing to watch; else it would end at the deadline of the last request."""
        with self._changed:
            ending = None if any(not one.cancelled for one in self._requests) else self.thread
            self._changed.notify()
        if ending is not None and ending.is_alive():
            ending.join(1)  # so that a cell leaves no thread

    def _watch(self) -> None:
        with self._changed:
            while waiting := [one for one in self._requests if not one.cancelled]:
                now = time.monotonic()
                for request in waiting:
                    if request.deadline <= now:
                        request.cancel()
                self._changed.wait(max(0.0, min(one.deadline for one in waiting) - now))
            self.thread = None


DEADLINES = _Deadlines()


class _Cancellable:
    """A connection that the request of its thread can cancel."""

    _dns_host: str
    """The name that is looked up and connected to; TLS and the headers still use `host` (urllib3)."""

    debuglevel = 0
    """Overrides the setting of http.client that would print the token."""

    _is_used = False
    """Whether a request was sent on its present socket."""

    def _new_conn(self) -> socket.socket:
        request: ActiveRequest = _of_thread.request
        name = self._dns_host
        try:
            if request.way is not None and request.way.family:
                self._dns_host = _address_of(name, request.way.family, request.way.skipped)
            made: socket.socket = super()._new_conn()  # type: ignore[misc]
        finally:
            self._dns_host = name
        try:
            request.attach(made)
        except OSError:  # a TimeoutError is one
            made.close()
            raise
        self._is_used = False
        return made

    def request(self, *args: Any, **options: Any) -> None:
        request: ActiveRequest = _of_thread.request
        request.attach(self.sock)  # type: ignore[attr-defined]
        request.reuses = self._is_used and request.connected
        super().request(*args, **options)  # type: ignore[misc]
        self._is_used = True
        request.sent.set()


def _address_of(name: str, family: int, skipped: int) -> str:
    """The first address of a family that a name resolves to, after those to skip.

    Raises:
        socket.gaierror: it has none.
    """
    found = socket.getaddrinfo(name, None, family, socket.SOCK_STREAM)[skipped:]
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "it has no other address")
    return str(found[0][4][0])


class _PlainConnection(_Cancellable, HTTPConnection):
    pass


class _SecureConnection(_Cancellable, HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        if not self.is_verified and isinstance(self.sock, ssl.SSLSocket):
            _of_thread.request.certificate = self.sock.getpeercert(binary_form=True) or b""
            self.is_verified = True  # so that urllib3 does not warn: without a token there is nothing to protect


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


_POOLS = {"http": _PlainPool, "https": _SecurePool}


class UnusableBundle(requests.exceptions.SSLError):
    """The file or folder of trusted certificates (CA bundle) is missing or cannot be read."""


class UnusableKeyLog(requests.exceptions.SSLError):
    """The file to which Python writes the keys of secure connections (SSLKEYLOGFILE) cannot be opened."""


class TrustedCertificates:
    """The files of trusted certificates that were read, for all sessions of a batch.

    Reading one takes 15 ms or more, and urllib3 does so for every connection.
    """

    def __init__(self) -> None:
        self._contexts: dict[tuple[str | None, str | None], ssl.SSLContext] = {}
        self._reading = threading.Lock()

    def read(self, file: str | None, folder: str | None) -> ssl.SSLContext:
        """The context that trusts a file or a folder.

        Raises:
            UnusableBundle: it cannot be read.
            UnusableKeyLog: no context can be made.
        """
        with self._reading:
            if (file, folder) not in self._contexts:
                if file is not None and never_ends(file):
                    raise UnusableBundle(file)
                try:
                    context = create_urllib3_context()
                except OSError as error:  # the only file that it opens
                    raise UnusableKeyLog(error) from error
                try:
                    context.load_verify_locations(file, folder)
                except OSError as error:
                    raise UnusableBundle(error) from error
                self._contexts[file, folder] = context
            return self._contexts[file, folder]


class _Cancelling:
    """What makes an adapter of requests use these connections and contexts."""

    def __init__(self, connections_per_host: int, trusted: TrustedCertificates) -> None:
        self._trusted, self._preparing = trusted, threading.Lock()
        super().__init__(pool_maxsize=connections_per_host, max_retries=0)  # type: ignore[call-arg]

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)  # type: ignore[misc]
        self.poolmanager.pool_classes_by_scheme = _POOLS  # type: ignore[attr-defined]

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **options)  # type: ignore[misc]
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        with self._preparing:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[misc]
            paths = conn.ca_certs, conn.ca_cert_dir
            if cert or paths == (None, None):
                return
            conn.conn_kw["ssl_context"] = self._trusted.read(*paths)
            conn.ca_certs = conn.ca_cert_dir = None


def options_for(way: Way) -> dict[str, Any]:
    """The arguments of `requests.Session.request` for a request that is sent in another way."""
    options: dict[str, Any] = {}
    if way.proxy is not None:
        options["proxies"] = dict.fromkeys(("http", "https", "all"), way.proxy)
    if not way.verified:
        options["verify"] = False
    elif way.certificates is not None:
        options["verify"] = way.certificates or requests.adapters.DEFAULT_CA_BUNDLE_PATH
    if not way.uses_netrc:
        options["auth"] = lambda request: request
    return options


def _session_class() -> type[requests.Session]:
    """Not one that replaces it, as that of requests_cache does: it would store the tokens of a list on disk."""
    bases = getattr(requests.Session, "__mro__", ())  # a function or a mock has none
    return next((kind for kind in bases if kind.__module__ == "requests.sessions"), requests.Session)


def changed_by() -> str:
    """The file of the code that replaced a part of requests in this process, such as a startup file; "" if none did."""
    kind, own = _session_class(), os.path.join(os.path.dirname(requests.__file__), "")
    classes = kind, HTTPAdapter, Request, PreparedRequest, Response
    parts = [kind, *(getattr(one, name) for one in classes for name in vars(one))]
    codes = (getattr(part, "__code__", None) for part in parts if callable(part) and not isinstance(part, type))
    files = (str(getattr(code, "co_filename", "a mock")) for code in codes)
    return next((file for file in files if not file.startswith(own)), "")


def _as_installed() -> ModuleType:
    """A second copy of `requests.sessions`, in which nothing was replaced."""
    name = "_requests_as_installed"
    package = sys.modules.setdefault(name, ModuleType(name))
    package.__path__ = requests.__path__
    warnings.simplefilter("ignore", DependencyWarning)  # as requests itself does, since PySocks may be missing
    return importlib.import_module(f"{name}.sessions")


def open_session(connections_per_host: int, trusted: TrustedCertificates, way: Way | None = None) -> requests.Session:
    """A session that uses this computer's proxies, certificates and `.netrc`, as caveclient does.

    It keeps no cookies, follows no advice to retry, and asks for compressed responses, as caveclient does.
    """
    copy = _as_installed() if way is not None and way.as_installed else None
    session: requests.Session = copy.Session() if copy else _session_class()()
    version = sys.modules["cave_magic"].__version__  # the package is loaded before its modules, and imports them
    session.headers["User-Agent"] = f"cave-magic/{version} {session.headers['User-Agent']!s}"
    session.headers["Accept-Encoding"] = "gzip"
    session.headers["X-Requested-With"] = "cave-magic"  # so that a 401 is JSON, not a redirect to sign in
    if harmful_netrc():
        session.auth = lambda request: request  # else requests reads that file
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    kinds = _Cancelling, copy.HTTPAdapter if copy else HTTPAdapter
    adapter = type("Adapter", kinds, {})(connections_per_host, trusted)
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)
    return session
