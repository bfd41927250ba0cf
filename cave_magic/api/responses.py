"""What the servers answer, and what it means: whose token it is, what may be read, where the data is."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..redact import Untrusted, sanitize
from ..token import Token
from ..ui.document import Line, Span, line, plain_text
from .endpoints import terms_page
from .failures import Failure
from .urls import host_of, parse_url

PAGE, TEXT = "a web page", "text"
"""Forms of an answer that is no JSON and that a person can read."""

FLASK_404 = "The requested URL was not found on the server. If you"
"""How the page begins that Flask makes of a 404 (werkzeug 2 and 3). A web server's own is worded in another way."""

TEMPORARY_TOKEN_DAYS = 7
"""How long a temporary token lives (middle_auth 2.30: 604800 s, not extended by use)."""

WITHIN = f"within {TEMPORARY_TOKEN_DAYS} days"
"""When a temporary token expires of which nothing more is known."""

MEMORY_SECONDS = 300
"""For how long a service goes on with what the auth server told it about a token, each of its workers for itself
(middle_auth_client 3.19, `TOKEN_CACHE_TTL`; measured with the info service 4.3)."""

VIEW = "view"
"""The permission that reading takes, as the auth server names it."""

KNOWN_CODES = (
    "invalid_token",
    "no_token",
    "bad_auth_header",
    "missing_tos",
    "missing_permission",
    "invalid_table_id",
)
"""The `error` words of the servers' JSON (middle_auth-client 3.19)."""


REFUSALS = ("invalid_token", "no_token", "bad_auth_header")
"""Those of them that refuse a token, or what was sent in its place."""


