"""An exception of caveclient, cloud-volume or requests, taken apart: what it says, where it was raised, and what it is
about.

It reads attributes only, sends no request, and never raises the exceptions of a user's objects to the user: its callers
catch all.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..api import failures, http, responses
from ..api.urls import host_of, parse_url
from ..credentials.target import Target
from ..environment.caveclient_adapter import failed_call
from ..ui.document import Span
from ..ui.durations import duration
from ..ui.redact import Untrusted, sanitize

_OF_FLASK = re.compile(r"<title>404 Not Found</title>(?:\s|\\n)*<h1>Not Found</h1>")
"""Flask's own 404 page, with its standard text or the service's. The page of a web server has a head and a body."""
_OF_GATEWAYS = r"default backend|response 404 \(backend|404 page not found"
"""How the 404 responses of load balancers begin."""
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")
_POOL = re.compile(r"host='([^']+)', port=\d+")
"""The name of a connection in messages of urllib3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception of a library, and its causes.

    Attributes:
        names: class names, outermost first.
        text: all their messages.
        modules: modules of the classes and of the frames of their tracebacks.
        places: module and function of the frames of the exception itself, outermost first.
        errors: the exception itself, and its causes.
        target: what is checked.
    """

    names: tuple[str, ...]
    text: Untrusted
    modules: frozenset[str]
    places: tuple[tuple[str, str], ...]
    errors: tuple[BaseException, ...]
    target: Target

    @property
    def error(self) -> BaseException:
        """The exception itself."""
        return self.errors[0]

    @property
    def is_redirected(self) -> bool:
        """Whether the request was redirected, but not in a loop; caveclient's `AuthException` always means that."""
        followed = getattr(self.response, "history", None) or ("requests.sessions", "resolve_redirects") in self.places
        return bool(followed or "AuthException" in self.names) and "TooManyRedirects" not in self.names

    @property
    def url(self) -> str:
        """The address of the last request, or ""; it is never shown as a whole."""
        for name in ("response", "request"):
            found = (getattr(getattr(one, name, None), "url", None) for one in self.errors)
            if url := next((one for one in found if isinstance(one, str)), ""):
                return url
        return self.text.extract(_ADDRESS)

    @property
    def host(self) -> Span:
        """The host of the last request, or "the server"."""
        return sanitize(host_of(self.url) or self.text.extract(_POOL) or "the server", 80, shareable=True)

    @property
    def response(self) -> Any:
        """The response of the first exception that has one, or None."""
        return _response_of(self.errors)

    @property
    def service(self) -> Span:
        """The service whose URL is in the message, and its host."""
        address = parse_url(self.url)
        for start, name in _SERVICES.items():
            named = address.path.lstrip("/").startswith(start) if address else self.text.matches(rf"\A/*{start}")
            if named or f"url: /{start}" in self.text:
                return Span(f"{name} on {self.host}")
        return self.host

    @property
    def status(self) -> int:
        """The HTTP status in the attached response or in the message; 0 if unknown."""
        hidden = self.body.extract(_REJECTION) if self.body else ""
        if self.response is not None:
            value: int = self.response.status_code
            return int(hidden) if hidden and value == 500 else value
        return int(hidden or self.text.extract(r"\b([345]\d\d) (?:Client|Server) Error") or 0)

    @property
    def code(self) -> str:
        """The known error code of the server's JSON in the message, or ""."""
        said = self.text.extract(r"\\?[\"']error\\?[\"']\s*:\s*\\?[\"']([a-z_]{1,40})")
        return said if said in responses.KNOWN_CODES else ""

    @property
    def body(self) -> Untrusted | None:
        """The beginning of the body of the error response; None if unknown."""
        if isinstance(getattr(self.response, "_content", None), bytes):
            return Untrusted(_content_of(self.response))
        if not self.text.matches(_CONTENT):
            return None
        return Untrusted(self.text.extract(_CONTENT).strip("'\" \n"))

    @property
    def is_from_web_server(self) -> bool:
        """Whether a 404 comes from a web server, not from a service: it has the server's own page, or no content."""
        if self.status != 404 or self.body is None or self.body.matches(_OF_FLASK):
            return False
        return not self.body or self.body.matches(rf"\A(?:<|{_OF_GATEWAYS})")

    @property
    def packages(self) -> frozenset[str]:
        """The top names of the modules."""
        return frozenset(module.partition(".")[0] for module in self.modules)

    def said(self, key: str) -> str:
        """The text under a key of the JSON in the body, or ""; to be sanitized or compared."""
        written = (self.body or self.text).extract(rf"[\"']{key}\\?[\"']\s*:\s*(\\?\"(?:[^\"\\]|\\.){{1,500}})")
        with suppress(ValueError):
            return str(json.loads(written + '"'))
        return written.strip('\\"')

    @property
    def datastack(self) -> str:
        """The name of the datastack that the request was about, or ""."""
        name = self.said("table_id") or Untrusted(self.url).extract(_DATASTACK)
        if not name and (call := failed_call(self.error)):
            name = call.datastack.extract(r".*")
        return name if responses.is_name(name) and sanitize(name).text == name else ""

    @property
    def is_query(self) -> bool:
        """Whether the request may have asked for a lot at once: a POST, or a GET of a query."""
        request = getattr(self.response, "request", None)
        return getattr(request, "method", "") == "POST" or "/query" in self.url

    @property
    def proxy(self) -> str:
        """The address of the proxy that the request went through, which is never shown, or ""."""
        return http.proxy_for(self.url)

    @property
    def wait(self) -> str:
        """How long the response asked the client to wait, in words that continue a sentence, or ""."""
        headers = getattr(self.response, "headers", None)
        seconds = http.retry_after(headers) if headers else None
        return f", and asked you to wait {duration(seconds)}" if seconds else ""


