"""Changes to token files and the datastack map that `%cave_check --fix` offers. None of them needs a server.

Each function looks at what is there and gives a repair, or None where there is nothing to repair. A repair is found
anew when it is applied: what somebody else has changed since is not undone. All of it is done or none of it.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ..api.urls import display_file_name, display_url, holds_secret
from ..credentials import atomic_write, datastack_map, save, stored_tokens, token_files
from ..credentials.datastack_map import entries_with_secrets
from ..credentials.stored_tokens import StoredToken
from ..credentials.token_files import State, TokenFile, show_path
from ..deployments import DEFAULT_SERVER, meant_address, server_meant
from ..redact import sanitize
from ..token import Token

Plan = Mapping[Path, str | None]
"""File -> its new text, or None to remove it."""

_ENTRY = re.compile(r'"([\w.-]{1,100})"\s*:\s*"(https?://[^"\s\\]{1,200})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One change that can be made on this computer.

    Attributes:
        id: what kind it is.
        words: what it does, before -> after, in one line without a secret.
        paths: the files that it changes.
    """

    id: str
    words: str
    paths: tuple[Path, ...] = field(repr=False)
    _make: Callable[[], tuple[Path, ...]] = field(repr=False, compare=False)

    def apply(self) -> tuple[Path, ...]:
        """Makes the change; nothing if it is not needed any more.

        Returns:
            The copies of the files as they were before.
        Raises:
            TokenNotSaved: a file cannot be written. Everything is as it was; with `NotPutBack` it is not.
        """
        with save.changing():
            return self._make()

    def then(self, follow: Callable[[], object]) -> Repair:
        """The same repair, with something that is to be done once it is made."""

        def make() -> tuple[Path, ...]:
            backups = self._make()
            follow()
            return backups

        return replace(self, _make=make)


def _rewrite(find: Callable[[], Plan]) -> tuple[Path, ...]:
    plan = find()
    return save.write_files(plan, [path for path in plan if path.exists() and not _is_map_with_secrets(path)])


def _is_map_with_secrets(path: Path) -> bool:
    """Whether a copy of the file would only be one more place where a token or a password lies about."""
    return path.name == datastack_map.MAP_NAME and holds_secret(token_files.read_any_file(str(path))[0])


# ---------------------------------------------------------------- permissions


def repair_permissions(resolved: StoredToken) -> Repair | None:
    """Makes the folder, and every token file in it, one's own alone.

    Args:
        resolved: the files of a server; those of other servers are looked at too.
    """
    shared = _shared_files(resolved)
    folder = token_files.secrets_folder()
    mode = _mode_of(folder)
    opened = [f"{show_path(folder)} ({mode & 0o777:04o} -> 0700)"] if mode & 0o077 else []
    names = opened + [f"{display_file_name(path.name)} ({_mode_of(path):04o} -> 0600)" for path in shared]
    if not names or os.name != "posix":
        return None
    words = f"allow nobody but you to read {_listed(names)}"
    return Repair(id="permissions", words=words, paths=tuple(shared), _make=partial(_tighten, shared))


def _shared_files(resolved: StoredToken) -> list[Path]:
    others = [
        token_files.secrets_folder() / f"{host}-{token_files.DEFAULT_NAME}" for host in stored_tokens.hosts_with_files()
    ]
    found = [*resolved.files, *(token_files.read_token_file(path) for path in others)]
    return list(dict.fromkeys(file.path for file in found if file.readable_by_others and file.owned))


def _mode_of(path: Path) -> int:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return 0


def _tighten(shared: Iterable[Path]) -> tuple[Path, ...]:
    done: list[tuple[Path, int]] = []
    for path in shared:  # the folder was tightened when it was locked
        done.append((path, _mode_of(path)))
        try:
            atomic_write.tighten(path, 0o600)
        except OSError as error:
            for changed, mode in done:
                atomic_write.set_mode(changed, mode)
            raise save.not_saved(path, error) from None
    return ()


# ---------------------------------------------------------------- one file


