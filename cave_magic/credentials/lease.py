"""A token that is saved only for as long as a process of this computer needs it.

Several workers of a cluster may share a home folder. The first one notes which files had a token before; the last one
that leaves removes the token from the others. A worker that was killed is recognised by its process, which is gone.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import CaveMagicError
from ..token import Token
from ..ui.door import on_windows
from .locations import READ_BY_PROGRAMS, locations
from .removal import without
from .save import Saved, changing, save_token, write_files
from .stored_tokens import resolve
from .token_files import as_json, parse_object, read_text, secrets_folder

_HOLDERS, _BEFORE = "holders", "before"


def borrow(
    token: Token,
    server: str,
    holder: str,
    *,
    local_servers: Sequence[str] = (),
    opened: Sequence[str] = (),
    overwrite: bool = False,
) -> Saved:
    """Saves a token like `save_token`, until `give_back` removes it, unless it was there before.

    Args:
        token, server, local_servers, opened, overwrite: as in `save_token`.
        holder: a name for whoever needs it, unique in this process.
    Raises:
        TokenExists, TokenNotSaved: as `save_token`.
    """
    with changing():
        leases = _read()
        if server in leases or resolve(server).token != token:
            found = locations(server, local_servers, READ_BY_PROGRAMS)
            had = [str(one.path) for one in found if one.read().token is not None]
            lease = leases.setdefault(server, {_HOLDERS: [], _BEFORE: had})
            lease[_HOLDERS] = [*filter(_is_alive, lease[_HOLDERS]), _name(holder)]
            write_files({_file(): as_json(leases)})
    try:
        return save_token(token, server, local_servers=local_servers, opened=opened, overwrite=overwrite)
    except CaveMagicError:
        give_back(token, server, holder, local_servers=local_servers)
        raise


def give_back(token: Token, server: str, holder: str, *, local_servers: Sequence[str] = ()) -> tuple[Path, ...]:
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
        lease[_HOLDERS] = [one for one in filter(_is_alive, lease[_HOLDERS]) if one != _name(holder)]
        plan: dict[Path, str | None] = {}
        if not lease[_HOLDERS]:
            del leases[server]
            found = locations(server, local_servers, READ_BY_PROGRAMS)
            lent = [one.path for one in found if str(one.path) not in lease[_BEFORE] and one.read().token == token]
            plan = {path: without(read_text(path).text, [token]) for path in lent}
        write_files({**plan, _file(): as_json(leases) if leases else None})
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


def _name(holder: str) -> str:
    return f"{platform.node()} {os.getpid()} {holder}"


def _is_alive(holder: str) -> bool:
    """Whether a holder may still need its token: not if its process on this computer has ended."""
    computer, process, *_ = (*holder.split(), "", "")
    if computer != platform.node():
        return True
    if not process.isdecimal() or len(process) > 9:
        return False
    if on_windows():  # there, `os.kill` ends the process
        return True
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
