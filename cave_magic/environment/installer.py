"""What can install packages into the environment of this kernel, and with which options. Standard library only."""

from __future__ import annotations

import os
import re
import shutil
import site
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..ui.door import on_windows

_SETTINGS = (
    *("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf"),
    *("$ProgramData/pip/pip.ini", "~/pip/pip.ini", "$APPDATA/pip/pip.ini"),
)
_YES = ("1", "true", "yes", "on", "y", "t")
_LONGEST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """What can install packages here; by default `%pip`.

    Attributes:
        tool: "pip", "uv", "conda", "mamba", "micromamba", "ensurepip" (pip is missing, but this Python can install it),
            or "" if nobody but an administrator can change this environment.
        options: what pip must be told: `--user` for a read-only Python, `--break-system-packages` for one that the
            operating system manages (PEP 668), `--no-user` where its settings say `--user` and that cannot work.
        unset: environment variables with which it fails, or installs into a folder that this kernel does not search.
        constrained: the packages whose versions the file in PIP_CONSTRAINT limits.
        python: this kernel's Python.
        venv: how to make another environment here: "venv", "uv", or "" if neither is there.
    """

    tool: str = "pip"
    options: tuple[str, ...] = ()
    unset: tuple[str, ...] = ()
    constrained: tuple[str, ...] = ()
    python: str = "python"
    venv: str = "venv"


def find_installer() -> Installer:
    """The installer of this kernel's environment."""
    folder = site.getsitepackages()[-1 if on_windows() else 0]  # without sysconfig, which takes 2 ms to import
    is_writable, has_pip = os.access(folder, os.W_OK), _works("pip._internal.cli.main")
    makers = {"venv": find_spec("ensurepip") is not None, "uv": shutil.which("uv") is not None}
    tools = {
        "pip": has_pip and (is_writable or bool(site.ENABLE_USER_SITE)),
        "uv": not has_pip and is_writable and makers["uv"],
        # ensurepip would take what is left of a pip for a whole one
        "ensurepip": not has_pip and is_writable and makers["venv"] and not _works("pip"),
    }
    marker = os.path.join(os.path.dirname(os.__file__), "EXTERNALLY-MANAGED")
    options = {
        "--user": has_pip and not is_writable,
        "--break-system-packages": sys.prefix == sys.base_prefix and os.path.exists(marker),
        "--no-user": has_pip and is_writable and not site.ENABLE_USER_SITE and _is_set_to_user(),
    }
    tool = next(filter(tools.get, tools), "")
    return Installer(
        tool=tool,
        options=tuple(filter(options.get, options)) if tool else (),
        unset=_in_the_way("UV_" if tool == "uv" else "PIP_"),
        constrained=_constrained(),
        python=sys.executable or "python",
        venv=next(filter(makers.get, makers), ""),
    )


def find_conda(name: str) -> Installer | None:
    """The conda, mamba or micromamba that installed a package; None if something else did, or it cannot be found."""
    records = Path(sys.prefix, "conda-meta").glob(f"{name}-*.json")
    is_owned = any(one.name.rpartition("-")[0].rpartition("-")[0] == name for one in records)
    tool = next((one for one in ("conda", "mamba", "micromamba") if shutil.which(one)), "") if is_owned else ""
    if is_owned and not tool and os.path.exists(os.environ.get("CONDA_EXE", "")):
        tool = "conda"  # which `%conda` finds through the environment's history
    return Installer(tool=tool, python=sys.executable) if tool and os.access(sys.prefix, os.W_OK) else None


def _works(module: str) -> bool:
    """Whether a module can be found; packages around it are imported."""
    with suppress(Exception):  # the package around it is broken
        return find_spec(module) is not None
    return False


def _is_set_to_user() -> bool:
    """Whether the settings of pip say `--user`, which many clusters have."""
    if "PIP_USER" in os.environ:
        return _is_yes(os.environ["PIP_USER"])
    from configparser import ConfigParser

    files = ConfigParser()
    with suppress(Exception):  # a malformed file, with which pip fails, too
        usual = [os.path.expandvars(os.path.expanduser(one)) for one in _SETTINGS]
        own = [os.path.join(sys.prefix, name) for name in ("pip.conf", "pip.ini")]
        files.read(filter(os.path.isfile, (*usual, *own, os.environ.get("PIP_CONFIG_FILE", ""))))  # not a pipe
        return any(files.getboolean(one, "user", fallback=False) for one in ("global", "install"))
    return False


def _in_the_way(prefix: str) -> tuple[str, ...]:
    """The variables that begin with the prefix and keep the installer from its work (pip 25, uv 0.8)."""
    files = [one for one in os.environ.get("PIP_CONSTRAINT", "").split() if "://" not in one]
    fails: dict[str, Callable[[str], bool]] = {
        **dict.fromkeys(("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT"), _leads_elsewhere),
        **dict.fromkeys(("PIP_CERT", "UV_CONSTRAINT"), lambda value: not os.path.exists(value)),
        **dict.fromkeys(("PIP_DRY_RUN", "PIP_REQUIRE_HASHES", "UV_OFFLINE"), _is_yes),
        "PIP_CONSTRAINT": lambda value: not all(map(os.path.exists, files)),
        "PIP_NO_INDEX": lambda value: _is_yes(value) and not os.environ.get("PIP_FIND_LINKS"),
        "PIP_PYTHON": lambda value: os.path.realpath(value) != os.path.realpath(sys.executable or ""),
        "PIP_REQUIRE_VIRTUALENV": lambda value: _is_yes(value) and sys.prefix == sys.base_prefix,
    }
    found = {name: value for name in fails if name.startswith(prefix) and (value := os.environ.get(name))}
    return tuple(name for name, value in found.items() if fails[name](value))


def _constrained() -> tuple[str, ...]:
    """The packages in the files of PIP_CONSTRAINT, which images of institutes set (NVIDIA's do)."""
    found: list[str] = []
    for path in filter(os.path.isfile, os.environ.get("PIP_CONSTRAINT", "").split()):
        with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            found += re.findall(r"(?m)^\s*([\w.-]+)", file.read(_LONGEST))
    return tuple(re.sub(r"[-_.]+", "-", one).lower() for one in found)


def _is_yes(value: str) -> bool:
    return value.lower() in _YES


def _leads_elsewhere(folder: str) -> bool:
    """Whether packages below a folder are not found by this kernel."""
    place = os.path.abspath(folder)
    return not any(os.path.abspath(one).startswith(place) for one in sys.path)
