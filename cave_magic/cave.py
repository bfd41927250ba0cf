"""The CAVE servers and caveclient: one bounded question, and what its answer means.

Nobody else imports requests or caveclient.
"""

from __future__ import annotations

import gc
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from . import __version__
from .doctor import private, shown
from .inquiry import Inquiry, Watcher
from .plain import hide_secrets, plain
from .servers import host_of
from .tokens import Token

if TYPE_CHECKING:
    import requests

    from .connections import Call, Calls

T = TypeVar("T")

LARGEST_ANSWER = 2_000_000
"""Bytes of an answer that are read. The longest real one (a list of all datastacks) has some thousand."""
LOGIN_TOKEN_DAYS = 7
"""How long a log-in token lives (middle_auth 2.30: 604800 s, not extended by use)."""

SERVICES = {
    "materialize": "/materialize/version",
    "chunkedgraph": "/segmentation/api/version",
    "l2cache": "/l2cache/api/v1/table_mapping",
    "skeleton": "/skeletoncache/api/version",
}
"""The services of a local server, each with the small route that caveclient 8.2 asks first (`endpoints.py`)."""


KNOWN_CODES = (
    "invalid_token", "no_token", "bad_auth_header", "missing_tos", "missing_permission", "invalid_table_id",
)
"""The `error` words of the servers' JSON (middle_auth-client 3.19)."""


REFUSALS = ("invalid_token", "no_token", "bad_auth_header")
"""Those of them that refuse a token, or what was sent in its place."""


class Trouble(Enum):
    """Why no answer came. The value is a sentence without its subject, the host."""

    ADDRESS = "is not an address that can be asked"
    NAME = "cannot be found: its name does not resolve"
    REFUSED = "refuses the connection: nothing listens there"
    UNREACHABLE = "cannot be reached from this network"
    RESET = "closed the connection without an answer"
    CONNECT_TIMEOUT = "cannot be reached: nothing came back while connecting"
    SILENT = "took the connection but did not answer"
    TLS = "has no secure connection (TLS) that this computer trusts"
    NOT_TLS = "does not speak https: the address should begin with http://"
    PROXY = "cannot be reached through the proxy that is set here"
    BROKEN = "broke off in the middle of its answer"
    UNSENDABLE = "was not asked: the token cannot be sent in a header"
    UNKNOWN = "could not be asked"


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
        opening: its first words if it was not.
        location: where it redirects to, without query.
        seconds: how long it took.
    """

    address: str
    status: int = 0
    trouble: Trouble | None = None
    detail: str = ""
    body: Any = None
    is_json: bool = False
    opening: str = ""
    location: str = ""
    seconds: float = 0.0

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
        return f"{self.host} answered {self.status}" + (f": {said}" if said else " with nothing")

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
        url: the page where they are accepted.
    """

    dataset: str
    name: str
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
    """A permanent token of a person, from the list of the tokens page."""

    token: Token
    description: str = ""
    created: str = ""
    last_used: str = ""


# ---------------------------------------------------------------- addresses

def tokens_page(server: str) -> str:
    """Where a person lists, makes and deletes tokens (middle_auth 2.19 and later)."""
    return f"{server}/sticky_auth/settings/tokens"


def terms_page(server: str, number: object) -> str:
    """Where terms of service are accepted; built here, never taken from an answer."""
    return f"{server}/sticky_auth/api/v1/tos/{int(str(number))}/accept"


def first_page(server: str, datastack: str, local_server: str = "") -> str:
    """A page of a datastack that leads a new person through log-in and its terms of service."""
    name = quote(datastack, safe="")
    if local_server:
        return f"{local_server}/materialize/views/datastack/{name}"
    return f"{server}/info/api/v2/datastack/full/{name}"


def identity_address(server: str) -> str:
    """Whose token is it, and what may that person do."""
    return f"{server}/auth/api/v1/user/cache"


def keys_address(server: str) -> str:
    """The permanent tokens of the token's owner."""
    return f"{server}/auth/api/v1/user/token"


def auth_version_address(server: str) -> str:
    """The version of the auth service; answers anybody."""
    return f"{server}/auth/version"


def info_version_address(server: str) -> str:
    """The version of the info service; answers anybody."""
    return f"{server}/info/version"


def datastacks_address(server: str) -> str:
    """The datastacks that the token's owner may see."""
    return f"{server}/info/api/v2/datastacks"


