"""Can the server be reached, and is it a CAVE server in good health?"""

from __future__ import annotations

import re
from dataclasses import replace

from ...api.failures import Failure
from ...api.responses import PAGE, TEXT, Response, is_cave
from ...api.urls import name_of_host
from ...deployments import KNOWN_SERVERS, formats_of, local_servers_of
from ...redact import sanitize
from ...ui.document import Line, line
from ...ui.durations import duration, moment
from .. import next_steps
from ..evidence import ServerFacts
from ..model import Check, Command, Finding, NextStep, advise, failed, ok, unknown
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
_OUR_TIME = (Failure.NO_RESPONSE, Failure.TOO_SLOW, Failure.NOT_CONTACTED, Failure.CONNECT_TIMEOUT)
"""How a request ends when its time is over: a server that is only slow looks the same."""

_OF_THE_ADDRESS = (Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.CONNECT_TIMEOUT, Failure.CERTIFICATE)
"""What a wrong address can lead to."""

LONGER = 60
"""Seconds in which a slow server has responded, or does not."""

GATEWAY = (502, 503, 504)
"""What a proxy returns in place of a server that it does not reach."""

FINE = "your token is not the reason"
UNEXPECTED = "this response is unexpected; please report it to the server's administrators"


def tell_administrators(host: str) -> str:
    """Advice where only they can fix it."""
    return f"tell the administrators of {host}"


def not_yours(server: ServerFacts) -> str:
    """Advice where a data server is at fault, or its address in the info service."""
    return f"the info service gives a wrong address for it, or it is down: {tell_administrators(server.host)}"


def failure_finding(response: Response, server: ServerFacts, whole: str) -> Finding:
    """What a response means that is not from a working CAVE service.

    Args:
        response: what came.
        server: whose it is.
        whole: "the server", or the service that alone is in trouble.
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
    """A redirect to https, to the page of a network's portal or to another address."""
    again, is_data_server = next_steps.check(server.target), response.host != server.host
    to_https = response.location.matches(rf"\Ahttps://{re.escape(response.host)}/")
    if to_https and response.url.startswith("http://"):
        if is_data_server:
            return failed(f"{response.host} redirects to https", next_step=then(not_yours(server), again))
        return _other_scheme("redirects to https: the address should begin with https://", server, "https")
    other = tell_administrators(server.host) if is_data_server else "correct the address"
    return failed(response.evidence, next_step=then(f"sign in to this network (VPN, portal) or {other}", again))


def _broken(response: Response, server: ServerFacts, whole: str) -> Finding:
    """A status of 500 and more; where nobody knows the server and a proxy is on the way, it may be the proxy's."""
    is_sure = not server.uses_proxy or response.status not in GATEWAY or response.host != server.host
    other = "" if is_sure or server.address in KNOWN_SERVERS else ", or the proxy that is set here cannot find it"
    asked = f", and asks {asked}" if (asked := _asked_to_wait(response)) else ""
    return failed(
        f"{whole} on {response.host} is down or broken ({response.status}){other}{asked}",
        next_step=_later(response, f"{FINE}: wait", next_steps.check(server.target)),
    )


def _asked_to_wait(response: Response) -> str:
    """For how long, where the server said so, and what CAVEclient makes of it (caveclient 8.2 and urllib3 2)."""
    if response.wait is None:
        return ""
    is_slept_through = response.wait >= 60 and "/auth/" not in response.url
    quiet = "; CAVEclient sleeps that long without a word" if is_slept_through else ""
    return f"to wait {duration(response.wait)}{quiet}"


def _later(response: Response, advice: str, again: Command) -> NextStep:
    """Advice to wait, and until when, where the server said so."""
    if response.wait is None:
        return then(advice, again)
    if response.wait < 60:
        return then(f"wait {duration(response.wait)}", again)
    return at(response.at, response.wait, again)


def at(start: float, seconds: float, again: Command) -> NextStep:
    """The check again, so many seconds after a start."""
    return advise(f"try again {moment(start, seconds)}: ", again)


