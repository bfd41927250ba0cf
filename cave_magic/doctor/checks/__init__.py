"""The checks in the order of cause, which is the order in which they run and are shown."""

from __future__ import annotations

from . import account, call, datastack, datastack_map, environment, network, notebook, readers, services, token

_MODULES = environment, datastack_map, token, network, account, datastack, services, call, readers, notebook
CHECKS = tuple(check for module in _MODULES for check in module.CHECKS)
