"""Where this kernel runs: the person's own desktop, a hosted notebook, a batch run. Standard library only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

TOKEN_VARIABLES = ("CAVE_TOKEN", "CAVECLIENT_TOKEN", "CHUNKEDGRAPH_SECRET", "API_SECRET")
"""Environment variables that people put a token in; caveclient reads none of them."""

# Markers that the platforms set themselves.
_PLATFORMS = (
    ("Colab", ("COLAB_RELEASE_TAG", "COLAB_GPU")),
    ("Binder", ("BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST", "BINDER_REPO_URL")),
    ("Code Ocean", ("CO_CAPSULE_ID", "CO_COMPUTATION_ID")),
    ("Kaggle", ("KAGGLE_KERNEL_RUN_TYPE",)),
    ("Codespaces", ("CODESPACES",)),
    ("JupyterHub", ("JUPYTERHUB_USER", "JUPYTERHUB_API_TOKEN")),
)
_FORGETFUL = {"Colab", "Binder", "Code Ocean", "Kaggle"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the kernel runs.

    Attributes:
        platform: "Colab", "Binder", "Code Ocean", "Kaggle", "Codespaces", "JupyterHub", "ssh", "a container", or ""
            for the person's own computer as far as can be seen.
        forgets: whether the home folder is thrown away with the session.
        has_screen: whether a browser opened by this kernel appears before the person.
    """

    platform: str
    forgets: bool
    has_screen: bool


def find_place(environ: Mapping[str, str] | None = None) -> Place:
    """Recognises the place from the environment (of this process, unless another is given)."""
    env = os.environ if environ is None else environ
    platform = next((name for name, marks in _PLATFORMS if any(env.get(mark) for mark in marks)), "")
    if not platform and (env.get("SSH_CONNECTION") or env.get("SSH_TTY")):
        platform = "ssh"
    if not platform and (os.path.exists("/.dockerenv") or env.get("container") or env.get("KUBERNETES_SERVICE_HOST")):
        platform = "a container"
    return Place(platform, platform in _FORGETFUL, not platform and _has_desktop(env))


def _has_desktop(env: Mapping[str, str]) -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))


def open_browser(address: str) -> bool:
    """Opens a page in a graphical browser on the person's own screen; never a text browser, which would block."""
    import webbrowser

    if not find_place().has_screen:
        return False
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    if isinstance(browser, webbrowser.GenericBrowser) and not isinstance(browser, webbrowser.BackgroundBrowser):
        return False
    try:
        return browser.open(address)
    except (OSError, webbrowser.Error):
        return False
