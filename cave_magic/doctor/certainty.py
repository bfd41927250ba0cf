"""Whether a report is certain while caveclient is still being imported, when everything else is known.

The import comes early in the order of cause, because an import that fails is a cause of its own: a report that does not
wait for it must not hide that. So the rule is:

1. A check failed. Access is never called good before caveclient has been imported.
2. What failed cannot have the same cause as an import that fails: a response, or a failure of the network with a known
   meaning. Requests are sent without caveclient, so what a server or the network says is true in any case.
3. Nothing makes it likely that the import fails: caveclient and its requirements are installed in the versions that it
   accepts, requests works, and no file of the user has the name of a package. So a package that is missing or too
   old comes first, as it does when the import is awaited. If the import fails all the same, the report still names a
   real fault, and the next check names the import.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..api.failures import Failure

if TYPE_CHECKING:
    from .evidence import Evidence, Machine
    from .model import CheckResult


def is_certain(rows: Iterable[CheckResult], evidence: Evidence) -> bool:
    """Whether the import of caveclient, which is all that is unknown, can no longer change which row comes first."""
    from .model import Status  # lazily: the requests are sent first

    if Status.CRASHED in (statuses := {row.status for row in rows}) or Status.FAILED not in statuses:
        return False
    responses = [one for server in evidence.servers for one in server.responses]
    return not is_doubtful(evidence.machine) and all(one.failure is not Failure.UNKNOWN for one in responses)


def is_doubtful(machine: Machine) -> bool:
    """Whether something makes it likely that caveclient cannot be imported."""
    is_broken = "caveclient" not in machine.versions or machine.requests_problem
    return bool(is_broken or machine.unmet_requirements != () or machine.shadowing_files)
