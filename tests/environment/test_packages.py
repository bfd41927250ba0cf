"""The requirements of this package and of caveclient that are not met."""

from __future__ import annotations

import pytest

from cave_magic.environment import packages


@pytest.mark.parametrize(("name", "version"), [("caveclient", "6.5.2"), ("ipython", "8.5.0")])
def test_a_neighbour_that_is_too_old_is_unmet(monkeypatch: pytest.MonkeyPatch, name: str, version: str):
    """A version that somebody installed after this package, and that this package does not accept, is found."""
    installed = packages.version_of
    monkeypatch.setattr(packages, "version_of", lambda one: version if one == name else installed(one))
    found = [one for one in packages.unmet_requirements() if one.by == "cave-magic"]
    assert [(one.name, one.have) for one in found] == [(name, version)]
