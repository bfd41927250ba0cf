"""Which token files cloud-volume and cloud-files read, and what they have cached in this kernel."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..api.urls import name_of_host
from ..credentials import token_files
from ..token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class _Library:
    """A library that reads the same token files, by its own rules (cloud-volume 8 to 12.15, cloud-files 6 to 6.4)."""

    name: str
    module: str
    cache: str
    files: tuple[str, ...]


_LIBRARIES = (
    _Library(
        name="cloud-volume",
        module="cloudvolume.secrets",
        cache="CAVE_CREDENTIALS_CACHE",
        files=(token_files.DEFAULT_NAME, token_files.LEGACY_NAME),
    ),
    _Library(
        name="cloud-files", module="cloudfiles.secrets", cache="CAVE_CREDENTIALS", files=(token_files.DEFAULT_NAME,)
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What such a library takes for the token of a data server.

    Attributes:
        library: its name, as it is installed.
        file: the token file that it reads; where there is none, the first one that it looks for.
        first: the path of that one: a token there counts before all others.
        kept: what it keeps in this kernel for that server: a token, None for "nothing", "" where it keeps no answer.
    """

    library: str
    file: token_files.TokenFile
    first: Path
    kept: Token | str | None = ""


def readings(host: str) -> tuple[Reading, ...]:
    """What cloud-volume and cloud-files take for a data server, installed or not."""
    return tuple(_reading(one, host) for one in _LIBRARIES)


def _reading(library: _Library, host: str) -> Reading:
    folders = _folders_of(library)
    names = (f"{host}-{token_files.DEFAULT_NAME}", *library.files)
    files = [token_files.read_token_file(folder / name) for name in names for folder in folders]
    found = next((file for file in files if file.state is not token_files.State.ABSENT), files[0])
    return Reading(library=library.name, file=found, first=folders[0] / names[0], kept=_kept_by(library, host))


def _folders_of(library: _Library) -> tuple[Path, Path, Path]:
    """Where it looks, in this order. Where its files are it found out when it was imported, and does not ask again."""
    moved = _folder_said(library, "CLOUD_VOLUME_DIR", "~/.cloudvolume") / "secrets"
    if library.name == "cloud-files":
        return moved, Path("/"), _folder_said(library, "CLOUD_FILES_DIR", "~/.cloudfiles") / "secrets"
    return moved, Path(os.path.expanduser("~/.neuroglancer/secrets")), Path("/secrets")


def _folder_said(library: _Library, name: str, otherwise: str) -> Path:
    """The folder that its module, else the environment, has under a name."""
    said = getattr(sys.modules.get(library.module), name, None)
    return Path(said if isinstance(said, str) else os.environ.get(name, os.path.expanduser(otherwise)))


def _kept_by(library: _Library, host: str) -> Token | str | None:
    with suppress(Exception):  # another version than those that are known
        cache = getattr(sys.modules[library.module], library.cache)
        if isinstance(token := cache.get("token"), str):  # cloud-files 5 keeps one file's content for all servers
            return Token(token)
        for form in _forms_of(host):
            if form in cache:  # to look it up would make an entry
                kept = cache[form]
                value = kept.get("token") if isinstance(kept, dict) else None
                return Token(value) if isinstance(value, str) else None
    return ""


def _forms_of(host: str) -> tuple[str, ...]:
    """A host as it stands in an address of its data."""
    name, _, port = host.partition(":")
    return (host, f"{name}:443", f"{name}:80") if port in ("", "443", "80") else (host,)


def forget_cached(addresses: Iterable[str]) -> None:
    """Makes cloud-volume and cloud-files in this kernel read the files again: they keep what they read, per host."""
    names = {"", *map(name_of_host, addresses)}
    for library in _LIBRARIES:
        with suppress(Exception):  # another version than those that are known
            cache = getattr(sys.modules[library.module], library.cache)
            is_one_for_all = isinstance(cache.get("token"), str)  # as in `_kept_by`
            for key in [key for key in cache if is_one_for_all or key.partition(":")[0].lower() in names]:
                del cache[key]
