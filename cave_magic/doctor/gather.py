"""What is known about this machine, the servers and the datastacks: gathered once, at the same time, then only read.

The order of questions: for each server, whose token is it (auth) and which tokens are permanent; for each datastack,
may it be read (info) and, once its local server is known, do the services there answer. What nobody needs is not asked.
"""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..api import endpoints, http, responses
from ..api.batch import Batch, OnWait, PendingResponse, result_or
from ..api.failures import Failure
from ..api.responses import Response
from ..api.urls import name_for_files
from ..credentials import datastack_map, misplaced, stored_tokens, token_files
from ..credentials.datastack_map import entries_with_secrets
from ..credentials.file_problems import FileFault, FileProblem
from ..credentials.target import Target, siblings
from ..deployments import DEFAULT_SERVER, KNOWN_SERVERS, deployment_of, formats_of
from ..environment import caveclient_adapter, cloud_volume, packages
from ..environment.platforms import TOKEN_VARIABLES, detect_runtime
from ..environment.proxies import read_proxy_settings
from ..environment.shadowed import find_shadowing_files
from ..redact import sanitize
from ..token import Token
from . import next_steps
from .evidence import (
    NO_NOTEBOOK,
    DatastackFacts,
    Evidence,
    FolderFix,
    FolderProblem,
    Machine,
    NotebookSession,
    ServerFacts,
)

T = TypeVar("T")

PACKAGES = ("caveclient", "cloud-volume", "cloud-files", "requests", "urllib3", "pandas", "numpy", "ipython", "rich")

MOST_NEAR = 3
"""About so many tokens that CAVEclient does not read a server is asked, the newest first."""

MOST_DATASTACKS = 200
"""So many of a server's datastacks `--all` looks at, to keep its bound. A real server has some dozens."""


def gather(
    targets: Iterable[Target],
    seconds: float,
    on_wait: OnWait | None = None,
    notebook: NotebookSession = NO_NOTEBOOK,
    everything: bool = False,
) -> Evidence:
    """Looks at everything, with all questions under way at the same time.

    Args:
        targets: the datastacks to look at.
        seconds: the bound on the whole.
        on_wait: told whom it waits for.
        notebook: what can be seen of the notebook.
        everything: look in their place at every datastack that their servers list for the stored token.
    """
    with Batch(seconds) as batch:
        look, wanted = _Look(batch), tuple(targets)
        for target in wanted:
            look.at_all(target) if everything else look.at(target)
        importing = batch.submit(packages.import_caveclient)  # after the questions, so that it fills the waiting
        asking = batch.submit(packages.import_requests)
        machine = batch.submit(_machine)
        batch.wait(on_wait)
        again = next_steps.check_everything(wanted[0]) if everything else next_steps.check_all(wanted)
        here = _here(machine)
        is_pasted = notebook.can_ask and not here.runtime.secrets_name
        here = replace(
            here,
            requests_problem=result_or(asking, ""),
            shadowing=find_shadowing_files(),
            again=again,
            recall=(next_steps.save(wanted[0]),) if is_pasted else next_steps.recall(here.runtime, wanted[0]),
            can_ask=notebook.can_ask,
        )
        return look.evidence(here, importing, notebook)


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
        server = _Server(batch, target)
        importing = None
        if access and server.token is not None:
            server.info = batch.get(endpoints.datastack_url(target.server, target.datastack), server.token)
            server.hold_against(target.datastack, server.info)
            importing = batch.submit(packages.import_caveclient)
        machine = batch.submit(_machine)
        batch.wait(on_wait)
        problem = result_or(importing, "not imported")
        here = replace(_here(machine), caveclient_problem=problem, can_ask=notebook.can_ask)
        return server.facts(here, importing, notebook)


