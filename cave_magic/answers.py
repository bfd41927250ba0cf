"""What the servers answer, and what it means: whose token it is, what may be read, where the data is."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from .addresses import host_of, parse
from .doctor import private, shown
from .plain import plain
from .routes import terms_page
from .tokens import Token
from .troubles import Trouble

PAGE, TEXT = "a web page", "text"
"""Forms of an answer that is no JSON and that a person can read."""

LOGIN_TOKEN_DAYS = 7
"""How long a temporary token lives (middle_auth 2.30: 604800 s, not extended by use)."""

WITHIN = f"within {LOGIN_TOKEN_DAYS} days"
"""When a temporary token expires of which nothing more is known."""

KNOWN_CODES = (
    "invalid_token", "no_token", "bad_auth_header", "missing_tos", "missing_permission", "invalid_table_id",
)
"""The `error` words of the servers' JSON (middle_auth-client 3.19)."""


REFUSALS = ("invalid_token", "no_token", "bad_auth_header")
"""Those of them that refuse a token, or what was sent in its place."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one GET brought. Holds no token: tokens in it are `Token` objects, and in texts they are hidden.

    Attributes:
        address: what was asked.
        status: the HTTP status, or 0 if none came.
        trouble: why none came, or None.
        detail: the reason in the words of the library, short and safe to show.
        body: the parsed JSON, or None.
        is_json: whether the body was JSON.
        opening: its first words if it was a page or a text.
        location: where it redirects to, as it may be shown.
        seconds: how long it took.
        form: what came in place of JSON: `PAGE`, `TEXT`, else in words what nobody can read; "" if nothing did.
    """

    address: str
    status: int = 0
    trouble: Trouble | None = None
    detail: str = ""
    body: Any = field(default=None, repr=False)
    is_json: bool = False
    opening: str = ""
    location: str = ""
    seconds: float = 0.0
    form: str = ""

    @property
    def host(self) -> str:
        """The host that was asked, with its port."""
        return host_of(self.address)

    @property
    def code(self) -> str:
        """The `error` word of a JSON error (`invalid_token`, `missing_tos`, ...), or ""."""
        value = self.body.get("error") if isinstance(self.body, dict) else None
        return plain(value, 40) if isinstance(value, str) else ""

    @property
    def data(self) -> dict[str, Any]:
        """What a JSON error says beyond its code; {} if nothing."""
        value = self.body.get("data") if isinstance(self.body, dict) else None
        return value if isinstance(value, dict) else {}

    @property
    def is_good(self) -> bool:
        """Whether it is a JSON answer of status 200."""
        return self.status == 200 and self.is_json

    @property
    def evidence(self) -> str:
        """What came, in one line that begins with the host; the server's own words are marked as private."""
        if self.trouble is not None:
            return f"{self.host} {self.trouble.value}" + (f" ({self.detail})" if self.detail else "")
        if self.location:
            return f"{self.host} sends one on to {private(self.location)} ({self.status})"
        said = self.code or (plain(json.dumps(self.body, default=repr), 80) if self.is_json else self.opening)
        said = said if said in KNOWN_CODES else private(said)
        return f"{self.host} answered {self.status}" + (f": {said}" if said else f" with {self.form or 'nothing'}")

    @property
    def sentence(self) -> str:
        """The same line for the person alone."""
        return shown(self.evidence)


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of service that an account has not accepted yet.

    Attributes:
        dataset: the dataset that they are for, as the auth server names it.
        name: their title.
        number: the auth server's number for them, by which two are compared.
        url: the page where they are accepted.
    """

    dataset: str
    name: str
    number: int
    url: str


@dataclass(frozen=True, slots=True)
class Account:
    """Who a token belongs to, by the auth server's own word (`/auth/api/v1/user/cache`, middle_auth 2.30)."""

    name: str
    email: str
    id: int | None
    permissions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    before_terms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unsigned: tuple[Terms, ...] = ()
    groups: tuple[str, ...] = ()
    service_account: bool = False
    admin: bool = False

    @property
    def label(self) -> str:
        """Name and e-mail, as people write them."""
        return f"{self.name} <{self.email}>" if self.email else self.name


@dataclass(frozen=True, slots=True)
class Key:
    """A permanent token of a person, from the list of the tokens page; `number` is how the server knows it."""

    token: Token
    description: str = ""
    created: str = ""
    last_used: str = ""
    number: int | None = None


