"""The plugin that gives each present and future worker of a cluster the token that is stored here."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from distributed import Client, Status
from distributed.core import clean_exception
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.protocol.pickle import dumps

from ..api.urls import host_of
from ..credentials.lease import borrow, give_back
from ..credentials.locations import host_in_name
from ..credentials.stored_tokens import other_files, resolve
from ..credentials.target import find_target
from ..deployments import DEFAULT_DATASTACK, check_address, local_servers_of
from ..doctor import next_steps
from ..environment.cloud_volume import forget_cached
from ..errors import CaveMagicError, NoToken, TokenNotSaved, TokenNotSent
from ..token import Token
from . import cluster
from . import next_steps as lines

_PATIENCE = 5.0
"""How many seconds to wait for all workers to say whether they have this package."""
_LOOKS = 0.5
"""The seconds between two checks whether a worker is ending. Dask gives it 4."""

_UNPACK = """
def unpack(given):
    try:
        from cave_magic.dask.access import received
        return received(given)
    except Exception as error:
        kind = type(error).__name__
    from distributed.diagnostics.plugin import WorkerPlugin
    class Unusable(WorkerPlugin):
        def setup(self, worker):
            raise RuntimeError(f"cave_magic cannot be used on this worker ({kind}): it has no CAVE token")
    return Unusable()