class _Look:
    """What is being looked at, while the questions are under way."""

    def __init__(self, batch: Batch) -> None:
        self.round = batch
        self.servers: dict[str, _Server] = {}
        self.datastacks: dict[tuple[str, str], _Datastack] = {}
        self.targets: list[Target] = []

    def at(self, target: Target) -> None:
        """Asks about a datastack, and about its server if that is new."""
        server = self._server(target)
        if (target.server, target.datastack) not in self.datastacks:
            self.datastacks[target.server, target.datastack] = _Datastack(self.round, target, server)

    def at_all(self, target: Target) -> None:
        """Asks which datastacks the server lists for its token, then about each; about the target if it does not."""
        server = self._server(target)
        if server.token is None:
            return self.at(target)
        server.listed = self.round.get(endpoints.datastacks_url(target.server), server.token)
        self.targets.append(target)
        return self.round.then(server.listed, partial(self._at_each, target))

    def _at_each(self, target: Target, listed: Response) -> None:
        names = responses.names_in(listed)
        for one in siblings(target, (names or ())[:MOST_DATASTACKS]):
            self.at(one)
        if not names:
            self.at(target)

    def _server(self, target: Target) -> _Server:
        if target.server not in self.servers:
            self.servers[target.server] = _Server(self.round, target)
        return self.servers[target.server]

    def evidence(self, machine: Machine, importing: Future[str], notebook: NotebookSession) -> Evidence:
        """What was found, when nobody waits any longer."""
        for target in self.targets:
            if target.server not in {server for server, _ in self.datastacks}:
                self.at(target)
        tokens = [one.stored.token for one in self.servers.values() if one.stored.token is not None]
        machine = replace(
            machine,
            caveclient_problem=result_or(importing, ""),
            left=notebook.find_left(tokens),
            scrub_left=partial(notebook.scrub_left, tokens),
        )
        facts = {address: server.facts(machine, importing, notebook) for address, server in self.servers.items()}
        found = tuple(one.facts(facts[one.target.server]) for one in list(self.datastacks.values()))
        return Evidence(machine=machine, servers=tuple(facts.values()), datastacks=found)


_worked: set[tuple[str, Token]] = set()
_places: dict[tuple[str, str], str] = {}
"""Which tokens worked, and where the data of datastacks was, when this kernel last looked.

It only tells what can be asked at the same time instead of one after the other; each answer is a new one.
"""

_datasets: dict[tuple[str, str], str] = {}
"""Which dataset a datastack belongs to, where it has another name: while that one is permitted nobody has to ask."""

_contradictions: dict[tuple[str, str, Token, str], tuple[float, float]] = {}
"""When the info service was first and last seen to contradict the auth server: datastack, token and what it said."""


def _response(question: PendingResponse | None) -> Response | None:
    return question.response if question else None


class _Near:
    """The tokens within reach that CAVEclient does not read, and the questions to their server about them.

    Args:
        batch: to ask in.
        stored: what CAVEclient takes; that token is not looked at again.
        address: what the server is asked with each token that is said to be its own.
        works: which answers show a token that helps.
        skipped: files that were looked at already.
    """

    def __init__(
        self,
        batch: Batch,
        stored: stored_tokens.StoredToken,
        address: str,
        works: Callable[[Response], bool],
        skipped: tuple[Path, ...] = (),
    ) -> None:
        self.round, self.stored, self.address, self.works, self.skipped = batch, stored, address, works, skipped
        self.asked: list[tuple[misplaced.MisplacedToken, PendingResponse]] = []
        self.untried: list[misplaced.MisplacedToken] = []
        self.looking = batch.submit(self._look)

    def _look(self) -> None:
        for one in misplaced.find(self.stored.server):
            if one.file.path in self.skipped or (self.stored.source and one.token == self.stored.source.meant):
                continue
            if not one.ours:
                self.untried.append(one)
            elif len(self.asked) < MOST_NEAR:
                self.asked.append((one, self.round.get(self.address, one.token)))

    def files(self) -> tuple[token_files.TokenFile | None, token_files.TokenFile | None]:
        """The newest file with a token that helps, and the newest with one that was not tried."""
        good = (one.file for one, question in self.asked if self.works(question.response))
        return next(good, None), next((one.file for one in self.untried), None)


def _files_near(near: _Near | None) -> tuple[token_files.TokenFile | None, token_files.TokenFile | None]:
    return near.files() if near is not None else (None, None)


