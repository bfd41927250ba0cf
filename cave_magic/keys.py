"""Permanent tokens on an auth server: how one is made there, and how a log-in token is ended."""

from __future__ import annotations

from dataclasses import replace

from .answers import Answer
from .questions import Line
from .routes import keys_address
from .tokens import Token

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


def log_out(line: Line, server: str, token: Token, seconds: float) -> bool:
    """Ends a log-in token, and with it the browser's session there; whether it is known to be dead."""
    answer = line.get(f"{server}/auth/api/v1/logout", token, seconds=seconds)
    return answer.status == 200 or answer.code == "invalid_token"
