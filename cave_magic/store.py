"""The token files and the datastack map in `~/.cloudvolume/secrets`: find, read, save. Only `repairs` does so too.

Which file holds what, and in which order the files are read, is caveclient's rule (caveclient 7 and 8, `auth.py`,
`datastack_lookup.py`); a test holds this module against it. How they are written is ours: whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import files
from .addresses import holds_secret, host_of, name_for_files, parse, place_of, shown, shown_file_name
from .errors import TokenExists, TokenNotSaved
from .plain import HIDDEN, plain
from .servers import DEFAULT_SERVER, DEPLOYMENTS, KNOWN_SERVERS, local_servers_of, meant_address
from .tokens import Token, typed_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_KEY = "token"  # noqa: S105  the key, no token
SERVER_KEY = "middle_auth_url"
OF_THE_TOKEN = ("description", SERVER_KEY)
"""What a file of the tokens page says of its token, which is not so of another one that takes its place."""

DEFAULT_NAME = "cave-secret.json"
LEGACY_NAME = "chunkedgraph-secret.json"
MAP_NAME = "cave_datastack_to_server_map.json"
FORBIDDEN = "may not be read by you"
LARGEST_FILE = 20_000_000
"""Bytes. A token file has some hundred; a larger one is not read."""
SAME_TIME = 60.0
"""Seconds: of two files that were written within them it cannot be told which had its token first."""

LOOK_UP_SECONDS = 1.0
"""So long the names of two servers with one token are looked up, which may be two names of one."""

MOST_FILES = 500
"""So many token files of other servers are held against one token to find whose it is."""


class State(Enum):
    """What was found at the place of a file."""

    ABSENT = "absent"
    READ = "read"
    MALFORMED = "malformed"
    UNREADABLE = "unreadable"
    NOT_A_FILE = "not a file"
    TOO_LARGE = "too large"


UNCHANGED = "No file was changed."
"""What holds after every TokenNotSaved but `NotPutBack`; whoever tells the person says so, or what else was done."""


class NotPutBack(TokenNotSaved):
    """Saving failed half-way, and so did undoing it: the message names the files that hold something new."""


class WriteProtected(TokenNotSaved):
    """A token file has no permission to be written, which somebody may have wanted."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{show_path(path)} is write-protected.")
        self.path = path


class LostLink(TokenNotSaved):
    """A token file, or their folder, is a link that leads to no folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{show_path(path)} {_where_link_leads(path)}.")
        self.path = path


@dataclass(frozen=True, slots=True)
class TokenFile:
    """One token file as it is on disk.

    Attributes:
        path: where it is.
        state: what was found there.
        problem: what is wrong with it, in words to follow its name; "" if nothing.
        token: what stands under the key `token`, if that is a text.
        keys: the other keys in it, shortened for show.
        inside: a usual token that is in the file although the file cannot be used as it is (bare, in a list, ...).
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
        return shown_file_name(self.path.name)

    @property
    def meant(self) -> Token | None:
        """The token in it, wherever in it that stands and whatever stands around it."""
        if self.token is None or self.token.is_usual:
            return self.token or self.inside
        return self.token.reads_as or self.token

    @property
    def fault(self) -> str:
        """What is wrong with it, beginning with where it is."""
        return f"{show_path(self.path)} {self.problem}"


@dataclass(frozen=True, slots=True)
class Resolved:
    """Which token caveclient takes for a server, and from where.

    Attributes:
        server: the server's address.
        token: the token that a fresh `AuthClient` would send, or None.
        source: the file that it comes from, or None.
        blocker: the file at which caveclient stops with an error of its own, or None.
        server_file: the file named after the server.
        default_file: `cave-secret.json`, read only where there is no server file.
        legacy_file: `chunkedgraph-secret.json`, the last resort.
        belongs_to: another server, if the token is known to be that one's; then it must not be sent to this one.
    """

    server: str
    token: Token | None
    source: TokenFile | None
    blocker: TokenFile | None
    server_file: TokenFile
    default_file: TokenFile
    legacy_file: TokenFile
    belongs_to: str = ""

    @property
    def files(self) -> tuple[TokenFile, ...]:
        """Those of the three that are there."""
        all_three = (self.server_file, self.default_file, self.legacy_file)
        return tuple(one for one in all_three if one.state != State.ABSENT)

    @property
    def shadowed(self) -> Token | None:
        """The token of `cave-secret.json` where the server's own file hides it and has another one, or none."""
        if self.server_file.state in (State.ABSENT, State.NOT_A_FILE):
            return None
        other = self.default_file.token
        return other if other is not None and other != self.token else None


