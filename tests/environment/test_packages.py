"""Importing caveclient, and the requirements of this package and of caveclient that are not met."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from cave_magic.environment import packages


@pytest.mark.parametrize(("name", "version"), [("caveclient", "6.5.2"), ("ipython", "8.5.0")])
def test_a_neighbour_that_is_too_old_is_unmet(monkeypatch: pytest.MonkeyPatch, name: str, version: str):
    """A version that somebody installed after this package, and that this package does not accept, is found."""
    installed = packages.version_of
    monkeypatch.setattr(packages, "version_of", lambda one: version if one == name else installed(one))
    found = [one for one in packages.unmet_requirements() if one.by == "cave-magic"]
    assert [(one.name, one.have) for one in found] == [(name, version)]


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_whatever_an_import_raises_is_its_problem(monkeypatch: pytest.MonkeyPatch, error: type[BaseException]):
    """In a thread, an interrupt is not the user's: a module raised it, as any other error."""
    monkeypatch.setattr(packages, "_import_caveclient", lambda: _raise(error("x")))
    with ThreadPoolExecutor() as threads:
        assert threads.submit(packages.import_caveclient).result() == f"{error.__name__}: x"


def test_an_interrupt_by_the_user_is_not_the_problem_of_an_import(monkeypatch: pytest.MonkeyPatch):
    """Python delivers it to the main thread, where it ends the command."""
    monkeypatch.setattr(packages, "_import_caveclient", lambda: _raise(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        packages.import_caveclient()
