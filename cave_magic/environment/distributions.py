"""The installed distributions: which modules they own, whether their files are intact, what they require."""

from __future__ import annotations

import csv
import os
import re
import site
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from importlib.machinery import PathFinder
from importlib.metadata import Distribution, FileHash, PackagePath, distributions
from pathlib import Path

from .import_fault import Origin
from .packages import Unmet, requirements_of, unmet_requirements_of
from .shadowed import search_path

_CODE = (".py", ".so", ".pyd", ".dll", ".dylib")


def normal(name: str) -> str:
    """`Python_DateUtil` -> `python-dateutil`."""
    return name.lower().replace("_", "-").replace(".", "-")


class Installed:
    """One installed distribution, with its normalised name."""

    def __init__(self, name: str, version: str, metadata: Distribution) -> None:
        self.name, self.version, self.metadata = name, version, metadata

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @cached_property
    def folder(self) -> str:
        """The entry of `sys.path` that it is in."""
        return str(self.metadata.locate_file(""))

    @cached_property
    def files(self) -> list[PackagePath]:
        """The files that its installation recorded; [] if the record is missing."""
        with suppress(Exception):  # a damaged record
            files = self._recorded() if self.has_record else self.metadata.files or ()
            return [one for one in files if ".." not in one.parts and one.suffix != ".pyc"]
        return []

    def _recorded(self) -> Iterator[PackagePath]:
        """All files of the record; from Python 3.12 on, `Distribution.files` leaves out those that are missing."""
        for name, code, size in csv.reader((self.metadata.read_text("RECORD") or "").splitlines()):
            path = PackagePath(name)
            path.hash, path.size = FileHash(code) if code else None, int(size) if size else None
            path.dist = self.metadata
            yield path

    @cached_property
    def has_record(self) -> bool:
        """Whether pip can uninstall it."""
        with suppress(Exception):
            return self.metadata.read_text("RECORD") is not None
        return False

    @cached_property
    def modules(self) -> frozenset[str]:
        """The top-level modules that it owns."""
        with suppress(Exception):
            if tops := (self.metadata.read_text("top_level.txt") or "").split():
                return frozenset(tops)
        tops = [one.parts[0].partition(".")[0] for one in self.files if one.suffix in _CODE]
        return frozenset(tops) or frozenset({self.name.replace("-", "_")})

    @cached_property
    def is_editable_gone(self) -> bool:
        """Whether it was installed from a folder that no longer exists."""
        import json
        from urllib.parse import unquote

        with suppress(Exception):
            source = json.loads(self.metadata.read_text("direct_url.json") or "{}")
            path = unquote(source["url"].removeprefix("file://"))
            return bool(source["dir_info"]["editable"]) and not os.path.isdir(path)
        return False

    @cached_property
    def is_of_another_python(self) -> bool:
        """Whether its build or its metadata excludes this Python."""
        with suppress(Exception):
            from packaging.specifiers import SpecifierSet
            from packaging.tags import parse_tag, sys_tags

            mine = ".".join(map(str, sys.version_info[:3]))
            if mine not in SpecifierSet(self.metadata.metadata["Requires-Python"] or ""):
                return True
            words = (self.metadata.read_text("WHEEL") or "").splitlines()
            tags = [tag for word in words if word.startswith("Tag:") for tag in parse_tag(word[4:].strip())]
            fitting = {(tag.interpreter, tag.abi) for tag in sys_tags()}
            return bool(tags) and fitting.isdisjoint((tag.interpreter, tag.abi) for tag in tags)
        return False

    def damaged_files(self, looked_at: Collection[str], everywhere: bool) -> tuple[str, ...]:
        """The files of code that are missing or changed.

        Args:
            looked_at: those whose content counts.
            everywhere: whether another size counts in all others; people change files that have nothing to do with it.
        """
        code = [one for one in self.files if one.suffix in _CODE]
        return tuple(str(one) for one in code if _is_damaged(one, str(one.locate()) in looked_at, everywhere))

    def requirements(self, extra: str = "") -> dict[str, set[str]]:
        """The packages that it requires here, also for one of its extras, and which extras of them."""
        found: dict[str, set[str]] = {}
        for need in requirements_of(self.metadata, extra):
            found.setdefault(normal(need.name), set()).update(need.extras)
        return found

    @cached_property
    def unmet(self) -> tuple[Unmet, ...]:
        """Its unmet requirements."""
        with suppress(Exception):  # without packaging
            return unmet_requirements_of(self.metadata)
        return ()