@dataclass(frozen=True, slots=True)
class ServerMap:
    """caveclient's map from datastack to server, as it is on disk."""

    path: Path
    state: State
    problem: str = ""
    entries: Mapping[str, object] = field(default_factory=dict, repr=False)

    def opens_on(self, datastack: str) -> str:
        """Where `CAVEclient(datastack)` goes without an address: what is remembered, else its default.

        Returns:
            "" where a secret stands in what is remembered: nothing is to be asked there.
        """
        entry = self.entries.get(datastack)
        if not isinstance(entry, str) or not entry:
            return DEFAULT_SERVER
        return "" if holds_secret(entry) else entry.rstrip("/")


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save did.

    Attributes:
        written: the token files that now hold the token, the one that caveclient reads first.
        unchanged: True if every one of them held it already.
        kept: another server's or an unclaimed token file that was left alone.
        backups: copies of files that could not be read as JSON, made before they were written anew.
        mapped: datastack -> the server it is now opened on.
        remapped: datastack -> the server it was opened on before, where that was another one.
    """

    written: tuple[Path, ...]
    unchanged: bool
    kept: tuple[Path, ...] = ()
    backups: tuple[Path, ...] = ()
    mapped: Mapping[str, str] = field(default_factory=dict)
    remapped: Mapping[str, str] = field(default_factory=dict)


# ---------------------------------------------------------------- where


def secrets_folder() -> Path:
    """`~/.cloudvolume/secrets` of the user that this kernel runs as."""
    return Path(os.path.expanduser("~/.cloudvolume/secrets"))


def server_file(server: str) -> Path:
    """The token file that caveclient names after a server: `<host:port>-cave-secret.json`."""
    return _file_called(name_for_files(server))


def _file_called(name: str) -> Path:
    return secrets_folder() / f"{name}-{DEFAULT_NAME}"


def show_path(path: Path, longest: int = 200) -> str:
    """A path as people write it, with `~` for their home."""
    home = os.path.expanduser("~")
    text = str(path.parent / shown_file_name(path.name) if DEFAULT_NAME in path.name else path)
    return plain("~" + text[len(home) :] if text.startswith(home + os.sep) else text, longest)


def show_key(key: str) -> str:
    """A key of a token file, short; hidden where somebody put a token in the place of one."""
    return HIDDEN if typed_secrets(key) else plain(key, 40)


# ---------------------------------------------------------------- reading


def read_token_file(path: Path) -> TokenFile:
    """Reads one token file, whatever is there; never raises and never waits."""
    text, state, problem, info = _read_text(path)
    link = show_path(_end_of(path)) if os.path.islink(path) else ""
    if info is None or state != State.READ:
        return TokenFile(path, state, problem, link=link, gap=gap_of(path))
    found = _read_secret(path, text)
    shared = bool(info.st_mode & 0o077) and os.name == "posix"
    owned = not hasattr(os, "getuid") or info.st_uid == os.getuid()
    return replace(
        found, readable_by_others=shared, owned=owned, modified=info.st_mtime, link=link, foreign=is_foreign(info)
    )


def _read_secret(path: Path, text: str) -> TokenFile:
    data, state, problem = _parse(text)
    if not isinstance(data, dict):
        inside = Token(text.strip()[:4096]).reads_as if text.strip() else None
        return TokenFile(path, state, problem, inside=inside)
    value = data.get(TOKEN_KEY)
    token = Token(str(value)) if value is not None else None  # a number is sent as it is written
    problem = "" if isinstance(value, str) else _problem_with_key(data)
    keys = tuple(show_key(key) for key in list(data)[:8] if key != TOKEN_KEY)
    inside = None if token else _only_token_in(data)
    return TokenFile(path, state, problem, token, keys, inside, names=host_named(data.get(SERVER_KEY)))


def host_named(address: object) -> str:
    """The host in what a file of the tokens page says of its server: `global.daf-apis.com/auth`; "" if it says none."""
    found = parse(address)
    return found.host_and_port if found else ""


def read_map() -> ServerMap:
    """Reads caveclient's datastack-to-server map, whatever is there; never raises."""
    path = secrets_folder() / MAP_NAME
    text, state, problem, info = _read_text(path)
    if info is None or state != State.READ:
        return ServerMap(path, state, problem)
    data, state, problem = _parse(text)
    return ServerMap(path, state, problem, data if isinstance(data, dict) else {})


