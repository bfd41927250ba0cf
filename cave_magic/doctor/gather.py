"""Gathers the facts about this computer, the servers and the datastacks, all at the same time.

For each server it requests the account (auth) and its permanent tokens; for each datastack its information (info) and,
once the data server is known, the versions of the services there. It requests nothing that no check needs.
"""

from __future__ import annotations

import atexit
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from ..api import endpoints, responses
from ..api.batch import Batch, OnWait, result_or
from ..api.responses import Response
from ..credentials.datastack_map import read_map
from ..credentials.target import Target, siblings
from ..environment import packages
from ..token import Token
from .gather_datastack import DatastackRequests
from .gather_memory import MEMORY
from .gather_server import ServerRequests
from .session import NO_NOTEBOOK, NotebookSession

if TYPE_CHECKING:
    from ..environment.import_fault import ImportFault
    from ..environment.slow_import import Watch
    from .evidence import DatastackFacts, Evidence, Machine, ServerFacts
    from .gather_call import FollowedCall


EXIT_SECONDS = 5.0
"""How long Python waits, when it exits, for a running import: it should not end in the middle of a library."""

HEAD_START = 0.5
"""Seconds that the requests have before the import of caveclient begins, unless a datastack opens sooner. The import
keeps Python busy for more than a second, and failures are known without it. So after a failure it waits until the cause
is shown, or until the import is needed."""

FEW_CONNECTIONS = 8
"""After this many connections each further host gets only one, if all datastacks of a server are checked."""


def gather(
    targets: Iterable[Target],
    seconds: float,
    on_wait: OnWait | None = None,
    notebook: NotebookSession = NO_NOTEBOOK,
    everything: bool = False,
    followed: FollowedCall | None = None,
    is_enough: Callable[[Evidence], bool] | None = None,
    in_detail: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
) -> Evidence:
    """Gathers all facts.

    Args:
        seconds: the timeout of the whole.
        on_wait: called with the hosts that it waits for.
        everything: check instead every datastack that their servers list for the stored token.
        followed: the failed call to look at, too.
        is_enough: called once everything is known except whether caveclient can be imported; if it returns true, that
            import goes on in its thread, and nobody waits for it.
        in_detail: also find out what makes that import slow.
        meanwhile: called while the responses are awaited.
    """
    watch = _watch() if in_detail and "caveclient" not in sys.modules else None
    with Batch(seconds, FEW_CONNECTIONS) if everything else Batch(seconds) as batch:
        wanted, search = tuple(targets), _Search(batch, followed)
        if followed is not None:
            for one in filter(None, (followed.target, followed.home)):
                search.look_at(one)
        for target in wanted:
            search.look_at_all(target) if everything else search.look_at(target)

        def import_caveclient() -> str:
            packages.import_requests()
            if is_enough is not None and "caveclient" not in sys.modules:
                search.wait_for_import()
            return watch.run(packages.import_caveclient) if watch else packages.import_caveclient()

        importing = batch.submit(import_caveclient)
        importing_requests = batch.submit(packages.import_requests)
        explaining = batch.after(importing, partial(_explain, batch, importing, importing_requests))
        computer = _look_at_computer(batch, wanted, notebook, everything, meanwhile)
        needs: Future[tuple[packages.Unmet, ...] | None] = batch.submit_later(packages.unmet_requirements)
        finding = batch.submit_later(lambda: notebook.find_left(search.tokens))  # a history may have gigabytes

        def found(awaited: bool) -> Evidence:
            from ..environment.shadowed import find_shadowing_files  # lazily: the requests are sent first
            from .gather_computer import attempt

            is_imported = importing.done()
            machine = replace(
                computer(),
                caveclient_problem=result_or(importing, "it was interrupted") if is_imported else "",
                import_awaited=awaited,
                import_unfinished=not is_imported,
                unmet_requirements=result_or(needs, None),
                slow_import=attempt(watch.slowest, None) if watch and is_imported else None,
                requests_problem=result_or(importing_requests, ""),
                import_fault=result_or(explaining, None),
                shadowing_files=find_shadowing_files(),
                leftover_tokens=result_or(finding, ()),
                scrub_left=partial(notebook.scrub_left, search.tokens),
            )
            return search.evidence(machine, importing, notebook)

        if is_enough is not None:
            batch.wait(on_wait, apart_from=(importing,))
            if not importing.done() and batch.left:
                evidence = found(awaited=False)
                if evidence.machine.import_unfinished and is_enough(evidence):
                    atexit.register(wait, (importing,), timeout=EXIT_SECONDS)
                    return evidence
            search.may_import.set()
        batch.wait(on_wait)
        return found(awaited=True)


