"""A computer between two CAVE servers, on which everything that a magic prints is typed again, to the letter.

The default server goes by its real name and TLS, another one stands beside it; any other request is noted. Both
have the same people and datastacks, so that nothing but the address tells them apart.
"""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from urllib3.util import connection

from cave_magic.api.urls import host_of
from cave_magic.doctor import next_steps
from cave_magic.doctor.gather_memory import MEMORY
from cave_magic.doctor.model import Command
from cave_magic.sandbox import Sandbox

from .shell import Ran, ipython, run_in, sit_at_terminal

DEFAULT_HOSTS = ("global.daf-apis.com", "minnie.microns-daf.com")
LINK = re.compile(r"https?://[^\s,;)]+[^\s,;).]")


@dataclass
class Computer:
    """Somebody's computer.

    Attributes:
        default: the server that CAVEclient goes to by itself.
        other: a server that no table has.
        strays: hosts that somebody wanted to connect to, and that are neither.
        printed: the commands that the last line showed.
        links: the addresses of pages in them.
        answers: the server whose token is pasted at a prompt.
    """

    home: Path
    patch: Any
    printed_by: Callable[[], str]
    default: Sandbox
    other: Sandbox
    strays: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    answers: Sandbox | None = None

    @property
    def secrets(self) -> Path:
        return self.home / ".cloudvolume" / "secrets"

    def file_of(self, server: Sandbox) -> Path:
        """The token file of a server."""
        self.secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.secrets / f"{host_of(server.server)}-cave-secret.json"

    def content_of(self, server: Sandbox) -> str:
        """What the token file of a server holds; "" without one."""
        file = self.file_of(server)
        return file.read_text() if file.is_file() else ""

    @contextmanager
    def kernel(self) -> Iterator[Callable[[str], Ran]]:
        """A fresh kernel: what runs a cell in it."""
        MEMORY.clear()
        with ipython() as shell:
            yield lambda cell: run_in(shell, cell, self.printed_by)

    def run(self, *cells: str) -> Ran:
        """Runs cells in a fresh kernel; `printed` has the lines that the last one shows."""
        with self.kernel() as run:
            for cell in cells[:-1]:
                assert not run(cell).error
            built: list[str] = []
            with self.patch.context() as patch:
                patch.setattr(next_steps, "Command", lambda text, **more: built.append(text) or Command(text, **more))
                ran = run(cells[-1])
        said = " ".join((ran.out + " " + ran.message).split())
        shown = [one for one in dict.fromkeys(built) if _stands_in(one, said)]
        self.printed = [one for one in shown if not any(one in other and one != other for other in shown)]
        self.links = list(dict.fromkeys(LINK.findall(ran.out + " " + ran.message)))
        return ran

    def clear(self) -> None:
        """Forgets who was asked."""
        self.strays.clear()
        for server in (self.default, self.other):
            server.clear_requests()

    @contextmanager
    def as_it_is(self) -> Iterator[None]:
        """The home folder is put back afterwards."""
        copy = self.home.with_name("copy")
        shutil.copytree(self.home, copy, symlinks=True)
        yield
        shutil.rmtree(self.home)
        copy.rename(self.home)

    def asked(self, server: Sandbox) -> bool:
        """Whether a server was asked anything since `clear`."""
        return bool(server.requests)

    def got_a_strange_token(self, server: Sandbox) -> bool:
        """Whether a token that is not its own reached a server."""
        return any((one.authorization or one.cookie) and one.user is None for one in server.requests)


def _stands_in(command: str, said: str) -> bool:
    """Whether a command was shown as a whole, and not as the beginning of a longer one."""
    text = " ".join(command.split())
    return re.search(re.escape(text) + r"(?! -)(?![\w=\"/-])", said) is not None


@contextmanager
def computer(home: Path, patch: Any, printed: Callable[[], str]) -> Iterator[Computer]:
    """A computer between the two servers, whose person pastes what `answers` gives and says yes to everything."""
    with ExitStack() as stack:
        default = stack.enter_context(Sandbox(tls=True, hosts=DEFAULT_HOSTS))
        here = Computer(home, patch, printed, default, stack.enter_context(Sandbox()))
        patch.setenv("REQUESTS_CA_BUNDLE", default.certificate)
        patch.setattr(connection, "create_connection", _led(here, connection.create_connection))
        sit_at_terminal(patch)
        patch.setattr("getpass.getpass", lambda prompt="": (here.answers or here.other).new_token("ada"))
        patch.setattr("builtins.input", lambda prompt="": "y")
        patch.setattr("webbrowser.open", lambda *args, **options: True)
        yield here


def _led(here: Computer, real: Callable[..., socket.socket]) -> Callable[..., socket.socket]:
    def create(address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        host, port = address
        if host in here.default.doors:
            return real(("127.0.0.1", here.default.doors[host]), *args, **options)
        if host != "127.0.0.1":
            here.strays.append(host)
            raise OSError(f"nobody may ask {host}")
        return real((host, port), *args, **options)

    return create


def visit(url: str, token: str) -> requests.Response:
    """Opens a link as somebody who is signed in, and accepts what has to be accepted there."""
    with requests.Session() as browser:
        browser.cookies.set("middle_auth_token", token)
        page = browser.get(url, timeout=60)
        return browser.post(url, timeout=60) if "/tos/" in url and page.ok else page
