"""Which package makes the import of caveclient slow without being required. Only `%cave_check -v` asks."""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TypeVar

from .distributions import Installed, all_installed

T = TypeVar("T")

INTERVAL = 0.01
"""Seconds between two samples of the import."""

NOTICEABLE = 0.3
"""Seconds. A package that takes less time is not named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowImport:
    """A package that is imported although caveclient does not require it.

    Attributes:
        package: its name.
        seconds: the time that its import took, with all that it imports itself.
        total: the time of the whole import.
        needed_by: the installed packages that require it, also through an extra of another package.
    """

    package: str
    seconds: float
    total: float
    needed_by: tuple[str, ...] = ()


class Watch:
    """Samples, from another thread, what an import is doing."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._total = 0.0

    def run(self, importing: Callable[[], T]) -> T:
        """Runs a function that imports caveclient in this thread, and returns what it returns."""
        over, start = threading.Event(), time.monotonic()
        watching = threading.Thread(target=self._look, args=(threading.get_ident(), over), daemon=True)
        watching.start()
        try:
            return importing()
        finally:
            over.set()
            watching.join()
            self._total = time.monotonic() - start

    def _look(self, thread: int, over: threading.Event) -> None:
        before = time.monotonic()
        while not over.wait(INTERVAL):
            now = time.monotonic()
            for module in _inside_caveclient(sys._current_frames().get(thread)):
                self._seconds[module] += now - before
            before = now

    def slowest(self) -> SlowImport | None:
        """The slowest package that caveclient does not require; None if none takes noticeable time.

        Raises:
            ImportError: `packaging` cannot be imported.
        """
        slow = sorted((one for one in self._seconds if self._seconds[one] >= NOTICEABLE), key=self._seconds.__getitem__)
        if not slow:
            return None
        installed = all_installed()
        required = _required_by("caveclient", installed)
        for module in reversed(slow):
            owner = next((one for one in installed if module in one.modules), None)
            if owner is not None and owner.name not in required:
                needed_by = tuple(one.name for one in installed if _requires(one, owner.name, installed))
                seconds = self._seconds[module]
                return SlowImport(package=owner.name, seconds=seconds, total=self._total, needed_by=needed_by)
        return None


def _inside_caveclient(frame: FrameType | None) -> set[str]:
    """The top-level modules that run in the import of caveclient, from the frames of its thread."""
    found: list[str] = []
    while frame is not None:
        found.append(str(frame.f_globals.get("__name__", "")).partition(".")[0])
        frame = frame.f_back
    depth = next((at for at in reversed(range(len(found))) if found[at] == "caveclient"), 0)
    return set(found[:depth])


def _required_by(name: str, installed: Sequence[Installed]) -> set[str]:
    """All that a package requires, directly and indirectly, and itself."""
    found, left = {name}, [name]
    while left:
        wanted = left.pop()
        for one in (one for one in installed if one.name == wanted):
            new = one.requirements().keys() - found
            found |= new
            left += new
    return found


def _requires(one: Installed, name: str, installed: Sequence[Installed]) -> bool:
    """Whether a package requires another, or an extra that does."""
    needs = one.requirements()
    through = ((other, extra) for other in installed for extra in needs.get(other.name, ()))
    return name in needs or any(name in other.requirements(extra) for other, extra in through)