def read_any_file(path: str) -> tuple[str, str]:
    """Reads a file that a person named.

    Returns:
        Its text, and what is wrong with it in words to follow "the file", or "".
    """
    text, state, problem, _ = _read_text(Path(os.path.expanduser(path)))
    if state is State.ABSENT:
        return "", problem or "is not there"
    return text, problem or ("" if text.strip() else "is empty")


def resolve(server: str) -> Resolved:
    """Which token caveclient takes for a server, by its own order of files.

    Args:
        server: the server's address, as caveclient is given it.
    Source: caveclient 8.2 `AuthClient.__init__`: the server's file if it is a file, else `cave-secret.json`; if
        that gave nothing, `chunkedgraph-secret.json`.
    """
    own, default, legacy = (read_token_file(path) for path in _paths(server))
    first = default if own.state in (State.ABSENT, State.NOT_A_FILE) else own
    blocker = first if _stops_caveclient(first) else None
    source = first if first.token is not None else None
    if blocker is None and source is None:
        blocker = legacy if _stops_caveclient(legacy) else None
        source = legacy if legacy.token is not None else None
    token = source.token if source and not blocker else None
    owner = owner_of(server, source) if source is not None and token is not None else ""
    return Resolved(server, token, source if token else None, blocker, own, default, legacy, owner)


def _paths(server: str) -> tuple[Path, Path, Path]:
    folder = secrets_folder()
    return server_file(server), folder / DEFAULT_NAME, folder / LEGACY_NAME


def _stops_caveclient(found: TokenFile) -> bool:
    return found.state not in (State.ABSENT, State.READ)


def owner_of(server: str, file: TokenFile) -> str:
    """The other server that the token in a file is known to be for; "" if none is.

    It is another's if the file says so, or if it is in another server's own file too. In this server's own file that
    counts only where it came later than into the other's, and where the two are not names of one machine.
    """
    if named := named_owner(server, file):
        return named
    if file.path != server_file(server):
        return other_owner(server, file.meant)
    for there, other in _others_with(server, file.meant):
        if file.modified + SAME_TIME >= other.modified and not _are_one(server, there):
            return there
    return ""


def named_owner(server: str, file: TokenFile) -> str:
    """The other server that a file says its token is for; "" if it names none."""
    if not file.names or is_host_of(server, file.names):
        return ""
    there = _server_with(file.names)
    return "" if _are_one(server, there) else there


def is_host_of(server: str, host: str) -> bool:
    """Whether a host is a server's or one of its data servers'."""
    return place_of(host) in map(place_of, (server, *local_servers_of(server)))


def other_owner(server: str, token: Token | None) -> str:
    """The other server in whose own file, or data server's file, this very token is; "" if there is none."""
    return next((there for there, _ in _others_with(server, token)), "")


def _others_with(server: str, token: Token | None) -> Iterator[tuple[str, TokenFile]]:
    """The other servers with a token in one of their files, and that file."""
    # Once this server is set up here, a host that is not known to be a server is one of its data servers.
    is_set_up = os.path.lexists(server_file(server))
    for name in _names_of_servers() if is_set_up else hosts_with_files():
        if token is not None and not is_host_of(server, name):
            file = read_token_file(_file_called(name))
            if file.meant == token:
                yield _server_with(name), file


def _are_one(server: str, other: str) -> bool:
    """Whether two addresses lead to one machine, so that they are two names of one deployment."""
    mine, theirs = parse(server), parse(other)
    if mine is None or theirs is None or (server in KNOWN_SERVERS and other in KNOWN_SERVERS):
        return False
    return mine.place[1] == theirs.place[1] and bool(_addresses_of(mine.host) & _addresses_of(theirs.host))


def _addresses_of(host: str) -> set[str]:
    """The network addresses of a host; none if they do not come in time."""
    found: list[str] = []

    def look() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            found.extend(str(one[4][0]) for one in socket.getaddrinfo(host, None))

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(LOOK_UP_SECONDS)
    return set(found)


def hosts_with_files() -> tuple[str, ...]:
    """What the names of token files begin with, those of known servers first. They may hold a password."""
    names = dict.fromkeys(_names_of_servers())
    ending = f"-{DEFAULT_NAME}"
    with contextlib.suppress(OSError), os.scandir(secrets_folder()) as entries:
        found = sorted(entry.name[: -len(ending)] for entry in entries if entry.name.endswith(ending))
        names.update(dict.fromkeys(found[:MOST_FILES]))
    return tuple(filter(None, names))


