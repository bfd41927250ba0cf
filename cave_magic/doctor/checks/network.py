"""Is the server reachable, and is it a working CAVE server?"""

from __future__ import annotations

import re
from dataclasses import replace

from ...api.failures import Failure
from ...api.responses import PAGE, TEXT, Response, is_cave
from ...api.urls import name_of_host
from ...deployments import KNOWN_SERVERS, contact_of, formats_of, local_servers_of, status_page_of
from ...redact import sanitize
from ...ui.document import Line, Span, line
from ...ui.durations import duration, moment
from .. import next_steps
from ..evidence import ServerFacts
from ..model import Check, Command, Finding, NextStep, advise, failed, ok, then, unknown
from .datastack_map import MAP
from .environment import REQUESTS
from .token import FORM, is_malformed

_OTHER_NETWORK = "try another network (a phone's); if that works, ask the IT department of this one to allow {host}"
_ADVICE = {
    Failure.NAME_NOT_FOUND: "check that this computer is online and the address is right",
    Failure.REFUSED: "check the address; if it is right, the server is down: wait",
    Failure.UNREACHABLE: "check that this computer is online (VPN, cable, Wi-Fi)",
    Failure.RESET: _OTHER_NETWORK,
    Failure.CONNECT_TIMEOUT: _OTHER_NETWORK,
    Failure.NO_RESPONSE: "the server may be overloaded or down: wait a while",
    Failure.TOO_SLOW: "the server may be overloaded: wait a while",
    Failure.TLS: "if your institute inspects traffic, point REQUESTS_CA_BUNDLE at its certificate file",
    Failure.CERTIFICATE: "check this computer's clock, or sign in to this network (portal); if both are fine, "
    "tell the administrators of {host}",
    Failure.INCOMPLETE: "wait a while",
}
_TIMEOUTS = (Failure.NO_RESPONSE, Failure.TOO_SLOW, Failure.NOT_CONTACTED, Failure.CONNECT_TIMEOUT)
"""Failures that a longer timeout may avoid: a slow server looks the same as one that is down."""

_WRONG_ADDRESS = (Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.CONNECT_TIMEOUT, Failure.CERTIFICATE)
"""Failures that a wrong address can cause."""

LONGER = 60
"""A timeout in seconds within which even a slow server responds."""

GATEWAY = (502, 503, 504)
"""What a proxy returns if it cannot reach the server."""

FINE = "your token is not the reason"
UNEXPECTED = "unexpected response; please report it to the server's administrators"


def tell_administrators(host: str) -> str:
    """Advice if only they can fix it."""
    contact = contact_of(host)
    return f"tell the administrators of {host}" + (f" ({contact})" if contact else "")


def not_yours(server: ServerFacts) -> str:
    """Advice if a data server does not work: its address comes from the info service."""
    return f"the info service has a wrong address for it, or it is down: {tell_administrators(server.host)}"


def failure_finding(response: Response, server: ServerFacts, whole: str) -> Finding:
    """What a response means that is not from a working CAVE service.

    Args:
        response: the response.
        server: the facts about its server.
        whole: "the server", or the name of the only service that does not work.
    """
    again = next_steps.check(server.target)
    if response.failure in (Failure.PROXY, Failure.SOCKS) or response.status == 407:
        return _proxy(response, server)
    if response.failure is not None:
        return _no_response(response, server)
    if response.location or response.status == 511:
        return _redirected(response, server)
    if response.status == 400 and "HTTPS port" in response.opening and response.host == server.host:
        return _other_scheme("speaks https: the address should begin with https://", server, "https")
    if response.status >= 500:
        return _broken(response, server, whole)
    if response.status == 200 and not response.is_json:
        return _no_data(response, again)
    if response.status == 404 and whole == "the server":
        return _not_cave(response, server)
    if response.status == 404:
        return failed(
            f"{whole} is not where it should be on {response.host} (404)",
            next_step=then(f"{FINE}: {tell_administrators(server.host)}", again),
        )
    if response.status == 429:
        asked = f", and {asked}" if (asked := _asked_to_wait(response)) else ""
        return failed(
            f"{response.host} asks to slow down (429){asked}", next_step=_later(response, "wait a minute or so", again)
        )
    return unknown(response.evidence, next_step=then(UNEXPECTED, again))


