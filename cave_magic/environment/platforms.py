"""Where this kernel runs: the person's own desktop, a hosted notebook, a batch run. Standard library only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

TOKEN_VARIABLES = ("CAVE_TOKEN", "CAVECLIENT_TOKEN", "CHUNKEDGRAPH_SECRET", "API_SECRET")
"""Environment variables that people put a token in; caveclient reads none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """A kind of place, and how a secret is kept there.

    Attributes:
        name: what people call it.
        marks: environment variables that it sets itself.
        is_ephemeral: whether the home folder is thrown away with the session.
        secrets_name: its place for secrets, or "" where it has none.
        python: the Python that puts a secret called CAVE_TOKEN into `token`; "" where it is an environment variable.
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
    """Where the kernel runs; by default a person's own desktop.

    Attributes:
        platform: "Colab", "Binder", "Code Ocean", "Kaggle", "Codespaces", "JupyterHub", "a cluster job", "ssh",
            "a container", or "" for the person's own computer as far as can be seen.
        is_ephemeral: whether the home folder is thrown away with the session.
        has_display: whether a browser opened by this kernel appears before the person.
    """

    platform: str = ""
    is_ephemeral: bool = False
    has_display: bool = True

    @property
    def secrets_name(self) -> str:
        """Where a secret is kept here, in words; "" where there is no place for it."""
        return self._kind.secrets_name

    @property
    def python(self) -> str:
        """The Python that puts a secret called CAVE_TOKEN into `token`; "" where it is an environment variable."""
        return self._kind.python

    @property
    def note(self) -> str:
        """What a person should know before a token is saved here; mostly "". `lines.recall` goes with it."""
        if not self.is_ephemeral:
            return ""
        lost = f"{self.platform} throws this home folder away at the end, and a saved token with it. "
        if not self.secrets_name:
            return f"{lost}It has no place for secrets, so paste the token again next time."
        return f"{lost}Keep the token as CAVE_TOKEN in {self.secrets_name}, and begin the next notebook with:"

    @property
    def _kind(self) -> Platform:
        return _BY_NAME.get(self.platform, Platform(name=self.platform, marks=()))


def detect_runtime(environ: Mapping[str, str] | None = None) -> Runtime:
    """Recognises the place from the environment (of this process, unless another is given)."""
    env = os.environ if environ is None else environ
    kind = next((one for one in _PLATFORMS if any(env.get(mark) for mark in one.marks)), None)
    if kind is None and any(map(os.path.exists, _CONTAINER)):
        kind = _BY_NAME["a container"]
    if kind is None:
        return Runtime(platform="", is_ephemeral=False, has_display=_has_desktop(env))
    return Runtime(platform=kind.name, is_ephemeral=kind.is_ephemeral, has_display=False)


def _has_desktop(env: Mapping[str, str]) -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))
