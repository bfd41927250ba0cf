"""Gathers the facts about this computer: its packages, its settings, and the folder of the token files."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from ..credentials import datastack_map, token_files
from ..credentials.file_problems import FileFault, FileProblem
from ..credentials.target import Target
from ..environment import packages
from ..environment.platforms import TOKEN_VARIABLES, detect_runtime
from ..environment.proxies import read_proxy_settings
from . import next_steps
from .evidence import FolderFix, FolderProblem, Machine
from .model import Command

T = TypeVar("T")

PACKAGES = (
    "cave-magic", "caveclient", "cloud-volume", "cloud-files", "requests", "urllib3", "pandas", "numpy", "ipython",
    "rich",
)  # fmt: skip


def look_at_computer(target: Target, check_command: Command, can_ask: bool) -> Machine:
    """The facts that need no import of caveclient; the others are left empty.

    Args:
        target: the server for which a token would be saved.
        check_command: the command that runs this check again.
        can_ask: whether the user can answer a prompt.
    """
    runtime, folder = detect_runtime(), token_files.secrets_folder()
    is_pasted = can_ask and not runtime.secrets_name
    return Machine(
        versions=versions(),
        caveclient_problem="",
        requests_problem="",
        unmet_requirements=attempt(packages.unmet_requirements, None),
        shadowing_files=(),
        runtime=runtime,
        token_variables=tuple(name for name in TOKEN_VARIABLES if os.environ.get(name, "").strip()),
        proxy_settings=read_proxy_settings(),
        token_folder=folder,
        folder_problem=attempt(_folder_problem, None),
        folder_writable_by_others=os.name == "posix" and attempt(partial(_is_writable_by_others, folder), False),
        datastack_map=datastack_map.read_map(),
        datastacks_with_secrets=attempt(datastack_map.entries_with_secrets, ()),
        leftover_tokens=(),
        scrub_left=tuple,
        check_command=check_command,
        save_commands=(next_steps.save(target),) if is_pasted else next_steps.recall(runtime, target),
        can_ask=can_ask,
    )


def attempt(look: Callable[[], T], otherwise: T) -> T:
    """What `look` returns, or `otherwise` if it raises: one oddity must not hide the other facts."""
    try:
        return look()
    except Exception:
        return otherwise


def versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """The versions of Python and of the given packages that are installed."""
    found = {"python": attempt(lambda: platform.python_version(), None)}  # a script called platform.py lacks it
    found |= {name: attempt(partial(packages.version_of, name), None) for name in names}
    return {name: version for name, version in found.items() if version}


def _is_writable_by_others(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IWOTH)


def _folder_problem() -> FolderProblem | None:
    home, folder = Path(os.path.expanduser("~")), token_files.secrets_folder()
    if not home.is_dir():
        fault = FileFault.HOME_NOT_A_FOLDER if os.path.lexists(home) else FileFault.HOME_MISSING
        problem = FileProblem(fault=fault, details=(token_files.show_path(home),))
        return FolderProblem(path=folder, problem=problem, fix=FolderFix.SET_HOME, unusable=True)
    unusable = not os.access(folder, os.R_OK | os.X_OK)
    if at_fault := token_files.folder_fault():
        path, problem = at_fault
        fix = FolderFix.RESTORE_LINK if token_files.is_lost_link(path) else FolderFix.MOVE_AWAY
        return FolderProblem(path=path, problem=problem, fix=fix, unusable=unusable)
    if of_another := token_files.folder_of_another():
        path, problem = of_another
        return FolderProblem(path=path, problem=problem, fix=FolderFix.MOVE_AWAY, unusable=unusable)
    if not os.path.lexists(folder) or (not unusable and os.access(folder, os.W_OK)):
        return None
    problem = FileProblem(fault=FileFault.NOT_OPENABLE if unusable else FileFault.NOT_WRITABLE)
    return FolderProblem(path=folder, problem=problem, fix=FolderFix.GRANT_ACCESS, unusable=unusable)
