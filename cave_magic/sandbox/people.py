"""The accounts that a practice server has at the start."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

PUBLIC_DATASETS = ("minnie65_public", "flywire_fafb_public")
MEMBER_GROUPS = ("default", "connectomics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account of the auth server: a person, or a service account with a parent.

    Attributes:
        nick: a short name for tests and commands.
        name: the name of the Google account.
        datasets: what it may view.
        unsigned: the datasets whose terms of service it has not accepted.
        admin_of: the datasets that it administers.
        note: what is special about it; shown on the sign-in page.
        custom_name: shown instead of `name` if `custom` is true.
    """

    id: int
    nick: str
    name: str
    email: str
    created: datetime
    groups: tuple[str, ...] = MEMBER_GROUPS
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
        """Whether it may use the admin routes."""
        return self.admin or self.service_account or bool(self.admin_of)


FIRST_TOKENS = (
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
"""The accounts with a permanent token at the start, and its description."""


def first_people(created: datetime) -> list[Account]:
    """The accounts at the start."""

    def person(number: int, nick: str, **more: Any) -> Account:
        name = f"{nick.capitalize()} Example"
        return Account(id=number, nick=nick, name=name, email=f"{nick}@example.org", created=created, **more)

    minnie = ("minnie65_public",)
    return [
        person(1, "admin", groups=(), datasets=(), admin=True, note="administers the server, may view no data"),
        person(2, "alice", note="has two tokens and accepted all terms"),
        person(3, "bob", unsigned=minnie, note="has not accepted the MICrONS terms"),
        person(4, "carol", groups=(), datasets=(), note="has no permission for any dataset"),
        person(5, "dave", note="has no token yet"),
        person(6, "erin"),
        person(7, "frank"),
        person(8, "bot", service_account=True, parent_id=2),
        person(9, "dora", admin_of=minnie, note="administers minnie65_public"),
        person(10, "ada", note="a typical user: has one token and accepted all terms"),
        person(11, "heidi"),
        person(12, "ivan"),
        person(13, "judy"),
    ]


def services_account(created: datetime) -> Account:
    """The account with which services ask the auth server about resources of other services."""
    name = f"services-{secrets.token_hex(4)}"
    return Account(id=0, nick=name, name="CAVE services", email=f"{name}@example.org", created=created)
