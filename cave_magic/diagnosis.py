"""From the names of datastacks to a report: gather the evidence, run the checks."""

from __future__ import annotations

import time
from collections.abc import Iterable

from .checks import CHECKS
from .doctor import Report, examine
from .evidence import Target, gather
from .inquiry import Watcher

DEFAULT_SECONDS = 10.0


def diagnose(targets: Iterable[Target], seconds: float = DEFAULT_SECONDS, watcher: Watcher | None = None) -> Report:
    """Looks at everything and says what is wrong. Writes nothing and opens nothing.

    Args:
        targets: the datastacks to look at, at least one.
        seconds: the bound on the whole.
        watcher: told whom it waits for, once that takes more than a second.
    """
    start = time.monotonic()
    wanted = tuple(targets)
    evidence = gather(wanted, seconds, watcher)
    rows = examine(CHECKS, evidence.subjects, evidence.above, evidence.label)
    person = next((facts.account for facts in evidence.servers if facts.account), None)
    account = {"name": person.name, "email": person.email, "id": person.id} if person else None
    names = tuple(target.datastack for target in wanted)
    return Report(wanted[0].server, names, account, tuple(rows), time.monotonic() - start)
