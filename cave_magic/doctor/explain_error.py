"""What an exception of caveclient, cloud-volume or requests meant, and what it did not mean. Pure; reads only.

The texts are those of caveclient 7 and 8, cloud-volume 12, cloud-files 6, requests 2 and the servers' decorators, as
they were seen when the faults were acted out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from ..api import failures, http, responses
from ..api.urls import host_of, parse_url
from ..credentials.datastack_map import read_map
from ..credentials.target import Target, siblings
from ..credentials.token_files import TOKEN_KEY, read_token_file, secrets_folder, show_key, show_path
from ..environment.caveclient_adapter import AskedKey, asked_key
from ..environment.proxies import read_proxy_settings
from ..errors import Cancelled
from ..redact import Untrusted, sanitize
from ..ui.document import Line, Span, joined, line
from ..ui.durations import duration
from . import next_steps
from .model import Command, LastError

LIBRARIES = ("caveclient", "cloudvolume", "cloudfiles", "requests", "urllib3", "cave_magic")
"""Only errors that come out of these are spoken about."""

_FINE = "Your token is not the reason."
_FILE_ERRORS = ("PermissionError", "IsADirectoryError", "FileExistsError", "NotADirectoryError")
_OF_FLASK = re.compile(r"<title>404 Not Found</title>(?:\s|\\n)*<h1>Not Found</h1>")
"""In a page that Flask makes of a 404, with words of the service or its own. A web server's has a head and a body."""
_OF_GATEWAYS = r"default backend|response 404 \(backend|404 page not found"
"""How the 404s of load balancers begin."""
_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")
_POOL = re.compile(r"host='([^']+)', port=\d+")
"""How the connections of urllib3 name themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception with all it was made of, taken apart.

    Attributes:
        names: class names, outermost first.
        text: all their messages.
        modules: top-level modules of the classes and of the frames that they passed through.
        files: file names (no folders) of those frames.
        error: the exception itself.
        target: what is being checked.
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
        """The service whose address is in the message, in words."""
        address = parse_url(self.text.extract(_ADDRESS))
        for start, name in _SERVICES.items():
            named = address.path.lstrip("/").startswith(start) if address else self.text.matches(rf"\A/*{start}")
            if named or f"url: /{start}" in self.text:
                return Span(f"{name} on {self.host}")
        return self.host

    @property
    def status(self) -> int:
        """The HTTP status in the message or in the response that it carries; 0 if there is none."""
        value = getattr(getattr(self.error, "response", None), "status_code", None)
        if isinstance(value, int):
            return value
        return int(self.text.extract(r"\b([345]\d\d) (?:Client|Server) Error") or 0)

    @property
    def code(self) -> str:
        """The `error` word of the server's JSON in the message if it is a known one, or ""."""
        said = self.text.extract(r"\\?[\"']error\\?[\"']\s*:\s*\\?[\"']([a-z_]{1,40})")
        return said if said in responses.KNOWN_CODES else ""

    @property
    def body(self) -> Untrusted | None:
        """The beginning of the body of an error response; None if it is not known."""
        content = getattr(getattr(self.error, "response", None), "_content", None)  # `content` could wait for it
        if isinstance(content, bytes):
            return Untrusted(content[:2000].decode("utf-8", errors="replace").strip())
        if not self.text.matches(_CONTENT):
            return None
        return Untrusted(self.text.extract(_CONTENT).strip("'\" \n"))

    @property
    def is_no_services(self) -> bool:
        """Whether a web server returned a 404 in place of a service: with a page of its own, or with nothing."""
        if self.status != 404 or self.body is None or self.body.matches(_OF_FLASK):
            return False
        return not self.body or self.body.matches(rf"\A(?:<|{_OF_GATEWAYS})")

    @property
    def wait(self) -> str:
        """For how long the answer asked to wait, in words to follow what else it did, or ""."""
        headers = getattr(getattr(self.error, "response", None), "headers", None)
        seconds = http.retry_after(headers) if headers else None
        return f", and asked to wait {duration(seconds)}" if seconds else ""


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
    """What an error meant, in one line.

    Args:
        error: what the last cell ended with, or None.
        target: what is being checked, for the lines to type.
    Returns:
        One or two sentences without any part of a token, or None for an error that is none of these libraries'.
    """
    if error is None:
        return None
    try:
        raised = _take_apart(error, target)
        if not raised.modules & set(LIBRARIES):
            return None
        said = next((said for rule in _RULES if (said := rule(raised))), "")
        return LastError(line=line(said)) if said else None
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


