"""Builds the lines to type about the workers of a cluster."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..credentials.target import Target
from ..doctor import next_steps
from ..doctor.model import Command
from ..environment.packages import version_of
from ..ui.document import Line, line


def check_workers(target: Target, client: str) -> Command:
    """`%cave_check --workers` for a target; in a script, `cave_magic.check(workers=...)`."""
    return next_steps.check(target, "--workers", next_steps.quoted(client.removeprefix('Client("').removesuffix('")')))


def give_token(target: Target, client: str, replaces: bool) -> Command:
    """Gives the workers of a client (Python) the token that is stored here; replaces theirs if `replaces`."""
    server = f", server={json.dumps(target.server)}" if target.names_server else ""
    plugin = f"CaveAccess({json.dumps(target.datastack)}{server}{', overwrite=True' if replaces else ''})"
    return _on(client, f"from cave_magic.dask import CaveAccess; {{}}.register_plugin({plugin})")


def install_on_workers(client: str) -> Command:
    """Installs this package on the workers of a client, in the version that is here, and restarts them."""
    plugin = f'PipInstall(["cave-magic=={version_of("cave-magic") or ""}"], restart_workers=True)'
    return _on(client, f"from distributed import PipInstall; {{}}.register_plugin({plugin})")


def restart_workers(addresses: Sequence[str], client: str) -> Command:
    """Restarts workers of a client."""
    return _on(client, f"{{}}.restart_workers({list(addresses)!r})")


def over_tls() -> Line:
    """Encrypts the connections of a cluster; the line is for those that start from this Python."""
    security = Command("from distributed import Security; security = Security.temporary()")
    return line("start the cluster and the client over TLS (", security, ", and give both security=security)")


def _on(client: str, text: str) -> Command:
    opening = "from distributed import Client; " if client.startswith("Client(") else ""
    return next_steps.python_line(opening + text.format(client))
