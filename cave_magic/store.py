"""The token files and the datastack map in `~/.cloudvolume/secrets`: find, read, save, repair. Nobody else touches them.

Which file holds what, and in which order the files are read, is caveclient's rule (caveclient 7 and 8, `auth.py`,
`datastack_lookup.py`); a test holds this module against it. How they are written is ours: whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import TokenExists, TokenNotSaved
from .plain import plain
from .servers import DEFAULT_SERVER, KNOWN_SERVERS, host_of
from .tokens import Token

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_KEY = "token"
DEFAULT_NAME = "cave-secret.json"
LEGACY_NAME = "chunkedgraph-secret.json"
MAP_NAME = "cave_datastack_to_server_map.json"
LOCK_NAME = ".cave_magic.lock"
LARGEST_FILE = 1_000_000
"""Bytes. A token file has some hundred; a larger one is not read."""
LOCK_SECONDS = 10.0


class State(Enum):
    """What was found at the place of a file."""

    ABSENT = "absent"
    READ = "read"
    MALFORMED = "malformed"
    UNREADABLE = "unreadable"
    NOT_A_FILE = "not a file"
    TOO_LARGE = "too large"


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

    @property
    def name(self) -> str:
        return self.path.name


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
        return tuple(one for one in (self.server_file, self.default_file, self.legacy_file) if one.state != State.ABSENT)

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
    entries: Mapping[str, object] = field(default_factory=dict)


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
    return secrets_folder() / f"{host_of(server)}-{DEFAULT_NAME}"


def show_path(path: Path) -> str:
    """A path as people write it, with `~` for their home."""
    home = os.path.expanduser("~")
    text = str(path)
    return plain("~" + text[len(home) :] if text.startswith(home + os.sep) else text, 200)


# ---------------------------------------------------------------- reading

def read_token_file(path: Path) -> TokenFile:
    """Reads one token file, whatever is there; never raises and never waits."""
    text, state, problem, info = _read_text(path)
    if info is None or state != State.READ:
        return TokenFile(path, state, problem)
    found = _read_secret(path, text)
    shared = bool(info.st_mode & 0o077) and os.name == "posix"
    owned = not hasattr(os, "getuid") or info.st_uid == os.getuid()
    return replace(found, readable_by_others=shared, owned=owned, modified=info.st_mtime)


def _read_secret(path: Path, text: str) -> TokenFile:
    data, state, problem = _parse(text)
    if not isinstance(data, dict):
        inside = Token(text.strip()[:4096]).reads_as if text.strip() else None
        return TokenFile(path, state, problem, inside=inside)
    value = data.get(TOKEN_KEY)
    token = Token(value if isinstance(value, str) else json.dumps(value)) if value is not None else None
    problem = "" if isinstance(value, str) else _problem_with_key(data)
    keys = tuple(plain(key, 40) for key in list(data)[:8] if key != TOKEN_KEY)
    return TokenFile(path, state, problem, token, keys, None if token else _only_token_in(data))


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
        return "", "is not there"
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
    owner = _other_owner(server, token) if source is not None and source is not own else ""
    return Resolved(server, token, source if token else None, blocker, own, default, legacy, owner)


def _paths(server: str) -> tuple[Path, Path, Path]:
    folder = secrets_folder()
    return server_file(server), folder / DEFAULT_NAME, folder / LEGACY_NAME


def _stops_caveclient(found: TokenFile) -> bool:
    return found.state not in (State.ABSENT, State.READ)


def _other_owner(server: str, token: Token | None) -> str:
    """The other server whose own file holds this very token, if one is known here; "" otherwise."""
    if token is None:
        return ""
    for other in known_servers():
        if other != server and read_token_file(server_file(other)).token == token:
            return other
    return ""


def known_servers() -> tuple[str, ...]:
    """The servers of the known deployments and of the datastack map."""
    mapped = [value for value in read_map().entries.values() if isinstance(value, str)][:200]
    return tuple(dict.fromkeys((*KNOWN_SERVERS, *mapped)))


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
            return file.read(LARGEST_FILE + 1).decode("utf-8", errors="replace"), State.READ, "", info
    except (FileNotFoundError, NotADirectoryError):
        return "", State.ABSENT, "", None
    except PermissionError:
        return "", State.UNREADABLE, "may not be read by you", None
    except (OSError, ValueError) as error:
        return "", State.UNREADABLE, f"cannot be read ({type(error).__name__})", None


def _parse(text: str) -> tuple[object, State, str]:
    if not text.strip("\0 \t\r\n"):
        return None, State.MALFORMED, "is empty"
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        return None, State.MALFORMED, f"is not valid JSON{where}"
    if not isinstance(data, dict):
        return data, State.MALFORMED, f"holds {_kind(data)}, not an object with the key \"{TOKEN_KEY}\""
    return data, State.READ, ""


def _kind(data: object) -> str:
    kinds = {list: "a list", str: "a text", bool: "a true or false", type(None): "null"}
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


# ---------------------------------------------------------------- saving

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
    stays. All files are written whole, and all of them or none.

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
        TokenNotSaved: the folder or a file cannot be written. Everything is as it was.
    """
    with _locked():
        old = resolve(server)
        previous = _own_token(old)
        if previous is not None and previous != token and not overwrite:
            ending = f" ending in {previous.ending}" if previous.ending else ""
            raise TokenExists(
                f"another token{ending} is saved for {host_of(server)}, and stays. "
                "To replace it: %cave_save --overwrite"
            )
        paths, kept = _files_for(old, token, previous, local_servers)
        plan = {path: text for path in paths if (text := _with_token(path, token)) is not None}
        mapping, before, map_text = _map_with(server, datastacks, opened)
        backups = [path for path in (*plan, *([read_map().path] if map_text else [])) if _is_broken(path)]
        if map_text is not None:
            plan[read_map().path] = map_text
        made = _write_all(plan, backups, confirm)
        unchanged = not any(path in plan for path in paths)
        return Saved(tuple(paths), unchanged, tuple(kept), tuple(made), mapping, before)


