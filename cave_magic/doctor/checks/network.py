"""Is the server reachable, and is it a working CAVE server?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...api.failures import PROXY_FORBIDS, PROXY_LOGIN, UNTRUSTED, Failure
from ...api.responses import GATEWAY, PAGE, TEXT, Response, is_cave
from ...api.urls import display_url, is_on_this_computer
from ...deployments import KNOWN_SERVERS, formats_of, status_page_of
from ...ui.document import Line, Span, line
from ...ui.door import either
from ...ui.durations import duration, elapsed, moment
from ...ui.redact import sanitize
from .. import next_steps, variables
from ..evidence import ServerFacts
from ..experiments.model import Change, Experiment, Tried
from ..model import Check, Command, Finding, NextStep, advise, failed, ok, then, unknown, warning
from .causes import (
    SET_CLOCK,
    evidence_of,
    names_of,
    not_yours,
    only_this_one,
    reached,
    tell_administrators,
    what_changed,
    what_was_tried,
)
from .certificates import untrusted
from .datastack_map import MAP
from .environment import REQUESTS
from .token import FORM, is_malformed

_OTHER_NETWORK = (
    "try another network, such as a phone's; if that works, ask the IT department of this one to allow {host}"
)
_ADVICE = {
    Failure.NAME_NOT_FOUND: "check the address, and that this computer is online",
    Failure.REFUSED: "check the address; if it is right, the server may be down: wait",
    Failure.UNREACHABLE: "check that this computer is online (VPN, cable, Wi-Fi)",
    Failure.RESET: _OTHER_NETWORK,
    Failure.CONNECT_TIMEOUT: _OTHER_NETWORK,
    Failure.NO_RESPONSE: "the server may be overloaded or down: wait a while",
    Failure.TOO_SLOW: "the server may be overloaded: wait a while",
    Failure.NOT_HTTP: "correct the port in the address",
    Failure.NOT_TLS: "correct the port in the address, or tell the administrators of {host}",
    Failure.HANDSHAKE: "tell the administrators of {host}",
    Failure.HEADERS: "tell the administrators of {host}",
    Failure.INCOMPLETE: "wait a while; if that does not help, tell the administrators of {host}",
}
"""What to do if nothing that was tried changes the outcome."""

_OFFLINE = (Failure.NAME_NOT_FOUND, Failure.UNREACHABLE)
"""Failures that every request has on a computer without a network."""

_LOCAL = (Failure.REFUSED, Failure.RESET, Failure.CONNECT_TIMEOUT)
"""Failures that, on this computer, come from the program at the address, not from a network."""

_DAY = 86_400.0
_TIMEOUTS = (Failure.NO_RESPONSE, Failure.TOO_SLOW, Failure.NOT_CONTACTED, Failure.CONNECT_TIMEOUT)
"""Failures that a longer timeout may avoid: a slow server looks the same as one that is down."""

_WRONG_ADDRESS = (Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.CONNECT_TIMEOUT, Failure.CERTIFICATE)
"""Failures that a wrong address can cause."""

LONGER = 60
"""A timeout in seconds that is long enough even for a slow server."""

PAC = "FindProxyForURL"
"""The function that every proxy auto-configuration (PAC) file has."""

FINE = "your token is not the cause"
UNEXPECTED = "unexpected response; please report it to the server's administrators"


def failure_finding(
    response: Response,
    server: ServerFacts,
    whole: str,
    tried: Tried | None = None,
    works: Callable[[Response], bool] = is_cave,
) -> Finding:
    """What a response means if it is not from a working CAVE service.

    Args:
        whole: "the server", or the name of the only service that does not work.
        tried: the experiments on it; None for those on the server.
        works: whether a response is as it should be.
    """
    tried = server.tried if tried is None else tried
    finding = what_changed(response, server, tried, works) or _unchanged(response, server, whole, tried)
    return replace(finding, tried=what_was_tried(tried, works))


def _unchanged(response: Response, server: ServerFacts, whole: str, tried: Tried) -> Finding:
    """What a response means if nothing that was tried changes it, or nothing was tried."""
    if _is_portal(tried):
        return _portal(response, server, tried)
    if _is_misled(response, server, tried):
        return _other_address(response, server, tried)
    if response.failure in (Failure.PROXY, Failure.SOCKS) or response.status == 407:
        return _proxy(response, server, tried)
    if response.failure in UNTRUSTED:
        return untrusted(response, server, tried)
    if response.failure is not None:
        return _no_response(response, server, tried)
    return _strange(response, server, whole, tried)


def _portal(response: Response, server: ServerFacts, tried: Tried) -> Finding:
    """This network, or the proxy, responds in place of every server."""
    exists = "; even a host that does not exist responds"
    if not tried.proxy:
        evidence = line(evidence_of(response), f"{exists}: this network responds in place of every server")
        return failed(evidence, next_step=then("sign in to this network: open any page in a browser", server.again))
    if PAC in response.opening:
        evidence = line(f"{tried.proxy} names a script that chooses a proxy, not a proxy: ", evidence_of(response))
        return failed(evidence, next_step=then(f"set {tried.proxy} to the proxy that the script names", server.again))
    evidence = line(evidence_of(response), f"{exists}: the proxy in {tried.proxy} responds in place of every server")
    return failed(evidence, next_step=then(f"sign in to that proxy, or correct {tried.proxy}", server.again))


def _is_misled(response: Response, server: ServerFacts, tried: Tried) -> bool:
    """Whether this computer has a wrong address for the host: a public server has no private one."""
    if server.address in KNOWN_SERVERS:
        return bool(tried.private_address or tried.hosts_file)
    return bool(tried.hosts_file) and response.failure is not None


def _is_portal(tried: Tried) -> bool:
    """Whether the network responds in place of all servers.

    Some name servers only lead unknown names to a page of their own; then other servers can be reached.
    """
    nowhere = tried.first(Change.NO_SERVER)
    if nowhere is None or nowhere.failure is not None or reached(tried):
        return False
    return nowhere.status < 400 or nowhere.status == 511


def _other_address(response: Response, server: ServerFacts, tried: Tried) -> Finding:
    """The name of a public server leads to an address that is not public, or that the hosts file sets."""
    host = response.host
    where = tried.private_address or "an address that did not come from DNS"
    if tried.hosts_file:
        advice = f"correct or remove the line for {host} in {tried.hosts_file} (an administrator can)"
        evidence = line(evidence_of(response), f"; {tried.hosts_file} maps {host} to {where}")
        return failed(evidence, next_step=then(advice, server.again))
    advice = _OTHER_NETWORK.format(host=host)
    evidence = line(evidence_of(response), f"; this network resolves it to {where}, a private address")
    return failed(evidence, next_step=then(advice, server.again))


def _strange(response: Response, server: ServerFacts, whole: str, tried: Tried) -> Finding:
    """A response that is not from a working CAVE service."""
    if response.location or response.status == 511:
        advice = tell_administrators(server.host) if response.host != server.host else "correct the address"
        if not reached(tried):
            advice = f"sign in to this network (VPN, portal) or {advice}"
        return failed(response.evidence, only_this_one(tried), next_step=then(advice, server.again))
    if response.status >= 500:
        return _broken(response, server, whole, tried)
    if response.status == 200 and not response.is_json:
        return _no_data(response, server, tried)
    if response.status == 404 and whole == "the server":
        known = f" (known ones: {', '.join(KNOWN_SERVERS)})"
        check = next_steps.check(server.target.on(KNOWN_SERVERS[0]))
        step = advise("correct the address, such as ", check, known)
        return failed(f"{response.host} is not a CAVE server (404)", next_step=step)
    if response.status == 404:
        step = then(f"{FINE}: {tell_administrators(server.host)}", server.again)
        return failed(f"{whole} is not where it should be on {response.host} (404)", next_step=step)
    if response.status == 429:
        asked = f", and {asked}" if (asked := _asked_to_wait(response)) else ""
        step = _later(response, "wait a minute or so", server.again)
        return failed(f"{response.host} asks you to slow down (429){asked}", next_step=step)
    return unknown(response.evidence, only_this_one(tried), next_step=then(UNEXPECTED, server.again))


def _broken(response: Response, server: ServerFacts, whole: str, tried: Tried) -> Finding:
    """A status of 500 or more; behind a proxy, it may come from the proxy."""
    direct = tried.first(Change.NO_PROXY)
    if tried.proxy and response.status in GATEWAY and (direct is None or direct.status != response.status):
        return _proxy(response, server, tried)
    asked = f", and asks you {asked}" if (asked := _asked_to_wait(response)) else ""
    return failed(
        f"{whole} on {response.host} is down or broken ({response.status}){asked}",
        line(": ", sanitize(response.message, 120)) if response.message else (),
        next_step=_later(response, f"{FINE}: wait", server.again),
    )


def _asked_to_wait(response: Response) -> str:
    """How long the server asked clients to wait, and what CAVEclient does then (caveclient 8.2 and urllib3 2)."""
    if response.wait is None:
        return ""
    sleeps = response.wait >= 60 and "/auth/" not in response.url
    return f"to wait {duration(response.wait)}" + ("; CAVEclient silently waits that long" if sleeps else "")


def _later(response: Response, advice: str, again: Command) -> NextStep:
    """Advice to wait, for how long if the server said so, and the server's status page."""
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


