"""The installed caveclient: the tokens that it and its clients in a notebook use, and the call that failed.

Everything that depends on the version of caveclient is here (7 and 8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from traceback import walk_tb
from typing import Any

from ..api import failures
from ..api.responses import NOTHING
from ..api.urls import parse_url
from ..token import Token
from ..ui.redact import Untrusted


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A variable with a CAVEclient, and the client's datastack or ""."""

    variable: str
    datastack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedKey:
    """The key of a token file that a client was told to use (`auth_token_key=`), and whether it found a token there."""

    key: str
    file: Path
    found: bool


def token_of_caveclient(server: str) -> Token | None:
    """The token that a fresh `AuthClient` of the installed caveclient uses for a server; this verifies a save.

    Raises:
        Exception: whatever caveclient raises if it cannot read a file.
    """
    import logging

    from caveclient.auth import AuthClient

    logger = logging.getLogger("caveclient.auth")
    before, logger.disabled = logger.disabled, True  # it would warn about the deprecated file, as the check does
    try:
        value = AuthClient(server_address=server).token
    finally:
        logger.disabled = before
    return None if value is None else Token(str(value))


def clients_in(names: Mapping[str, object], server: str, token: Token) -> tuple[Client, ...]:
    """The variables with a CAVEclient of this server that was created with another token than the stored one."""
    found = []
    for name, value in list(names.items()):
        with suppress(Exception):  # a person's objects may do anything
            is_client = type(value).__module__.startswith("caveclient.frameworkclient")
            if not is_client or name.startswith("_") or not name.isidentifier():
                continue
            auth = vars(value).get("_auth")
            same = getattr(value, "_server_address", "").rstrip("/") == server
            if same and auth is not None and auth.token is not None and Token(str(auth.token)) != token:
                found.append(Client(variable=name, datastack=str(vars(value).get("_datastack_name") or "")))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongArgument:
    """An argument that the call cannot use: its type is "" if it is an empty string."""

    name: str
    type: str
    expected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCall:
    """The call to caveclient that raised an error, read from the frames of its traceback.

    Its texts come from the user or a server.

    Attributes:
        function: the function of caveclient that the user called, such as `query_table`; `CAVEclient` for a new client.
        service: the service that it is about, as `client` names it ("materialize", "info", ...), or "".
        server: the address of the client's server, or "".
        local_server: the address of its data server, or "".
        datastack: the datastack, or "".
        table: the table or view, or "".
        joined: the tables, if there are several.
        version: the materialization version that was named; None for the newest.
        api: the version of the service's routes that the client uses.
        wrong: the first argument of a wrong type, or None.
        url: the address of the request that failed, or "". It is never shown.
        method: the HTTP method of that request, or "".
        status: the HTTP status of its response; 0 without one.
        error: the class of the error.
        missing: the key that a `KeyError` is about, or "".
        token: the token that the client sends; None if unknown.
        key: the key of the token file that it was told to use, or under which it found no token; None otherwise.
    """

    function: str
    service: str = ""
    server: str = ""
    local_server: str = ""
    datastack: Untrusted = NOTHING
    table: Untrusted = NOTHING
    joined: tuple[Untrusted, ...] = ()
    version: int | None = None
    api: int = 3
    wrong: WrongArgument | None = None
    url: str = field(default="", repr=False)
    method: str = ""
    status: int = 0
    error: str = ""
    missing: Untrusted = NOTHING
    token: Token | None = None
    key: AskedKey | None = None


Frame = tuple[str, str, dict[str, Any]]
"""Module (without `caveclient.`), function and variables of a frame."""

_SERVICES = {
    "materializationengine": "materialize",
    "chunkedgraph": "chunkedgraph",
    "l2cache": "l2cache",
    "skeletonservice": "skeleton",
    "annotationengine": "annotation",
    "infoservice": "info",
    "auth": "auth",
    "jsonservice": "state",
    "emannotationschemas": "schema",
}
"""Modules of caveclient (7 and 8), and the services that they are for."""

