"""Every file on this computer that may contain a server's token, and why. Nothing else lists token files.

Saving, fixing, `%cave_whoami` and revoking take what they need from this list, by role. Most of the paths do not exist,
and which server a token belongs to depends on the content of the files (`stored_tokens`, `misplaced`).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path

from ..api.urls import host_of, host_port_of, name_for_files
from ..deployments import DEPLOYMENTS, KNOWN_SERVERS, hosts_of, local_servers_of
from .datastack_map import known_servers, remembered_servers
from .regular_files import read_regular
from .token_files import DEFAULT_NAME, LEGACY_NAME, TokenFile, is_foreign, read_token_file, secrets_folder, server_file


class Role(Enum):
    """Why a file matters for a server. A path with several roles is listed under the first."""

    OWN = "named after the server: CAVEclient reads it first"
    DEFAULT = "`cave-secret.json`: CAVEclient reads it if the server has no file of its own"
    LEGACY = "`chunkedgraph-secret.json`: CAVEclient reads it last"
    DATA_SERVER = "named after one of the server's data servers: cloud-volume reads it"
    READER = "another file that cloud-volume or cloud-files read, such as in the folder that CLOUD_VOLUME_DIR names"
    MISPLACED = "left by mistake: in a wrong folder, under a wrong name, in the downloads"
    FOREIGN = "named after another server"
    BACKUP = "a copy that a save or a fix made before it changed one of these; only a removal needs it"


READ_BY_CAVECLIENT = (Role.OWN, Role.DEFAULT, Role.LEGACY)
READ_BY_PROGRAMS = (*READ_BY_CAVECLIENT, Role.DATA_SERVER, Role.READER)
ORIGINALS = (*READ_BY_PROGRAMS, Role.MISPLACED, Role.FOREIGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The path of a file that may contain a server's token."""

    path: Path
    role: Role

    def read(self) -> TokenFile:
        """Reads the file, whatever it is."""
        return read_token_file(self.path)


FOLDERS = {
    "~/.cloudvolume": "one level too high",
    "~/.cloudvolume/secrets": "the right folder, for a wrong name, such as that of the download",
    "~/.cloudvolume/secrets/secrets": "one level too deep",
    "~/cloudvolume/secrets": "without the dot",
    "~/.cloudfiles/secrets": "cloud-files 6 looks there too",
    "~/.neuroglancer/secrets": "cloud-volume 12 looks there too, as its first versions did",
    "~/.secrets": "some other CAVE programs look there",
    "~/Documents/.cloudvolume/secrets": "R on Windows, where ~ is Documents (natverse: fafbseg, bancr, crantr)",
    "~/OneDrive/Documents/.cloudvolume/secrets": "the same if OneDrive contains Documents",
    "/secrets": "the folder for secrets in containers; cloud-volume 12 looks there too",
    "~/Downloads": "browsers save the file of the tokens page there",
}
"""The folders in which misplaced files are searched for by name, and why."""

MOVED = {"CLOUD_VOLUME_DIR": "secrets", "CLOUD_FILES_DIR": "secrets", "R_USER": ".cloudvolume/secrets"}
"""Variables that name the folder of another program, and the subfolder with the token files."""

NAMED_BY = "CAVE_TOKEN_FILE"
"""A variable that names a token file (crantcli and others)."""

MOST_LISTED, MOST_READ, LARGEST = 5000, 20, 100_000
"""The maximum number of entries listed in a folder, of misplaced files that are read, and of bytes in each."""

MOST_FOREIGN = 500
"""The maximum number of other servers' files that are read."""

_NAME = re.compile(
    r"(?:(?:https?_+)?(?P<host>[\w.\[\]:-]*?)(?:[_:-](?:sticky_)?auth)?-)?(?:cave|chunkedgraph)[-_]secret"
    r"[^/\\\"#]{0,80}?\.(?:json|txt)(?:\.txt|~|\.(?:bak|save|orig))?",
    re.IGNORECASE,
)
"""`cave-secret.json`, a server's `HOST-cave-secret.json`, and how browsers and people change these names.

The tokens page offers `HOST/auth-cave-secret.json` (middle_auth 2.30); Chromium 156 saves it with `_` instead of `/`
and `:`. Another download gets ` (1)`, `(1)` or `-2` before its suffix, as does a copy from another computer
(` (conflicted copy 2026-11-22)`, `.sync-conflict-20261122-101530-ABCDEFG`). An editor adds `.txt`, `~` or `.save`.
"""