def is_cave(answer: Answer) -> bool:
    """Whether an answer is one that a working CAVE service gives, be it a refusal."""
    if answer.trouble is not None or not answer.is_json or answer.status >= 500 or answer.location:
        return False
    if answer.status == 200 or answer.code:
        return True
    return answer.status != 429 and isinstance(answer.body, dict) and "message" in answer.body


def account_in(answer: Answer, server: str) -> Account | None:
    """The account in an answer of the identity route; None if it is not one."""
    body = answer.body
    if not answer.is_good or not isinstance(body, dict) or not {"email", "name", "id"} & set(body):
        return None
    number = body.get("id")
    return Account(
        plain(_text(body.get("name")) or "(no name)", 80),
        plain(_text(body.get("email")), 120),
        number if isinstance(number, int) else None,
        _rights(body.get("permissions_v2")),
        _rights(body.get("permissions_v2_ignore_tos")),
        tuple(terms for item in _items(body.get("missing_tos")) if (terms := terms_in(item, server))),
        tuple(plain(name, 80) for name in _texts(body.get("groups"))),
        body.get("service_account") is True,
        body.get("admin") is True,
    )


def terms_in(item: dict[str, Any], server: str) -> Terms | None:
    """Unsigned terms out of `missing_tos` or out of the data of a 403; None if there is no number in it."""
    with suppress(TypeError, ValueError):
        name, number = plain(item.get("tos_name") or "terms of service", 100), int(str(item.get("tos_id")))
        return Terms(plain(item.get("dataset_name") or "", 80), name, number, terms_page(server, number))
    return None


def keys_in(answer: Answer) -> tuple[Key, ...] | None:
    """The permanent tokens in an answer of the tokens route; None if it is not a list with all of their values."""
    if not answer.is_good or not isinstance(answer.body, list):
        return None
    items = [item for item in _items(answer.body) if _is_whole(item.get("token"))]
    if len(items) < len(answer.body):
        return None
    return tuple(map(_key, items))


def _key(item: dict[str, Any]) -> Key:
    description, created, last_used = (plain(item.get(name) or "", 120) for name in _TEXTS_OF_A_KEY)
    number = item.get("id")
    return Key(item["token"], description, created, last_used, number if isinstance(number, int) else None)


_TEXTS_OF_A_KEY = ("description", "created", "last_used")


def _is_whole(token: object) -> bool:
    """Whether a listed token is one, and not its last characters behind stars."""
    return isinstance(token, Token) and token.can_be_sent and "*" not in token.reveal()


def names_in(answer: Answer) -> tuple[str, ...] | None:
    """The datastacks in an answer of the info service; None if it is not a list of names."""
    if not answer.is_good or not isinstance(answer.body, list):
        return None
    return tuple(name for name in _texts(answer.body) if is_name(name))


def is_name(text: str) -> bool:
    """Whether a text can be a datastack's name, so that it can be printed in a line to type and typed there."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", text) is not None


def lacks_datastack(answer: Answer) -> bool:
    """Whether the info service says that it has no such datastack."""
    return answer.code == "invalid_table_id" or answer.status == 404


def local_server_in(answer: Answer) -> str:
    """The local server's address in an answer about a datastack; "" if there is none that is to be asked."""
    value = answer.body.get("local_server") if answer.is_good and isinstance(answer.body, dict) else None
    address = parse(value)
    if not isinstance(value, str) or address is None or address.scheme not in ("http", "https"):
        return ""
    return "" if plain(value, 200) != value or set(value) & set("@?# \"'<>") else value.rstrip("/")


def version_in(answer: Answer) -> str:
    """The version number in an answer of a version route, or ""."""
    if answer.status != 200:
        return ""
    text = answer.body if isinstance(answer.body, str) else answer.opening
    match = re.search(r"\d+(?:\.\d+)+", text or "")
    return match.group() if match else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _items(value: object) -> list[dict[str, Any]]:
    return [item for item in value[:500] if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [item for item in value[:5000] if isinstance(item, str)] if isinstance(value, list) else []


def _rights(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        return {}
    return {plain(name, 80): tuple(plain(right, 20) for right in _texts(rights)) for name, rights in value.items()}