def datastack_address(server: str, datastack: str) -> str:
    """All about one datastack; refused without a permission or accepted terms."""
    return f"{server}/info/api/v2/datastack/full/{quote(datastack, safe='')}"


# ---------------------------------------------------------------- asking

TOO_LATE = "the time was over before its turn"
AFTERWARDS = 0.3
"""Seconds of a bound that are kept for what follows the waiting: judging, drawing."""


_importing = threading.Lock()


def _connections() -> Any:
    """The module that has requests. One thread imports it, and all others wait, the one with caveclient too.

    requests and urllib3 import each other; two threads that begin at different ends can deadlock, which Python notices
    and turns into an error in one of them.
    """
    with _importing:
        from . import connections
    return connections


class Line:
    """A line to the servers: one requests session with few, reused connections, as caveclient's own would be set up.

    It obeys the same proxies, certificates and `.netrc` as caveclient, since they are what can be wrong. It keeps no
    cookies, follows no redirect, and gives each question a bound in seconds and bytes. Once it is closed it sends
    nothing more, not even for a question that was under way.
    """

    def __init__(self) -> None:
        self._session: requests.Session | None = None
        self._calls: Calls | None = None
        self._by_address: dict[str, Call] = {}
        self._closed = False
        self._lock = threading.Lock()

    def get(self, address: str, token: Token | None = None, *, seconds: float = 5.0) -> Answer:
        """Asks once. Never raises, never follows, never takes much longer than `seconds`.

        Only name resolution can take longer, since nothing can end it; ask in a thread (`Round`).

        Args:
            address: the whole URL; the token never stands in it.
            token: sent as `Authorization: Bearer`, to this host only.
            seconds: the bound on the whole: connecting, each silence, head and body.
        """
        return self._ask("GET", address, token, seconds)

    def post(self, address: str, token: Token, data: Mapping[str, str], *, seconds: float = 5.0) -> Answer:
        """Sends JSON once, never a second time. Otherwise as `get`."""
        return self._ask("POST", address, token, seconds, data)

    def late(self, address: str) -> Answer:
        """What there is to say of a question whose answer has not come when nobody waits any longer."""
        call = self._by_address.get(address)
        if call is None:
            return Answer(address, trouble=Trouble.UNKNOWN, detail=TOO_LATE)
        if not call.connected:
            return Answer(address, trouble=Trouble.CONNECT_TIMEOUT, detail="its name may still be looked up")
        return Answer(address, trouble=Trouble.SILENT)

    def close(self) -> None:
        """Gives the connections back and ends what is under way."""
        with self._lock:
            self._closed = True
        if self._session is not None and self._calls is not None:
            self._calls.close()
            self._session.close()

    def _ask(
        self, method: str, address: str, token: Token | None, seconds: float, data: Mapping[str, str] | None = None
    ) -> Answer:
        if token is not None and not token.can_be_sent:
            return Answer(address, trouble=Trouble.UNSENDABLE)
        if self._closed:
            return Answer(address, trouble=Trouble.UNKNOWN, detail=TOO_LATE)
        start, call = time.monotonic(), None
        try:
            session, calls, call = self._begin(address, seconds)
            start = time.monotonic()
            with calls.begin(call):
                answer = _sent(session, call, method, address, token, seconds, data)
        except Exception as error:
            trouble, detail = explain(error)
            if trouble is Trouble.ADDRESS and _has_proxy(address):
                trouble, detail = Trouble.PROXY, "it is no proxy's address, or of a kind that requests cannot use here"
            detail = hide_secrets(detail, token) if token else detail
            answer = Answer(address, trouble=trouble, detail=detail)
            if call is not None and call.is_cut:
                answer = self.late(address)
        return replace(answer, seconds=time.monotonic() - start)

    def _begin(self, address: str, seconds: float) -> tuple[requests.Session, Calls, Call]:
        """The session, made when the first question is asked, and a new call on it.

        Raises:
            Exception: requests cannot be imported.
        """
        connections = _connections()
        with self._lock:
            if self._session is None or self._calls is None:
                self._calls, self._session = connections.Calls(), connections.open_session(f"cave-magic/{__version__}")
                if self._closed:
                    self._calls.close()
            call = self._by_address[address] = connections.Call(time.monotonic() + seconds)
            return self._session, self._calls, call


