"""Can the server be reached, and is what answers there a CAVE server in good health?"""

from __future__ import annotations

from dataclasses import replace

from ...api.failures import Failure
from ...api.responses import PAGE, TEXT, Response, is_cave
from ...api.urls import name_of_host
from ...deployments import KNOWN_SERVERS, formats_of, local_servers_of
from ...redact import private
from ...ui.durations import duration, moment
from .. import next_steps
from ..evidence import ServerFacts
from ..model import Check, Command, Finding, NextStep, failed, ok, unknown
from .environment import REQUESTS
from .token import FORM, MAP, is_malformed

_OTHER_NETWORK = "try another network (a phone's); if that works, ask the IT of this one to allow {host}"
_ADVICE = {
    Failure.NAME_NOT_FOUND: "look whether this computer is online and the address is right",
    Failure.REFUSED: "look whether the address is right; if it is, the server is down: wait",
    Failure.UNREACHABLE: "look whether this computer is online (VPN, cable, Wi-Fi)",
    Failure.RESET: _OTHER_NETWORK,
    Failure.CONNECT_TIMEOUT: _OTHER_NETWORK,
    Failure.NO_RESPONSE: "the server may be overloaded or down: wait a while",
    Failure.TOO_SLOW: "the server may be overloaded: wait a while",
    Failure.TLS: "if your institute inspects traffic, point REQUESTS_CA_BUNDLE at its certificate file",
    Failure.CERTIFICATE: "look at the clock of this computer, or log in to this network (portal); if both are right, "
    "tell the people of the server",
    Failure.INCOMPLETE: "wait a while",
}
_OUR_TIME = (Failure.NO_RESPONSE, Failure.TOO_SLOW, Failure.NOT_CONTACTED, Failure.CONNECT_TIMEOUT)
"""What a question ends with when the time for it is over: a server that only is slow looks the same."""

_OF_THE_ADDRESS = (Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.CONNECT_TIMEOUT, Failure.CERTIFICATE)
"""What a wrong address can lead to."""

LONGER = 60
"""Seconds in which a slow server has answered, or does not."""

GATEWAY = (502, 503, 504)
"""What a proxy answers in the place of a server that it does not reach."""

NOT_YOURS = "the info service names a wrong address for it, or it is down: tell the people of the server"
FINE = "your token is not the reason"
UNKNOWN_ANSWER = "this check does not know that answer; show it to the people of the server"


def failure_finding(response: Response, server: ServerFacts, whole: str) -> Finding:
    """What an answer that is none of CAVE's means.

    Args:
        response: what came.
        server: whose it is.
        whole: "the server", or the service that alone is in trouble.
    """
    again = next_steps.check(server.target)
    if response.failure in (Failure.PROXY, Failure.SOCKS) or response.status == 407:
        return _proxy(response, server)
    if response.failure is not None:
        return _no_answer(response, server)
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
        advice = f"{FINE}: tell the people of the server"
        return failed(f"{whole} is not where it should be on {response.host} (404)", then(advice, again))
    if response.status == 429:
        asked = f", and {asked}" if (asked := _asked_to_wait(response)) else ""
        return failed(f"{response.host} asks to slow down (429){asked}", _later(response, "wait a minute or so", again))
    return unknown(response.evidence, then(UNKNOWN_ANSWER, again))


def _redirected(response: Response, server: ServerFacts) -> Finding:
    """A redirect to https, to the page of a network's portal or to another address."""
    again, is_data_server = next_steps.check(server.target), response.host != server.host
    if response.location.startswith(f"https://{response.host}/") and response.url.startswith("http://"):
        if is_data_server:
            return failed(f"{response.host} sends one on to https", then(NOT_YOURS, again))
        return _other_scheme("sends one on to https: the address should begin with https://", server, "https")
    other = "tell the people of the server" if is_data_server else "correct the address"
    return failed(response.evidence, then(f"log in to this network (VPN, portal) or {other}", again))