def _is_damaged(file: PackagePath, by_content: bool, by_size: bool) -> bool:
    from base64 import urlsafe_b64encode
    from hashlib import new

    path = Path(str(file.locate()))
    with suppress(OSError, ValueError):
        size = path.stat().st_size
        if not by_content or file.hash is None:
            return by_size and file.size not in (None, size)
        found = urlsafe_b64encode(new(file.hash.mode, path.read_bytes()).digest()).decode().rstrip("=")
        return found != file.hash.value
    return True


def all_installed(path: Sequence[str] | None = None) -> list[Installed]:
    """All distributions in `path` (default: `sys.path`), in the order in which Python finds them."""
    found = []
    for one in distributions() if path is None else distributions(path=list(path)):
        with suppress(Exception):  # incomplete metadata
            is_leftover = os.path.basename(str(getattr(one, "_path", ""))).startswith("~")  # of an interrupted pip
            said = one.metadata  # once: `importlib` parses all of it each time
            if said["Name"] and said["Version"] and not is_leftover:
                found.append(Installed(normal(said["Name"]), said["Version"], one))
    return found


def accepted(name: str, requirers: Collection[Installed]) -> str:
    """The versions of a package that some others accept, such as `<3,>=1.5`; "" if they accept all newer ones.

    Raises:
        ImportError: `packaging` cannot be imported.
    """
    from packaging.specifiers import SpecifierSet

    found = SpecifierSet()
    for need in (need for one in requirers for need in requirements_of(one.metadata)):
        if normal(need.name) == name:
            found &= need.specifier
    return str(found) if any(one.operator[0] != ">" for one in found) else ""


def distinct_path() -> list[str]:
    """The entries that Python searches, each folder once: a notebook's may also be there under its name."""
    first: dict[str, str] = {}
    for entry in search_path():
        with suppress(FileNotFoundError):  # relative to a folder that was deleted
            first.setdefault(os.path.realpath(entry), entry)
    return list(first.values())


def entries_with(module: str) -> Iterator[str]:
    """The entries of `sys.path` that have a top-level module, the one that Python imports first."""
    for entry in distinct_path():
        with suppress(Exception):  # an entry that is no folder
            spec = PathFinder.find_spec(module, [entry])
            if spec is not None and spec.loader is not None and spec.origin:
                yield entry


def file_of(module: str, entry: str) -> str:
    """The file or the folder of a top-level module in an entry of `sys.path` that has it."""
    spec = PathFinder.find_spec(module, [entry])
    origin = os.path.abspath((spec and spec.origin) or os.path.join(entry, module))
    return os.path.dirname(origin) if os.path.basename(origin).startswith("__init__.") else origin


def top_of(file: str) -> str:
    """The top-level module that a file belongs to; "" if it is in no entry of `sys.path`."""
    entries = [os.path.join(_absolute(entry), "") for entry in search_path()]
    entry = max((one for one in entries if file.startswith(one)), key=len, default="")
    return file[len(entry) :].split(os.sep)[0].partition(".")[0] if entry else ""


def _absolute(entry: str) -> str:
    """An entry of `sys.path` as an absolute path; as it is if it is relative to a folder that was deleted."""
    with suppress(FileNotFoundError):
        return os.path.abspath(entry)
    return entry


def folders_of_pythonpath() -> list[str]:
    """The folders that PYTHONPATH names, which pip searches even if this kernel left them out."""
    return [_absolute(one) for one in os.environ.get("PYTHONPATH", "").split(os.pathsep) if one]


def origin_of(entry: str) -> Origin:
    """Where an entry of `sys.path` comes from."""
    path = _absolute(entry)
    if path == _absolute(""):
        return Origin.NOTEBOOK
    if path in folders_of_pythonpath():
        return Origin.PYTHONPATH
    if path == os.path.abspath(site.getusersitepackages()):
        return Origin.USER
    roots = {os.path.abspath(one) for one in (sys.prefix, sys.base_prefix, "/usr/lib/python3")}
    return Origin.ENVIRONMENT if any(path.startswith(root + os.sep) for root in roots) else Origin.ADDED


def is_changeable(entry: str) -> bool:
    """Whether this user can rename or uninstall what is in an entry of `sys.path`, and nobody else relies on it."""
    return origin_of(entry) not in (Origin.PYTHONPATH, Origin.ADDED) and os.access(entry or os.curdir, os.W_OK)


def is_same(folder: str, entry: str) -> bool:
    """Whether two paths lead to the same folder."""
    return os.path.realpath(folder) == os.path.realpath(entry)


def name_of(requirement: str) -> str:
    """The package that a requirement such as `pandas<3` is about, or ""."""
    found = re.match(r"[\w.-]+", requirement)
    return found[0] if found else ""
