"""The people of the practice server, their tokens and the terms they accepted, all in memory."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

WEEK = 7 * 24 * 3600
"""Life of a log-in token in seconds, as the auth server gives it."""

LONGEST_DESCRIPTION = 120
"""Width of the description column of a key; a longer text makes the auth server fail."""

PUBLIC_DATASETS = ("minnie65_public", "flywire_fafb_public")
TERMS = {
    1: (
        "flywire",
        "I have read and agree to FlyWire's [Principles](https://flywire.ai/principles.html) and "
        "[Terms of Service](https://flywire.ai/tos.html), including the use of cookies to maintain user login.",
    ),
    2: (
        "MICrONS Public TOS (practice)",
        "# Terms\nThese are practice terms for a practice server. Nothing that you accept here binds you.",
    ),
}
"""Terms of service by id: name and text."""

MEMBER = ("default", "connectomics")


class DescriptionTooLong(ValueError):
    """The description of a new key does not fit its column; the key itself lives all the same."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the auth server: a person, or a service account with a parent.

    `name` is that of the Google account; `custom_name` is shown in its place while `custom` is true.
    """

    id: int
    nick: str
    name: str
    email: str
    created: datetime
    groups: tuple[str, ...] = MEMBER
    datasets: tuple[str, ...] = PUBLIC_DATASETS
    unsigned: tuple[str, ...] = ()
    admin: bool = False
    admin_of: tuple[str, ...] = ()
    service_account: bool = False
    parent_id: int | None = None
    pi: str = "PI Example"
    note: str = ""
    custom_name: str = ""
    custom: bool = False

    @property
    def public_name(self) -> str:
        """The name that others see."""
        return self.custom_name if self.custom else self.name

    @property
    def may_list_people(self) -> bool:
        """Whether the admin routes answer this account."""
        return self.admin or self.service_account or bool(self.admin_of)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One row of a person's keys; `token` is the secret, times are in UTC."""

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


@dataclass(frozen=True, slots=True)
class Live:
    """A token that the auth server lets in: whose it is and when it ends (seconds of the clock, None = never)."""

    account_id: int
    expires: float | None = None


def http_date(moment: datetime) -> str:
    """`moment` in the form of the auth server: `Sat, 21 Nov 2026 01:26:08 GMT`."""
    return format_datetime(moment.astimezone(timezone.utc), usegmt=True)


def now() -> datetime:
    """The present second in UTC."""
    return datetime.now(timezone.utc).replace(microsecond=0)


