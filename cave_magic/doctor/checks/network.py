"""Is the server reachable, and is it a working CAVE server?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ...api.failures import PROXY_FORBIDS, PROXY_LOGIN, UNTRUSTED, Failure
from ...api.responses import GATEWAY, PAGE, TEXT, Response, is_cave
from ...api.urls import display_page, is_on_this_computer
from ...deployments import KNOWN_SERVERS, formats_of, is_known_host, status_page_of
from ...ui.document import Span, line
from ...ui.door import either
from ...ui.durations import duration, elapsed, moment
from ...ui.redact import sanitize
from .. import next_steps, variables
from ..evidence import ServerFacts
from ..experiments.model import Change, Experiment, Tried
from ..model import Check, Command, Finding, NextStep, Status, advise, failed, ok, then, warning
from . import causes
from .causes import LONGER, FailedRequest, names_of, only_this_one, reached, tell_administrators
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
    Failure.UNREADABLE: "tell the administrators of {host}",
}
"""What to do if nothing that was tried changes the outcome."""

_OFFLINE = (Failure.NAME_NOT_FOUND, Failure.UNREACHABLE)
"""Failures that every request has on a computer without a network."""

_LOCAL = (Failure.REFUSED, Failure.RESET, Failure.CONNECT_TIMEOUT)
"""Failures that, on this computer, come from the program at the address, not from a network."""

_OF_WRONG_PORTS = (Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.NOT_TLS, Failure.NOT_HTTP)
"""Failures for which the address of a data server is wrong, which users cannot change, or it is down. That of a known
one is right."""

_OF_FIREWALLS = (401, 403, 451)
"""What a firewall in front of a server returns, too, with a page of its own."""

_STANDARD = r"(?i)\A\s*(bad gateway|internal server error|service (temporarily )?unavailable|gateway time-?out)"
"""How the pages begin that web servers and Flask have for 500 and more, which say nothing else."""

_DAY = 86_400.0
_TIMEOUTS = (Failure.NO_RESPONSE, Failure.TOO_SLOW, Failure.NOT_CONTACTED, Failure.CONNECT_TIMEOUT)
"""Failures that a longer timeout may avoid: a slow server looks the same as one that is down."""

_WRONG_ADDRESS = (Failure.NAME_NOT_FOUND, Failure.REFUSED, Failure.CONNECT_TIMEOUT, Failure.CERTIFICATE)
"""Failures that a wrong address can cause."""

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
    request = FailedRequest(response=response, server=server, whole=whole, tried=tried)
    finding = causes.what_changed(request, works) or _unchanged(request)
    return replace(finding, tried=causes.what_was_tried(tried, works))


def _unchanged(request: FailedRequest) -> Finding:
    """What a response means if nothing that was tried changes it, or nothing was tried."""
    response = request.response
    if finding := _portal(request) or _misled(request):
        return finding
    if response.failure in (Failure.PROXY, Failure.SOCKS) or response.status == 407:
        return _proxy(request)
    if response.failure in UNTRUSTED:
        return untrusted(request)
    if response.failure is not None:
        return _no_response(request, response.failure)
    return _replaced(request) or _strange(request)


def _portal(request: FailedRequest) -> Finding | None:
    """This network, or the proxy, responds in place of every server.

    Some name servers only lead unknown names to a page of their own; then other servers can be reached.
    """
    nowhere, proxy = request.tried.first(Change.NO_SERVER), request.tried.proxy
    responds = nowhere is not None and nowhere.failure is None and (nowhere.status < 400 or nowhere.status == 511)
    if not responds or reached(request.tried):
        return None
    exists = "even a host that does not exist responds"
    if not proxy:
        known = f"{exists}: this network responds in place of every server"
        return request.finding(known, advice="sign in to this network: open any page in a browser")
    if PAC in request.response.opening:
        evidence = line(f"{proxy} names a script that chooses a proxy, not a proxy: ", request.evidence)
        return failed(evidence, next_step=then(f"set {proxy} to the proxy that the script names", request.server.again))
    known = f"{exists}: the proxy in {proxy} responds in place of every server"
    return request.finding(known, advice=f"sign in to that proxy, or correct {proxy}")


def _misled(request: FailedRequest) -> Finding | None:
    """This computer has a wrong address for the host: from the hosts file, or a private one of a public server."""
    host, tried, is_public = request.host, request.tried, request.server.address in KNOWN_SERVERS
    if tried.hosts_file and (is_public or request.response.failure is not None):
        known = f"{tried.hosts_file} maps {host} to {tried.private_address or 'an address that did not come from DNS'}"
        advice = f"correct or remove the line for {host} in {tried.hosts_file} (an administrator can)"
        return request.finding(known, advice=advice)
    if tried.private_address and is_public:
        known = f"this network resolves it to {tried.private_address}, which is not a public address"
        return request.finding(known, advice=_OTHER_NETWORK.format(host=host))
    return None


def _replaced(request: FailedRequest) -> Finding | None:
    """Several servers, which have nothing in common, respond in the same strange way: something on the way, such as a
    filter or the sign-in page of a network, responds in their place."""
    url, status, others = request.response.url, request.response.status, request.tried.about(Change.OTHER_SERVER)
    found = [one.response for one in others]
    same = (one.failure is None and one.status == status and not is_cave(one) for one in found)
    if len(found) < 2 or request.tried.proxy or not all(same):
        return None
    known = f"{names_of(others)} return {status}, too: something on this network seems to respond in their place"
    look = f"open {display_page(url, url)} in a browser, and sign in to this network if it asks for that; otherwise "
    return request.finding(known, advice=look + _OTHER_NETWORK.format(host=request.host))


def _strange(request: FailedRequest) -> Finding:
    """A response that is not from a working CAVE service."""
    response, server, whole = request.response, request.server, request.whole
    if response.location or response.status == 511:
        responds = response.host == server.host and any(map(is_cave, server.responses))  # its other services
        is_right = responds or response.host != server.host or is_known_host(server.host)
        advice = tell_administrators(server.host) if is_right else "correct the address"
        if not reached(request.tried) and not responds:
            advice = f"sign in to this network (VPN, portal) or {advice}"
        return request.finding(only_this_one(request.tried), advice=advice)
    if response.status >= 500:
        return _broken(request)
    if response.status == 200 and not response.is_json:
        return _no_data(request)
    if response.status == 404 and whole == "the server" and not is_known_host(response.host):
        known = f" (known ones: {', '.join(KNOWN_SERVERS)})"
        check = next_steps.check(server.target.on(KNOWN_SERVERS[0]))
        step = advise("correct the address, such as ", check, known)
        return failed(f"{response.host} is not a CAVE server (404)", next_step=step)
    if response.status == 404:
        step = then(f"{FINE}: {tell_administrators(server.host)}", server.again)
        if whole == "the server":
            return failed(f"{response.host} has no CAVE services at the moment (404)", next_step=step)
        return failed(f"{whole} is not where it should be on {response.host} (404)", next_step=step)
    if response.status == 429:
        asked = f", and {asked}" if (asked := _asked_to_wait(response)) else ""
        step = _later(response, "wait a minute or so", server.again)
        return failed(f"{response.host} asks you to slow down (429){asked}", next_step=step)
    advice = causes.another_network(response.host) if response.status in _OF_FIREWALLS else UNEXPECTED
    return request.finding(only_this_one(request.tried), advice=advice, status=Status.UNKNOWN)


def _broken(request: FailedRequest) -> Finding:
    """A status of 500 or more; behind a proxy, it may come from the proxy."""
    response, direct = request.response, request.tried.first(Change.NO_PROXY)
    if request.tried.proxy and response.status in GATEWAY and (direct is None or direct.status != response.status):
        return _proxy(request)
    asked = f", and asks you {asked}" if (asked := _asked_to_wait(response)) else ""
    words = response.message or ("" if response.words.matches(_STANDARD) else response.words)
    return failed(
        f"{request.whole} on {response.host} is down or broken ({response.status}){asked}",
        line(": ", sanitize(words, 120)) if words else (),
        next_step=_later(response, f"{FINE}: wait", request.server.again),
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


def _no_data(request: FailedRequest) -> Finding:
    """Status 200 without JSON; no portal of a network sends it if another service of the server responds."""
    response = request.response
    if response.form not in (PAGE, TEXT, ""):
        return request.finding(advice=UNEXPECTED, status=Status.UNKNOWN)
    said = line(' ("', sanitize(response.opening), '")') if response.opening else ()
    what = line(f"{response.form} instead of data", said) if response.form else "an empty response"
    advice = f"wait a while; if that does not help, {tell_administrators(request.server.host)}"
    if response.form == PAGE:
        advice = f"open {display_page(response.url, response.url)} in a browser to see the whole page, or wait"
    if not reached(request.tried) and not any(map(is_cave, request.server.responses)):
        advice = f"sign in to this network's portal, or {advice}"
    only = only_this_one(request.tried)
    step = then(advice, request.server.again)
    return failed(f"{response.host} returned ", what, f"; {only}" if only else "", next_step=step)


def _proxy(request: FailedRequest) -> Finding:
    """The proxy fails, and without it nothing changes."""
    response, server, tried = request.response, request.server, request.tried
    proxy = tried.proxy or server.machine.proxy_settings.proxy_for(response.url) or "this computer's settings"
    others, reachable = tried.about(Change.OTHER_SERVER), names_of(reached(tried))
    ask = "ask the IT department of this network"
    if response.failure is Failure.SOCKS:
        return request.finding(advice=next_steps.install(server.machine.find_installer(), "requests[socks]"))
    if response.status == 407 and tried.url and not tried.proxy:
        known = "no proxy is configured on this computer"
        return request.finding(known, only_this_one(tried), advice=f"{ask} which proxy to use")
    if response.status == 407 or response.detail == PROXY_LOGIN:
        is_variable = proxy.lower().endswith("_proxy")
        give = line("enter yours: ", variables.with_proxy_password(proxy)) if is_variable else "enter yours there"
        return request.finding(f"the proxy in {proxy} requires a valid user name and password", advice=give)
    if reachable and response.detail == PROXY_FORBIDS:
        known = f"it reaches {reachable}, so it blocks {response.host}"
        return request.finding(known, advice=f"{ask} to allow {response.host} in its proxy")
    if reachable:
        either_or = f"either it blocks {response.host}, or that server is down, or its address is wrong"
        known = f"the proxy reaches {reachable}, so {either_or}"
        return request.finding(known, advice=f"wait, or {ask} about the proxy")
    others_too = f"the proxy does not reach {names_of(others)} either" if others else ""
    without = f"without the proxy, {response.host} does not respond either" if tried.url else ""
    advice = f"correct {proxy}; {ask} for the address of its proxy"
    if tried.is_proxy_here:
        advice = f"start the program on this computer that provides this proxy (a tunnel or VPN), or correct {proxy}"
    return request.finding(others_too, without, advice=advice)


def _no_response(request: FailedRequest, failure: Failure) -> Finding:
    response, server, tried = request.response, request.server, request.tried
    others, only = tried.about(Change.OTHER_SERVER), only_this_one(tried)
    if failure is Failure.KEY_LOG:
        return request.finding(advice=variables.without_variable("SSLKEYLOGFILE"))
    if failure in _OF_WRONG_PORTS and is_known_host(response.host) and (reached(tried) or response.host != server.host):
        return request.finding(only, advice=causes.another_network(response.host))
    if failure in _OF_WRONG_PORTS and response.host != server.host:
        return request.finding(only, advice=causes.not_yours(server))
    for_help = line("send the output of ", next_steps.check(server.target, "--report"), " to someone who can help")
    if failure is Failure.UNKNOWN:  # of no network: of a mock of requests, an upgrade of a part of it meanwhile, a bug
        change = either(
            "restart the kernel, which undoes what changed requests in it", "look for what changes requests"
        )
        step = advise(f"{change}, then ", server.again, "; if that does not help, ", for_help)
        return request.finding(only, advice=step, status=Status.UNKNOWN)
    if failure is Failure.SYSTEM:  # whatever server it is
        return request.finding(only, advice=advise(for_help), status=Status.UNKNOWN)
    is_here = failure in _LOCAL and is_on_this_computer(response.url)
    if others and not reached(tried) and not is_here:
        return _nothing_is_reached(request, others)
    advice = _ADVICE.get(failure, "").format(host=response.host)
    if is_here:
        start = "start" if failure is Failure.REFUSED else "restart"
        advice = f"{start} the program that should respond at {response.host}; if it is a tunnel, check its other end"
    if failure in _TIMEOUTS and server.timeout < LONGER:
        slow = f"{advice}; if it is only slow: " if advice else "give it more time: "
        next_step = advise(slow, next_steps.check(server.target, f"--timeout {LONGER}"))
    else:
        next_step = then(advice, server.again) if advice else advise(for_help)
    return request.finding(only, advice=next_step, status=Status.FAILED if advice else Status.UNKNOWN)


def _nothing_is_reached(request: FailedRequest, others: tuple[Experiment, ...]) -> Finding:
    """Neither this server nor any other that was tried responds."""
    known = f"{names_of(others)} cannot be reached either"
    if all(one.failure in _OFFLINE for one in (request.response, *(one.response for one in others))):
        advice = "connect it to a network (Wi-Fi, cable, VPN; on a cluster, use a node with internet access)"
        return request.finding(f"{known}: this computer seems to be offline", advice=advice)
    return request.finding(known, advice=_OTHER_NETWORK.format(host=request.host))


def _network(server: ServerFacts) -> Finding:
    responses = server.responses
    token = server.stored.token
    has_odd_token = token is not None and token.oddity(formats_of(server.address)) is not None
    good = [response for response in responses if is_cave(response) or (has_odd_token and is_malformed(response))]
    if not good:
        return _remembered(failure_finding(responses[0], server, "the server"), responses[0], server)
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


def _auth(server: ServerFacts) -> Finding:
    response = server.auth
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
    return warning(f"{said}, so the times shown here are wrong", next_step=then(causes.SET_CLOCK, server.again))


_check = partial(Check, group="network", about=ServerFacts)

NETWORK = _check(
    id="network",
    title="network",
    look=_network,
    needs=(MAP, REQUESTS),
    quiet=False,
    explains="The server is unreachable, or is not a working CAVE server. The check repeats the request without the "
    "token and changes one thing at a time (proxy, certificates, IPv4 or IPv6, scheme, server); -v shows them all.",
    fixed_by="If a change made the request work, the check prints the line for it, such as {without_proxy} or "
    "{with_certificates}. Otherwise it says what may help, such as {socks}.",
)
AUTH = _check(
    id="auth",
    title="auth service",
    look=_auth,
    needs=(NETWORK, FORM),
    explains="The server responds, but its auth service does not work. The token is not the cause.",
    fixed_by=f"Wait for the server's administrators to fix it; the check may say how long. {NETWORK.fixed_by}",
)
CLOCK = _check(
    id="clock",
    title="clock",
    look=_clock,
    explains="The clock of this computer differs by more than a day from those of the servers.",
    fixed_by="Set the clock; on a shared computer, its administrators do.",
)
CHECKS = (NETWORK, AUTH, CLOCK)
