"""A real JupyterLab server, a real browser, and a person who types in cells and clicks links."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox
from tests.support.ports import free_ports

KEY = "browser-tests"
"""The password of the Jupyter server, which listens on loopback only."""

SLOW = 60_000
"""Milliseconds after which something that should have happened counts as not happening."""

STARTING = 150.0
"""Seconds after which a server that has not answered counts as not starting."""

CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
    "--disable-site-isolation-trials", "--renderer-process-limit=1",  # a process for each site takes seconds to start
)  # fmt: skip
POLL = 50
"""Milliseconds after which a page is asked again; by default it is with each frame, 60 times a second."""

PRIVATE = ("JUPYTER", "IPYTHON", "PYTHON", "CAVE", "HTTP_", "HTTPS_", "ALL_PROXY", "NO_PROXY", "DISPLAY", "WAYLAND")
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "completer-extension/manager": {"providerTimeout": 60_000},  # by default, a kernel has a second to complete
    "apputils-extension/themes": {"theme": "JupyterLab Light", "adaptive-theme": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder carries the marker `browser`, and may take longer: first servers and a browser start."""
    for item in items:
        if "whole_way/browser/" in item.nodeid:
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(400))


# ---------------------------------------------------------------- the server and the browser


@dataclass(frozen=True)
class Jupyter:
    """A running Jupyter server: its address, and the folders of its notebooks and kernels."""

    address: str
    notebooks: Path
    kernels: Path

    def link(self, front_end: str, path: Path, server: str = "") -> str:
        """The page on which a notebook is open in "lab" or "notebook", perhaps at another address of the server."""
        folder = {"lab": "lab/tree", "notebook": "notebooks"}[front_end]
        return f"{server or self.address}/{folder}/{path.name}?token={KEY}" + ("&reset" if front_end == "lab" else "")


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """One Jupyter server for all tests, with folders of its own."""
    pytest.importorskip("jupyterlab")
    root = tmp_path_factory.mktemp("jupyter")
    for name in ("home", "data/kernels", "config/labconfig", "runtime", "settings", "workspaces", "notebooks"):
        (root / name).mkdir(parents=True)
    no_check = {"buildCheck": False}  # which starts Node.js
    (root / "config" / "labconfig" / "page_config.json").write_text(json.dumps(no_check))
    for name, values in SETTINGS.items():
        path = root / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    port = free_ports()
    started = Jupyter(f"http://127.0.0.1:{port}", root / "notebooks", root / "data" / "kernels")
    with (root / "log").open("w") as log:
        server = subprocess.Popen(
            _command(port, root), env=environment(root), cwd=root, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _wait_for(started.address, server, root / "log")
            yield started
        finally:
            end(server)


def end(server: subprocess.Popen[bytes]) -> None:
    """Lets a server clean up, but not for ever."""
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(60)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _command(port: int, root: Path) -> list[str]:
    return [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={KEY}",
        f"--ServerApp.root_dir={root / 'notebooks'}", *arguments(root),
    ]  # fmt: skip


def arguments(root: Path) -> list[str]:
    """What every Jupyter server of the tests is told."""
    return [
        "--allow-root", "--ServerApp.terminals_enabled=False",
        "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
        "--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--NotebookNotary.db_file={root / 'signatures.db'}",
    ]  # fmt: skip


def environment(root: Path) -> dict[str, str]:
    """The variables of a server whose folders are below `root`, without those of the person who runs the tests."""
    env = {name: value for name, value in os.environ.items() if not name.upper().startswith(PRIVATE)}
    return env | {
        "HOME": str(root / "home"),
        "JUPYTER_DATA_DIR": str(root / "data"),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(root / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces"),
    }


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{address}/api/status?token={KEY}", timeout=20):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the Jupyter server did not answer: {log.read_text()[-2000:]}")


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A window of headless Chromium. Without it the tests are skipped; on a CI machine they fail."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        reason = f"no browser: none of {', '.join(names)} is installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    playwright = pytest.importorskip("playwright.sync_api")
    env = os.environ | {"HOME": str(tmp_path_factory.mktemp("browser"))}
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=CHROMIUM, env=env, timeout=STARTING * 1000)
        context = chromium.new_context(permissions=["clipboard-read", "clipboard-write"])
        context.set_default_timeout(SLOW)
        yield context  # one for all tests: the front end's scripts come out of its cache
        chromium.close()