class Accounts:
    """The auth server's memory. Every method is safe to call from several threads.

    `tos_of` maps a dataset to the id of its terms, `one_key` makes a new key end the older one, as
    middle_auth did before version 2.19, `clock` tells the seconds by which temporary tokens expire.
    """

    def __init__(
        self, tos_of: dict[str, int], *, one_key: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.tos_of = tos_of
        self.one_key = one_key
        self._clock = clock
        self._lock = threading.RLock()
        self._people: dict[int, Account] = {}
        self._rows: dict[int, ApiKey] = {}
        self._live: dict[str, Live] = {}
        self._codes: dict[str, str] = {}
        self._seen: set[str] = set()
        self._last_row = 0
        self._dataset_ids = {name: number for number, name in enumerate(tos_of, start=1)}

    # -- people ---------------------------------------------------------------------------------

    def add(self, account: Account) -> Account:
        """Put `account` in, replacing the one with the same id."""
        with self._lock:
            self._people[account.id] = account
        return account

    def sign_up(self, email: str) -> Account:
        """A new account for `email`: public datasets, terms of MICrONS not accepted, no key."""
        nick = email.split("@")[0]
        with self._lock:
            number = max(self._people, default=0) + 1
            taken = {person.nick for person in self._people.values()}
            if nick in taken:
                nick = email
            return self.add(
                Account(
                    number,
                    nick,
                    nick,
                    email,
                    now(),
                    groups=("default",),
                    unsigned=("minnie65_public",),
                    note="made here, on the log-in page",
                )
            )

    def everyone(self) -> list[Account]:
        """All accounts by id, the services' own left out."""
        with self._lock:
            return [self._people[number] for number in sorted(self._people) if number > 0]

    def find(self, who: str | int) -> Account:
        """The account with this nick, e-mail or id. Raises LookupError for a stranger."""
        with self._lock:
            for person in self._people.values():
                if who in (person.id, person.nick, person.email):
                    return person
        raise LookupError(f"no account {who!r} on this practice server")

    def choose_name(self, account_id: int, custom: str | None) -> bool:
        """Let others see a custom name, or with none that of the Google account.

        False when the account has another custom name already, which cannot be changed.
        """
        with self._lock:
            person = self._people[account_id]
            if custom and person.custom_name not in ("", custom):
                return False
            self.add(replace(person, custom=bool(custom), custom_name=custom or person.custom_name))
            return True

    def grant(self, who: str, datasets: Iterable[str]) -> None:
        """Give `who` the view permission on `datasets`. Raises LookupError for an unknown one."""
        datasets = tuple(datasets)
        for dataset in datasets:
            self.terms_of(dataset)
        with self._lock:
            person = self.find(who)
            self.add(replace(person, datasets=tuple(dict.fromkeys((*person.datasets, *datasets)))))

    def revoke(self, who: str, dataset: str) -> None:
        """Take the view permission on `dataset` from `who`."""
        with self._lock:
            person = self.find(who)
            self.add(replace(person, datasets=tuple(d for d in person.datasets if d != dataset)))

    def withdraw_terms(self, who: str, dataset: str) -> None:
        """Make the terms of `dataset` unsigned for `who`. Raises LookupError for an unknown dataset."""
        self.terms_of(dataset)
        with self._lock:
            person = self.find(who)
            self.add(replace(person, unsigned=tuple(dict.fromkeys((*person.unsigned, dataset)))))

    def terms_of(self, dataset: str) -> int:
        """The id of the terms of a dataset. Raises LookupError for an unknown one."""
        if dataset not in self.tos_of:
            raise LookupError(f"no dataset {dataset!r} on this practice server")
        return self.tos_of[dataset]

    def accept_terms(self, account_id: int, tos_id: int) -> None:
        """Sign the terms with this id, for every dataset that they cover."""
        with self._lock:
            person = self._people[account_id]
            left = tuple(d for d in person.unsigned if self.tos_of[d] != tos_id)
            self.add(replace(person, unsigned=left))

    def has_accepted(self, account_id: int, tos_id: int) -> bool:
        """Whether nothing under these terms waits for a signature of this account."""
        with self._lock:
            return all(self.tos_of[d] != tos_id for d in self._people[account_id].unsigned)

    # -- tokens ---------------------------------------------------------------------------------

    def make_key(self, account_id: int, description: str | None = None) -> str:
        """A new permanent key. Raises DescriptionTooLong after the key became valid, as the real one does."""
        with self._lock:
            if self.one_key:
                self._drop_rows(account_id)
            token = self._let_in(Live(account_id))
            if description is not None and len(description) > LONGEST_DESCRIPTION:
                raise DescriptionTooLong(len(description))
            self._last_row += 1
            made = now()
            self._rows[self._last_row] = ApiKey(self._last_row, token, account_id, description, made, made)
            return token

    def make_login_token(self, account_id: int, seconds: float = WEEK) -> str:
        """A log-in token that dies after `seconds`; nought or less makes one that is dead already."""
        with self._lock:
            return self._let_in(Live(account_id, self._clock() + seconds))

    def refresh_key(self, account_id: int) -> str:
        """Replace the one key of an account in its row. Raises ValueError when there are more than one."""
        with self._lock:
            rows = self.keys(account_id)
            if len(rows) > 1:
                raise ValueError("more than one API key")
            if not rows:
                return self.make_key(account_id)
            self._live.pop(rows[0].token, None)
            token = self._let_in(Live(account_id))
            made = now()
            self._rows[rows[0].id] = replace(rows[0], token=token, created=made, updated=made, last_used=None)
            return token

    def keys(self, account_id: int) -> list[ApiKey]:
        """The rows of an account, newest first."""
        with self._lock:
            rows = [row for row in self._rows.values() if row.account_id == account_id]
            return sorted(rows, key=lambda row: row.id, reverse=True)

    def delete_row(self, row_id: int, account_id: int) -> bool:
        """Delete a row of this account and end its token; False when there is no such row."""
        with self._lock:
            row = self._rows.get(row_id)
            if row is None or row.account_id != account_id:
                return False
            del self._rows[row_id]
            self._live.pop(row.token, None)
            return True

    def delete_token(self, token: str) -> None:
        """End a token of any kind and forget its row. Raises LookupError for an unknown one."""
        with self._lock:
            if token not in self._seen:
                raise LookupError("this practice server never made that token")
            self._live.pop(token, None)
            self._rows = {number: row for number, row in self._rows.items() if row.token != token}

    def lose(self, token: str) -> None:
        """Refuse a token whose row is still listed, as after a loss in the server's token store."""
        with self._lock:
            self._live.pop(token, None)

    def is_key(self, token: str) -> bool:
        """Whether the token never expires."""
        with self._lock:
            live = self._living(token)
            return live is not None and live.expires is None

    def end_logins(self, account_id: int) -> None:
        """End every log-in token of an account; its keys live on."""
        with self._lock:
            self._live = {
                token: live
                for token, live in self._live.items()
                if live.account_id != account_id or live.expires is None
            }

    def owner(self, token: str) -> Account | None:
        """Whose token this is, without a trace of the question; None when it lets nobody in."""
        with self._lock:
            live = self._living(token)
            return self._people[live.account_id] if live else None

    def let_in(self, token: str) -> Account | None:
        """Whose token this is, and note that it was used."""
        with self._lock:
            person = self.owner(token)
            for row in self._rows.values():
                if person and row.token == token:
                    moment = now()
                    self._rows[row.id] = replace(row, last_used=moment, updated=moment)
                    break
            return person

    def seconds_left(self, token: str, account_id: int) -> int | None:
        """Seconds that a token of this account has left, -1 for a key, None when it is not theirs or gone."""
        with self._lock:
            live = self._living(token)
            if live is None or live.account_id != account_id:
                return None
            return -1 if live.expires is None else round(live.expires - self._clock())

    def known_tokens(self) -> set[str]:
        """Every token that was ever made here."""
        with self._lock:
            return set(self._seen)

    def _living(self, token: str) -> Live | None:
        live = self._live.get(token)
        if live and live.expires is not None and live.expires <= self._clock():
            del self._live[token]
            return None
        return live

    def _let_in(self, live: Live) -> str:
        token = secrets.token_hex(16)
        self._live[token] = live
        self._seen.add(token)
        return token

    def _drop_rows(self, account_id: int) -> None:
        for row in self.keys(account_id):
            self.delete_row(row.id, account_id)

    # -- the log-in page's one-time codes -------------------------------------------------------

    def make_code(self, email: str) -> str:
        """A one-time code that stands for a log-in as `email`."""
        with self._lock:
            code = secrets.token_urlsafe(16)
            self._codes[code] = email
            return code

    def take_code(self, code: str) -> str | None:
        """The e-mail behind a code, once."""
        with self._lock:
            return self._codes.pop(code, None)

    # -- what the auth server says about a person -----------------------------------------------

    def dataset_rows(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Datasets as `GET /auth/api/v1/dataset` lists them."""
        return [{"id": self._dataset_ids[name], "name": name, "tos_id": self.tos_of[name]} for name in names]

    def missing_terms(self, person: Account) -> list[dict[str, Any]]:
        """The unsigned terms of datasets that the person could otherwise see."""
        return [
            {
                "dataset_id": self._dataset_ids[dataset],
                "dataset_name": dataset,
                "tos_id": self.tos_of[dataset],
                "tos_name": TERMS[self.tos_of[dataset]][0],
            }
            for dataset in person.unsigned
            if dataset in person.datasets
        ]

    def passport(self, person: Account) -> dict[str, Any]:
        """The body of `GET /auth/api/v1/user/cache`."""
        open_datasets = sorted(d for d in person.datasets if d not in person.unsigned)
        return {
            "admin": person.admin,
            "affiliations": [[]],
            "datasets_admin": list(person.admin_of),
            "email": person.email,
            "groups": list(person.groups),
            "groups_admin": [],
            "id": person.id,
            "missing_tos": self.missing_terms(person),
            "name": person.public_name,
            "parent_id": person.parent_id,
            "permissions": dict.fromkeys(open_datasets, 1),
            "permissions_v2": {dataset: ["view"] for dataset in open_datasets},
            "permissions_v2_ignore_tos": {dataset: ["view"] for dataset in sorted(person.datasets)},
            "pi": person.pi,
            "service_account": person.service_account,
        }


def admit_cast(accounts: Accounts) -> None:
    """Fill `accounts` with the people that the practice server starts with, and their keys."""
    made = now() - timedelta(days=40)
    for person in _cast(made):
        accounts.add(person)
    for nick, description in _FIRST_KEYS:
        accounts.make_key(accounts.find(nick).id, description)


_FIRST_KEYS = (
    ("admin", None),
    ("alice", "laptop"),
    ("alice", "cluster"),
    ("bob", None),
    ("carol", None),
    ("bot", None),
    ("dora", None),
    ("erin", None),
    ("ada", "lab workstation"),
    ("heidi", None),
    ("ivan", None),
    ("ivan", None),
)


def _cast(made: datetime) -> list[Account]:
    def person(number: int, nick: str, **more: Any) -> Account:
        name = f"{nick.capitalize()} Example"
        return Account(number, nick, name, f"{nick}@example.org", made, **more)

    minnie = ("minnie65_public",)
    return [
        person(1, "admin", groups=(), datasets=(), admin=True, note="runs the server, sees no data"),
        person(2, "alice", note="two keys, everything accepted"),
        person(3, "bob", unsigned=minnie, note="terms of MICrONS not accepted"),
        person(4, "carol", groups=(), datasets=(), note="no permission for any dataset"),
        person(5, "dave", note="has no key yet"),
        person(6, "erin"),
        person(7, "frank"),
        person(8, "bot", service_account=True, parent_id=2),
        person(9, "dora", admin_of=minnie, note="administers minnie65_public"),
        person(10, "ada", note="an ordinary person, one key, everything accepted"),
        person(11, "heidi"),
        person(12, "ivan"),
        person(13, "judy"),
    ]
