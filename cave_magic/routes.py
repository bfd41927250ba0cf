"""The routes of the CAVE servers, and their pages for people: addresses, and nothing is asked."""

from __future__ import annotations

from urllib.parse import quote

SERVICES = {
    "materialize": "/materialize/version",
    "chunkedgraph": "/segmentation/api/version",
    "l2cache": "/l2cache/api/v1/table_mapping",
    "skeleton": "/skeletoncache/api/version",
}
"""The services of a local server, each with the small route that caveclient 8.2 asks first (`endpoints.py`)."""


def tokens_page(server: str) -> str:
    """Where a person lists, makes and deletes tokens (middle_auth 2.19 and later)."""
    return f"{server}/sticky_auth/settings/tokens"


def terms_page(server: str, number: object) -> str:
    """Where terms of service are accepted; built here, never taken from an answer."""
    return f"{server}/sticky_auth/api/v1/tos/{int(str(number))}/accept"


def first_page(server: str, datastack: str, local_server: str = "") -> str:
    """A page of a datastack that leads a new person through log-in and its terms of service."""
    name = quote(datastack, safe="")
    if local_server:
        return f"{local_server}/materialize/views/datastack/{name}"
    return f"{server}/info/api/v2/datastack/full/{name}"


def identity_address(server: str) -> str:
    """Whose token is it, and what may that person do."""
    return f"{server}/auth/api/v1/user/cache"


def keys_address(server: str) -> str:
    """The permanent tokens of the token's owner."""
    return f"{server}/auth/api/v1/user/token"


def auth_version_address(server: str) -> str:
    """The version of the auth service; answers anybody."""
    return f"{server}/auth/version"


def info_version_address(server: str) -> str:
    """The version of the info service; answers anybody."""
    return f"{server}/info/version"


def datastacks_address(server: str) -> str:
    """The datastacks that the token's owner may see."""
    return f"{server}/info/api/v2/datastacks"


def datastack_address(server: str, datastack: str) -> str:
    """All about one datastack; refused without a permission or accepted terms."""
    return f"{server}/info/api/v2/datastack/full/{quote(datastack, safe='')}"


def dataset_address(server: str, datastack: str) -> str:
    """The dataset that a datastack belongs to, and so whose permissions count for it."""
    return f"{server}/auth/api/v1/service/datastack/table/{quote(datastack, safe='')}/dataset"


def sign_in_page(server: str, back: str) -> str:
    """Where a browser logs in and is sent on to `back`, with a log-in token in the query (middle_auth 2.30)."""
    return f"{server}/sticky_auth/api/v1/authorize?redirect={quote(back, safe='')}"


def page_and_back(page: str, back: str) -> str:
    """Where a browser that is logged in accepts the terms of a page and is sent on to `back`, as above."""
    return f"{page}?redirect={quote(back, safe='')}"
