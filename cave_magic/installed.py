"""caveclient and cloud-volume as they are installed here, and what they read. Nobody else imports caveclient."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import store, troubles
from .addresses import name_of_host
from .plain import plain
from .questions import import_connections
from .tokens import Token

if TYPE_CHECKING:
    from importlib.metadata import Distribution


@dataclass(frozen=True, slots=True)
class Client:
    """A variable that holds a CAVEclient, and the datastack that it is for; "" for one without."""

    variable: str
    datastack: str


@dataclass(frozen=True, slots=True)
class AskedKey:
    """The key of a token file that a client was told to take its token from (`auth_token_key=`).

    Attributes:
        key: the key.
        file: the file that was read.
        found: whether there was a token under it.
        server: address of the client's server.
        datastack: the client's datastack, or "".
    """

    key: str
    file: Path
    found: bool
    server: str
    datastack: str


def import_caveclient() -> str:
    """Imports caveclient; what is wrong if that fails, in few words, or ""."""
    import_requests()  # before caveclient imports it from its end
    with _no_collecting():
        return _problem_of(_import_caveclient)


def import_requests() -> str:
    """Imports requests; what is wrong if that fails, in few words, or ""."""
    return _problem_of(import_connections)


def _import_caveclient() -> None:
    import caveclient.auth  # noqa: F401  a script that is called caveclient.py has none


def _problem_of(importing: Callable[[], object]) -> str:
    try:
        importing()
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {plain(error, 100)}"
    return ""


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Lets Python's garbage collector rest during an import, where it takes a quarter of the time and finds nothing.

    What was made meanwhile then counts as old at once, or the first collection would look at all of it. (caveclient 8.2
    on Python 3.11: 1.2 s in place of 1.6 s.)
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def token_of_caveclient(server: str) -> Token | None:
    """The token that a fresh `AuthClient` of the installed caveclient takes for a server; the proof of a save.

    Raises:
        Exception: whatever caveclient raises on a file that it cannot read.
    """
    import logging

    from caveclient.auth import AuthClient

    logger = logging.getLogger("caveclient.auth")
    before, logger.disabled = logger.disabled, True  # it would warn of the deprecated file; the check says it better
    try:
        value = AuthClient(server_address=server).token
    finally:
        logger.disabled = before
    return None if value is None else Token(str(value))


def unmet_requirements() -> tuple[str, ...]:
    """What the installed caveclient asks of other packages and does not find: `pandas<3 (3.0.1 is installed)`."""
    from importlib.metadata import distributions

    caveclient = next(filter(_version_in, distributions(name="caveclient")), None)
    wanted = caveclient.requires if caveclient else None
    return tuple(filter(None, map(_unmet, wanted or ())))


def _unmet(text: str) -> str:
    """A requirement of the installed caveclient with what there is in its place, or "" if it is met."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        need = Requirement(text)
    except InvalidRequirement:
        return ""
    if need.marker is not None and not need.marker.evaluate({"extra": ""}):
        return ""
    have = version_of(need.name)
    if have is None:
        return f"{need.name}{need.specifier} (not installed)"
    met = not have or need.specifier.contains(have, prereleases=True)
    return "" if met else f"{need.name}{need.specifier} ({have} is installed)"


def version_of(name: str) -> str | None:
    """The version of an installed package; None if it is not installed, "" if it does not say (a torn uninstall)."""
    from importlib.metadata import distributions

    said = [_version_in(one) for one in distributions(name=name)]
    return next(filter(None, said), "" if said else None)


def _version_in(package: Distribution) -> str:
    with suppress(Exception):  # a file of its metadata is not there, or is not text
        return package.version or ""
    return ""


def clients_in(names: Mapping[str, object], server: str, token: Token) -> tuple[Client, ...]:
    """The variables that hold a CAVEclient of this server made with another token than the one that is stored now."""
    found = []
    for name, value in list(names.items()):
        with suppress(Exception):  # whatever a person's objects are
            if name.startswith("_") or not type(value).__module__.startswith("caveclient.frameworkclient"):
                continue
            auth = vars(value).get("_auth")
            same = getattr(value, "_server_address", "").rstrip("/") == server
            if same and auth is not None and auth.token is not None and Token(str(auth.token)) != token:
                found.append(Client(name, str(vars(value).get("_datastack_name") or "")))
    return tuple(found)


def asked_key(error: BaseException) -> AskedKey | None:
    """The key that the client was made with which raised an error, where that is not the usual one."""
    for one in troubles.causes(error):
        traceback = one.__traceback__
        while traceback is not None:
            frame, traceback = traceback.tb_frame, traceback.tb_next
            if str(frame.f_globals.get("__name__", "")).startswith("caveclient"):
                with suppress(Exception):  # another caveclient than those that are known
                    if found := _asked_key_of(frame.f_locals.get("self")):
                        return found
    return None