# ---------------------------------------------------------------- rules, the most telling first


def _own(raised: Raised) -> Line:
    kind = type(raised.error)
    if kind.__module__ != "cave_magic.errors" or isinstance(raised.error, Cancelled):
        return ()
    return line(f"{kind.__name__} (cave_magic): ", sanitize(raised.error, 200))


def _under_key(raised: Raised) -> Line:
    """A client that was told to take its token from another key of the file than the usual one."""
    asked = asked_key(raised.error)
    if asked is None:
        return ()
    file, command = read_token_file(asked.file), _without_key(raised, asked)
    has_usual = file.token is not None
    keys = [*([Span(TOKEN_KEY, private=True)] if has_usual else []), *file.keys]
    made = line('the client was made with auth_token_key="', show_key(asked.key), '"')
    where = Span(file.name) if asked.file.parent == secrets_folder() else Span(show_path(asked.file), private=True)
    has = line(where, " has ", joined(" and ", keys) if keys else "none")
    if not asked.found:
        without = line(" Without that argument: ", command) if command and has_usual else ()
        return line(made, ", and there is no such key: ", has, ".", without)
    said = _by_code(raised) if raised.code in ("invalid_token", "missing_permission", "missing_tos") else ""
    return line(f"{said} That is the token under another key: ", made, "; ", has, ".") if said else ()


def _without_key(raised: Raised, asked: AskedKey) -> Command | None:
    """The line that opens the same datastack with the usual key."""
    if not responses.is_name(asked.datastack) or asked.server.rstrip("/") != raised.target.server:
        return None
    return next_steps.go_on(siblings(raised.target, (asked.datastack,), read_map())[0])


def _by_code(raised: Raised) -> str:
    says = {
        "missing_tos": "the terms of service of that datastack are not accepted yet. Your token is fine.",
        "missing_permission": "your account has no permission for that datastack. Your token is fine.",
        "invalid_table_id": f"{raised.host} has no datastack of that name. Your token is fine.",
        "invalid_token": f"{raised.host} did not take the token that was sent.",
        "no_token": f"no token arrived at {raised.host}: none is stored, or it begins with a blank.",
        "bad_auth_header": f"what arrived at {raised.host} was no token: an empty one, or another log-in in its place.",
    }
    return says.get(raised.code, "")


def _admin(raised: Raised) -> str:
    if "Requires admin privilege" not in raised.text:
        return ""
    return "listing people is for admins since 2025; names come from /auth/api/v1/username. Your token is fine."


def _version_gone(raised: Raised) -> str:
    said = raised.text.without(r"https?://\S+")  # an address of materialize always has a version in it
    if raised.status in (404, 410) and not raised.is_no_services and said.matches(r"(?i)version"):
        return f"that materialization version is not available (any more). {_FINE}"
    if "Version must be an integer" in raised.text:
        return f"a materialization version is a whole number. {_FINE}"
    return ""


def _by_status(raised: Raised) -> str:
    status = raised.status
    if status == 429:
        return f"{raised.service} asked to slow down (429){raised.wait}. {_FINE}"
    if status == 504:
        return f"{raised.service} took too long over that request (504){_or_the_proxy()}; ask for less at once. {_FINE}"
    if status >= 500:
        return f"{raised.service} was down or broken ({status}){_or_the_proxy()}{raised.wait}. {_FINE}"
    if status in (401, 403):
        return f"{raised.service} refused ({status}), and did not say why."
    if status == 404:
        return f"{raised.service} {_not_found(raised)}. {_FINE}"
    if status >= 400:
        return f"{raised.service} did not take that request ({status}). {_FINE}"
    return ""


def _or_the_proxy() -> str:
    return ", or the proxy that is set here could not reach it" if read_proxy_settings().proxies else ""


def _not_found(raised: Raised) -> str:
    """What a 404 says: who answered shows in its body."""
    if raised.is_no_services:
        return "is not there: a web server answered in its place (404)"
    if raised.body and raised.body.matches(r"(?s)<p>.*" + re.escape(responses.FLASK_404)):
        return "does not have that function (404): it may be older than this caveclient"
    if raised.service.text.startswith("materialize"):
        return "does not know that table, view or version (404)"
    if raised.service.text.startswith("the info service"):
        return "has nothing about that datastack (404)"
    return "did not find what was asked for (404)"


