"""The door in front of every route: the only importer of middle_auth_client, whose decorators it lends out."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import flask
import requests
from cachetools import TTLCache, cached
from requests.adapters import HTTPAdapter

from cave_magic.sandbox.accounts import Account, Accounts
from cave_magic.sandbox.catalogue import Catalogue

PLACEHOLDER = "cave-sandbox.invalid"
"""Host name that middle_auth_client believes in; each reply carries the address of its own sandbox instead."""

TOKEN = "middle_auth_token"  # noqa: S105 - the name of the cookie, not a secret
_EXTENSION = "cave_sandbox"
_MEMORY = "cave_sandbox_memory"
_ON_THE_SPOT = {"auth", "sticky", "practice"}

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


def world() -> World:
    """The world of the sandbox that answers the present request."""
    return cast(World, flask.current_app.extensions[_EXTENSION])


def visitor() -> Account:
    """Whose token the present request carries; only behind `signed_in` or `needs_permission`."""
    return world().accounts.find(int(flask.g.auth_user["id"]))


def signed_in(view: View) -> View:
    """Ask for a valid token first: middle_auth_client's `auth_required`."""
    return cast(View, _library().auth_required(view))


def needs_permission(namespace: str, table_arg: str, *, ignore_tos: bool = False) -> Callable[[View], View]:
    """Ask for the view permission on the dataset behind a resource: `auth_requires_permission`."""
    decorate = _library().auth_requires_permission(
        "view", table_arg=table_arg, resource_namespace=namespace, ignore_tos=ignore_tos
    )
    return cast(Callable[[View], View], decorate)


def may_view(datastack: str) -> bool:
    """Whether the visitor may view a datastack once the terms are signed: `user_has_permission`."""
    answer = _library().user_has_permission("view", datastack, "datastack", ignore_tos=True)
    return bool(answer)


def end_session() -> None:
    """Forget the browser's session; without one the reply sets no cookie."""
    if flask.session:
        flask.session.clear()


def attach(app: flask.Flask, shared: World) -> None:
    """Make `app` part of the sandbox that `shared` describes."""
    library = _library()
    app.extensions[_EXTENSION] = shared
    app.extensions[_MEMORY] = TTLCache(library.CACHE_MAXSIZE, library.CACHE_TTL)
    app.config["AUTH_TOKEN"] = shared.service_token
    app.after_request(_finish)


def forget(app: flask.Flask) -> None:
    """Drop what the services of `app` remember about tokens, and what all know of datasets behind names."""
    with _memory_lock:
        app.extensions[_MEMORY].clear()
    _library().dataset_from_table_id.cache_clear()


def _finish(response: flask.Response) -> flask.Response:
    """Put this sandbox's address where the library wrote the placeholder; add what every reply carries."""
    response.headers["Access-Control-Allow-Origin"] = "*"
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


def _loosen_cookies(response: flask.Response) -> None:
    """Drop `Secure` over plain http, where a real server is never met.

    Chromium keeps such cookies for 127.0.0.1, but Safari and Python's cookie jar do not send them back.
    """
    cookies = response.headers.getlist("Set-Cookie")
    if cookies and flask.request.scheme == "http":
        response.headers.setlist("Set-Cookie", [c.replace("; Secure", "") for c in cookies])


def _own(text: str) -> str:
    return text.replace(f"https://{PLACEHOLDER}", world().server)


def _who(token: str) -> Any:
    """The auth server looks into its own memory; the other services ask it and remember for 300 s."""
    if flask.request.blueprint not in _ON_THE_SPOT:
        return _library().user_cache_http(token)
    accounts = world().accounts
    person = accounts.let_in(token)
    return accounts.passport(person) if person else None


class _Memory(MutableMapping[Any, Any]):
    """The library's cache of 300 s, one for each application as every real service has its own."""

    def __getitem__(self, key: Any) -> Any:
        return self._own[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._own[key] = value

    def __delitem__(self, key: Any) -> None:
        with _memory_lock:
            del self._own[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)

    @property
    def _own(self) -> MutableMapping[Any, Any]:
        return cast(MutableMapping[Any, Any], flask.current_app.extensions[_MEMORY])


class _Inward(HTTPAdapter):
    """Carries the services' questions to the auth server of the sandbox in whose request they arise."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send `request` over loopback; proxies of the environment have no say in it."""
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
    """middle_auth_client with its addresses set; its code, its retries and its caches stay as they are."""
    library: Any = importlib.import_module("middle_auth_client.decorators")
    library.AUTH_URL = f"{PLACEHOLDER}/auth"
    library.STICKY_AUTH_URL = f"{PLACEHOLDER}/sticky_auth"
    library.TOKEN_NAME = TOKEN
    library.AUTH_DISABLED = False
    library.session.trust_env = False
    library.session.mount(f"https://{PLACEHOLDER}", _Inward(max_retries=library.retries))
    library.token_to_user_cache = _Memory()
    plain = library.user_cache_http.__wrapped__
    library.user_cache_http = cached(library.token_to_user_cache, lock=_memory_lock)(plain)
    library.setPermissionLookupOverride(_who)
    return library
