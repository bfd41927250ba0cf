"""Gathers the facts about a server: whose token is stored for it and, if that fails, which other token works."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..api import endpoints, http, responses
from ..api.batch import Batch, PendingResponse, result_or
from ..api.responses import Response
from ..api.urls import host_of
from ..credentials import stored_tokens
from ..credentials.stored_tokens import StoredToken
from ..credentials.target import Target
from ..credentials.token_files import TokenFile
from ..deployments import formats_of
from ..token import Token
from ..ui.redact import sanitize
from .experiments.run import Experiments, is_strange
from .gather_memory import MEMORY
from .session import NotebookSession

if TYPE_CHECKING:
    from ..environment.caveclient_adapter import Client
    from .evidence import Machine, ServerFacts
    from .experiments.model import Tried

MOST_MISPLACED = 3
"""How many misplaced tokens are tried, the newest first."""


def response_of(request: PendingResponse | None) -> Response | None:
    """The response to a request; None if it was not sent."""
    return request.response if request else None


class MisplacedTokens:
    """The tokens on this computer that caveclient does not read, and the requests that show which of them work.

    Only tokens that name this server are sent to it, to request `address`; `works` tells whether the response shows a
    token that helps. The token that caveclient reads, and `skipped` files, are not tried again.
    """

    def __init__(
        self,
        batch: Batch,
        stored: StoredToken,
        address: str,
        works: Callable[[Response], bool],
        skipped: tuple[Path, ...] = (),
    ) -> None:
        self._batch, self._stored, self._address, self._works, self._skipped = batch, stored, address, works, skipped
        self._tried: list[tuple[TokenFile, PendingResponse]] = []
        self._untried: list[TokenFile] = []
        batch.submit(self._look)

    def _look(self) -> None:
        from ..credentials import misplaced  # lazily: only without a token that works

        for one in misplaced.find(self._stored.server):
            if one.file.path in self._skipped or (self._stored.source and one.token == self._stored.source.meant):
                continue
            if not one.ours:
                self._untried.append(one.file)
            elif len(self._tried) < MOST_MISPLACED:
                self._tried.append((one.file, self._batch.get(self._address, one.token)))

    @property
    def working_file(self) -> TokenFile | None:
        """The newest file with a working token."""
        return next((file for file, request in self._tried if self._works(request.response)), None)

    @property
    def untried_file(self) -> TokenFile | None:
        """The newest file with a token that does not name its server."""
        return next(iter(self._untried), None)


class ServerRequests:
    """The requests to one server while they are under way. Each response decides what to request next."""

    def __init__(self, batch: Batch, target: Target) -> None:
        self.target, self.address, self._batch = target, target.server, batch
        self.stored = stored_tokens.resolve(self.address)
        token = None if self.stored.belongs_to else self.stored.token
        self.token = token if token is not None and token.can_be_sent else None
        self.identity: PendingResponse | None = None
        self.info: PendingResponse | None = None
        self.datastack_list: PendingResponse | None = None
        self._anonymous_identity: PendingResponse | None = None
        self._salvaged_identity: PendingResponse | None = None
        self._token_list: PendingResponse | None = None
        self._info_version: PendingResponse | None = None
        self._experiments: dict[str, Experiments] = {}
        self._datasets: dict[str, PendingResponse] = {}
        self._misplaced: MisplacedTokens | None = None
        if self.token is None:
            self._info_version = batch.get(endpoints.info_version_url(self.address))
            self._anonymous_identity = batch.get(endpoints.identity_url(self.address))
            batch.then_or_late(self._anonymous_identity, self._explain)
            self._salvage()
            return
        self.identity = batch.get(endpoints.identity_url(self.address), self.token)
        if (self.address, self.token) in MEMORY.accepted:
            self._token_list = batch.get(endpoints.tokens_url(self.address), self.token)
        batch.then(self.identity, partial(self._after_identity, self.token))
        batch.then_or_late(self.identity, self._explain)

    @property
    def has_failed(self) -> bool:
        """Whether there is no token to send, or a service did not accept it."""
        done = (one for one in (self.identity, self.info) if one is not None and one.future.done())
        return self.token is None or any(not one.response.is_good for one in done)

    def _after_identity(self, token: Token, identity: Response) -> None:
        """Requests the list of tokens after a good response, else whatever shows the cause."""
        if identity.is_good:
            MEMORY.accepted.add((self.address, token))
            self._token_list = self._batch.get(endpoints.tokens_url(self.address), token)
            return
        MEMORY.accepted.discard((self.address, token))
        if identity.code in responses.REFUSALS:
            self._salvage()
            if identity.code == "invalid_token":
                self._anonymous_identity = self._batch.get(endpoints.identity_url(self.address))
            if identity.code in responses.NOT_RECEIVED and not http.netrc_for(self.address):
                self._experiments_on(identity.host).start(identity)
        elif not identity.error:
            self._info_version = self._batch.get(endpoints.info_version_url(self.address))

    def _salvage(self) -> None:
        """Tries a token of this server that is in its files but is not read."""
        file, other = _salvageable(self.stored)
        if file is None or other is None or not other.can_be_sent or not self.stored.is_ours(file):
            self._look_for_misplaced()
            return
        self._salvaged_identity = self._batch.get(endpoints.identity_url(self.address), other)
        self._batch.then(self._salvaged_identity, self._look_for_misplaced)

    def _look_for_misplaced(self, salvaged: Response | None = None) -> None:
        """Looks for misplaced tokens, unless the salvaged one was not rejected."""
        if salvaged is not None and salvaged.code not in responses.REFUSALS:
            return
        looked_at = [self.stored.server_file, self.stored.legacy_file]
        if salvaged is not None or self.stored.is_ours(self.stored.default_file):
            looked_at.append(self.stored.default_file)
        self._misplaced = MisplacedTokens(
            self._batch,
            self.stored,
            endpoints.identity_url(self.address),
            works=lambda response: response.is_good,
            skipped=tuple(file.path for file in looked_at),
        )

    def try_other_ways(self, response: Response) -> None:
        """Starts experiments on a request if its response is strange: one set for each host, on the first request."""
        if is_strange(response):
            self._experiments_on(response.host).start(response)

    def _explain(self, identity: Response) -> None:
        """Starts experiments on the auth service; compares with other servers if the info service fails, too."""
        self.try_other_ways(identity)
        info = self._info_version or self.info
        if is_strange(identity) and info is not None:
            self._batch.then_or_late(info, self._experiments_on(identity.host).compare)

    def _experiments_on(self, host: str) -> Experiments:
        return self._experiments.setdefault(host, Experiments(self._batch, self.target, self.token))

    def tried(self, host: str) -> Tried:
        """The experiments on a host of this server, once the batch is over."""
        from .experiments.model import NOTHING_TRIED

        return self._experiments[host].facts() if host in self._experiments else NOTHING_TRIED

    def open_datastack(self, datastack: str) -> PendingResponse:
        """Requests a datastack, and its dataset if the info service opens it but no permission has its name."""
        request = self._batch.get(endpoints.datastack_url(self.address, datastack), self.token)
        self.info = self.info or request

        def after_info(opened: Response) -> None:
            if self.identity is not None:
                self._batch.then(self.identity, partial(self._ask_dataset, datastack, opened))

        self._batch.then(request, after_info)
        return request

    def _ask_dataset(self, datastack: str, info: Response, identity: Response) -> None:
        account = responses.account_in(identity, self.address)
        known = MEMORY.datasets.get((self.address, datastack), datastack)
        if account is not None and account.whole and responses.local_server_in(info) and not account.may_view(known):
            self._datasets[datastack] = self._batch.get(endpoints.dataset_url(self.address, datastack), self.token)

    def facts(self, machine: Machine, importing: Future[str] | None, notebook: NotebookSession) -> ServerFacts:
        """The facts, once the batch is over; `importing` is the import of caveclient, None if it is not needed."""
        from .evidence import ServerFacts  # lazily: the requests are sent first

        identity, token_list = response_of(self.identity), response_of(self._token_list)
        is_accepted = identity is not None and identity.is_good
        account = responses.account_in(identity, self.address) if identity else None
        if account is not None:
            MEMORY.readable[self.address] = tuple(filter(account.may_view, account.permissions))
        return ServerFacts(
            target=self.target,
            machine=machine,
            stored=self.stored,
            caveclient_disagrees=self._disagrees() if result_or(importing, "not yet") == "" else None,
            identity=identity,
            account=account,
            anonymous_identity=response_of(self._anonymous_identity),
            salvaged_identity=response_of(self._salvaged_identity),
            listed_tokens=responses.listed_tokens_in(token_list) if token_list else None,
            info=response_of(self.info),
            info_version=response_of(self._info_version),
            tried=self.tried(host_of(self.address)),
            netrc_file="" if is_accepted else http.netrc_for(self.address),
            misplaced_file=self._misplaced.working_file if self._misplaced else None,
            untried_file=self._misplaced.untried_file if self._misplaced else None,
            stale_clients=self._stale_clients(notebook),
            datastack_list=response_of(self.datastack_list),
            datasets=self._found_datasets(),
            timeout=self._batch.seconds,
        )

    def _stale_clients(self, notebook: NotebookSession) -> tuple[Client, ...]:
        if self.token is None or "caveclient" not in sys.modules:
            return ()
        from ..environment.caveclient_adapter import clients_in  # lazily: without caveclient there are no clients

        return clients_in(notebook.variables, self.address, self.token)

    def _found_datasets(self) -> dict[str, str]:
        found = {}
        for name, request in self._datasets.items():
            body = request.response.body
            if request.response.is_good and isinstance(body, str):
                found[name] = MEMORY.datasets[self.address, name] = sanitize(body, 80).text
        return found

    def _disagrees(self) -> bool | None:
        if self.stored.blocker is not None:
            return None
        from ..environment.caveclient_adapter import token_of_caveclient

        for pause in (0.0, 0.01, 0.03):  # another program may be writing the file
            if pause:
                time.sleep(pause)
            with suppress(Exception):
                if token_of_caveclient(self.address) == self.stored.token:
                    return False
        return True


def _salvageable(stored: StoredToken) -> tuple[TokenFile | None, Token | None]:
    """The file and the token that the fix would use if the one that caveclient reads cannot work."""
    own, default = stored.server_file, stored.default_file
    if stored.token is not None:
        if stored.shadowed is not None:
            return default, stored.shadowed
        among = formats_of(stored.server)
        odd = stored.token.oddity(among) and not stored.belongs_to
        return (stored.source, stored.token.reads_as(among)) if odd else (None, None)
    blocker = stored.blocker or own
    blocked = blocker.inside if stored.blocker else None
    found = ((blocker, blocked), (default, default.token), (own, own.inside), (default, default.inside))
    return next(((file, token) for file, token in found if token is not None), (None, None))
