"""Saving a token in the files where caveclient and cloud-volume look for it: all of them or none."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..api.urls import display_url, host_of
from ..deployments import DEFAULT_SERVER
from ..errors import TokenExists, TokenNotSaved
from ..redact import sanitize
from ..token import Token
from . import atomic_write
from .datastack_map import map_file, read_map
from .file_problems import FileFault
from .locations import Role, locations
from .stored_tokens import StoredToken, named_owner, resolve
from .token_files import (
    SERVER_KEY,
    TOKEN_KEY,
    State,
    TokenFile,
    folder_fault,
    gap_of,
    link_problem,
    parse_object,
    parse_token_file,
    read_text,
    read_token_file,
    secrets_folder,
    server_file,
    show_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable

OF_THE_TOKEN = ("description", SERVER_KEY)
"""What a file of the tokens page says of its token, which is not so of another one that takes its place."""


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
        super().__init__(f"{show_path(path)} {link_problem(path)}.")
        self.path = path


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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
    wanted = _Wanted(
        token=token,
        server=server,
        local_servers=tuple(local_servers),
        datastacks=tuple(datastacks),
        opened=tuple(opened),
    )
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
        atomic_write.try_out(next(one for one in (folder, *folder.parents) if os.path.lexists(one)))
    except OSError as error:
        raise not_saved(folder, error) from None
    with_token(server_file(server), Token(""))


def _raise_if_another(previous: Token | None, wanted: _Wanted) -> None:
    if previous is None or wanted.token in (previous, previous.reads_as()):
        return
    ending = f" ending in {previous.ending}" if previous.ending else ""
    raise TokenExists(f"another token{ending} is saved for {host_of(wanted.server)}, and stays.")


def _save(wanted: _Wanted, old: StoredToken, previous: Token | None, confirm: Callable[[], None]) -> Saved:
    for file in (old.server_file, old.default_file):
        if file.problem is not None and file.problem.fault is FileFault.READ_ERROR:
            raise TokenNotSaved(f"{file.fault}.")
    files = _sorted_files(wanted, old, previous)
    paths = _in_order(files.write, previous)
    atomic_write.sweep(Path(os.path.realpath(path)).parent for path in paths if path.is_symlink())
    plan = {path: text for path in paths if (text := with_token(path, wanted.token)) is not None}
    unchanged = not plan
    mapping, before, map_text = _map_with(wanted)
    if map_text is not None:
        plan[map_file()] = map_text
    made = write_files(plan, [path for path in plan if path in files.copy or _is_broken(path)], confirm)
    return Saved(
        written=files.write, unchanged=unchanged, kept=files.keep, backups=made, mapped=mapping, remapped=before
    )


def _in_order(paths: Sequence[Path], previous: Token | None) -> list[Path]:
    """The order in which a save that is killed leaves no doubt whose token is where.

    Copies of the token that is replaced go before the server's own file, which shows that they are copies; files that
    get one for the first time go after it, since it shows whose that is.
    """
    copies = [path for path in paths[1:] if previous is not None and read_token_file(path).token == previous]
    return [*copies, *(path for path in paths if path not in copies)]


def _own_token(old: StoredToken) -> Token | None:
    """The token that is this server's for sure: its own file's, or at the default server that of `cave-secret.json`."""
    token = None if old.belongs_to else old.server_file.token
    if token is None and old.server == DEFAULT_SERVER and not old.belongs_to:
        token = old.token
    return token if token is not None and token.reveal().strip() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """What becomes of the server's files: the ones to write, its own first; those to keep; those to copy before."""

    write: tuple[Path, ...]
    keep: tuple[Path, ...]
    copy: tuple[Path, ...]