def _asked_key_of(one: Any) -> AskedKey | None:
    """The same of a client, of one of its services, or of its `AuthClient`; caveclient 7 and 8 name them so."""
    client = getattr(one, "_fc", None) or one
    auth = vars(client).get("_auth") or client
    key = auth._token_key
    if not isinstance(key, str) or key == "token":
        return None
    datastack = str(vars(client).get("_datastack_name") or "")
    return AskedKey(key, Path(auth._token_file), auth._token is not None, str(auth._server_address), datastack)


# ---------------------------------------------------------------- cloud-volume and cloud-files


@dataclass(frozen=True, slots=True)
class _Library:
    """A library that reads the same token files, by its own rules (cloud-volume 8 to 12.15, cloud-files 6 to 6.4)."""

    name: str
    module: str
    cache: str
    files: tuple[str, ...]


_LIBRARIES = (
    _Library("cloud-volume", "cloudvolume.secrets", "CAVE_CREDENTIALS_CACHE", (store.DEFAULT_NAME, store.LEGACY_NAME)),
    _Library("cloud-files", "cloudfiles.secrets", "CAVE_CREDENTIALS", (store.DEFAULT_NAME,)),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What such a library takes for the token of a data server.

    Attributes:
        library: its name, as it is installed.
        file: the token file that it reads; where there is none, the first one that it looks for.
        first: the path of that one: a token there counts before all others.
        kept: what it keeps in this kernel for that server: a token, None for "nothing", "" where it keeps no answer.
    """

    library: str
    file: store.TokenFile
    first: Path
    kept: Token | str | None = ""


def readings(host: str) -> tuple[Reading, ...]:
    """What cloud-volume and cloud-files take for a data server, installed or not."""
    return tuple(_reading(one, host) for one in _LIBRARIES)


def _reading(library: _Library, host: str) -> Reading:
    folders = _folders_of(library)
    names = (f"{host}-{store.DEFAULT_NAME}", *library.files)
    files = [store.read_token_file(folder / name) for name in names for folder in folders]
    found = next((file for file in files if file.state is not store.State.ABSENT), files[0])
    return Reading(library.name, found, folders[0] / names[0], _kept_by(library, host))


def _folders_of(library: _Library) -> tuple[Path, Path, Path]:
    """Where it looks, in this order. Where its files are it found out when it was imported, and does not ask again."""
    moved = _folder_said(library, "CLOUD_VOLUME_DIR", "~/.cloudvolume") / "secrets"
    if library.name == "cloud-files":
        return moved, Path("/"), _folder_said(library, "CLOUD_FILES_DIR", "~/.cloudfiles") / "secrets"
    return moved, Path(os.path.expanduser("~/.neuroglancer/secrets")), Path("/secrets")


def _folder_said(library: _Library, name: str, otherwise: str) -> Path:
    """The folder that its module, else the environment, has under a name."""
    said = getattr(sys.modules.get(library.module), name, None)
    return Path(said if isinstance(said, str) else os.environ.get(name, os.path.expanduser(otherwise)))


def _kept_by(library: _Library, host: str) -> Token | str | None:
    with suppress(Exception):  # another version than those that are known
        cache = getattr(sys.modules[library.module], library.cache)
        if isinstance(token := cache.get("token"), str):  # cloud-files 5 keeps one file's content for all servers
            return Token(token)
        for form in _forms_of(host):
            if form in cache:  # to look it up would make an entry
                kept = cache[form]
                value = kept.get("token") if isinstance(kept, dict) else None
                return Token(value) if isinstance(value, str) else None
    return ""


def _forms_of(host: str) -> tuple[str, ...]:
    """A host as it stands in an address of its data."""
    name, _, port = host.partition(":")
    return (host, f"{name}:443", f"{name}:80") if port in ("", "443", "80") else (host,)


def forget_cached(addresses: Iterable[str]) -> None:
    """Makes cloud-volume and cloud-files in this kernel read the files again: they keep what they read, per host."""
    names = {"", *map(name_of_host, addresses)}
    for library in _LIBRARIES:
        with suppress(Exception):  # another version than those that are known
            cache = getattr(sys.modules[library.module], library.cache)
            is_one_for_all = isinstance(cache.get("token"), str)  # as in `_kept_by`
            for key in [key for key in cache if is_one_for_all or key.partition(":")[0].lower() in names]:
                del cache[key]
