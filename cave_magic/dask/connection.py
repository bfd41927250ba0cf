"""Whether others can read what is sent to the workers of a cluster."""

from __future__ import annotations

from collections.abc import Iterable

from ..api.urls import is_on_this_computer, parse_url

_SAFE = ("tls", "wss", "inproc")
"""The protocols of Dask that are encrypted, or stay in this process."""


def plain_among(addresses: Iterable[str]) -> tuple[str, ...]:
    """The addresses to which a connection is neither encrypted nor within one computer, without repeats."""
    return tuple(dict.fromkeys(one for one in addresses if _is_plain(one)))


def _is_plain(address: str) -> bool:
    parsed = parse_url(address)
    protocol = parsed.scheme if parsed is not None else address.partition(":")[0].lower()
    return protocol not in _SAFE and not (protocol in ("tcp", "ws") and is_on_this_computer(address))
