"""Can the server be reached, and is what answers there a CAVE server in good health?"""

from __future__ import annotations

from dataclasses import replace

from ...api.failures import Trouble
from ...api.responses import PAGE, TEXT, Answer, is_cave
from ...api.urls import name_of_host
from ...deployments import KNOWN_SERVERS, local_servers_of
from ...redact import private
from ...ui.durations import duration, moment
from .. import next_steps
from ..evidence import ServerFacts
from ..model import Check, Command, Finding, Remedy, failed, ok, unknown
from .environment import REQUESTS
from .token import FORM, MAP, is_malformed

_OTHER_NETWORK = "try another network (a phone's); if that works, ask the IT of this one to allow {host}"
_ADVICE = {
    Trouble.NAME: "look whether this computer is online and the address is right",
    Trouble.REFUSED: "look whether the address is right; if it is, the server is down: wait",
    Trouble.UNREACHABLE: "look whether this computer is online (VPN, cable, Wi-Fi)",
    Trouble.RESET: _OTHER_NETWORK,
    Trouble.CONNECT_TIMEOUT: _OTHER_NETWORK,
    Trouble.SILENT: "the server may be overloaded or down: wait a while",
    Trouble.SLOW: "the server may be overloaded: wait a while",
    Trouble.TLS: "if your institute inspects traffic, point REQUESTS_CA_BUNDLE at its certificate file",
    Trouble.CERTIFICATE: "look at the clock of this computer, or log in to this network (portal); if both are right, "
    "tell the people of the server",
    Trouble.BROKEN: "wait a while",
}
_OUR_TIME = (Trouble.SILENT, Trouble.SLOW, Trouble.LATE, Trouble.CONNECT_TIMEOUT)
"""What a question ends with when the time for it is over: a server that only is slow looks the same."""

_OF_THE_ADDRESS = (Trouble.NAME, Trouble.REFUSED, Trouble.CONNECT_TIMEOUT, Trouble.CERTIFICATE)
"""What a wrong address can lead to."""

LONGER = 60
"""Seconds in which a slow server has answered, or does not."""

GATEWAY = (502, 503, 504)
"""What a proxy answers in the place of a server that it does not reach."""

NOT_YOURS = "the info service names a wrong address for it, or it is down: tell the people of the server"
FINE = "your token is not the reason"
UNKNOWN_ANSWER = "this check does not know that answer; show it to the people of the server"


def trouble_with(answer: Answer, server: ServerFacts, whole: str) -> Finding:
    """What an answer that is none of CAVE's means.

    Args:
        answer: what came.
        server: whose it is.
        whole: "the server", or the service that alone is in trouble.
    """
    again = next_steps.check(server.target)
    if answer.trouble in (Trouble.PROXY, Trouble.SOCKS) or answer.status == 407:
        return _proxy(answer, server)
    if answer.trouble is not None:
        return _no_answer(answer, server)
    is_theirs = answer.host != server.host
    if answer.location.startswith(f"https://{answer.host}/") and answer.address.startswith("http://"):
        if is_theirs:
            return failed(f"{answer.host} sends one on to https", then(NOT_YOURS, again))
        return _other_scheme("sends one on to https: the address should begin with https://", server, "https")
    if answer.location or answer.status == 511:
        other = "tell the people of the server" if is_theirs else "correct the address"
        return failed(answer.evidence, then(f"log in to this network (VPN, portal) or {other}", again))
    if answer.status == 400 and "HTTPS port" in answer.opening and answer.host == server.host:
        return _other_scheme("speaks https: the address should begin with https://", server, "https")
    if answer.status >= 500:
        return _broken(answer, server, whole)
    if answer.status == 200 and not answer.is_json:
        return _no_data(answer, again)
    if answer.status == 404 and whole == "the server":
        return _not_cave(answer, server)
    if answer.status == 404:
        advice = f"{FINE}: tell the people of the server"
        return failed(f"{whole} is not where it should be on {answer.host} (404)", then(advice, again))
    if answer.status == 429:
        asked = f", and {asked}" if (asked := _asked_to_wait(answer)) else ""
        return failed(f"{answer.host} asks to slow down (429){asked}", _later(answer, "wait a minute or so", again))
    return unknown(answer.evidence, then(UNKNOWN_ANSWER, again))


