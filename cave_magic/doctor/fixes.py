"""The changes to token files and the datastack map that `%cave_check --fix` makes. None needs a server.

Each function takes facts and returns a fix, or None if there is nothing to change. A fix reads the files again when it
is applied, so it does not undo other changes. It makes all of its changes or none.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..api.responses import REFUSALS
from ..api.urls import display_file_name, display_url, holds_secret
from ..credentials import atomic_write, datastack_map, save, stored_tokens, token_files
from ..credentials.datastack_map import ServerMap
from ..credentials.locations import Role, locations
from ..credentials.obstacles import Intent, obstacle_of
from ..credentials.stored_tokens import StoredToken
from ..credentials.token_files import State, TokenFile, as_json, show_path
from ..deployments import DEFAULT_SERVER, AddressFault, meant_address, server_meant
from ..token import Token
from ..ui.document import Line, line
from ..ui.door import on_windows
from ..ui.redact import MASK, sanitize
from . import next_steps
from .evidence import DatastackFacts, Machine, ServerFacts
from .model import Fix

Plan = Mapping[Path, str | None]
"""File -> its new text; None removes it."""

_ENTRY = re.compile(r'"([\w.-]{1,100})"\s*:\s*"(https?://[^"\s\\]{1,200})"')


def _fix(id: str, words: str, paths: Iterable[Path], find: Callable[[], Plan]) -> Fix:
    """A fix that writes files, and backs them up first."""

    def apply() -> tuple[Path, ...]:
        with save.changing():
            plan = find()
            return save.write_files(plan, [path for path in plan if path.exists() and not _is_map_with_secrets(path)])

    return Fix(id=id, words=words, paths=tuple(paths), apply=apply)


def _is_map_with_secrets(path: Path) -> bool:
    """Whether a backup would be another file with a token or a password in it."""
    return path.name == datastack_map.MAP_NAME and holds_secret(token_files.read_any_file(str(path))[0])


# ---------------------------------------------------------------- permissions


def fix_permissions(stored: StoredToken, folder_open: bool = False) -> Fix | None:
    """Makes the folder of the token files and every token file owner-only, including those of other servers.

    `folder_open` tells whether everybody on this computer can write to the folder.
    """
    if on_windows():
        return None
    listed = (one.read() for one in locations(stored.server))
    files = (*stored.files, *stored.copies, *(file for file in listed if file.meant is not None))
    shared = list(dict.fromkeys(file.path for file in files if file.readable_by_others and file.owned))
    folder = token_files.secrets_folder()
    mode = _mode_of(folder)
    names = [f"{show_path(folder)} ({mode:04o} -> 0700)"] if mode & 0o077 or folder_open else []
    names += [f"{_name_of(path)} ({_mode_of(path):04o} -> 0600)" for path in shared]
    if not names:
        return None
    words = f"make owner-only: {_listed(names)}"
    return Fix(
        id="permissions", words=words, paths=(folder, *shared), intent=Intent.CHMOD, apply=partial(_tighten, shared)
    )


def _mode_of(path: Path) -> int:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except OSError:
        return 0


def _tighten(shared: Iterable[Path]) -> tuple[Path, ...]:
    done: list[tuple[Path, int]] = []
    with save.changing():  # this tightens the folder
        for path in shared:
            done.append((path, _mode_of(path)))
            try:
                atomic_write.tighten(path, 0o600)
            except OSError as error:
                for changed, mode in done:
                    atomic_write.set_mode(changed, mode)
                raise save.Obstructed(obstacle_of(error, path)) from None
    return ()


# ---------------------------------------------------------------- one file


def fix_stored_shape(server: ServerFacts) -> Fix | None:
    """Rewrites the file whose token is not read, or does not work as written, unless the server rejected it."""
    stored = server.stored
    if stored.belongs_to or (server.salvaged_identity is not None and server.salvaged_identity.code in REFUSALS):
        return None
    other = stored.server_file if stored.server_file.inside else stored.default_file
    return fix_shape(stored.blocker or stored.source or other)


def fix_shape(file: TokenFile) -> Fix | None:
    """Rewrites a malformed token file that contains exactly one token.

    It may be a bare token, in a list, under a wrong key, or have quotes, spaces or capitals.
    """
    token = file.meant
    if token is None or token == file.token:
        return None
    problem = file.problem or f"has a token that {file.token.oddity() if file.token else ''}"
    words = f'write {file.name} as {{"token": "..."}} with the token ending in {token.ending}; now it {problem}'

    def plan() -> Plan:
        now = token_files.read_token_file(file.path)
        text = save.with_token(file.path, token) if now.meant == token != now.token else None
        return {} if text is None else {file.path: text}

    return _fix("shape", words, [file.path], plan)


def fix_legacy(stored: StoredToken) -> Fix | None:
    """Moves the token in `chunkedgraph-secret.json`, if caveclient uses it, to the server's own file."""
    legacy, own, token = stored.legacy_file, stored.server_file, stored.token
    if stored.source != legacy or token is None or stored.belongs_to:
        return None
    words = f"move the token in {legacy.name} to {own.path.name}, and keep {legacy.name} as {legacy.name}.*.bak"

    def plan() -> Plan:
        now = stored_tokens.resolve(stored.server)
        if now.source != now.legacy_file or now.token != token:
            return {}
        text = save.with_token(own.path, token)
        return {**({own.path: text} if text else {}), legacy.path: None}

    return _fix("legacy", words, [own.path, legacy.path], plan)


