"""The token files and the datastack map in `~/.cloudvolume/secrets`: find, read, save. Only `repairs` does so too.

Which file holds what, and in which order the files are read, is caveclient's rule (caveclient 7 and 8, `auth.py`,
`datastack_lookup.py`); a test holds this module against it. How they are written is ours: whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from ..api.urls import display_file_name, name_for_files, parse_url
from ..redact import MASK, find_secrets, sanitize
from ..token import Token

TOKEN_KEY = "token"  # noqa: S105  the key, no token
SERVER_KEY = "middle_auth_url"

DEFAULT_NAME = "cave-secret.json"
LEGACY_NAME = "chunkedgraph-secret.json"
FORBIDDEN = "may not be read by you"
LARGEST_FILE = 20_000_000
"""Bytes. A token file has some hundred; a larger one is not read."""


class State(Enum):
    """What was found at the place of a file."""

    ABSENT = "absent"
    READ = "read"
    MALFORMED = "malformed"
    UNREADABLE = "unreadable"
    NOT_A_FILE = "not a file"
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFile:
    """One token file as it is on disk.

    Attributes:
        path: where it is.
        state: what was found there.
        problem: what is wrong with it, in words to follow its name; "" if nothing.
        token: what stands under the key `token`, if that is a text.
        keys: the other keys in it, shortened for show.
        inside: a token that is in the file although the file cannot be used as it is (bare, in a list, ...).
        readable_by_others: whether its mode lets other users of the machine read it.
        owned: whether it belongs to the user who runs this.
        modified: when it was last written, in seconds since 1970.
        names: the host of the server that the token is for, where the file says so: those of the tokens page do.
        link: where it leads, if it is a link; else "".
        gap: the folder that a link leads into and that is not there, so that nothing can be saved through it; else "".
        foreign: whether it belongs to another user of this computer, other than its administrator.
    """

    path: Path
    state: State
    problem: str = ""
    token: Token | None = None
    keys: tuple[str, ...] = ()
    inside: Token | None = None
    readable_by_others: bool = False
    owned: bool = True
    modified: float = 0.0
    names: str = ""
    link: str = ""
    gap: str = ""
    foreign: bool = False

    @property
    def name(self) -> str:
        """Its name without the folder, as it may be shown."""
        return display_file_name(self.path.name)

    @property
    def meant(self) -> Token | None:
        """The token in it, wherever in it that stands and whatever stands around it."""
        if self.token is None or self.token.format is not None:
            return self.token or self.inside
        return self.token.reads_as or self.token

    @property
    def fault(self) -> str:
        """What is wrong with it, beginning with where it is."""
        return f"{show_path(self.path)} {self.problem}"


# ---------------------------------------------------------------- where


def secrets_folder() -> Path:
    """`~/.cloudvolume/secrets` of the user that this kernel runs as."""
    return Path(os.path.expanduser("~/.cloudvolume/secrets"))


def server_file(server: str) -> Path:
    """The token file that caveclient names after a server: `<host:port>-cave-secret.json`."""
    return token_file_called(name_for_files(server))


def token_file_called(name: str) -> Path:
    """The token file whose name begins with a host."""
    return secrets_folder() / f"{name}-{DEFAULT_NAME}"


def show_path(path: Path, longest: int = 200) -> str:
    """A path as people write it, with `~` for their home."""
    home = os.path.expanduser("~")
    text = str(path.parent / display_file_name(path.name) if DEFAULT_NAME in path.name else path)
    return sanitize("~" + text[len(home) :] if text.startswith(home + os.sep) else text, longest)


def show_key(key: str) -> str:
    """A key of a token file, short; hidden where somebody put a token in the place of one."""
    return MASK if find_secrets(key) else sanitize(key, 40)


# ---------------------------------------------------------------- reading


def read_token_file(path: Path) -> TokenFile:
    """Reads one token file, whatever is there; never raises and never waits."""
    text, state, problem, info = read_text(path)
    link = show_path(link_target(path)) if os.path.islink(path) else ""
    if info is None or state != State.READ:
        return TokenFile(path=path, state=state, problem=problem, link=link, gap=gap_of(path))
    found = parse_token_file(path, text)
    shared = bool(info.st_mode & 0o077) and os.name == "posix"
    owned = not hasattr(os, "getuid") or info.st_uid == os.getuid()
    return replace(
        found, readable_by_others=shared, owned=owned, modified=info.st_mtime, link=link, foreign=is_foreign(info)
    )


def parse_token_file(path: Path, text: str) -> TokenFile:
    """What the text of a token file says."""
    data, state, problem = parse_object(text)
    if not isinstance(data, dict):
        inside = Token(text.strip()[:4096]).reads_as if text.strip() else None
        return TokenFile(path=path, state=state, problem=problem, inside=inside)
    value = data.get(TOKEN_KEY)
    token = Token(str(value)) if value is not None else None  # a number is sent as it is written
    problem = "" if isinstance(value, str) else _problem_with_key(data)
    keys = tuple(show_key(key) for key in list(data)[:8] if key != TOKEN_KEY)
    inside = None if token else _only_token_in(data)
    return TokenFile(
        path=path,
        state=state,
        problem=problem,
        token=token,
        keys=keys,
        inside=inside,
        names=host_named(data.get(SERVER_KEY)),
    )


def host_named(address: object) -> str:
    """The host in what a file of the tokens page says of its server: `global.daf-apis.com/auth`; "" if it says none."""
    found = parse_url(address)
    return found.host_and_port if found else ""


def read_any_file(path: str) -> tuple[str, str]:
    """Reads a file that a person named.

    Returns:
        Its text, and what is wrong with it in words to follow "the file", or "".
    """
    text, state, problem, _ = read_text(Path(os.path.expanduser(path)))
    if state is State.ABSENT:
        return "", problem or "is not there"
    return text, problem or ("" if text.strip() else "is empty")


def read_text(path: Path) -> tuple[str, State, str, os.stat_result | None]:
    """Reads a file whatever it is: its text, what was found, what is wrong with it, and its `stat`; never raises."""
    try:
        info = os.stat(path)
        if not stat.S_ISREG(info.st_mode):
            kind = "a folder" if stat.S_ISDIR(info.st_mode) else "not an ordinary file"
            return "", State.NOT_A_FILE, f"is {kind}", None
        if info.st_size > LARGEST_FILE:
            return "", State.TOO_LARGE, f"has {info.st_size // 1_000_000 or 1} MB, which no token file has", None
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:
            return file.read(LARGEST_FILE + 1).decode("utf-8", errors="surrogateescape"), State.READ, "", info
    except (FileNotFoundError, NotADirectoryError):
        return "", State.ABSENT, link_problem(path), None
    except PermissionError:
        return "", State.UNREADABLE, FORBIDDEN, None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", 0) == errno.ELOOP:
            return "", State.ABSENT, link_problem(path), None
        return "", State.UNREADABLE, f"cannot be read ({type(error).__name__})", None


def parse_object(text: str) -> tuple[object, State, str]:
    """Parses the JSON of a token file or of the datastack map: the value, its state, and what is wrong with it."""
    if not text.strip("\0 \t\r\n"):
        return None, State.MALFORMED, "is empty"
    if not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text):
        return None, State.MALFORMED, "has bytes in it that are no text (UTF-8)"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        return None, State.MALFORMED, f"is not valid JSON{where}"
    if not isinstance(data, dict):
        return data, State.MALFORMED, f'holds {_kind(data)}, not an object with the key "{TOKEN_KEY}"'
    return data, State.READ, ""


def _kind(data: object) -> str:
    kinds = {list: "a list", dict: "an object", str: "a text", bool: "a true or false", type(None): "null"}
    return kinds.get(type(data), "a number")


def _problem_with_key(data: Mapping[str, object]) -> str:
    if TOKEN_KEY in data and data[TOKEN_KEY] is not None:
        return f'has {_kind(data[TOKEN_KEY])} under "{TOKEN_KEY}", where a text belongs'
    if TOKEN_KEY in data:
        return f'has nothing (null) under "{TOKEN_KEY}"'
    return f'has no key "{TOKEN_KEY}"'


def _only_token_in(data: Mapping[str, object]) -> Token | None:
    found = {Token(value.strip()) for value in data.values() if isinstance(value, str)}
    usable = [token for token in found if token.format is not None]
    return usable[0] if len(usable) == 1 else None


# ---------------------------------------------------------------- links, and the folder


def link_target(link: Path) -> Path:
    """Where a link leads in the end, over all other links, whether or not anything is there."""
    return Path(os.path.realpath(link))


def link_problem(link: Path) -> str:
    """What is wrong with a link that leads to nothing, in words to follow its name; "" for what is no link."""
    if not os.path.islink(link):
        return ""
    try:
        os.stat(link)
    except PermissionError:
        why = "which may not be opened by you"
    except OSError as error:
        if error.errno == errno.ELOOP:
            return "is a link to itself"
        why = f"and {gap} is not there" if (gap := gap_of(link)) else "which is not there"
    else:
        why = "which is not a folder"
    return f"is a link to {show_path(link_target(link))}, {why}"


def is_lost_link(path: Path) -> bool:
    """Whether a link leads to something that is not there; not one that leads back to itself."""
    return os.path.islink(path) and not os.path.lexists(link_target(path))


def gap_of(path: Path) -> str:
    """The folder that a link leads into and that is not there; "" where nothing is missing to save through it."""
    if not os.path.islink(path) or os.path.isdir(folder := link_target(path).parent):
        return ""
    return show_path(folder)


def is_foreign(info: os.stat_result) -> bool:
    """Whether a file or folder belongs to another user of this computer, other than its administrator."""
    return hasattr(os, "getuid") and info.st_uid not in (os.getuid(), 0)


def folder_fault() -> tuple[Path, str] | None:
    """What stands in the way to the folder of the token files: where, and what is wrong with it; None if nothing."""
    folder = secrets_folder()
    for one in (folder.parent, folder):
        if os.path.lexists(one) and not os.path.isdir(one):
            return one, link_problem(one) or "is not a folder"
    return None


def folder_of_another() -> tuple[Path, str] | None:
    """The link that leads to another user's folder, and the words to follow its name; None if none does."""
    folder = secrets_folder()
    for one in (folder.parent, folder):
        with contextlib.suppress(OSError):
            if os.path.islink(one) and is_foreign(os.stat(one)):
                return one, f"is a link to {show_path(link_target(one))}, which belongs to another user"
    return None