_NAMES = ("table", "table_name", "view_name", "datastack_name", "server_address")
_NUMBERS = ("version", "materialization_version", "root_id", "supervoxel_id")
"""Arguments of caveclient that become a part of a URL: texts, and whole numbers."""


def failed_call(error: BaseException | None) -> FailedCall | None:
    """The call to caveclient that raised an error; None if caveclient was not involved.

    It reads only the variables of frames and the attributes of objects, never a property, which might send a request.
    """
    with suppress(Exception):  # an unknown version of caveclient, or a user's object
        return _Frames(error).call()
    return None


class _Frames:
    """The frames of caveclient in an error and its causes, the innermost first."""

    def __init__(self, error: BaseException | None) -> None:
        self._chain = list(failures.causes(error))
        self._frames = list(self._of_attribute())
        for one in self._chain:
            self._frames = self._frames or [*_frames_of(one)][::-1]

    def _of_attribute(self) -> Iterator[Frame]:
        """A table that `client.materialize.tables` does not have: few such errors have a frame of caveclient."""
        for one in self._chain:
            manager = getattr(one, "obj", None)
            if isinstance(one, AttributeError) and type(manager).__module__ == "caveclient.tools.table_manager":
                function = "views" if type(manager).__name__ == "ViewManager" else "tables"
                yield "materializationengine", function, {"self": manager, "table": one.name}

    def call(self) -> FailedCall | None:
        """The call; None without any frame."""
        if not self._frames:
            return None
        service = next((_SERVICES[module] for module, _, _ in self._frames if module in _SERVICES), "")
        if any(function == "version" for _, function, _ in self._frames):  # the property that all queries share
            service = "materialize"
        owners = [owner for _, _, found in self._frames for owner in _clients_of(found.get("self"))]
        own = [_attributes(one) for one in owners]
        auth: dict[str, Any] = {}
        for one in own:
            auth = auth or _attributes(one.get("_auth")) or (one if "_token_key" in one else {})
        client: dict[str, Any] = next((one for one in own if "_auth_config" in one), {})
        token = auth.get("_token")
        request, status = self._request()
        return FailedCall(
            function=self._function(),
            service=service,
            server=_text(client.get("_server_address") or auth.get("_server_address")).rstrip("/"),
            local_server=_text(client.get("local_server")).rstrip("/"),
            datastack=Untrusted(_text(self._first("datastack_name") or client.get("_datastack_name"))),
            table=Untrusted(_text(self._first("table_name", "table", "view_name", service="materialize"))),
            joined=self._joined(),
            version=self._version(own),
            api=next((one["_api_version"] for one in own if isinstance(one.get("_api_version"), int)), 3),
            wrong=self._wrong(),
            url=_text(request.get("url")),
            method=_text(request.get("method")),
            status=status,
            error=type(self._chain[0]).__name__,
            missing=Untrusted(next((_text(one.args[0]) for one in self._chain if isinstance(one, KeyError)), "")),
            token=None if token is None else Token(str(token)),  # it sends anything
            key=_asked_key_of(auth),
        )

    def _function(self) -> str:
        """The public function of the outermost frame that has one."""
        for name in (name for _, name, _ in reversed(self._frames)):
            if name in ("__new__", "__init__"):
                return "CAVEclient"
            if name not in ("wrapper", "cached") and not name.startswith("_"):
                return name
        return "caveclient"

    def _first(self, *names: str, service: str = "") -> Any:
        """The innermost value of a variable with one of these names, in the frames of a service."""
        for module, _, variables in self._frames:
            if not service or _SERVICES.get(module) == service:
                for name in names:
                    if variables.get(name) is not None:
                        return variables[name]
        return None

    def _joined(self) -> tuple[Untrusted, ...]:
        """The tables of a `join_query`, each given with a column."""
        tables = self._first("tables", service="materialize")
        pairs = tables if isinstance(tables, list) else []
        return tuple(Untrusted(one[0]) for one in pairs if isinstance(one, list | tuple) and one and _text(one[0]))

    def _version(self, own: list[dict[str, Any]]) -> int | None:
        found = [self._first("materialization_version", "version", service="materialize")]
        found += [one.get("x") for _, function, one in self._frames if function == "version"]  # its setter
        found += [one.get("version") for module, _, one in self._frames if module == "frameworkclient"]
        found += [one.get("_version") for one in own]
        return next((int(one) for one in found if re.fullmatch(r"-?\d{1,9}", str(one))), None)

    def _request(self) -> tuple[dict[str, Any], int]:
        """The attributes of the request that failed, before any redirect elsewhere, and the status of its response."""
        responses = [one for _, _, found in self._frames for one in (found.get("response"), found.get("r"))]
        for one in [*(_attributes(one).get("response") for one in self._chain), *responses]:
            found = _attributes(one)
            if "status_code" in found:
                followed = (_attributes(each).get("request") for each in (*(found.get("history") or ()), one))
                return _before_leaving(map(_attributes, followed)), int(found["status_code"] or 0)
        sent = (found.get("prep") for one in self._chain for _, _, found in _frames_of(one, "requests"))
        last = (_attributes(one).get("request") for one in self._chain)
        return _before_leaving(next(filter(None, map(_attributes, some)), {}) for some in (sent, last)), 0

    def _wrong(self) -> WrongArgument | None:
        """The first argument that cannot become a part of a URL, or that the setter of the version rejects."""
        for module, function, variables in reversed(self._frames):
            for name in (*_NAMES, *_NUMBERS):
                value = variables.get(name)
                if value is None or (module not in _SERVICES and module != "frameworkclient"):
                    continue
                is_strict = function == "version" and module == "frameworkclient"
                if name in _NAMES:
                    is_right = isinstance(value, str) and value != ""
                else:
                    is_right = isinstance(value, int) if is_strict else re.fullmatch(r"-?\d+", str(value)) is not None
                if not is_right:
                    expected = "a string" if name in _NAMES else "an integer (int)"
                    return WrongArgument(name=name, type="" if value == "" else type(value).__name__, expected=expected)
        return None


