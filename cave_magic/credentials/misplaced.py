"""Tokens on this computer that CAVEclient does not read: one folder off, under another name, or as downloaded.

They are looked for only where the token that CAVEclient reads is missing or of no use, in the few places below and
nowhere else, by the names of files. A file of another user of this computer is passed over, and so is one that names
another server. One that names no server is told of, and its token sent to nobody: that is for its person to decide.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ..api.urls import host_of
from ..deployments import DEFAULT_SERVER
from ..token import Token
from . import stored_tokens, token_files
from .token_files import TokenFile

FOLDERS = {
    "~/.cloudvolume": "one level too high",
    "~/.cloudvolume/secrets": "the right folder: a wrong name, such as that of the download",
    "~/.cloudvolume/secrets/secrets": "one level too deep",
    "~/cloudvolume/secrets": "without the dot",
    "~/.cloudfiles/secrets": "cloud-files 6 looks there too",
    "~/.neuroglancer/secrets": "cloud-volume 12 looks there too, as its first versions did",
    "~/.secrets": "some programs of the field look there",
    "~/Documents/.cloudvolume/secrets": "R on Windows, where ~ is Documents (natverse: fafbseg, bancr, crantr)",
    "~/OneDrive/Documents/.cloudvolume/secrets": "the same where OneDrive keeps Documents",
    "/secrets": "where containers get theirs; cloud-volume 12 looks there too",
    "~/Downloads": "where browsers save the file of the tokens page",
}
"""The folders in which files of such names are looked for, and why."""

MOVED = {"CLOUD_VOLUME_DIR": "secrets", "CLOUD_FILES_DIR": "secrets", "R_USER": ".cloudvolume/secrets"}
"""Variables that move the folder of another program, and where in it the token files are."""

NAMED_BY = "CAVE_TOKEN_FILE"
"""A variable that names a token file itself (crantcli and others)."""

MOST_LISTED, MOST_READ, LARGEST = 5000, 20, 100_000
"""So many entries of a folder are listed, so many files are read, the newest first, and of so many bytes each."""

_NAME = re.compile(
    r"(?:(?:https?_+)?(?P<host>[\w.\[\]:-]*?)(?:[_:-](?:sticky_)?auth)?-)?(?:cave|chunkedgraph)[-_]secret"
    r"[^/\\\"#]{0,16}?\.(?:json|txt)(?:\.txt)?",
    re.IGNORECASE,
)
"""`cave-secret.json`, a server's `HOST-cave-secret.json`, and what browsers and people make of them.

The tokens page offers `HOST/auth-cave-secret.json` (middle_auth 2.30); Chromium 156 saves it with `_` in place of `/`
and `:`. A second one gets ` (1)`, `(1)` or `-2` before its end, and an editor on Windows adds `.txt`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MisplacedToken:
    """A token that CAVEclient does not read for a server.

    Attributes:
        file: where it is.
        token: the token.
        ours: whether something says that it is this server's; then the server may be asked about it.
    """

    file: TokenFile
    token: Token
    ours: bool


def find(server: str) -> tuple[MisplacedToken, ...]:
    """The tokens that may be a server's and that are not in the file named after it, the newest first.

    Those that are known to be another server's are not among them.
    """
    found: dict[Token, MisplacedToken] = {}
    for path in _newest(_candidates(server)):
        file = token_files.read_token_file(path)
        token = file.meant
        if token is None or not token.can_be_sent or not _can_be_typed(path):
            continue
        names = file.names or _host_in(path.name)
        if (names and not _is_of(server, names)) or stored_tokens.other_owner(server, token):
            continue
        near = MisplacedToken(file=file, token=token, ours=bool(names) or _is_the_default_servers(server, path))
        if token not in found or (near.ours and not found[token].ours):
            found[token] = near
    return tuple(found.values())


def tokens(server: str) -> set[Token]:
    """The tokens in all of these files, a data server's among them: some program of this computer may use each."""
    found = (token_files.read_token_file(path).meant for path in _newest(_candidates(server)))
    return {token for token in found if token is not None}


def _is_the_default_servers(server: str, path: Path) -> bool:
    """Whether a file that names no server is one from which CAVEclient takes the token of its default server."""
    usual = path.parent == token_files.secrets_folder() and path.name in (
        token_files.DEFAULT_NAME,
        token_files.LEGACY_NAME,
    )
    return usual and server == DEFAULT_SERVER


def _is_of(server: str, host: str) -> bool:
    """Whether a host is the server's or one of its data servers'; a name of a file cannot have the `:` of a port."""
    return stored_tokens.is_host_of(server, host) or host == host_of(server).replace(":", "_")


def _host_in(name: str) -> str:
    """The host that the name of a token file begins with; "" where it begins with another word, or with none."""
    match = _NAME.fullmatch(name)
    host = (match["host"] or "").lower() if match else ""
    return host if set(host) & set(".:") or host.startswith("localhost") else ""


def _can_be_typed(path: Path) -> bool:
    """Whether a line to type can name the file: its name is shown whole, and nothing in it ends the line."""
    shown = token_files.show_path(path, 4096)
    return Path(os.path.expanduser(shown)) == path and not set(shown) & set('"#;')


# ---------------------------------------------------------------- where


def _candidates(server: str) -> Iterator[Path]:
    own = token_files.server_file(server)
    for folder in _folders():
        yield from (path for path in _listed(folder) if path != own)
    yield from _by_exact_name(own.name)


def _folders() -> Iterable[Path]:
    moved = [Path(os.path.expanduser(value)) / rest for name, rest in MOVED.items() if (value := os.environ.get(name))]
    usual = [Path(os.path.expanduser(folder)) for folder in FOLDERS]
    return dict.fromkeys(filter(Path.is_absolute, (*usual, *moved, *_downloads())))


def _downloads() -> Iterator[Path]:
    """The downloads folder where Linux has it under another name (`~/Descargas`), as its desktops write it down."""
    with contextlib.suppress(OSError, ValueError):
        place = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
        with open(os.path.join(place, "user-dirs.dirs"), encoding="utf-8") as file:
            for line in islice(file, 100):
                if match := re.match(r'XDG_DOWNLOAD_DIR="(?:\$HOME/)?([^"$]+)"', line[:1000]):
                    yield Path(os.path.expanduser("~")) / match[1]


def _listed(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        yield from [Path(one.path) for one in islice(entries, MOST_LISTED) if _NAME.fullmatch(one.name)]


def _by_exact_name(own: str) -> Iterator[Path]:
    """In the home, the folder of the notebook (where a hub puts what is uploaded) and where a variable points."""
    if named := os.environ.get(NAMED_BY):
        yield Path(os.path.expanduser(named))
    host = own.removesuffix(f"-{token_files.DEFAULT_NAME}")
    names = (
        token_files.DEFAULT_NAME,
        own,
        *(f"{host.replace(':', '_')}{sign}auth-{token_files.DEFAULT_NAME}" for sign in "_-"),
    )
    with contextlib.suppress(OSError):  # the folder of the notebook may be gone
        for folder in (Path(os.path.expanduser("~")), Path.cwd()):
            yield from (folder / name for name in names)


def _newest(paths: Iterable[Path]) -> list[Path]:
    """The files among them that are small and not another user's, the newest first."""
    times: dict[Path, float] = {}
    for path in paths:
        with contextlib.suppress(OSError, ValueError):
            info = os.stat(path)
            if stat.S_ISREG(info.st_mode) and info.st_size <= LARGEST and not token_files.is_foreign(info):
                times[path] = info.st_mtime
    return sorted(times, key=lambda path: times[path], reverse=True)[:MOST_READ]
