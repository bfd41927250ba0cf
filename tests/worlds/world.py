"""One world: Ada's computer and a practice server, with what is broken, and Ada, who types what is printed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import logging
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests.adapters

from cave_magic.credentials.save import save_token
from cave_magic.doctor.checks import causes, network
from cave_magic.doctor.gather_memory import MEMORY
from cave_magic.doctor.report import to_markdown
from cave_magic.environment import name_lookup
from cave_magic.sandbox import Sandbox
from cave_magic.token import Token

from ..doctor.faults import world as fault_world
from ..support.followed import DEFAULT_HOSTS
from ..support.person import LEAST, Records
from ..support.shell import Ran, ipython, move_to, run_in, settings, sit_at_terminal

SECONDS = 3.0
"""The timeout of each check, unless a fault needs more."""
LONGER = 6
"""The timeout that a check advises in these worlds, instead of a minute."""
SLACK = 2.0
"""How much longer a check may take on a busy machine, in seconds."""
PASSWORD = "pass-w0rd-of-ada"
"""The password in proxies and `.netrc`; nothing may show it."""
KEPT = "kept-by-another-program"
"""What other programs keep in files that are repaired; it must still be somewhere at the end."""
NOBODY = 65534


@dataclass
class World(fault_world.World):
    """Ada's computer, which a fault changes.

    Attributes:
        begins: what a new kernel begins with, such as a module that is found before the real one.
        names: host -> port on loopback, for `socket.getaddrinfo`; a function may answer in its place.
        foreign: what hosts received that must never get a token.
        secret: other secrets than tokens of the practice server.
        kernel: the running shell.
        outputs: everything that was printed.
        outer: the environment in which each kernel starts.
        server_setting: the server in the settings of each kernel.
        is_green: whether the first report was.
        seconds: the timeout of each check.
        foreign_content: whether another program keeps something in a file; it must be somewhere at the end.
    """

    begins: list[Callable[[], object]] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    lookup: Callable[..., Any] | None = None
    foreign: list[Callable[[], bytes]] = field(default_factory=list)
    secret: list[str] = field(default_factory=lambda: [PASSWORD])
    stack: ExitStack = field(default_factory=ExitStack)
    kernel: ExitStack = field(default_factory=ExitStack)
    outputs: list[str] = field(default_factory=list)
    outer: dict[str, str] = field(default_factory=dict)
    logs: Records = field(default_factory=Records)
    server_setting: str = ""
    is_green: bool = False
    seconds: float = SECONDS
    foreign_content: bool = False

    # ---------------------------------------------------------------- for faults

    @property
    def legacy_file(self) -> Path:
        """The deprecated token file."""
        return self.secrets / "chunkedgraph-secret.json"

    def environ(self, name: str, value: str) -> None:
        """Sets an environment variable of this kernel and all that follow."""
        os.environ[name] = value

    def raw(self, path: Path, content: bytes, mode: int = 0o600) -> None:
        """Replaces whatever is at a path by a file with these bytes."""
        self.remove(path)
        path.write_bytes(content)
        path.chmod(mode)

    @staticmethod
    def remove(path: Path) -> None:
        """Removes a file or a link, if there is one."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()

    @contextlib.contextmanager
    def administrator(self) -> Iterator[None]:
        """Acts as root; only where the tests run as root."""
        os.seteuid(0)
        try:
            yield
        finally:
            os.seteuid(NOBODY)

    # ---------------------------------------------------------------- the kernel

    def start(self) -> None:
        """Starts a kernel: the environment as outside, and no memory."""
        os.environ.clear()
        os.environ.update(self.outer)
        self._enter_folder()
        MEMORY.clear()
        importlib.invalidate_caches()
        self.kernel = ExitStack()
        self.shell = self.kernel.enter_context(ipython())
        self.shell.register_magic_function(lambda line: self.outputs.append(f"%pip {line}"), magic_name="pip")
        own = settings(self.shell)
        own.timeout, own.server = self.seconds, self.server_setting
        for begin in self.begins:
            begin()

    def _enter_folder(self) -> None:
        """The kernel runs in the notebook's folder, if it is there."""
        with contextlib.suppress(OSError):
            os.chdir(self.home / "analysis")

    def stop(self) -> None:
        """Stops the kernel, from a folder that is there: IPython asks for it."""
        os.chdir(self.home if self.home.is_dir() else "/")
        self.kernel.close()

    def restart(self) -> None:
        """Restarts the kernel."""
        self.stop()
        self.start()

    def type(self, line: str) -> Ran:
        """Types a line; its output is kept."""
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            ran = run_in(self.shell, line, output.getvalue)
        self.outputs.append(f"{line}\n{ran.out}{ran.message}")
        return ran

    def look(self, line: str) -> tuple[Any, Ran, float]:
        """Types a check: its report (None if there is none), what it did, and the seconds that it took."""
        self.shell.user_ns.pop("_report", None)
        start = time.monotonic()
        ran = self.type(f"_report = {line} -o")
        return self.shell.user_ns.get("_report"), ran, time.monotonic() - start

    def works(self, line: str) -> str:
        """Types a line that makes a client, with a limit; the error, "" if it works."""
        done: list[str] = []

        def call() -> None:
            try:
                exec(line, {})
                done.append("")
            except BaseException as error:
                done.append(f"{type(error).__name__}: {str(error)[:150]}")

        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        thread.join(LONGER)
        return done[0] if done else "it hangs"

    def visit(self, url: str) -> None:
        """Opens a link; what the browser writes into a log is not ours."""
        before = list(self.logs.lines)
        super().visit(url)
        self.logs.lines[:] = before

    # ---------------------------------------------------------------- what must not change, what must not be seen

    def files(self) -> dict[str, tuple[object, ...]]:
        """Path -> type, mode, owner, and content of every file in the home folder, but for what Python compiles."""
        found: dict[str, tuple[object, ...]] = {}
        for folder, folders, names in os.walk(self.home):
            folders[:] = set(folders) - {"__pycache__"} - ({".ipython"} if folder == str(self.home) else set())
            for name in (*folders, *names):
                path = os.path.join(folder, name)
                found[path] = _state_of(path)
        return found

    def leaks(self, report: Any) -> list[str]:
        """The places in which a part of a secret is found."""
        secrets = {*self.cave._accounts.tokens.known(), *self.secret}
        parts = {one[at : at + LEAST] for one in secrets for at in range(len(one) - LEAST + 1)}
        seen = {
            "output": "\n".join(self.outputs),
            "log": "\n".join(self.logs.lines),
            "path of a request": "\n".join(record.path for record in self.cave.requests),
            "foreign host": "\n".join(got().decode("latin-1") for got in self.foreign),
        }
        if report is not None:
            seen |= {"repr": repr(report), "JSON": json.dumps(report.to_dict()), "--report": to_markdown(report)}
        return [place for place, text in seen.items() if any(part in text for part in parts)]