def _redirected(response: Response, server: ServerFacts) -> Finding:
    """A redirect to https, to a network's portal or to another address."""
    again, is_data_server = next_steps.check(server.target), response.host != server.host
    to_https = response.location.matches(rf"\Ahttps://{re.escape(response.host)}/")
    if to_https and response.url.startswith("http://"):
        if is_data_server:
            return failed(f"{response.host} redirects to https", next_step=then(not_yours(server), again))
        return _other_scheme("redirects to https: the address should begin with https://", server, "https")
    other = tell_administrators(server.host) if is_data_server else "correct the address"
    return failed(response.evidence, next_step=then(f"sign in to this network (VPN, portal) or {other}", again))


def _broken(response: Response, server: ServerFacts, whole: str) -> Finding:
    """A status of 500 or more; for an unknown server behind a proxy, it may come from the proxy."""
    is_sure = not server.uses_proxy or response.status not in GATEWAY or response.host != server.host
    other = "" if is_sure or server.address in KNOWN_SERVERS else ", or the configured proxy cannot find it"
    asked = f", and asks {asked}" if (asked := _asked_to_wait(response)) else ""
    return failed(
        f"{whole} on {response.host} is down or broken ({response.status}){other}{asked}",
        next_step=_later(response, f"{FINE}: wait", next_steps.check(server.target)),
    )


def _asked_to_wait(response: Response) -> str:
    """How long the server asked to wait, and what CAVEclient does then (caveclient 8.2 and urllib3 2)."""
    if response.wait is None:
        return ""
    sleeps = response.wait >= 60 and "/auth/" not in response.url
    return f"to wait {duration(response.wait)}" + ("; CAVEclient sleeps that long, silently" if sleeps else "")


def _later(response: Response, advice: str, again: Command) -> NextStep:
    """Advice to wait, for how long if the server said so, and the page that says what is down."""
    if response.wait is None:
        next_step = then(advice, again)
    elif response.wait < 60:
        next_step = then(f"wait {duration(response.wait)}", again)
    else:
        next_step = at(response.at, response.wait, again)
    page = status_page_of(response.host)
    return advise(next_step.line, "; its status: ", Span(page, "link")) if page else next_step


def at(start: float, seconds: float, again: Command) -> NextStep:
    """The check again, a number of seconds after a start."""
    return advise(f"try again {moment(start, seconds)}: ", again)


def _no_data(response: Response, again: Command) -> Finding:
    """Status 200 without JSON."""
    if response.form not in (PAGE, TEXT, ""):
        return unknown(response.evidence, next_step=then(UNEXPECTED, again))
    said = line(' ("', sanitize(response.opening), '")') if response.opening else ()
    what = line(f"{response.form} instead of data", said) if response.form else "an empty response"
    advice = "sign in to this network's portal, or wait while the server is under maintenance"
    return failed(f"{response.host} returned ", what, next_step=then(advice, again))


def _proxy(response: Response, server: ServerFacts) -> Finding:
    again, known = next_steps.check(server.target), server.machine.proxy_settings
    proxy = known.proxy_for(response.url) or "the proxy in this computer's settings"
    if response.failure is Failure.SOCKS:
        install = next_steps.pip_install('"requests[socks]"')
        unset = f"; if this network needs no proxy, unset {proxy}"
        return failed(_evidence(response), next_step=advise(install, ", restart the kernel, then ", again, unset))
    hosts = ",".join(dict.fromkeys(map(name_of_host, (server.address, *local_servers_of(server.address)))))
    add = next_steps.with_more_hosts if known.has_exceptions else next_steps.with_variable
    command = add(known.no_proxy, hosts)
    correct = f"; if it does, correct {proxy}"
    return failed(
        _evidence(response),
        next_step=advise("if this network needs no proxy: ", command, ", then ", again, correct),
    )


def _no_response(response: Response, server: ServerFacts) -> Finding:
    again, failure, evidence = next_steps.check(server.target), response.failure, _evidence(response)
    is_named_by_info = response.host != server.host
    if is_named_by_info and failure in (Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.NOT_TLS):
        return failed(evidence, next_step=then(not_yours(server), again))
    if failure is Failure.NOT_TLS:
        return _other_scheme(failure.value, server, "http")
    if failure is Failure.CA_BUNDLE or (failure is Failure.TLS and server.machine.proxy_settings.bundle):
        return failed(evidence, next_step=_certificates(server))
    advice = _ADVICE.get(failure, "").format(host=response.host) if failure else ""
    if failure in _TIMEOUTS and server.timeout < LONGER:
        slow = f"{advice}; if it is just slow: " if advice else "give it more time: "
        next_step = advise(slow, next_steps.check(server.target, f"--timeout {LONGER}"))
    elif advice:
        next_step = then(advice, again)
    else:
        report = next_steps.check(server.target, "--report")
        next_step = advise("show the output of ", report, " to somebody who can help")
    return failed(evidence, next_step=next_step) if advice else unknown(evidence, next_step=next_step)