def _no_data(response: Response, server: ServerFacts, tried: Tried) -> Finding:
    """Status 200 without JSON; no portal of a network sends it if another service of the server responds."""
    if response.form not in (PAGE, TEXT, ""):
        return unknown(response.evidence, next_step=then(UNEXPECTED, server.again))
    said = line(' ("', sanitize(response.opening), '")') if response.opening else ()
    what = line(f"{response.form} instead of data", said) if response.form else "an empty response"
    advice = "wait a while"
    if response.form == PAGE:
        advice = f"open {display_url(response.url)} in a browser to see the whole page, or wait"
    if not reached(tried) and not any(map(is_cave, server.responses)):
        advice = f"sign in to this network's portal, or {advice}"
    return failed(f"{response.host} returned ", what, only_this_one(tried), next_step=then(advice, server.again))


def _proxy(response: Response, server: ServerFacts, tried: Tried) -> Finding:
    """The proxy fails, and without it nothing changes."""
    proxy = tried.proxy or server.machine.proxy_settings.proxy_for(response.url) or "this computer's settings"
    others, known = tried.about(Change.OTHER_SERVER), names_of(reached(tried))
    ask = "ask the IT department of this network"
    if response.failure is Failure.SOCKS:
        install = next_steps.install(server.machine.find_installer(), "requests[socks]")
        return failed(evidence_of(response), next_step=then(install, server.again))
    if response.status == 407 and tried.url and not tried.proxy:
        evidence = line(evidence_of(response), "; no proxy is configured on this computer", only_this_one(tried))
        return failed(evidence, next_step=then(f"{ask} which proxy to use", server.again))
    if response.status == 407 or response.detail == PROXY_LOGIN:
        evidence = line(evidence_of(response), f"; the proxy in {proxy} requires a valid user name and password")
        if not proxy.lower().endswith("_proxy"):
            return failed(evidence, next_step=then("enter yours there", server.again))
        give = line("enter yours: ", variables.with_proxy_password(proxy))
        return failed(evidence, next_step=then(give, server.again))
    if known and response.detail == PROXY_FORBIDS:
        evidence = line(evidence_of(response), f"; it reaches {known}, so it blocks {response.host}")
        return failed(evidence, next_step=then(f"{ask} to allow {response.host} in its proxy", server.again))
    if known:
        evidence = line(
            evidence_of(response),
            f"; the proxy reaches {known}, so either it blocks {response.host}, or that server is down, or "
            "its address is wrong",
        )
        return failed(evidence, next_step=then(f"wait, or {ask} about the proxy", server.again))
    others_too = f"; the proxy does not reach {names_of(others)} either" if others else ""
    without = f"; without the proxy, {response.host} does not respond either" if tried.url else ""
    advice = f"correct {proxy}; {ask} for the address of its proxy"
    if tried.is_proxy_here:
        advice = f"start the program on this computer that provides this proxy (a tunnel or VPN), or correct {proxy}"
    return failed(evidence_of(response), others_too, without, next_step=then(advice, server.again))


