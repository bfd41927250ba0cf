"""Removes a server's token from this computer: from every file that has it, and nothing else from any file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..token import Token, find_tokens
from ..ui.redact import SHORTEST, mask
from . import atomic_write
from .datastack_map import known_servers
from .locations import READ_BY_PROGRAMS, Role, host_in_name, is_host_of, locations
from .obstacles import Obstacle, WayOut, file_obstacle
from .save import OF_THE_TOKEN, Obstructed, changing, write_files
from .stored_tokens import named_owner, owner_of, resolve
from .token_files import TOKEN_KEY, State, TokenFile, is_foreign, link_target, parse_object, parse_token_file, read_text

_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What to remove from this computer.

    Attributes:
        tokens: the tokens of the server; the one that CAVEclient reads comes first.
        plan: file -> what stays in it, or None if it is removed. The server's own file comes last, because it shows
            whose token the others have: a removal that is killed can be repeated.
        kept: files of other servers with the same token. They are not changed.
    """

    tokens: tuple[Token, ...]
    plan: Mapping[Path, str | None]
    kept: tuple[Path, ...]


def find_removal(server: str) -> Removal:
    """Finds the files with a token of a server; a token that is known to belong to another server stays.

    Raises:
        TokenNotSaved: a file that programs read cannot be read now, so nobody knows what is in it.
    """
    stored = resolve(server)
    files = [one.read() for one in locations(server, roles=(Role.OWN, Role.DATA_SERVER))]
    sources = [] if stored.source is None or stored.belongs_to else [stored.source]
    sources += [file for file in files if not owner_of(server, file)]
    found = [token for file in sources for token in (file.meant, file.token) if token is not None]
    tokens = tuple(dict.fromkeys(token for token in found if token.reveal().strip()))
    plan: dict[Path, str | None] = {}
    kept = []
    for path, content in _contents_with(server, tokens):
        if _is_another_servers(server, parse_token_file(path, content)):
            kept.append(path)
            continue
        left = without(content, tokens)
        plan[path] = left
        if left is None and os.path.islink(path) and not is_foreign(os.stat(path)):
            plan[link_target(path)] = None  # otherwise the link would be removed, and the token would stay
    own = stored.server_file.path
    last = {path: plan[path] for path in (link_target(own), own) if path in plan}
    first = {path: left for path, left in plan.items() if path not in last}
    return Removal(tokens=tokens, plan={**first, **last}, kept=tuple(kept))


def remove(server: str) -> Removal:
    """Removes the tokens of a server from all files or from none, and keeps no copy.

    Returns:
        What was removed; the files are read again first.
    Raises:
        TokenNotSaved: a file cannot be changed. No file was changed, except with `NotPutBack`.
    """
    with changing():
        atomic_write.sweep({one.path.parent for one in locations(server, roles=READ_BY_PROGRAMS)})
        removal = find_removal(server)
        write_files(removal.plan)
    return removal


def files_with(server: str, token: Token) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The files of this computer with a token of a server: its own, and those of other servers or users."""
    files = [read for one in locations(server) if (read := one.read()).meant == token]
    others = [file for file in files if file.foreign or _is_another_servers(server, file)]
    return tuple(file.path for file in files if file not in others), tuple(file.path for file in others)


def still_with(server: str, token: Token) -> tuple[Path, ...]:
    """The files with a token of a server anywhere in them, such as under a key for `auth_token_key=`."""
    texts = ((one.path, read_text(one.path).text) for one in locations(server))
    return tuple(path for path, text in texts if _has(parse_object(text)[0] or text, [token.reveal()]))


def _is_another_servers(server: str, file: TokenFile) -> bool:
    """Whether a file names another server, or its name does. An unknown host in its name is that of a data server."""
    host = host_in_name(file.path)
    is_named = host and not is_host_of(server, host) and any(is_host_of(there, host) for there in known_servers())
    return bool(is_named or named_owner(server, file))


def _contents_with(server: str, tokens: Collection[Token]) -> Iterator[tuple[Path, str]]:
    """The files that contain one of these tokens, with the copies that a save or a fix has made of them."""
    secrets = [token.reveal() for token in tokens]
    for one in locations(server, roles=tuple(Role)):
        content = read_text(one.path)
        if one.role in READ_BY_PROGRAMS and content.state is State.UNREADABLE and content.problem is not None:
            other = Obstacle(path=one.path, problem=content.problem, way=WayOut.ADMINISTRATOR)
            raise Obstructed(file_obstacle(one.path) or other)
        if _has(parse_object(content.text)[0] or content.text, secrets):
            yield one.path, content.text


def without(content: str, tokens: Collection[Token]) -> str | None:
    """A file without these tokens, its other keys unchanged to the byte; None if nothing worth keeping is left."""
    secrets = [token.reveal() for token in tokens]
    data, _ = parse_object(content)
    if not isinstance(data, dict):
        return mask(content, *secrets) if set(find_tokens(content)) - set(tokens) else None
    gone = {key for key, value in data.items() if _has({key: value}, secrets)}
    gone |= set(OF_THE_TOKEN) if TOKEN_KEY in gone else set()
    if not set(data) - gone:
        return None
    start = content.index("{") + 1
    members = list(_members(content, start))
    kept = ",".join(raw for key, raw, _ in members if key not in gone)
    return content[:start] + kept + content[members[-1][2] :]


def _has(value: object, secrets: Collection[str]) -> bool:
    """Whether a JSON value, or a text, has one of these; a short one would also match parts of others and of words."""
    rest, long = [value], [secret for secret in secrets if len(secret) >= SHORTEST]
    while rest:
        one = rest.pop()
        if isinstance(one, dict):
            rest += [*one.values(), *(key for key in one if any(secret in key for secret in long))]
        elif isinstance(one, list):
            rest += one
        elif isinstance(one, str) and (
            one in secrets or any(secret in text for secret in long for text in (one, one.lower()))  # or in capitals
        ):
            return True
    return False


def _members(content: str, start: int) -> Iterator[tuple[str, str, int]]:
    """The members of a JSON object that has any: the key, the text, and where that ends."""
    decoder = json.JSONDecoder()
    while True:
        key, at = decoder.raw_decode(content, _after_space(content, start))
        _, end = decoder.raw_decode(content, _after_space(content, content.index(":", at) + 1))
        yield key, content[start:end], end
        start = _after_space(content, end) + 1
        if content[start - 1] == "}":
            return


def _after_space(content: str, at: int) -> int:
    found = _SPACE.match(content, at)
    return found.end() if found else at
