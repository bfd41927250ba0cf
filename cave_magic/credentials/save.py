"""Saving a token in the files that caveclient and cloud-volume read: in all of them or in none."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..api.urls import display_url, host_of
from ..deployments import DEFAULT_SERVER, local_servers_of
from ..errors import TokenExists, TokenNotSaved
from ..token import Token
from . import atomic_write
from .datastack_map import map_file, read_map
from .file_problems import FileFault
from .locations import Role, locations, moved_files
from .obstacles import Intent, Obstacle, WayOut, file_obstacle, folder_obstacle, obstacle_of, obstacle_to
from .regular_files import shared
from .stored_tokens import StoredToken, named_owner, resolve
from .token_files import (
    SERVER_KEY,
    TOKEN_KEY,
    State,
    TokenFile,
    as_json,
    gap_of,
    parse_object,
    parse_token_file,
    read_text,
    read_token_file,
    secrets_folder,
    show_path,
)

OF_THE_TOKEN = ("description", SERVER_KEY)
"""The keys in a file from the tokens page that describe its token, and so do not apply to another token."""

UNCHANGED = "No file was changed."
"""True after every TokenNotSaved except `NotPutBack`. Whoever shows the error adds this, or what was done."""


class NotPutBack(TokenNotSaved):
    """Saving failed half-way and could not be undone; the message names the files that were changed."""


class Obstructed(TokenNotSaved):
    """Something on this computer keeps a file from being changed."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(f"{obstacle}.")
        self.obstacle = obstacle


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a save did.

    Attributes:
        written: the token files that now contain the token; the one that caveclient reads comes first.
        unchanged: whether all of them contained it already.
        moved: those of them that are in another folder, which CLOUD_VOLUME_DIR names.
        backups: copies of overwritten files that were not valid JSON or had a token of unknown origin.
        remapped: datastack -> its server in the map before, if that was another one.
    """

    written: tuple[Path, ...]
    unchanged: bool
    moved: tuple[Path, ...] = ()
    backups: tuple[Path, ...] = ()
    remapped: Mapping[str, str] = field(default_factory=dict)


def save_token(
    token: Token,
    server: str,
    *,
    local_servers: Sequence[str] = (),
    datastacks: Sequence[str] = (),
    opened: Sequence[str] = (),
    copies: Sequence[Path] = (),
    replaces: Token | None = None,
    overwrite: bool = False,
    confirm: Callable[[], None] = lambda: None,
) -> Saved:
    """Saves a token where caveclient and cloud-volume look for it, and maps datastacks to the server.

    The files are those of caveclient's `save_token`: the server's own file, `cave-secret.json` if it is free or
    belongs to this server, and one file for each data server, which cloud-volume reads. A token of another server is
    kept. A file that is not JSON, and a data server's file with a token of unknown origin, is copied before it is
    overwritten. Every file is written completely, and all of them or none.

    Args:
        local_servers: addresses of the data servers that accept the same token.
        datastacks: datastacks on this server; those that the map has on another server stay there.
        opened: datastacks that are mapped to this server in any case.
        copies: other files with the token that this one replaces, which get it too.
        replaces: the only token that may be replaced; None for any. Copies that have another one by now are kept.
        overwrite: replace a different token of this server.
        confirm: called when everything is written; if it raises, every file is restored.
    Raises:
        TokenExists: a different token is saved for this server, and `overwrite` is False; or another one than
            `replaces` was saved meanwhile. Nothing was changed.
        TokenNotSaved: the folder or a file cannot be written. No file was changed, except with `NotPutBack`.
    """

    def look() -> tuple[dict[Path, str], Sequence[Path], Saved]:
        """New texts, files to copy, and what the save will have done, for the files as they are now."""
        old = resolve(server)
        previous = _own_token(old)
        if not overwrite and _is_another(previous, token):
            ending = f" ending in {previous.ending}" if previous is not None and previous.ending else ""
            raise TokenExists(f"another token{ending} is already saved for {host_of(server)} and was kept.")
        if replaces is not None and (old.source is None or old.source.meant not in (replaces, token)):
            raise TokenExists(f"the stored token of {host_of(server)} was changed or removed in the meantime.")
        _refuse_unreadable(old.server_file, old.default_file)
        files, copied = _sort_files(old, local_servers, (None, token, previous))
        also = [path for path in copies if replaces is None or read_token_file(path).meant == replaces]
        written = tuple(dict.fromkeys((*files, *also)))
        texts = {path: text for path in _in_order(written, previous) if (text := with_token(path, token)) is not None}
        moved = tuple(path for path in files if path.parent != secrets_folder())
        remapped, map_text = _map_with(server, datastacks, opened)
        saved = Saved(written=written, unchanged=not texts, moved=moved, remapped=remapped)
        return {**texts, **({} if map_text is None else {map_file(): map_text})}, copied, saved

    with contextlib.suppress(TokenExists, TokenNotSaved):
        texts, _, saved = look()
        if not texts and atomic_write.is_tidy(secrets_folder()):
            confirm()  # jobs that start at once with a token that is saved do not wait for each other
            return saved
    with changing():
        texts, copied, saved = look()
        atomic_write.sweep(Path(os.path.realpath(path)).parent for path in saved.written if path.is_symlink())
        copied = [path for path in texts if path in copied or read_token_file(path).state is State.MALFORMED]
        return replace(saved, backups=write_files(texts, copied, confirm))


def _refuse_unreadable(*files: TokenFile) -> None:
    for file in files:
        if file.problem is not None and file.problem.fault is FileFault.READ_ERROR:
            raise Obstructed(Obstacle(path=file.path, problem=file.problem, way=WayOut.ADMINISTRATOR))


JOB_NAME = ".cave_magic.job"
"""The file that says which token file the last job wrote."""

JOB_SECONDS = 60.0
"""For how many seconds jobs that start at the same time need not ask the server again about the same token."""


@contextlib.contextmanager
def job(token: Token, server: str, datastack: str) -> Iterator[bool]:
    """Lets jobs in a shared home folder save in turn, so that a server is asked once and not two hundred times.

    Yields:
        whether a job saved this token for this datastack in the last `JOB_SECONDS`, after the server had accepted it,
        so that there is nothing to do. Otherwise the block saves it; if it fails, no trace of the job is left.
    """
    path, made = secrets_folder() / JOB_NAME, []
    if not path.parent.is_dir() and folder_obstacle() is None:
        with contextlib.suppress(OSError):
            made = atomic_write.make_private_folder(path.parent)
    try:
        with atomic_write.in_turn(path.with_name(f"{JOB_NAME}.lock"), JOB_SECONDS):
            stored = resolve(server)
            is_ours = not stored.belongs_to and stored.token == token
            is_saved = is_ours and _last_job(path) == _mark(stored, datastack)
            yield is_saved
            if not is_saved:
                with contextlib.suppress(OSError):
                    atomic_write.write_all({path: _mark(resolve(server), datastack).encode()})
    except BaseException:
        atomic_write.remove_empty(made)
        raise


def _last_job(path: Path) -> str:
    """What the last job wrote, if that was a moment ago; else ""."""
    with contextlib.suppress(OSError, ValueError):
        if 0 <= time.time() - path.stat().st_mtime < JOB_SECONDS:
            return path.read_text(encoding="utf-8")
    return ""


def _mark(stored: StoredToken, datastack: str) -> str:
    """A token file and when it was written, without the token; it differs for every other content."""
    file = stored.source or stored.server_file
    return f"{datastack} {stored.server} {file.path.name} {file.modified}"


def obstacle_to_saving(server: str) -> Obstacle | None:
    """What would prevent saving a token for a server now; None if nothing would. Leaves no trace."""
    found = folder_obstacle()
    if found is not None and (found.unusable or found.problem.fault is not FileFault.LINK_TO_ANOTHER_USERS):
        return found
    old = resolve(server)
    paths = _sort_files(old, local_servers_of(server), (None, _own_token(old)))[0]
    looked_at = (file_obstacle(path) for path in paths)
    tried = (obstacle_to(Intent.WRITE, path) for path in (paths[0], *filter(os.path.lexists, paths[1:])))
    return next(filter(None, (*looked_at, *tried)), None)


def _own_token(old: StoredToken) -> Token | None:
    """The token that certainly belongs to this server: in its own file or, for the default server, the default file."""
    if old.belongs_to:
        return None
    token = old.server_file.token
    if token is None and old.server == DEFAULT_SERVER:
        token = old.token
    return token if token is not None and token.reveal().strip() else None


def token_in_the_way(token: Token, server: str) -> Token | None:
    """The different token that is saved for this server, which `save_token` replaces only with `overwrite`; or None."""
    previous = _own_token(resolve(server))
    return previous if _is_another(previous, token) else None


def _is_another(previous: Token | None, token: Token) -> bool:
    return previous is not None and token not in (previous, previous.reads_as())


def _in_order(paths: Sequence[Path], previous: Token | None) -> list[Path]:
    """The order in which to write: even if a save is killed, it must be clear which server a token belongs to.

    Copies of the replaced token come before the server's own file, which identifies them as copies. Files that get
    their first token come after it, since it shows whose token that is.
    """
    copies = [path for path in paths[1:] if previous is not None and read_token_file(path).token == previous]
    return [*copies, *(path for path in paths if path not in copies)]


def _sort_files(
    old: StoredToken, local_servers: Sequence[str], ours: tuple[Token | None, ...]
) -> tuple[list[Path], list[Path]]:
    """Which of the server's files to write, its own first, and which of them to copy before.

    cloud-volume can do without the files in another folder (`moved`), so they never stop a save.
    """
    own, default = old.server_file.path, old.default_file
    write = [own, default.path] if _is_free(default, ours) else [own]
    copy = [own] if old.belongs_to and old.source is old.server_file else []
    named = [one.path for one in locations(old.server, local_servers, (Role.DATA_SERVER,))]
    moved = [path for path in moved_files(old.server, local_servers) if obstacle_to(Intent.WRITE, path) is None]
    for path in (*named, *moved):
        file = read_token_file(path)
        if not file.gap and not named_owner(old.server, file):
            write.append(path)
            copy += [path] if file.token not in ours else []
    return write, copy


def _is_free(file: TokenFile, ours: tuple[Token | None, ...]) -> bool:
    """Whether `cave-secret.json` may be written: it has no token, or only this server's."""
    token = file.token if file.state == State.READ else file.inside
    writable = file.state in (State.ABSENT, State.READ, State.MALFORMED) and not file.gap
    return writable and (token in ours or token is None or not token.reveal().strip())