_REJECTION = r"\"message\":\s*\"" + responses.REJECTION.removeprefix(r"\A")
_DATASTACK = re.compile(r"/datastack/(?:full/)?([^/?\s'\"]+)")
_CONTENT = re.compile(r"content:\s*b['\"](.{0,2000})", re.DOTALL)
_SERVICES = {
    "auth": "the auth service",
    "sticky_auth": "the auth service",
    "info": "the info service",
    "materialize": "materialize",
    "segmentation": "chunkedgraph",
    "l2cache": "the l2cache",
    "skeletoncache": "the skeleton service",
    "schema": "the schema service",
    "annotation": "the annotation service",
    "nglstate": "the state service",
}


def take_apart(error: BaseException | None, target: Target) -> Raised | None:
    """The first exception of a library in an exception and its causes; None without one."""
    found = next(filter(failures.is_of_library, failures.causes(error)), None)
    if found is None:
        return None
    chain = tuple(failures.causes(found))
    places = tuple(failures.frames_of(found.__traceback__))
    said = " ".join(str(one)[: failures.LONGEST] for one in chain)[: 5 * failures.LONGEST]
    modules = {type(one).__module__ for one in chain}
    modules.update(module for one in chain for module, _ in failures.frames_of(one.__traceback__))
    return Raised(
        names=tuple(type(one).__name__ for one in chain),
        text=Untrusted(f"{said} {_content_of(_response_of(chain))}"),
        modules=frozenset(modules),
        places=places,
        errors=chain,
        target=target,
    )


def _response_of(errors: tuple[BaseException, ...]) -> Any:
    found = (getattr(one, "response", None) for one in errors)
    return next((one for one in found if isinstance(getattr(one, "status_code", None), int)), None)


def _content_of(response: Any) -> str:
    content = getattr(response, "_content", None)  # `content` could block
    return content[:2000].decode("utf-8", errors="replace").strip() if isinstance(content, bytes) else ""
