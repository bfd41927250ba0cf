"""Why no answer came: what an exception of requests, and of all that it is made of, means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum


class Failure(Enum):
    """Why no answer came. The value is a sentence without its subject, the host."""

    ADDRESS = "is not an address that can be asked"
    NAME = "cannot be found: its name does not resolve"
    REFUSED = "refuses the connection: nothing listens there"
    UNREACHABLE = "cannot be reached from this network"
    RESET = "closed the connection without an answer"
    CONNECT_TIMEOUT = "cannot be reached: nothing came back while connecting"
    SILENT = "took the connection but did not answer"
    SLOW = "did not come to the end of its answer"
    LATE = "was not asked: the time was over before its turn"
    TLS = "has no secure connection (TLS) that this computer trusts"
    CERTIFICATE = "has a certificate for its secure connection (TLS) that is not valid"
    BUNDLE = "was not asked: the file of trusted certificates cannot be used"
    NOT_TLS = "does not speak https: the address should begin with http://"
    PROXY = "cannot be reached through the proxy that is set here"
    SOCKS = "was not asked: the proxy that is set here is a SOCKS one, for which PySocks is not installed"
    BROKEN = "broke off in the middle of its answer"
    UNSENDABLE = "was not asked: the token cannot be sent in a header"
    UNKNOWN = "could not be asked"


_BY_KIND = (
    ({"InvalidHeader", "UnicodeEncodeError"}, Failure.UNSENDABLE),
    ({"MissingSchema", "InvalidSchema", "InvalidURL", "LocationParseError", "LocationValueError"}, Failure.ADDRESS),
    ({"ProxyError", "InvalidProxyURL"}, Failure.PROXY),
    ({"ProxyConnectionError", "GeneralProxyError", "SOCKS4Error", "SOCKS5Error", "SOCKS5AuthError"}, Failure.PROXY),
    ({"UnusableBundle"}, Failure.BUNDLE),
    ({"SSLError"}, Failure.TLS),
    ({"NameResolutionError", "gaierror", "UnicodeError"}, Failure.NAME),
    ({"ConnectTimeoutError", "ConnectTimeout"}, Failure.CONNECT_TIMEOUT),
    ({"ReadTimeoutError", "ReadTimeout", "TimeoutError"}, Failure.SILENT),
    ({"ConnectionRefusedError"}, Failure.REFUSED),
    ({"ChunkedEncodingError", "IncompleteRead"}, Failure.BROKEN),
    ({"ConnectionResetError", "RemoteDisconnected", "BrokenPipeError", "BadStatusLine"}, Failure.RESET),
)
"""Names of exceptions, and what it means where one of them is among the causes; the first that fits counts."""

_BY_TEXT = (
    ("Missing dependencies for SOCKS", Failure.SOCKS, ""),
    ("Unable to determine SOCKS version", Failure.PROXY, "its address should begin with socks5h://"),
    ("TLS CA certificate bundle, invalid path", Failure.BUNDLE, "it is not there"),
    ("NO_CERTIFICATE", Failure.BUNDLE, "there are no certificates in it"),
)
"""What requests and urllib3 say with an exception of no telling name."""

_TLS = (
    ("WRONG_VERSION_NUMBER|UNKNOWN_PROTOCOL|HTTP_REQUEST|RECORD_LAYER_FAILURE", Failure.NOT_TLS, ""),
    ("self[- ]signed", Failure.TLS, "its certificate is signed by itself or by a company's own authority"),
    ("unable to get local issuer", Failure.TLS, "its certificate is signed by an authority that is not known here"),
    ("certificate has expired", Failure.CERTIFICATE, "it has expired"),
    ("not yet valid", Failure.CERTIFICATE, "its time has not begun"),
    ("ostname mismatch|doesn't match|IP address mismatch", Failure.CERTIFICATE, "it is for another host"),
)
"""What OpenSSL says, and what that means."""

_NO_NETWORK = (101, 113, 51, 65, 10051, 10065)


def classify(error: BaseException) -> tuple[Failure, str]:
    """What an exception of requests means, and its reason in few words.

    Args:
        error: what was raised, with whatever it wraps.
    Returns:
        The kind of trouble, and a short reason without addresses or header values.
    """
    chain = list(causes(error))
    kinds = {type(one).__name__ for one in chain}
    text = " ".join(str(one) for one in chain)
    for words, failure, reason in _BY_TEXT:
        if words in text:
            return failure, reason
    failure = next((failure for names, failure in _BY_KIND if kinds & names), Failure.UNKNOWN)
    if failure is Failure.PROXY:
        return failure, _proxy_reason(text)
    if failure is Failure.TLS:
        return next(((kind, reason) for words, kind, reason in _TLS if re.search(words, text)), (failure, ""))
    if failure is not Failure.UNKNOWN:
        return failure, ""
    if any(isinstance(one, OSError) and one.errno in _NO_NETWORK for one in chain):
        return Failure.UNREACHABLE, ""
    return failure, type(error).__name__


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
