"""The world of the fault tests: Ada's computer with a practice server, and Ada, who follows the advice to the letter."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flask
import pytest
import requests

from cave_magic.api.urls import host_of
from cave_magic.sandbox import Sandbox

from ...support.shell import Ran, Run, ipython, move_to, run_in, save_for_ada, settings, sit_at_terminal

NEW = "0123456789abcdef0123456789abcdef"
"""A token that no server knows."""
ID = "/auth/api/v1/user/cache"
FULL = "/info/api/v2/datastack/full/minnie65_public"


def says(status: int, body: object) -> Any:
    """A service that always returns the same response."""
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "text/html" if isinstance(body, str) else "application/json"
    return lambda request: flask.Response(text, status=status, content_type=kind)


def bad(report: Any) -> list[tuple[str, str]]:
    """The id and status of the rows of a report that are not ok, skipped or a warning."""
    return [(row.id, row.status.value) for row in report.rows if row.status.value not in ("ok", "skipped", "warning")]


@dataclass
class World:
    """Ada's computer, in which a fault happens."""

    cave: Sandbox
    home: Path
    run: Run
    shell: Any
    patch: Any
    person: str = "ada"
    token: str = ""
    argument: str = ""
    closing: list[Any] = field(default_factory=list)

    @property
    def secrets(self) -> Path:
        return self.home / ".cloudvolume" / "secrets"

    @property
    def server_file(self) -> Path:
        return self.secrets / f"{host_of(self.cave.server)}-cave-secret.json"

    @property
    def local_file(self) -> Path:
        return self.secrets / f"{host_of(self.cave.local_server)}-cave-secret.json"

    @property
    def default_file(self) -> Path:
        return self.secrets / "cave-secret.json"

    @property
    def map_file(self) -> Path:
        return self.secrets / "cave_datastack_to_server_map.json"

    def write(self, path: Path, content: object) -> None:
        """Writes an owner-only file: text as it is, anything else as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        path.chmod(0o600)

    def save(self, token: str) -> None:
        """Writes a token to all token files of the server."""
        for path in (self.server_file, self.default_file, self.local_file):
            self.write(path, {"token": token})

    def hurry(self) -> None:
        """Something never responds: no check waits for it for long."""
        settings(self.shell).timeout = 6.0

    def check(self) -> Any:
        """The report of `%cave_check`."""
        ran = self.run(f"_report = %cave_check {self.argument} -o".replace("  ", " "))
        assert ran.error == "", ran.message
        assert "Traceback" not in ran.out
        return self.shell.user_ns["_report"]

    def visit(self, url: str) -> None:
        """Opens a link, signs in and accepts the terms there."""
        token = self.cave.new_login_token(self.person)
        with requests.Session() as browser:
            page = browser.get(url, cookies={"middle_auth_token": token}, timeout=60)
            if "/tos/" in url and page.status_code == 200:
                browser.post(url, cookies={"middle_auth_token": token}, timeout=60)

    def follow(self, next_step: Any) -> None:
        """Follows a `Next:` line to the letter: first the link, then each command."""
        if next_step.url:
            self.visit(next_step.url)
        for command in next_step.commands:
            if command.startswith("%cave_check") and "--fix" not in command:
                self.argument = command.removeprefix("%cave_check").strip()
                continue
            self.run(command)

    def fix(self, report: Any = None) -> Any:
        """Follows Next, from a report or a new one, and checks until the report is green, at most four times."""
        report = report or self.check()
        for _ in range(4):
            next_step = report.next or self._advice(report)
            if next_step is None:
                return report
            self.follow(next_step)
            report = self.check()
        return report

    @staticmethod
    def _advice(report: Any) -> Any:
        """The next step of the first warning."""
        return next((row.next_step for row in report.rows if row.status == "warning" and row.next_step), None)


@contextmanager
def working(cave: Sandbox, home: Path, run: Run, shell: Any, patch: Any, token: str) -> Iterator[World]:
    """Ada's computer, on which everything works; she answers every prompt with a working token."""

    world = World(cave, home, run, shell, patch, token=token)
    sit_at_terminal(patch)
    patch.setattr("getpass.getpass", lambda prompt="": cave.new_token(world.person))
    patch.setattr("builtins.input", lambda prompt="": "y")
    settings(shell).timeout = 20.0  # a request gets half of it: a healthy one takes long only on a busy computer
    try:
        yield world
    finally:
        cave.behave()


@contextmanager
def from_nothing() -> Iterator[World]:
    """The same without pytest, with a temporary practice server, home and shell."""
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory(prefix="cave-fault-") as folder,
        Sandbox() as cave,
    ):
        home = move_to(Path(folder) / "home", patch)
        with ipython() as shell:
            run = _quietly(shell)
            with working(cave, home, run, shell, patch, save_for_ada(cave, shell)) as world:
                yield world


def _quietly(shell: Any) -> Run:
    """Runs cells and captures their output."""

    def run(cell: str) -> Ran:
        output = io.StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            return run_in(shell, cell, output.getvalue)

    return run
