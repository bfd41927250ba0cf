"""What the servers return, and what it means: whose token it is, what the account may read, where the data is."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..token import Token
from ..ui.document import Line, Span, line, plain_text
from ..ui.durations import moment
from ..ui.redact import Untrusted, sanitize
from .endpoints import terms_page
from .failures import Failure
from .urls import host_of, parse_url

if TYPE_CHECKING:
    from .certificates import Certificate

PAGE, TEXT = "a web page", "text"
"""Kinds of bodies that are not JSON but that a person can read."""

FLASK_404 = "The requested URL was not found on the server. If you"
"""The beginning of Flask's own 404 page (werkzeug 2 and 3). nginx and Apache word theirs differently."""

TEMPORARY_TOKEN_DAYS = 7
"""Lifetime of a temporary token (middle_auth 2.30: 604800 s, not extended by use)."""

WITHIN = f"within {TEMPORARY_TOKEN_DAYS} days"
"""When a temporary token expires, if nothing more is known about it."""

MEMORY_SECONDS = 300
"""How long each worker of a service caches what the auth server said about a token (middle_auth_client 3.19,
`TOKEN_CACHE_TTL`; measured with the info service 4.3)."""

VIEW = "view"
"""The permission to read, as the auth server names it."""

NOT_RECEIVED = ("no_token", "bad_auth_header")
"""The codes of a service that got no token, or something else in its place."""

REFUSALS = ("invalid_token", *NOT_RECEIVED)
"""The codes that reject a token, or whatever was sent instead of one."""

KNOWN_CODES = (*REFUSALS, "missing_tos", "missing_permission", "invalid_table_id")
"""The `error` codes in the servers' JSON (middle_auth_client 3.19)."""

REJECTION = r"\A(4\d\d) [A-Z][A-Za-z ]+: "
"""How the message of a 500 begins if it stands for another status: `404 Not Found: version 9 not found in d`."""

GATEWAY = (502, 503, 504)
"""What a proxy or a load balancer returns if it cannot reach the server."""

