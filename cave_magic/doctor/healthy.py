"""The facts about a computer on which access works: the defaults of `evidence`.

They make the unit test of a check one line: the fact that differs. `gather` sets every fact, so that no check ever
judges a default (a test makes sure).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..api import endpoints
from ..api.responses import ListedToken, Response, account_in
from ..api.urls import name_for_files
from ..credentials.datastack_map import MAP_NAME, ServerMap
from ..credentials.stored_tokens import StoredToken
from ..credentials.target import Target
from ..credentials.token_files import DEFAULT_NAME, LEGACY_NAME, State, TokenFile
from ..deployments import DEFAULT_DATASTACK, DEFAULT_SERVER, local_servers_of
from ..environment.cloud_volume import Reading
from ..token import Token
from . import next_steps

if TYPE_CHECKING:
    from ..environment.installer import Installer

LOCAL_SERVER = local_servers_of(DEFAULT_SERVER)[0]
TARGET = Target(datastack=DEFAULT_DATASTACK, server=DEFAULT_SERVER, named_by="known")
CHECK_COMMAND = next_steps.check(TARGET)
VERSIONS = {
    "python": "3.12.4",
    "caveclient": "8.2.1",
    "cloud-volume": "12.15.2",
    "cloud-files": "6.4.3",
    "ipython": "9.4.0",
}


# ---------------------------------------------------------------- files

FOLDER = Path("~/.cloudvolume/secrets")
TOKEN = Token("0" * 28 + "5a3b")  # a sample: no server issues it, and nothing sends it


def token_file(name: str, token: Token | None = TOKEN) -> TokenFile:
    """An owner-only token file in the usual folder; without a token, a missing one."""
    return TokenFile(path=FOLDER / name, state=State.READ if token else State.ABSENT, token=token)


STORED = StoredToken(
    server=DEFAULT_SERVER,
    server_file=token_file(f"{name_for_files(DEFAULT_SERVER)}-{DEFAULT_NAME}"),
    default_file=token_file(DEFAULT_NAME),
    legacy_file=token_file(LEGACY_NAME, None),
)
DATASTACK_MAP = ServerMap(path=FOLDER / MAP_NAME, state=State.READ, entries={DEFAULT_DATASTACK: DEFAULT_SERVER})

_READ = token_file(f"{name_for_files(LOCAL_SERVER)}-{DEFAULT_NAME}")
READINGS = tuple(Reading(library=name, file=_READ, first=_READ.path) for name in ("cloud-volume", "cloud-files"))


# ---------------------------------------------------------------- responses


def json_response(url: str, body: object) -> Response:
    """A JSON response after a tenth of a second."""
    return Response(url=url, status=200, body=body, is_json=True, seconds=0.1, at=0.0)


IDENTITY = json_response(
    endpoints.identity_url(DEFAULT_SERVER),
    {
        "id": 1,
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "permissions_v2": {DEFAULT_DATASTACK: ["view"]},
        "permissions_v2_ignore_tos": {DEFAULT_DATASTACK: ["view"]},
        "missing_tos": [],
    },
)
ACCOUNT = account_in(IDENTITY, DEFAULT_SERVER)
LISTED_TOKENS = (ListedToken(token=TOKEN),)
INFO = json_response(
    endpoints.datastack_url(DEFAULT_SERVER, DEFAULT_DATASTACK),
    {
        "local_server": LOCAL_SERVER,
        "aligned_volume": {"name": DEFAULT_DATASTACK},
        "segmentation_source": f"graphene://{LOCAL_SERVER}/segmentation/table/{DEFAULT_DATASTACK}",
    },
)
_BODIES: dict[str, object] = {"materialize": "5.20.0", "chunkedgraph": "3.0.0", "l2cache": {}, "skeleton": "1.0.0"}
SERVICES = {name: json_response(LOCAL_SERVER + endpoints.SERVICES[name], body) for name, body in _BODIES.items()}


def installer() -> Installer:
    """Pip can install packages."""
    from ..environment.installer import Installer

    return Installer()
