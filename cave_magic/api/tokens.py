"""Tokens on an auth server: creating and revoking permanent ones; a GET of a sign-out route revokes a temporary one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..token import Token
from .endpoints import create_token_url, token_url, tokens_url
from .http import Session
from .responses import Response, listed_tokens_in

MAX_DESCRIPTION = 100
"""Characters. From 121 on, middle_auth 2.30 returns HTTP 500 and leaves a token that it does not list."""

FIRST_WITH_MANY_TOKENS = (2, 19)
"""Before this version of middle_auth (November 2022) an account has one token, and a new one revokes the other."""


def keeps_one_token(version: str) -> bool:
    """Whether an auth server of this version keeps one token for each account. False if the version is unknown."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return bool(numbers) and numbers < FIRST_WITH_MANY_TOKENS


def create_token(
    session: Session, server: str, token: Token, description: str, version: str, seconds: float
) -> Response:
    """Creates a permanent token with a temporary one. The body of a good response is the new `Token`.

    A server whose version ("" if unknown) keeps one token for each account revokes the other one: ask the user first.
    """
    if keeps_one_token(version):
        response = session.get(create_token_url(server), token, seconds=seconds)
    else:
        data = {"description": description[:MAX_DESCRIPTION]}
        response = session.request("POST", tokens_url(server), token, seconds, data)
    return replace(response, body=Token(response.body)) if isinstance(response.body, str) else response


def revoke_permanent(
    session: Session, server: str, token: Token, left: Callable[[], float], by: Token | None = None
) -> Response:
    """Revokes a permanent token, authorized by itself or `by` another one of its account; `left` gives each timeout.

    Returns the response; if the token is not in the list of permanent tokens, that with the list.
    """
    response = session.get(tokens_url(server), by or token, seconds=left())
    number = next((listed.number for listed in listed_tokens_in(response) or () if listed.token == token), None)
    return response if number is None else session.request("DELETE", token_url(server, number), by or token, left())


def is_revoked(response: Response) -> bool:
    """Whether a response shows that a token is revoked: the server confirms it, or no longer knows the token."""
    return (response.is_good and response.body == "success") or (
        response.status == 401 and response.code == "invalid_token"
    )
