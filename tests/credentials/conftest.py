"""How often the tests of saving and removing disturb them."""

from __future__ import annotations

from collections.abc import Callable

import pytest


@pytest.fixture
def one_in(pytestconfig) -> Callable[[int], int]:
    """Disturbs one call in so many in a usual run, and each with `--everything`."""
    return lambda step: 1 if pytestconfig.getoption("everything") else step
