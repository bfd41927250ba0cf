"""The tokens of the practice server, in memory."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any

WEEK = 7 * 24 * 3600
"""Lifetime of a temporary token in seconds, as on the real auth server."""

MAX_DESCRIPTION = 120
"""Characters in the description column of the auth server's database; a longer text makes the server fail."""


class DescriptionTooLong(ValueError):
    """The description of a new token is too long. The token is valid nevertheless."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermanentToken:
    """A permanent token as the auth server lists it; `token` is the secret, times are in UTC."""

    id: int
    token: str
    account_id: int
    description: str | None
    created: datetime
    updated: datetime
    last_used: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """The row as `GET /auth/api/v1/user/token` lists it."""
        return {
            "created": http_date(self.created),
            "description": self.description,
            "id": self.id,
            "last_used": http_date(self.last_used) if self.last_used else None,
            "token": self.token,
            "updated": http_date(self.updated),
            "user_id": self.account_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidToken:
    """A token that the auth server accepts: its account, and when it expires (seconds of the clock, None: never)."""

    account_id: int
    expires: float | None = None


def http_date(moment: datetime) -> str:
    """`moment` in the format of the auth server: `Sat, 21 Nov 2026 01:26:08 GMT`."""
    return format_datetime(moment.astimezone(timezone.utc), usegmt=True)


def now() -> datetime:
    """The current time in UTC, without microseconds."""
    return datetime.now(timezone.utc).replace(microsecond=0)


class TokenStore:
    """All tokens of an auth server. Safe to use from several threads.

    Args:
        one_token: a new permanent token revokes the older one, as in middle_auth before version 2.19.
        clock: the seconds that decide when temporary tokens expire.
    """

    def __init__(self, *, one_token: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self.one_token = one_token
        self._clock = clock
        self._lock = threading.RLock()
        self._rows: dict[int, PermanentToken] = {}
        self._valid: dict[str, ValidToken] = {}
        self._known: set[str] = set()
        self._last_row = 0

    def create_permanent(self, account_id: int, description: str | None = None) -> str:
        """A new permanent token. Raises DescriptionTooLong after the token became valid, as the real server does."""
        with self._lock:
            if self.one_token:
                for row in self.of(account_id):
                    self.delete(row.id, account_id)
            token = self._create(ValidToken(account_id=account_id))
            if description is not None and len(description) > MAX_DESCRIPTION:
                raise DescriptionTooLong(len(description))
            self._last_row += 1
            created = now()
            self._rows[self._last_row] = PermanentToken(
                id=self._last_row,
                token=token,
                account_id=account_id,
                description=description,
                created=created,
                updated=created,
            )
            return token

    def create_temporary(self, account_id: int, seconds: float = WEEK) -> str:
        """A temporary token that expires after `seconds`; with zero or less it has already expired."""
        with self._lock:
            return self._create(ValidToken(account_id=account_id, expires=self._clock() + seconds))

    def refresh(self, account_id: int) -> str:
        """Replaces the one permanent token of an account. Raises ValueError if there are several."""
        with self._lock:
            rows = self.of(account_id)
            if len(rows) > 1:
                raise ValueError("more than one API key")
            if not rows:
                return self.create_permanent(account_id)
            self._valid.pop(rows[0].token, None)
            token = self._create(ValidToken(account_id=account_id))
            created = now()
            self._rows[rows[0].id] = replace(rows[0], token=token, created=created, updated=created, last_used=None)
            return token

    def of(self, account_id: int) -> list[PermanentToken]:
        """The permanent tokens of an account, newest first."""
        with self._lock:
            rows = [row for row in self._rows.values() if row.account_id == account_id]
            return sorted(rows, key=lambda row: row.id, reverse=True)

    def delete(self, row_id: int, account_id: int) -> bool:
        """Revokes a permanent token of this account by its id; False if there is none."""
        with self._lock:
            row = self._rows.get(row_id)
            if row is None or row.account_id != account_id:
                return False
            del self._rows[row_id]
            self._valid.pop(row.token, None)
            return True

    def revoke(self, token: str) -> None:
        """Revokes a token of any kind. Raises LookupError for an unknown one."""
        with self._lock:
            if token not in self._known:
                raise LookupError("this practice server did not create that token")
            self._valid.pop(token, None)
            self._rows = {number: row for number, row in self._rows.items() if row.token != token}

    def lose(self, token: str) -> None:
        """Makes a token invalid that is still listed, as if the server had lost it."""
        with self._lock:
            self._valid.pop(token, None)

    def revoke_temporary(self, account_id: int) -> None:
        """Revokes all temporary tokens of an account."""
        with self._lock:
            self._valid = {
                token: valid
                for token, valid in self._valid.items()
                if valid.account_id != account_id or valid.expires is None
            }

    def owner(self, token: str) -> int | None:
        """The account that a token belongs to; None if it is not valid. Does not record a use."""
        with self._lock:
            valid = self._find(token)
            return valid.account_id if valid else None

    def is_permanent(self, token: str) -> bool:
        """Whether a token is valid and never expires."""
        with self._lock:
            valid = self._find(token)
            return valid is not None and valid.expires is None

    def record_use(self, token: str) -> None:
        """Sets when a permanent token was last used."""
        with self._lock:
            row = next((row for row in self._rows.values() if row.token == token), None)
            if row is not None and self._find(token):
                moment = now()
                self._rows[row.id] = replace(row, last_used=moment, updated=moment)

    def seconds_left(self, token: str, account_id: int) -> int | None:
        """Seconds until a token of this account expires, -1 for a permanent one, None if it is another's or invalid."""
        with self._lock:
            valid = self._find(token)
            if valid is None or valid.account_id != account_id:
                return None
            return -1 if valid.expires is None else round(valid.expires - self._clock())

    def known(self) -> set[str]:
        """Every token that was ever created here."""
        with self._lock:
            return set(self._known)

    def _find(self, token: str) -> ValidToken | None:
        valid = self._valid.get(token)
        if valid and valid.expires is not None and valid.expires <= self._clock():
            del self._valid[token]
            return None
        return valid

    def _create(self, valid: ValidToken) -> str:
        endings = {known[-4:] for known in self._known}  # by which people tell their tokens apart
        while (token := secrets.token_hex(16))[-4:] in endings:
            pass
        self._valid[token] = valid
        self._known.add(token)
        return token
