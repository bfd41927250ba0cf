"""The installed packages: importing caveclient and requests, their versions and unmet requirements."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from ..api.failures import is_interrupt
from ..api.http import import_connections
from ..ui.redact import sanitize
from .resources import current_shortage

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from packaging.requirements import Requirement


def import_caveclient() -> str:
    """Imports caveclient; returns what is wrong if that fails, else ""."""
    if "caveclient" not in sys.modules and (shortage := current_shortage()) is not None:
        return shortage.words
    import_requests()  # before caveclient imports it from its end
    with _no_collecting():
        return _problem_of(_import_caveclient)


def import_requests() -> str:
    """Imports requests; returns what is wrong if that fails, else ""."""
    return _problem_of(import_connections)


def _import_caveclient() -> None:
    import caveclient.auth  # noqa: F401  a script called caveclient.py has no `auth`


def _problem_of(importing: Callable[[], object]) -> str:
    try:
        importing()
    except BaseException as error:
        if is_interrupt(error):
            raise
        return f"{type(error).__name__}: {sanitize(error, 100).text}".rstrip(": ")
    return ""


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Pauses Python's garbage collector in a first import, where it would take a quarter of the time and find nothing.

    New objects are then moved to the oldest generation, or the first collection would scan all of them. (caveclient 8.2
    on Python 3.11: 1.2 s instead of 1.6 s.)
    """
    if not gc.isenabled() or "caveclient.auth" in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.enable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A requirement that is not met.

    Attributes:
        name: the required package.
        specifier: the versions that are accepted, such as `<3,>=1.5`; "" for any.
        have: the installed version; "" if none is.
        by: the package that requires it.
    """

    name: str
    specifier: str
    have: str = ""
    by: str = "caveclient"

    def __str__(self) -> str:
        return f"{self.name}{self.specifier} ({f'{self.have} is installed' if self.have else 'not installed'})"


def unmet_requirements() -> tuple[Unmet, ...]:
    """The unmet requirements of this package and of the installed caveclient: pip may break them later."""
    found = {name: _distribution_of(name) for name in ("cave-magic", "caveclient")}
    return tuple(replace(need, by=name) for name, one in found.items() if one for need in unmet_requirements_of(one))


def _distribution_of(name: str) -> Distribution | None:
    """The distribution of this name that is imported; None if its folder has the metadata of several versions, as an
    interrupted upgrade leaves it, which may all be wrong.
    """
    from importlib.metadata import distributions

    found = list(filter(_version_in, distributions(name=name)))
    versions = {_version_in(one) for one in found if one.locate_file("") == found[0].locate_file("")}
    return found[0] if len(versions) == 1 else None


def unmet_requirements_of(package: Distribution) -> tuple[Unmet, ...]:
    """The unmet requirements of an installed package; raises ImportError without `packaging`."""
    found = []
    for need in requirements_of(package):
        have = version_of(need.name)
        if have is None or (have and not need.specifier.contains(have, prereleases=True)):
            found.append(Unmet(name=need.name, specifier=str(need.specifier), have=have or ""))
    return tuple(found)


def requirements_of(package: Distribution, extra: str = "") -> Iterator[Requirement]:
    """The requirements of an installed package here, also for one of its extras; without malformed ones.

    Raises:
        ImportError: `packaging` cannot be imported.
    """
    return filter(None, (_requirement(text, extra) for text in package.requires or ()))


@cache
def _requirement(text: str, extra: str) -> Requirement | None:
    """A line of a package's metadata; None if malformed or not for this Python, computer or extra."""
    from packaging.requirements import InvalidRequirement, Requirement

    with suppress(InvalidRequirement):
        need = Requirement(text)
        return need if need.marker is None or need.marker.evaluate({"extra": extra}) else None
    return None


def version_of(name: str) -> str | None:
    """The version of an installed package; None if not installed, "" if unknown (an incomplete uninstall)."""
    from importlib.metadata import distributions

    said = [_version_in(one) for one in distributions(name=name)]
    return next(filter(None, said), "" if said else None)


_VERSION = re.compile(r"(?:(?:[!-9;-~]+:|[ \t]).*\n)*?Version:[ \t]*(.*)\n(?![ \t])", re.IGNORECASE)
"""The headers up to the version: to parse all of the metadata takes ten times as long."""


def _version_in(package: Distribution) -> str:
    with suppress(Exception):  # a file of its metadata is missing or not text
        found = _VERSION.match(package.read_text("METADATA") or "")
        return sanitize(found[1] if found else package.version or "", 40).text
    return ""