def locations(
    server: str, data_servers: Iterable[str] | None = None, roles: Collection[Role] = ORIGINALS
) -> tuple[Location, ...]:
    """The files that may contain a token of a server, without repeats, in the order of their roles.

    Args:
        server: the server's address.
        data_servers: addresses of its data servers; None for the known ones. A data server that is known to belong to
            another server is left out.
        roles: what to list. Only `MISPLACED`, `FOREIGN` and `BACKUP` list folders; the others do not access the disk.
    """
    found: dict[Path, Role] = {}
    hosts = _own_hosts(server, local_servers_of(server) if data_servers is None else data_servers)
    for role, paths in _paths(server, hosts, roles):
        for path in paths:
            found.setdefault(path, role)
    if Role.BACKUP in roles:
        found |= dict.fromkeys(_backups(tuple(found)), Role.BACKUP)
    return tuple(Location(path=path, role=role) for path, role in found.items() if role in roles)


def _paths(server: str, hosts: Collection[str], roles: Collection[Role]) -> Iterator[tuple[Role, Iterable[Path]]]:
    folder = secrets_folder()
    yield Role.OWN, [server_file(server)]
    yield Role.DEFAULT, [folder / DEFAULT_NAME]
    yield Role.LEGACY, [folder / LEGACY_NAME]
    yield Role.DATA_SERVER, [folder / f"{host}-{DEFAULT_NAME}" for host in hosts]
    own = name_for_files(server)
    yield Role.READER, [path for reader in READERS for host in (*(hosts or [""]), own) for path in reader.paths(host)]
    if {Role.MISPLACED, Role.FOREIGN} & set(roles):
        listed = list(_listed_and_named(server))
        others = {path for path in listed if (host := host_in_name(path)) and not is_host_of(server, host)}
        yield Role.MISPLACED, newest(path for path in listed if path not in others)
        yield Role.FOREIGN, [*(folder / f"{host}-{DEFAULT_NAME}" for host in other_hosts(server)), *others]


def _backups(paths: Iterable[Path]) -> Iterator[Path]:
    for folder in dict.fromkeys((secrets_folder(), *(path.parent for path in paths if path.is_file()))):
        with contextlib.suppress(OSError):
            yield from sorted(folder.glob("*-secret.json.*.bak"))


def _own_hosts(server: str, data_servers: Iterable[str]) -> list[str]:
    """The hosts in the names of the data servers' files, without data servers that belong to another server."""
    known = {None, *map(host_port_of, known_servers())}.union(*map(hosts_of, DEPLOYMENTS))
    others = known - set(map(host_port_of, local_servers_of(server)))
    return sorted({name_for_files(local) for local in data_servers if host_port_of(local) not in others})