@pytest.fixture(scope="package")
def lab(jupyter: Jupyter, browser: Any) -> Any:
    """A tab with JupyterLab, which takes seconds to load; each test opens a notebook of its own in it."""
    page = browser.new_page()
    page.goto(f"{jupyter.address}/lab?token={KEY}&reset")
    page.wait_for_function("() => window.jupyterapp && window.jupyterapp.restored.then(() => true)", polling=POLL)
    return page


@contextmanager
def tunnel(port: int) -> Iterator[int]:
    """What `ssh -L` does: another port of this computer leads to this one; gives the other port."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65_536):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as there:
                threading.Thread(target=copy, args=(there, self.request), daemon=True).start()
                copy(self.request, there)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close = True, False

    with Server(("127.0.0.1", 0), Connection) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


# ---------------------------------------------------------------- a person at a notebook


class Notebook:
    """A notebook that is open in a browser."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page, self.path = page, path
        self._next = 0

    def type(self, text: str) -> int:
        """Types into the next cell; gives its number."""
        number, self._next = self._next, self._next + 1
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.insert_text(text)
        return number

    def start(self, text: str) -> int:
        """Types into the next cell and runs it, without waiting for the end."""
        number = self.type(text)
        self.page.keyboard.press("Shift+Enter")
        self.cell(number + 1).wait_for()
        return number

    def run(self, text: str) -> str:
        """Runs the next cell; returns its output."""
        return self.wait(self.start(text))

    def wait(self, number: int) -> str:
        """Waits for the end of a cell; returns its output."""
        prompt = self.cell(number).locator(".jp-InputPrompt").first
        self.page.wait_for_function("one => /\\d/.test(one.textContent)", arg=prompt.element_handle(), polling=POLL)
        return self.text(number)

    def cell(self, number: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def output(self, number: int) -> Any:
        return self.cell(number).locator(".jp-Cell-outputArea")

    def text(self, number: int) -> str:
        return str(self.output(number).inner_text()) if self.output(number).count() else ""

    def source(self, number: int) -> str:
        """The current source of a cell."""
        return str(self.cell(number).locator(".cm-content").inner_text())

    def wait_for_no_box(self, number: int) -> None:
        """Waits until no prompt is left below a cell."""
        self.box(number).wait_for(state="detached")

    def box(self, number: int) -> Any:
        """The prompt below a cell."""
        return self.cell(number).locator(".jp-Stdin-input")

    def answer(self, number: int, text: str) -> None:
        """Pastes an answer into the prompt and presses Enter."""
        self.box(number).last.fill(text)
        self.box(number).last.press("Enter")

    def stop(self) -> None:
        """Presses the stop button."""
        self.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()

    def sees(self, number: int, text: str | re.Pattern[str]) -> Any:
        """Waits for a text in the output of a cell; returns the element that contains it."""
        found = self.output(number).get_by_text(text).first
        found.wait_for(timeout=SLOW)
        return found

    def links(self, number: int, count: int) -> list[Any]:
        """Waits for so many links in the output of a cell, which may come after its prompt; returns them."""
        links = self.output(number).locator("a")
        links.nth(count - 1).wait_for()
        found: list[Any] = links.all()
        assert len(found) == count
        return found

    def clear(self) -> None:
        """Deletes all cells: an empty one is left."""
        run = "name => window.jupyterapp.commands.execute(name)"
        for command in ("notebook:select-all", "notebook:delete-cell"):
            self.page.evaluate(run, command)
        self.cell(1).wait_for(state="detached")
        self._next = 0

    def saved(self) -> dict[str, Any]:
        """Saves the notebook; gives what is in the file."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
        content: dict[str, Any] = json.loads(self.path.read_text())
        return content

    def switch_theme(self, name: str) -> None:
        """Chooses a theme, as the menu does."""
        self.page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=light, polling=POLL)


def copy(page: Any) -> None:
    """Copies a token on the tokens page, which says so for one second and a half; here for ever."""
    button = page.get_by_role("button", name="Copy").first
    button.wait_for()
    page.evaluate("window.setTimeout = () => 0")
    button.click()
    page.get_by_text("Copied").wait_for()


PATIENT = "browser_sign_in.HELLO = 60.0"
"""For a kernel to which its page says hello, which takes long on a busy computer."""


def start_with(home: Path, code: str) -> None:
    """Has each kernel of a home run some code when it starts; it also gives verifying a sign-in a minute."""
    startup = home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True, exist_ok=True)
    patience = "from cave_magic.login import browser_sign_in\nbrowser_sign_in.PATIENCE = 60.0"
    (startup / "00-test.py").write_text(f"{patience}\n{code}\n")


Open = Callable[..., Notebook]

_KERNEL_IS_READY = """() => {
    const open = window.jupyterapp && window.jupyterapp.shell.currentWidget;
    return open && open.sessionContext && open.sessionContext.session?.kernel?.status === 'idle'; }"""


def wait_for_kernel(page: Any) -> None:
    """Waits until the notebook on a page can run cells."""
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.wait_for()
    page.wait_for_function(_KERNEL_IS_READY, polling=POLL)


_OPEN_IN_LAB = """async ([path, name]) => {
    const app = window.jupyterapp;
    for (const widget of [...app.shell.widgets('main')]) widget.dispose();
    await app.serviceManager.kernelspecs.refreshSpecs();
    await app.commands.execute('docmanager:open', {path, factory: 'Notebook', kernel: {name}}); }"""


@contextmanager
def kernel_in(folder: Path, home: Path, cave: Sandbox) -> Iterator[str]:
    """A kernel in a folder of kernels, whose home is the test's and whose CAVE server is the practice server; its name."""
    name = home.parent.name.lower()
    profile = home / ".ipython" / "profile_default"
    profile.mkdir(parents=True, exist_ok=True)
    (profile / "ipython_kernel_config.py").write_text(
        f'c.InteractiveShellApp.extensions = ["cave_magic"]\nc.CaveMagics.server = "{cave.server}"\n'
        "c.CaveMagics.timeout = 60.0\n"  # a busy computer takes long to import caveclient
        "c.CaveMagics.fill_next_cell = False\n"  # the tests type into the next cell
    )
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3",
        "language": "python",
        "env": {"HOME": str(home), "IPYTHONDIR": str(home / ".ipython")},
    }
    (folder / name).mkdir()
    (folder / name / "kernel.json").write_text(json.dumps(spec))
    yield name
    shutil.rmtree(folder / name)


