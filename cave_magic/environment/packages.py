"""caveclient and cloud-volume as they are installed here, and what they read. Nobody else imports caveclient."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from ..api.http import import_connections
from ..redact import sanitize

if TYPE_CHECKING:
    from importlib.metadata import Distribution


def import_caveclient() -> str:
    """Imports caveclient; what is wrong if that fails, in few words, or ""."""
    import_requests()  # before caveclient imports it from its end
    with _no_collecting():
        return _problem_of(_import_caveclient)


def import_requests() -> str:
    """Imports requests; what is wrong if that fails, in few words, or ""."""
    return _problem_of(import_connections)


def _import_caveclient() -> None:
    import caveclient.auth  # noqa: F401  a script that is called caveclient.py has none


def _problem_of(importing: Callable[[], object]) -> str:
    try:
        importing()
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {sanitize(error, 100).text}"
    return ""


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Lets Python's garbage collector rest during an import, where it takes a quarter of the time and finds nothing.

    What was made meanwhile then counts as old at once, or the first collection would look at all of it. (caveclient 8.2
    on Python 3.11: 1.2 s in place of 1.6 s.)
    """
    if not gc.isenabled():
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


def unmet_requirements() -> tuple[str, ...]:
    """What the installed caveclient asks of other packages and does not find: `pandas<3 (3.0.1 is installed)`."""
    from importlib.metadata import distributions

    caveclient = next(filter(_version_in, distributions(name="caveclient")), None)
    wanted = caveclient.requires if caveclient else None
    return tuple(filter(None, map(_unmet, wanted or ())))


def _unmet(text: str) -> str:
    """A requirement of the installed caveclient with what there is in its place, or "" if it is met."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        need = Requirement(text)
    except InvalidRequirement:
        return ""
    if need.marker is not None and not need.marker.evaluate({"extra": ""}):
        return ""
    have = version_of(need.name)
    if have is None:
        return f"{need.name}{need.specifier} (not installed)"
    met = not have or need.specifier.contains(have, prereleases=True)
    return "" if met else f"{need.name}{need.specifier} ({have} is installed)"


def version_of(name: str) -> str | None:
    """The version of an installed package; None if it is not installed, "" if it does not say (a torn uninstall)."""
    from importlib.metadata import distributions

    said = [_version_in(one) for one in distributions(name=name)]
    return next(filter(None, said), "" if said else None)


def _version_in(package: Distribution) -> str:
    with suppress(Exception):  # a file of its metadata is not there, or is not text
        return package.version or ""
    return ""
