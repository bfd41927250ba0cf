"""Gathers the facts about this computer: its packages, its settings, and the folder of the token files."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from ..api.special_files import harmful_netrc
from ..credentials import datastack_map, token_files
from ..credentials.obstacles import folder_obstacle
from ..credentials.regular_files import shared
from ..credentials.target import Target
from ..environment import packages, platforms
from ..environment.platforms import TOKEN_VARIABLES
from ..environment.proxies import read_proxy_settings
from ..environment.resources import current_shortage
from ..token import Token
from . import next_steps
from .evidence import Machine

if TYPE_CHECKING:
    from ..environment.installer import Installer

T = TypeVar("T")

PACKAGES = (
    "cave-magic", "caveclient", "cloud-volume", "cloud-files", "requests", "urllib3", "pandas", "numpy", "ipython",
    "rich",
)  # fmt: skip


def look_at_computer(targets: Sequence[Target], everything: bool, can_ask: bool) -> Machine:
    """The facts that need no import of caveclient; `gather` adds the others.

    Args:
        targets: what is checked; a token would be saved for the first.
        everything: whether all datastacks of their servers are checked.
        can_ask: whether the user can answer a prompt.
    """
    target, folder = targets[0], token_files.secrets_folder()
    return Machine(
        versions=versions(),
        find_installer=_find_installer,
        shortage=attempt(current_shortage, None),
        harmful_netrc=attempt(harmful_netrc, None),
        netrc_variable="NETRC" in os.environ,
        runtime=platforms.detect_runtime(),
        token_variables={name: Token(value) for name in TOKEN_VARIABLES if (value := os.environ.get(name, "").strip())},
        proxy_settings=read_proxy_settings(),
        token_folder=folder,
        folder_problem=attempt(folder_obstacle, None),
        folder_writable_by_others=attempt(lambda: bool(shared(folder.stat()) & stat.S_IWOTH), False),
        datastack_map=datastack_map.read_map(),
        target=target,
        check_command=next_steps.check_everything(target) if everything else next_steps.check_all(targets),
        can_ask=can_ask,
    )


def attempt(look: Callable[[], T], otherwise: T) -> T:
    """What `look` returns, or `otherwise` if it raises: one failure must not hide the other facts."""
    try:
        return look()
    except Exception:
        return otherwise


def versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """The versions of Python and of the given packages that are installed."""
    found = {"python": attempt(lambda: platform.python_version(), None)}  # a script called platform.py lacks it
    found |= {name: attempt(partial(packages.version_of, name), None) for name in names}
    return {name: version for name, version in found.items() if version}


def _find_installer() -> Installer:
    from ..environment.installer import Installer, find_installer  # lazily: only lines that install something need it

    return attempt(find_installer, Installer())