def _sent(
    session: requests.Session,
    call: Call,
    how: str,
    address: str,
    token: Token | None,
    seconds: float,
    data: Mapping[str, str] | None,
) -> Answer:
    """Sends a question and reads its answer, whatever it is.

    Raises:
        Exception: no answer came.
    """
    headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
    with session.request(
        how, address, json=data, headers=headers, timeout=seconds, allow_redirects=False, stream=True
    ) as response:
        raw, problem = _read(response, call)
        text = raw.decode("utf-8-sig", errors="replace")
        if token is not None:
            text = hide_secrets_of(text, token)
        body, is_json = (None, False) if problem else _json(text)
        return Answer(
            address,
            response.status_code,
            Trouble.BROKEN if problem and response.status_code < 400 else None,
            problem,
            body,
            is_json,
            "" if is_json else plain(_without_tags(text), 80),
            _where(response.headers.get("Location", "")) if response.is_redirect else "",
        )


class Round:
    """The questions of one run: all within one bound, and each address asked once for a token.

    Use it as a context manager: at its end nothing more is sent.

    Args:
        seconds: the bound on everything, from now.
    """

    def __init__(self, seconds: float) -> None:
        self._inquiry = Inquiry(seconds - min(AFTERWARDS, seconds / 10))
        self._line = Line()
        self._asked: dict[tuple[str, Token | None], Question] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Round:
        return self

    def __exit__(self, *error: object) -> None:
        self._inquiry.close()
        self._line.close()

    def ask(self, address: str, token: Token | None = None) -> Question:
        """Starts asking, unless that very question was put before."""
        with self._lock:
            known = self._asked.get((address, token))
            if known is None:
                known = self._asked[address, token] = Question(address, self._line, self._start(address, token))
            return known

    def _start(self, address: str, token: Token | None) -> Future[Answer]:
        return self._inquiry.ask(
            host_of(address), lambda: self._line.get(address, token, seconds=self._inquiry.each)
        )

    def then(self, question: Question, go_on: Callable[[Answer], object]) -> None:
        """Asks on when an answer is there; whatever is asked then belongs to this round too."""
        self._inquiry.then(question.future, go_on)

    def work(self, job: Callable[[], T]) -> Future[T]:
        """Does something else on this computer meanwhile, and waits for it as for an answer."""
        return self._inquiry.ask("", job)

    def wait(self, watcher: Watcher | None = None) -> None:
        """Waits until all is answered or the bound has passed."""
        self._inquiry.wait(watcher)


@dataclass(frozen=True, slots=True)
class Question:
    """A question that was put.

    Attributes:
        address: what was asked.
        line: on which it was.
        future: its answer, some time.
    """

    address: str
    line: Line
    future: Future[Answer]

    @property
    def answer(self) -> Answer:
        """Its answer, or why there is none yet."""
        return self.future.result() if self.future.done() else self.line.late(self.address)


def has_netrc(address: str) -> bool:
    """Whether `~/.netrc` has a log-in for this host, which requests (and so caveclient) sends in place of the token."""
    with suppress(Exception):  # requests is broken: then nothing was sent
        from requests.utils import get_netrc_auth

        return get_netrc_auth(address) is not None
    return False


def _has_proxy(address: str) -> bool:
    """Whether requests would go to this address through a proxy."""
    from requests.utils import get_environ_proxies, select_proxy

    return select_proxy(address, get_environ_proxies(address)) is not None


def _read(response: requests.Response, call: Call) -> tuple[bytes, str]:
    """Reads a body up to a size and a moment; says why that was not all of it, or "".

    It is unpacked here, if need be, so that a small answer cannot become a large one in memory.
    """
    parts: list[bytes] = []
    size = 0
    try:
        while size <= LARGEST_ANSWER and (part := response.raw.read(65536, decode_content=False)):
            parts.append(part)
            size += len(part)
    except Exception:
        if not call.is_cut:
            raise
    if call.is_cut:
        return b"".join(parts), "it came too slowly"
    if size > LARGEST_ANSWER:
        return b"".join(parts), "more came than was read"
    if getattr(response.raw, "length_remaining", 0):
        return b"".join(parts), "a part of it is missing"
    return _unpacked(b"".join(parts), response.headers.get("Content-Encoding", ""))


