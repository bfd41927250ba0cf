"""Do the services of the datastack's data server respond?"""

from __future__ import annotations

from functools import partial

from ...api.endpoints import AUTHORIZE, SERVICES
from ...api.responses import TEXT, Response, is_cave, version_in
from ...deployments import is_known_host
from ...ui.durations import elapsed
from .. import next_steps
from ..evidence import DatastackFacts
from ..model import Check, Finding, advise, failed, ok, then, warning
from .causes import not_yours, tell_administrators
from .datastack import ACCESS, server_for
from .network import FINE, NETWORK, failure_finding

OLDEST_MATERIALIZE = (5, 13)
"""The oldest materialize service that works with the queries of caveclient 8 (from its error messages)."""


def _local_server(datastack: DatastackFacts) -> Finding | None:
    services = datastack.services
    responses = list(services.values())
    if not responses:
        return None
    if all(response.status == 404 for response in responses):  # even old services have one of the routes
        host = responses[0].host
        advice = tell_administrators(host) if is_known_host(host) else not_yours(datastack.server)
        step = then(advice, datastack.again)
        return failed(f"{host} has none of the data services (404 for each)", next_step=step)
    if any(is_up(name, response) for name, response in services.items()):
        return ok(f"{responses[0].host} responded in {elapsed(max(response.seconds for response in responses))}")
    if len({(response.failure, response.status) for response in responses}) > 1:
        return None  # the services fail in different ways: each has its own result
    tried, server = datastack.tried, server_for(datastack)
    name = next((name for name, one in services.items() if one.url == tried.url), next(iter(services)))
    return failure_finding(services[name], server, "the data server", tried, works=partial(is_up, name))


def _service(name: str, datastack: DatastackFacts) -> Finding | None:
    response = datastack.services.get(name)
    if response is None:
        return None
    if response.status == 404 and not response.is_of_a_service:  # from a web server without that service
        return _missing(name, datastack, response)
    if not is_up(name, response):
        return failure_finding(response, server_for(datastack), name, datastack.tried, works=partial(is_up, name))
    version = version_in(response)
    shown = f", version {version}" if version else ", but does not report its version" if response.status == 404 else ""
    return ok(f"{response.host} responded in {elapsed(response.seconds)}{shown}")


def _missing(name: str, datastack: DatastackFacts, response: Response) -> Finding:
    evidence = f"{response.host} has no {name} service (404)"
    if not _is_needed(name, datastack):
        return warning(f"{evidence}, so client.{name} does not work for this datastack")
    advice = f"{FINE}: {tell_administrators(datastack.server.host)}"
    return failed(evidence, next_step=then(advice, datastack.again))


def _is_needed(name: str, datastack: DatastackFacts) -> bool:
    """Not every deployment has an l2cache or skeletons, or a chunkedgraph if nobody edits the segmentation."""
    if name != "chunkedgraph":
        return name == "materialize"
    source = datastack.info.fields.get("segmentation_source")
    return not isinstance(source, str) or source.startswith("graphene:")


def is_up(name: str, response: Response) -> bool:
    """Whether the response is from the service itself.

    The request carries no token, so some services refuse it: in JSON, in plain text (older ones), or with a redirect
    to the sign-in. An old one may lack the version route, which caveclient accepts (8.2, `base.py`); a malformed
    version makes caveclient fail.
    """
    if response.failure is not None:
        return False
    if response.is_good:
        kind, has_version = (dict, True) if name == "l2cache" else (str, bool(version_in(response)))
        return isinstance(response.body, kind) and has_version
    if response.status == 404:
        return response.is_of_a_service
    if response.status in (401, 403):
        return is_cave(response) or (response.status == 401 and response.form == TEXT)
    return response.location.matches(AUTHORIZE)


def _fits(datastack: DatastackFacts) -> Finding | None:
    response, client = datastack.services.get("materialize"), datastack.server.machine.versions.get("caveclient", "")
    if response is None or not client or number(client) < (8,) or not is_up("materialize", response):
        return None
    server = version_in(response)
    if number(server) >= OLDEST_MATERIALIZE or (not server and response.status != 404):
        return None
    is_old = f"has version {server}" if server else "is too old to report its version"
    step = next_steps.install(datastack.server.machine.find_installer(), "caveclient<8")
    evidence = f"materialize on {response.host} {is_old}; caveclient {client} needs 5.13 for queries"
    return warning(evidence, next_step=advise("if queries fail: ", step))


def number(version: str) -> tuple[int, ...]:
    """`5.13.2` -> `(5, 13, 2)`, for comparing."""
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


_check = partial(Check, group="services", about=DatastackFacts)

LOCAL = _check(
    id="data-server",
    title="data server",
    look=_local_server,
    needs=(ACCESS,),
    explains="The data server of the datastack is unreachable, or none of its services works.",
    fixed_by=f"If the server is down, wait. {NETWORK.fixed_by}",
)
SERVICE_CHECKS = tuple(
    _check(
        id=name,
        title=name,
        look=partial(_service, name),
        needs=(LOCAL,),
        explains=f"The {name} service of the data server does not work, or is missing. The token is not the cause.",
        fixed_by=f"Wait for the server's administrators to fix it; the check may say how long. {NETWORK.fixed_by}",
    )
    for name in SERVICES
)
FITS = _check(
    id="client-version",
    title="versions",
    look=_fits,
    needs=(LOCAL,),
    explains="The materialize service is too old for the installed caveclient.",
    fixed_by="{older_caveclient} if queries fail{restart}.",
)
CHECKS = (LOCAL, *SERVICE_CHECKS, FITS)
