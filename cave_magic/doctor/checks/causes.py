"""What changed the outcome of a request that failed: the setting that is the cause, and the line that changes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...api.failures import Failure
from ...api.responses import Response, is_cave
from ...api.urls import name_of_host
from ...credentials.token_files import show_path
from ...deployments import contact_of, local_servers_of
from ...ui.document import Line, joined, line
from ...ui.door import either, in_shell
from .. import next_steps, variables
from ..evidence import ServerFacts
from ..experiments.model import Change, Experiment, Tried
from ..model import Command, Finding, NextStep, Status, advise, then

LONGER = 60
"""A timeout in seconds that is long enough even for a slow server."""

SET_CLOCK = "set the clock of this computer, or ask its administrators to set it"
"""Advice if the clock of this computer is wrong."""


def tell_administrators(host: str) -> str:
    """Advice if only they can fix it."""
    contact = contact_of(host)
    return f"tell the administrators of {host}" + (f" ({contact})" if contact else "")


def another_network(host: str) -> str:
    """Advice if something on the way to a host may be at fault, such as a firewall or what removes the token."""
    return f"try another network; if it fails there, too, {tell_administrators(host)}"


def undo() -> str:
    """Advice if code of this process changes requests."""
    return either("restart the kernel without that", "leave that out")


def not_yours(server: ServerFacts) -> str:
    """Advice if a data server does not work: its address comes from the info service."""
    return f"the info service has the wrong address for it, or it is down: {tell_administrators(server.host)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRequest:
    """A request that failed, with what is needed to explain it.

    Attributes:
        response: what came back.
        server: the facts about its server.
        whole: "the server", or the name of its only service that does not work.
        tried: the experiments on the request.
    """

    response: Response
    server: ServerFacts
    whole: str
    tried: Tried

    @property
    def host(self) -> str:
        """The host that was asked."""
        return self.response.host

    @property
    def evidence(self) -> Line:
        """The response in one line, with the time it took if that matters."""
        response = self.response
        if response.failure not in (Failure.NO_RESPONSE, Failure.TOO_SLOW) or response.seconds < 1:
            return response.evidence
        return line(response.evidence, f" within {response.seconds:.{1 if response.seconds < 10 else 0}f} s")

    def finding(
        self, *known: str | Line, advice: str | Line | Command | NextStep, status: Status = Status.FAILED
    ) -> Finding:
        """The response, what is known about it, and what to do; a `NextStep` is complete, the check follows others."""
        step = advice if isinstance(advice, NextStep) else then(advice, self.server.again)
        evidence = joined("; ", (self.evidence, *(one for one in known if one)))
        return Finding(status=status, evidence=evidence, next_step=step)


def what_changed(request: FailedRequest, works: Callable[[Response], bool]) -> Finding | None:
    """The cause of a request that failed, if an experiment changed the outcome: the preferred one that did."""
    made = request.tried.experiments if request.tried.url == request.response.url else ()
    decisive = next((one for one in made if one.change in CAUSES and works(one.response)), None)
    return CAUSES[decisive.change](request, decisive.source) if decisive else None


def _again(request: FailedRequest, source: str) -> Finding:
    tell = tell_administrators(request.host)
    step = then("wait a minute", request.server.again)
    if request.response.failure in (Failure.NO_RESPONSE, Failure.TOO_SLOW) and request.server.timeout < LONGER:
        step = advise("give it more time: ", next_steps.check(request.server.target, f"--timeout {LONGER}"))
    step = advise(step.line, f"; if it fails every time, {tell}")
    return request.finding("a moment later, without the token, it responded normally", advice=step)


def _as_installed(request: FailedRequest, source: str) -> Finding:
    return request.finding(f"without what {source} changed in requests, it responds", advice=undo())


def _proxy_spelling(request: FailedRequest, source: str) -> Finding:
    variable = request.tried.proxy
    if source == "password":
        known = "the proxy works once the special characters in the password are encoded"
        return _correct_proxy(request, known, variables.with_proxy_password(variable))
    known = "the proxy works without the extra or missing characters in its address"
    return _correct_proxy(request, known, variables.with_scheme(variable, "http"))


def _proxy_scheme(request: FailedRequest, scheme: str) -> Finding:
    command = variables.with_scheme(request.tried.proxy, scheme)
    return _correct_proxy(request, f"the proxy works if its address begins with {scheme}://", command)


def _correct_proxy(request: FailedRequest, known: str, command: Command) -> Finding:
    """Corrects the variable that names the proxy; no line can change other settings."""
    proxy = request.tried.proxy
    if proxy.lower().endswith("_proxy"):
        return request.finding(known, advice=line(f"correct {proxy}: ", command))
    return request.finding(known, advice=f"correct the address of the proxy in {proxy}")


def _other_proxy(request: FailedRequest, good: str) -> Finding:
    variable = f"{'https' if request.response.url.startswith('https') else 'http'}_proxy"
    not_this = f", not the one in {request.tried.proxy}" if request.tried.proxy else ""
    use = line("use that one: ", variables.copy_variable(good, variable))
    return request.finding(f"the proxy in {good} reaches it{not_this}", advice=use)


def _no_exception(request: FailedRequest, entries: str) -> Finding:
    variable = request.server.machine.proxy_settings.no_proxy
    command = variables.with_fewer_hosts(variable, entries.split(","))
    return request.finding(f"the proxy reaches it, but {variable} says not to use it ({entries})", advice=command)


def _netrc(request: FailedRequest, path: str) -> Finding:
    known, advice = without_netrc(path, name_of_host(request.response.url))
    return request.finding(known, advice=advice)


def without_netrc(path: str, host: str) -> tuple[str, Line]:
    """What a password in a `.netrc` file does, and how to stop it."""
    command = variables.with_variable("NETRC", os.devnull)
    file = path if path.startswith("~/") else "the file that NETRC names"
    here = either("in this kernel", "in this shell")
    advice = line(f'remove the entry for {host} (or "default") from {file}, or {here}: ', command)
    return f"{file} has a password for {host}, which is sent instead of the token", advice


def _no_bundle(request: FailedRequest, names: str) -> Finding:
    return request.finding(f"without {names} it is trusted", advice=variables.without_variable(*names.split(" and ")))


def _other_bundle(request: FailedRequest, source: str) -> Finding:
    variable = "REQUESTS_CA_BUNDLE"
    if source.isupper():
        known = f"with the certificates that {source} names it is trusted"
        return request.finding(known, advice=variables.copy_variable(source, variable))
    known = f"with the certificates in {show_path(Path(source))} it is trusted"
    return request.finding(known, advice=variables.with_variable(variable, source))


def _no_proxy(request: FailedRequest, source: str) -> Finding:
    step = past_proxy(request.response, request.server, request.tried.proxy)
    return request.finding("without the proxy it responds", advice=step)


def past_proxy(response: Response, server: ServerFacts, proxy: str) -> NextStep:
    """Leaves out the proxy for the host of a response; for a server, also for its data servers."""
    known, is_data_server = server.machine.proxy_settings, response.host != server.host
    hosts = [response.url] if is_data_server else [server.address, *local_servers_of(server.address)]
    names = ",".join(dict.fromkeys(map(name_of_host, hosts)))
    add = variables.with_more_hosts if known.has_exceptions else variables.with_variable
    return advise(add(known.no_proxy, names), ", then ", server.again, f"; or correct {proxy}")


def _family(request: FailedRequest, good: str) -> Finding:
    bad = "IPv6" if good == "IPv4" else "IPv4"
    then_again = line(", then ", request.server.again) if not in_shell() else line(" opens a Python that uses it")
    tell = f"; tell the IT department of this network, or {tell_administrators(request.host)}"
    step = advise(next_steps.with_family(good), then_again, tell)
    return request.finding(f"over {good} it responds: the connection over {bad} does not work", advice=step)


def _other_address(request: FailedRequest, source: str) -> Finding:
    host = request.host
    known = f"{host} has several addresses: it responds at the second, but not at the first"
    return request.finding(known, advice=tell_administrators(host))


def _scheme(request: FailedRequest, scheme: str) -> Finding:
    server = request.server
    if request.host != server.host:  # a data server, whose address the info service has
        return request.finding(f"with {scheme}:// it responds", advice=not_yours(server))
    command = next_steps.check(server.target.on(f"{scheme}://{server.host}"))
    return request.finding(f"it responds if its address begins with {scheme}://", advice=advise(command))


CAUSES: dict[Change, Callable[[FailedRequest, str], Finding]] = {
    Change.AGAIN: _again,
    Change.AS_INSTALLED: _as_installed,
    Change.PROXY_SPELLING: _proxy_spelling,
    Change.PROXY_SCHEME: _proxy_scheme,
    Change.OTHER_PROXY: _other_proxy,
    Change.NO_EXCEPTION: _no_exception,
    Change.NETRC: _netrc,
    Change.NO_BUNDLE: _no_bundle,
    Change.OTHER_BUNDLE: _other_bundle,
    Change.NO_PROXY: _no_proxy,
    Change.FAMILY: _family,
    Change.OTHER_ADDRESS: _other_address,
    Change.SCHEME: _scheme,
}
"""What the success of an experiment means. Other changes alter the request itself, so they show no cause."""


def what_was_tried(tried: Tried, works: Callable[[Response], bool]) -> tuple[Line, ...]:
    """Each experiment and its outcome, for `-v` and JSON."""
    outcomes = ((one, "works" if works(one.response) else one.response.evidence) for one in tried.experiments)
    return tuple(line(f"{one.words}: ", outcome) for one, outcome in outcomes)


def names_of(experiments: tuple[Experiment, ...]) -> str:
    """The hosts that were compared: "a", or "a and b"."""
    return " and ".join(one.source for one in experiments)


def reached(tried: Tried) -> tuple[Experiment, ...]:
    """The other CAVE servers that responded as they should."""
    return tuple(one for one in tried.about(Change.OTHER_SERVER) if is_cave(one.response))


def only_this_one(tried: Tried) -> str:
    """Words for the evidence if other servers are reached."""
    others = reached(tried)
    verb = "responds" if len(others) == 1 else "respond"
    return f"{names_of(others)} {verb}, so only this server is affected" if others else ""