@pytest.fixture
def kernel(jupyter: Jupyter, home: Path, cave: Sandbox) -> Iterator[str]:
    """A kernel of the Jupyter server; its name."""
    with kernel_in(jupyter.kernels, home, cave) as name:
        yield name


def write_notebook(path: Path, kernel: str) -> None:
    """Writes a notebook with one empty cell."""
    spec = {"name": kernel, "display_name": "Python 3", "language": "python"}
    cell = {"cell_type": "code", "id": "first", "metadata": {}, "source": "", "outputs": [], "execution_count": None}
    whole = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": spec}, "cells": [cell]}
    path.write_text(json.dumps(whole))


@pytest.fixture
def open_notebook(jupyter: Jupyter, browser: Any, lab: Any, kernel: str) -> Iterator[Open]:
    """Opens a notebook with one empty cell in "lab" or "notebook"."""

    def open_one(front_end: str = "lab", width: int = 1280, server: str = "") -> Notebook:
        path = jupyter.notebooks / f"{kernel}.ipynb"
        write_notebook(path, kernel)
        page = lab if front_end == "lab" else browser.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        if front_end == "lab":
            page.bring_to_front()
            page.evaluate(_OPEN_IN_LAB, [path.name, kernel])
        else:
            page.goto(jupyter.link(front_end, path, server))
        wait_for_kernel(page)
        return Notebook(page, path)

    yield open_one
    for page in browser.pages:
        if page is not lab:
            page.close()
    browser.clear_cookies()
    _end_kernels(jupyter)


def _end_kernels(jupyter: Jupyter) -> None:
    with urllib.request.urlopen(f"{jupyter.address}/api/sessions?token={KEY}", timeout=60) as answer:
        sessions = json.load(answer)
    for session in sessions:
        address = f"{jupyter.address}/api/sessions/{session['id']}?token={KEY}"
        with urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=60):
            pass
