"""A token that is saved only for as long as a process of this computer needs it.

Several workers of a cluster may share a home folder. The first one notes which files had a token before; the last one
that leaves removes the token from the others. A worker that was killed is recognised by its process, which is gone.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import CaveMagicError
from ..token import Token
from ..ui.door import on_windows
from .locations import READ_BY_PROGRAMS, locations
from .removal import without
from .save import Saved, changing, save_token, write_files
from .stored_tokens import resolve
from .token_files import parse_object, read_text, secrets_folder

_HOLDERS, _BEFORE = "holders", "before"


def borrow(
    token: Token,
    server: str,
    holder: str,
    *,
    local_servers: Iterable[str] = (),
    opened: Iterable[str] = (),
    overwrite: bool = False,
) -> Saved:
    """Saves a token like `save_token`, until `give_back` removes it, unless it was there before.

    Args:
        token, server, local_servers, opened, overwrite: as in `save_token`.
        holder: a name for whoever needs it, unique in this process.
    Raises:
        TokenExists, TokenNotSaved: as `save_token`.
    """
    locals_ = tuple(local_servers)
    with changing():
        leases = _read()
        if server in leases or resolve(server).token != token:
            had = [
                str(one.path) for one in locations(server, locals_, READ_BY_PROGRAMS) if one.read().token is not None
            ]
            lease = leases.setdefault(server, {_HOLDERS: [], _BEFORE: had})
            lease[_HOLDERS] = [*_alive(lease[_HOLDERS]), _name(holder)]
            write_files({_file(): _text(leases)})
    try:
        return save_token(token, server, local_servers=locals_, opened=opened, overwrite=overwrite)
    except CaveMagicError:
        give_back(token, server, holder, local_servers=locals_)
        raise


def give_back(token: Token, server: str, holder: str, *, local_servers: Iterable[str] = ()) -> tuple[Path, ...]:
    """Removes a borrowed token if nobody else on this computer needs it; returns the files that had it.

    A file that had a token before, and one that has another token by now, stays as it is; so do the other keys.

    Raises:
        TokenNotSaved: a file cannot be changed.
    """
    with changing():
        leases = _read()
        if server not in leases:
            return ()
        lease = leases[server]
        lease[_HOLDERS] = [one for one in _alive(lease[_HOLDERS]) if one != _name(holder)]
        plan: dict[Path, str | None] = {}
        if not lease[_HOLDERS]:
            del leases[server]
            found = locations(server, local_servers, READ_BY_PROGRAMS)
            lent = [one.path for one in found if str(one.path) not in lease[_BEFORE] and one.read().token == token]
            plan = {path: without(read_text(path).text, [token]) for path in lent}
        write_files({**plan, _file(): _text(leases) if leases else None})
    return tuple(plan)


def _file() -> Path:
    return secrets_folder() / "cave-magic-leases.json"


def _read() -> dict[str, dict[str, list[str]]]:
    """Server -> its holders, and the files that had a token before; ignores entries of any other form."""
    data: Any = parse_object(read_text(_file()).text)[0]
    entries = data.items() if isinstance(data, dict) else ()
    return {server: one for server, one in entries if _is_lease(one)}


def _is_lease(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and set(entry) == {_HOLDERS, _BEFORE}
        and all(isinstance(one, list) and all(isinstance(part, str) for part in one) for one in entry.values())
    )


def _text(leases: dict[str, dict[str, list[str]]]) -> str:
    return json.dumps(leases, indent=2) + "\n"


def _name(holder: str) -> str:
    return f"{platform.node()} {os.getpid()} {holder}"


def _alive(holders: Iterable[str]) -> list[str]:
    """The holders without those whose process on this computer has ended; those on other computers are kept."""
    return [one for one in holders if one.split()[:1] != [platform.node()] or _is_running(one.split()[1:2])]


def _is_running(process: list[str]) -> bool:
    if not process or not process[0].isdecimal() or len(process[0]) > 9:
        return False
    if on_windows():  # there, `os.kill` ends the process
        return True
    try:
        os.kill(int(process[0]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