def _broken(answer: Answer, server: ServerFacts, whole: str) -> Finding:
    """A status of 500 and more; where nobody knows the server and a proxy is on the way, it may be the proxy's."""
    is_sure = not server.proxied or answer.status not in GATEWAY or answer.host != server.host
    other = "" if is_sure or server.address in KNOWN_SERVERS else ", or the proxy that is set here does not find it"
    asked = f", and asks {asked}" if (asked := _asked_to_wait(answer)) else ""
    evidence = f"{whole} on {answer.host} is down or broken ({answer.status}){other}{asked}"
    return failed(evidence, _later(answer, f"{FINE}: wait", next_steps.check(server.target)))


def _asked_to_wait(answer: Answer) -> str:
    """For how long, where the server said so, and what CAVEclient makes of it (caveclient 8.2 and urllib3 2)."""
    if answer.wait is None:
        return ""
    is_slept_through = answer.wait >= 60 and "/auth/" not in answer.address
    quiet = "; CAVEclient sleeps that long without a word" if is_slept_through else ""
    return f"to wait {duration(answer.wait)}{quiet}"


def _later(answer: Answer, advice: str, again: Command) -> Remedy:
    """Advice to wait, and until when, where the server said so."""
    if answer.wait is None:
        return then(advice, again)
    if answer.wait < 60:
        return then(f"wait {duration(answer.wait)}", again)
    return at(answer.at, answer.wait, again)


def at(start: float, seconds: float, again: Command) -> Remedy:
    """The check again, so many seconds after a start."""
    return Remedy(f"try again {moment(start, seconds)}: {again}", (again,))


def _no_data(answer: Answer, again: Command) -> Finding:
    """All is well, says the status, but there is no JSON."""
    if answer.form not in (PAGE, TEXT, ""):
        return unknown(answer.evidence, then(UNKNOWN_ANSWER, again))
    said = f' ("{private(answer.opening)}")' if answer.opening else ""
    what = f"{answer.form}, not with data{said}" if answer.form else "nothing"
    advice = "log in to this network's portal, or wait while the server is under maintenance"
    return failed(f"{answer.host} answered with {what}", then(advice, again))


def _proxy(answer: Answer, server: ServerFacts) -> Finding:
    again, known = next_steps.check(server.target), server.machine.variables
    proxy = known.proxy_for(answer.address) or "the proxy in this computer's settings"
    if answer.trouble is Trouble.SOCKS:
        install = next_steps.pip_install('"requests[socks]"')
        text = f"{install}, restart the kernel, then {again}; if this network needs no proxy, unset {proxy}"
        return failed(_sentence(answer), Remedy(text, (install, again)))
    hosts = ",".join(dict.fromkeys(map(name_of_host, (server.address, *local_servers_of(server.address)))))
    add = next_steps.with_more_hosts if known.has_exceptions else next_steps.with_variable
    command = add(known.no_proxy, hosts)
    text = f"if this network needs no proxy: {command}, then {again}; if it does, correct {proxy}"
    return failed(_sentence(answer), Remedy(text, (command, again)))


def _no_answer(answer: Answer, server: ServerFacts) -> Finding:
    again, trouble = next_steps.check(server.target), answer.trouble
    is_named_by_info = answer.host != server.host
    if is_named_by_info and trouble in (Trouble.NAME, Trouble.REFUSED, Trouble.NOT_TLS):
        return failed(_sentence(answer), then(NOT_YOURS, again))
    if trouble is Trouble.NOT_TLS:
        return _other_scheme(trouble.value, server, "http")
    if trouble is Trouble.BUNDLE or (trouble is Trouble.TLS and server.machine.variables.bundle):
        return failed(_sentence(answer), _certificates(server))
    advice = _ADVICE.get(trouble, "").format(host=answer.host) if trouble else ""
    make = failed if advice else unknown
    if trouble in _OUR_TIME and server.bound < LONGER:
        return make(_sentence(answer), _more_time(advice, server))
    return make(_sentence(answer), then(advice, again) if advice else _ask_for_help(server))


def _certificates(server: ServerFacts) -> Remedy:
    """The file that says whom to trust is no such file, or does not know who vouches for the server."""
    again, variable = next_steps.check(server.target), server.machine.variables.bundle
    if variable:
        command = next_steps.without_variable(variable)
        text = f"correct the file that {variable} names, or go without it: {command}, then {again}"
        return Remedy(text, (command, again))
    command = next_steps.pip_install("--force-reinstall", "certifi")
    return Remedy(f"{command}, restart the kernel, then {again}", (command, again))


def _ask_for_help(server: ServerFacts) -> Remedy:
    report = next_steps.check(server.target, "--report")
    return Remedy(f"send what {report} prints to somebody who can help", (report,))


