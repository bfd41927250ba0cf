"""Files in the notebook's folder that shadow a package or a standard library module of the same name."""

from __future__ import annotations

import os
import sys
from itertools import takewhile

TYPE_CHECKING = False  # as `typing` has it, which such a file may shadow
if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = frozenset(
    (
        "attr", "attrs", "cachetools", "caveclient", "certifi", "charset_normalizer", "cloudfiles", "cloudvolume",
        "dateutil", "filelock", "idna", "jsonschema", "networkx", "numpy", "packaging", "pandas", "pyarrow", "pytz",
        "requests", "rich", "tqdm", "urllib3",
    )
)  # fmt: skip
"""Packages that caveclient, cloud-volume and this package import. All are folders, so a file shadows them."""

_OF_PYTHON = "__future__.py"
"""A file of every standard library."""
_UNUSED = {"antigravity", "idlelib", "test", "this", "turtle", "turtledemo"}
_STANDARD_LIBRARY = sys.stdlib_module_names - set(sys.builtin_module_names) - _UNUSED
_SCRIPTS = frozenset(f"{name}.py" for name in LIBRARIES | _STANDARD_LIBRARY)


class ShadowingFile:
    """A file that shadows a module. It is no dataclass, since what dataclasses needs may be shadowed.

    Attributes:
        path: the file.
        name: the module.
        harms: whether it certainly does harm, because it has been imported, or shadows a library.
    """

    __slots__ = ("harms", "name", "path")

    def __init__(self, *, path: str, name: str, harms: bool) -> None:
        self.path, self.name, self.harms = path, name, harms

    @property
    def words(self) -> str:
        """What it does, in words that follow its path."""
        return "shadows " + (f"the package {self.name}" if self.name in LIBRARIES else f"Python's `{self.name}` module")


def search_path() -> list[str]:
    """The entries of `sys.path` that Python searches: it passes over those that are not text, such as a `Path`."""
    entries: list[object] = [*sys.path]
    return [one for one in entries if isinstance(one, str)]


def _searched_first() -> Iterator[str]:
    """The folders that Python searches before its own library, above all the notebook's."""
    own = os.path.dirname(os.__file__)
    return takewhile(lambda entry: entry != own, search_path())


def find_culprit(error: BaseException) -> tuple[str, str, str] | None:
    """The path or variable that hides modules of Python, what it does, and what helps, as words; None if nothing does.

    For use after an error. PYTHONHOME counts only if a module of Python cannot be imported, since it is often right.
    """
    for folder in _searched_first():
        if os.path.exists(os.path.join(folder, _OF_PYTHON)):
            return folder, "is the standard library of another Python", "Remove it from PYTHONPATH"
    for one in find_shadowing_files():
        return one.path, one.words, "Rename it"
    missing = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if os.environ.get("PYTHONHOME") and missing in sys.stdlib_module_names:
        return "PYTHONHOME", f"makes Python use the standard library in {os.path.dirname(os.__file__)}", "Unset it"
    return None


def find_shadowing_files() -> tuple[ShadowingFile, ...]:
    """The files that Python imports instead of a library or a module of its own, those that certainly do harm first."""
    found: dict[str, ShadowingFile] = {}
    for folder in _searched_first():
        try:
            files, home = os.listdir(folder or os.curdir), os.path.abspath(folder)
        except OSError:  # a zip file, or a folder that is gone
            continue
        if _OF_PYTHON in files:  # nobody's scripts
            continue
        for file in sorted(_SCRIPTS.intersection(files)):
            path, name = os.path.join(home, file), file.removesuffix(".py")
            taken = getattr(sys.modules.get(name), "__file__", None)
            is_taken = isinstance(taken, str) and os.path.abspath(taken) == path
            if is_taken or name not in sys.modules:
                found.setdefault(name, ShadowingFile(path=path, name=name, harms=is_taken or name in LIBRARIES))
    return tuple(sorted(found.values(), key=lambda one: not one.harms))
