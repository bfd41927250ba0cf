"""Why there is no response: what an exception from requests, and the exceptions in it, mean."""

from __future__ import annotations

import errno
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import islice
from traceback import walk_tb
from types import TracebackType


class Failure(Enum):
    """Why there is no response. The value is a sentence without its subject, the host; no code searches it."""

    INVALID_URL = "is not a valid server address"
    NAME_NOT_FOUND = "cannot be found: its name does not resolve"
    REFUSED = "refused the connection: nothing is listening there"
    UNREACHABLE = "is unreachable from this network"
    RESET = "closed the connection without a response"
    CONNECT_TIMEOUT = "is unreachable: the connection timed out"
    NO_RESPONSE = "accepted the connection but did not respond"
    TOO_SLOW = "did not finish its response"
    NOT_CONTACTED = "timed out before it was contacted"
    TLS = "has a TLS certificate that this computer does not trust"
    CERTIFICATE = "has an invalid TLS certificate"
    CA_BUNDLE = "was not contacted: the file of trusted certificates cannot be used"
    KEY_LOG = "was not contacted: the file that SSLKEYLOGFILE names cannot be written"
    HANDSHAKE = "and this computer could not agree on a secure connection (TLS)"
    NOT_TLS = "does not speak https"
    NOT_HTTP = "responds, but speaks neither http nor https"
    HEADERS = "sends headers that a client does not accept"
    PROXY = "is unreachable through the configured proxy"
    SOCKS = "was not contacted: the configured proxy is a SOCKS proxy, and PySocks is not installed"
    INCOMPLETE = "closed the connection in the middle of its response"
    UNREADABLE = "sent a response that cannot be read"
    UNSENDABLE = "was not contacted: the token cannot be sent in a header"
    SYSTEM = "could not be contacted: the system of this computer reported an error"
    UNKNOWN = "could not be contacted"


UNTRUSTED = (Failure.TLS, Failure.CERTIFICATE, Failure.CA_BUNDLE)
"""Failures that other trusted certificates can change."""

UNSENDABLE = frozenset({"InvalidHeader", "UnicodeEncodeError"})
"""What requests and http.client raise for a token that cannot be a header."""

_NO_NETWORK = ("NETDOWN", "NETUNREACH", "HOSTDOWN", "HOSTUNREACH")
"""Error numbers if there is no network, or no way to a host. macOS has the host down where Linux has no route to it."""

_BY_KIND = (
    ({"urllib3.InvalidHeader"}, Failure.HEADERS),  # two different lengths; requests wraps it in its own `InvalidHeader`
    (UNSENDABLE, Failure.UNSENDABLE),
    ({"MissingSchema", "InvalidSchema", "InvalidURL", "LocationParseError", "LocationValueError"}, Failure.INVALID_URL),
    ({"ProxyError", "InvalidProxyURL"}, Failure.PROXY),
    ({"ProxyConnectionError", "GeneralProxyError", "SOCKS4Error", "SOCKS5Error", "SOCKS5AuthError"}, Failure.PROXY),
    ({"UnusableBundle"}, Failure.CA_BUNDLE),
    ({"UnusableKeyLog"}, Failure.KEY_LOG),
    ({"SSLError"}, Failure.TLS),
    ({"NameResolutionError", "gaierror", "UnicodeError"}, Failure.NAME_NOT_FOUND),
    ({"ConnectTimeoutError", "ConnectTimeout"}, Failure.CONNECT_TIMEOUT),
    ({"ReadTimeoutError", "ReadTimeout", "TimeoutError"}, Failure.NO_RESPONSE),
    ({"ConnectionRefusedError"}, Failure.REFUSED),
    ({"ContentDecodingError", "DecodeError"}, Failure.UNREADABLE),
    ({"ChunkedEncodingError", "IncompleteRead"}, Failure.INCOMPLETE),
    ({"ConnectionResetError", "RemoteDisconnected", "BrokenPipeError"}, Failure.RESET),
    ({"BadStatusLine", "UnknownProtocol"}, Failure.NOT_HTTP),
    ({"LineTooLong", "HTTPException"}, Failure.HEADERS),  # http.client: 100 headers of 65,536 characters
    ({"UnicodeDecodeError"}, Failure.HEADERS),  # a `Location` that is not text
    ({f"{of}E{what}" for of in ("", "WSA") for what in _NO_NETWORK}, Failure.UNREACHABLE),
)
"""Names of exceptions, some with their package, or of their error numbers, and the failure if one of them is among the
causes. The first match counts."""