def repair_shape(file: TokenFile) -> Repair | None:
    """Writes a token file properly that holds a token in a way in which it does not work.

    That is a bare token, a list, a wrong key, quotes, blanks or capitals: whatever holds exactly one token.
    """
    token = _token_in(file)
    if token is None:
        return None
    problem = file.problem or f"holds one that {file.token.oddity() if file.token else ''}"
    words = f'write {file.name} as {{"token": "..."}} with the token ending in {token.ending}; now it {problem}'
    return Repair(
        id="shape", words=words, paths=(file.path,), _make=partial(_rewrite, partial(_in_shape, file.path, token))
    )


def _token_in(file: TokenFile) -> Token | None:
    if file.inside is not None:
        return file.inside
    return file.token.reads_as if file.token is not None and file.token.format is None else None


def _in_shape(path: Path, token: Token) -> Plan:
    text = save.with_token(path, token) if _token_in(token_files.read_token_file(path)) == token else None
    return {} if text is None else {path: text}


def repair_legacy(resolved: StoredToken) -> Repair | None:
    """Sets `chunkedgraph-secret.json` aside; a token that caveclient takes from it goes to the server's file."""
    legacy, own = resolved.legacy_file, resolved.server_file
    used = resolved.source is not None and resolved.source.path == legacy.path
    if legacy.state != State.READ or (own.token is None and not used) or resolved.belongs_to:
        return None
    token = legacy.token if used else None
    aside = f"set {legacy.name} aside, as {legacy.name}.*.bak"
    words = f"write the token of {legacy.name} to {own.path.name}, and {aside}" if token else f"{aside}; it is not used"
    paths = (own.path, legacy.path) if token else (legacy.path,)
    return Repair(
        id="legacy", words=words, paths=paths, _make=partial(_rewrite, partial(_without_legacy, resolved.server, token))
    )


def _without_legacy(server: str, token: Token | None) -> Plan:
    now = stored_tokens.resolve(server)
    if now.legacy_file.state != State.READ or (token is not None and now.token != token):
        return {}
    text = save.with_token(now.server_file.path, token) if token else None
    return {**({now.server_file.path: text} if text else {}), now.legacy_file.path: None}


# ---------------------------------------------------------------- several files of one server


def repair_copies(resolved: StoredToken, token: Token, local_servers: Iterable[str] = ()) -> Repair | None:
    """Makes the copies of one server's token agree.

    Args:
        resolved: the server's files.
        token: the one that works.
        local_servers: addresses of its data servers, whose files cloud-volume reads.
    """
    locals_ = tuple(local_servers)
    found = _copies(resolved, token, locals_)
    if not found:
        return None
    had = [f"{file.name} ({_ending(file.token)} -> {_ending(token)})" for file in found]
    find = partial(_agreeing, resolved.server, token, locals_)
    words = f"write the token that works to {_listed(had)}"
    return Repair(id="copies", words=words, paths=tuple(file.path for file in found), _make=partial(_rewrite, find))


def _copies(resolved: StoredToken, token: Token, local_servers: Iterable[str]) -> list[TokenFile]:
    """The server's files that should hold the token and do not."""
    own, default = resolved.server_file, resolved.default_file
    found = [own] if own.state != State.ABSENT or default.token != token else []
    if default.state == State.READ and default.token is not None and _is_ours(resolved, default):
        found.insert(0, default)
    for path in save.local_files(resolved.server, local_servers):
        local = token_files.read_token_file(path)
        if local.token is not None and not stored_tokens.owner_of(resolved.server, local):
            found.insert(0, local)
    return [file for file in found if file.token != token]


def repair_readers(token: Token, paths: Iterable[Path]) -> Repair | None:
    """Saves the token also where only cloud-volume and cloud-files look for it.

    Args:
        token: the one that works.
        paths: the files that they read first.
    """
    found = [file for file in map(token_files.read_token_file, dict.fromkeys(paths)) if file.token != token]
    if not found:
        return None
    had = [f"{show_path(file.path)} ({_ending(file.token)} -> {_ending(token)})" for file in found]
    wanted = tuple(file.path for file in found)
    words = f"write the token also to {_listed(had)}"
    return Repair(id="readers", words=words, paths=wanted, _make=partial(_rewrite, partial(_with_token, token, wanted)))


