"""Explains exceptions of caveclient, cloud-volume and requests. Sends no request and writes nothing.

Source of the messages: caveclient 7 and 8, cloud-volume 12, cloud-files 6, requests 2 and the servers, as observed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from ..api import failures, http, responses
from ..api.urls import host_of, parse_url
from ..credentials.target import Target
from ..errors import CaveMagicError, TokenNotSaved
from ..redact import Untrusted, sanitize
from ..ui.document import Line, Span, line
from ..ui.durations import duration
from . import next_steps
from .model import LastError

LIBRARIES = ("caveclient", "cloudvolume", "cloudfiles", "requests", "urllib3", "cave_magic")
"""Packages whose errors are explained."""

_FINE = "Your token is not the reason."
_FILE_ERRORS = ("PermissionError", "IsADirectoryError", "FileExistsError", "NotADirectoryError")
_OF_FLASK = re.compile(r"<title>404 Not Found</title>(?:\s|\\n)*<h1>Not Found</h1>")
"""Flask's own 404 page, with its standard text or the service's. The page of a web server has a head and a body."""
_OF_GATEWAYS = r"default backend|response 404 \(backend|404 page not found"
"""How the 404 responses of load balancers begin."""
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")
_POOL = re.compile(r"host='([^']+)', port=\d+")
"""The name of a connection in messages of urllib3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception and its causes.

    Attributes:
        names: class names, outermost first.
        text: all their messages.
        modules: top-level modules of the classes and of the frames of their tracebacks.
        files: file names (no folders) of those frames.
        error: the exception itself.
        target: what is checked.
    """

    names: tuple[str, ...]
    text: Untrusted
    modules: frozenset[str]
    files: frozenset[str]
    error: BaseException
    target: Target

    @property
    def host(self) -> Span:
        """The host in the message, or "the server"."""
        named = host_of(self.text.extract(_ADDRESS)) if self.text.matches(_ADDRESS) else self.text.extract(_POOL)
        return sanitize(named or "the server", 80, shareable=True)

    @property
    def service(self) -> Span:
        """The service whose URL is in the message, and its host."""
        address = parse_url(self.text.extract(_ADDRESS))
        for start, name in _SERVICES.items():
            named = address.path.lstrip("/").startswith(start) if address else self.text.matches(rf"\A/*{start}")
            if named or f"url: /{start}" in self.text:
                return Span(f"{name} on {self.host}")
        return self.host

    @property
    def status(self) -> int:
        """The HTTP status in the attached response or in the message; 0 if unknown."""
        value = getattr(getattr(self.error, "response", None), "status_code", None)
        hidden = self.body.extract(_REJECTION) if self.body else ""
        if isinstance(value, int):
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
        content = getattr(getattr(self.error, "response", None), "_content", None)  # `content` could block
        if isinstance(content, bytes):
            return Untrusted(content[:2000].decode("utf-8", errors="replace").strip())
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
    def wait(self) -> str:
        """How long the response asked to wait, to follow what else it did, or ""."""
        headers = getattr(getattr(self.error, "response", None), "headers", None)
        seconds = http.retry_after(headers) if headers else None
        return f", and asked to wait {duration(seconds)}" if seconds else ""


_REJECTION = r"\"message\":\s*\"" + responses.REJECTION.removeprefix(r"\A")
_OWN_FAILURE = r"\A\s*\{\s*\"code\":\s*500,\s*\"message\":\s*\"((?:[^\"\\]|\\.)*)"
"""How materialize (5.26) reports an exception that a request caused."""
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


def explain_error(error: BaseException | None, target: Target) -> LastError | None:
    """What an error means, in one line.

    Args:
        error: the exception of the last cell, or None.
        target: what is checked, for the lines to type.
    Returns:
        One or two sentences without any part of a token; None for an error of any other library.
    """
    if error is None:
        return None
    if isinstance(error, CaveMagicError):  # the others say what was typed, or what the check finds itself
        said = line("a token could not be saved: ", sanitize(error, 200))
        return LastError(line=said) if isinstance(error, TokenNotSaved) else None
    try:
        raised = _take_apart(error, target)
        if not raised.modules & set(LIBRARIES):
            return None
        meaning = next((found for rule in _RULES if (found := rule(raised))), "")
        return LastError(line=line(meaning)) if meaning else None
    except Exception:
        return None


def _take_apart(error: BaseException, target: Target) -> Raised:
    chain = list(failures.causes(error))
    modules = {type(one).__module__.partition(".")[0] for one in chain}
    files: set[str] = set()
    for one in chain:
        for module, file in _frames(one.__traceback__):
            modules.add(module)
            files.add(file)
    text = " ".join(str(one)[:20_000] for one in chain)
    return Raised(
        names=tuple(type(one).__name__ for one in chain),
        text=Untrusted(text),
        modules=frozenset(modules),
        files=frozenset(files),
        error=error,
        target=target,
    )


def _frames(traceback: TracebackType | None) -> Iterator[tuple[str, str]]:
    for _ in range(200):
        if traceback is None:
            return
        frame = traceback.tb_frame
        yield str(frame.f_globals.get("__name__", "")).partition(".")[0], frame.f_code.co_filename.rpartition("/")[2]
        traceback = traceback.tb_next


# ---------------------------------------------------------------- rules, the most specific first


def _by_code(raised: Raised) -> str:
    meanings = {
        "missing_tos": "you have not accepted the terms of service of that datastack. Your token is fine.",
        "missing_permission": "your account has no permission for that datastack. Your token is fine.",
        "invalid_table_id": f"{raised.host} has no datastack with that name. Your token is fine.",
        "invalid_token": f"{raised.host} rejected the token.",
        "no_token": f"{raised.host} received no token.",
        "bad_auth_header": f"{raised.host} received no valid token.",
    }
    return meanings.get(raised.code, "")


def _by_text(raised: Raised) -> str:
    return next((meaning for pattern, meaning in _TEXTS.items() if raised.text.matches(pattern)), "")


_TEXTS = {
    "Requires admin privilege": "since 2025, only administrators can list users; get names from /auth/api/v1/username. "
    "Your token is fine.",
    "(?i)no graphene authentication token": "cloud-volume found no token: it reads other files than CAVEclient.",
    "authentication token was not formatted correctly": "cloud-volume found a token that is not 32 hexadecimal "
    "characters.",
    "Update Materialization Deployment": f"this version of caveclient does not work with that server. {_FINE}",
}
"""Patterns for messages, and their meanings."""


def _version_gone(raised: Raised) -> str:
    text = raised.text.without(r"https?://\S+")  # the URLs of materialize contain a version
    if raised.status in (404, 410) and not raised.is_from_web_server and text.matches(_NO_VERSION):
        return f"that materialization version is not available. {_FINE}"
    return ""


_NO_VERSION = (
    r"(?i)\bversions?[\s\"']*\d*[\s\"']*((is|are|has|was) )?(not|no longer|expired|deleted|unavail)"
    r"|\bno (such )?version"
)
"""How a service says that a version is gone; a text about something else can mention one, too."""


def _by_status(raised: Raised) -> str | Line:
    status = raised.status
    if status in responses.GATEWAY and http.proxy_for(raised.text.extract(_ADDRESS)):
        return (
            f"a request to {raised.service} through the configured proxy returned HTTP {status}{raised.wait}. {_FINE}"
        )
    if status == 413:
        return f"{raised.service} rejected that request because it is too large (413); request less at once. {_FINE}"
    if status == 429:
        return f"{raised.service} asked to slow down (429){raised.wait}. {_FINE}"
    if status == 504:
        return f"{raised.service} timed out on that request (504); request less at once. {_FINE}"
    if status == 500 and raised.body and raised.body.matches(_OWN_FAILURE):
        words = sanitize(raised.body.extract(_OWN_FAILURE), 160)
        return line(f"{raised.service} failed on that request (500): ", words, f". {_FINE}")
    if status >= 500:
        return f"{raised.service} was down or broken ({status}){raised.wait}. {_FINE}"
    if status in (401, 403):
        return f"{raised.service} refused access ({status}) without a reason."
    if status == 404:
        return f"{raised.service} {_not_found(raised)}. {_FINE}"
    if status >= 400:
        return f"{raised.service} rejected that request ({status}). {_FINE}"
    return ""


def _not_found(raised: Raised) -> str:
    """What a 404 means; its body shows who sent it."""
    if raised.is_from_web_server:
        return "is not there: a web server responded instead (404)"
    if raised.body and raised.body.matches(r"(?s)<p>.*" + re.escape(responses.FLASK_404)):
        return "has nothing at the URL of that request (404)"
    if raised.service.text.startswith("materialize"):
        return "does not know that table, view or version (404)"
    if raised.service.text.startswith("the info service"):
        return "has no information about that datastack (404)"
    return "did not find what was requested (404)"


def _token_file(raised: Raised) -> str | Line:
    outer = raised.names[0]
    if outer == "JSONDecodeError" and type(raised.error).__module__.startswith("json") and "auth.py" in raised.files:
        return "a token file on this computer is not valid JSON. No request was sent."
    if outer == "AttributeError" and "auth.py" in raised.files and "has no attribute 'get'" in raised.text:
        return 'a token file on this computer does not contain {"token": ...}. No request was sent.'
    if outer == "AttributeError" and "_server_file_path" in raised.text:
        save = next_steps.save(raised.target)
        return line("a client made with auth_token_file= cannot save a token; use ", save)
    if raised.text.matches(r'Key "[^"]{0,60}" already exists in token file'):
        replace = next_steps.save(raised.target, "--overwrite")
        return line("another token is already saved, and CAVEclient does not overwrite it: ", replace)
    if outer in _FILE_ERRORS and _in_secrets(raised):
        return f"a token file or its folder could not be opened ({outer}). No request was sent."
    return ""


def _in_secrets(raised: Raised) -> bool:
    return ".cloudvolume" in raised.text or "auth.py" in raised.files or "cave_magic" in raised.modules


def _by_name(raised: Raised) -> str:
    meaning = next((meaning for name, meaning in _NAMES.items() if name in raised.names), "")
    return meaning.format(host=raised.host)


_UNSENDABLE = (
    "the stored token contains a line break or another invalid character, so nothing was sent. "
    "The error message may contain the token: clear the cell's output."
)
_MALFORMED_ADDRESS = "the server's address is malformed: it must begin with https://. Nothing was sent."
_NAMES = {
    "AuthException": "CAVEclient was redirected to a sign-in page: it found no token, or something on the way "
    "redirected it.",
    "InvalidHeader": _UNSENDABLE,
    "ServerIncompatibilityError": f"this version of caveclient does not work with that server. {_FINE}",
    "InvalidVersion": f"{{host}} returned something other than a version number. {_FINE}",
    "JSONDecodeError": f"a server returned something other than data (a web page, or nothing). {_FINE}",
    "MissingSchema": _MALFORMED_ADDRESS,
    "InvalidSchema": _MALFORMED_ADDRESS,
    "InvalidURL": _MALFORMED_ADDRESS,
    "TooManyRedirects": f"{{host}} redirected the request in a loop. {_FINE}",
}
"""Names of exceptions, and their meanings; the first one among the causes counts."""


def _by_class(raised: Raised) -> str:
    """What the class of the exception means, together with the file or the message that it comes from."""
    outer = raised.names[0]
    if "UnicodeEncodeError" in raised.names and "latin-1" in raised.text:
        return _UNSENDABLE
    if outer in ("ImportError", "ModuleNotFoundError"):
        return "a package that caveclient needs could not be imported."
    if outer == "AttributeError" and "base.py" in raised.files:
        return f"a server returned an error in a form that CAVEclient does not expect. {_FINE}"
    if outer == "KeyboardInterrupt" and "retry.py" in raised.files:  # of urllib3, which slept
        return "the cell was waiting as long as a server had asked (Retry-After); caveclient does so silently."
    if outer == "KeyboardInterrupt":
        return "the cell was waiting for a server; caveclient has no timeout."
    return ""


def _network(raised: Raised) -> str:
    failure, detail = failures.classify(raised.error)
    if failure is failures.Failure.UNKNOWN:
        return ""
    return f"{raised.host} {failure.value}" + (f" ({detail})" if detail else "") + f". {_FINE}"


_RULES: tuple[Callable[[Raised], str | Line], ...] = (
    _by_code,
    _by_text,
    _version_gone,
    _by_status,
    _token_file,
    _by_name,
    _by_class,
    _network,
)