def _watch() -> Watch:
    from ..environment.slow_import import Watch  # lazily: only for -v

    return Watch()


def _look_at_computer(
    batch: Batch,
    targets: Sequence[Target],
    notebook: NotebookSession,
    everything: bool = False,
    meanwhile: Callable[[], object] = lambda: None,
) -> Callable[[], Machine]:
    """Looks at this computer once the first request has been sent, then does other work while the responses arrive.

    Returns a function for the facts; if there was no time to look before, that function looks.
    """

    def look() -> Machine:
        from .gather_computer import look_at_computer  # lazily: the requests are sent first

        return look_at_computer(targets, everything, notebook.can_ask)

    looking = batch.submit_later(look)
    batch.after(looking, meanwhile)
    return lambda: looking.result() if looking.done() else look()


def _explain(batch: Batch, importing: Future[str], importing_requests: Future[str]) -> ImportFault | None:
    """Why requests or caveclient cannot be imported; None if they can."""
    if importing_requests.result(batch.left):
        module = "cave_magic.api.connections"
    elif importing.result():
        module = "caveclient.auth"
    else:
        return None
    from ..environment.attribution import find_fault

    return find_fault(module, lambda: batch.left)


def ask_servers(
    targets: Sequence[Target],
    seconds: float,
    on_wait: OnWait | None = None,
    notebook: NotebookSession = NO_NOTEBOOK,
    access: bool = False,
) -> tuple[ServerFacts, ...]:
    """Gathers the facts about servers and their tokens only, all at the same time and within one timeout.

    These are two requests to each, and no import of caveclient. With `access` it also finds out whether `CAVEclient`
    opens the datastacks: one more request to each server, and the import.
    """
    with Batch(seconds) as batch:
        servers = [ServerRequests(batch, target) for target in targets]
        opening = [one.open_datastack(one.target.datastack) for one in servers if access and one.token is not None]
        importing = batch.submit(packages.import_caveclient) if opening else None
        computer = _look_at_computer(batch, targets[:1], notebook)
        batch.wait(on_wait)
        machine = replace(computer(), caveclient_problem=result_or(importing, "not imported"))
        from . import next_steps  # lazily: the requests are sent first

        checks = [replace(machine, check_command=next_steps.check(target)) for target in targets]
        found = [one.facts(check, importing, notebook) for one, check in zip(servers, checks, strict=True)]
        return without_data_servers(tuple(found))


def without_data_servers(found: tuple[ServerFacts, ...]) -> tuple[ServerFacts, ...]:
    """The servers, without those that know no tokens and have a copy of the token of one that does."""
    refused = {facts.address for facts in found if facts.identity and facts.identity.code in responses.REFUSALS}
    known = {facts.address: facts.account is not None or facts.address in refused for facts in found}
    judged = {facts.stored.token for facts in found if known[facts.address]}
    return tuple(facts for facts in found if known[facts.address] or facts.stored.token not in judged)


