"""A temporary home, a real IPython shell, a person who is set up: for fixtures and for programs."""

from __future__ import annotations

import atexit
import json
import os
import platform
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cave_magic.api.urls import host_of
from cave_magic.credentials.atomic_write import LOCK_NAME
from cave_magic.credentials.token_files import secrets_folder
from cave_magic.environment.name_lookup import is_ip_address
from cave_magic.environment.platforms import TOKEN_VARIABLES
from cave_magic.sandbox import Sandbox
from cave_magic.ui import frontend

from .waiting import LONG

_SETTINGS = (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CLOUD_VOLUME_DIR",
    "CLOUD_FILES_DIR", "R_USER", "CAVE_TOKEN_FILE", "XDG_CONFIG_HOME",
)  # fmt: skip


@dataclass
class Ran:
    """What a cell did: what it printed, its error's name and text, and its value."""

    out: str
    error: str
    message: str
    value: Any


Run = Callable[[str], Ran]


def move_to(folder: Path, patch: Any) -> Path:
    """Makes a folder the home of this process, with no setting of the person's left."""
    folder.mkdir()
    for name in ("HOME", "USERPROFILE"):
        patch.setenv(name, str(folder))
    patch.setenv("IPYTHONDIR", str(folder / ".ipython"))
    for name in (
        *_SETTINGS,
        *(name.lower() for name in _SETTINGS),
        *TOKEN_VARIABLES,
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "NETRC",
    ):
        patch.delenv(name, raising=False)
    assert os.path.expanduser("~") == str(folder)
    return folder


def stay_on_this_computer(patch: Any) -> None:
    """Lets no name of another computer resolve: nothing ever contacts a real server."""
    lookup, own = socket.getaddrinfo, {None, "", b"", "localhost", platform.node(), socket.gethostname()}

    def only_here(host: Any, *args: Any, **options: Any) -> Any:
        if host not in own and not is_ip_address(host if isinstance(host, str) else host.decode()):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return lookup(host, *args, **options)

    patch.setattr(socket, "getaddrinfo", only_here)


@contextmanager
def ipython() -> Iterator[Any]:
    """A real IPython shell of its own, with the extension loaded and no history file.

    Its commands have a minute, within which also a busy computer imports caveclient and serves all requests.
    """
    from IPython.core.history import HistoryManager
    from IPython.core.interactiveshell import InteractiveShell

    before, HistoryManager.enabled = HistoryManager.enabled, False
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.InteractiveTB.set_mode("Plain")  # the usual one reads and colors the source around each frame: 70 ms an error
    shell.run_line_magic("load_ext", "cave_magic")
    settings(shell).timeout = LONG
    try:
        yield shell
    finally:
        shell.run_line_magic("unload_ext", "cave_magic")
        atexit.unregister(shell.atexit_operations)
        shell.displayhook.flush = lambda: None  # it collects all garbage of the process: a third of a test's time
        shell.atexit_operations()
        InteractiveShell.clear_instance()
        HistoryManager.enabled = before


def sit_at_terminal(patch: Any, *, can_ask: bool = True) -> None:
    """Makes the front end a terminal, where somebody answers questions or nobody does."""
    patch.setattr(frontend, "frontend_for", lambda shell: frontend.TerminalFrontend())
    patch.setattr(frontend.TerminalFrontend, "can_ask", can_ask)


def run_in(shell: Any, cell: str, printed: Callable[[], str]) -> Ran:
    """Runs a cell as a person would; `printed` gives what was printed since it was last asked."""
    printed()
    result = shell.run_cell(cell, store_history=True)
    error = result.error_in_exec or result.error_before_exec
    return Ran(printed(), type(error).__name__ if error else "", str(error or ""), result.result)


def settings(shell: Any) -> Any:
    """The settings of the magics, as `%config CaveMagics` sets them: that line itself loads every magic of IPython."""
    return shell.magics_manager.registry["CaveMagics"]


def save_for_ada(cave: Sandbox, shell: Any) -> str:
    """Sets up a person (Ada) whose access works; gives the token that was saved for her.

    It writes the files that `%cave_save` leaves, which takes a tenth of the time; `whole_way/test_fixtures.py` compares.
    """
    settings(shell).server = cave.server
    token = cave.new_token("ada", description="laptop")
    saved, own = {"token": token}, map(host_of, (cave.server, cave.local_server))
    seen = {name: cave.server for name in cave.datastacks if name not in ("secret_ds", "orphan_ds")}
    folder = secrets_folder()
    for one in (folder.parent, folder):
        one.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("cave-secret.json", *(f"{host}-cave-secret.json" for host in own)):
        _write(folder / name, json.dumps(saved, indent=2) + "\n")
    _write(folder / "cave_datastack_to_server_map.json", json.dumps(seen, indent=2) + "\n")
    _write(folder / LOCK_NAME, "")
    return token


def _write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
