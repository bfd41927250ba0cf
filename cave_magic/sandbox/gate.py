"""Access control for every route: the only importer of middle_auth_client, whose decorators it applies."""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import flask
import requests
from cachetools import TTLCache
from requests.adapters import HTTPAdapter

from cave_magic.sandbox.accounts import Accounts
from cave_magic.sandbox.catalogue import Catalogue
from cave_magic.sandbox.clock import Clock
from cave_magic.sandbox.people import Account

PLACEHOLDER = "cave-sandbox.invalid"
"""The auth server's host for middle_auth_client; `finish` replaces it by the address of the sandbox."""

TOKEN = "middle_auth_token"  # noqa: S105 - the name of the cookie, not a secret
_EXTENSION = "cave_sandbox"
_MEMORY = "cave_sandbox_memory"
_IS_AUTH = "cave_sandbox_is_auth"

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class World:
    """What the routes of one sandbox share. Addresses have no trailing slash."""

    accounts: Accounts
    catalogue: Catalogue
    server: str
    local_servers: tuple[str, ...]
    inner_auth: str
    auth_version: str
    service_token: str
    clock: Clock
    cache_seconds: float


@dataclass(slots=True)
class Rechecks:
    """How often a service may ask auth again after a denial: for each token `limit` times in `window` seconds."""

    clock: Clock
    limit: int
    window: float
    _since: float = -math.inf  # the clock may begin at 0, when the computer starts
    _counts: Counter[str] = field(default_factory=Counter)
    _used_up: bool = False

    def allow(self, token: str) -> bool:
        """Whether the service may ask again about `token`; counts it."""
        if self.clock() - self._since > self.window:
            self._since, self._counts, self._used_up = self.clock(), Counter(), False
        self._counts[token] += 1
        return not self._used_up and self._counts[token] <= self.limit

    def use_up(self) -> None:
        """Allows no more until a whole window has passed."""
        self._since, self._used_up = self.clock(), True


class Memory:
    """The caches of one application, as middle_auth_client keeps them in each process."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        library = _library()
        self.owners: TTLCache[Any, Any] = TTLCache(library.CACHE_MAXSIZE, seconds, timer=clock)
        self.datasets: TTLCache[Any, Any] = TTLCache(library.CACHE_MAXSIZE, seconds, timer=clock)
        self.rechecks = Rechecks(clock, library.SKIP_CACHE_LIMIT, library.SKIP_CACHE_WINDOW_SEC)


def world() -> World:
    """The world of the sandbox that handles the current request."""
    return cast(World, flask.current_app.extensions[_EXTENSION])


def visitor() -> Account:
    """The account of the current request; only behind `signed_in` or `needs_permission`."""
    return world().accounts.find(int(flask.g.auth_user["id"]))


def signed_in(view: View) -> View:
    """Requires a valid token: middle_auth_client's `auth_required`."""
    return cast(View, _library().auth_required(view))


def needs_permission(namespace: str, table_arg: str, *, ignore_tos: bool = False) -> Callable[[View], View]:
    """Requires the view permission on the dataset of a resource: `auth_requires_permission`."""
    decorate = _library().auth_requires_permission(
        "view", table_arg=table_arg, resource_namespace=namespace, ignore_tos=ignore_tos
    )
    return cast(Callable[[View], View], decorate)


def open_to_all(blueprint: flask.Blueprint, path: str, value: Any) -> None:
    """Adds a route that needs no token and always returns this JSON, such as a version."""
    blueprint.add_url_rule(path, endpoint=path.strip("/").replace("/", "_"), view_func=lambda: flask.jsonify(value))


def may_view(namespace: str, name: str) -> bool:
    """Whether the visitor may view a resource once the terms are accepted: `user_has_permission`."""
    return bool(_library().user_has_permission("view", name, namespace, ignore_tos=True))


def attach(app: flask.Flask, shared: World, *, is_auth: bool) -> None:
    """Makes `app` part of a sandbox, as its auth server or as a service that asks the auth server."""
    app.extensions[_EXTENSION] = shared
    app.extensions[_IS_AUTH] = is_auth
    app.extensions[_MEMORY] = Memory(shared.clock, shared.cache_seconds)
    app.config["AUTH_TOKEN"] = shared.service_token


def forget(app: flask.Flask) -> None:
    """Empties the caches of `app`: tokens with their permissions, the datasets of names, denials."""
    with _memory_lock:
        app.extensions[_MEMORY] = Memory(app.extensions[_EXTENSION].clock, app.extensions[_EXTENSION].cache_seconds)


