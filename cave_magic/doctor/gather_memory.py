"""What this kernel remembers between checks. It only saves time: every fact comes from a new response."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..api.responses import MEMORY_SECONDS
from ..token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What earlier checks learnt, so that the next one can send its requests at the same time.

    Attributes:
        accepted: (server, token) pairs that the auth server accepted.
        local_servers: (server, datastack) -> the address of its data server.
        datasets: (server, datastack) -> its dataset, if that has another name; while the account may view it, no
            request is needed.
        readable: server -> the datasets that its account may view, most of which are datastacks of the same name.
        contradictions: (server, datastack, token, error code) -> when the info service was first and last seen to
            contradict the auth server, in seconds since 1970.
    """

    accepted: set[tuple[str, Token]] = field(default_factory=set)
    local_servers: dict[tuple[str, str], str] = field(default_factory=dict)
    datasets: dict[tuple[str, str], str] = field(default_factory=dict)
    readable: dict[str, tuple[str, ...]] = field(default_factory=dict)
    contradictions: dict[tuple[str, str, Token, str], tuple[float, float]] = field(default_factory=dict)

    def clear(self) -> None:
        """Forgets everything, like a new kernel."""
        for one in (self.accepted, self.local_servers, self.datasets, self.readable, self.contradictions):
            one.clear()

    def contradicted_since(self, key: tuple[str, str, Token, str], at: float) -> float:
        """Records a contradiction and returns when it was first seen.

        Args:
            key: as in `contradictions`.
            at: now, in seconds since 1970.
        """
        first, last = self.contradictions.get(key, (at, at))
        first = first if at - last < 2 * MEMORY_SECONDS else at  # after a long gap it is a new one
        self.contradictions[key] = first, at
        return first


MEMORY = Memory()
"""The memory of this kernel."""