class _Server:
    """The questions to one server, while they are under way."""

    def __init__(self, batch: Batch, target: Target) -> None:
        self.target, self.round, self.address = target, batch, target.server
        self.stored = stored_tokens.resolve(self.address)
        token = None if self.stored.belongs_to else self.stored.token
        self.token = token if token is not None and token.can_be_sent else None
        self.identity: PendingResponse | None = None
        self.keys: PendingResponse | None = None
        self.salvaged: PendingResponse | None = None
        self.version: PendingResponse | None = None
        self.bare: PendingResponse | None = None
        self.info: PendingResponse | None = None
        self.listed: PendingResponse | None = None
        self.guards: dict[str, PendingResponse] = {}
        self.compared: PendingResponse | None = None
        self.near: _Near | None = None
        if self.token is None:
            self._ask_without_token()
            return
        self.identity = batch.get(endpoints.identity_url(self.address), self.token)
        if (self.address, self.token) in _worked:
            self.keys = batch.get(endpoints.tokens_url(self.address), self.token)
        batch.then(self.identity, partial(self._go_on, self.token))

    def _ask_without_token(self) -> None:
        self.version = self.round.get(endpoints.info_version_url(self.address))
        self.bare = self.round.get(endpoints.identity_url(self.address))
        self.round.then(self.bare, self._compare)
        self._salvage()

    def _salvage(self) -> None:
        """Asks about a token that is here but is not read, if there is one that is not another server's."""
        file, other = _salvageable(self.stored)
        if file is None or other is None or not other.can_be_sent or stored_tokens.owner_of(self.address, file):
            self._look_near()
            return
        self.salvaged = self.round.get(endpoints.identity_url(self.address), other)
        self.round.then(self.salvaged, self._look_near)

    def _look_near(self, salvaged: Response | None = None) -> None:
        """Looks for tokens within reach, unless there was one to salvage that was not refused."""
        if salvaged is not None and salvaged.code not in responses.REFUSALS:
            return
        address = endpoints.identity_url(self.address)
        looked_at = (self.stored.server_file, self.stored.default_file, self.stored.legacy_file)
        skipped = tuple(file.path for file in looked_at)
        self.near = _Near(self.round, self.stored, address, lambda response: response.is_good, skipped)

    def _go_on(self, token: Token, identity: Response) -> None:
        """A good answer leads to the list of tokens, a bad one to the questions that tell why."""
        if identity.is_good:
            _worked.add((self.address, token))
            self.keys = self.round.get(endpoints.tokens_url(self.address), token)
            return
        _worked.discard((self.address, token))
        if identity.code in responses.REFUSALS:
            self._salvage()
        elif not identity.error:
            self.version = self.round.get(endpoints.info_version_url(self.address))
            self._compare(identity)

    def _compare(self, response: Response) -> None:
        """Asks another server where a proxy may have answered for a remembered address that is wrong."""
        home = deployment_of(self.target.datastack)
        other = home.server if home else "" if self.address in KNOWN_SERVERS else DEFAULT_SERVER
        if self.target.named_by != "map" or other in ("", self.address) or responses.is_cave(response):
            return
        may_be_the_proxys = response.failure is Failure.PROXY or response.status >= 400
        if may_be_the_proxys and http.has_proxy(self.address):
            self.compared = self.round.get(endpoints.info_version_url(other))

    def hold_against(self, datastack: str, info: PendingResponse) -> None:
        """Asks which dataset a datastack belongs to, where the info service opens it and no permission has its name."""

        def go_on(opened: Response) -> None:
            if self.identity is not None:
                self.round.then(self.identity, partial(self._ask_dataset, datastack, opened))

        self.round.then(info, go_on)

    def _ask_dataset(self, datastack: str, info: Response, identity: Response) -> None:
        account = responses.account_in(identity, self.address)
        known = _datasets.get((self.address, datastack), datastack)
        if account is not None and account.whole and responses.local_server_in(info) and not account.may_view(known):
            self.guards[datastack] = self.round.get(endpoints.dataset_url(self.address, datastack), self.token)

    def _found_datasets(self) -> dict[str, str]:
        said = {name: question.response for name, question in self.guards.items()}
        found = {
            name: sanitize(one.body, 80).text for name, one in said.items() if one.is_good and isinstance(one.body, str)
        }
        _datasets.update({(self.address, name): dataset for name, dataset in found.items()})
        return found

    def facts(self, machine: Machine, importing: Future[str] | None, notebook: NotebookSession) -> ServerFacts:
        identity, keys = _response(self.identity), _response(self.keys)
        near, untried = _files_near(self.near)
        return ServerFacts(
            address=self.address,
            target=self.target,
            machine=machine,
            stored=self.stored,
            disagrees=self._disagrees() if result_or(importing, "not yet") == "" else None,
            identity=identity,
            account=responses.account_in(identity, self.address) if identity else None,
            keys=responses.listed_tokens_in(keys) if keys else None,
            version=_response(self.version),
            salvaged=_response(self.salvaged),
            info=_response(self.info),
            netrc=http.netrc_for(self.address) if identity is not None and not identity.is_good else "",
            near=near,
            untried=untried,
            stale_clients=caveclient_adapter.clients_in(notebook.names, self.address, self.token) if self.token else (),
            bare=_response(self.bare),
            listed=_response(self.listed),
            bound=self.round.seconds,
            datasets=self._found_datasets(),
            proxied=self._is_proxied(identity or _response(self.bare)),
            compared=_response(self.compared),
        )

    def _is_proxied(self, response: Response | None) -> bool:
        return bool(response and response.status >= 500) and _known(lambda: http.has_proxy(self.address), False)

    def _disagrees(self) -> bool | None:
        if self.stored.blocker is not None:
            return None
        try:
            return caveclient_adapter.token_of_caveclient(self.address) != self.stored.token
        except Exception:
            return True


