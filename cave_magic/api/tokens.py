"""Tokens on an auth server: how a permanent one is made there, and how one of either kind is revoked."""

from __future__ import annotations

from dataclasses import replace

from ..token import Token
from .endpoints import key_address, keys_address
from .http import Line
from .responses import Answer, keys_in

LONGEST_DESCRIPTION = 100
"""Characters of a description. From 121 on middle_auth 2.30 answers 500 and leaves a token that no list shows."""

FIRST_WITH_MANY_KEYS = (2, 19)
"""Before this version of middle_auth (November 2022) a person has one token, and making one ends the other."""


def keeps_one_token(version: str) -> bool:
    """Whether an auth server of this version ends a person's token when it makes another; an unknown one does not."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return bool(numbers) and numbers < FIRST_WITH_MANY_KEYS


def make_key(line: Line, server: str, token: Token, description: str, version: str, seconds: float) -> Answer:
    """Makes a permanent token, once. The body of a good answer is the new `Token`.

    On a server that keeps one token for a person this ends the one there was: ask first.

    Args:
        line: where to ask.
        server: the auth server.
        token: a log-in token of the person.
        description: by which the person knows it later.
        version: that of the auth server, as far as known.
        seconds: the bound.
    """
    if keeps_one_token(version):
        answer = line.get(f"{server}/auth/api/v1/create_token", token, seconds=seconds)
    else:
        words = {"description": description[:LONGEST_DESCRIPTION]}
        answer = line.post(keys_address(server), token, words, seconds=seconds)
    return replace(answer, body=Token(answer.body)) if isinstance(answer.body, str) else answer


def revoke_temporary(line: Line, address: str, token: Token, seconds: float) -> Answer:
    """Asks for the end of a temporary token, and with it of the browser's session. `is_dead` judges the answer.

    Args:
        line: where to ask.
        address: one of `routes.sign_out_addresses`.
        token: a permanent token is refused (422).
        seconds: the bound.
    """
    return line.get(address, token, seconds=seconds)


def revoke_permanent(line: Line, server: str, token: Token, number: int, seconds: float) -> Answer:
    """Revokes the permanent token with a number, in the name of any token of the same person."""
    return line.delete(key_address(server, number), token, seconds=seconds)


def revoke_itself(line: Line, server: str, token: Token, seconds: float) -> Answer:
    """Revokes a permanent token that has just been made, whose number is not known yet."""
    answer = line.get(keys_address(server), token, seconds=seconds)
    number = next((key.number for key in keys_in(answer) or () if key.token == token), None)
    return answer if number is None else revoke_permanent(line, server, token, number, seconds)


def is_dead(answer: Answer) -> bool:
    """Whether a token is known to be revoked: the auth server says so itself, or does not know it any more."""
    return (answer.is_good and answer.body == "success") or (answer.status == 401 and answer.code == "invalid_token")