def _broken(response: Response, server: ServerFacts, whole: str) -> Finding:
    """A status of 500 and more; where nobody knows the server and a proxy is on the way, it may be the proxy's."""
    is_sure = not server.uses_proxy or response.status not in GATEWAY or response.host != server.host
    other = "" if is_sure or server.address in KNOWN_SERVERS else ", or the proxy that is set here does not find it"
    asked = f", and asks {asked}" if (asked := _asked_to_wait(response)) else ""
    evidence = f"{whole} on {response.host} is down or broken ({response.status}){other}{asked}"
    return failed(evidence, _later(response, f"{FINE}: wait", next_steps.check(server.target)))


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
    return NextStep(f"try again {moment(start, seconds)}: {again}", (again,))


def _no_data(response: Response, again: Command) -> Finding:
    """All is well, says the status, but there is no JSON."""
    if response.form not in (PAGE, TEXT, ""):
        return unknown(response.evidence, then(UNKNOWN_ANSWER, again))
    said = f' ("{private(response.opening)}")' if response.opening else ""
    what = f"{response.form}, not with data{said}" if response.form else "nothing"
    advice = "log in to this network's portal, or wait while the server is under maintenance"
    return failed(f"{response.host} answered with {what}", then(advice, again))


def _proxy(response: Response, server: ServerFacts) -> Finding:
    again, known = next_steps.check(server.target), server.machine.proxy_settings
    proxy = known.proxy_for(response.url) or "the proxy in this computer's settings"
    if response.failure is Failure.SOCKS:
        install = next_steps.pip_install('"requests[socks]"')
        text = f"{install}, restart the kernel, then {again}; if this network needs no proxy, unset {proxy}"
        return failed(_sentence(response), NextStep(text, (install, again)))
    hosts = ",".join(dict.fromkeys(map(name_of_host, (server.address, *local_servers_of(server.address)))))
    add = next_steps.with_more_hosts if known.has_exceptions else next_steps.with_variable
    command = add(known.no_proxy, hosts)
    text = f"if this network needs no proxy: {command}, then {again}; if it does, correct {proxy}"
    return failed(_sentence(response), NextStep(text, (command, again)))


def _no_answer(response: Response, server: ServerFacts) -> Finding:
    again, failure = next_steps.check(server.target), response.failure
    is_named_by_info = response.host != server.host
    if is_named_by_info and failure in (Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.NOT_TLS):
        return failed(_sentence(response), then(NOT_YOURS, again))
    if failure is Failure.NOT_TLS:
        return _other_scheme(failure.value, server, "http")
    if failure is Failure.CA_BUNDLE or (failure is Failure.TLS and server.machine.proxy_settings.bundle):
        return failed(_sentence(response), _certificates(server))
    advice = _ADVICE.get(failure, "").format(host=response.host) if failure else ""
    make = failed if advice else unknown
    if failure in _OUR_TIME and server.timeout < LONGER:
        return make(_sentence(response), _more_time(advice, server))
    return make(_sentence(response), then(advice, again) if advice else _ask_for_help(server))


def _certificates(server: ServerFacts) -> NextStep:
    """The file that says whom to trust is no such file, or does not know who vouches for the server."""
    again, variable = next_steps.check(server.target), server.machine.proxy_settings.bundle
    if variable:
        command = next_steps.without_variable(variable)
        text = f"correct the file that {variable} names, or go without it: {command}, then {again}"
        return NextStep(text, (command, again))
    command = next_steps.pip_install("--force-reinstall", "certifi")
    return NextStep(f"{command}, restart the kernel, then {again}", (command, again))


def _ask_for_help(server: ServerFacts) -> NextStep:
    report = next_steps.check(server.target, "--report")
    return NextStep(f"send what {report} prints to somebody who can help", (report,))


def _more_time(advice: str, server: ServerFacts) -> NextStep:
    command = next_steps.check(server.target, f"--timeout {LONGER}")
    only = f"{advice}; if it is only slow: " if advice else "give it more time: "
    return NextStep(f"{only}{command}", (command,))


