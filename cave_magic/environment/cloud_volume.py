"""Which token files cloud-volume and cloud-files read, and what they have cached in this kernel."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..api.urls import name_of_host
from ..credentials import token_files
from ..credentials.locations import READERS, Reader
from ..token import Token

_CACHES = {"cloud-volume": "CAVE_CREDENTIALS_CACHE", "cloud-files": "CAVE_CREDENTIALS"}
"""The dict in which each library keeps what it has read, by the host of the data server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The token that one of these libraries uses for a data server.

    Attributes:
        library: the name of the installed package.
        file: the token file that it reads; if none exists, the first one that it looks for.
        first: the path of the first file that it looks for, which takes precedence over all others.
        kept: what it has cached in this kernel for that server: a token, None for "no token", "" if nothing.
    """

    library: str
    file: token_files.TokenFile
    first: Path
    kept: Token | str | None = ""


def readings(host: str) -> tuple[Reading, ...]:
    """What cloud-volume and cloud-files use for a data server, installed or not."""
    found = []
    for reader in READERS:
        paths = reader.paths(host)
        files = (file for file in map(token_files.read_token_file, paths) if file.state is not token_files.State.ABSENT)
        file = next(files, None) or token_files.read_token_file(paths[0])
        found.append(Reading(library=reader.library, file=file, first=paths[0], kept=_kept_by(reader, host)))
    return tuple(found)


def _kept_by(reader: Reader, host: str) -> Token | str | None:
    with suppress(Exception):  # an unknown version
        cache = getattr(sys.modules[reader.module], _CACHES[reader.library])
        if isinstance(token := cache.get("token"), str):  # cloud-files 5 keeps one file's content for all servers
            return Token(token)
        name, _, port = host.partition(":")
        forms = (host, f"{name}:443", f"{name}:80") if port in ("", "443", "80") else (host,)
        for form in forms:  # as in an address of its data
            if form in cache:  # looking it up would create an entry
                kept = cache[form]
                value = kept.get("token") if isinstance(kept, dict) else None
                return Token(value) if isinstance(value, str) else None
    return ""


def forget_cached(addresses: Iterable[str]) -> None:
    """Makes cloud-volume and cloud-files in this kernel read the token files again: they cache them per host."""
    names = {"", *map(name_of_host, addresses)}
    for reader in READERS:
        with suppress(Exception):  # an unknown version
            cache = getattr(sys.modules[reader.module], _CACHES[reader.library])
            is_one_for_all = isinstance(cache.get("token"), str)  # as in `_kept_by`
            for key in [key for key in cache if is_one_for_all or key.partition(":")[0].lower() in names]:
                del cache[key]