def _more_time(advice: str, server: ServerFacts) -> Remedy:
    command = next_steps.check(server.target, f"--timeout {LONGER}")
    only = f"{advice}; if it is only slow: " if advice else "give it more time: "
    return Remedy(f"{only}{command}", (command,))


def _other_scheme(problem: str, server: ServerFacts, scheme: str) -> Finding:
    """The address is right but for what stands before the host."""
    command = next_steps.check(server.target.on(f"{scheme}://{server.host}"))
    return failed(f"{server.host} {problem}", Remedy(command, (command,)))


def _not_cave(answer: Answer, server: ServerFacts) -> Finding:
    known = "known ones: " + ", ".join(KNOWN_SERVERS)
    again = next_steps.check(server.target.on(KNOWN_SERVERS[0]))
    remedy = Remedy(f"correct the address, such as {again} ({known})", (again,))
    return failed(f"{answer.host} is not a CAVE server (404)", remedy)


def _sentence(answer: Answer) -> str:
    if answer.trouble not in (Trouble.SILENT, Trouble.SLOW) or answer.seconds < 1:
        return answer.evidence
    return f"{answer.evidence} within {answer.seconds:.{1 if answer.seconds < 10 else 0}f} s"


def then(advice: str, again: Command) -> Remedy:
    """Advice, and the check again."""
    return Remedy(f"{advice}, then {again}", (again,))


def _network(server: ServerFacts) -> Finding:
    answers = server.answers
    has_odd_token = server.stored.token is not None and server.stored.token.oddity is not None
    good = [answer for answer in answers if is_cave(answer) or (has_odd_token and is_malformed(answer))]
    if not good and answers:
        return _remembered(_no_server(answers[0], server), answers[0], server)
    if not good:
        again = next_steps.check(server.target)
        return unknown(f"{server.host} was not asked", Remedy(again, (again,)))
    return ok(f"{server.host} answered in {max(answer.seconds for answer in good):.1f} s")


def _no_server(answer: Answer, server: ServerFacts) -> Finding:
    """What a server's first answer means that is none of CAVE's, or that of a proxy in its place."""
    other, again = server.compared, next_steps.check(server.target)
    if other is not None and is_cave(other):
        evidence = f"{answer.evidence}; the proxy reaches {other.host}, so {server.host} is down, or is a wrong address"
        return failed(evidence, then("wait, if the address is right", again))
    if other is not None and (other.status, other.trouble) == (answer.status, answer.trouble):
        evidence = f"{answer.evidence}, and {other.host} too: the proxy reaches neither"
        return replace(_proxy(answer, server), evidence=evidence)
    return trouble_with(answer, server, "the server")


def _remembered(finding: Finding, answer: Answer, server: ServerFacts) -> Finding:
    """Says where the address is from that may be wrong: nobody typed it, and no table of ours has it."""
    file, remedy, is_known = server.machine.map_file, finding.remedy, server.address in KNOWN_SERVERS
    is_elsewhere = server.compared is not None and is_cave(server.compared)
    is_doubtful = is_elsewhere or answer.trouble in _OF_THE_ADDRESS or answer.status in (200, 404)
    if file is None or remedy is None or is_known or not is_doubtful or server.target.named_by != "map":
        return finding
    text = remedy.text
    if "--server" not in text:
        text += "; if the address is wrong, name the right one with --server"
    evidence = f"{finding.evidence} (address from {file.path.name})"
    return replace(finding, evidence=evidence, remedy=replace(remedy, text=text))


def _auth(server: ServerFacts) -> Finding | None:
    answer = server.identity or server.bare
    if answer is None:
        return None
    if is_cave(answer):
        return ok(f"answered in {answer.seconds:.1f} s")
    return trouble_with(answer, server, "the auth service")


NETWORK = Check(
    "network",
    "network",
    "network",
    ServerFacts,
    _network,
    (MAP, REQUESTS),
    explains="The server cannot be reached, or what answers at the address is not a working CAVE server.",
    mends="As the check says: log in to the network, correct the address or the proxy (`%env NO_PROXY=HOST`, "
    '`%pip install "requests[socks]"`), name a certificate, or wait.',
)
AUTH = Check(
    "auth",
    "network",
    "auth service",
    ServerFacts,
    _auth,
    (NETWORK, FORM),
    quiet=True,
    explains="The server answers, but its auth service is in trouble. The token is not the reason.",
    mends="Wait, until the time that the check prints if it knows one; the people of the server mend it.",
)
CHECKS = (NETWORK, AUTH)