def _unpacked(raw: bytes, how: str) -> tuple[bytes, str]:
    """A body as it was before it was compressed, as far as it is not too large; says what is wrong with it, or ""."""
    if how.lower() not in ("gzip", "x-gzip", "deflate"):
        return raw, ""
    import zlib

    unpacking = zlib.decompressobj(32 + zlib.MAX_WBITS)
    try:
        text = unpacking.decompress(raw, LARGEST_ANSWER)
    except zlib.error:
        return b"", "it cannot be unpacked"
    return text, "" if unpacking.eof else "more came than was read"


def _json(text: str) -> tuple[Any, bool]:
    try:
        return json.loads(text, object_hook=_with_hidden_tokens), True
    except (ValueError, RecursionError):
        return None, False


def _with_hidden_tokens(item: dict[str, Any]) -> dict[str, Any]:
    if isinstance(value := item.get("token"), str):
        item["token"] = Token(value)
    return item


def hide_secrets_of(text: str, token: Token) -> str:
    """A server's text with the token that was sent to it hidden, unless it stands where tokens are listed."""
    value = re.escape(token.reveal())
    return re.sub(rf'(?<!"token": ")(?<!"token":"){value}', "****", text)


def _without_tags(text: str) -> str:
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>", " ", text[:20_000])
    return re.sub(r"<[^>]{0,500}>", " ", text)


def _where(location: str) -> str:
    try:
        parts = urlsplit(location)
    except ValueError:
        return plain("an unreadable address")
    return plain(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if parts.netloc else parts.path, 100)


def explain(error: BaseException) -> tuple[Trouble, str]:
    """What an exception of requests means, and its reason in few words.

    Args:
        error: what was raised, with whatever it wraps.
    Returns:
        The kind of trouble, and a short reason without addresses or header values.
    """
    chain = list(causes(error))
    kinds = {type(one).__name__ for one in chain}
    text = " ".join(str(one) for one in chain)
    if kinds & {"InvalidHeader", "UnicodeEncodeError"}:
        return Trouble.UNSENDABLE, ""
    if kinds & {"MissingSchema", "InvalidSchema", "InvalidURL", "LocationParseError", "LocationValueError"}:
        return Trouble.ADDRESS, ""
    if kinds & {"ProxyError", "InvalidProxyURL"}:
        return Trouble.PROXY, _proxy_reason(text)
    if "SSLError" in kinds or "TLS CA certificate bundle" in text:
        wrong = re.search(r"WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|RECORD_LAYER_FAILURE", text)
        return (Trouble.NOT_TLS, "") if wrong else (Trouble.TLS, _tls_reason(text))
    if kinds & {"NameResolutionError", "gaierror", "UnicodeError"}:
        return Trouble.NAME, ""
    if "ConnectTimeoutError" in kinds or "ConnectTimeout" in kinds:
        return Trouble.CONNECT_TIMEOUT, ""
    if kinds & {"ReadTimeoutError", "ReadTimeout", "TimeoutError"}:
        return Trouble.SILENT, ""
    if "ConnectionRefusedError" in kinds:
        return Trouble.REFUSED, ""
    if kinds & {"ChunkedEncodingError", "IncompleteRead"}:
        return Trouble.BROKEN, ""
    if kinds & {"ConnectionResetError", "RemoteDisconnected", "BrokenPipeError", "BadStatusLine"}:
        return Trouble.RESET, ""
    if any(isinstance(one, OSError) and one.errno in (101, 113, 51, 65, 10051, 10065) for one in chain):
        return Trouble.UNREACHABLE, ""
    return Trouble.UNKNOWN, type(error).__name__


def causes(error: BaseException | None) -> Iterable[BaseException]:
    """An exception and all it was made of: causes, contexts, and exceptions carried as arguments or reasons."""
    queue: list[BaseException | None] = [error]
    seen: set[int] = set()
    while queue:
        one = queue.pop(0)
        if one is None or id(one) in seen or len(seen) > 50:
            continue
        seen.add(id(one))
        yield one
        reason = getattr(one, "reason", None)
        queue += [one.__cause__, one.__context__, reason if isinstance(reason, BaseException) else None]
        queue += [arg for arg in one.args if isinstance(arg, BaseException)]


