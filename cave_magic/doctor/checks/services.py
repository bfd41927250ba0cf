"""Do the data services of the datastack's local server answer?"""

from __future__ import annotations

from functools import partial

from ...api.endpoints import SERVICES
from ...api.responses import TEXT, Answer, is_cave, version_in
from .. import next_steps
from ..evidence import DatastackFacts
from ..model import Check, Finding, Remedy, failed, ok, warning
from .datastack import ACCESS, server_for
from .network import FINE, NOT_YOURS, then, trouble_with

OLDEST_MATERIALIZE = (5, 13)
"""The oldest materialize service that the queries of caveclient 8 work with (its own error texts)."""


def _local_server(datastack: DatastackFacts) -> Finding | None:
    services = datastack.services
    answers = list(services.values())
    if not answers:
        return None
    if all(answer.status == 404 for answer in answers):  # even an old service would have one of the routes
        advice = then(NOT_YOURS, next_steps.check(datastack.target))
        return failed(f"{answers[0].host} has none of the data services (404 on each)", advice)
    if any(_is_up(name, answer) for name, answer in services.items()):
        return ok(f"{answers[0].host} answered in {max(answer.seconds for answer in answers):.1f} s")
    if len({(answer.trouble, answer.status) for answer in answers}) > 1:
        return None  # each service has a trouble of its own, and a row
    return trouble_with(answers[0], server_for(datastack), "the data server")


def _service(name: str, datastack: DatastackFacts) -> Finding | None:
    answer = datastack.services.get(name)
    if answer is None:
        return None
    if _is_missing(answer):
        return _missing(name, datastack, answer)
    if not _is_up(name, answer):
        return trouble_with(answer, server_for(datastack), name)
    version = version_in(answer)
    told = f", version {version}" if version else ", but does not tell its version" if answer.status == 404 else ""
    return ok(f"{answer.host} answered in {answer.seconds:.1f} s{told}")


def _missing(name: str, datastack: DatastackFacts, answer: Answer) -> Finding:
    evidence = f"{answer.host} has no {name} service (404)"
    if not _is_needed(name, datastack):
        return warning(f"{evidence}, so client.{name} does not work there")
    advice = f"{FINE}: tell the people of the server"
    return failed(evidence, then(advice, next_steps.check(datastack.target)))


def _is_needed(name: str, datastack: DatastackFacts) -> bool:
    """Not every deployment has an l2cache or skeletons, nor a chunkedgraph where nobody edits the segmentation."""
    if name != "chunkedgraph":
        return name == "materialize"
    body = datastack.info.body if datastack.info else None
    source = body.get("segmentation_source") if isinstance(body, dict) else None
    return not isinstance(source, str) or source.startswith("graphene:")


def _is_missing(answer: Answer) -> bool:
    """Whether a web server answered that has no such service: its own page, or nothing."""
    return answer.status == 404 and not answer.is_of_a_service


def _is_up(name: str, answer: Answer) -> bool:
    """Whether it is the service itself that answered.

    Without a token some refuse: in JSON, the older ones in plain text, or by sending a browser to the log-in. An old
    one may lack that route, which caveclient takes for "version unknown" (8.2, `base.py`). A version that is none
    makes caveclient fail.
    """
    if answer.trouble is not None:
        return False
    if answer.status == 200:
        kind, has_version = (dict, True) if name == "l2cache" else (str, bool(version_in(answer)))
        return isinstance(answer.body, kind) and has_version
    if answer.status == 404:
        return answer.is_of_a_service
    if answer.status in (401, 403):
        return is_cave(answer) or (answer.status == 401 and answer.form == TEXT)
    return answer.location.endswith("auth/api/v1/authorize")


def _fits(datastack: DatastackFacts) -> Finding | None:
    answer, client = datastack.services.get("materialize"), datastack.server.machine.versions.get("caveclient", "")
    if answer is None or not client or number(client) < (8,) or not _is_up("materialize", answer):
        return None
    server = version_in(answer)
    if number(server) >= OLDEST_MATERIALIZE or (not server and answer.status != 404):
        return None
    is_old = f"is version {server}" if server else "is so old that it does not tell its version"
    command = next_steps.pip_install('"caveclient<8"')
    return warning(
        f"materialize on {answer.host} {is_old}; queries of caveclient {client} want 5.13",
        Remedy(f"if a query says so: {command}, then restart the kernel", (command,)),
    )


def number(version: str) -> tuple[int, ...]:
    """`5.13.2` -> `(5, 13, 2)`, for comparing."""
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


LOCAL = Check(
    "data-server",
    "services",
    "data server",
    DatastackFacts,
    _local_server,
    (ACCESS,),
    quiet=True,
    explains="The server with the datastack's data cannot be reached, or has none of its services in good health.",
    mends="As for `network` above; where the server itself is down, wait.",
)
SERVICE_CHECKS = tuple(
    Check(
        name,
        "services",
        name,
        DatastackFacts,
        partial(_service, name),
        (LOCAL,),
        quiet=True,
        explains=f"The {name} service of the data server is in trouble, or not there. The token is not the reason.",
        mends="Wait, until the time that the check prints if it knows one; the people of the server mend it.",
    )
    for name in SERVICES
)
FITS = Check(
    "client-version",
    "services",
    "versions",
    DatastackFacts,
    _fits,
    (ACCESS,),
    quiet=True,
    explains="The installed caveclient is newer than the materialize service works with.",
    mends='`%pip install "caveclient<8"` if a query says so, then restart the kernel.',
)
CHECKS = (LOCAL, *SERVICE_CHECKS, FITS)
