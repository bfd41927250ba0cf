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
from ...ui.document import Line, line
from ...ui.door import either, in_shell
from .. import next_steps, variables
from ..evidence import ServerFacts
from ..experiments.model import Change, Experiment, Tried
from ..model import Command, Finding, NextStep, advise, failed, then

SET_CLOCK = "set the clock of this computer, or ask its administrators to set it"
"""Advice if the clock of this computer is wrong."""


def tell_administrators(host: str) -> str:
    """Advice if only they can fix it."""
    contact = contact_of(host)
    return f"tell the administrators of {host}" + (f" ({contact})" if contact else "")


def another_network(host: str) -> str:
    """Advice if a token is lost on the way to a host."""
    return f"try another network; if it fails there, too, {tell_administrators(host)}"


def not_yours(server: ServerFacts) -> str:
    """Advice if a data server does not work: its address comes from the info service."""
    return f"the info service has the wrong address for it, or it is down: {tell_administrators(server.host)}"


def evidence_of(response: Response) -> Line:
    """The response in one line, with the time it took if that matters."""
    if response.failure not in (Failure.NO_RESPONSE, Failure.TOO_SLOW) or response.seconds < 1:
        return response.evidence
    return line(response.evidence, f" within {response.seconds:.{1 if response.seconds < 10 else 0}f} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An experiment that changed the outcome, with what is needed to describe it.

    Attributes:
        experiment: the experiment.
        response: the response that failed.
        server: the facts about its server.
        tried: all experiments on the request.
    """

    experiment: Experiment
    response: Response
    server: ServerFacts
    tried: Tried


def what_changed(
    response: Response, server: ServerFacts, tried: Tried, works: Callable[[Response], bool]
) -> Finding | None:
    """The cause of a response that failed, if an experiment changed the outcome."""
    decisive = tried.decisive(works) if tried.url == response.url else None
    if decisive is None:
        return None
    case = Case(experiment=decisive, response=response, server=server, tried=tried)
    outcome, next_step = _CAUSES[decisive.change](case)
    return failed(evidence_of(response), "; ", outcome, next_step=next_step)


def _again(case: Case) -> tuple[str, NextStep]:
    tell = tell_administrators(case.response.host)
    step = advise("wait a minute, then ", case.server.again, f"; if it fails every time, {tell}")
    return "a moment later, without the token, it responded normally", step


def _proxy_spelling(case: Case) -> tuple[str, NextStep]:
    variable = case.tried.proxy
    if case.experiment.source == "password":
        outcome = "the proxy works once the special characters in the password are encoded"
        return outcome, _corrected(case, variables.with_proxy_password(variable))
    outcome = "the proxy works without the extra or missing characters in its address"
    return outcome, _corrected(case, variables.with_scheme(variable, "http"))


def _proxy_scheme(case: Case) -> tuple[str, NextStep]:
    scheme = case.experiment.source
    outcome = f"the proxy works if its address begins with {scheme}://"
    return outcome, _corrected(case, variables.with_scheme(case.tried.proxy, scheme))


def _corrected(case: Case, command: Command) -> NextStep:
    """Corrects the variable that names the proxy; no line can change other settings."""
    if case.tried.proxy.lower().endswith("_proxy"):
        return then(line(f"correct {case.tried.proxy}: ", command), case.server.again)
    return then(f"correct the address of the proxy in {case.tried.proxy}", case.server.again)


def _other_proxy(case: Case) -> tuple[str, NextStep]:
    good, bad = case.experiment.source, case.tried.proxy
    variable = f"{'https' if case.response.url.startswith('https') else 'http'}_proxy"
    outcome = f"the proxy in {good} reaches it" + (f", not the one in {bad}" if bad else "")
    return outcome, then(line("use that one: ", variables.copy_variable(good, variable)), case.server.again)


def _no_exception(case: Case) -> tuple[str, NextStep]:
    entries, variable = case.experiment.source, case.server.machine.proxy_settings.no_proxy
    command = variables.with_fewer_hosts(variable, entries.split(","))
    outcome = f"the proxy reaches it, but {variable} says not to use it ({entries})"
    return outcome, then(command, case.server.again)


def _netrc(case: Case) -> tuple[str, NextStep]:
    return without_netrc(case.server, case.experiment.source, name_of_host(case.response.url))


def without_netrc(server: ServerFacts, path: str, host: str) -> tuple[str, NextStep]:
    """What a password in a `.netrc` file does, and how to stop it."""
    command = variables.with_variable("NETRC", os.devnull)
    file = path if path.startswith("~/") else "the file that NETRC names"
    here = either("in this kernel", "in this shell")
    advice = line(f'remove the entry for {host} (or "default") from {file}, or {here}: ', command)
    return f"{file} has a password for {host}, which is sent instead of the token", then(advice, server.again)


def _no_bundle(case: Case) -> tuple[str, NextStep]:
    names = case.experiment.source.split(" and ")
    command = variables.without_variable(*names)
    return f"without {case.experiment.source} it is trusted", then(command, case.server.again)


def _other_bundle(case: Case) -> tuple[str, NextStep]:
    source, variable = case.experiment.source, "REQUESTS_CA_BUNDLE"
    is_variable = source.isupper()
    command = variables.copy_variable(source, variable) if is_variable else variables.with_variable(variable, source)
    named = f"the certificates that {source} names" if is_variable else f"the certificates in {show_path(Path(source))}"
    return f"with {named} it is trusted", then(command, case.server.again)


def _no_proxy(case: Case) -> tuple[str, NextStep]:
    return "without the proxy it responds", past_proxy(case.response, case.server, case.tried.proxy)


def past_proxy(response: Response, server: ServerFacts, proxy: str) -> NextStep:
    """Leaves out the proxy for the host of a response; for a server, also for its data servers."""
    known, is_data_server = server.machine.proxy_settings, response.host != server.host
    hosts = [response.url] if is_data_server else [server.address, *local_servers_of(server.address)]
    names = ",".join(dict.fromkeys(map(name_of_host, hosts)))
    add = variables.with_more_hosts if known.has_exceptions else variables.with_variable
    return advise(add(known.no_proxy, names), ", then ", server.again, f"; or correct {proxy}")


def _family(case: Case) -> tuple[str, NextStep]:
    good = case.experiment.source
    bad = "IPv6" if good == "IPv4" else "IPv4"
    then_again = line(", then ", case.server.again) if not in_shell() else line(" opens a Python that uses it")
    tell = f"; tell the IT department of this network, or {tell_administrators(case.response.host)}"
    step = advise(next_steps.with_family(good), then_again, tell)
    return f"over {good} it responds: the connection over {bad} does not work", step


def _other_address(case: Case) -> tuple[str, NextStep]:
    host = case.response.host
    outcome = f"{host} has several addresses: it responds at the second, but not at the first"
    return outcome, then(tell_administrators(host), case.server.again)


def _scheme(case: Case) -> tuple[str, NextStep]:
    scheme = case.experiment.source
    if case.response.host != case.server.host:  # a data server, whose address the info service has
        return f"with {scheme}:// it responds", then(not_yours(case.server), case.server.again)
    command = next_steps.check(case.server.target.on(f"{scheme}://{case.server.host}"))
    return f"it responds if its address begins with {scheme}://", advise(command)


_CAUSES: dict[Change, Callable[[Case], tuple[str, NextStep]]] = {
    Change.AGAIN: _again,
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


def only_this_one(tried: Tried) -> Line:
    """Words for the evidence if other servers are reached."""
    others = reached(tried)
    verb = "responds" if len(others) == 1 else "respond"
    return line(f"; {names_of(others)} {verb}, so only this server is affected") if others else ()