_OF_PROXY = {
    Failure.NAME_NOT_FOUND: "its name does not resolve",
    Failure.CONNECT_TIMEOUT: "the connection to it timed out",
    Failure.REFUSED: "nothing is listening there",
    Failure.TLS: "its secure connection (TLS) failed",
    Failure.NO_RESPONSE: "it did not respond",
    Failure.RESET: "it closed the connection",
}
"""What another failure among the causes says about a proxy."""

PROXY_LOGIN = "the proxy returned HTTP 407"
"""The reason if a proxy rejects a tunnel because of the user name and password."""

PROXY_FORBIDS = "the proxy returned HTTP 403"
"""The reason if a proxy does not allow a tunnel to that host."""

_BY_TEXT = (
    ("Missing dependencies for SOCKS", Failure.SOCKS, ""),
    ("Unable to determine SOCKS version", Failure.PROXY, "its address should begin with socks5h://"),
    ("TLS CA certificate bundle, invalid path", Failure.CA_BUNDLE, "it does not exist"),
    ("NO_CERTIFICATE", Failure.CA_BUNDLE, "it contains no certificates in PEM form"),
)
"""Messages of requests and urllib3 in exceptions with generic names."""

_TLS = (
    ("WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|RECORD_LAYER_FAILURE", Failure.NOT_TLS, ""),
    ("self[- ]signed", Failure.TLS, "its certificate is self-signed or signed by a company's own authority"),
    ("unable to get local issuer", Failure.TLS, "its certificate is signed by an unknown authority"),
    ("certificate has expired", Failure.CERTIFICATE, "it has expired"),
    ("not yet valid", Failure.CERTIFICATE, "it is not valid yet"),
    ("ostname mismatch|doesn't match|IP address mismatch", Failure.CERTIFICATE, "it is for another host"),
    ("CERTIFICATE_VERIFY_FAILED", Failure.TLS, ""),
    ("EOF", Failure.RESET, ""),
    ("CERTIFICATE_REQUIRED", Failure.HANDSHAKE, "it requires a client certificate"),
    ("PROTOCOL|VERSION_TOO_LOW", Failure.HANDSHAKE, "they have no version of TLS in common"),
    ("KEY_TOO_SMALL|MD_TOO_WEAK|LEGACY_RENEGOTIATION", Failure.HANDSHAKE, "its encryption is too weak"),
    ("", Failure.HANDSHAKE, ""),
)
"""Messages of OpenSSL. The certificate is the cause only if OpenSSL says that it rejects it."""

LONGEST = 20_000
"""How many characters of a message are read: some contain everything that a server sent."""

LIBRARIES = frozenset({"caveclient", "cloudvolume", "cloudfiles", "requests", "urllib3", "cave_magic"})
"""Packages whose errors are explained."""

_OF_PYTHON = LIBRARIES | sys.stdlib_module_names
"""Modules and packages that pass on an error of the system as it is."""

_MOST = 50
"""How many exceptions are looked at, and how many arguments and members of each."""


