"""Files in the notebook's folder that shadow a package or a standard library module of the same name."""

from __future__ import annotations

import os
import sys
from itertools import takewhile

LIBRARIES = frozenset(
    (
        "attr", "attrs", "cachetools", "caveclient", "certifi", "charset_normalizer", "cloudfiles", "cloudvolume",
        "dateutil", "filelock", "idna", "jsonschema", "networkx", "numpy", "packaging", "pandas", "pyarrow", "pytz",
        "requests", "rich", "tqdm", "urllib3",
    )
)  # fmt: skip
"""Packages that caveclient, cloud-volume and this package import. All are folders, so a file shadows them."""

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


def find_shadowing_files() -> tuple[ShadowingFile, ...]:
    """The files that Python imports instead of a library or a module of its own, those that certainly do harm first."""
    found: dict[str, ShadowingFile] = {}
    own = os.path.dirname(os.__file__)  # Python searches the folders before it first, above all the notebook's
    for folder in takewhile(lambda entry: entry != own, list(sys.path)):
        for path in _scripts_in(folder):
            name = os.path.basename(path).removesuffix(".py")
            taken = getattr(sys.modules.get(name), "__file__", None)
            is_taken = isinstance(taken, str) and os.path.abspath(taken) == path
            if is_taken or name not in sys.modules:
                found.setdefault(name, ShadowingFile(path=path, name=name, harms=is_taken or name in LIBRARIES))
    return tuple(sorted(found.values(), key=lambda one: not one.harms))


def _scripts_in(folder: str) -> list[str]:
    try:
        names = os.listdir(folder or os.curdir)
        home = os.path.abspath(folder)
    except OSError:  # a zip file, or a folder that is gone
        return []
    return [os.path.join(home, name) for name in sorted(_SCRIPTS.intersection(names))]