def _proxy_reason(text: str) -> str:
    tunnel = re.search(r"Tunnel connection failed: (\d{3})", text)
    return f"the proxy answered {tunnel[1]}" if tunnel else ""


def _tls_reason(text: str) -> str:
    for pattern, words in (
        ("invalid path", "the file of certificates that REQUESTS_CA_BUNDLE names is not there"),
        ("NO_CERTIFICATE", "the file that REQUESTS_CA_BUNDLE names has no certificates in it"),
        ("self[- ]signed", "its certificate is signed by itself or by a company's own authority"),
        ("unable to get local issuer", "its certificate is signed by an authority that this computer does not know"),
        ("certificate has expired", "its certificate has expired"),
        ("ostname mismatch|doesn't match|IP address mismatch", "its certificate is for another host"),
    ):
        if re.search(pattern, text):
            return words
    return ""


# ---------------------------------------------------------------- what answers mean

def is_cave(answer: Answer) -> bool:
    """Whether an answer is one that a working CAVE service gives, be it a refusal."""
    if answer.trouble is not None or not answer.is_json or answer.status >= 500 or answer.location:
        return False
    return answer.status == 200 or bool(answer.code) or (isinstance(answer.body, dict) and "message" in answer.body)


def account_in(answer: Answer, server: str) -> Account | None:
    """The account in an answer of the identity route; None if it is not one."""
    body = answer.body
    if not answer.is_good or not isinstance(body, dict) or not {"email", "name", "id"} & set(body):
        return None
    number = body.get("id")
    return Account(
        plain(body.get("name") or "(no name)", 80),
        plain(body.get("email") or "", 120),
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
        name = plain(item.get("tos_name") or "terms of service", 100)
        return Terms(plain(item.get("dataset_name") or "", 80), name, terms_page(server, item.get("tos_id")))
    return None


def keys_in(answer: Answer) -> tuple[Key, ...] | None:
    """The permanent tokens in an answer of the tokens route; None if it is not such a list."""
    if not answer.is_good or not isinstance(answer.body, list):
        return None
    return tuple(
        Key(item["token"], *(plain(item.get(key) or "", 120) for key in ("description", "created", "last_used")))
        for item in _items(answer.body)
        if isinstance(item.get("token"), Token)
    )


def names_in(answer: Answer) -> tuple[str, ...] | None:
    """The datastacks in an answer of the info service; None if it is not a list of names."""
    if not answer.is_good or not isinstance(answer.body, list):
        return None
    return tuple(plain(name, 100) for name in _texts(answer.body))


def local_server_in(answer: Answer) -> str:
    """The local server's address in an answer about a datastack, or ""."""
    value = answer.body.get("local_server") if answer.is_good and isinstance(answer.body, dict) else None
    if not isinstance(value, str) or not value.startswith(("http://", "https://")) or plain(value, 200) != value:
        return ""
    return value.rstrip("/")


def version_in(answer: Answer) -> str:
    """The version number in an answer of a version route, or ""."""
    if answer.status != 200:
        return ""
    text = answer.body if isinstance(answer.body, str) else answer.opening
    match = re.search(r"\d+(?:\.\d+)+", text or "")
    return match.group() if match else ""


def _items(value: object) -> list[dict[str, Any]]:
    return [item for item in value[:500] if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [item for item in value[:5000] if isinstance(item, str)] if isinstance(value, list) else []


def _rights(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        return {}
    return {plain(name, 80): tuple(plain(right, 20) for right in _texts(rights)) for name, rights in value.items()}


# ---------------------------------------------------------------- caveclient

def token_of_caveclient(server: str) -> Token | None:
    """The token that a fresh `AuthClient` of the installed caveclient takes for a server; the proof of a save.

    Raises:
        Exception: whatever caveclient raises on a file that it cannot read.
    """
    import logging

    from caveclient.auth import AuthClient

    logger = logging.getLogger("caveclient.auth")
    before, logger.disabled = logger.disabled, True  # it would warn of the deprecated file; the check says it better
    try:
        value = AuthClient(server_address=server).token
    finally:
        logger.disabled = before
    return None if value is None else Token(str(value))


def import_caveclient() -> str:
    """Imports caveclient; what is wrong if that fails, in few words, or ""."""
    with suppress(Exception):
        _connections()  # before caveclient imports requests from its end
    try:
        with _no_collecting():
            import caveclient  # noqa: F401
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {plain(error, 100)}"
    return ""


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Lets Python's garbage collector rest during an import, where it takes a quarter of the time and finds nothing.

    What was made meanwhile then counts as old at once, or the first collection would look at all of it. (caveclient 8.2
    on Python 3.11: 1.2 s in place of 1.6 s.)
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def unmet_requirements() -> tuple[str, ...]:
    """What the installed caveclient asks of other packages and does not find: `pandas<3 (3.0.1 is installed)`."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import InvalidRequirement, Requirement

    found = []
    try:
        wanted = requires("caveclient") or []
    except PackageNotFoundError:
        return ()
    for text in wanted:
        try:
            need = Requirement(text)
            if need.marker is not None and not need.marker.evaluate({"extra": ""}):
                continue
            have = version(need.name)
        except InvalidRequirement:
            continue
        except PackageNotFoundError:
            found.append(f"{need.name}{need.specifier} (not installed)")
            continue
        if have and not need.specifier.contains(have, prereleases=True):
            found.append(f"{need.name}{need.specifier} ({have} is installed)")
    return tuple(found)


def clients_in(names: Mapping[str, object], server: str, token: Token) -> tuple[str, ...]:
    """The variables that hold a CAVEclient of this server made with another token than the one that is stored now."""
    found = []
    for name, value in list(names.items()):
        if name.startswith("_") or not type(value).__module__.startswith("caveclient.frameworkclient"):
            continue
        with suppress(Exception):
            auth = vars(value).get("_auth")
            same = getattr(value, "_server_address", "").rstrip("/") == server
            if same and auth is not None and auth.token is not None and Token(str(auth.token)) != token:
                found.append(name)
    return tuple(found)


def cached_by_cloud_volume(host: str) -> Token | str | None:
    """What cloud-volume in this kernel keeps for a host: a token, None for "nothing", "" where it keeps no answer."""
    cache = getattr(sys.modules.get("cloudvolume.secrets"), "CAVE_CREDENTIALS_CACHE", None)
    if not isinstance(cache, dict) or host not in cache:
        return ""
    value = cache[host].get("token") if isinstance(cache[host], dict) else None
    return Token(value) if isinstance(value, str) else None


# ---------------------------------------------------------------- signing in

LONGEST_DESCRIPTION = 100
"""Characters of a description. From 121 on middle_auth 2.30 answers 500 and leaves a token that no list shows."""
FIRST_WITH_MANY_KEYS = (2, 19)
"""Before this version of middle_auth (November 2022) a person has one token, and making one ends the other."""


def sign_in_page(server: str, back: str) -> str:
    """Where a browser logs in and is sent on to `back`, with a log-in token in the query (middle_auth 2.30)."""
    return f"{server}/sticky_auth/api/v1/authorize?redirect={quote(back, safe='')}"


def terms_page_and_back(terms: Terms, back: str) -> str:
    """Where a browser that is logged in accepts terms and is sent on to `back`, as above."""
    return f"{terms.url}?redirect={quote(back, safe='')}"


def keeps_one_token(version: str) -> bool:
    """Whether an auth server of this version ends a person's token when it makes another; an unknown one does not."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    return bool(numbers) and numbers < FIRST_WITH_MANY_KEYS


def make_key(line: Line, server: str, token: Token, description: str, version: str, seconds: float) -> Answer:
    """Makes a permanent token, once. The body of a good answer is the new `Token`.

    On a server that keeps one token for a person this ends the one there was: ask first.

    Args:
        line: where to ask.
        server: the auth server.
        token: a log-in token of the person.
        description: by which the person knows it later.
        version: that of the auth server, as far as known.
        seconds: the bound.
    """
    if keeps_one_token(version):
        answer = line.get(f"{server}/auth/api/v1/create_token", token, seconds=seconds)
    else:
        words = {"description": description[:LONGEST_DESCRIPTION]}
        answer = line.post(keys_address(server), token, words, seconds=seconds)
    return replace(answer, body=Token(answer.body)) if isinstance(answer.body, str) else answer


def end_login(line: Line, server: str, token: Token, seconds: float) -> bool:
    """Ends a log-in token, and with it the browser's session there; whether it is known to be dead."""
    answer = line.get(f"{server}/auth/api/v1/logout", token, seconds=seconds)
    return answer.status == 200 or answer.code == "invalid_token"
