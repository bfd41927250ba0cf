"""caveclient and cloud-volume as they are installed here, and what they read. Nobody else imports caveclient."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import troubles
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


def cached_by_cloud_volume(host: str) -> Token | str | None:
    """What cloud-volume in this kernel keeps for a host: a token, None for "nothing", "" where it keeps no answer."""
    with suppress(Exception):  # another cloud-volume than those that are known
        cache = sys.modules["cloudvolume.secrets"].CAVE_CREDENTIALS_CACHE
        if host not in cache:  # to look it up would make an entry
            return ""
        kept = cache[host]
        value = kept.get("token") if isinstance(kept, dict) else None
        return Token(value) if isinstance(value, str) else None
    return ""


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
