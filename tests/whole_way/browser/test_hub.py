"""A real JupyterHub below a path and behind https, with its proxy, the servers of its users, and a browser.

`HUB_PYTHON` names the Python of another environment for all of them, such as one with JupyterHub 4; the kernels and the
extension stay here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme

from cave_magic.sandbox import Sandbox
from tests.support.ports import free_ports

from .conftest import (
    PATIENT,
    SLOW,
    STARTING,
    Notebook,
    arguments,
    end,
    environment,
    kernel_in,
    start_with,
    wait_for_kernel,
    write_notebook,
)
from .test_signin import names, no_temporary_token_is_left, nothing_saved_in, sign_in_as

PASSWORD = "hub-tests"
ELSEWHERE = """
browser_sign_in.Receiver.sign_in_url = "http://127.0.0.1:1/nobody_listens-there"
"""
"""The browser of the tests is on this computer after all; with this it cannot reach the receiver directly."""


@dataclass(frozen=True)
class Hub:
    """A running hub: its address, and the folders of its people, their kernels and its log."""

    address: str
    root: Path
    kernels: Path

    @property
    def log(self) -> str:
        """What the hub, its proxy and the servers of its people have logged."""
        return (self.root / "log").read_text()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """One hub for all tests. Without its parts they are skipped."""
    pytest.importorskip("jupyterhub")
    pytest.importorskip("jupyter_server_proxy")
    proxy = shutil.which("configurable-http-proxy")
    if proxy is None:
        pytest.skip("no proxy of a hub: npm install -g configurable-http-proxy")
    root = tmp_path_factory.mktemp("hub")
    for name in ("home", "data/kernels", "config", "runtime", "settings", "workspaces", "ada", "bea"):
        (root / name).mkdir(parents=True)
    port = free_ports(5)
    folders = {name: value for name, value in environment(root).items() if name.startswith("JUPYTER")}
    del folders["JUPYTER_RUNTIME_DIR"]  # each server has one of its own
    python = os.environ.get("HUB_PYTHON", sys.executable)
    env = environment(root) | {
        "HUB_ROOT": str(root),
        "HUB_PORT": str(port),
        "HUB_PASSWORD": PASSWORD,
        "HUB_PROXY": proxy,
        "HUB_PYTHON": python,
        "HUB_ARGUMENTS": json.dumps(arguments(root)),
        "HUB_ENVIRONMENT": json.dumps(folders),
    }
    command = [python, "-m", "jupyterhub", "-f", str(Path(__file__).with_name("hub_config.py"))]
    certificate = trustme.CA().issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(root / "hub.key")
    certificate.cert_chain_pems[0].write_to_path(root / "hub.pem")
    started = Hub(f"https://127.0.0.1:{port}/jupyter", root, root / "data" / "kernels")
    with (root / "log").open("w") as log:
        server = subprocess.Popen(command, env=env, cwd=root, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait_for(f"{started.address}/hub/health", server, started)
            yield started
        finally:
            end(server)


def _wait_for(address: str, server: subprocess.Popen[bytes], hub: Hub) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end:
        assert server.poll() is None, hub.log[-3000:]
        try:
            with urllib.request.urlopen(address, timeout=20, context=ssl._create_unverified_context()):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the hub did not answer: {hub.log[-3000:]}")


@pytest.fixture
def at_hub(hub: Hub, browser: Any, home: Path, cave: Sandbox) -> Iterator[Any]:
    """Logs in to the hub as somebody, and opens a notebook there."""
    context = browser.browser.new_context(
        viewport={"width": 1280, "height": 900},
        ignore_https_errors=True,
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(SLOW)

    def open_one(person: str) -> Notebook:
        path = hub.root / person / f"{kernel}.ipynb"
        write_notebook(path, kernel)
        page = context.new_page()
        page.goto(f"{hub.address}/hub/login?next=%2Fjupyter%2Fhub%2Fspawn")
        page.get_by_label("Username").fill(person)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(re.compile(f"/user/{person}/lab"))
        page.goto(f"{hub.address}/user/{person}/lab/tree/{path.name}?reset")
        wait_for_kernel(page)
        return Notebook(page, path)

    with kernel_in(hub.kernels, home, cave) as kernel:
        yield open_one
    context.close()


def test_one_click_on_a_hub(hub: Hub, at_hub: Any, cave: Sandbox, home: Path):
    """Log in to the hub, one line, one click: sign-in, user name and terms in one tab, and back through the hub's https."""
    start_with(home, PATIENT)
    notebook = at_hub("ada")
    setup = notebook.start("%cave_setup new")
    notebook.sees(setup, re.compile("waiting for your sign-in in the browser, 5 min left"))
    (link,) = notebook.links(setup, 1)
    with notebook.page.context.expect_page() as opened:
        link.click()
    tab = opened.value
    sign_in_as(tab, "grace@lab.example.org")
    tab.get_by_role("button", name="Continue").click()
    tab.get_by_role("button", name="I accept").click()
    tab.get_by_text("You are signed in").wait_for()
    assert re.fullmatch(rf"{hub.address}/user/ada/proxy/\d+/done/[\w-]+", tab.url)
    assert "You are set up." in notebook.wait(setup)
    assert len(names(cave, "grace")) == 1
    assert no_temporary_token_is_left(cave)
    assert nothing_saved_in(notebook, cave)
    assert "All well" in notebook.run("%cave_check")
    assert not [token for token in cave._accounts.tokens.known() if token in hub.log]


def test_without_a_proxy_in_the_server_a_paste_is_enough(hub: Hub, at_hub: Any, cave: Sandbox, home: Path):
    """The prompt comes after two seconds; sign in at the link beside it, and paste the address of the page where it ends."""
    start_with(home, ELSEWHERE)
    notebook = at_hub("bea")
    notebook.run("import cave_magic.commands.setup")
    before = time.monotonic()
    setup = notebook.start("%cave_setup new")
    notebook.box(setup).wait_for()
    assert time.monotonic() - before < 60  # two seconds and a busy computer; a sign-in takes five minutes
    link, _ = notebook.links(setup, 2)
    came: list[str] = []
    notebook.page.context.on("request", lambda request: came.append(request.url))
    with notebook.page.context.expect_page() as opened:
        link.click()
    sign_in_as(opened.value, "ada@example.org")
    opened.value.wait_for_url(re.compile("chrome-error|token="))
    notebook.answer(setup, next(url for url in came if "token=" in url))
    assert "You are set up." in notebook.wait(setup)
    assert no_temporary_token_is_left(cave)
    assert nothing_saved_in(notebook, cave)
