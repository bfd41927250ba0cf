"""Waiting until something is so, as long as it takes on a computer that is busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LONG = 60.0
"""Seconds after which something that should have happened counts as not happening."""


def until(is_so: Callable[[], object], seconds: float = LONG) -> None:
    """Looks until something has happened in another thread or process."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.01)  # not `time.sleep`, which tests replace