def _state_of(path: str) -> tuple[object, ...]:
    try:
        about = os.lstat(path)
    except PermissionError:  # in a folder that can be listed and not entered
        return ("out of reach",)
    content = os.readlink(path) if stat.S_ISLNK(about.st_mode) else ""
    if stat.S_ISREG(about.st_mode) and os.access(path, os.R_OK):
        content = hashlib.sha1(Path(path).read_bytes()).hexdigest()
    return about.st_mode, about.st_uid, content


@contextlib.contextmanager
def healthy(folder: Path, tls: bool) -> Iterator[World]:
    """A world in which everything works, before its kernel starts.

    Args:
        folder: an empty folder of this user.
        tls: whether the server has https and the names of a real one.
    """
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        home = move_to(folder / "home", patch)
        cave = stack.enter_context(Sandbox(tls=tls, hosts=DEFAULT_HOSTS if tls else ()))
        world = World(cave, home, run=None, shell=None, patch=patch, stack=stack)  # type: ignore[arg-type]
        world.names.update(cave.doors)
        if tls:
            patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", cave.certificate)
        patch.setattr(socket, "getaddrinfo", _looked_up(world, socket.getaddrinfo))
        for module in (network, causes):
            patch.setattr(module, "LONGER", LONGER)
        patch.setattr(name_lookup, "private_address_of", lambda name: "")  # every name leads to this computer
        sit_at_terminal(patch)
        patch.setattr("getpass.getpass", lambda prompt="": cave.new_token(world.person))
        patch.setattr("builtins.input", lambda prompt="": "y")
        patch.setattr("webbrowser.open", lambda *args, **options: True)
        (home / "analysis").mkdir()
        os.chdir(home / "analysis")
        sys.path.insert(0, "")
        logging.getLogger().addHandler(world.logs)
        world.token = cave.new_token("ada", description="laptop")
        seen = [name for name in cave.datastacks if name not in ("secret_ds", "orphan_ds")]
        save_token(Token(world.token), cave.server, local_servers=[cave.local_server], datastacks=seen, opened=seen[:1])
        world.server_setting = "" if tls else cave.server
        try:
            yield world
        finally:
            cave.behave()
            world.stop()


def _looked_up(world: World, real: Callable[..., Any]) -> Callable[..., Any]:
    def look_up(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host in ("127.0.0.1", "localhost", None):
            return real(host, port, *args, **options)
        if world.lookup is not None:
            return world.lookup(host, port)
        if host not in world.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return loopback(world.names[host])

    return look_up


def loopback(port: int) -> list[Any]:
    """What `getaddrinfo` says about a port of this computer."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
