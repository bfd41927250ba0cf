"""Do the data services of the datastack's local server answer?"""

from __future__ import annotations

from functools import partial

from ..cave import SERVICES, version_in
from ..doctor import Check, Finding, ok
from ..evidence import DatastackFacts
from .datastack import ACCESS
from .network import trouble_with


def _service(name: str, datastack: DatastackFacts) -> Finding | None:
    answer = datastack.services.get(name)
    if answer is None:
        return None
    if answer.status in (200, 301, 302, 401, 403, 404) and answer.trouble is None and not _is_page(answer):
        version = version_in(answer)
        return ok(f"{answer.host} answered in {answer.seconds:.1f} s" + (f", version {version}" if version else ""))
    return trouble_with(answer, datastack.server, name)


def _is_page(answer: object) -> bool:
    return getattr(answer, "status", 0) == 200 and not getattr(answer, "is_json", True)


CHECKS = tuple(
    Check(
        name, "services", name, DatastackFacts, partial(_service, name), (ACCESS,), quiet=True,
        explains=f"The {name} service of the local server is in trouble. The token is not the reason.",
    )
    for name in SERVICES
)
