"""What the installed caveclient does with tokens, and its clients in a notebook."""

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
    """A variable that holds a CAVEclient, and the datastack that it is for; "" for one without."""

    variable: str
    datastack: str


@dataclass(frozen=True, slots=True, kw_only=True)
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
                found.append(Client(variable=name, datastack=str(vars(value).get("_datastack_name") or "")))
    return tuple(found)


def asked_key(error: BaseException) -> AskedKey | None:
    """The key that the client was made with which raised an error, where that is not the usual one."""
    for one in failures.causes(error):
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
    return AskedKey(
        key=key,
        file=Path(auth._token_file),
        found=auth._token is not None,
        server=str(auth._server_address),
        datastack=datastack,
    )
