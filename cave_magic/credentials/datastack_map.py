"""The file in which caveclient remembers the server of each datastack. `save` and the fixes write it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..api.urls import holds_secret
from ..deployments import DEFAULT_SERVER, KNOWN_SERVERS, meant_address
from .file_problems import FileProblem
from .token_files import State, parse_object, read_settled, secrets_folder

MAP_NAME = "cave_datastack_to_server_map.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMap:
    """caveclient's datastack map as it is on disk."""

    path: Path
    state: State
    problem: FileProblem | None = None
    entries: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def with_secrets(self) -> tuple[str, ...]:
        """The datastacks whose remembered address contains a token or a password."""
        return tuple(name for name, value in self.entries.items() if holds_secret(value))

    def opens_on(self, datastack: str) -> str:
        """The server that `CAVEclient(datastack)` uses: the remembered one, else the default.

        "" if the remembered address contains a secret, since no request may be sent there.
        """
        entry = self.entries.get(datastack)
        if not isinstance(entry, str) or not entry:
            return DEFAULT_SERVER
        return "" if holds_secret(entry) else entry.rstrip("/")


def map_file() -> Path:
    """The path of caveclient's datastack map."""
    return secrets_folder() / MAP_NAME


def read_map() -> ServerMap:
    """Reads caveclient's datastack map; never raises."""
    content = read_settled(path := map_file())
    if content.state is not State.READ:
        return ServerMap(path=path, state=content.state, problem=content.problem)
    data, problem = parse_object(content.text)
    if not isinstance(data, dict):
        return ServerMap(path=path, state=State.MALFORMED, problem=problem)
    return ServerMap(path=path, state=State.READ, entries=data)


def known_servers() -> tuple[str, ...]:
    """The normalized addresses of the known servers and of those in the datastack map."""
    return tuple(dict.fromkeys((*KNOWN_SERVERS, *filter(None, map(meant_address, remembered_servers())))))


def remembered_servers() -> list[str]:
    """The first 200 addresses in the datastack map, as they are written there."""
    return [value for value in read_map().entries.values() if isinstance(value, str)][:200]
