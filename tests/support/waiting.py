"""Waiting until something is so, as long as it takes on a computer that is busy."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LONG = 60.0
"""Seconds after which something that should have happened counts as not happening."""
TIMEOUTS = (0.4, 4.0, 30.0)
"""Seconds. The shortest one is enough, unless the computer is so busy that nothing happens in it."""


def long_enough(act: Callable[[float], T], is_so: Callable[[T], object]) -> T:
    """What is found within a timeout, the next longer one if it is not so: what happens before it may take longer."""
    for seconds in TIMEOUTS:
        if is_so(found := act(seconds)):
            break
    return found


def until(is_so: Callable[[], object], seconds: float = LONG) -> None:
    """Looks until something has happened in another thread or process."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.01)  # not `time.sleep`, which tests replace
