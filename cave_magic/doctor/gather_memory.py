"""What this kernel remembers between checks. It only saves time: every fact comes from a new response.

There is one exception: `--all` does not ask again for each datastack within `MEMORY_SECONDS`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields

from ..api.responses import MEMORY_SECONDS, Response
from ..token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What earlier checks learnt, so that the next one can send its requests at the same time.

    Attributes:
        accepted: (server, token) pairs that the auth server accepted.
        opened: (server, datastack, token) -> the response with which the info service opened it. Only `--all` uses it.
        local_servers: (server, datastack) -> the address of its data server.
        datasets: (server, datastack) -> its dataset, if that has another name; while the account may view it, no
            request is needed.
        readable: server -> the datasets that its account may view, most of which are datastacks of the same name.
        contradictions: (server, datastack, token, error code) -> when the info service was first and last seen to
            contradict the auth server, in seconds since 1970.
    """

    accepted: set[tuple[str, Token]] = field(default_factory=set)
    opened: dict[tuple[str, str, Token], Response] = field(default_factory=dict)
    local_servers: dict[tuple[str, str], str] = field(default_factory=dict)
    datasets: dict[tuple[str, str], str] = field(default_factory=dict)
    readable: dict[str, tuple[str, ...]] = field(default_factory=dict)
    contradictions: dict[tuple[str, str, Token, str], tuple[float, float]] = field(default_factory=dict)

    def clear(self) -> None:
        """Forgets everything, like a new kernel."""
        for one in fields(self):
            getattr(self, one.name).clear()

    def opened_lately(self, server: str, token: Token | None) -> dict[str, Response]:
        """The datastacks of a server that its info service opened within `MEMORY_SECONDS`, and its responses.

        That service itself remembers permissions for that long.
        """
        oldest = time.time() - MEMORY_SECONDS
        mine = {name: one for (where, name, owner), one in self.opened.items() if (where, owner) == (server, token)}
        return {name: one for name, one in mine.items() if one.at > oldest}

    def contradicted_since(self, key: tuple[str, str, Token, str], at: float) -> float:
        """Records a contradiction that is seen `at` this time, and returns when it was first seen."""
        first, last = self.contradictions.get(key, (at, at))
        first = first if at - last < 2 * MEMORY_SECONDS else at  # after a long gap it is a new one
        self.contradictions[key] = first, at
        return first


MEMORY = Memory()
"""The memory of this kernel."""