NOTHING = Untrusted("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What one request brought. Holds no token: tokens in it are `Token` objects, and in texts they are hidden.

    Attributes:
        url: where the request went.
        status: the HTTP status, or 0 if no response came.
        failure: why none came, or None.
        detail: the reason in our own words, short.
        body: the parsed JSON, or None. Its texts are as the server sent them.
        is_json: whether the body was JSON.
        opening: the first words of a page or a text.
        location: where it redirects to.
        seconds: how long it took.
        form: what came in place of JSON: `PAGE`, `TEXT`, else our words for what nobody can read; "" if nothing did.
        wait: the seconds that it asks to wait (`Retry-After`); None if it does not.
        at: when it came, in seconds since 1970.
    """

    url: str
    status: int = 0
    failure: Failure | None = None
    detail: str = ""
    body: Any = field(default=None, repr=False)
    is_json: bool = False
    opening: Untrusted = NOTHING
    location: Untrusted = NOTHING
    seconds: float = 0.0
    form: str = ""
    wait: float | None = None
    at: float = field(default_factory=time.time, compare=False)

    @property
    def host(self) -> str:
        """The host that was asked, with its port."""
        return host_of(self.url)

    @property
    def error(self) -> Untrusted:
        """The `error` word of a JSON error, whatever it is."""
        value = self.body.get("error") if isinstance(self.body, dict) else None
        return Untrusted(value) if isinstance(value, str) else NOTHING

    @property
    def code(self) -> str:
        """The `error` word of a JSON error if it is one of `KNOWN_CODES`, or ""."""
        return next((code for code in KNOWN_CODES if self.error == code), "")

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
    def is_of_a_service(self) -> bool:
        """Whether a 404 is of a service that lacks the route, not of a web server that has no such service.

        A service answers in JSON, or with the page that Flask makes by itself; it is not the one of nginx or Apache.
        """
        return isinstance(self.body, dict) or FLASK_404 in self.opening

    @property
    def evidence(self) -> Line:
        """What came, in one line that begins with the host; the server's own words are private."""
        if self.failure is not None:
            return line(f"{self.host} {self.failure.value}", f" ({self.detail})" if self.detail else "")
        if self.location:
            return line(f"{self.host} redirects to ", sanitize(self.location), f" (HTTP {self.status})")
        said = line(self.code or self._own_words)
        return line(f"{self.host} returned HTTP {self.status}", *((": ", said) if said else (self._instead,)))

    @property
    def _own_words(self) -> Span:
        if self.error or not self.is_json:
            return sanitize(self.error or self.opening, 40 if self.error else 80)
        return sanitize(json.dumps(self.body, default=repr), 80)

    @property
    def _instead(self) -> str:
        return f" with {self.form}" if self.form else " and no content"

    @property
    def sentence(self) -> str:
        """The same line as a string, for a message that only the person sees."""
        return plain_text(self.evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Terms of service that an account has not accepted yet.

    Attributes:
        dataset: the dataset that they are for, as the auth server names it: sanitized, to compare.
        name: their title.
        url: the page where they are accepted.
        number: their number on the auth server, by which two are compared.
    """

    dataset: str
    name: Untrusted
    url: str
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who a token belongs to, by the auth server's own word (`/auth/api/v1/user/cache`, middle_auth 2.30).

    Attributes:
        name, email: sanitized and private.
        permissions: dataset -> what the account may do with it now (`permissions_v2`); sanitized, to compare and sort.
        before_terms: the same, as if all terms of service were accepted.
        unsigned: the terms of service that are not.
        whole: whether the answer said all three; one of an older server may not.
    """

    name: Span
    email: Span
    id: int | None
    permissions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    before_terms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unsigned: tuple[Terms, ...] = ()
    groups: tuple[str, ...] = ()
    service_account: bool = False
    admin: bool = False
    whole: bool = True

    @property
    def label(self) -> Span:
        """Name and e-mail, as people write them."""
        return Span(f"{self.name.text} <{self.email.text}>", private=True) if self.email.text else self.name

    @property
    def who(self) -> Span:
        """The e-mail address, or the name where there is none."""
        return self.email if self.email.text else self.name

    def may_view(self, dataset: str) -> bool:
        """Whether it may read a dataset."""
        return VIEW in self.permissions.get(dataset, ())

    @property
    def may_view_something(self) -> bool:
        """Whether there is any dataset that it may read, once its terms of service are accepted."""
        return any(VIEW in rights for rights in self.before_terms.values())

    def terms_for(self, dataset: str) -> Terms | None:
        """What it has to accept before it may read a dataset; None if that is not what is missing."""
        if self.may_view(dataset) or VIEW not in self.before_terms.get(dataset, ()):
            return None
        return next((terms for terms in self.unsigned if terms.dataset == dataset), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedToken:
    """A permanent token of a person, from the list of the tokens page; `number` is how the server knows it."""

    token: Token
    description: Untrusted = NOTHING
    created: Untrusted = NOTHING
    last_used: Untrusted = NOTHING
    number: int | None = None


def is_cave(response: Response) -> bool:
    """Whether an answer is one that a working CAVE service gives, be it a refusal."""
    if response.failure is not None or not response.is_json or response.status >= 500 or response.location:
        return False
    if response.status == 200 or response.error:
        return True
    return response.status != 429 and isinstance(response.body, dict) and "message" in response.body


def account_in(response: Response, server: str) -> Account | None:
    """The account in an answer of the identity route; None if it is not one."""
    body = response.body
    if not response.is_good or not isinstance(body, dict) or not {"email", "name", "id"} & set(body):
        return None
    number = body.get("id")
    return Account(
        name=sanitize(_text(body.get("name")) or "(no name)", 80),
        email=sanitize(_text(body.get("email")), 120),
        id=number if isinstance(number, int) else None,
        permissions=_rights(body.get("permissions_v2")),
        before_terms=_rights(body.get("permissions_v2_ignore_tos")),
        unsigned=tuple(terms for item in _items(body.get("missing_tos")) if (terms := terms_in(item, server))),
        groups=tuple(sanitize(name, 80).text for name in _texts(body.get("groups"))),
        service_account=body.get("service_account") is True,
        admin=body.get("admin") is True,
        whole=all(isinstance(body.get(key), kind) for key, kind in _OF_ACCESS.items()),
    )


_OF_ACCESS = {"permissions_v2": dict, "permissions_v2_ignore_tos": dict, "missing_tos": list}
"""What an answer says about access, and in which form."""


def terms_in(item: dict[str, Any], server: str) -> Terms | None:
    """Unsigned terms out of `missing_tos` or out of the data of a 403; None if there is no number in it."""
    with suppress(TypeError, ValueError):
        number = int(str(item.get("tos_id")))
        return Terms(
            dataset=sanitize(item.get("dataset_name") or "", 80).text,
            name=Untrusted(str(item.get("tos_name") or "terms of service")),
            url=terms_page(server, number),
            number=number,
        )
    return None


def listed_tokens_in(response: Response) -> tuple[ListedToken, ...] | None:
    """The permanent tokens in an answer of the tokens route; None if it is not a list with all of their values."""
    if not response.is_good or not isinstance(response.body, list):
        return None
    items = [item for item in _items(response.body) if _is_whole(item.get("token"))]
    if len(items) < len(response.body):
        return None
    return tuple(map(_key, items))


def _key(item: dict[str, Any]) -> ListedToken:
    description, created, last_used = (Untrusted(str(item.get(name) or "")) for name in _TEXTS_OF_A_KEY)
    number = item.get("id")
    return ListedToken(
        token=item["token"],
        description=description,
        created=created,
        last_used=last_used,
        number=number if isinstance(number, int) else None,
    )


_TEXTS_OF_A_KEY = ("description", "created", "last_used")


def _is_whole(token: object) -> bool:
    """Whether a listed token is one, and not its last characters behind stars."""
    return isinstance(token, Token) and token.can_be_sent and "*" not in token.reveal()


def names_in(response: Response) -> tuple[str, ...] | None:
    """The datastacks in an answer of the info service; None if it is not a list of names."""
    if not response.is_good or not isinstance(response.body, list):
        return None
    return tuple(name for name in _texts(response.body) if is_name(name))


def is_name(text: str) -> bool:
    """Whether a text can be a datastack's name, so that it can be printed in a line to type and typed there."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", text) is not None


def lacks_datastack(response: Response) -> bool:
    """Whether the info service says that it has no such datastack."""
    return response.code == "invalid_table_id" or response.status == 404


def local_server_in(response: Response) -> str:
    """The local server's address in an answer about a datastack; "" if there is none that is to be asked."""
    value = response.body.get("local_server") if response.is_good and isinstance(response.body, dict) else None
    address = parse_url(value)
    if not isinstance(value, str) or address is None or address.scheme not in ("http", "https"):
        return ""
    return "" if sanitize(value, 200).text != value or set(value) & set("@?# \"'<>") else value.rstrip("/")


def dataset_in(response: Response) -> str:
    """The dataset that a refusal is about, as the auth server names it, or ""."""
    named = response.data.get("auth_dataset")
    return sanitize(named, 80).text if isinstance(named, str) else ""


def contradicts(account: Account, info: Response, dataset: str) -> bool:
    """Whether what the info service says of a datastack cannot be what the auth server says now.

    Args:
        account: what the auth server says.
        info: what the info service says, which may be as old as `MEMORY_SECONDS`.
        dataset: the one that the datastack belongs to; "" if that is not known. It may have another name.
    """
    if info.code == "invalid_token":
        return True
    if not account.whole:
        return False
    if info.code == "missing_tos":
        terms = terms_in(info.data, "")
        return terms is not None and terms.number not in {one.number for one in account.unsigned}
    if info.code == "missing_permission":
        refused = dataset_in(info)
        return account.may_view(refused) or account.terms_for(refused) is not None
    if not local_server_in(info):
        return False
    return not account.may_view(dataset) if dataset else not account.may_view_something


def version_in(response: Response) -> str:
    """The version number in an answer of a version route, or ""."""
    if response.status != 200:
        return ""
    text = Untrusted(response.body) if isinstance(response.body, str) else response.opening
    return text.extract(r"\d+(?:\.\d+)+")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _items(value: object) -> list[dict[str, Any]]:
    return [item for item in value[:500] if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [item for item in value[:5000] if isinstance(item, str)] if isinstance(value, list) else []


def _rights(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        return {}
    return {
        sanitize(name, 80).text: tuple(sanitize(right, 20).text for right in _texts(rights))
        for name, rights in value.items()
    }
