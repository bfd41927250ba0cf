"""May this account read the datastack, and if not, why not?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from difflib import get_close_matches

from ...api.responses import (
    MEMORY_SECONDS,
    Account,
    Response,
    Terms,
    dataset_in,
    is_cave,
    lacks_datastack,
    local_server_in,
    names_in,
    terms_in,
)
from ...api.urls import host_of
from ...credentials.target import siblings
from ...credentials.token_files import show_path
from ...deployments import KNOWN_DATASTACKS, deployment_of
from ...redact import private, sanitize
from ...ui.durations import duration
from .. import next_steps
from ..evidence import MOST_DATASTACKS, DatastackFacts, ServerFacts
from ..model import Check, Command, Finding, NextStep, Status, failed, ok, unknown, warning
from .account import ACCOUNT
from .network import UNKNOWN_ANSWER, at, failure_finding, then
from .token import save_this, set_up, untried


def _listed(server: ServerFacts) -> Finding | None:
    if server.datastack_list is None:
        return None
    names = names_in(server.datastack_list)
    if names is None:
        return warning(f"{server.datastack_list.evidence}, so only {server.target.datastack} was looked at")
    if len(names) > MOST_DATASTACKS:
        return warning(f"{server.host} lists {len(names):,}; the first {MOST_DATASTACKS} were looked at")
    return None


def _info(datastack: DatastackFacts) -> Finding | None:
    response = datastack.info
    if response is None:
        return None
    if is_cave(response):
        return ok(f"answered in {response.seconds:.1f} s")
    return failure_finding(response, server_for(datastack), "the info service")


def server_for(datastack: DatastackFacts) -> ServerFacts:
    """Its server, for lines that are about this datastack."""
    return replace(datastack.server, target=datastack.target)


def _terms(datastack: DatastackFacts) -> Finding | None:
    response, account = datastack.info, datastack.server.account
    if response is None or account is None:
        return None
    is_old = datastack.contradicted_since is not None
    if response.code != "missing_tos":
        terms = account.terms_for(_dataset(datastack)) if is_old else None
        if terms is not None:
            return _not_accepted(datastack, terms, "says the auth server; the info service has not noticed yet")
        return ok("accepted") if local_server_in(response) else None
    if is_old:
        said = f"{datastack.name}: terms of service no longer missing, says the auth server"
        return _wait(datastack, f"{said}; the info service still refuses (403 missing_tos)")
    return _not_accepted(datastack, terms_in(response.data, datastack.target.server), "403 missing_tos")


def _not_accepted(datastack: DatastackFacts, terms: Terms | None, source: str) -> Finding:
    account, again = datastack.server.account, next_steps.check(datastack.target)
    if account is not None and account.service_account:
        text = f"the person whose service account this is accepts them; then {again}"
        return failed(f"{datastack.name}: terms of service not accepted by the owner", NextStep(text, (again,)))
    evidence = f"{datastack.name}: terms of service not accepted ({source})"
    if terms is None:
        return failed(evidence, NextStep(f"accept them on the server's pages, then {again}", (again,)))
    return failed(evidence, NextStep(f"accept the terms at {terms.url}, then {again}", (again,), terms.url))


def _wait(datastack: DatastackFacts, evidence: str) -> Finding:
    """The info service goes on with what the auth server said before; whoever asks in the meantime asks in vain."""
    again, response, since = next_steps.check(datastack.target), datastack.info, datastack.contradicted_since
    if response is None or since is None or response.at >= since + MEMORY_SECONDS:
        advice = f"it remembers for more than {duration(MEMORY_SECONDS)}: tell the people of the server"
        return unknown(evidence, then(advice, again))
    remembers = f"it remembers for up to {MEMORY_SECONDS} s"
    return failed(f"{evidence}: {remembers}", at(since, MEMORY_SECONDS, again))


def _name(datastack: DatastackFacts) -> Finding | None:
    response = datastack.info
    if response is None or not lacks_datastack(response):
        return None
    host, name, target = datastack.server.host, datastack.name, datastack.target
    home, listed = deployment_of(name), datastack.listed_datastacks or ()
    if name in listed:
        advice = then("tell the people of the server", next_steps.check(target))
        return failed(f"{host} lists {name}, but has nothing about it ({response.status})", advice)
    if home is not None and home.server != target.server:
        if not target.asked and target.named_by in ("option", "setting"):
            return failed(f"{host} has no {name}, which is looked for where no name is given", _others(datastack))
        command = next_steps.check(target.on(home.server))
        evidence = f"{name} is not on {host}; the known one is on {host_of(home.server)}"
        return failed(evidence, NextStep(command, (command,)))
    near = _near(name, KNOWN_DATASTACKS if datastack.listed_datastacks is None else listed)
    if near:
        has = "perhaps you mean" if datastack.listed_datastacks is None else "it has"
        return failed(f"{host} has no {name}; {has} {' or '.join(near)}", _use(datastack, near[0]))
    return failed(f"{host} has no datastack {sanitize(name, 60)} that you may see", _list(datastack))


def _near(name: str, known: Collection[str]) -> list[str]:
    word = name.strip().lower()
    near = get_close_matches(word, known, n=3, cutoff=0.8) or get_close_matches(word, known, n=1, cutoff=0.5)
    return [one for one in near if one != name]


def _others(datastack: DatastackFacts) -> NextStep:
    """Nobody chose the datastack, but somebody the server: one that it has."""
    if not datastack.listed_datastacks:
        return _list(datastack)
    first, *more = datastack.listed_datastacks[:4]
    next_step = _use(datastack, first)
    return NextStep(f"{next_step.text} (it has also {', '.join(more)})", next_step.commands) if more else next_step


def _use(datastack: DatastackFacts, name: str) -> NextStep:
    command = _check_of(name, datastack)
    return NextStep(command, (command,))


def _check_of(name: str, datastack: DatastackFacts) -> Command:
    """The check of another datastack on the same server."""
    return next_steps.check_all(siblings(datastack.target, (name,), datastack.server.machine.datastack_map))


def _list(datastack: DatastackFacts) -> NextStep:
    command = next_steps.whoami(datastack.target)
    return NextStep(f"{command} lists what you can read", (command,))


def _access(datastack: DatastackFacts) -> Finding:
    response, account = datastack.info, datastack.server.account
    check = next_steps.check(datastack.target)
    again = NextStep(check, (check,))
    if response is None:
        return unknown(f"{datastack.server.host} was not asked", again)
    if response.is_good and not _is_datastack(response):
        return unknown(response.evidence, then(UNKNOWN_ANSWER, check))
    if local := local_server_in(response):
        if datastack.contradicted_since is not None and account is not None:
            return _no_longer(datastack, account)
        return ok(f"{datastack.name} can be read, its data is on {host_of(local)}")
    if response.is_good:
        evidence = f"{response.host} gives no usable address for the data of {sanitize(datastack.name, 60)}"
        return unknown(evidence, then(UNKNOWN_ANSWER, check))
    if response.code == "missing_permission" and account is not None:
        return _or_another_token(datastack, _no_permission(datastack, account))
    if datastack.contradicted_since is not None:
        said = "the auth server takes the token; the info service still refuses it"
        return _wait(datastack, f"{said} (401 invalid_token)")
    return unknown(response.evidence, then(UNKNOWN_ANSWER, check))


def _no_longer(datastack: DatastackFacts, account: Account) -> Finding:
    dataset, who = _dataset(datastack), private(account.email or account.name)
    what = f"no permission to view {dataset}" if dataset else "no permission to view anything"
    return _wait(datastack, f"{who} has {what}, says the auth server; the info service still opens {datastack.name}")


def _is_datastack(response: Response) -> bool:
    """Whether it has the form of an answer about a datastack, without which caveclient stumbles."""
    return isinstance(response.body, dict) and isinstance(response.body.get("aligned_volume"), dict)


def _dataset(datastack: DatastackFacts) -> str:
    """The dataset that it belongs to, by the word of a server; "" if none has said."""
    said = dataset_in(datastack.info) if datastack.info else ""
    return said or datastack.server.datasets.get(datastack.name, "")


def _no_permission(datastack: DatastackFacts, account: Account) -> Finding:
    dataset = _dataset(datastack) or sanitize(datastack.name, 60)
    who, again = private(account.email or account.name), next_steps.check(datastack.target)
    if datastack.contradicted_since is not None:
        said = f"{who} may view {dataset}, says the auth server; the info service still refuses"
        return _wait(datastack, f"{said} (403 missing_permission)")
    evidence = f"{who} has no permission to view {dataset} (403 missing_permission)"
    if account.admin:
        text = f"you administer {datastack.server.host}: give your own account that permission, then {again}"
        return failed(f"{evidence}, which an administrator needs too", NextStep(text, (again,)))
    if not account.before_terms:
        other = set_up(server_for(datastack))
        text = f"if you have another Google account, use that one: {other.text}. If not, ask the people of {dataset}"
        return failed(f"{evidence}, nor anything else", NextStep(text, other.commands))
    home = deployment_of(datastack.name)
    known = home.public if home else ()
    public = tuple(name for name in known if name in account.before_terms and name != datastack.name)
    if public:
        command = _check_of(public[0], datastack)
        return failed(evidence, NextStep(f"ask the people of {dataset}, or use the public one: {command}", (command,)))
    return failed(evidence, NextStep(f"ask the people of {dataset} to let your account in, then {again}", (again,)))


def _or_another_token(datastack: DatastackFacts, finding: Finding) -> Finding:
    """A refusal for lack of permission, and the token of this computer that may, or that nobody was asked about."""
    server, next_step = server_for(datastack), finding.next_step
    if finding.status is not Status.FAILED or next_step is None:
        return finding
    if datastack.misplaced_file is not None:
        found = f"{show_path(datastack.misplaced_file.path)} has a token that may"
        return failed(f"{finding.evidence}; {found}", save_this(server, datastack.misplaced_file))
    if datastack.untried_file is None:
        return finding
    save = save_this(server, datastack.untried_file)
    text = f"{save.text} if that is one for {server.host}; else {next_step.text}"
    evidence = f"{finding.evidence}; {untried(datastack.untried_file)}"
    return failed(evidence, NextStep(text, (*save.commands, *next_step.commands), next_step.url))


LISTED = Check(
    id="datastacks",
    group="datastack",
    title="all datastacks",
    about=ServerFacts,
    look=_listed,
    needs=(ACCOUNT,),
    quiet=True,
    explains="`--all` could not look at every datastack: the list did not come, or it is very long.",
    fixed_by="Name the datastacks: `%cave_check NAME NAME`.",
)
INFO = Check(
    id="info",
    group="datastack",
    title="info service",
    about=DatastackFacts,
    look=_info,
    needs=(ACCOUNT,),
    quiet=True,
    explains="The server answers, but its info service is in trouble. The token is not the reason.",
    fixed_by="Wait, until the time that the check prints if it knows one; the people of the server mend it.",
)
TERMS = Check(
    id="terms",
    group="account",
    title="terms",
    about=DatastackFacts,
    look=_terms,
    needs=(INFO,),
    quiet=True,
    explains="The terms of service of the datastack are not accepted yet.",
    fixed_by="Accept them at the link that the check prints, logged in with the same account. Where you have just "
    "accepted them, try again at the time that it prints.",
)
NAME = Check(
    id="datastack",
    group="datastack",
    title="datastack",
    about=DatastackFacts,
    look=_name,
    needs=(INFO,),
    quiet=True,
    explains="The server has no datastack of that name.",
    fixed_by="Use the name that the check suggests; `%cave_whoami` lists what you can read.",
)
ACCESS = Check(
    id="access",
    group="datastack",
    title="data access",
    about=DatastackFacts,
    look=_access,
    needs=(TERMS, NAME),
    explains="The account has no permission to view the datastack, or has just got or lost it and the info service "
    "does not know yet.",
    fixed_by="Take another token of this computer that may, with the `%cave_save` that the check prints; else ask the "
    "people of the dataset to let your account in, or use the public datastack, or another account with "
    "`%cave_setup existing`. Where it has just changed, try again at the time that the check prints.",
)
CHECKS = (LISTED, INFO, TERMS, NAME, ACCESS)