def _no_response(response: Response, server: ServerFacts, tried: Tried) -> Finding:
    failure, others = response.failure, tried.about(Change.OTHER_SERVER)
    if failure is Failure.KEY_LOG:
        unset = variables.without_variable("SSLKEYLOGFILE")
        return failed(evidence_of(response), next_step=then(unset, server.again))
    evidence = line(evidence_of(response), only_this_one(tried))
    if response.host != server.host and failure in (Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.NOT_TLS):
        return failed(evidence, next_step=then(not_yours(server), server.again))
    if failure is Failure.UNKNOWN:
        return _not_sent(evidence, server)
    if others and not reached(tried) and failure is not None:
        return _nothing_is_reached(response, server, others)
    advice = _ADVICE.get(failure, "").format(host=response.host) if failure else ""
    if failure in _LOCAL and is_on_this_computer(response.url):
        start = "start" if failure is Failure.REFUSED else "restart"
        advice = f"{start} the program that should respond at {response.host}; if it is a tunnel, check its other end"
    if failure in _TIMEOUTS and server.timeout < LONGER:
        slow = f"{advice}; if it is only slow: " if advice else "give it more time: "
        next_step = advise(slow, next_steps.check(server.target, f"--timeout {LONGER}"))
    elif advice:
        next_step = then(advice, server.again)
    else:
        next_step = advise(_for_help(server))
    return failed(evidence, next_step=next_step) if advice else unknown(evidence, next_step=next_step)


