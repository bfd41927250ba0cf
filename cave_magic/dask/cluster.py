"""Reaching the workers of a cluster: through a client that the person has, or a scheduler's address."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import re
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ..api.urls import is_on_this_computer, parse_url
from ..doctor import next_steps
from ..environment.installer import find_installer
from ..errors import BadInput
from ..ui.door import either
from ..ui.frontend import OnWait
from ..ui.redact import sanitize

T = TypeVar("T")

AT_ONCE = 100
"""How many workers are asked at the same time: each takes a connection to the scheduler."""

_ADDRESS = re.compile(r"(?:(?:tcp|tls|ws|wss|ucx|inproc)://)?[^\s:/]+(?::\d+|/\d+/\d+)", re.IGNORECASE)
_POLL = 0.05
"""Seconds between two checks whether the workers have answered."""
_SAFE = ("tls", "wss", "inproc")
"""The protocols of Dask that are encrypted, or stay in this process."""


@contextlib.contextmanager
def connected(workers: object, names: Mapping[str, object], seconds: float) -> Iterator[tuple[Any, str]]:
    """A `distributed.Client` that works, and the Python for it in a printed line.

    Args:
        workers: a client, a cluster, the name of a variable with one of them, or a scheduler's address.
        names: the person's variables.
        seconds: how many seconds to wait for a connection at most.
    Raises:
        BadInput: it is something else, it is closed or asynchronous, nobody is listening, or `distributed` is missing.
    """
    try:
        import distributed
    except ImportError:
        installing = next_steps.install(find_installer(), "cave-magic[dask]")
        raise BadInput("dask.distributed is not installed here. Next: ", *installing) from None
    word = workers if isinstance(workers, str) else ""
    named = names.get(word) if word.isidentifier() else None
    given = workers if not word else named
    if isinstance(given, distributed.Client):
        if given.status in ("closed", "closing", "newly-created") or given.scheduler is None:
            raise BadInput("this client is closed. Connect again, then run this line again.")
        if given.asynchronous or getattr(given, "_asynchronous", False):
            raise BadInput("this client is asynchronous. Give the address of its scheduler instead, in another kernel.")
        yield given, word or "client"
        return
    address = word if given is None and _ADDRESS.fullmatch(word) else getattr(given, "scheduler_address", "")
    if not address:
        raise BadInput(
            either(
                "--workers takes the name of a variable with a distributed.Client, or the address of a scheduler",
                "that is neither a distributed.Client nor the address of a scheduler",
            )
            + ", such as tcp://127.0.0.1:8786."
        )
    client = _connect(distributed.Client, given if given is not None else address, address, seconds)
    try:
        yield client, f"{word}.get_client()" if given is not None and word else f'Client("{address}")'
    finally:
        client.close(timeout=2)


def _connect(client: Callable[..., Any], where: object, address: str, seconds: float) -> Any:
    """A new client; raises BadInput if nobody is listening there."""
    try:
        if where == address:  # a Client that cannot connect leaves a thread behind
            with concurrent.futures.ThreadPoolExecutor(1) as pool:  # this thread may have a loop of its own
                # The timeout of Dask's `connect` does not cover the greeting of the other side.
                pool.submit(asyncio.run, asyncio.wait_for(_knock(address, seconds / 2), seconds / 2)).result()
        return client(where, timeout=max(1.0, seconds / 2), set_as_default=False)
    except Exception as error:  # OSError, ValueError for an odd address, TypeError for TLS without certificates
        why = "does not respond"
        if isinstance(error, TypeError):
            why = "uses TLS, and the configuration of Dask names no certificates: give a client instead"
        raise BadInput(f"the scheduler at {address} {why}.") from None


async def _knock(address: str, seconds: float) -> None:
    """Opens a connection and closes it."""
    from distributed import Security
    from distributed.comm import connect

    comm = await connect(address, timeout=seconds, **Security().get_connection_args("client"))
    await comm.close()


@contextlib.contextmanager
def running(client: Any, work: Coroutine[Any, Any, T]) -> Iterator[concurrent.futures.Future[T]]:
    """Runs a coroutine on the loop of a client; cancels it at the end of the block, or if that is interrupted."""
    future = asyncio.run_coroutine_threadsafe(work, client.loop.asyncio_loop)
    try:
        yield future
    finally:
        future.cancel()


def wait(
    future: concurrent.futures.Future[T], seconds: float, on_wait: OnWait | None, waits_for: Callable[[], list[str]]
) -> T:
    """The result of a coroutine; meanwhile shows what it waits for.

    Raises:
        BadInput: it did not finish in time, because the scheduler does not respond.
    """
    start = time.monotonic()
    while not concurrent.futures.wait([future], _POLL).done:
        waited = time.monotonic() - start
        if waited > seconds:
            raise BadInput(f"the scheduler did not respond within {seconds:.0f} s.")
        if on_wait is not None and waited > 1:
            on_wait(waits_for(), waited)
    return future.result()


def address_of(client: Any) -> str:
    """The address of the scheduler, as the client reaches it."""
    return str(getattr(client.scheduler, "address", "") or "the scheduler")


async def addresses_of(client: Any) -> tuple[str, ...]:
    """The scheduler's address, as it says itself, and those of the workers."""
    identity = await client.scheduler.identity(n_workers=-1)
    return str(identity["address"]), *sorted(map(str, identity["workers"]))


async def ask(client: Any, address: str, what: str, *arguments: object) -> dict[str, Any]:
    """Runs a function of `look` in the process of a worker, next to its tasks and outside any task graph.

    Returns:
        What it returned; if it could not be run, {"unable": an error's name, "version": of this package there, or ""}.
    Raises:
        Exception: the worker could not be reached.
    """

    async def call(what: str, arguments: tuple[object, ...]) -> dict[str, Any]:
        # A nested function is sent as code, not by name: the worker may not have this package.
        import asyncio
        from importlib import import_module, metadata

        try:
            function = getattr(import_module("cave_magic.dask.look"), what)
            answer: dict[str, Any] = await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
        except Exception as error:
            try:
                version = metadata.version("cave-magic")
            except metadata.PackageNotFoundError:
                version = ""
            return {"unable": type(error).__name__, "version": version}
        return answer

    answers = await client.run(call, what, arguments, workers=[address], on_error="return")
    answer = answers[address]
    if isinstance(answer, BaseException):
        raise answer
    return dict(answer)


def plain_among(addresses: Iterable[str]) -> tuple[str, ...]:
    """The addresses to which a connection is neither encrypted nor within one computer, without repeats."""
    return tuple(dict.fromkeys(one for one in addresses if _is_plain(one)))


def _is_plain(address: str) -> bool:
    parsed = parse_url(address)
    protocol = parsed.scheme if parsed is not None else address.partition(":")[0].lower()
    return protocol not in _SAFE and not (protocol in ("tcp", "ws") and is_on_this_computer(address))


def unable(answer: Mapping[str, Any]) -> str:
    """Why a worker cannot run a function of this package, from what it answered."""
    if not answer["version"]:
        return "cave-magic is not installed"
    return f"cave-magic {sanitize(answer['version']).text} cannot be used from here ({sanitize(answer['unable']).text})"
