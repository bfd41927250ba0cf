"""The clock of a practice server, which a test can advance instead of sleeping."""

from __future__ import annotations

import time


class Clock:
    """A monotonic clock in seconds. Call it to read it."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._skipped

    def advance(self, seconds: float) -> None:
        """Skips some seconds. Raises ValueError for a negative number."""
        if seconds < 0:
            raise ValueError(f"cannot go back in time: {seconds} s")
        self._skipped += seconds