def _server_with(name: str) -> str:
    """The server, in the one form, whose own or whose data server's token file has a name that begins so."""
    place = place_of(name)
    for server in known_servers():
        if place is not None and place in map(place_of, (server, *local_servers_of(server))):
            return server
    address = parse(name)
    return f"https://{address.host_and_port}" if address else "another server"


def known_servers() -> tuple[str, ...]:
    """The servers of the known deployments and of the datastack map, in the one form."""
    return tuple(dict.fromkeys((*KNOWN_SERVERS, *filter(None, map(meant_address, _remembered())))))


def _names_of_servers() -> tuple[str, ...]:
    """What the names of their token files begin with."""
    return tuple(dict.fromkeys(map(name_for_files, (*KNOWN_SERVERS, *_remembered()))))


def _remembered() -> list[str]:
    return [value for value in read_map().entries.values() if isinstance(value, str)][:200]


def _read_text(path: Path) -> tuple[str, State, str, os.stat_result | None]:
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
        return "", State.ABSENT, _where_link_leads(path), None
    except PermissionError:
        return "", State.UNREADABLE, FORBIDDEN, None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", 0) == errno.ELOOP:
            return "", State.ABSENT, _where_link_leads(path), None
        return "", State.UNREADABLE, f"cannot be read ({type(error).__name__})", None


def _parse(text: str) -> tuple[object, State, str]:
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
    usual = [token for token in found if token.is_usual]
    return usual[0] if len(usual) == 1 else None


# ---------------------------------------------------------------- links, and the folder


def _end_of(link: Path) -> Path:
    """Where a link leads in the end, over all other links, whether or not anything is there."""
    return Path(os.path.realpath(link))


def _where_link_leads(link: Path) -> str:
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
    return f"is a link to {show_path(_end_of(link))}, {why}"


def is_lost_link(path: Path) -> bool:
    """Whether a link leads to something that is not there; not one that leads back to itself."""
    return os.path.islink(path) and not os.path.lexists(_end_of(path))


def gap_of(path: Path) -> str:
    """The folder that a link leads into and that is not there; "" where nothing is missing to save through it."""
    if not os.path.islink(path) or os.path.isdir(folder := _end_of(path).parent):
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
            return one, _where_link_leads(one) or "is not a folder"
    return None


def folder_of_another() -> tuple[Path, str] | None:
    """The link that leads to another user's folder, and the words to follow its name; None if none does."""
    folder = secrets_folder()
    for one in (folder.parent, folder):
        with contextlib.suppress(OSError):
            if os.path.islink(one) and is_foreign(os.stat(one)):
                return one, f"is a link to {show_path(_end_of(one))}, which belongs to another user"
    return None