def with_token(path: Path, token: Token) -> str | None:
    """The new content of a token file, with its other keys; None if it has the token and is owner-only already.

    Raises:
        TokenNotSaved: what is at this path cannot be replaced.
    """
    if (obstacle := file_obstacle(path)) is not None:
        raise Obstructed(obstacle)
    content = read_text(path)
    data, _ = parse_object(content.text)
    entries: dict[str, Any] = data if isinstance(data, dict) else {}
    if parse_token_file(path, content.text).meant != token:
        entries = {key: value for key, value in entries.items() if key not in OF_THE_TOKEN}
    if entries.get(TOKEN_KEY) == token.reveal() and content.info is not None and not shared(content.info):
        return None
    return as_json({**entries, TOKEN_KEY: token.reveal()})


def _map_with(server: str, datastacks: Sequence[str], opened: Sequence[str]) -> tuple[dict[str, str], str | None]:
    """Datastack -> its server in the old map, if the new one has another; and the new text if the map changes."""
    current = read_map()
    if current.state in (State.NOT_A_FILE, State.UNREADABLE, State.TOO_LARGE) or gap_of(current.path):
        return {}, None
    entries = dict(current.entries)
    mapping = {name: server for name in datastacks if entries.get(name, server) == server}
    mapping.update(dict.fromkeys(opened, server))
    before = {name: display_url(entries[name]) for name in opened if entries.get(name, server) != server}
    changed = any(entries.get(name) != server for name in mapping)
    return before, as_json({**entries, **mapping}) if changed else None


