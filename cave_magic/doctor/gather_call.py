"""Gathers the facts about the call to caveclient that raised the last error: what its services have, and what they say
now.

The requests are small GETs that change nothing. A query (POST) is never sent again: it can take minutes of a database's
time, and the lists of versions, tables and views show what it names wrongly. Nor is a request that timed out (504),
that exceeded a limit (429) or that the user interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..api import endpoints, responses
from ..api.batch import Batch, PendingResponse
from ..api.responses import Response
from ..api.urls import parse_url
from ..credentials.target import Target, find_target
from ..credentials.token_files import read_token_file
from ..deployments import KNOWN_SERVERS, datastack_for, meant_address, problem_with_address
from ..errors import BadInput
from ..ui.redact import plain_name, redact
from .gather_memory import MEMORY
from .gather_server import ServerRequests, response_of

if TYPE_CHECKING:
    from ..environment.caveclient_adapter import FailedCall
    from .evidence import CallFacts

_REPEATABLE = ("/info/", "/materialize/", "/annotation/", "/schema/", "/nglstate/", "/segmentation/", "/l2cache/")
"""Services whose GET requests change nothing. The auth service creates and revokes tokens on GET, and the skeleton
service computes."""

_HEAVY = (429, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedCall:
    """A call that the check follows.

    Attributes:
        call: the call.
        target: the datastack of the call, on the server of its client.
        home: the same on the server that its name leads to (datastack map, known deployments), if that is another.
    """

    call: FailedCall
    target: Target
    home: Target | None = None


def follow(call: FailedCall | None, targets: tuple[Target, ...]) -> FollowedCall | None:
    """Where to look for the cause of a failed call; None if the user asks about something else, or it is unknown."""
    with suppress(BadInput):  # what was given as a name is a token, for instance
        return _follow(call, targets) if call else None
    return None


def _follow(call: FailedCall, targets: tuple[Target, ...]) -> FollowedCall | None:
    name, first = plain_name(call.datastack), targets[0]
    server = meant_address(call.server) if problem_with_address(call.server) is None else ""
    if first.named_by == "option" and server != first.server:
        return None
    if not name and not server and call.wrong is not None:  # the client could not be created
        return FollowedCall(call=call, target=first)
    if not name:  # a client without a datastack
        name = next((one.datastack for one in targets if one.server == server), "")
        name = name or (datastack_for(server, first.datastack) if server in KNOWN_SERVERS else "")
    if not name or (any(one.asked for one in targets) and name not in {one.datastack for one in targets}):
        return None
    known = next((one for one in targets if one.datastack == name), None) or find_target(name, "", first.settings, True)
    if server in ("", known.server):
        return FollowedCall(call=call, target=known)
    home = find_target(name, asked=True)
    is_other = home.server != server and not home.is_guess and home.named_by in ("map", "known")
    there = find_target(name, server, first.settings, True)
    return FollowedCall(call=call, target=there, home=home if is_other else None)


class CallRequests:
    """The requests about a failed call while they are under way."""

    def __init__(self, batch: Batch, call: FailedCall, target: Target, server: ServerRequests) -> None:
        self._batch, self._call, self._target, self._server = batch, call, target, server
        self._same: PendingResponse | None = None
        self._service: PendingResponse | None = None
        self._valid: PendingResponse | None = None
        self._versions: PendingResponse | None = None
        self._tables: PendingResponse | None = None
        self._views: PendingResponse | None = None

    def ask(self, local_server: str) -> None:
        """Starts them, once the info service has opened the datastack and named its data server."""
        call, token, get = self._call, self._server.token, self._batch.get
        if _is_repeatable(call, (local_server, self._server.address)):
            self._same = get(call.url, token)
        elif call.error == "KeyError" and call.service == "materialize" and call.version is not None:
            where = local_server, self._target.datastack, call.api, call.version
            self._same = get(endpoints.version_url(*where), token)
        if route := endpoints.CALLED_SERVICES.get(call.service):
            self._service = get((local_server if call.service == "annotation" else self._server.address) + route)
        if call.service == "materialize":
            of_datastack = partial(endpoints.versions_url, local_server, self._target.datastack, call.api)
            self._valid, self._versions = get(of_datastack(False), token), get(of_datastack(True), token)
            self._batch.then(self._valid, partial(self._ask_tables, local_server))

    def _ask_tables(self, local_server: str, listed: Response) -> None:
        version = self._call.version or next(iter(responses.versions_in(listed) or ()), None)
        if (self._call.table or self._call.joined) and version is not None:
            where = local_server, self._target.datastack, version
            self._tables = self._batch.get(endpoints.tables_url(*where), self._server.token)
            self._views = self._batch.get(endpoints.views_url(*where), self._server.token)

    def facts(self) -> CallFacts:
        """The facts, once the batch is over."""
        from .evidence import CallFacts  # lazily: the requests are sent first

        call, same = self._call, response_of(self._same)
        if same is None and self._valid is not None and self._valid.response.code:
            same = self._valid.response  # the service refuses every request, so this one, too
        return CallFacts(
            call=call,
            other_server="",
            key_file=read_token_file(call.key.file) if call.key else None,
            other_token=None not in (call.token, self._server.token) and call.token != self._server.token,
            same=same,
            refused_since=self._refused_since(same),
            service=response_of(self._service),
            valid=responses.versions_in(self._valid.response) if self._valid else None,
            versions=responses.versions_in(self._versions.response) if self._versions else None,
            tables=responses.tables_in(self._tables.response) if self._tables else None,
            views=responses.tables_in(self._views.response) if self._views else None,
        )

    def _refused_since(self, same: Response | None) -> float | None:
        token = self._server.token
        if same is None or token is None or same.code not in ("invalid_token", "missing_permission", "missing_tos"):
            return None
        key = self._target.server, self._target.datastack, token, f"{self._call.service}: {same.code}"
        return MEMORY.contradicted_since(key, same.at)


def _is_repeatable(call: FailedCall, addresses: Iterable[str]) -> bool:
    """Whether the request can be sent again: it changes nothing, and the token belongs there."""
    url = parse_url(call.url)
    if url is None or call.method != "GET" or redact(call.url) != call.url:
        return False
    is_heavy = call.status in _HEAVY or call.error == "KeyboardInterrupt"
    if is_heavy and not url.path.endswith("/version"):
        return False
    is_there = any(address is not None and address.normal == url.normal for address in map(parse_url, addresses))
    return is_there and url.path.startswith(_REPEATABLE) and "/run/" not in url.path
