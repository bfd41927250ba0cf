"""Tokens that a new one of the same name has replaced on this computer, and that still work."""

from __future__ import annotations

from ..api import endpoints, responses
from ..api.http import Line
from ..api.responses import Key
from ..api.tokens import is_dead, revoke_permanent
from ..credentials import misplaced, stored_tokens
from .exchange import PATIENCE, Outcome, names_this_computer


def older_keys(outcome: Outcome) -> list[Key]:
    """The person's tokens that were made before a new one, under its name, and are in none of this computer's files.

    Args:
        outcome: the new token, which is saved.
    Returns:
        Nothing where that cannot be told, and where the name is not this computer's alone.
    """
    made, server = outcome.checked.token, outcome.checked.target.server
    if not outcome.made or not names_this_computer():
        return []
    asking = Line()
    try:
        keys = responses.keys_in(asking.get(endpoints.keys_address(server), made, seconds=PATIENCE)) or ()
    finally:
        asking.close()
    newest = next((key.number for key in keys if key.token == made), None)
    stored = {file.meant for file in stored_tokens.resolve(server).files} | misplaced.tokens(server)
    named = [key for key in keys if key.description == outcome.made and key.token not in stored]
    return [key for key in named if newest is not None and key.number is not None and key.number < newest]


def revoke_older(outcome: Outcome, key: Key) -> str:
    """Revokes one of them in the name of the new one; why that failed, or ""."""
    asking, server = Line(), outcome.checked.target.server
    try:
        answer = revoke_permanent(asking, server, outcome.checked.token, key.number or 0, PATIENCE)
    finally:
        asking.close()
    return "" if is_dead(answer) or answer.status == 404 else answer.sentence  # 404: it is gone already