def classify(error: BaseException) -> tuple[Failure, str]:
    """The failure that an exception of requests means, and a short reason without URLs or header values, or "".

    The reason for an unknown one is its type and the module that raised it, such as that of a mock; an error of the
    system that such a module raised counts as unknown, too.
    """
    chain = list(causes(error))
    kinds = set[str]().union(*map(_names_of, chain))
    text = " ".join(str(one)[:LONGEST] for one in chain)
    if said := next(((failure, reason) for words, failure, reason in _BY_TEXT if words in text), None):
        return said
    found = [failure for names, failure in _BY_KIND if kinds & names] or [Failure.UNKNOWN]
    failure = found[0]
    if failure is Failure.TLS:
        return next((kind, reason) for words, kind, reason in _TLS if re.search(words, text))
    if failure is Failure.PROXY:
        tunnel = re.search(r"Tunnel connection failed: (\d{3})", text)
        reason = next((_OF_PROXY[one] for one in found if one in _OF_PROXY), "")
        return failure, f"the proxy returned HTTP {tunnel[1]}" if tunnel else reason
    number = next((number for number in map(_number_of, chain) if number), 0)
    if failure is Failure.UNKNOWN and number and _place(error).partition(".")[0] in _OF_PYTHON:
        return Failure.SYSTEM, os.strerror(number)
    return failure, _type_and_place(error) if failure is Failure.UNKNOWN else ""


def _names_of(error: BaseException) -> set[str]:
    """The name of its class, without and with the package; that of its error number on this system."""
    name, package = type(error).__name__, type(error).__module__.partition(".")[0]
    return {name, f"{package}.{name}", errno.errorcode.get(_number_of(error), "")}


def _number_of(error: BaseException) -> int:
    """The error number of the system in an exception; 0 without one: `OSError("a", "b")` has a text in its place."""
    number = error.errno if isinstance(error, OSError) else 0
    return number if isinstance(number, int) and number in errno.errorcode else 0


def _place(error: BaseException) -> str:
    """The module that raised an exception."""
    return ["", *(module for module, _ in frames_of(error.__traceback__))][-1]


def _type_and_place(error: BaseException) -> str:
    raised_in = _place(error)
    is_odd = raised_in.partition(".")[0] in ("", "importlib", *LIBRARIES) or not re.fullmatch(r"[\w.]{1,60}", raised_in)
    return type(error).__name__ + ("" if is_odd else f" in {raised_in}")


def causes(error: BaseException | None) -> Iterable[BaseException]:
    """An exception and all in it: causes, contexts, the members of a group, and exceptions among its arguments.

    A context that `from None` hides is left out, as in a traceback.
    """
    queue: list[BaseException | None] = [error]
    seen: set[int] = set()
    while queue and len(seen) <= _MOST:
        one = queue.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        reason = getattr(one, "reason", None)
        members = getattr(one, "exceptions", None)  # ExceptionGroup is new in Python 3.11
        inner = [*one.args[:_MOST], *(members[:_MOST] if isinstance(members, tuple) else ()), reason]
        queue += [one.__cause__, None if one.__suppress_context__ else one.__context__]
        queue += [each for each in inner if isinstance(each, BaseException)]


def is_interrupt(error: BaseException) -> bool:
    """Whether the user has interrupted this: Python says so in the main thread only; in others, a module raised it."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


def frames_of(traceback: TracebackType | None) -> Iterator[tuple[str, str]]:
    """Module and function of the frames of a traceback, outermost first."""
    for frame, _ in islice(walk_tb(traceback), 200):
        yield str(frame.f_globals.get("__name__", "")), frame.f_code.co_name


def is_of_library(error: BaseException) -> bool:
    """Whether an exception itself, without its causes, belongs to one of the `LIBRARIES`, or was raised in one."""
    modules = [type(error).__module__, *(module for module, _ in frames_of(error.__traceback__))]
    return bool({module.partition(".")[0] for module in modules} & LIBRARIES) or package_of(error) == "caveclient"


def package_of(error: BaseException) -> str:
    """The package that could not be imported, or of the object that lacks an attribute; "" for other errors.

    A misspelled one, such as `CAVEclient`, is the one that is meant.
    """
    if isinstance(error, ImportError):
        return str(error.name).partition(".")[0].lower().replace("_", "")
    if isinstance(error, AttributeError):
        return type(error.obj).__module__.partition(".")[0]
    return ""
