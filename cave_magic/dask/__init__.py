"""CAVE on the workers of a Dask cluster (`distributed`): gives them the token, and checks their access.

    from cave_magic.dask import CaveAccess
    client.register_plugin(CaveAccess("minnie65_public"))

`%cave_check --workers client` runs the check on each of them. It needs the extra `dask`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .access import CaveAccess

__all__ = ["CaveAccess"]


def __getattr__(name: str) -> Any:
    if name != "CaveAccess":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .access import CaveAccess  # lazily: the check on a worker needs no plugin

    return CaveAccess