# ---------------------------------------------------------------- saving


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be saved: the arguments of `save_token`."""

    token: Token
    server: str
    local_servers: tuple[str, ...]
    datastacks: tuple[str, ...]
    opened: tuple[str, ...]


def save_token(
    token: Token,
    server: str,
    *,
    local_servers: Iterable[str] = (),
    datastacks: Iterable[str] = (),
    opened: Iterable[str] = (),
    overwrite: bool = False,
    confirm: Callable[[], None] = lambda: None,
) -> Saved:
    """Saves a token where caveclient and cloud-volume look for it, and maps datastacks to the server.

    The files are those of caveclient's `save_token`: the server's own, `cave-secret.json` where that is free or this
    server's already, and one for each local server (cloud-volume reads those). A token that is another server's
    stays. A file that is not JSON, and a local server's file with a token that nobody is known to own, is copied
    before it is written anew. All files are written whole, and all of them or none.

    Args:
        token: what to save.
        server: the address of the server that the token is for.
        local_servers: addresses of the data servers that take the same token.
        datastacks: datastacks on this server; one that the map has on another server stays there.
        opened: datastacks that are to open on this server whatever the map said.
        overwrite: replace a different token of this server.
        confirm: called when everything is written; if it raises, every file is put back.
    Returns:
        What was written.
    Raises:
        TokenExists: a different token is saved for this server, and `overwrite` is False. Nothing was changed.
        TokenNotSaved: the folder or a file cannot be written. No file was changed; with `NotPutBack` some were.
    """
    wanted = _Wanted(token, server, tuple(local_servers), tuple(datastacks), tuple(opened))
    with changing():
        old = resolve(server)
        previous = _own_token(old)
        if not overwrite:
            _raise_if_another(previous, wanted)
        return _save(wanted, old, previous, confirm)


def try_saving(server: str) -> None:
    """Finds out whether a token for a server could be saved, before one is asked for or made. Leaves no trace.

    Raises:
        TokenNotSaved: the folder cannot be written, or what stands in the place of the server's file not replaced.
    """
    folder = _own_folder()
    try:
        files.try_out(next(one for one in (folder, *folder.parents) if os.path.lexists(one)))
    except OSError as error:
        raise not_saved(folder, error) from None
    with_token(server_file(server), Token(""))


def _raise_if_another(previous: Token | None, wanted: _Wanted) -> None:
    if previous is None or wanted.token in (previous, previous.reads_as):
        return
    ending = f" ending in {previous.ending}" if previous.ending else ""
    raise TokenExists(f"another token{ending} is saved for {host_of(wanted.server)}, and stays.")


def _save(wanted: _Wanted, old: Resolved, previous: Token | None, confirm: Callable[[], None]) -> Saved:
    for file in (old.server_file, old.default_file):
        if file.state == State.UNREADABLE and file.problem != FORBIDDEN:
            raise TokenNotSaved(f"{file.fault}.")
    paths, kept, strange = _files_for(wanted, old, previous)
    files.sweep(Path(os.path.realpath(path)).parent for path in paths if path.is_symlink())
    plan = {path: text for path in _in_order(paths, previous) if (text := with_token(path, wanted.token)) is not None}
    unchanged = not plan
    mapping, before, map_text = _map_with(wanted)
    if map_text is not None:
        plan[read_map().path] = map_text
    copied = [path for path in plan if path in strange or _is_broken(path)]
    made = write_files(plan, copied, confirm)
    return Saved(tuple(paths), unchanged, tuple(kept), made, mapping, before)


def _in_order(paths: list[Path], previous: Token | None) -> list[Path]:
    """The order in which a save that is killed leaves it plain whose token is where.

    Copies of the token that is replaced go before the server's own file, which tells that they are copies; files that
    get one for the first time go after it, since it tells whose that is.
    """
    copies = [path for path in paths[1:] if previous is not None and read_token_file(path).token == previous]
    return [*copies, *(path for path in paths if path not in copies)]


def _own_token(old: Resolved) -> Token | None:
    """The token that is this server's for sure: its own file's, or at the default server that of `cave-secret.json`."""
    token = None if old.belongs_to else old.server_file.token
    if token is None and old.server == DEFAULT_SERVER and not old.belongs_to:
        token = old.token
    return token if token is not None and token.reveal().strip() else None


def _files_for(wanted: _Wanted, old: Resolved, previous: Token | None) -> tuple[list[Path], list[Path], list[Path]]:
    """The files to write, those with another server's token to leave, and those to copy before."""
    paths, kept = [old.server_file.path], []
    strange = [old.server_file.path] if old.belongs_to and old.source is old.server_file else []
    ours = (None, wanted.token, previous)
    if _is_free(old.default_file, ours):
        paths.append(old.default_file.path)
    elif old.default_file.state in (State.READ, State.MALFORMED, State.UNREADABLE):
        kept.append(old.default_file.path)
    for path in local_files(wanted.server, wanted.local_servers):
        if gap_of(path):
            continue
        local = read_token_file(path)
        if named_owner(wanted.server, local):
            kept.append(path)
            continue
        paths.append(path)
        if local.token not in ours:
            strange.append(path)
    return list(dict.fromkeys(paths)), kept, strange


def _is_free(file: TokenFile, ours: tuple[Token | None, ...]) -> bool:
    """Whether `cave-secret.json` may be written: it holds nothing, or nothing but this server's token."""
    token = file.token if file.state == State.READ else file.inside
    writable = file.state in (State.ABSENT, State.READ, State.MALFORMED) and not file.gap
    return writable and (token in ours or token is None or not token.reveal().strip())


def local_files(server: str, local_servers: Iterable[str]) -> tuple[Path, ...]:
    """The token files of a server's data servers, without any that is known to be another server's."""
    everybody = (*known_servers(), *(local for one in DEPLOYMENTS for local in one.local_servers))
    own = {None, *map(place_of, everybody)} - set(map(place_of, local_servers_of(server)))
    return tuple(sorted({server_file(local) for local in local_servers if place_of(local) not in own}))


