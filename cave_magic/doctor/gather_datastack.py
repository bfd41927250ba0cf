"""Gathers the facts about a datastack: whether it can be read and, once its data server is known, the services."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from ..api import endpoints, responses
from ..api.batch import Batch, PendingResponse
from ..api.failures import Failure
from ..api.responses import Response
from ..api.urls import host_of, name_for_files
from ..credentials.target import Target
from ..token import Token
from .experiments.run import is_strange
from .gather_memory import MEMORY
from .gather_server import MisplacedTokens, ServerRequests, response_of

if TYPE_CHECKING:
    from ..environment.caveclient_adapter import FailedCall
    from ..environment.cloud_volume import Reading
    from .evidence import DatastackFacts, ServerFacts
    from .gather_call import CallRequests


class DatastackRequests:
    """The requests about one datastack while they are under way.

    `call` is that of the last error, if it was about this datastack; a `known` response is not asked for again;
    `on_open` is called once the info service opens the datastack.
    """

    def __init__(
        self,
        batch: Batch,
        target: Target,
        server: ServerRequests,
        on_open: Callable[[], object],
        call: FailedCall | None = None,
        known: Response | None = None,
    ) -> None:
        self._known, self._on_open = known, on_open
        self.target, self._server, self._batch = target, server, batch
        self._info: PendingResponse | None = None
        self._list: PendingResponse | None = None
        self._services: dict[str, PendingResponse] = {}
        self._misplaced: MisplacedTokens | None = None
        self._call: CallRequests | None = None
        if call is not None:
            from .gather_call import CallRequests  # lazily: only after an error

            self._call = CallRequests(batch, call, target, server)
        if server.token is None:
            return
        if known is not None:
            self._ask_services(responses.local_server_in(known))
            return
        self._info = server.open_datastack(target.datastack)
        if local := MEMORY.local_servers.get((target.server, target.datastack)):
            self._ask_services(local)
        batch.then(self._info, partial(self._after_info, server.token))

    def _after_info(self, token: Token, info: Response) -> None:
        server, datastack = self.target.server, self.target.datastack
        MEMORY.local_servers.pop((server, datastack), None)
        MEMORY.opened.pop((server, datastack, token), None)
        if info.code == "missing_permission":
            address = endpoints.datastack_url(server, datastack)
            self._misplaced = MisplacedTokens(self._batch, self._server.stored, address, _may_be_read)
        if responses.lacks_datastack(info):
            self._list = self._batch.get(endpoints.datastacks_url(server), token)
        if is_strange(info) and self._server.identity is not None:
            self._batch.then(self._server.identity, partial(self._after_both, info))
        if local := responses.local_server_in(info):
            self._on_open()
            MEMORY.local_servers[server, datastack] = local
            MEMORY.opened[server, datastack, token] = info
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
        """Experiments on a service, unless it is missing or asks to sign in, as it may; no service does with a page."""
        may = response.status == 404 or (response.status in (401, 403) and response.form != responses.PAGE)
        if not may and not response.location.matches(endpoints.AUTHORIZE):
            self._server.try_other_ways(response)

    def facts(self, server: ServerFacts, read: Callable[[str], tuple[Reading, ...]]) -> DatastackFacts:
        """The facts, once the batch is over; `read` is `cloud_volume.readings`."""
        from .evidence import DatastackFacts  # lazily: the requests are sent first

        listed, info = response_of(self._list), self._known or response_of(self._info)
        if info is None:
            url = endpoints.datastack_url(self.target.server, self.target.datastack)
            info = Response(url=url, failure=Failure.NOT_CONTACTED)
        address = responses.local_server_in(info)
        local = name_for_files(address)
        return DatastackFacts(
            target=self.target,
            server=server,
            info=info,
            is_remembered=self._known is not None,
            contradicted_since=self._contradicted_since(server, info),
            listed_datastacks=responses.names_in(listed) if listed else None,
            services={name: request.response for name, request in self._services.items()} if local else {},
            tried=self._server.tried(host_of(address)),
            readings=read(local) if local else (),
            misplaced_file=self._misplaced.working_file if self._misplaced else None,
            untried_file=self._misplaced.untried_file if self._misplaced else None,
            call=self._call.facts() if self._call else None,
        )

    def _contradicted_since(self, server: ServerFacts, info: Response) -> float | None:
        """When the info service was first seen to contradict the auth server; its cache cannot be newer."""
        account, token, name = server.account, self._server.token, self.target.datastack
        if account is None or token is None:
            return None
        key = self.target.server, name, token, info.code
        if responses.contradicts(account, info, server.datasets.get(name, "")):
            return MEMORY.contradicted_since(key, info.at)
        MEMORY.contradictions.pop(key, None)
        return None


def _may_be_read(info: Response) -> bool:
    """Whether the token can read the datastack, at least after its terms are accepted."""
    return bool(responses.local_server_in(info)) or info.code == "missing_tos"