@contextlib.contextmanager
def changing() -> Iterator[None]:
    """Locks the folder against other kernels that save at the same time; creates and tightens it first.

    Raises:
        TokenNotSaved: it cannot be created or written, or another program keeps it locked.
    """
    folder, found = secrets_folder(), folder_obstacle()
    if found is not None and found.unusable:
        raise Obstructed(found)
    with contextlib.ExitStack() as held:
        try:
            atomic_write.make_private_folder(folder)
            held.enter_context(atomic_write.locked(folder))
        except atomic_write.Locked as error:
            raise TokenNotSaved(
                f"another program has been saving tokens for {atomic_write.LOCK_SECONDS:.0f} s. "
                f"If there is no such program, remove {show_path(error.args[0])} and try again."
            ) from None
        except OSError as error:
            raise Obstructed(obstacle_of(error, folder)) from None
        with contextlib.suppress(OSError):  # a folder of another user may be writable all the same
            atomic_write.tighten(folder, 0o700)
        atomic_write.sweep([folder])
        yield


def write_files(
    plan: Mapping[Path, str | None], copied: Iterable[Path] = (), confirm: Callable[[], None] = lambda: None
) -> tuple[Path, ...]:
    """Writes all of these files or none, owner-only, and copies some of them first. Use it within `changing()`.

    Args:
        plan: file -> its new text, or None to remove it.
        confirm: called when everything is written; if it raises, everything is restored.
    Returns:
        The copies.
    Raises:
        TokenNotSaved: a file cannot be written. No file was changed, except with `NotPutBack`.
    """
    try:
        backups = dict(atomic_write.back_up(path) for path in copied)
        contents = {path: None if text is None else text.encode() for path, text in plan.items()}
        for path in plan:
            atomic_write.make_private_folder(path.parent)  # another program's may not exist
        atomic_write.write_all({**backups, **contents}, confirm)
        return tuple(backups)
    except atomic_write.NotRestored as error:
        names = " and ".join(show_path(path) for path in error.args[0])
        raise NotPutBack(f"saving failed, and {names} could not be restored.") from None
    except OSError as error:
        path = error.filename2 or error.filename or secrets_folder()  # the second is what a new file was to replace
        raise Obstructed(obstacle_of(error, Path(str(path)))) from None
