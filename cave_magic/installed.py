"""caveclient and cloud-volume as they are installed here, and what they read. Nobody else imports caveclient."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from .plain import plain
from .questions import import_connections
from .tokens import Token


@dataclass(frozen=True, slots=True)
class Client:
    """A variable that holds a CAVEclient, and the datastack that it is for; "" for one without."""

    variable: str
    datastack: str


def import_caveclient() -> str:
    """Imports caveclient; what is wrong if that fails, in few words, or ""."""
    with suppress(Exception):
        import_connections()  # before caveclient imports requests from its end
    try:
        with _no_collecting():
            import caveclient  # noqa: F401
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
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    try:
        wanted = requires("caveclient") or []
    except PackageNotFoundError:
        return ()
    for text in wanted:
        try:
            need = Requirement(text)
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            have = version(need.name)
        except InvalidRequirement:
            continue
        except PackageNotFoundError:
            found.append(f"{need.name}{need.specifier} (not installed)")
            continue
        if have and not need.specifier.contains(have, prereleases=True):
            found.append(f"{need.name}{need.specifier} ({have} is installed)")
    return tuple(found)


def clients_in(names: Mapping[str, object], server: str, token: Token) -> tuple[Client, ...]:
    """The variables that hold a CAVEclient of this server made with another token than the one that is stored now."""
    found = []
    for name, value in list(names.items()):
        if name.startswith("_") or not type(value).__module__.startswith("caveclient.frameworkclient"):
            continue
        with suppress(Exception):
            auth = vars(value).get("_auth")
            same = getattr(value, "_server_address", "").rstrip("/") == server
            if same and auth is not None and auth.token is not None and Token(str(auth.token)) != token:
                found.append(Client(name, str(vars(value).get("_datastack_name") or "")))
    return tuple(found)


def cached_by_cloud_volume(host: str) -> Token | str | None:
    """What cloud-volume in this kernel keeps for a host: a token, None for "nothing", "" where it keeps no answer."""
    cache = getattr(sys.modules.get("cloudvolume.secrets"), "CAVE_CREDENTIALS_CACHE", None)
    if not isinstance(cache, dict) or host not in cache:
        return ""
    value = cache[host].get("token") if isinstance(cache[host], dict) else None
    return Token(value) if isinstance(value, str) else None
