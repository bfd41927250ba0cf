"""The accounts of the auth server, their permissions, and the terms of service that they accepted."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from cave_magic.sandbox.people import FIRST_TOKENS, Account, first_people, services_account
from cave_magic.sandbox.token_store import TokenStore, now

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

_TERMS_OF = {"minnie65_public": 2, "flywire_fafb_public": 1, "secret_ds": 1}


class Accounts:
    """The accounts of an auth server, those of `people.first_people` at the start. Safe to use from several threads.

    Args:
        tokens: the store of their tokens.
        more_datasets: names of further datasets, which ada may view.
    """

    def __init__(self, tokens: TokenStore, more_datasets: Iterable[str] = ()) -> None:
        more_datasets = tuple(more_datasets)
        self.tokens = tokens
        self.tos_of = {**_TERMS_OF, **dict.fromkeys(more_datasets, 1)}
        self._lock = threading.RLock()
        self._people: dict[int, Account] = {}
        self._codes: dict[str, str] = {}
        self._dataset_ids = {name: number for number, name in enumerate(self.tos_of, start=1)}
        created = now() - timedelta(days=40)
        for account in (*first_people(created), services_account(created)):
            self.add(account)
        for nick, description in FIRST_TOKENS:
            tokens.create_permanent(self.find(nick).id, description)
        self.grant("ada", more_datasets)

    # -- people ---------------------------------------------------------------------------------

    def add(self, account: Account) -> Account:
        """Adds an account, or replaces the one with the same id."""
        with self._lock:
            self._people[account.id] = account
        return account

    def sign_up(self, email: str) -> Account:
        """Creates an account for `email`: public datasets, MICrONS terms not accepted, no token."""
        nick = email.split("@")[0]
        with self._lock:
            if nick in {person.nick for person in self._people.values()}:
                nick = email
            return self.add(
                Account(
                    id=max(self._people, default=0) + 1,
                    nick=nick,
                    name=nick,
                    email=email,
                    created=now(),
                    groups=("default",),
                    unsigned=("minnie65_public",),
                    note="signed up on this server's sign-in page",
                )
            )

    def everyone(self) -> list[Account]:
        """All accounts by id, except the one of the services."""
        with self._lock:
            return [self._people[number] for number in sorted(self._people) if number > 0]

    def find(self, who: str | int) -> Account:
        """The account with this nick, e-mail or id. Raises LookupError if there is none."""
        with self._lock:
            for person in self._people.values():
                if who in (person.id, person.nick, person.email):
                    return person
        raise LookupError(f"no account {who!r} on this practice server")

    def owner(self, token: str) -> Account | None:
        """The account of a token, without recording a use; None if the token is not valid."""
        number = self.tokens.owner(token)
        return None if number is None else self._people[number]

    def authenticate(self, token: str) -> Account | None:
        """The account of a token, and records that it was used."""
        self.tokens.record_use(token)
        return self.owner(token)

    def choose_name(self, account_id: int, custom: str | None) -> bool:
        """Sets the public name: a custom one, or with None that of the Google account.

        Returns False if the account already has another custom name, which is final.
        """
        with self._lock:
            person = self._people[account_id]
            if custom and person.custom_name not in ("", custom):
                return False
            self.add(replace(person, custom=bool(custom), custom_name=custom or person.custom_name))
            return True

    # -- permissions and terms ------------------------------------------------------------------

    def grant(self, who: str, datasets: Iterable[str]) -> None:
        """Gives `who` the view permission on `datasets`. Raises LookupError for an unknown one."""
        datasets = tuple(datasets)
        for dataset in datasets:
            self.terms_of(dataset)
        with self._lock:
            person = self.find(who)
            self.add(replace(person, datasets=tuple(dict.fromkeys((*person.datasets, *datasets)))))

    def revoke(self, who: str, dataset: str) -> None:
        """Takes the view permission on `dataset` away from `who`."""
        with self._lock:
            person = self.find(who)
            self.add(replace(person, datasets=tuple(d for d in person.datasets if d != dataset)))

    def withdraw_terms(self, who: str, dataset: str) -> None:
        """Makes the terms of `dataset` not accepted by `who`. Raises LookupError for an unknown dataset."""
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
        """Accepts these terms, for every dataset that they cover."""
        with self._lock:
            person = self._people[account_id]
            left = tuple(d for d in person.unsigned if self.tos_of[d] != tos_id)
            self.add(replace(person, unsigned=left))

    def has_accepted(self, account_id: int, tos_id: int) -> bool:
        """Whether this account has accepted these terms, or does not need to."""
        with self._lock:
            return all(self.tos_of[d] != tos_id for d in self._people[account_id].unsigned)

    # -- one-time codes of the sign-in page -----------------------------------------------------

    def make_code(self, email: str) -> str:
        """A one-time code for a sign-in as `email`."""
        with self._lock:
            code = secrets.token_urlsafe(16)
            self._codes[code] = email
            return code

    def take_code(self, code: str) -> str | None:
        """The e-mail of a code, which works once; None if it is unknown."""
        with self._lock:
            return self._codes.pop(code, None)

    # -- what the auth server says about an account -----------------------------------------------

    def dataset_rows(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Datasets as `GET /auth/api/v1/dataset` lists them."""
        return [{"id": self._dataset_ids[name], "name": name, "tos_id": self.tos_of[name]} for name in names]

    def missing_terms(self, person: Account) -> list[dict[str, Any]]:
        """The terms that are not accepted, for the datasets that the account could otherwise view."""
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