# ---------------------------------------------------------------- several files of one server


def fix_readers(datastack: DatastackFacts) -> Fix | None:
    """Writes the token that caveclient uses to the files that cloud-volume and cloud-files read."""
    stored = datastack.server.stored
    if stored.token is None:
        return None
    first = dict.fromkeys(one.first for one in datastack.readings if one.file.token != stored.token)
    return fix_copies(stored, stored.token, [datastack.local_server], list(first))


def fix_copies(
    stored: StoredToken, token: Token, data_servers: Sequence[str] | None = None, readers: Sequence[Path] = ()
) -> Fix | None:
    """Writes a token to all files that have a token of the same server.

    Args:
        data_servers: addresses of its data servers, whose files cloud-volume reads; None for the known ones.
        readers: files in another folder that cloud-volume and cloud-files read first.
    """
    if not (found := _copies(stored, token, data_servers, readers)):
        return None
    had = [f"{_name_of(file.path)} ({_ending(file.token)} -> {_ending(token)})" for file in found]
    words = f"write the token that works to {_listed(had)}"

    def plan() -> Plan:
        now = _copies(stored_tokens.resolve(stored.server), token, data_servers, readers)
        return {one.path: text for one in now if (text := save.with_token(one.path, token)) is not None}

    return _fix("copies", words, [file.path for file in found], plan)


def _copies(
    stored: StoredToken, token: Token, data_servers: Sequence[str] | None, readers: Sequence[Path]
) -> list[TokenFile]:
    """The server's files with another token; its own file and those in other folders come last."""
    own, default, server = stored.server_file, stored.default_file, stored.server
    places = locations(server, data_servers, (Role.DATA_SERVER,))
    found = [one.read() for one in reversed(places)]
    found = [file for file in found if file.token is not None and not stored_tokens.owner_of(server, file)]
    is_own = server == DEFAULT_SERVER and not stored_tokens.owner_of(server, default)
    if default.state == State.READ and default.token is not None and (default.token == own.token or is_own):
        found.append(default)
    if own.state != State.ABSENT or default.token != token:
        found.append(own)
    names = {one.path.name for one in places}  # not those of other servers
    paths = {file.path for file in found}
    found += [token_files.read_token_file(path) for path in readers if path.name in names and path not in paths]
    return [file for file in found if file.token != token]


def _ending(token: Token | None) -> str:
    return f"…{token.ending}" if token is not None and token.ending else "another one" if token else "none"


# ---------------------------------------------------------------- the datastack map


