"""`Sandbox`: a practice CAVE on loopback, with accounts, misbehaviour and a log of requests."""

from __future__ import annotations

import contextlib
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cave_magic.sandbox.accounts import Accounts
from cave_magic.sandbox.catalogue import build, extra_names
from cave_magic.sandbox.clock import Clock
from cave_magic.sandbox.faults import (
    SERVERS,
    Exchange,
    Fault,
    Target,
    UnknownMisbehaviour,
    fault,
    no_misbehaviour,
    read_target,
)
from cave_magic.sandbox.people import Account
from cave_magic.sandbox.request_log import RequestLog, record_of
from cave_magic.sandbox.token_store import WEEK, TokenStore
from cave_magic.sandbox.wire import Connection, Port, Reply, Request

if TYPE_CHECKING:
    import flask

    from cave_magic.sandbox.apps import Custom

AUTH_VERSION = "2.30.3"
CACHE_SECONDS = 300
"""Seconds for which a real service caches what the auth server said about a token."""
_FIRST_WITH_MANY_TOKENS = (2, 19, 0)


class _NotRunning(RuntimeError, ConnectionAbortedError):
    """Also ends, as a lost connection does, a request that is still being answered when the server closes."""


class Sandbox:
    """A practice CAVE: `server` has auth and info, `local_server` the services of a datastack.

    Use it as a context manager.

    Args:
        port: of the global server; 0 for any free one.
        local_port: of the first local server; 0 for any free one.
        auth_version: of the auth server. Before 2.19.0 an account has one permanent token.
        datastacks: how many datastacks to add.
        local_servers: how many local servers they are spread over.
        tls: serve https with a self-signed certificate; its file is `certificate`.
        cache_seconds: how long the services cache what auth said about a token; with 0 they ask each time.
        hosts: names of the servers instead of 127.0.0.1 and a port, for tests that redirect connections to `doors`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        local_port: int = 0,
        auth_version: str = AUTH_VERSION,
        datastacks: int = 0,
        local_servers: int = 1,
        tls: bool = False,
        cache_seconds: float = CACHE_SECONDS,
        hosts: Sequence[str] = (),
    ) -> None:
        self.auth_version = auth_version
        self.cache_seconds = cache_seconds
        self.delay = 0.0
        self.requests = RequestLog()
        self.connections = 0
        self.certificate: str | None = None
        self._catalogue = build(datastacks, local_servers)
        self._clock = Clock()
        one_token = tuple(int(part) for part in auth_version.split(".")) < _FIRST_WITH_MANY_TOKENS
        self._accounts = Accounts(TokenStore(one_token=one_token, clock=self._clock), extra_names(datastacks))
        self._service_token = self._accounts.tokens.create_temporary(0, seconds=10**9)
        self._numbers = [port, local_port, *[0] * (local_servers - 1)]
        self._inner_number = 0
        self._tls = tls
        self._hosts = tuple(hosts)
        self._faults: tuple[Fault, ...] = ()
        self._ports: list[Port] = []
        self._stopped = threading.Event()
        self._lock = threading.RLock()
        self._undo = contextlib.ExitStack()

    def __repr__(self) -> str:
        return f"<Sandbox at {self.server}>" if self._ports else "<Sandbox, not running>"

    # -- life -----------------------------------------------------------------------------------

    def start(self) -> Sandbox:
        """Starts to listen; after `close()` on the same ports. Raises OSError if a port is taken."""
        if self._ports:
            raise RuntimeError("this practice server is already running")
        self._stopped = threading.Event()
        try:
            context = self._undo.enter_context(self._credentials())
            for place, number in enumerate(self._numbers):
                self._listen(place, number, context)
            self._inner = self._undo.enter_context(contextlib.closing(Port(self._respond_inside, self._inner_number)))
            self._build()
        except BaseException:
            self.close()
            raise
        for port in [self._inner, *self._ports]:
            port.start()
        return self

    def close(self) -> None:
        """Stops at once, closes all connections, and ends all misbehaviour."""
        self._stopped.set()
        self.behave()
        self._undo.close()
        self._ports = []

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    # -- addresses ------------------------------------------------------------------------------

    @property
    def server(self) -> str:
        """URL of the global server: auth and info. Raises RuntimeError if it is not running."""
        return self._port(0).address

    @property
    def local_server(self) -> str:
        """URL of the first local server."""
        return self._port(1).address

    @property
    def local_servers(self) -> list[str]:
        """URLs of all local servers."""
        return [self._port(place).address for place in range(1, len(self._numbers))]

    @property
    def doors(self) -> dict[str, int]:
        """Host -> port of 127.0.0.1, for the servers that have names."""
        return {port.name: port.number for port in self._ports if port.name}

    @property
    def datastacks(self) -> list[str]:
        """Names of the datastacks of the info service."""
        return list(self._catalogue.datastacks)

    # -- people and tokens ----------------------------------------------------------------------

    def new_token(self, person: str, description: str | None = None) -> str:
        """A new permanent token of `person` (nick or e-mail). Raises LookupError for an unknown person."""
        return self._accounts.tokens.create_permanent(self._accounts.find(person).id, description)

    def new_login_token(self, person: str, seconds: float = WEEK) -> str:
        """A new temporary token that expires after `seconds`; with 0 it has already expired."""
        return self._accounts.tokens.create_temporary(self._accounts.find(person).id, seconds)

    def delete_token(self, token: str) -> None:
        """Revokes a token, as the tokens page does. Raises LookupError for an unknown one."""
        self._accounts.tokens.revoke(token)

    def lose_token(self, token: str) -> None:
        """Makes a token invalid that is still listed, as if the auth server had lost it."""
        self._accounts.tokens.lose(token)

    def tokens(self, person: str) -> list[dict[str, Any]]:
        """The permanent tokens of `person` as `GET /auth/api/v1/user/token` lists them, newest first."""
        return [row.as_json() for row in self._accounts.tokens.of(self._accounts.find(person).id)]

    def people(self) -> list[Account]:
        """All accounts."""
        return self._accounts.everyone()

    def sign_up(self, email: str) -> str:
        """Creates an account, as the first sign-in does, and returns its nick."""
        return self._accounts.sign_up(email).nick

    def withdraw_terms(self, person: str, datastack: str) -> None:
        """Withdraws `person`'s acceptance of the terms of service of a datastack."""
        self._accounts.withdraw_terms(person, datastack)

    def accept_terms(self, person: str, datastack: str) -> None:
        """Accepts the terms of service of a datastack for `person`."""
        self._accounts.accept_terms(self._accounts.find(person).id, self._accounts.terms_of(datastack))

    def grant(self, person: str, datastack: str) -> None:
        """Gives `person` the permission to view a datastack.

        `user/cache` of auth shows it at once. The info service asks auth again before it denies access, so
        `datastack/full` works at once too, while `datastacks` omits the name until then, or for 300 s.
        After 20 denials of a token in 300 s it no longer asks: see `use_up_rechecks`.
        """
        self._accounts.grant(person, [datastack])

    def revoke(self, person: str, datastack: str) -> None:
        """Takes that permission away.

        `user/cache` of auth shows it at once. A service that has cached the token still allows it for 300 s.
        To skip that: `advance(300)`, or `forget()`, or a `Sandbox(cache_seconds=0)`, which caches nothing.

            get(full, token)  # 200, and the info service caches whose token it is
            cave.revoke("ada", "minnie65_public")
            get(full, token)  # still 200, while user/cache no longer has the permission
            cave.advance(300)
            get(full, token)  # 403 missing_permission
        """
        self._accounts.revoke(person, datastack)

    # -- time and the caches of the services --------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Advances the clock for everything that expires, so that no test needs to sleep.

        That is temporary tokens, the caches of the services, and their count of denials. Dates do not change.
        Raises ValueError for a negative number.
        """
        self._clock.advance(seconds)

    def use_up_rechecks(self) -> None:
        """Makes the services deny from their caches, as after 20 denials of every token.

        It ends after 300 s or with `forget()`. They still ask auth about a token that they have not cached.

            get(full, token)  # 403 missing_permission, cached
            cave.use_up_rechecks()
            cave.grant("carol", "minnie65_public")
            get(full, token)  # still 403, while user/cache has the permission
            cave.advance(300)
            get(full, token)  # 200
        """
        for app in self._services():
            self._gate.use_up_rechecks(app)

    def forget(self) -> None:
        """Empties the caches of the services: tokens, permissions and denials."""
        for app in self._services():
            self._gate.forget(app)

    # -- misbehaviour and requests --------------------------------------------------------------

    def misbehave(self, target: str, how: str | Custom) -> None:
        """Makes a part of the practice server misbehave, and replaces the misbehaviour of the same target.

        `target` is a service (`info`), `all`, the `global` server, every `local` one, the URL of a server, or a
        path with everything below it, which may follow a URL; a method may precede it. `how` is a text from
        `faults.MISBEHAVIOURS` or a function from a Flask request to a Flask response. If several targets match a
        request, the last one counts. Raises UnknownMisbehaviour.

            cave.misbehave("/auth/api/v1/logout", "down")            # 502 when a temporary token is revoked
            cave.misbehave("POST /auth/api/v1/user/token", "down")   # tokens are listed but not created
            cave.misbehave("sticky_auth", "down")                    # the pages and the sign-in
            cave.misbehave("info", "retry-after:3600:429")           # or "retry-after:120" for a 503
            cave.misbehave("local", "missing")                       # the services of a data server are gone
            cave.misbehave(cave.local_servers[1], "missing")         # the same for one data server
        """
        self._check_address(read_target(target))
        if isinstance(how, str):
            new = fault(target, how)
        elif callable(how):
            new = Fault(target, getattr(how, "__name__", "custom"), self._custom(how))
        else:
            raise no_misbehaviour(how)
        self.behave(target)
        with self._lock:
            self._faults = (*self._faults, new)

    def behave(self, target: str | None = None) -> None:
        """Ends the misbehaviour of one target, or of all; delayed requests get their response."""
        with self._lock:
            ended = [f for f in self._faults if target in (None, f.target)]
            self._faults = tuple(f for f in self._faults if f not in ended)
        for each in ended:
            each.over.set()

    @property
    def misbehaving(self) -> dict[str, str]:
        """Target -> its misbehaviour."""
        return {f.target: f.text for f in self._faults}

    def clear_requests(self) -> None:
        """Clears the log of requests and the number of connections."""
        self.requests.clear()
        self.connections = 0

    # -- inside ---------------------------------------------------------------------------------

    def _services(self) -> tuple[flask.Flask, ...]:
        """The applications that ask auth about tokens. Raises RuntimeError if the server is not running."""
        self._port(0)
        return self._info_app, self._local_app

    def _check_address(self, target: Target) -> None:
        addresses = [port.address for port in self._ports]
        if target.server not in (None, *SERVERS, *addresses):
            here = ", ".join(addresses) or "none, because it is not running"
            raise UnknownMisbehaviour(f"{target.server} is not a URL of this practice server; it has: {here}")

    def _port(self, place: int) -> Port:
        if len(self._ports) <= place:
            raise _NotRunning("this practice server is not running")
        return self._ports[place]

    @contextlib.contextmanager
    def _credentials(self) -> Iterator[ssl.SSLContext | None]:
        if not self._tls:
            yield None
            return
        from cave_magic.sandbox import tls

        with tempfile.TemporaryDirectory(prefix="cave-sandbox-") as folder:
            self.certificate = str(tls.self_signed(Path(folder), self._hosts))
            yield tls.context(Path(folder))

    def _listen(self, place: int, number: int, context: ssl.SSLContext | None) -> None:
        def respond(request: Request, connection: Connection) -> Reply | None:
            return self._respond(place, request, connection)

        name = self._hosts[place] if place < len(self._hosts) else ""
        port = Port(respond, number, context, self._count, name)
        self._undo.enter_context(contextlib.closing(port))
        self._ports.append(port)
        self._numbers[place] = port.number

    def _count(self) -> None:
        with self._lock:
            self.connections += 1

    def _build(self) -> None:
        from cave_magic.sandbox import apps, gate

        self._inner_number = self._inner.number
        shared = gate.World(
            self._accounts,
            self._catalogue,
            self.server,
            tuple(self.local_servers),
            f"http://{self._inner.netloc}",
            self.auth_version,
            self._service_token,
            self._clock,
            self.cache_seconds,
        )
        self._web, self._gate = apps, gate
        self._auth_app, self._info_app, self._local_app = apps.build_apps(shared)

    def _app(self, place: int, path: str) -> flask.Flask:
        if place:
            return self._local_app
        return self._info_app if self._web.is_global_service(path) else self._auth_app

    def _respond(self, place: int, request: Request, connection: Connection) -> Reply | None:
        """Logs the request, responds with the current misbehaviour, and logs the response."""
        number = self.requests.add(record_of(request, self._accounts.owner))
        if self.delay:
            self._stopped.wait(self.delay)
        portal = f"{self.local_server if place == 0 else self.server}/captive-portal"
        reply = self._troubled(self._exchange(place, request, connection, portal))
        if reply:
            self.requests.responded(number, reply.status)
        return reply

    def _respond_inside(self, request: Request, connection: Connection) -> Reply | None:
        """Responds to a service's request to the auth server: with the same misbehaviour, but not logged."""
        return self._troubled(self._exchange(0, request, connection))

    def _exchange(self, place: int, request: Request, connection: Connection, portal: str = "") -> Exchange:
        self._check_open()
        server = self._port(place).address
        return Exchange(
            request, server, place, connection, lambda: self._healthy(place, request), self._stopped, portal
        )

    def _check_open(self) -> None:
        if self._stopped.is_set():
            raise ConnectionAbortedError("the practice server is closing")

    def _troubled(self, exchange: Exchange) -> Reply | None:
        for each in reversed(self._faults):
            if each.where.covers(exchange):
                return each.act(replace(exchange, over=each.over))
        return exchange.respond()

    def _healthy(self, place: int, request: Request) -> Reply:
        self._check_open()
        return self._web.respond(self._app(place, request.path), request, self._port(place))

    def _custom(self, how: Custom) -> Callable[[Exchange], Reply | None]:
        def act(exchange: Exchange) -> Reply | None:
            app = self._app(exchange.place, exchange.request.path)
            reply: Reply = self._web.respond_custom(app, how, exchange.request, self._port(exchange.place))
            return reply

        return act
