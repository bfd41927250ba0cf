"""Which repairs on this computer mend which rows: what `%cave_check --fix` offers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ..api import responses
from ..api.urls import host_of
from ..credentials import save
from ..credentials.target import BLANKS
from ..deployments import local_servers_of
from ..environment import cloud_volume
from . import fixes
from .evidence import DatastackFacts, Evidence, ServerFacts
from .fixes import Repair
from .model import Report, Status

Offer = Callable[[ServerFacts], "Repair | None"]


def _entry(server: ServerFacts) -> Repair | None:
    if server.target.named_by in ("option", "setting"):
        return fixes.repair_map_entry(server.target.datastack, server.address)
    if server.target.map_problem == BLANKS:
        return fixes.repair_map_entry(server.target.datastack, server.address)
    if server.target.datastack in server.machine.datastacks_with_secrets:
        return fixes.repair_map_secrets()
    return fixes.repair_wrong_entry(server.target.datastack)


def _shape(server: ServerFacts) -> Repair | None:
    stored = server.stored
    file = stored.blocker or stored.source or (stored.server_file if stored.server_file.inside else stored.default_file)
    refused = server.salvaged_identity is not None and server.salvaged_identity.code in responses.REFUSALS
    return None if refused or stored.belongs_to else fixes.repair_shape(file)


def _shadow(server: ServerFacts) -> Repair | None:
    other = server.stored.shadowed
    return fixes.repair_copies(server.stored, other, local_servers_of(server.address)) if other else None


OFFERS: dict[str, Offer] = {
    "map-file": lambda server: fixes.repair_map(),
    "map": _entry,
    "map-secret": lambda server: fixes.repair_map_secrets(),
    "token": _shape,
    "token-form": _shape,
    "token-shadow": _shadow,
    "token-legacy": lambda server: fixes.repair_legacy(server.stored),
    "token-private": lambda server: fixes.repair_permissions(server.stored),
}
"""Row -> the repair of it. `cloud-volume` is a matter of a datastack and stands apart."""


def repairs_for(report: Report, evidence: Evidence) -> tuple[Repair, ...]:
    """The repairs for the rows of a report that are not well, in their order, each once."""
    found: dict[tuple[str, tuple[object, ...]], Repair] = {}
    forget = partial(cloud_volume.forget_cached, _hosts(evidence))
    for row in report.rows:
        if row.status in (Status.FAILED, Status.WARNING):
            for repair in _for_row(row.id, evidence):
                found.setdefault((repair.id, repair.paths), repair.then(forget))
    return tuple(found.values())


def _hosts(evidence: Evidence) -> list[str]:
    """The hosts whose token a repair may change."""
    return [host_of(address) for one in evidence.datastacks for address in (one.target.server, _local(one))]


def _local(datastack: DatastackFacts) -> str:
    return responses.local_server_in(datastack.info) if datastack.info else ""


def _for_row(row: str, evidence: Evidence) -> Iterator[Repair]:
    name, _, subject = row.partition(":")
    if name == "cloud-volume":
        for datastack in evidence.datastacks:
            if subject in ("", datastack.name):
                yield from filter(None, _copies(datastack))
    if name in OFFERS:
        servers = (one for one in evidence.servers if subject in ("", one.host))
        yield from filter(None, map(OFFERS[name], servers))


def _copies(datastack: DatastackFacts) -> Iterator[Repair | None]:
    """What gives cloud-volume and cloud-files the token of caveclient."""
    stored, local = datastack.server.stored, _local(datastack)
    if stored.token is None or not local:
        return
    copies = fixes.repair_copies(stored, stored.token, [local])
    yield copies
    allowed = {path.name for path in save.local_files(stored.server, [local])}  # no file that is another server's
    done = copies.paths if copies else ()
    first = [one.first for one in datastack.readings if one.file.token != stored.token and one.file.path not in done]
    yield fixes.repair_readers(stored.token, [path for path in first if path.name in allowed])