def _other_scheme(problem: str, server: ServerFacts, scheme: str) -> Finding:
    """The address is right but for what stands before the host."""
    command = next_steps.check(server.target.on(f"{scheme}://{server.host}"))
    return failed(f"{server.host} {problem}", NextStep(command, (command,)))


def _not_cave(response: Response, server: ServerFacts) -> Finding:
    known = "known ones: " + ", ".join(KNOWN_SERVERS)
    again = next_steps.check(server.target.on(KNOWN_SERVERS[0]))
    next_step = NextStep(f"correct the address, such as {again} ({known})", (again,))
    return failed(f"{response.host} is not a CAVE server (404)", next_step)


def _sentence(response: Response) -> str:
    if response.failure not in (Failure.NO_RESPONSE, Failure.TOO_SLOW) or response.seconds < 1:
        return response.evidence
    return f"{response.evidence} within {response.seconds:.{1 if response.seconds < 10 else 0}f} s"


def then(advice: str, again: Command) -> NextStep:
    """Advice, and the check again."""
    return NextStep(f"{advice}, then {again}", (again,))


def _network(server: ServerFacts) -> Finding:
    responses = server.responses
    token = server.stored.token
    has_odd_token = token is not None and token.oddity(formats_of(server.address)) is not None
    good = [response for response in responses if is_cave(response) or (has_odd_token and is_malformed(response))]
    if not good and responses:
        return _remembered(_no_server(responses[0], server), responses[0], server)
    if not good:
        again = next_steps.check(server.target)
        return unknown(f"{server.host} was not asked", NextStep(again, (again,)))
    return ok(f"{server.host} answered in {max(response.seconds for response in good):.1f} s")


def _no_server(response: Response, server: ServerFacts) -> Finding:
    """What a server's first answer means that is none of CAVE's, or that of a proxy in its place."""
    other, again = server.reference, next_steps.check(server.target)
    if other is not None and is_cave(other):
        evidence = (
            f"{response.evidence}; the proxy reaches {other.host}, so {server.host} is down, or is a wrong address"
        )
        return failed(evidence, then("wait, if the address is right", again))
    if other is not None and (other.status, other.failure) == (response.status, response.failure):
        evidence = f"{response.evidence}, and {other.host} too: the proxy reaches neither"
        return replace(_proxy(response, server), evidence=evidence)
    return failure_finding(response, server, "the server")


def _remembered(finding: Finding, response: Response, server: ServerFacts) -> Finding:
    """Says where the address is from that may be wrong: nobody typed it, and no table of ours has it."""
    next_step, is_known = finding.next_step, server.address in KNOWN_SERVERS
    is_elsewhere = server.reference is not None and is_cave(server.reference)
    is_doubtful = is_elsewhere or response.failure in _OF_THE_ADDRESS or response.status in (200, 404)
    if next_step is None or is_known or not is_doubtful or server.target.named_by != "map":
        return finding
    text = next_step.text
    names_server = server.target.names_server or (response.status == 404 and not is_elsewhere)
    if not names_server:
        text += "; if the address is wrong, name the right one with --server"
    evidence = f"{finding.evidence} (address from {server.machine.datastack_map.path.name})"
    return replace(finding, evidence=evidence, next_step=replace(next_step, text=text))


def _auth(server: ServerFacts) -> Finding | None:
    response = server.identity or server.anonymous_identity
    if response is None:
        return None
    if is_cave(response):
        return ok(f"answered in {response.seconds:.1f} s")
    return failure_finding(response, server, "the auth service")


NETWORK = Check(
    id="network",
    group="network",
    title="network",
    about=ServerFacts,
    look=_network,
    needs=(MAP, REQUESTS),
    explains="The server cannot be reached, or what answers at the address is not a working CAVE server.",
    fixed_by="As the check says: log in to the network, correct the address or the proxy (`%env NO_PROXY=HOST`, "
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
    explains="The server answers, but its auth service is in trouble. The token is not the reason.",
    fixed_by="Wait, until the time that the check prints if it knows one; the people of the server mend it.",
)
CHECKS = (NETWORK, AUTH)
