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
from ..evidence import ServerFacts
from ..experiments.model import Change, Tried
from ..model import Finding, failed, then
from .causes import SET_CLOCK, evidence_of, names_of, only_this_one, reached, tell_administrators


def untrusted(response: Response, server: ServerFacts, tried: Tried) -> Finding:
    """The server's certificate is not accepted, whichever certificates are trusted."""
    if response.failure is Failure.CA_BUNDLE:
        return _unusable_bundle(response, server)
    seen = tried.first(Change.UNVERIFIED)
    evidence = line(evidence_of(response), _certificate(seen), only_this_one(tried))
    others, tell = tried.about(Change.OTHER_SERVER), tell_administrators(response.host)
    if seen is not None and _clock_is_wrong(seen):
        off = duration(abs((seen.date or 0.0) - seen.at))
        return failed(evidence, f"; this computer's clock is off by {off}", next_step=then(SET_CLOCK, server.again))
    if others and all(one.response.failure in UNTRUSTED for one in others):
        either = f"; this computer does not trust {names_of(others)} either: this network replaces certificates"
        ask = "ask the IT department of this network for the file with its certificates"
        step = then(f"{ask}, and set REQUESTS_CA_BUNDLE to that file", server.again)
        return failed(evidence, either, next_step=step)
    advice = f"{tell}; if you trust that issuer, set REQUESTS_CA_BUNDLE to a file with its certificate"
    if response.failure is Failure.CERTIFICATE:
        advice = tell if server.address in KNOWN_SERVERS or reached(tried) else f"correct the address, or {tell}"
    return failed(evidence, next_step=then(advice, server.again))


def _unusable_bundle(response: Response, server: ServerFacts) -> Finding:
    """The file of trusted certificates cannot be used, and without it, or with another, the server is not trusted."""
    variable = server.machine.proxy_settings.bundle
    if not variable:
        install = next_steps.install(server.machine.find_installer(), "certifi", again=True)
        return failed(evidence_of(response), next_step=then(install, server.again))
    named = f"; {variable} names it, and without it {response.host} is not trusted"
    ask = "ask the IT department of this network for its certificates in PEM form"
    return failed(evidence_of(response), named, next_step=then(f"{ask}, and set {variable} to that file", server.again))


def _certificate(seen: Response | None) -> Line:
    """What the certificate says, if it could be read."""
    one = seen.certificate if seen is not None else None
    if one is None:
        return ()
    names = joined(", ", [sanitize(name, 60) for name in one.names])
    issuer = "itself" if one.is_self_signed else sanitize(one.issuer, 60)
    valid = f", valid {_day(one.valid_from)} to {_day(one.valid_until)}"
    return line("; its certificate is for ", names, ", issued by ", issuer, valid)


def _day(seconds: float) -> str:
    return (datetime(1970, 1, 1) + timedelta(seconds=seconds)).strftime("%Y-%m-%d")


def _clock_is_wrong(seen: Response) -> bool:
    """Whether the certificate is valid by the server's clock, but not by that of this computer."""
    one = seen.certificate
    if one is None or seen.date is None:
        return False
    return one.valid_from <= seen.date <= one.valid_until and not one.valid_from <= seen.at <= one.valid_until
