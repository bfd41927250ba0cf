"""Gathers the facts about this computer, the servers and the datastacks: once, all at the same time, then only read.

The order of requests: for each server, whose token is it (auth) and which tokens are permanent; for each datastack,
may it be read (info) and, once its local server is known, do the services there answer. What no check needs is not
requested.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from ..api import endpoints, responses
from ..api.batch import Batch, OnWait, result_or
from ..api.responses import Response
from ..credentials.datastack_map import read_map
from ..credentials.target import Target, siblings
from ..environment import packages
from ..environment.shadowed import find_shadowing_files
from ..token import Token
from . import next_steps
from .evidence import MOST_DATASTACKS, NO_NOTEBOOK, Evidence, Machine, NotebookSession, ServerFacts
from .gather_computer import look_at_computer
from .gather_datastack import DatastackRequests
from .gather_server import ServerRequests


def gather(
    targets: Iterable[Target],
    seconds: float,
    on_wait: OnWait | None = None,
    notebook: NotebookSession = NO_NOTEBOOK,
    everything: bool = False,
) -> Evidence:
    """Looks at everything, with all requests under way at the same time.

    Args:
        targets: the datastacks to look at.
        seconds: the timeout of the whole.
        on_wait: told whom it waits for.
        notebook: what can be seen of the notebook.
        everything: look instead at every datastack that their servers list for the stored token.
    """
    with Batch(seconds) as batch:
        search, wanted = _Search(batch), tuple(targets)
        for target in wanted:
            search.look_at_all(target) if everything else search.look_at(target)
        importing = batch.submit(packages.import_caveclient)  # after the requests, to use the time of the waiting
        importing_requests = batch.submit(packages.import_requests)
        check_command = next_steps.check_everything(wanted[0]) if everything else next_steps.check_all(wanted)
        look = partial(look_at_computer, wanted[0], check_command, notebook.can_ask)
        looking = batch.submit(look)
        batch.wait(on_wait)
        machine = replace(
            looking.result() if looking.done() else look(),
            caveclient_problem=result_or(importing, ""),
            requests_problem=result_or(importing_requests, ""),
            shadowing_files=find_shadowing_files(),
            leftover_tokens=notebook.find_left(search.tokens),
            scrub_left=partial(notebook.scrub_left, search.tokens),
        )
        return search.evidence(machine, importing, notebook)


def ask_server(
    target: Target,
    seconds: float,
    on_wait: OnWait | None = None,
    notebook: NotebookSession = NO_NOTEBOOK,
    access: bool = False,
) -> ServerFacts:
    """Looks at a server and its token alone: two requests, and caveclient is not imported.

    With `access` it also finds out whether `CAVEclient` opens the datastack: one request more, and the import.
    """
    with Batch(seconds) as batch:
        server = ServerRequests(batch, target)
        importing = None
        if access and server.token is not None:
            server.info = batch.get(endpoints.datastack_url(target.server, target.datastack), server.token)
            server.ask_dataset_of(target.datastack, server.info)
            importing = batch.submit(packages.import_caveclient)
        look = partial(look_at_computer, target, next_steps.check(target), notebook.can_ask)
        looking = batch.submit(look)
        batch.wait(on_wait)
        problem = result_or(importing, "not imported")
        machine = replace(looking.result() if looking.done() else look(), caveclient_problem=problem)
        return server.facts(machine, importing, notebook)


class _Search:
    """The servers and datastacks that are being looked at, while the requests are under way."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._servers: dict[str, ServerRequests] = {}
        self._datastacks: dict[tuple[str, str], DatastackRequests] = {}
        self._listing: list[Target] = []

    def look_at(self, target: Target) -> None:
        """Asks about a datastack, and about its server if that is new."""
        server = self._server(target)
        if (target.server, target.datastack) not in self._datastacks:
            self._datastacks[target.server, target.datastack] = DatastackRequests(self._batch, target, server)

    def look_at_all(self, target: Target) -> None:
        """Asks which datastacks the server lists for its token, then about each; about the target if it does not."""
        server = self._server(target)
        if server.token is None:
            self.look_at(target)
            return
        server.datastack_list = self._batch.get(endpoints.datastacks_url(target.server), server.token)
        self._listing.append(target)
        self._batch.then(server.datastack_list, partial(self._look_at_each, target))

    def _look_at_each(self, target: Target, listed: Response) -> None:
        names = (responses.names_in(listed) or ())[:MOST_DATASTACKS]
        for one in siblings(target, names, read_map()) if names else (target,):
            self.look_at(one)

    def _server(self, target: Target) -> ServerRequests:
        if target.server not in self._servers:
            self._servers[target.server] = ServerRequests(self._batch, target)
        return self._servers[target.server]

    @property
    def tokens(self) -> list[Token]:
        """The stored tokens of the servers."""
        return [one.stored.token for one in self._servers.values() if one.stored.token is not None]

    def evidence(self, machine: Machine, importing: Future[str], notebook: NotebookSession) -> Evidence:
        """What was found, once nobody waits for responses any longer."""
        for target in self._listing:
            if target.server not in {server for server, _ in self._datastacks}:  # the list did not come in time
                self.look_at(target)
        servers = {address: server.facts(machine, importing, notebook) for address, server in self._servers.items()}
        datastacks = tuple(one.facts(servers[one.target.server]) for one in list(self._datastacks.values()))
        return Evidence(machine=machine, servers=tuple(servers.values()), datastacks=datastacks)
