"""Files whose code Python and IPython run when a kernel starts, and the one that breaks an import."""

from __future__ import annotations

import os
import site
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.machinery import PathFinder
from pathlib import Path

from .import_fault import Action, Cause, ImportFault, Repair
from .trial import ImportTrial, run

_MOST = 12
"""How many files are tried at most."""


def files_of_python() -> list[str]:
    """`sitecustomize`, `usercustomize`, and the `.pth` files with lines that import."""
    specs = map(PathFinder.find_spec, ("sitecustomize", "usercustomize"))
    found = [spec.origin for spec in specs if spec is not None and spec.origin]
    for folder in (*site.getsitepackages(), site.getusersitepackages()):
        found += _files_in(folder, ".pth")
    return found


def files_of_ipython() -> list[str]:
    """The files in the profile that kernels use."""
    folder = os.environ.get("IPYTHONDIR") or os.path.expanduser("~/.ipython")
    return list(_files_in(os.path.join(folder, "profile_default", "startup"), ".py"))


def _files_in(folder: str, end: str) -> Iterator[str]:
    with suppress(OSError):
        for path in sorted(Path(folder).iterdir()):
            if path.name.endswith(end) and path.is_file():
                lines = path.read_text("utf-8", "replace").splitlines()
                if end != ".pth" or any(one.startswith("import") for one in lines):
                    yield str(path)


def find_startup_fault(module: str, files: Sequence[str], seconds: float, bare: bool) -> ImportFault | None:
    """The file that breaks the import of a module that works without all of them; None if no single file does.

    Each file is run in a fresh Python, all at the same time; `bare` leaves out the files that Python runs itself.
    """
    trials = [ImportTrial(module=module, bare=bare, first=(file,)) for file in files[:_MOST]]
    with ThreadPoolExecutor(_MOST) as pool:
        outcomes = list(pool.map(lambda one: run(one, seconds), trials))
    blamed = next((one.first[0] for one, outcome in zip(trials, outcomes, strict=True) if outcome.raised), "")
    if not blamed:
        return None
    repair = Repair(action=Action.RENAME, folder=blamed)
    folder, name = os.path.split(blamed)
    return ImportFault(cause=Cause.STARTUP_FILE, package=name, folder=folder, repair=repair)
