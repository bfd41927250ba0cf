"""The configuration of the hub of `test_hub.py`: any name, one password, each server a process on this computer."""

from __future__ import annotations

import json
import os
from pathlib import Path

root, port = Path(os.environ["HUB_ROOT"]), int(os.environ["HUB_PORT"])
c = get_config()  # noqa: F821 (JupyterHub provides it)
c.JupyterHub.bind_url = f"https://127.0.0.1:{port}/jupyter/"  # the proxy ends TLS and sets X-Forwarded-Proto
c.JupyterHub.ssl_cert, c.JupyterHub.ssl_key = str(root / "hub.pem"), str(root / "hub.key")
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port + 1}/"
c.JupyterHub.db_url = f"sqlite:///{root / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(root / "cookie_secret")
c.JupyterHub.authenticator_class = "dummy"
c.JupyterHub.spawner_class = "simple"
c.DummyAuthenticator.allow_all = True
c.DummyAuthenticator.password = os.environ["HUB_PASSWORD"]
c.ConfigurableHTTPProxy.command = [os.environ["HUB_PROXY"]]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 2}"
c.ConfigurableHTTPProxy.pid_file = str(root / "proxy.pid")
c.SimpleLocalProcessSpawner.home_dir_template = str(root / "{username}")
c.Spawner.cmd = [os.environ["HUB_PYTHON"], "-m", "jupyterhub.singleuser"]
c.Spawner.args = json.loads(os.environ["HUB_ARGUMENTS"])
c.Spawner.environment = json.loads(os.environ["HUB_ENVIRONMENT"])


def prepare(spawner) -> None:
    """Each server has a port of its own; Bea's has no jupyter-server-proxy."""
    spawner.port = port + 3 + ["ada", "bea"].index(spawner.user.name)
    if spawner.user.name == "bea":
        spawner.args = [*spawner.args, "--ServerApp.jpserver_extensions={'jupyter_server_proxy': False}"]


c.Spawner.pre_spawn_hook = prepare
