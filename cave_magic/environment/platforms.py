"""Where this kernel runs: on a desktop, on a hosted platform, in a batch job. Standard library only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from ..ui.door import on_windows

TOKEN_VARIABLES = ("CAVE_TOKEN", "CAVECLIENT_TOKEN", "CHUNKEDGRAPH_SECRET", "API_SECRET")
"""Environment variables in which people keep tokens; caveclient reads none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A platform, and how it keeps secrets.

    Attributes:
        name: what people call it.
        marks: environment variables that it sets.
        is_ephemeral: whether the home folder is deleted at the end of the session.
        secrets_name: where it keeps secrets, in words; "" if it cannot keep any.
        python: the Python that puts a secret called CAVE_TOKEN into `token`; "" if it is an environment variable.
    """

    name: str
    marks: tuple[str, ...]
    is_ephemeral: bool = False
    secrets_name: str = "an environment variable or a secret of this platform"
    python: str = ""


_PLATFORMS = (
    Platform(
        name="Colab",
        marks=("COLAB_RELEASE_TAG", "COLAB_GPU"),
        is_ephemeral=True,
        secrets_name="the Secrets of Colab (the key on the left)",
        python='from google.colab import userdata; token = userdata.get("CAVE_TOKEN")',
    ),
    Platform(
        name="Binder",
        marks=("BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST", "BINDER_REPO_URL"),
        is_ephemeral=True,
        secrets_name="",
    ),
    Platform(
        name="Code Ocean",
        marks=("CO_CAPSULE_ID", "CO_COMPUTATION_ID"),
        is_ephemeral=True,
        secrets_name="the Secrets of your Code Ocean account, attached to this capsule",
    ),
    Platform(
        name="Kaggle",
        marks=("KAGGLE_KERNEL_RUN_TYPE",),
        is_ephemeral=True,
        secrets_name="the Secrets of Kaggle (menu Add-ons)",
        python='from kaggle_secrets import UserSecretsClient; token = UserSecretsClient().get_secret("CAVE_TOKEN")',
    ),
    Platform(
        name="Codespaces", marks=("CODESPACES",), secrets_name="the Codespaces secrets in your settings on GitHub"
    ),
    Platform(name="JupyterHub", marks=("JUPYTERHUB_USER", "JUPYTERHUB_API_TOKEN")),
    Platform(name="a cluster job", marks=("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID")),
    Platform(name="ssh", marks=("SSH_CONNECTION", "SSH_TTY")),
    Platform(name="a container", marks=("container", "KUBERNETES_SERVICE_HOST")),
)
_CONTAINER = ("/.dockerenv", "/run/.containerenv")
_BY_NAME = {platform.name: platform for platform in _PLATFORMS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where the kernel runs; by default on the person's own desktop.

    Attributes:
        platform: the name of the platform, such as "Colab" or "a cluster job"; "" for the person's own computer.
        is_ephemeral: whether the home folder is deleted at the end of the session.
        has_display: whether the person can see a browser that this kernel opens.
    """

    platform: str = ""
    is_ephemeral: bool = False
    has_display: bool = True

    @property
    def secrets_name(self) -> str:
        """Where the platform keeps secrets, in words; "" if it cannot keep any."""
        return self._kind.secrets_name

    @property
    def python(self) -> str:
        """The Python that puts a secret called CAVE_TOKEN into `token`; "" if it is an environment variable."""
        return self._kind.python

    @property
    def note(self) -> str:
        """What a person should know before a token is saved here; "" on most platforms."""
        if not self.is_ephemeral:
            return ""
        lost = f"{self.platform} deletes this home folder at the end of the session, and a saved token with it. "
        if not self.secrets_name:
            return f"{lost}It cannot keep secrets, so paste the token again next time."
        return f"{lost}Keep the token as CAVE_TOKEN in {self.secrets_name}, and start the next notebook with:"

    @property
    def _kind(self) -> Platform:
        return _BY_NAME.get(self.platform, Platform(name=self.platform, marks=()))


def detect_runtime(environ: Mapping[str, str] | None = None) -> Runtime:
    """Recognises the platform from the environment variables (default: those of this process)."""
    env = os.environ if environ is None else environ
    kind = next((one for one in _PLATFORMS if any(env.get(mark) for mark in one.marks)), None)
    if kind is None and any(map(os.path.exists, _CONTAINER)):
        kind = _BY_NAME["a container"]
    has_screen = bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))
    if kind is None:
        return Runtime(has_display=has_screen or on_windows() or sys.platform == "darwin")
    # A container with a screen, such as toolbox or distrobox, is part of the person's own desktop.
    return Runtime(
        platform=kind.name, is_ephemeral=kind.is_ephemeral, has_display=has_screen and kind.name == "a container"
    )