def _certificates(server: ServerFacts) -> NextStep:
    """The file of trusted certificates is unusable, or lacks the authority that signed the server's certificate."""
    again, variable = next_steps.check(server.target), server.machine.proxy_settings.bundle
    if variable:
        command = next_steps.without_variable(variable)
        return advise(f"correct the file that {variable} names, or unset it: ", command, ", then ", again)
    return then(line(next_steps.pip_install("--force-reinstall", "certifi"), ", restart the kernel"), again)


def _other_scheme(problem: str, server: ServerFacts, scheme: str) -> Finding:
    """The address is right except for its scheme."""
    command = next_steps.check(server.target.on(f"{scheme}://{server.host}"))
    return failed(f"{server.host} {problem}", next_step=advise(command))


def _not_cave(response: Response, server: ServerFacts) -> Finding:
    again = next_steps.check(server.target.on(KNOWN_SERVERS[0]))
    known = f" (known ones: {', '.join(KNOWN_SERVERS)})"
    return failed(
        f"{response.host} is not a CAVE server (404)", next_step=advise("correct the address, such as ", again, known)
    )


def _evidence(response: Response) -> Line:
    if response.failure not in (Failure.NO_RESPONSE, Failure.TOO_SLOW) or response.seconds < 1:
        return response.evidence
    return line(response.evidence, f" within {response.seconds:.{1 if response.seconds < 10 else 0}f} s")


def _network(server: ServerFacts) -> Finding:
    responses = server.responses
    token = server.stored.token
    has_odd_token = token is not None and token.oddity(formats_of(server.address)) is not None
    good = [response for response in responses if is_cave(response) or (has_odd_token and is_malformed(response))]
    if not good and responses:
        return _remembered(_no_server(responses[0], server), responses[0], server)
    if not good:
        return unknown(f"{server.host} was not contacted", next_step=advise(next_steps.check(server.target)))
    return ok(f"{server.host} responded in {max(response.seconds for response in good):.1f} s")


def _no_server(response: Response, server: ServerFacts) -> Finding:
    """What the first response means if it is not from CAVE; it may come from a proxy."""
    other, again = server.reference, next_steps.check(server.target)
    if other is not None and is_cave(other):
        return failed(
            response.evidence,
            f"; the proxy reaches {other.host}, so {server.host} is down or its address is wrong",
            next_step=then("wait, if the address is right", again),
        )
    if other is not None and (other.status, other.failure) == (response.status, response.failure):
        evidence = line(response.evidence, f", and so does {other.host}: the proxy reaches neither")
        return replace(_proxy(response, server), evidence=evidence)
    return failure_finding(response, server, "the server")


def _remembered(finding: Finding, response: Response, server: ServerFacts) -> Finding:
    """Says that an unknown address comes from the datastack map, if it may be wrong."""
    next_step, proxy_works = finding.next_step, server.reference is not None and is_cave(server.reference)
    is_doubtful = proxy_works or response.failure in _WRONG_ADDRESS or response.status in (200, 404)
    is_remembered = server.target.named_by == "map" and server.address not in KNOWN_SERVERS
    if next_step is None or not (is_doubtful and is_remembered):
        return finding
    evidence = line(finding.evidence, f" (address from {server.machine.datastack_map.path.name})")
    names_server = server.target.names_server or (response.status == 404 and not proxy_works)
    if not names_server:
        next_step = advise(next_step.line, "; if the address is wrong, name the right one with --server")
    return replace(finding, evidence=evidence, next_step=next_step)


def _auth(server: ServerFacts) -> Finding | None:
    response = server.identity or server.anonymous_identity
    if response is None:
        return None
    if is_cave(response):
        return ok(f"responded in {response.seconds:.1f} s")
    return failure_finding(response, server, "the auth service")


NETWORK = Check(
    id="network",
    group="network",
    title="network",
    about=ServerFacts,
    look=_network,
    needs=(MAP, REQUESTS),
    explains="The server is unreachable, or is not a working CAVE server.",
    fixed_by="As the check says: sign in to the network; correct the address or the proxy (`%env NO_PROXY=HOST`, "
    '`%pip install "requests[socks]"`); name a certificate file; or wait.',
)
AUTH = Check(
    id="auth",
    group="network",
    title="auth service",
    about=ServerFacts,
    look=_auth,
    needs=(NETWORK, FORM),
    quiet=True,
    explains="The server responds, but its auth service does not work. The token is not the reason.",
    fixed_by="Wait for the server's administrators to fix it; if the server says how long, the check prints it.",
)
CHECKS = (NETWORK, AUTH)
