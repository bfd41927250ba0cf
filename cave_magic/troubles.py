"""Why no answer came: what an exception of requests, and of all that it is made of, means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum


class Trouble(Enum):
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
    NOT_TLS = "does not speak https: the address should begin with http://"
    PROXY = "cannot be reached through the proxy that is set here"
    BROKEN = "broke off in the middle of its answer"
    UNSENDABLE = "was not asked: the token cannot be sent in a header"
    UNKNOWN = "could not be asked"


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