def _no_data(response: Response, again: Command) -> Finding:
    """All is well, says the status, but there is no JSON."""
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
    if failure in _OUR_TIME and server.timeout < LONGER:
        next_step = _more_time(advice, server)
    else:
        next_step = then(advice, again) if advice else _ask_for_help(server)
    return failed(evidence, next_step=next_step) if advice else unknown(evidence, next_step=next_step)


def _certificates(server: ServerFacts) -> NextStep:
    """The file of trusted certificates is not one, or does not know who signed the server's."""
    again, variable = next_steps.check(server.target), server.machine.proxy_settings.bundle
    if variable:
        command = next_steps.without_variable(variable)
        return advise(f"correct the file that {variable} names, or go without it: ", command, ", then ", again)
    command = next_steps.pip_install("--force-reinstall", "certifi")
    return advise(command, ", restart the kernel, then ", again)


def _ask_for_help(server: ServerFacts) -> NextStep:
    return advise("send what ", next_steps.check(server.target, "--report"), " prints to somebody who can help")


def _more_time(advice: str, server: ServerFacts) -> NextStep:
    only = f"{advice}; if it is only slow: " if advice else "give it more time: "
    return advise(only, next_steps.check(server.target, f"--timeout {LONGER}"))


def _other_scheme(problem: str, server: ServerFacts, scheme: str) -> Finding:
    """The address is right but for what stands before the host."""
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


def then(advice: str, again: Command) -> NextStep:
    """Advice, and the check again."""
    return advise(f"{advice}, then ", again)


def _network(server: ServerFacts) -> Finding:
    responses = server.responses
    token = server.stored.token
    has_odd_token = token is not None and token.oddity(formats_of(server.address)) is not None
    good = [response for response in responses if is_cave(response) or (has_odd_token and is_malformed(response))]
    if not good and responses:
        return _remembered(_no_server(responses[0], server), responses[0], server)
    if not good:
        return unknown(f"{server.host} was not asked", next_step=advise(next_steps.check(server.target)))
    return ok(f"{server.host} responded in {max(response.seconds for response in good):.1f} s")


def _no_server(response: Response, server: ServerFacts) -> Finding:
    """What a server's first response means that is not from CAVE, or that of a proxy in its place."""
    other, again = server.reference, next_steps.check(server.target)
    if other is not None and is_cave(other):
        return failed(
            response.evidence,
            f"; the proxy reaches {other.host}, so {server.host} is down, or is a wrong address",
            next_step=then("wait, if the address is right", again),
        )
    if other is not None and (other.status, other.failure) == (response.status, response.failure):
        evidence = line(response.evidence, f", and so does {other.host}: the proxy reaches neither")
        return replace(_proxy(response, server), evidence=evidence)
    return failure_finding(response, server, "the server")


def _remembered(finding: Finding, response: Response, server: ServerFacts) -> Finding:
    """Says where the address is from that may be wrong: nobody typed it, and no table of ours has it."""
    next_step, is_known = finding.next_step, server.address in KNOWN_SERVERS
    is_elsewhere = server.reference is not None and is_cave(server.reference)
    is_doubtful = is_elsewhere or response.failure in _OF_THE_ADDRESS or response.status in (200, 404)
    if next_step is None or is_known or not is_doubtful or server.target.named_by != "map":
        return finding
    evidence = line(finding.evidence, f" (address from {server.machine.datastack_map.path.name})")
    names_server = server.target.names_server or (response.status == 404 and not is_elsewhere)
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
    fixed_by="As the check says: sign in to the network, correct the address or the proxy (`%env NO_PROXY=HOST`, "
    '`%pip install "requests[socks]"`), name a certificate, or wait.',
)
AUTH = Check(
    id="auth",
    group="network",
    title="auth service",
    about=ServerFacts,
    look=_auth,
    needs=(NETWORK, FORM),
    quiet=True,
    explains="The server responds, but its auth service is in trouble. The token is not the reason.",
    fixed_by="Wait for the server's administrators to fix it; the check prints until when, if it knows.",
)
CHECKS = (NETWORK, AUTH)
