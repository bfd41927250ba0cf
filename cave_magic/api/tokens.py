"""Tokens on an auth server: how a permanent one is made there, and how one of either kind is revoked."""

from __future__ import annotations

from dataclasses import replace

from ..token import Token
from .endpoints import token_url, tokens_url
from .http import Session
from .responses import Response, listed_tokens_in

LONGEST_DESCRIPTION = 100
"""Characters of a description. From 121 on middle_auth 2.30 answers 500 and leaves a token that no list shows."""

FIRST_WITH_MANY_KEYS = (2, 19)
"""Before this version of middle_auth (November 2022) a person has one token, and making one ends the other."""


def keeps_one_token(version: str) -> bool:
    """Whether an auth server of this version ends a person's token when it makes another; an unknown one does not."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return bool(numbers) and numbers < FIRST_WITH_MANY_KEYS


def create_token(
    session: Session, server: str, token: Token, description: str, version: str, seconds: float
) -> Response:
    """Makes a permanent token, once. The body of a good answer is the new `Token`.

    On a server that keeps one token for a person this ends the one there was: ask first.

    Args:
        session: where to ask.
        server: the auth server.
        token: a log-in token of the person.
        description: by which the person knows it later.
        version: that of the auth server, as far as known.
        seconds: the bound.
    """
    if keeps_one_token(version):
        response = session.get(f"{server}/auth/api/v1/create_token", token, seconds=seconds)
    else:
        words = {"description": description[:LONGEST_DESCRIPTION]}
        response = session.post(tokens_url(server), token, words, seconds=seconds)
    return replace(response, body=Token(response.body)) if isinstance(response.body, str) else response


def revoke_temporary(session: Session, address: str, token: Token, seconds: float) -> Response:
    """Asks for the end of a temporary token, and with it of the browser's session. `is_revoked` judges the answer.

    Args:
        session: where to ask.
        address: one of `routes.sign_out_addresses`.
        token: a permanent token is refused (422).
        seconds: the bound.
    """
    return session.get(address, token, seconds=seconds)


def revoke_permanent(session: Session, server: str, token: Token, number: int, seconds: float) -> Response:
    """Revokes the permanent token with a number, in the name of any token of the same person."""
    return session.delete(token_url(server, number), token, seconds=seconds)


def revoke_itself(session: Session, server: str, token: Token, seconds: float) -> Response:
    """Revokes a permanent token that has just been made, whose number is not known yet."""
    response = session.get(tokens_url(server), token, seconds=seconds)
    number = next((key.number for key in listed_tokens_in(response) or () if key.token == token), None)
    return response if number is None else revoke_permanent(session, server, token, number, seconds)


def is_revoked(response: Response) -> bool:
    """Whether a token is known to be revoked: the auth server says so itself, or does not know it any more."""
    return (response.is_good and response.body == "success") or (
        response.status == 401 and response.code == "invalid_token"
    )