"""
"""What a worker runs to unpack the plugin. It never fails: Dask would log what it cannot unpack, token included."""


class CaveAccess(WorkerPlugin):
    """Gives the workers of a Dask cluster the token that is stored here: `client.register_plugin(CaveAccess(...))`.

    Each present and future worker saves it as `%cave_save` does, unless it has a token of this server already. At the
    end, the last worker in a home folder removes it again, unless it was there before. The token is sent only over
    TLS, or within this computer. The scheduler keeps the plugin for workers to come, and so the token in its memory.

    Args:
        datastack: the datastack that the workers are to read; minnie65_public if empty.
        server: the address of its server; "" for the server of the datastack.
        overwrite: replace another token of this server on the workers; then it stays there at the end.
        allow_plain: also send the token over connections that are not encrypted.
    Raises:
        BadInput: the name or the address is invalid.
        NoToken: no token of this server is stored here.
    """

    _watch: asyncio.Future[None] | None = None  # only on a worker

    def __init__(
        self, datastack: str = "", *, server: str = "", overwrite: bool = False, allow_plain: bool = False
    ) -> None:
        target = find_target(datastack or DEFAULT_DATASTACK, check_address(server) if server else "", asked=True)
        stored = resolve(target.server)
        if stored.token is None or stored.token.format is None or stored.belongs_to:
            where = host_of(target.server)
            raise NoToken(f"no token is stored here for {where}. To see why: ", next_steps.check(target))
        copies = (one.file.path for one in other_files(stored) if one.same)
        data_servers = (f"https://{host}" for path in copies if (host := host_in_name(path)))
        self._token, self._server, self._datastack = stored.token, target.server, target.datastack
        self._local_servers = tuple(dict.fromkeys((*local_servers_of(target.server), *data_servers)))
        self._overwrite, self._allow_plain = overwrite, allow_plain

    def __repr__(self) -> str:
        return f"<CaveAccess to {self._datastack} on {host_of(self._server)}>"

    def __reduce_ex__(self, *protocol: object) -> NoReturn:
        raise TypeError("a CaveAccess contains a token: only client.register_plugin() sends it")

    @property
    def name(self) -> str:
        """The name under which Dask registers it: one for each server."""
        return f"cave-access-{host_of(self._server)}"

    def setup(self, worker: Any) -> None:
        """Called by Dask when a worker starts: saves the token, before the worker can run or end anything.

        Raises:
            TokenExists: the worker has another token of this server, which was kept.
            TokenNotSaved: the files cannot be written.
        """
        borrow(
            self._token,
            self._server,
            worker.id,
            local_servers=self._local_servers,
            opened=(self._datastack,),
            overwrite=self._overwrite,
        )
        forget_cached((self._server, *self._local_servers))
        self._watch = asyncio.ensure_future(self._leave_with(worker))

    async def _leave_with(self, worker: Any) -> None:
        """Ends as soon as the worker does: with a nanny, Dask 2026.8 may kill it before it calls `teardown`."""
        while worker.status not in (Status.closing, Status.closed):
            await asyncio.sleep(_LOOKS)
        self.teardown(worker)

    def teardown(self, worker: Any) -> None:
        """Called by Dask when a worker ends: removes the token, unless it was there before or is still needed."""
        if self._watch is not None:
            self._watch.cancel()
        give_back(self._token, self._server, worker.id, local_servers=self._local_servers)
        forget_cached((self._server, *self._local_servers))


class _Sealed:
    """A plugin on its way to the workers; only the scheduler and the workers see the token in it."""

    def __init__(self, plugin: CaveAccess) -> None:
        self._given = {**vars(plugin), "_token": plugin._token.reveal()}

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, (
            "exec(source, here) or here['unpack'](given)",
            {"source": _UNPACK, "here": {}, "given": self._given},
        )


def received(given: dict[str, Any]) -> CaveAccess:
    """The plugin on a worker, from what `_Sealed` contained."""
    plugin = CaveAccess.__new__(CaveAccess)
    plugin.__dict__.update(given, _token=Token(given["_token"]))
    return plugin


async def _send(client: Any, plugin: CaveAccess, name: str, idempotent: bool) -> dict[str, Any]:
    """Registers the plugin, once that is safe and every worker can unpack it.

    Raises:
        TokenNotSent: a connection is plain, or a worker lacks this package. Nothing was sent.
        TokenNotSaved: a worker could not save it.
    """
    scheduler, *workers = await cluster.addresses_of(client)
    plain = cluster.plain_among((cluster.address_of(client), scheduler, *workers))
    if plain and not plugin._allow_plain:
        raise TokenNotSent(
            f"the connection to {plain[0]} is not encrypted, so the token was not sent. Next: ",
            *lines.over_tls(),
            ". Or let the workers use your home folder, or a secret of the platform. allow_plain=True sends it anyway.",
        )
    asking = {worker: asyncio.ensure_future(cluster.ask(client, worker, "version")) for worker in workers}
    if asking:
        await asyncio.wait(asking.values(), timeout=_PATIENCE)
    answers = {worker: task.result() for worker, task in asking.items() if task.done() and not task.exception()}
    for task in asking.values():
        task.cancel()  # a worker that is stuck; it gets the token once it responds
    if unable := {worker: answer for worker, answer in answers.items() if "unable" in answer}:
        worker, answer = next(iter(unable.items()))
        raise TokenNotSent(
            f"{cluster.unable(answer)} on {len(unable)} of {len(workers)} workers, such as {worker}. "
            "The token was not sent. Next: ",
            lines.install_on_workers("client"),
        )
    sealed = dumps(_Sealed(plugin))
    saved = await client.scheduler.register_worker_plugin(plugin=sealed, name=name, idempotent=idempotent)
    failed = [
        (worker, clean_exception(one["exception"], one["traceback"])[1])
        for worker, one in saved.items()
        if one["status"] != "OK"
    ]
    if failed:
        worker, error = failed[0]
        said = str(error) if isinstance(error, CaveMagicError) else type(error).__name__
        raise TokenNotSaved(f"{len(failed)} of {len(saved)} workers did not save the token. On {worker}: {said}")
    return dict(saved)


@Client._register_plugin.register(CaveAccess)
def _register(client: Any, plugin: CaveAccess, name: str, idempotent: bool) -> Any:
    """What `client.register_plugin()` does with a CaveAccess, instead of pickling it."""
    return client.sync(_send, client, plugin, name, idempotent)
