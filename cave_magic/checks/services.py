"""Do the data services of the datastack's local server answer?"""

from __future__ import annotations

from functools import partial

from .. import lines
from ..answers import Answer, version_in
from ..doctor import Check, Finding, Remedy, ok, warning
from ..evidence import DatastackFacts
from ..routes import SERVICES
from .datastack import ACCESS
from .network import trouble_with

OLDEST_MATERIALIZE = (5, 13)
"""The oldest materialize service that the queries of caveclient 8 work with (its own error texts)."""


def _local_server(datastack: DatastackFacts) -> Finding | None:
    answers = list(datastack.services.values())
    if not answers:
        return None
    if any(map(_is_up, answers)):
        return ok(f"{answers[0].host} answered in {max(answer.seconds for answer in answers):.1f} s")
    if len({(answer.trouble, answer.status) for answer in answers}) > 1:
        return None  # each service has a trouble of its own, and a row
    return trouble_with(answers[0], datastack.server, "the data server")


def _service(name: str, datastack: DatastackFacts) -> Finding | None:
    answer = datastack.services.get(name)
    if answer is None:
        return None
    if _is_up(answer):
        version = version_in(answer)
        return ok(f"{answer.host} answered in {answer.seconds:.1f} s" + (f", version {version}" if version else ""))
    return trouble_with(answer, datastack.server, name)


def _is_up(answer: Answer) -> bool:
    """Whether a service answers at all: without a token some refuse, and an old one may not have that route."""
    if answer.trouble is not None or answer.status not in (200, 301, 302, 401, 403, 404):
        return False
    return answer.status != 200 or answer.is_json


def _fits(datastack: DatastackFacts) -> Finding | None:
    answer = datastack.services.get("materialize")
    server, client = version_in(answer) if answer else "", datastack.server.machine.versions.get("caveclient", "")
    if not server or not client or number(client) < (8,) or number(server) >= OLDEST_MATERIALIZE:
        return None
    command = lines.pip_install('"caveclient<8"')
    return warning(
        f"materialize on {answer.host if answer else ''} is version {server}; queries of caveclient {client} want 5.13",
        Remedy(f"if a query says so: {command}, then restart the kernel", (command,)),
    )


def number(version: str) -> tuple[int, ...]:
    """`5.13.2` -> `(5, 13, 2)`, for comparing."""
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


LOCAL = Check(
    "data-server", "services", "data server", DatastackFacts, _local_server, (ACCESS,), quiet=True,
    explains="The server with the datastack's data cannot be reached, or all its services are in trouble.",
    mends="As for `network` above; where the server itself is down, wait.",
)
SERVICE_CHECKS = tuple(
    Check(
        name, "services", name, DatastackFacts, partial(_service, name), (LOCAL,), quiet=True,
        explains=f"The {name} service of the local server is in trouble. The token is not the reason.",
        mends="Wait; the people of the server mend it.",
    )
    for name in SERVICES
)
FITS = Check(
    "client-version", "services", "versions", DatastackFacts, _fits, (ACCESS,), quiet=True,
    explains="The installed caveclient is newer than the materialize service works with.",
    mends='`%pip install "caveclient<8"` if a query says so, then restart the kernel.',
)
CHECKS = (LOCAL, *SERVICE_CHECKS, FITS)