def fix_entry(server: ServerFacts) -> Fix | None:
    """Sets the map's entry for a datastack to the server that was named, or to the one that the entry means."""
    name, current = server.target.datastack, server.machine.datastack_map
    is_named = server.target.named_by in ("option", "setting")
    if is_named or server.target.map_problem is AddressFault.SURROUNDED:
        return fix_map_entry(name, server.address, current)
    if name in current.with_secrets:
        return fix_map_secrets(server.machine)
    return fix_map_entry(name, server_meant(name, current.entries.get(name)), current)


def fix_map_entry(datastack: str, server: str, current: ServerMap) -> Fix | None:
    """Corrects the address of a datastack in the map; removes the entry if the address is ""."""
    if current.entries.get(datastack) == server if server else datastack not in current.entries:
        return None
    name, old = sanitize(datastack).text, display_url(current.entries.get(datastack))
    removes, sets = f"remove {name} (now: {old}) from the datastack map", f"set the server of {name} to {server}"
    words = f"{sets} (now: {old})" if server else removes
    find = partial(_map_with, {datastack: server}, current.entries)
    return _fix("map-entry", words, [current.path], find)


def fix_map_secrets(machine: Machine) -> Fix:
    """Replaces map entries that contain tokens or passwords by the addresses of the servers that they mean.

    Entries that mean no server are removed. No backup is kept.
    """
    current = machine.datastack_map
    found = {name: server_meant(name, current.entries.get(name)) for name in current.with_secrets}
    names = _listed([sanitize(name).text for name in found])
    words = f"remove secrets from the address of {names} in the datastack map"
    fix = _fix("map-secrets", words, [current.path], partial(_map_with, found, current.entries))
    return replace(fix, advice=_if_shared("that file", machine))


def _map_with(changes: Mapping[str, str], before: Mapping[str, object]) -> Plan:
    """The map with some entries changed (removed if ""), except those that somebody else has changed."""
    current = datastack_map.read_map()
    entries = dict(current.entries)
    for name, server in changes.items():
        if name in entries and entries[name] == before.get(name):
            entries[name] = server
            if not server:
                del entries[name]
    return {} if entries == current.entries else {current.path: as_json(entries)}


def fix_map(current: ServerMap) -> Fix | None:
    """Rewrites a datastack map that is not a JSON object, with the entries that can still be read."""
    if current.state != State.MALFORMED:
        return None
    count = len(_readable_entries(current.path))
    kept = f"keep the {count} readable entries" if count else "no entry is readable"
    words = f"rewrite the datastack map, which {current.problem}; {kept}"

    def plan() -> Plan:
        now = datastack_map.read_map()
        return {now.path: as_json(_readable_entries(now.path))} if now.state == State.MALFORMED else {}

    return _fix("map", words, [current.path], plan)


def _readable_entries(path: Path) -> dict[str, str]:
    text, _ = token_files.read_any_file(str(path))
    return {name: meant for name, address in _ENTRY.findall(text) if (meant := meant_address(address))}


# ---------------------------------------------------------------- this notebook


def fix_left(machine: Machine) -> Fix:
    """Removes tokens from this session's history and from the notebook. No backup is kept: it would contain them."""
    paths = (one.path for one in machine.leftover_tokens if one.path is not None)
    notebook = next((path for path in paths if path.suffix == ".ipynb"), None)
    file = f" and in {notebook.name} (reload it in the browser before you save)" if notebook is not None else ""

    def apply() -> tuple[Path, ...]:
        machine.scrub_left()
        return ()

    words = f"replace the token with {MASK} in this session's history{file}"
    return Fix(id="left", words=words, advice=_if_shared("this notebook", machine), apply=apply)


def _if_shared(what: str, machine: Machine) -> Line:
    """What to do about a token that is removed, but that others may have seen."""
    return line(f"If {what} was shared: ", next_steps.end(machine.target, "replace", can_ask=machine.can_ask))


# ---------------------------------------------------------------- words


def _name_of(path: Path) -> str:
    """A file's name if it is in the folder of the token files; else its path."""
    return display_file_name(path.name) if path.parent == token_files.secrets_folder() else show_path(path)


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
