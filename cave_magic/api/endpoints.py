"""URLs of the routes and web pages of CAVE servers. Nothing here sends a request."""

from __future__ import annotations

from urllib.parse import quote

SERVICES = {
    "materialize": "/materialize/version",
    "chunkedgraph": "/segmentation/api/version",
    "l2cache": "/l2cache/api/v1/table_mapping",
    "skeleton": "/skeletoncache/api/version",
}
"""The services of a data server, each with the small route that caveclient 8.2 requests first (its `endpoints.py`)."""

AUTHORIZE = r"auth/api/v1/authorize\Z"
"""The end of the URL to which a service redirects a request without a token, as a pattern (middle_auth_client 3.19)."""


CALLED_SERVICES = {
    "annotation": "/annotation/version",
    "schema": "/schema/versions",
    "state": "/nglstate/api/v1/version",
}
"""More services, requested only after a call to one of them failed. Schema and state are on the global server."""


def tokens_page(server: str) -> str:
    """The page that lists, creates and revokes tokens (middle_auth 2.19 and later)."""
    return f"{server}/sticky_auth/settings/tokens"


def terms_page(server: str, number: int, back: str = "") -> str:
    """The page to accept terms of service; built here, never taken from a response.

    Without a redirect URL middle_auth 2.30 ends in "Internal Server Error", although the acceptance counts. It adds the
    token to the query of that URL. `back` is the URL of our receiver; without it the browser stays on that server, on
    the page that lists the datastacks, which removes the token from its URL and shows none.
    """
    redirect = quote(back or f"{server}/info/", safe=":/")
    return f"{server}/sticky_auth/api/v1/tos/{number}/accept?redirect={redirect}"


def first_page(server: str, datastack: str, local_server: str = "") -> str:
    """A page of a datastack that takes a new user through sign-in and its terms of service.

    Without a known data server it is a page of the info service (CAVEinfo 4.3).
    """
    name = quote(datastack, safe="")
    if local_server:
        return f"{local_server}/materialize/views/datastack/{name}"
    return f"{server}/info/datastack/{name}"


def identity_url(server: str) -> str:
    """The account of a token, and its permissions."""
    return f"{server}/auth/api/v1/user/cache"


def tokens_url(server: str) -> str:
    """The permanent tokens of the account: GET lists them, POST creates one."""
    return f"{server}/auth/api/v1/user/token"


def token_url(server: str, number: int) -> str:
    """One permanent token, by its number in the list: DELETE revokes it."""
    return f"{tokens_url(server)}/{number}"


def create_token_url(server: str) -> str:
    """Creates the one token of an account (middle_auth before 2.19)."""
    return f"{server}/auth/api/v1/create_token"


def auth_version_url(server: str) -> str:
    """The version of the auth service; needs no token."""
    return f"{server}/auth/version"


def info_version_url(server: str) -> str:
    """The version of the info service; needs no token."""
    return f"{server}/info/version"


def datastacks_url(server: str) -> str:
    """The datastacks that the account may see."""
    return f"{server}/info/api/v2/datastacks"


def datastack_url(server: str, datastack: str) -> str:
    """The description of one datastack; HTTP 403 without the permission or the accepted terms."""
    return f"{server}/info/api/v2/datastack/full/{quote(datastack, safe='')}"


def dataset_url(server: str, datastack: str) -> str:
    """The dataset that a datastack belongs to, whose permissions apply to it."""
    return f"{server}/auth/api/v1/service/datastack/table/{quote(datastack, safe='')}/dataset"


def versions_url(local_server: str, datastack: str, api: int, everything: bool) -> str:
    """The valid materialization versions, or also the expired ones (which version 2 of the routes does not list).

    Source of the three routes: MaterializationEngine 5.26, `blueprints/client/api2.py`, and caveclient 8.2.
    """
    return f"{_materialize(local_server, datastack, api)}/versions?expired={everything}"


def version_url(local_server: str, datastack: str, api: int, version: int) -> str:
    """The description of a materialization version."""
    return f"{_materialize(local_server, datastack, api)}/version/{version}"


def tables_url(local_server: str, datastack: str, version: int) -> str:
    """The names of the tables of a materialization version."""
    return f"{_materialize(local_server, datastack, 2)}/version/{version}/tables"


def views_url(local_server: str, datastack: str, version: int) -> str:
    """The views of a materialization version, by name."""
    return f"{_materialize(local_server, datastack, 3)}/version/{version}/views"


def _materialize(local_server: str, datastack: str, api: int) -> str:
    return f"{local_server}/materialize/api/v{api}/datastack/{quote(datastack, safe='')}"


def sign_in_page(server: str, back: str) -> str:
    """The page where a browser signs in. It redirects to `back` with a temporary token in the query.

    Source: middle_auth 2.30.
    """
    return f"{server}/sticky_auth/api/v1/authorize?redirect={quote(back, safe=':/')}"


def sign_out_urls(server: str) -> tuple[str, ...]:
    """The routes that revoke a temporary token and sign the browser out, on two services of one auth server; one may be
    down. They reject a permanent token (HTTP 422)."""
    return tuple(f"{server}/{service}/api/v1/logout" for service in ("auth", "sticky_auth"))


def sign_out_page(server: str) -> str:
    """The page that revokes all temporary tokens of the account, in every browser; permanent ones stay."""
    return f"{server}/sticky_auth/api/v1/logout_all"