def _sorted_files(wanted: _Wanted, old: StoredToken, previous: Token | None) -> _Files:
    own, default = old.server_file.path, old.default_file
    write, keep, ours = [own], [], (None, wanted.token, previous)
    copy = [own] if old.belongs_to and old.source is old.server_file else []
    if _is_free(default, ours):
        write.append(default.path)
    elif default.state in (State.READ, State.MALFORMED, State.UNREADABLE):
        keep.append(default.path)
    for location in locations(wanted.server, wanted.local_servers, (Role.DATA_SERVER,)):
        file = location.read()
        if file.gap:
            continue
        if named_owner(wanted.server, file):
            keep.append(file.path)
            continue
        write.append(file.path)
        if file.token not in ours:
            copy.append(file.path)
    return _Files(write=tuple(write), keep=tuple(keep), copy=tuple(copy))


def _is_free(file: TokenFile, ours: tuple[Token | None, ...]) -> bool:
    """Whether `cave-secret.json` may be written: it holds nothing, or nothing but this server's token."""
    token = file.token if file.state == State.READ else file.inside
    writable = file.state in (State.ABSENT, State.READ, State.MALFORMED) and not file.gap
    return writable and (token in ours or token is None or not token.reveal().strip())


def with_token(path: Path, token: Token) -> str | None:
    """The new content of a token file with its other keys kept; None if it holds the token and needs no tightening.

    Raises:
        TokenNotSaved: what stands there cannot be replaced.
    """
    content = read_text(path)
    info = content.info
    if content.state in (State.NOT_A_FILE, State.UNREADABLE, State.TOO_LARGE):
        raise TokenNotSaved(f"{show_path(path)} {content.problem}. Move it away and try again.")
    if info is not None and not info.st_mode & 0o222:
        raise WriteProtected(path)
    if gap_of(path):
        raise LostLink(path)
    data, _ = parse_object(content.text)
    entries: dict[str, Any] = data if isinstance(data, dict) else {}
    if parse_token_file(path, content.text).meant != token:
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
    before = {name: display_url(entries[name]) for name in wanted.opened if entries.get(name, server) != server}
    changed = any(entries.get(name) != server for name in mapping)
    return mapping, before, json.dumps({**entries, **mapping}, indent=2) + "\n" if changed else None


def _is_broken(path: Path) -> bool:
    content = read_text(path)
    return content.state is State.READ and parse_object(content.text)[1] is not None


@contextlib.contextmanager
def changing() -> Iterator[None]:
    """Holds the folder, made and tightened, against other kernels that save at the same time.

    Raises:
        TokenNotSaved: it cannot be made or written, or another program does not let go.
    """
    folder = _own_folder()
    with contextlib.ExitStack() as held:
        try:
            atomic_write.make_private_folder(folder)
            held.enter_context(atomic_write.locked(folder))
        except atomic_write.Locked as error:
            raise TokenNotSaved(
                f"another program has been saving for {atomic_write.LOCK_SECONDS:.0f} s. "
                f"If none is, remove {show_path(error.args[0])} and try again."
            ) from None
        except OSError as error:
            raise not_saved(folder, error) from None
        with contextlib.suppress(OSError):  # one that is another's cannot be tightened, but perhaps be used
            atomic_write.tighten(folder, 0o700)
        atomic_write.sweep([folder])
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
        backups = dict(atomic_write.back_up(path) for path in copied)
        contents = {path: None if text is None else text.encode() for path, text in plan.items()}
        for path in plan:
            atomic_write.make_private_folder(path.parent)  # another program's may not be there
        atomic_write.write_all({**backups, **contents}, confirm)
        return tuple(backups)
    except atomic_write.NotRestored as error:
        names = " and ".join(show_path(path) for path in error.args[0])
        raise NotPutBack(f"saving broke off, and {names} could not be put back.") from None
    except OSError as error:
        raise not_saved(Path(str(error.filename or secrets_folder())), error) from None


def not_saved(path: Path, error: OSError) -> TokenNotSaved:
    """What to say where the system refused to change a file."""
    reason = sanitize(os.strerror(error.errno) if error.errno else type(error).__name__).text
    return TokenNotSaved(f"{show_path(path)} cannot be written ({reason}).")
