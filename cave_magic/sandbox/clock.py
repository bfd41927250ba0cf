"""The seconds by which a practice server lets things expire; a test can advance them instead of sleeping."""

from __future__ import annotations

import time


class Clock:
    """Seconds that only grow. Call it to read it."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self._skipped

    def advance(self, seconds: float) -> None:
        """Skip so many seconds. Raises ValueError for a negative number."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds} s")
        self._skipped += seconds
