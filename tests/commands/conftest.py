"""The shell in which the tests of the commands type."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.shell import settings


@pytest.fixture
def shell(shell: Any) -> Any:
    """The usual one, whose commands have a minute, within which also a busy computer imports caveclient."""
    settings(shell).timeout = 60.0
    return shell