def _with_token(token: Token, paths: Iterable[Path]) -> Plan:
    return {path: text for path in paths if (text := save.with_token(path, token)) is not None}


def _is_ours(resolved: StoredToken, file: TokenFile) -> bool:
    if file.token == resolved.server_file.token:
        return True
    return resolved.server == DEFAULT_SERVER and not stored_tokens.owner_of(resolved.server, file)


def _agreeing(server: str, token: Token, local_servers: Iterable[str]) -> Plan:
    return _with_token(token, [file.path for file in _copies(stored_tokens.resolve(server), token, local_servers)])


def _ending(token: Token | None) -> str:
    return f"…{token.ending}" if token is not None and token.ending else "another one" if token else "none"


# ---------------------------------------------------------------- the map


def repair_map_entry(datastack: str, server: str = "") -> Repair | None:
    """Corrects where a datastack is opened, or forgets it.

    Args:
        datastack: its name in the map.
        server: the right address; "" to forget the entry.
    """
    current = datastack_map.read_map()
    if datastack not in current.entries or current.entries[datastack] == server:
        return None
    name, old = sanitize(datastack), display_url(current.entries[datastack])
    words = f"open {name} on {server} (now: {old})" if server else f"forget that {name} is on {old}"
    find = partial(_map_with, {datastack: server}, dict(current.entries))
    return Repair(id="map-entry", words=words, paths=(current.path,), _make=partial(_rewrite, find))


def repair_wrong_entry(datastack: str) -> Repair | None:
    """Corrects a wrong entry to the server that it means, or forgets it where that cannot be told."""
    return repair_map_entry(datastack, server_meant(datastack, datastack_map.read_map().entries.get(datastack)))


def repair_map_secrets() -> Repair | None:
    """Takes tokens and passwords out of the addresses in the map: what stays is the server that is meant.

    That is where a known datastack is, else the address without them; what is no address is forgotten. No copy is kept.
    """
    current = datastack_map.read_map()
    found = {name: server_meant(name, current.entries[name]) for name in entries_with_secrets()}
    if not found:
        return None
    words = (
        f"take what is secret out of the address of {_listed([sanitize(name) for name in found])} in the datastack map"
    )
    find = partial(_map_with, found, dict(current.entries))
    return Repair(id="map-secrets", words=words, paths=(current.path,), _make=partial(_rewrite, find))


def _map_with(changes: Mapping[str, str], before: Mapping[str, object]) -> Plan:
    """The map with some entries changed (to "": forgotten), unless they are not what they were any more."""
    current = datastack_map.read_map()
    entries = dict(current.entries)
    for name, server in changes.items():
        if name in entries and entries[name] == before.get(name):
            entries[name] = server
            if not server:
                del entries[name]
    return {} if entries == current.entries else {current.path: json.dumps(entries, indent=2) + "\n"}


def repair_map() -> Repair | None:
    """Writes a datastack map anew that is no JSON object, with the entries that can still be read in it."""
    current = datastack_map.read_map()
    if current.state != State.MALFORMED:
        return None
    count = len(_readable_entries(current.path))
    stay = "nothing in it can be read" if not count else f"the {count} entries that can be read in it stay"
    words = f"write the datastack map anew, which {current.problem}; {stay}"
    return Repair(id="map", words=words, paths=(current.path,), _make=partial(_rewrite, _rebuilt_map))


def _rebuilt_map() -> Plan:
    current = datastack_map.read_map()
    if current.state != State.MALFORMED:
        return {}
    return {current.path: json.dumps(_readable_entries(current.path), indent=2) + "\n"}


def _readable_entries(path: Path) -> dict[str, str]:
    text, _ = token_files.read_any_file(str(path))
    return {name: meant for name, address in _ENTRY.findall(text) if (meant := meant_address(address))}


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
