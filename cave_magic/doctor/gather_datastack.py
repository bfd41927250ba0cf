"""Gathers the facts about a datastack: whether it can be read and, once its data server is known, the services."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ..api import endpoints, responses
from ..api.batch import Batch, PendingResponse
from ..api.responses import Response
from ..api.urls import host_of, name_for_files
from ..credentials.target import Target
from ..environment import cloud_volume
from ..environment.caveclient_adapter import FailedCall
from .evidence import DatastackFacts, ServerFacts
from .experiments.model import NOTHING_TRIED
from .experiments.run import is_strange
from .gather_call import CallRequests
from .gather_memory import MEMORY
from .gather_server import MisplacedTokens, ServerRequests, response_of


class DatastackRequests:
    """The requests about one datastack while they are under way.

    `call` is that of the last error, if it was about this datastack; a `known` response is not asked for again.
    """

    def __init__(
        self,
        batch: Batch,
        target: Target,
        server: ServerRequests,
        call: FailedCall | None = None,
        known: Response | None = None,
    ) -> None:
        self._known = known
        self.target, self._server, self._batch = target, server, batch
        self._info: PendingResponse | None = None
        self._list: PendingResponse | None = None
        self._services: dict[str, PendingResponse] = {}
        self._misplaced: MisplacedTokens | None = None
        self._call = CallRequests(batch, call, target, server) if call else None
        if server.token is None:
            return
        if known is not None:
            self._ask_services(responses.local_server_in(known))
            return
        self._info = batch.get(endpoints.datastack_url(target.server, target.datastack), server.token)
        server.info = server.info or self._info
        server.ask_dataset_of(target.datastack, self._info)
        if local := MEMORY.local_servers.get((target.server, target.datastack)):
            self._ask_services(local)
        batch.then(self._info, self._after_info)

    def _after_info(self, info: Response) -> None:
        server, datastack = self.target.server, self.target.datastack
        MEMORY.local_servers.pop((server, datastack), None)
        if self._server.token is not None:
            MEMORY.opened.pop((server, datastack, self._server.token), None)
        if info.code == "missing_permission":
            address = endpoints.datastack_url(server, datastack)
            self._misplaced = MisplacedTokens(self._batch, self._server.stored, address, _may_be_read)
        if responses.lacks_datastack(info):
            self._list = self._batch.get(endpoints.datastacks_url(server), self._server.token)
        if is_strange(info) and self._server.identity is not None:
            self._batch.then(self._server.identity, partial(self._after_both, info))
        if local := responses.local_server_in(info):
            MEMORY.local_servers[server, datastack] = local
            if self._server.token is not None:
                MEMORY.opened[server, datastack, self._server.token] = info
            self._ask_services(local)
            if self._call is not None:
                self._call.ask(local)

    def _after_both(self, info: Response, identity: Response) -> None:
        """Experiments on the info service, unless those on the auth service explain the whole server."""
        if not is_strange(identity):
            self._server.try_other_ways(info)

    def _ask_services(self, local: str) -> None:
        self._services = {name: self._batch.get(local + route) for name, route in endpoints.SERVICES.items()}
        for request in self._services.values():
            self._batch.then_or_late(request, self._after_service)

    def _after_service(self, response: Response) -> None:
        """Experiments on a service, unless it is missing or asks to sign in, as it may."""
        if response.status not in (401, 403, 404) and not response.location.matches(endpoints.AUTHORIZE):
            self._server.try_other_ways(response)

    def facts(self, server: ServerFacts, read: Callable[[str], tuple[cloud_volume.Reading, ...]]) -> DatastackFacts:
        """The facts, once the batch is over; `read` is `cloud_volume.readings`."""
        listed, info = response_of(self._list), self._known or response_of(self._info)
        local = name_for_files(responses.local_server_in(info)) if info else ""
        return DatastackFacts(
            target=self.target,
            server=server,
            info=info,
            is_remembered=self._known is not None,
            contradicted_since=self._contradicted_since(server, info),
            listed_datastacks=responses.names_in(listed) if listed else None,
            services={name: request.response for name, request in self._services.items()} if local else {},
            tried=self._server.tried(host_of(responses.local_server_in(info))) if info else NOTHING_TRIED,
            readings=read(local) if local else (),
            misplaced_file=self._misplaced.working_file if self._misplaced else None,
            untried_file=self._misplaced.untried_file if self._misplaced else None,
            call=self._call.facts() if self._call else None,
        )

    def _contradicted_since(self, server: ServerFacts, info: Response | None) -> float | None:
        """When the info service was first seen to contradict the auth server; its cache cannot be newer."""
        account, token, name = server.account, self._server.token, self.target.datastack
        if account is None or info is None or token is None:
            return None
        key = self.target.server, name, token, info.code
        if responses.contradicts(account, info, server.datasets.get(name, "")):
            return MEMORY.contradicted_since(key, info.at)
        MEMORY.contradictions.pop(key, None)
        return None


def _may_be_read(info: Response) -> bool:
    """Whether the token can read the datastack, at least after its terms are accepted."""
    return bool(responses.local_server_in(info)) or info.code == "missing_tos"