def _frames_of(error: BaseException, of: str = "caveclient") -> Iterator[Frame]:
    """Module, function and variables of the frames of a package in a traceback, the outermost first."""
    for frame, _ in walk_tb(error.__traceback__):
        package, _, module = str(frame.f_globals.get("__name__", "")).partition(".")
        if package == of:
            yield module, frame.f_code.co_name, frame.f_locals


def _before_leaving(requests: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The last request to the host and service of the first; any others followed a redirect, such as to a sign-in."""
    found = [one for one in requests if one]
    return [{}, *takewhile(lambda one: _asked_by(one) == _asked_by(found[0]), found)][-1]


def _asked_by(request: dict[str, Any]) -> tuple[str, ...]:
    """The host of a request, and the first part of its path, which names the service."""
    url = parse_url(_text(request.get("url")))
    return (url.host, *url.path.split("/")[:2]) if url else ()


def _clients_of(one: Any) -> Iterator[Any]:
    """An object of caveclient and the client that it belongs to."""
    if type(one).__module__.startswith("caveclient"):
        own = _attributes(one)
        yield from (found for found in (one, own.get("_fc"), own.get("_client")) if found is not None)


def _attributes(one: Any) -> dict[str, Any]:
    found = getattr(one, "__dict__", None)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _asked_key_of(auth: dict[str, Any]) -> AskedKey | None:
    """The key of the client's token file; None if it is the default key and the client found a token there."""
    key, file = auth.get("_token_key"), auth.get("_token_file")
    found = auth.get("_token") is not None
    if not isinstance(key, str) or not isinstance(file, str) or (key == "token" and found):
        return None
    return AskedKey(key=key, file=Path(file), found=found)