NOTHING = Untrusted("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The result of one request. Tokens in its body are `Token` objects; tokens in its texts are redacted.

    Attributes:
        url: where the request went.
        status: the HTTP status; 0 without a response.
        failure: why there is no complete response, or None.
        detail: the reason in our own words, short.
        body: the parsed JSON, or None. Its texts are as the server sent them.
        is_json: whether the body was JSON.
        opening: the first words of a page or a text.
        location: where it redirects to.
        seconds: how long it took.
        form: the kind of body, if it is not JSON: `PAGE`, `TEXT`, or our words for what is unreadable; "" if it is
            empty.
        wait: the seconds in `Retry-After`, or None.
        at: when it arrived, in seconds since 1970.
        certificate: that of the server, if it was not verified (an experiment), or None.
        date: the time on the server's clock, in seconds since 1970, or None.
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
    certificate: Certificate | None = None
    date: float | None = None

    @property
    def host(self) -> str:
        """The host that the request went to, with its port."""
        return host_of(self.url)

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object in its body, or {}."""
        return self.body if isinstance(self.body, dict) else {}

    @property
    def error(self) -> Untrusted:
        """The `error` code in the JSON, known or not."""
        return Untrusted(_text(self.fields.get("error")))

    @property
    def code(self) -> str:
        """The `error` code if it is one of `KNOWN_CODES`, else ""."""
        return next((code for code in KNOWN_CODES if self.error == code), "")

    @property
    def data(self) -> dict[str, Any]:
        """The details that come with the `error` code, or {}."""
        value = self.fields.get("data")
        return value if isinstance(value, dict) else {}

    @property
    def message(self) -> Untrusted:
        """The sentence in the JSON of an error: the `message`, or the whole of it."""
        return Untrusted(_text(self.fields.get("message") if self.fields else self.body))

    @property
    def rejects(self) -> bool:
        """Whether a service understood the request and rejects it.

        Materialize (5.26, `blueprints/client/common.py`) reports its own 4xx as a 500 whose message begins with it.
        """
        is_hidden = self.status == 500 and self.message.matches(REJECTION)
        return is_hidden or (400 <= self.status < 500 and self.status not in (407, 408, 429))

    @property
    def is_good(self) -> bool:
        """Whether it is JSON with a status of success, as caveclient accepts it: a proxy may turn 200 into 203."""
        return self.status // 100 == 2 and self.is_json

    @property
    def is_of_a_service(self) -> bool:
        """Whether a 404 comes from a service without that route (as JSON or Flask's page), not from a web server."""
        return isinstance(self.body, dict) or FLASK_404 in self.opening

    @property
    def evidence(self) -> Line:
        """The response in one line that begins with the host; the server's own words are private."""
        if self.failure is not None:
            return line(f"{self.host} {self.failure.value}", f" ({self.detail})" if self.detail else "")
        if self.location:
            return line(f"{self.host} redirects to ", sanitize(self.location), f" (HTTP {self.status})")
        returned = f"{self.host} returned HTTP {self.status}"
        if self.error:
            message = line(" (", sanitize(self.message, 80), ")") if self.message and not self.code else ()
            said = line(self.code or sanitize(self.error, 40), message)
        else:
            said = line(sanitize(json.dumps(self.body, default=repr) if self.is_json else self.words, 80))
        if said:
            return line(returned, ": ", said)
        return line(returned, f" with {self.form}" if self.form else " and no content")

    @property
    def words(self) -> Untrusted:
        """The opening without the status, and without repetitions: web servers write both as title and as heading."""
        text = self.opening.without(rf"(?<!\S){self.status}\s+(?=[A-Z])")
        return text.without(r"(\b.{3,}\S)(?=\s+\1\b)")

    @property
    def until(self) -> str:
        """When it asks to try again, such as "at 15:30"; "later" if it does not say."""
        return "later" if self.wait is None else moment(self.at, self.wait)

    @property
    def sentence(self) -> str:
        """The same line as a string, for a message that only the user sees."""
        return plain_text(self.evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Terms of service that an account has not accepted yet.

    Attributes:
        dataset: the dataset that they cover, as the auth server names it; sanitized, to compare.
        name: their title.
        url: the page to accept them.
        number: their id on the auth server.
    """

    dataset: str
    name: Untrusted
    url: str
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account that a token belongs to (`/auth/api/v1/user/cache`, middle_auth 2.30).

    Attributes:
        name, email: sanitized and private.
        permissions: dataset -> what the account may do with it now (`permissions_v2`); sanitized, to compare and sort.
        before_terms: the same, as if all terms of service were accepted.
        unsigned: the terms of service that are not accepted.
        administers: the datasets whose permissions it may grant (`datasets_admin`); sanitized, to compare.
        whole: whether the response had all three; an older server may omit some.
    """

    name: Span
    email: Span
    id: int | None
    permissions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    before_terms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unsigned: tuple[Terms, ...] = ()
    service_account: bool = False
    admin: bool = False
    administers: tuple[str, ...] = ()
    whole: bool = True

    @property
    def label(self) -> Span:
        """Name and e-mail, as people write them."""
        return Span(f"{self.name.text} <{self.email.text}>", private=True) if self.email.text else self.name

    @property
    def who(self) -> Span:
        """The e-mail address, or the name if there is none."""
        return self.email if self.email.text else self.name

    def to_dict(self) -> dict[str, Any]:
        """Name, e-mail and id, for JSON."""
        return {"name": self.name.text, "email": self.email.text, "id": self.id}

    def may_view(self, dataset: str) -> bool:
        """Whether it may read a dataset."""
        return VIEW in self.permissions.get(dataset, ())

    def terms_for(self, dataset: str) -> Terms | None:
        """The terms to accept before it may read a dataset; None if something else is missing, or nothing."""
        if self.may_view(dataset) or VIEW not in self.before_terms.get(dataset, ()):
            return None
        return next((terms for terms in self.unsigned if terms.dataset == dataset), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedToken:
    """A permanent token in the list of an account's tokens; `number` is its id there."""

    token: Token
    description: Untrusted = NOTHING
    created: Untrusted = NOTHING
    last_used: Untrusted = NOTHING
    number: int | None = None


def is_cave(response: Response) -> bool:
    """Whether a response comes from a working CAVE service, even if it denies access."""
    if response.failure is not None or not response.is_json or response.status >= 500 or response.location:
        return False
    if response.is_good or response.error:
        return True
    return response.status != 429 and "message" in response.fields


def account_in(response: Response, server: str) -> Account | None:
    """The account in a response of `endpoints.identity_url`; None if there is none in it."""
    body = response.fields
    if not response.is_good or not {"email", "name", "id"} & set(body):
        return None
    number = body.get("id")
    return Account(
        name=sanitize(_text(body.get("name")) or "(no name)", 80),
        email=sanitize(_text(body.get("email")), 120),
        id=number if isinstance(number, int) else None,
        permissions=_rights(body.get("permissions_v2")),
        before_terms=_rights(body.get("permissions_v2_ignore_tos")),
        unsigned=tuple(terms for item in _items(body.get("missing_tos")) if (terms := terms_in(item, server))),
        service_account=body.get("service_account") is True,
        admin=body.get("admin") is True,
        administers=tuple(sanitize(name, 80).text for name in _texts(body.get("datasets_admin"))),
        whole=all(isinstance(body.get(key), dict) for key in ("permissions_v2", "permissions_v2_ignore_tos"))
        and isinstance(body.get("missing_tos"), list),
    )


def terms_in(item: dict[str, Any], server: str) -> Terms | None:
    """The terms in an item of `missing_tos`, or in the data of a 403; None without their id."""
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
    """The permanent tokens in a response of `endpoints.tokens_url`; None if it does not list all of them in full."""
    if not response.is_good or not isinstance(response.body, list):
        return None
    found = []
    for item in _items(response.body):
        token, number = item.get("token"), item.get("id")
        if isinstance(token, Token) and token.can_be_sent and "*" not in token.reveal():  # not masked by the server
            texts = {name: Untrusted(str(item.get(name) or "")) for name in ("description", "created", "last_used")}
            found.append(ListedToken(token=token, number=number if isinstance(number, int) else None, **texts))
    return tuple(found) if len(found) == len(response.body) else None


def names_in(response: Response) -> tuple[str, ...] | None:
    """The datastacks in a response of the info service; None if it is not a list."""
    if not response.is_good or not isinstance(response.body, list):
        return None
    return tuple(name for name in _texts(response.body) if is_name(name))


def versions_in(response: Response) -> tuple[int, ...] | None:
    """The materialization versions in a response, the newest first; None if it is not a list of numbers."""
    if not response.is_good or not isinstance(response.body, list):
        return None
    return tuple(sorted((one for one in response.body if type(one) is int), reverse=True))


def tables_in(response: Response) -> tuple[str, ...] | None:
    """The names of tables (a list) or views (by name) in a response of materialize; None if there are none in it."""
    if not response.is_good or not isinstance(response.body, list | dict):
        return None
    return tuple(name for name in _texts(list(response.body)) if is_name(name))


def is_name(text: str) -> bool:
    """Whether a text can be a datastack's name, which is safe to print in a line to type."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", text) is not None


def lacks_datastack(response: Response) -> bool:
    """Whether the info service does not know the datastack."""
    return response.code == "invalid_table_id" or response.status == 404


def local_server_in(response: Response) -> str:
    """The data server's address in a response about a datastack; "" if there is none that is safe to contact."""
    return _safe_address(_text(response.fields.get("local_server"))) if response.is_good else ""


@lru_cache  # a hundred datastacks have five data servers
def _safe_address(value: str) -> str:
    address = parse_url(value)
    if address is None or address.scheme not in ("http", "https"):
        return ""
    return "" if sanitize(value, 200).text != value or set(value) & set("@?# \"'<>") else value.rstrip("/")


def dataset_in(response: Response) -> str:
    """The dataset that a 403 is about, as the auth server names it, or ""."""
    return sanitize(_text(response.data.get("auth_dataset")), 80).text


def contradicts(account: Account, info: Response, dataset: str) -> bool:
    """Whether the info service contradicts the auth server about a datastack, because it still uses its cache.

    Args:
        account: what the auth server says.
        info: what the info service says, which may be as old as `MEMORY_SECONDS`.
        dataset: the dataset of the datastack, whose name may differ; "" if unknown.
    """
    if info.code == "invalid_token":
        return True
    if not account.whole:
        return False
    if info.code == "missing_tos":
        terms = terms_in(info.data, "")
        return terms is not None and terms.number not in {unsigned.number for unsigned in account.unsigned}
    if info.code == "missing_permission":
        refused = dataset_in(info)
        return account.may_view(refused) or account.terms_for(refused) is not None
    if not local_server_in(info):
        return False
    return not (account.may_view(dataset) if dataset else any(VIEW in one for one in account.before_terms.values()))


def version_in(response: Response) -> str:
    """The version number in a response of a version route, or ""."""
    if response.status // 100 != 2:
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