def with_token(path: Path, token: Token) -> str | None:
    """The new content of a token file with its other keys kept; None if it holds the token and needs no tightening.

    Raises:
        TokenNotSaved: what stands there cannot be replaced.
    """
    text, state, problem, info = _read_text(path)
    if state in (State.NOT_A_FILE, State.UNREADABLE, State.TOO_LARGE):
        raise TokenNotSaved(f"{show_path(path)} {problem}. Move it away and try again.")
    if info is not None and not info.st_mode & 0o222:
        raise WriteProtected(path)
    if gap_of(path):
        raise LostLink(path)
    data = _parse(text)[0] if state == State.READ else None
    entries: dict[str, Any] = data if isinstance(data, dict) else {}
    if _read_secret(path, text).meant != token:
        entries = {key: value for key, value in entries.items() if key not in OF_THE_TOKEN}
    private = info is not None and not (os.name == "posix" and info.st_mode & 0o077)
    if entries.get(TOKEN_KEY) == token.reveal() and private:
        return None
    return json.dumps({**entries, TOKEN_KEY: token.reveal()}, indent=2) + "\n"


def _map_with(wanted: _Wanted) -> tuple[dict[str, str], dict[str, str], str | None]:
    """Datastack -> server as it will be, as it was where that differs, and the new text of the map if it changes."""
    current, server = read_map(), wanted.server
    if current.state in (State.NOT_A_FILE, State.UNREADABLE, State.TOO_LARGE) or gap_of(current.path):
        return {}, {}, None
    entries = dict(current.entries)
    mapping = {name: server for name in wanted.datastacks if entries.get(name, server) == server}
    mapping.update(dict.fromkeys(wanted.opened, server))
    before = {name: shown(entries[name]) for name in wanted.opened if entries.get(name, server) != server}
    changed = any(entries.get(name) != server for name in mapping)
    return mapping, before, json.dumps({**entries, **mapping}, indent=2) + "\n" if changed else None


def _is_broken(path: Path) -> bool:
    text, state, _, _ = _read_text(path)
    return state == State.READ and _parse(text)[1] == State.MALFORMED


# ---------------------------------------------------------------- writing


@contextlib.contextmanager
def changing() -> Iterator[None]:
    """Holds the folder, made and tightened, against other kernels that save at the same time.

    Raises:
        TokenNotSaved: it cannot be made or written, or another program does not let go.
    """
    folder = _own_folder()
    with contextlib.ExitStack() as held:
        try:
            files.make_private_folder(folder)
            held.enter_context(files.locked(folder))
        except files.Locked as error:
            raise TokenNotSaved(
                f"another program has been saving for {files.LOCK_SECONDS:.0f} s. "
                f"If none is, remove {show_path(error.args[0])} and try again."
            ) from None
        except OSError as error:
            raise not_saved(folder, error) from None
        with contextlib.suppress(OSError):  # one that is another's cannot be tightened, but perhaps be used
            files.tighten(folder, 0o700)
        files.sweep([folder])
        yield


def _own_folder() -> Path:
    folder = secrets_folder()
    if not folder.is_absolute():
        raise TokenNotSaved("this user has no home folder. Set HOME to one that can be written.")
    fault = folder_fault()
    if fault is not None and os.path.islink(fault[0]):
        raise LostLink(fault[0])
    return folder


def write_files(
    plan: Mapping[Path, str | None], copied: Iterable[Path] = (), confirm: Callable[[], None] = lambda: None
) -> tuple[Path, ...]:
    """Writes all of these files or none, for their owner alone, and copies some of them before. Under `changing()`.

    Args:
        plan: file -> its new text, or None to remove it.
        copied: the files of which a copy is to stay.
        confirm: called when all is written; if it raises, everything is put back.
    Returns:
        The copies.
    Raises:
        TokenNotSaved: a file cannot be written. Everything is as it was; with `NotPutBack` it is not.
    """
    try:
        backups = dict(files.back_up(path) for path in copied)
        contents = {path: None if text is None else text.encode() for path, text in plan.items()}
        for path in plan:
            files.make_private_folder(path.parent)  # another program's may not be there
        files.write_all({**backups, **contents}, confirm)
        return tuple(backups)
    except files.NotPutBack as error:
        names = " and ".join(show_path(path) for path in error.args[0])
        raise NotPutBack(f"saving broke off, and {names} could not be put back.") from None
    except OSError as error:
        raise not_saved(Path(str(error.filename or secrets_folder())), error) from None


def not_saved(path: Path, error: OSError) -> TokenNotSaved:
    """What to say where the system refused to change a file."""
    reason = plain(os.strerror(error.errno) if error.errno else type(error).__name__)
    return TokenNotSaved(f"{show_path(path)} cannot be written ({reason}).")
