"""Older tokens of this computer that a new one of the same name has replaced, and that still work."""

from __future__ import annotations

from ..api import endpoints, responses
from ..api.http import Session
from ..api.responses import ListedToken
from ..api.tokens import is_revoked, revoke_permanent
from ..credentials.locations import locations
from .exchange import PATIENCE, LoginResult, names_this_computer


def older_keys(result: LoginResult) -> list[ListedToken]:
    """The person's older tokens that have the name of a new one and are in none of this computer's files.

    Args:
        result: the new token, which is saved.
    Returns:
        Nothing if that is unknown, or if other computers may have the same name.
    """
    made, server = result.verified.token, result.verified.target.server
    if not result.made or not names_this_computer():
        return []
    session = Session()
    try:
        keys = responses.listed_tokens_in(session.get(endpoints.tokens_url(server), made, seconds=PATIENCE)) or ()
    finally:
        session.close()
    newest = next((key.number for key in keys if key.token == made), None)
    stored = {one.read().meant for one in locations(server)}
    named = [key for key in keys if key.description == result.made and key.token not in stored]
    return [key for key in named if newest is not None and key.number is not None and key.number < newest]


def revoke_older(result: LoginResult, key: ListedToken) -> str:
    """Revokes one of them, authorized by the new token; returns why that failed, or ""."""
    session, server = Session(), result.verified.target.server
    try:
        response = revoke_permanent(session, server, result.verified.token, key.number or 0, PATIENCE)
    finally:
        session.close()
    return "" if is_revoked(response) or response.status == 404 else response.sentence  # 404: it is gone already