def _login_page(raised: Raised) -> str:
    if "AuthException" not in raised.names:
        return ""
    return "CAVEclient was sent on to a log-in page: no token was found, or something on the way redirected it."


def _token_file(raised: Raised) -> str | Line:
    outer = raised.names[0]
    if outer == "JSONDecodeError" and type(raised.error).__module__.startswith("json") and "auth.py" in raised.files:
        return "a token file on this computer is not valid JSON. The server was not asked."
    if outer == "AttributeError" and "auth.py" in raised.files and "has no attribute 'get'" in raised.text:
        return 'a token file on this computer holds something else than {"token": ...}. The server was not asked.'
    if outer == "AttributeError" and "_server_file_path" in raised.text:
        save = next_steps.save(raised.target)
        return line("a client that was made with auth_token_file= cannot save a token; use ", save)
    if raised.text.matches(r'Key "[^"]{0,60}" already exists in token file'):
        replace = next_steps.save(raised.target, "--overwrite")
        return line("another token is already saved, and CAVEclient does not replace it unasked: ", replace)
    if outer in _FILE_ERRORS and _in_secrets(raised):
        return f"a token file or its folder could not be opened ({outer}). The server was not asked."
    return ""


def _in_secrets(raised: Raised) -> bool:
    return ".cloudvolume" in raised.text or "auth.py" in raised.files or "cave_magic" in raised.modules


def _unsendable(raised: Raised) -> str:
    names = set(raised.names)
    if "InvalidHeader" in names or ("UnicodeEncodeError" in names and "latin-1" in raised.text):
        return (
            "the stored token has a line break or another odd character in it, so nothing was sent. "
            "That error may show the token: clear its output."
        )
    return ""


def _cloud_volume(raised: Raised) -> str:
    if raised.text.matches(r"(?i)no graphene authentication token"):
        return "cloud-volume found no token: it looks in other files than CAVEclient does."
    if "not formatted correctly" in raised.text:
        return "cloud-volume found a token that is not 32 hexadecimal characters."
    return ""


def _versions(raised: Raised) -> str:
    if "ServerIncompatibilityError" in raised.names or "Update Materialization Deployment" in raised.text:
        return f"this version of caveclient and that server do not fit each other. {_FINE}"
    if "InvalidVersion" in raised.names:
        return f"{raised.host} answered something else than a version number. {_FINE}"
    if raised.names[0] in ("ImportError", "ModuleNotFoundError"):
        return "a package that caveclient needs could not be imported here."
    return ""


def _not_json(raised: Raised) -> str:
    if "JSONDecodeError" in raised.names:
        return f"a server answered with something that is not data (a web page, or nothing). {_FINE}"
    if raised.names[0] == "AttributeError" and "base.py" in raised.files:
        return f"a server answered an error in a form that CAVEclient does not expect. {_FINE}"
    return ""


def _address(raised: Raised) -> str:
    if set(raised.names) & {"MissingSchema", "InvalidSchema", "InvalidURL"}:
        return "the server's address is malformed: it must begin with https://. Nothing was sent."
    return ""


def _network(raised: Raised) -> str:
    if "TooManyRedirects" in raised.names:
        return f"{raised.host} sent the request round in a circle. {_FINE}"
    if raised.names[0] == "KeyboardInterrupt" and "retry.py" in raised.files:  # urllib3's, which slept
        return "the cell was waiting for as long as a server had asked (Retry-After), which caveclient does in silence."
    if raised.names[0] == "KeyboardInterrupt":
        return "the cell was waiting for a server, which caveclient does without end."
    failure, detail = failures.classify(raised.error)
    if failure is failures.Failure.UNKNOWN:
        return ""
    return f"{raised.host} {failure.value}" + (f" ({detail})" if detail else "") + f". {_FINE}"


_RULES: tuple[Callable[[Raised], str | Line], ...] = (
    _own,
    _under_key,
    _by_code,
    _admin,
    _version_gone,
    _by_status,
    _login_page,
    _token_file,
    _unsendable,
    _cloud_volume,
    _versions,
    _not_json,
    _address,
    _network,
)