class _Search:
    """The servers and datastacks to check, while the requests are under way.

    Attributes:
        may_import: set once a datastack opens, or nothing else can be found out.
    """

    def __init__(self, batch: Batch, followed: FollowedCall | None) -> None:
        self._batch, self._followed, self.may_import = batch, followed, threading.Event()
        self._servers: dict[str, ServerRequests] = {}
        self._datastacks: dict[tuple[str, str], DatastackRequests] = {}
        self._listing: list[Target] = []

    def look_at(self, target: Target, known: Response | None = None) -> None:
        """Requests a datastack, unless the response is known, and its server if that is new."""
        server = self._server(target)
        if (target.server, target.datastack) not in self._datastacks:
            call = self._followed.call if self._followed and target == self._followed.target else None
            requests = DatastackRequests(self._batch, target, server, self.may_import.set, call, known)
            self._datastacks[target.server, target.datastack] = requests

    def look_at_all(self, target: Target) -> None:
        """Requests the server's list of datastacks, then each of them; without a list, only the target.

        If all were looked at a short while ago, one for each data server is requested, and those that have changed.
        """
        server = self._server(target)
        if server.token is None or server.identity is None:
            self.look_at(target)
            return
        server.datastack_list = self._batch.get(endpoints.datastacks_url(target.server), server.token)
        self._listing.append(target)
        identity, look = server.identity, partial(self._look_at_each, target)
        self._batch.then(server.datastack_list, lambda listed: self._batch.then(identity, partial(look, listed)))
        opened = MEMORY.opened_lately(target.server, server.token).values()
        for route in endpoints.SERVICES.values():
            for local in dict.fromkeys(map(responses.local_server_in, opened)):
                self._batch.get(local + route)

    def _look_at_each(self, target: Target, listed: Response, identity: Response) -> None:
        from .evidence import MOST_DATASTACKS

        account = responses.account_in(identity, target.server)
        lately = MEMORY.opened_lately(target.server, self._server(target).token) if account else {}
        seen: set[str] = set()
        names = (responses.names_in(listed) or ())[:MOST_DATASTACKS]
        for one in siblings(target, names, read_map()) if names else (target,):
            known = lately.get(one.datastack)
            local = responses.local_server_in(known) if known else ""
            dataset = MEMORY.datasets.get((one.server, one.datastack), one.datastack)
            is_same = local in seen and account is not None and account.may_view(dataset)
            seen.add(local)
            self.look_at(one, known if is_same else None)

    def _server(self, target: Target) -> ServerRequests:
        if target.server not in self._servers:
            self._servers[target.server] = ServerRequests(self._batch, target)
        return self._servers[target.server]

    def wait_for_import(self) -> None:
        """Waits until the import of caveclient may begin (`HEAD_START`), but leaves it half of the timeout."""
        batch = self._batch
        while not self.may_import.wait(HEAD_START):
            failed = any(one.has_failed for one in list(self._servers.values()))
            if not failed or batch.is_over or batch.left < batch.seconds / 2:
                return

    @property
    def tokens(self) -> list[Token]:
        """The stored tokens of the servers."""
        return [one.stored.token for one in list(self._servers.values()) if one.stored.token is not None]

    def evidence(self, machine: Machine, importing: Future[str], notebook: NotebookSession) -> Evidence:
        """The facts, once the batch is over."""
        from ..environment import cloud_volume  # lazily: the requests are sent first
        from .evidence import Evidence

        for target in self._listing:
            if target.server not in {server for server, _ in self._datastacks}:  # the list did not come in time
                self.look_at(target)
        servers = {address: server.facts(machine, importing, notebook) for address, server in self._servers.items()}
        read = lru_cache(cloud_volume.readings)
        datastacks = {key: one.facts(servers[key[0]], read) for key, one in list(self._datastacks.items())}
        self._leave_one_server(datastacks)
        kept = [servers[address] for address in servers if address in {server for server, _ in datastacks}]
        return Evidence(machine=machine, servers=tuple(kept), datastacks=tuple(datastacks.values()))

    def _leave_one_server(self, datastacks: dict[tuple[str, str], DatastackFacts]) -> None:
        """Of the server that was asked and the one that the name leads to, keeps the first that opens the datastack."""
        followed = self._followed
        if followed is None or followed.home is None:
            return
        asked, home = ((one.server, one.datastack) for one in (followed.target, followed.home))
        here, there = datastacks[asked], datastacks[home]
        if there.local_server and not here.local_server and here.call is not None:
            datastacks[home] = replace(there, call=replace(here.call, other_server=here.server.host))
            del datastacks[asked]
        else:
            del datastacks[home]
