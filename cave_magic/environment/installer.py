"""What can install packages into the environment of this kernel, and with which options. Standard library only."""

from __future__ import annotations

import os
import site
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """What can install packages here; by default `%pip`.

    Attributes:
        tool: "pip", "uv", "conda", "mamba", "micromamba", "ensurepip" (pip is missing, but this Python can install it),
            or "" if nobody but an administrator can change this environment.
        options: what pip must be told: `--user` for a read-only Python, `--break-system-packages` for one that the
            operating system manages (PEP 668).
        python: this kernel's Python.
        venv: how to make another environment here: "venv", "uv", or "" if neither is there.
    """

    tool: str = "pip"
    options: tuple[str, ...] = ()
    python: str = "python"
    venv: str = "venv"


def find_installer() -> Installer:
    """The installer of this kernel's environment."""
    folder = site.getsitepackages()[0 if os.name == "posix" else -1]  # without sysconfig, which takes 2 ms to import
    is_writable, in_venv = os.access(folder, os.W_OK), sys.prefix != sys.base_prefix
    managed = not in_venv and os.path.exists(os.path.join(os.path.dirname(os.__file__), "EXTERNALLY-MANAGED"))
    options = ("--break-system-packages",) if managed else ()
    has_ensurepip = find_spec("ensurepip") is not None
    if find_spec("pip") is not None:
        tool = "pip" if is_writable or site.ENABLE_USER_SITE else ""
        options = options if is_writable else ("--user", *options)
    else:
        tool = "" if not is_writable else "uv" if _has_uv() else "ensurepip" if has_ensurepip else ""
    return Installer(
        tool=tool,
        options=options if tool else (),
        python=sys.executable or "python",
        venv="venv" if has_ensurepip else "uv" if _has_uv() else "",
    )


def find_conda(name: str) -> Installer | None:
    """The conda, mamba or micromamba that installed a package; None if something else did, or it is not to be found."""
    from shutil import which

    records = Path(sys.prefix, "conda-meta").glob(f"{name}-*.json")
    is_owned = any(one.name.rpartition("-")[0].rpartition("-")[0] == name for one in records)
    tool = next((one for one in ("conda", "mamba", "micromamba") if which(one)), "") if is_owned else ""
    if is_owned and not tool and os.path.exists(os.environ.get("CONDA_EXE", "")):
        tool = "conda"  # which `%conda` finds through the environment's history
    return Installer(tool=tool, python=sys.executable) if tool and os.access(sys.prefix, os.W_OK) else None


def _has_uv() -> bool:
    from shutil import which

    return which("uv") is not None
