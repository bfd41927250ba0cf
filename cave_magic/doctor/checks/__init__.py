"""The checks in the order of cause, which is the order they run and are shown in."""

from __future__ import annotations

from . import (
    account,
    call,
    datastack,
    datastack_map,
    environment,
    network,
    notebook,
    readers,
    resources,
    services,
    token,
)

CHECKS = (
    *resources.CHECKS,
    *environment.CHECKS,
    *datastack_map.CHECKS,
    *token.CHECKS,
    *network.CHECKS,
    *account.CHECKS,
    *datastack.CHECKS,
    *services.CHECKS,
    *call.CHECKS,
    *readers.CHECKS,
    *notebook.CHECKS,
)