# ---------------------------------------------------------------- cloud-volume and cloud-files


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A library with its own rules for reading token files (cloud-volume 8 to 12.15, cloud-files 6 to 6.4).

    Attributes:
        library: the name of the installed package.
        module: the module that finds the files; it determines the folders when it is imported.
        names: the files that it reads if the host has none.
    """

    library: str
    module: str
    names: tuple[str, ...]

    def paths(self, host: str) -> tuple[Path, ...]:
        """The files that it looks for, in order, for a data server; it reads the first that exists."""
        names = (*([f"{host}-{DEFAULT_NAME}"] if host else []), *self.names)
        folders = self._folders()
        return tuple(folder / name for name in names for folder in folders)

    def _folders(self) -> tuple[Path, Path, Path]:
        moved = self._folder_named("CLOUD_VOLUME_DIR", "~/.cloudvolume") / "secrets"
        if self.library == "cloud-files":
            return moved, Path("/"), self._folder_named("CLOUD_FILES_DIR", "~/.cloudfiles") / "secrets"
        return moved, Path(os.path.expanduser("~/.neuroglancer/secrets")), Path("/secrets")

    def _folder_named(self, name: str, otherwise: str) -> Path:
        """The folder in a variable of its module, if imported, else of the environment."""
        found = getattr(sys.modules.get(self.module), name, None)
        return Path(found if isinstance(found, str) else os.environ.get(name, os.path.expanduser(otherwise)))


READERS = (
    Reader(library="cloud-volume", module="cloudvolume.secrets", names=(DEFAULT_NAME, LEGACY_NAME)),
    Reader(library="cloud-files", module="cloudfiles.secrets", names=(DEFAULT_NAME,)),
)


def moved_files(server: str, data_servers: Iterable[str]) -> tuple[Path, ...]:
    """The files that cloud-volume and cloud-files read first, if they are told to look in another folder of this user.

    A folder that belongs to somebody else, such as one that a lab shares, is left alone: a file there that only this
    user can read would get in the way of the others. One that does not exist counts if it is in the home.
    """
    hosts = dict.fromkeys((name_for_files(server), *_own_hosts(server, data_servers)))
    first = dict.fromkeys(reader.paths(host)[0] for reader in READERS for host in hosts)
    return tuple(path for path in first if path.parent != secrets_folder() and _is_own_folder(path.parent.parent))


def _is_own_folder(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        info = os.stat(folder)
        return stat.S_ISDIR(info.st_mode) and info.st_uid == (os.getuid() if hasattr(os, "getuid") else info.st_uid)
    return Path(os.path.expanduser("~")) in folder.parents


# ---------------------------------------------------------------- other servers


def hosts_of_servers() -> tuple[str, ...]:
    """The hosts in the file names of known and remembered servers. They may contain a password."""
    return tuple(filter(None, dict.fromkeys(map(name_for_files, (*KNOWN_SERVERS, *remembered_servers())))))


def other_hosts(server: str) -> tuple[str, ...]:
    """The hosts in the names of other servers' files, known servers first. They may contain a password."""
    names = dict.fromkeys(hosts_of_servers())
    ending = f"-{DEFAULT_NAME}"
    with contextlib.suppress(OSError), os.scandir(secrets_folder()) as entries:
        found = sorted(entry.name[: -len(ending)] for entry in entries if entry.name.endswith(ending))
        names.update(dict.fromkeys(found[:MOST_FOREIGN]))
    return tuple(name for name in names if name and not is_host_of(server, name))


def is_host_of(server: str, host: str) -> bool:
    """Whether a host is that of a server or of its data servers; names of downloads have `_` before the port."""
    own = (server, *local_servers_of(server))
    return host_port_of(host) in map(host_port_of, own) or host == host_of(server).replace(":", "_")


def host_in_name(path: Path) -> str:
    """The host at the beginning of a token file's name; "" if there is none."""
    match = _NAME.fullmatch(path.name)
    host = (match["host"] or "").lower() if match else ""
    return host if set(host) & set(".:") or host.startswith("localhost") else ""


# ---------------------------------------------------------------- misplaced files


def _listed_and_named(server: str) -> Iterator[Path]:
    for folder in _folders():
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            yield from [Path(one.path) for one in islice(entries, MOST_LISTED) if _NAME.fullmatch(one.name)]
    if named := os.environ.get(NAMED_BY):
        yield Path(os.path.expanduser(named))
    # The home and the notebook's folder, to which a hub uploads files, are private: they are not listed.
    host = name_for_files(server)
    uploads = (f"{host.replace(':', '_')}{sign}auth-{DEFAULT_NAME}" for sign in "_-")
    names = (DEFAULT_NAME, f"{host}-{DEFAULT_NAME}", *uploads)
    with contextlib.suppress(OSError):  # the notebook's folder may have been deleted
        for folder in (Path(os.path.expanduser("~")), Path.cwd()):
            yield from (folder / name for name in names)


def _folders() -> Iterable[Path]:
    moved = [Path(os.path.expanduser(value)) / rest for name, rest in MOVED.items() if (value := os.environ.get(name))]
    usual = [Path(os.path.expanduser(folder)) for folder in FOLDERS]
    return dict.fromkeys(filter(Path.is_absolute, (*usual, *moved, *_downloads())))


def _downloads() -> Iterator[Path]:
    """The downloads folder under another name (`~/Descargas`), as Linux desktops store it."""
    with contextlib.suppress(OSError, ValueError):
        config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        settings = read_regular(Path(config) / "user-dirs.dirs", LARGEST)[0].decode()
        for name in re.findall(r'(?m)^XDG_DOWNLOAD_DIR="(?:\$HOME/)?([^"$\n]+)"', settings):
            yield Path(os.path.expanduser("~")) / name


def newest(paths: Iterable[Path]) -> list[Path]:
    """The newest of these files, newest first, without large ones and those of other users."""
    times: dict[Path, float] = {}
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            info = os.stat(path)
            if stat.S_ISREG(info.st_mode) and info.st_size <= LARGEST and not is_foreign(info):
                times[path] = info.st_mtime
    return sorted(times, key=times.__getitem__, reverse=True)[:MOST_READ]