def _salvageable(stored: stored_tokens.StoredToken) -> tuple[token_files.TokenFile | None, Token | None]:
    """The token that the remedy would take, where the one that caveclient reads cannot work, and its file."""
    own, default = stored.server_file, stored.default_file
    if stored.token is not None:
        if stored.shadowed is not None:
            return default, stored.shadowed
        among = formats_of(stored.server)
        odd = stored.token.oddity(among) and not stored.belongs_to
        return (stored.source, stored.token.reads_as(among)) if odd else (None, None)
    blocker = stored.blocker or own
    found = (
        (blocker, blocker.inside if stored.blocker else None),
        (default, default.token),
        (own, own.inside),
        (default, default.inside),
    )
    return next(((file, token) for file, token in found if token is not None), (None, None))


class _Datastack:
    """The questions about one datastack, while they are under way."""

    def __init__(self, batch: Batch, target: Target, server: _Server) -> None:
        self.target, self.round, self.server = target, batch, server
        self.info: PendingResponse | None = None
        self.listed: PendingResponse | None = None
        self.near: _Near | None = None
        self.services: dict[str, PendingResponse] = {}
        if server.token is None:
            return
        self.info = batch.get(endpoints.datastack_url(target.server, target.datastack), server.token)
        server.info = server.info or self.info
        server.hold_against(target.datastack, self.info)
        if before := _places.get((target.server, target.datastack)):
            self._ask_services(before)
        batch.then(self.info, self._go_on)

    def _go_on(self, info: Response) -> None:
        _places.pop((self.target.server, self.target.datastack), None)
        if info.code == "missing_permission":
            address = endpoints.datastack_url(self.target.server, self.target.datastack)
            self.near = _Near(self.round, self.server.stored, address, _may_be_read)
        if responses.lacks_datastack(info):
            self.listed = self.round.get(endpoints.datastacks_url(self.target.server), self.server.token)
        if local := responses.local_server_in(info):
            _places[self.target.server, self.target.datastack] = local
            self._ask_services(local)

    def _ask_services(self, local: str) -> None:
        self.services = {name: self.round.get(local + route) for name, route in endpoints.SERVICES.items()}

    def facts(self, server: ServerFacts) -> DatastackFacts:
        listed, info = _response(self.listed), _response(self.info)
        local = name_for_files(responses.local_server_in(info)) if info else ""
        near, untried = _files_near(self.near)
        return DatastackFacts(
            target=self.target,
            server=server,
            info=info,
            listed=responses.names_in(listed) if listed else None,
            services={name: question.response for name, question in self.services.items()} if local else {},
            readings=cloud_volume.readings(local) if local else (),
            since=self._contradicted_since(server, info),
            near=near,
            untried=untried,
        )

    def _contradicted_since(self, server: ServerFacts, info: Response | None) -> float | None:
        """When the info service was first seen to contradict the auth server: what it remembers is not newer."""
        account, token, name = server.account, self.server.token, self.target.datastack
        if account is None or info is None or token is None:
            return None
        key = self.target.server, name, token, info.code
        first, last = _contradictions.pop(key, (info.at, info.at))
        if not responses.contradicts(account, info, server.datasets.get(name, "")):
            return None
        first = first if info.at - last < 2 * responses.MEMORY_SECONDS else info.at  # else it is another one
        _contradictions[key] = first, info.at
        return first