def _not_sent(evidence: Line, server: ServerFacts) -> Finding:
    """An exception of no network: of a mock of requests, a part of requests that was upgraded meanwhile, a bug."""
    change = either("restart the kernel, which undoes what changed requests in it", "look for what changes requests")
    step = advise(f"{change}, then ", server.again, "; if that does not help, ", _for_help(server))
    return unknown(evidence, next_step=step)


def _for_help(server: ServerFacts) -> Line:
    return line("send the output of ", next_steps.check(server.target, "--report"), " to someone who can help")


def _nothing_is_reached(response: Response, server: ServerFacts, others: tuple[Experiment, ...]) -> Finding:
    """Neither this server nor any other that was tried responds."""
    evidence = line(evidence_of(response), "; ", names_of(others), " cannot be reached either")
    if all(one.failure in _OFFLINE for one in (response, *(one.response for one in others))):
        advice = "connect it to a network (Wi-Fi, cable, VPN; on a cluster, use a node with internet access)"
        return failed(evidence, ": this computer seems to be offline", next_step=then(advice, server.again))
    return failed(evidence, next_step=then(_OTHER_NETWORK.format(host=response.host), server.again))


def _network(server: ServerFacts) -> Finding:
    responses = server.responses
    token = server.stored.token
    has_odd_token = token is not None and token.oddity(formats_of(server.address)) is not None
    good = [response for response in responses if is_cave(response) or (has_odd_token and is_malformed(response))]
    if not good and responses:
        return _remembered(failure_finding(responses[0], server, "the server"), responses[0], server)
    if not good:
        return unknown(f"{server.host} was not contacted", next_step=advise(server.again))
    return ok(f"{server.host} responded in {elapsed(max(response.seconds for response in good))}")


def _remembered(finding: Finding, response: Response, server: ServerFacts) -> Finding:
    """Says that an unknown address comes from the datastack map, if it may be wrong."""
    next_step, proxy_works = finding.next_step, bool(server.tried.proxy and reached(server.tried))
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
    if server.is_gated and server.anonymous_identity is not None:
        said = line(server.anonymous_identity.evidence, ", even without a token, so no token can work there now")
        return failed(said, next_step=then(tell_administrators(server.host), server.again))
    if is_cave(response):
        return ok(f"responded in {elapsed(response.seconds)}")
    return failure_finding(response, server, "the auth service")


def _clock(server: ServerFacts) -> Finding | None:
    apart = [one.date - one.at for one in server.responses if one.date is not None]
    off = min(apart, key=abs, default=0.0)  # a response that a proxy kept has an old date
    if abs(off) <= _DAY:
        return None
    said = f"this computer's clock is {duration(abs(off))} {'behind' if off > 0 else 'ahead of'} that of {server.host}"
    return warning(f"{said}, so the times shown here are wrong", next_step=then(SET_CLOCK, server.again))


NETWORK = Check(
    id="network",
    group="network",
    title="network",
    about=ServerFacts,
    look=_network,
    needs=(MAP, REQUESTS),
    quiet=False,
    explains="The server is unreachable, or is not a working CAVE server. The check repeats the request without the "
    "token and changes one thing at a time (proxy, certificates, IPv4 or IPv6, scheme, server); `-v` shows them all.",
    fixed_by="If a change made the request work, the check prints the line for it, such as `%env NO_PROXY=HOST` or "
    '`%env REQUESTS_CA_BUNDLE=FILE`. Otherwise it says what may help, such as `%pip install "requests[socks]"`.',
)
AUTH = Check(
    id="auth",
    group="network",
    title="auth service",
    about=ServerFacts,
    look=_auth,
    needs=(NETWORK, FORM),
    explains="The server responds, but its auth service does not work. The token is not the cause.",
    fixed_by=f"Wait for the server's administrators to fix it; the check may say how long. {NETWORK.fixed_by}",
)
CLOCK = Check(
    id="clock",
    group="network",
    title="clock",
    about=ServerFacts,
    look=_clock,
    explains="The clock of this computer differs by more than a day from those of the servers.",
    fixed_by="Set the clock; on a shared computer, its administrators do.",
)
CHECKS = (NETWORK, AUTH, CLOCK)
