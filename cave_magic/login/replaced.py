"""Older tokens with this computer's name that a new token has replaced and that still work."""

from __future__ import annotations

from ..api import endpoints, responses
from ..api.http import Session
from ..api.responses import ListedToken
from ..api.tokens import is_revoked, revoke_permanent
from ..credentials.locations import locations
from .exchange import PATIENCE, LoginResult, names_this_computer


def older_keys(result: LoginResult) -> list[ListedToken]:
    """Lists the account's older tokens with the description of a new one, except those stored on this computer.

    Args:
        result: the new token, already saved.
    Returns:
        The tokens; none if they cannot be listed, or if other computers may have the same name.
    """
    made, server = result.verified.token, result.verified.target.server
    if not result.made or not names_this_computer():
        return []
    with Session() as session:
        keys = responses.listed_tokens_in(session.get(endpoints.tokens_url(server), made, seconds=PATIENCE)) or ()
    newest = next((key.number for key in keys if key.token == made), None)
    stored = {location.read().meant for location in locations(server)}
    named = [key for key in keys if key.description == result.made and key.token not in stored]
    return [key for key in named if newest is not None and key.number is not None and key.number < newest]


def revoke_older(result: LoginResult, key: ListedToken) -> str:
    """Revokes an older token, authorized by the new one; returns why that failed, or ""."""
    verified = result.verified
    with Session() as session:
        response = revoke_permanent(session, verified.target.server, verified.token, key.number or 0, PATIENCE)
    return "" if is_revoked(response) or response.status == 404 else response.sentence  # 404: already revoked