def _may_be_read(info: Response) -> bool:
    """Whether the token with which a datastack was asked for may read it, be it after its terms are accepted."""
    return bool(responses.local_server_in(info)) or info.code == "missing_tos"


def _machine() -> Machine:
    return Machine(
        versions=versions(),
        caveclient_problem="",  # not known before caveclient is imported
        token_variables=tuple(name for name in TOKEN_VARIABLES if os.environ.get(name, "").strip()),
        runtime=detect_runtime(),
        folder=token_files.show_path(token_files.secrets_folder()),
        folder_problem=_known(_folder_problem, None),
        folder_open=_known(
            lambda: os.name == "posix" and bool(os.stat(token_files.secrets_folder()).st_mode & stat.S_IWOTH), False
        ),
        unmet=_known(packages.unmet_requirements, None),
        proxy_settings=read_proxy_settings(),
        map_file=_known(datastack_map.read_map, None),
        map_secrets=_known(entries_with_secrets, ()),
    )


def _here(machine: Future[Machine]) -> Machine:
    return machine.result() if machine.done() else _machine()


def _known(look: Callable[[], T], otherwise: T) -> T:
    """What is found, or `otherwise` where looking fails: one odd thing on a computer leaves the others known."""
    try:
        return look()
    except Exception:
        return otherwise


def _folder_problem() -> FolderProblem | None:
    home, folder = Path(os.path.expanduser("~")), token_files.secrets_folder()
    if not home.is_dir():
        fault = FileFault.HOME_NOT_A_FOLDER if os.path.lexists(home) else FileFault.HOME_MISSING
        problem = FileProblem(fault=fault, details=(token_files.show_path(home),))
        return FolderProblem(at=folder, problem=problem, unusable=True, mend=FolderFix.HOME)
    unusable = not os.access(folder, os.R_OK | os.X_OK)
    if at_fault := token_files.folder_fault():
        at, problem = at_fault
        mend = FolderFix.MOUNT if token_files.is_lost_link(at) else FolderFix.MOVE
        return FolderProblem(at=at, problem=problem, unusable=unusable, mend=mend)
    if of_another := token_files.folder_of_another():
        at, problem = of_another
        return FolderProblem(at=at, problem=problem, unusable=unusable, mend=FolderFix.MOVE)
    if unusable and os.path.lexists(folder):
        problem = FileProblem(fault=FileFault.NOT_OPENABLE)
        return FolderProblem(at=folder, problem=problem, unusable=True, mend=FolderFix.OPEN)
    if os.path.lexists(folder) and not os.access(folder, os.W_OK):
        problem = FileProblem(fault=FileFault.NOT_WRITABLE)
        return FolderProblem(at=folder, problem=problem, unusable=False, mend=FolderFix.OPEN)
    return None


def versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Versions of Python and of the packages that matter, as far as they are installed."""
    found = {"python": _known(lambda: platform.python_version(), None)}  # a script called platform.py has none
    found |= {name: _known(partial(packages.version_of, name), None) for name in names}
    return {name: version for name, version in found.items() if version}
