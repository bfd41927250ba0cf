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


def info_page(server: str) -> str:
    """What a person may read, as a page. It takes a token out of its address, and shows none."""
    return f"{server}/info/"


def terms_page(server: str, number: int, back: str = "") -> str:
    """Where terms of service are accepted; built here, never taken from an answer.

    Without an address to go to middle_auth 2.30 ends in "Internal Server Error", although the acceptance counts. It
    sends the browser there with the token in the query.

    Args:
        server: the auth server.
        number: of the terms.
        back: our own receiver; without it the browser stays on that server.
    """
    to = quote(back or info_page(server), safe=":/")
    return f"{server}/sticky_auth/api/v1/tos/{number}/accept?redirect={to}"


def first_page(server: str, datastack: str, local_server: str = "") -> str:
    """A page of a datastack that leads a new person through log-in and its terms of service."""
    name = quote(datastack, safe="")
    if local_server:
        return f"{local_server}/materialize/views/datastack/{name}"
    return f"{server}/info/api/v2/datastack/full/{name}"


def identity_url(server: str) -> str:
    """Whose token is it, and what may that person do."""
    return f"{server}/auth/api/v1/user/cache"


def tokens_url(server: str) -> str:
    """The permanent tokens of the token's owner."""
    return f"{server}/auth/api/v1/user/token"


def token_url(server: str, number: int) -> str:
    """One of them, by the number that the list has for it."""
    return f"{tokens_url(server)}/{number}"


def auth_version_url(server: str) -> str:
    """The version of the auth service; answers anybody."""
    return f"{server}/auth/version"


def info_version_url(server: str) -> str:
    """The version of the info service; answers anybody."""
    return f"{server}/info/version"


def datastacks_url(server: str) -> str:
    """The datastacks that the token's owner may see."""
    return f"{server}/info/api/v2/datastacks"


def datastack_url(server: str, datastack: str) -> str:
    """All about one datastack; refused without a permission or accepted terms."""
    return f"{server}/info/api/v2/datastack/full/{quote(datastack, safe='')}"


def dataset_url(server: str, datastack: str) -> str:
    """The dataset that a datastack belongs to, and so whose permissions count for it."""
    return f"{server}/auth/api/v1/service/datastack/table/{quote(datastack, safe='')}/dataset"


def sign_in_page(server: str, back: str) -> str:
    """Where a browser logs in and is sent on to `back`, with a log-in token in the query (middle_auth 2.30)."""
    return f"{server}/sticky_auth/api/v1/authorize?redirect={quote(back, safe=':/')}"


def sign_out_urls(server: str) -> tuple[str, ...]:
    """Where a temporary token is revoked: two services of one auth server, of which one may be down."""
    return tuple(f"{server}/{service}/api/v1/logout" for service in ("auth", "sticky_auth"))


def sign_out_page(server: str) -> str:
    """Where a person revokes all temporary tokens of the account, in any browser; permanent ones stay."""
    return f"{server}/sticky_auth/api/v1/logout_all"
