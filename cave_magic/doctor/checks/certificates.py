"""What an untrusted certificate means, if nothing that was tried changes that."""

from __future__ import annotations

from datetime import datetime, timedelta

from ...api.failures import UNTRUSTED, Failure
from ...api.responses import Response
from ...deployments import KNOWN_SERVERS
from ...ui.document import Line, joined, line
from ...ui.durations import duration
from ...ui.redact import sanitize
from .. import next_steps
from ..experiments.model import Change
from ..model import Finding
from .causes import SET_CLOCK, FailedRequest, names_of, only_this_one, reached, tell_administrators


def untrusted(request: FailedRequest) -> Finding:
    """The server's certificate is not accepted, whichever certificates are trusted."""
    failure, tried = request.response.failure, request.tried
    if failure is Failure.CA_BUNDLE:
        return _unusable_bundle(request)
    seen, others = tried.first(Change.UNVERIFIED), tried.about(Change.OTHER_SERVER)
    known = _certificate(seen), only_this_one(tried)
    if seen is not None and _clock_is_wrong(seen):
        off = duration(abs((seen.date or 0.0) - seen.at))
        return request.finding(*known, f"this computer's clock is off by {off}", advice=SET_CLOCK)
    if others and all(one.response.failure in UNTRUSTED for one in others):
        either = f"this computer does not trust {names_of(others)} either: this network replaces certificates"
        ask = "ask the IT department of this network for the file with its certificates"
        return request.finding(*known, either, advice=f"{ask}, and set REQUESTS_CA_BUNDLE to that file")
    tell = tell_administrators(request.host)
    advice = f"{tell}; if you trust that issuer, set REQUESTS_CA_BUNDLE to a file with its certificate"
    if failure is Failure.CERTIFICATE:
        is_right = request.server.address in KNOWN_SERVERS or reached(tried)
        advice = tell if is_right else f"correct the address, or {tell}"
    return request.finding(*known, advice=advice)


def _unusable_bundle(request: FailedRequest) -> Finding:
    """The file of trusted certificates cannot be used, and without it, or with another, the server is not trusted."""
    machine = request.server.machine
    variable = machine.proxy_settings.bundle
    if not variable:
        return request.finding(advice=next_steps.install(machine.find_installer(), "certifi", again=True))
    ask = "ask the IT department of this network for its certificates in PEM form"
    known = f"{variable} names it, and without it {request.host} is not trusted"
    return request.finding(known, advice=f"{ask}, and set {variable} to that file")


def _certificate(seen: Response | None) -> Line:
    """What the certificate says, if it could be read."""
    one = seen.certificate if seen is not None else None
    if one is None:
        return ()
    names = joined(", ", [sanitize(name, 60) for name in one.names])
    issuer = "itself" if one.is_self_signed else sanitize(one.issuer, 60)
    since, until = (datetime(1970, 1, 1) + timedelta(seconds=day) for day in (one.valid_from, one.valid_until))
    valid = f", valid {since:%Y-%m-%d} to {until:%Y-%m-%d}"
    return line("its certificate is for ", names, ", issued by ", issuer, valid)


def _clock_is_wrong(seen: Response) -> bool:
    """Whether the certificate is valid by the server's clock, but not by that of this computer."""
    one = seen.certificate
    if one is None or seen.date is None:
        return False
    return one.valid_from <= seen.date <= one.valid_until and not one.valid_from <= seen.at <= one.valid_until