def use_up_rechecks(app: flask.Flask) -> None:
    """Makes `app` deny from its cache, as after 20 denials of every token."""
    app.extensions[_MEMORY].rechecks.use_up()


def finish(response: flask.Response) -> flask.Response:
    """Replaces the placeholder by the sandbox's address, and adds the headers that every response has."""
    _share_with_origins(response)
    location = response.headers.get("Location")
    if location:
        response.headers["Location"] = _own(location)
    challenge = response.headers.get("WWW-Authenticate")
    if challenge:
        response.headers["WWW-Authenticate"] = _own(challenge)
    if not response.direct_passthrough and PLACEHOLDER.encode() in response.get_data():
        response.set_data(_own(response.get_data(as_text=True)))
    _loosen_cookies(response)
    return response


def _share_with_origins(response: flask.Response) -> None:
    """The CORS headers of flask-cors as deployed: auth allows credentials, for which `*` is not enough."""
    asked, headers, is_auth = flask.request.headers, response.headers, flask.current_app.extensions[_IS_AUTH]
    origin = asked.get("Origin")
    if is_auth and not origin:
        return
    headers["Access-Control-Allow-Origin"] = origin or "*"
    headers["Access-Control-Expose-Headers"] = "WWW-Authenticate, X-Requested-With" if is_auth else "WWW-Authenticate"
    if is_auth:
        headers["Access-Control-Allow-Credentials"] = "true"
    if origin:
        headers.add("Vary", "Origin")
    if flask.request.method == "OPTIONS" and "Access-Control-Request-Method" in asked:
        headers["Access-Control-Allow-Methods"] = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
        headers["Access-Control-Allow-Headers"] = asked.get("Access-Control-Request-Headers", "")


def _loosen_cookies(response: flask.Response) -> None:
    """Drops `Secure` over plain http, which real servers do not use.

    Chromium keeps such cookies for 127.0.0.1, but Safari and Python's cookie jar do not send them back.
    """
    cookies = response.headers.getlist("Set-Cookie")
    if cookies and flask.request.scheme == "http":
        response.headers.setlist("Set-Cookie", [c.replace("; Secure", "") for c in cookies])


def _own(text: str) -> str:
    return text.replace(f"https://{PLACEHOLDER}", world().server)


def _who(token: str) -> Any:
    """The auth server looks the token up; the other services ask it, and cache the response for 300 s."""
    if not flask.current_app.extensions[_IS_AUTH]:
        return _library().user_cache_http(token)
    accounts = world().accounts
    person = accounts.authenticate(token)
    return accounts.passport(person) if person else None


def _forget_owner_maybe(token: str) -> None:
    """The library's `clear_user_cache_maybe`, called before it asks auth again; counts for each application."""
    with _memory_lock:
        if not _memory().rechecks.allow(token):
            raise importlib.import_module("middle_auth_client.ratelimit").RateLimitError
        _memory().owners.pop((token,), None)


def _memory() -> Memory:
    return cast(Memory, flask.current_app.extensions[_MEMORY])


def _remembering(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A function of the library with a cache for each application, because every real service has its own."""

    def remembered(*key: str) -> Any:
        with _memory_lock, contextlib.suppress(KeyError):
            return getattr(_memory(), name)[key]
        value = function(*key)
        with _memory_lock:
            getattr(_memory(), name)[key] = value
        return value

    return remembered


class _Inward(HTTPAdapter):
    """Sends the requests of the services to the auth server of their own sandbox."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Sends `request` over loopback, whatever proxies the environment configures."""
        request.url = (request.url or "").replace(f"https://{PLACEHOLDER}", world().inner_auth)
        kwargs["proxies"] = None
        return super().send(request, *args, **kwargs)


_install = threading.Lock()
_memory_lock = threading.RLock()


def _library() -> Any:
    with _install:
        return _prepared()


@functools.cache
def _prepared() -> Any:
    """middle_auth_client with our addresses, and with separate caches for each application."""
    library: Any = importlib.import_module("middle_auth_client.decorators")
    library.AUTH_URL = f"{PLACEHOLDER}/auth"
    library.STICKY_AUTH_URL = f"{PLACEHOLDER}/sticky_auth"
    library.TOKEN_NAME = TOKEN
    library.AUTH_DISABLED = False
    library.session.trust_env = False
    library.session.mount(f"https://{PLACEHOLDER}", _Inward(max_retries=library.retries))
    for name, cache in (("user_cache_http", "owners"), ("dataset_from_table_id", "datasets")):
        setattr(library, name, _remembering(getattr(library, name).__wrapped__, cache))
    library.clear_user_cache_maybe = _forget_owner_maybe
    library.setPermissionLookupOverride(_who)
    return library
