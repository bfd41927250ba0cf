"""Which tokens the installed caveclient and its clients in a notebook use."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..api import failures
from ..token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A variable with a CAVEclient, and the client's datastack or ""."""

    variable: str
    datastack: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedKey:
    """The key of a token file that a client was told to use (`auth_token_key=`).

    Attributes:
        key: the key.
        file: the file that was read.
        found: whether the file has a token under this key.
        server: address of the client's server.
        datastack: the client's datastack, or "".
    """

    key: str
    file: Path
    found: bool
    server: str
    datastack: str


def token_of_caveclient(server: str) -> Token | None:
    """The token that a fresh `AuthClient` of the installed caveclient uses for a server; this verifies a save.

    Raises:
        Exception: whatever caveclient raises if it cannot read a file.
    """
    import logging

    from caveclient.auth import AuthClient

    logger = logging.getLogger("caveclient.auth")
    before, logger.disabled = logger.disabled, True  # it would warn about the deprecated file, as the check does
    try:
        value = AuthClient(server_address=server).token
    finally:
        logger.disabled = before
    return None if value is None else Token(str(value))


def clients_in(names: Mapping[str, object], server: str, token: Token) -> tuple[Client, ...]:
    """The variables with a CAVEclient of this server that was created with another token than the stored one."""
    found = []
    for name, value in list(names.items()):
        with suppress(Exception):  # a person's objects may do anything
            if name.startswith("_") or not type(value).__module__.startswith("caveclient.frameworkclient"):
                continue
            auth = vars(value).get("_auth")
            same = getattr(value, "_server_address", "").rstrip("/") == server
            if same and auth is not None and auth.token is not None and Token(str(auth.token)) != token:
                found.append(Client(variable=name, datastack=str(vars(value).get("_datastack_name") or "")))
    return tuple(found)


def asked_key(error: BaseException) -> AskedKey | None:
    """The token key of the client that raised an error; None if it is the default key."""
    for one in failures.causes(error):
        traceback = one.__traceback__
        while traceback is not None:
            frame, traceback = traceback.tb_frame, traceback.tb_next
            if str(frame.f_globals.get("__name__", "")).startswith("caveclient"):
                with suppress(Exception):  # an unknown version of caveclient
                    if found := _asked_key_of(frame.f_locals.get("self")):
                        return found
    return None


def _asked_key_of(one: Any) -> AskedKey | None:
    """The same for a client, one of its services, or its `AuthClient` (names as in caveclient 7 and 8)."""
    client = getattr(one, "_fc", None) or one
    auth = vars(client).get("_auth") or client
    key = auth._token_key
    if not isinstance(key, str) or key == "token":
        return None
    datastack = str(vars(client).get("_datastack_name") or "")
    return AskedKey(
        key=key,
        file=Path(auth._token_file),
        found=auth._token is not None,
        server=str(auth._server_address),
        datastack=datastack,
    )
