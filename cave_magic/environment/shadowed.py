"""Files in the notebook's folder that Python takes for a package, or for a module of its own, of the same name."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

LIBRARIES = frozenset(
    (
        "attr", "attrs", "cachetools", "caveclient", "certifi", "charset_normalizer", "cloudfiles", "cloudvolume",
        "dateutil", "filelock", "idna", "jsonschema", "networkx", "numpy", "packaging", "pandas", "pyarrow", "pytz",
        "requests", "rich", "tqdm", "urllib3",
    )
)  # fmt: skip
"""Packages that caveclient, cloud-volume and this package import. Each is a folder, so a file of that name is none."""

_NEEDED_BY_NOBODY = {"antigravity", "idlelib", "test", "this", "turtle", "turtledemo"}
_OWN = sys.stdlib_module_names - set(sys.builtin_module_names) - _NEEDED_BY_NOBODY


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowingFile:
    """A file that stands in the place of something else.

    Attributes:
        path: the file.
        name: what is to be imported by this name.
        harms: whether it does harm for certain: it has been imported, or hides a library.
    """

    path: str
    name: str
    harms: bool

    @property
    def words(self) -> str:
        """What it does, in words to follow its path."""
        hidden = f"the package {self.name}" if self.name in LIBRARIES else f"Python's own {self.name}"
        return f"stands in the place of {hidden}"


def find_shadowing_files() -> tuple[ShadowingFile, ...]:
    """The files that Python takes in the place of a library's or its own, those first that do harm for certain."""
    found: dict[str, ShadowingFile] = {}
    for folder in _searched_first():
        for path in _scripts_in(folder):
            name = os.path.basename(path).removesuffix(".py")
            taken = getattr(sys.modules.get(name), "__file__", None)
            is_taken = isinstance(taken, str) and os.path.abspath(taken) == path
            if is_taken or name not in sys.modules:
                found.setdefault(name, ShadowingFile(path=path, name=name, harms=is_taken or name in LIBRARIES))
    return tuple(sorted(found.values(), key=lambda one: not one.harms))


def _searched_first() -> Iterator[str]:
    """The folders in which Python looks before it looks among its own modules: the notebook's, above all."""
    own = os.path.dirname(os.__file__)
    return takewhile(lambda entry: entry != own, list(sys.path))


def _scripts_in(folder: str) -> list[str]:
    try:
        names = os.listdir(folder or os.curdir)
        home = os.path.abspath(folder)
    except OSError:  # a zip file, or a folder that is gone
        return []
    wanted = {f"{name}.py" for name in LIBRARIES | _OWN}
    return [os.path.join(home, name) for name in sorted(wanted.intersection(names))]
