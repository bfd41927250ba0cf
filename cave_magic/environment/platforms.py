"""Where this kernel runs: on a desktop, on a hosted platform, or in a batch job. Standard library only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..ui.door import on_windows

TOKEN_VARIABLES = ("CAVE_TOKEN", "CAVECLIENT_TOKEN", "CHUNKEDGRAPH_SECRET", "API_SECRET")
"""Environment variables in which people keep tokens; caveclient reads none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where the kernel runs; by default on the person's own desktop.

    Attributes:
        platform: what people call the platform, such as "Colab" or "a cluster job"; "" for the person's own computer.
        is_ephemeral: whether the home folder is deleted at the end of the session.
        has_display: whether the person can see a browser that this kernel opens.
        secrets_name: where the platform keeps secrets, in words; "" if it cannot keep any.
        python: the Python that puts a secret called CAVE_TOKEN into `token`; "" if it is an environment variable.
    """

    platform: str = ""
    is_ephemeral: bool = False
    has_display: bool = True
    secrets_name: str = "an environment variable or a secret of this platform"
    python: str = ""

    @property
    def note(self) -> str:
        """What a person should know before a token is saved here; "" on most platforms."""
        if not self.is_ephemeral:
            return ""
        lost = f"{self.platform} deletes this home folder at the end of the session, and a saved token with it. "
        if not self.secrets_name:
            return f"{lost}It cannot keep secrets, so paste the token again next time."
        return f"{lost}Keep the token as CAVE_TOKEN in {self.secrets_name}, and start the next notebook with:"


COLAB = Runtime(
    platform="Colab",
    is_ephemeral=True,
    secrets_name="the Secrets of Colab (the key icon on the left)",
    python='from google.colab import userdata; token = userdata.get("CAVE_TOKEN")',
)
BINDER = Runtime(platform="Binder", is_ephemeral=True, secrets_name="")
CODE_OCEAN = Runtime(
    platform="Code Ocean",
    is_ephemeral=True,
    secrets_name="the Secrets of your Code Ocean account, attached to this capsule",
)
KAGGLE = Runtime(
    platform="Kaggle",
    is_ephemeral=True,
    secrets_name="the Secrets of Kaggle (menu Add-ons)",
    python='from kaggle_secrets import UserSecretsClient; token = UserSecretsClient().get_secret("CAVE_TOKEN")',
)
CODESPACES = Runtime(platform="Codespaces", secrets_name="the Codespaces secrets in your settings on GitHub")
CONTAINER = Runtime(platform="a container")
PLATFORMS = (
    (COLAB, "COLAB_RELEASE_TAG", "COLAB_GPU"),
    (BINDER, "BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST", "BINDER_REPO_URL"),
    (CODE_OCEAN, "CO_CAPSULE_ID", "CO_COMPUTATION_ID"),
    (KAGGLE, "KAGGLE_KERNEL_RUN_TYPE"),
    (CODESPACES, "CODESPACES"),
    (Runtime(platform="JupyterHub"), "JUPYTERHUB_USER", "JUPYTERHUB_API_TOKEN"),
    (Runtime(platform="a cluster job"), "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"),
    (Runtime(platform="ssh"), "SSH_CONNECTION", "SSH_TTY"),
    (CONTAINER, "container", "KUBERNETES_SERVICE_HOST"),
)
"""The platforms, and the environment variables that each sets."""
_CONTAINER = ("/.dockerenv", "/run/.containerenv")


def detect_runtime(environ: Mapping[str, str] | None = None) -> Runtime:
    """Recognises the platform from the environment variables (default: those of this process)."""
    env = os.environ if environ is None else environ
    kind = next((one for one, *marks in PLATFORMS if any(map(env.get, marks))), None)
    if kind is None and any(map(os.path.exists, _CONTAINER)):
        kind = CONTAINER
    has_screen = bool(env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"))
    if kind is None:
        return Runtime(has_display=has_screen or on_windows() or sys.platform == "darwin")
    # A container with a screen, such as toolbox or distrobox, is part of the person's own desktop.
    return replace(kind, has_display=has_screen and kind is CONTAINER)
