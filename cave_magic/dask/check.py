"""Checks the workers of a cluster: each reports its facts, and one of each kind contacts the servers."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..credentials.target import Target
from ..doctor.diagnose import diagnose
from ..doctor.model import NextStep, Status, advise, then
from ..doctor.report import Report
from ..errors import BadInput
from ..ui.frontend import OnWait
from . import cluster, look, next_steps
from .report import MISSING, WorkerGroup, WorkersReport, group_of, merged

MARGIN = 1.0
"""Seconds of the timeout that are reserved for the answers to arrive."""

BEFORE_THE_TOKEN = (
    "requests", "environment", "packages", "home", "resources", "netrc", "network", "auth", "token-folder",
)  # fmt: skip
"""The checks that a token that works here cannot help to pass."""


class _Answers:
    """What the workers have said so far.

    Attributes:
        addresses: those of the scheduler, as it says itself, and of the workers.
        facts: address -> what it says about itself, with how many seconds its clock is `ahead`, or why it cannot.
        checks: kind of worker -> the report of the one that contacted the servers, or None until it arrives.
    """

    def __init__(self, own: object) -> None:
        self.addresses: tuple[str, ...] = ()
        self.facts: dict[str, dict[str, Any]] = {}
        self.checks: dict[object, dict[str, Any] | None] = {own: None}

    @property
    def late(self) -> list[str]:
        """What it is waiting for, in words."""
        left = len(self.addresses[1:]) - len(self.facts)
        return [f"{left} workers"] if left else ["the checks of the workers"]

    async def collect(self, client: Any, names: Sequence[str], server: str, key: bytes, seconds: float) -> None:
        """Asks all workers for their facts, and one of each kind for its check; ends by the timeout."""
        deadline = time.monotonic() + seconds
        self.addresses = await cluster.addresses_of(client)
        limit = asyncio.Semaphore(cluster.AT_ONCE)

        async def look_at(address: str) -> None:
            async with limit:
                sent = time.time()
                said = await cluster.ask(client, address, "facts", names, server, key)
            self.facts[address] = said
            if "unable" in said:
                return
            said["ahead"] = said["clock"] - (sent + time.time()) / 2
            if (kind := _kind(said)) not in self.checks:
                self.checks[kind] = None
                left = max(deadline - time.monotonic() - MARGIN, MARGIN)
                report = await cluster.ask(client, address, "check", names, server, left)
                self.checks[kind] = report if "rows" in report else None

        tasks = [asyncio.ensure_future(look_at(address)) for address in self.addresses[1:]]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=max(deadline - time.monotonic(), 0))
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)  # a worker that fails has no facts


def _kind(facts: Mapping[str, Any]) -> object:
    """Workers of one kind get the same answers from the servers."""
    return json.dumps([facts[name] for name in ("host", "user", "home", "python", "versions", "network", "tokens")])


def check_workers(
    workers: object,
    targets: Sequence[Target],
    seconds: float,
    on_wait: OnWait | None = None,
    names: Mapping[str, object] | None = None,
) -> WorkersReport:
    """Checks access in each worker process of a cluster, and compares the workers with this computer.

    Every worker says which token, home, versions and network settings it has, without a request. Of the workers on
    one host that say the same, one contacts the servers; if they say the same as this computer, this computer does.

    Args:
        workers: a `distributed.Client`, a cluster, the name of a variable with one, or a scheduler's address.
        seconds: the timeout of the whole.
        on_wait: called with what it waits for.
        names: the person's variables.
    Raises:
        BadInput: there is no such client, it is closed, nobody is listening, or it has no workers.
    """
    start = time.monotonic()
    with cluster.connected(workers, names or {}, seconds) as (client, typed):
        stacks = [one.datastack for one in targets]
        server = targets[0].server if targets[0].named_by in ("option", "setting") else ""
        key = secrets.token_bytes(32)
        here = look.facts(stacks, server, key)
        answers = _Answers(_kind(here))
        left = max(seconds - (time.monotonic() - start), MARGIN)
        with cluster.running(client, answers.collect(client, stacks, server, key, left)) as asking:
            own = diagnose(targets, left, on_wait)
            cluster.wait(asking, left + MARGIN, on_wait, lambda: answers.late)
        if len(answers.addresses) < 2:
            raise BadInput("the cluster has no workers. Start some, then run this line again.")
        answers.checks[_kind(here)] = own.to_dict()
        groups = merged(_groups(answers, here, own))
        return WorkersReport(
            scheduler=cluster.address_of(client),
            datastacks=own.datastacks,
            groups=groups,
            here=own.ok,
            next=_next(groups, own, targets[0], typed, bool(cluster.plain_among(answers.addresses))),
            seconds=time.monotonic() - start,
        )


def _groups(answers: _Answers, here: Mapping[str, Any], own: Report) -> Iterator[tuple[str, WorkerGroup]]:
    for address in answers.addresses[1:]:
        said = answers.facts.get(address)
        if said is None:
            yield address, WorkerGroup(status=Status.UNKNOWN, check="worker", evidence="no response")
        elif "unable" in said:
            yield address, WorkerGroup(status=Status.FAILED, check="package", evidence=cluster.unable(said))
        else:
            yield address, group_of(said, answers.checks[_kind(said)], here, own.to_dict())


def _next(groups: Sequence[WorkerGroup], own: Report, target: Target, typed: str, is_plain: bool) -> NextStep | None:
    """What to do first about the package, access from here, the token, one host, or workers that do not respond."""
    bad = [one for one in groups if not one.is_well]
    again = next_steps.check_workers(target, typed)
    if any(one.check == "package" for one in bad):
        return then(next_steps.install_on_workers(typed), again)
    if bad and not own.ok and own.next is not None:
        return advise("access does not work on this computer either: ", own.next.line)
    differs = (one for group in bad if group.check not in BEFORE_THE_TOKEN for one in group.differs)
    tokens = [one for one in differs if one.what == "token"]
    if tokens:
        replaces = any(one.there != MISSING for one in tokens)
        give = next_steps.give_token(target, typed, replaces)
        return advise(next_steps.over_tls(), ", then ", give) if is_plain else then(give, again)
    if (known := next((one for one in bad if one.advice), None)) is not None:
        return advise(f"on {known.hosts[0]}: {known.advice}")
    if bad:
        late = sorted(address for one in bad for address in one.workers)
        return then(next_steps.restart_workers(late, typed), again)
    return None