def _own_token(old: Resolved) -> Token | None:
    """The token that is this server's for sure: its own file's, or at the default server that of `cave-secret.json`."""
    if old.server_file.token is not None:
        return old.server_file.token
    return old.token if old.server == DEFAULT_SERVER and not old.belongs_to else None


def _files_for(
    old: Resolved, token: Token, previous: Token | None, local_servers: Iterable[str]
) -> tuple[list[Path], list[Path]]:
    default, paths, kept = old.default_file, [old.server_file.path], []
    if default.state == State.ABSENT or (default.state == State.READ and default.token in (None, token, previous)):
        paths.append(default.path)
    elif default.state == State.READ:
        kept.append(default.path)
    taken = {host_of(other) for other in known_servers()}
    for local in local_servers:
        host = host_of(local)
        if host and host == os.path.basename(host) and host not in taken:
            paths.append(server_file(local))
    return list(dict.fromkeys(paths)), kept


def _with_token(path: Path, token: Token) -> str | None:
    """The new content of a token file with its other keys kept; None if it holds the token and needs no tightening."""
    found = read_token_file(path)
    if found.state in (State.NOT_A_FILE, State.UNREADABLE, State.TOO_LARGE):
        raise TokenNotSaved(f"{show_path(path)} {found.problem}. Nothing was changed. Move it away and save again.")
    data: dict[str, Any] = {}
    if found.state == State.READ:
        data = json.loads(_read_text(path)[0])
    if data.get(TOKEN_KEY) == token.reveal() and not found.readable_by_others:
        return None
    return json.dumps({**data, TOKEN_KEY: token.reveal()}, indent=2) + "\n"


def _map_with(
    server: str, datastacks: Iterable[str], opened: Iterable[str]
) -> tuple[dict[str, str], dict[str, str], str | None]:
    current = read_map()
    wanted = tuple(opened)
    entries = dict(current.entries)
    mapping = {name: server for name in datastacks if entries.get(name, server) == server}
    mapping.update(dict.fromkeys(wanted, server))
    before = {name: plain(entries[name]) for name in wanted if entries.get(name, server) != server}
    if current.state in (State.NOT_A_FILE, State.UNREADABLE, State.TOO_LARGE):
        return {}, {}, None
    changed = any(entries.get(name) != server for name in mapping)
    return mapping, before, json.dumps({**entries, **mapping}, indent=2) + "\n" if changed else None


def _is_broken(path: Path) -> bool:
    text, state, _, _ = _read_text(path)
    return state == State.READ and _parse(text)[1] == State.MALFORMED


@contextlib.contextmanager
def _locked() -> Iterator[None]:
    """Holds the folder against other kernels that save at the same time."""
    from filelock import FileLock, SoftFileLock, Timeout

    folder = secrets_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _tighten(folder, 0o700)
        lock = folder / LOCK_NAME
        try:
            held = FileLock(lock, timeout=LOCK_SECONDS, mode=0o600).acquire()
        except (NotImplementedError, Timeout, OSError) as error:
            if isinstance(error, (Timeout, PermissionError)) or not os.access(folder, os.W_OK):
                raise
            # A network home without file locks: the existence of a file must do.
            held = SoftFileLock(folder / f"{LOCK_NAME}.soft", timeout=LOCK_SECONDS, mode=0o600).acquire()
    except Timeout as error:
        raise TokenNotSaved(
            f"another program has been saving for {LOCK_SECONDS:.0f} s. Nothing was changed. "
            f"If none is, remove {show_path(Path(error.lock_file))} and save again."
        ) from None
    except OSError as error:
        raise _not_saved(folder, error) from None
    with held:
        yield


def _tighten(path: Path, mode: int) -> None:
    with contextlib.suppress(OSError):
        if stat.S_IMODE(os.stat(path).st_mode) & ~mode:
            os.chmod(path, mode)


def _write_all(plan: Mapping[Path, str], backups: Iterable[Path], confirm: Callable[[], None]) -> list[Path]:
    """Writes all files or none: on any failure, what was already replaced is put back."""
    undo: list[tuple[Path, bytes | None]] = []
    made: list[Path] = []
    try:
        for path in backups:
            made.append(_back_up(path))
        for path, text in plan.items():
            before = path.read_bytes() if path.exists() else None
            undo.append((path, before))
            _replace(path, text.encode())
        confirm()
    except BaseException as error:
        _put_back(undo, made)
        if isinstance(error, OSError):
            raise _not_saved(Path(str(error.filename or secrets_folder())), error) from None
        raise
    return made


def _put_back(undo: Iterable[tuple[Path, bytes | None]], made: Iterable[Path]) -> None:
    for path, before in undo:
        with contextlib.suppress(OSError):
            if before is None:
                path.unlink(missing_ok=True)
            elif path.read_bytes() != before:
                _replace(path, before)
    for path in made:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _replace(path: Path, content: bytes) -> None:
    """Puts content in the place of a file in one step; only its owner may read it, from its first byte."""
    target = Path(os.path.realpath(path))
    descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name[:60]}.", suffix=".tmp", dir=target.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _back_up(path: Path) -> Path:
    copy = path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.bak")
    _replace(copy, path.read_bytes())
    return copy


def _not_saved(path: Path, error: OSError) -> TokenNotSaved:
    reason = plain(os.strerror(error.errno) if error.errno else type(error).__name__)
    return TokenNotSaved(f"{show_path(path)} cannot be written ({reason}). Nothing was changed.")
