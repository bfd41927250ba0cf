"""Can the account read the datastack, and if not, why not?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from difflib import get_close_matches
from functools import partial

from ...api import responses
from ...api.endpoints import AUTHORIZE
from ...api.responses import MEMORY_SECONDS, NOT_RECEIVED, Account, Response, Terms
from ...api.urls import host_of
from ...credentials.target import siblings
from ...credentials.token_files import show_path
from ...deployments import KNOWN_DATASTACKS, deployment_of, meant_address, where_to_ask
from ...ui.document import Span, is_web_address, line
from ...ui.durations import duration, elapsed
from .. import next_steps
from ..evidence import MOST_DATASTACKS, DatastackFacts, ServerFacts
from ..model import Check, Command, Finding, NextStep, Status, Subject, advise, failed, ok, then, unknown, warning
from .account import ACCOUNT
from .causes import tell_administrators
from .network import NETWORK, UNEXPECTED, at, failure_finding
from .token import save_this, set_up, untried


def _listed(server: ServerFacts) -> Finding | None:
    if server.datastack_list is None:
        return None
    names = responses.names_in(server.datastack_list)
    if names is None:
        return warning(server.datastack_list.evidence, f", so only {server.target.datastack} was checked")
    if len(names) > MOST_DATASTACKS:
        return warning(f"{server.host} lists {len(names):,} datastacks; the first {MOST_DATASTACKS} were checked")
    return None


def _info(datastack: DatastackFacts) -> Finding | None:
    response = datastack.info
    if datastack.is_remembered:
        return ok("opened the datastack a few minutes ago; not asked again, because your permissions have not changed")
    if response.code in NOT_RECEIVED or response.location.matches(AUTHORIZE):
        lost = ": the info service received no token, although the auth service did"
        return failed(response.evidence, lost, next_step=then(tell_administrators(response.host), datastack.again))
    if responses.is_cave(response):
        return ok(f"responded in {elapsed(response.seconds)}")
    return failure_finding(response, server_for(datastack), "the info service")


def server_for(datastack: DatastackFacts) -> ServerFacts:
    """The facts about its server, with this datastack as the target of the commands."""
    return replace(datastack.server, target=datastack.target)


def _terms(datastack: DatastackFacts) -> Finding | None:
    response, account = datastack.info, datastack.server.account
    if account is None:
        return None
    contradicted = datastack.contradicted_since is not None
    if response.code != "missing_tos":
        terms = account.terms_for(_dataset(datastack)) if contradicted else None
        if terms is not None:
            return _not_accepted(datastack, terms, "according to the auth server; the info service has not caught up")
        return ok("accepted") if datastack.local_server else None
    if contradicted:
        accepted = "terms of service accepted, according to the auth server; the info service still refuses access"
        return wait_for_cache(datastack, _topic(datastack), f"{accepted} (403 missing_tos)")
    return _not_accepted(datastack, responses.terms_in(response.data, datastack.target.server), "403 missing_tos")


def _not_accepted(datastack: DatastackFacts, terms: Terms | None, source: str) -> Finding:
    account = datastack.server.account
    if account is not None and account.service_account:
        step = then("the owner of this service account must accept them", datastack.again)
        return failed(_topic(datastack), "terms of service not accepted by the owner", next_step=step)
    evidence = line(_topic(datastack), f"terms of service not accepted ({source})")
    if terms is None:
        return failed(evidence, next_step=then("accept them on the server's website", datastack.again))
    accept = line("accept the terms at ", Span(terms.url, "link"))
    return failed(evidence, next_step=then(accept, datastack.again))


def _topic(datastack: DatastackFacts) -> Subject:
    return Subject(f"{datastack.subject}: ", pronoun="")


def wait_for_cache(datastack: DatastackFacts, *evidence: str | Span) -> Finding:
    """The info service still uses an earlier response of the auth server, which it caches for `MEMORY_SECONDS`."""
    response, since = datastack.info, datastack.contradicted_since
    if since is None or response.at >= since + MEMORY_SECONDS:
        tell = tell_administrators(datastack.server.host)
        advice = f"it has cached that for longer than {duration(MEMORY_SECONDS)}: {tell}"
        return unknown(*evidence, next_step=then(advice, datastack.again))
    cached = f": it caches permissions for up to {MEMORY_SECONDS} s"
    return failed(*evidence, cached, next_step=at(since, MEMORY_SECONDS, datastack.again))


def _name(datastack: DatastackFacts) -> Finding | None:
    response = datastack.info
    if not responses.lacks_datastack(response):
        return None
    host, name, target = datastack.server.host, datastack.name, datastack.target
    home, listed = deployment_of(name), datastack.listed_datastacks or ()
    if name in listed:
        evidence = line(f"{host} lists ", datastack.subject, f", but has no information about it ({response.status})")
        return failed(evidence, next_step=then(tell_administrators(host), datastack.again))
    if home is not None and home.server != target.server:
        return _is_on_another(datastack, home.server, "it is on")
    mapped = meant_address(datastack.server.machine.datastack_map.entries.get(name))
    if mapped not in ("", target.server):
        return _is_on_another(datastack, mapped, "the datastack map says that it is on")
    near = _near(name, KNOWN_DATASTACKS if datastack.listed_datastacks is None else listed)
    if near:
        names = " or ".join(near)
        hint = f"did you mean {names}?" if datastack.listed_datastacks is None else f"it has {names}"
        step = advise(_check_of(near[0], datastack))
        return failed(f"{host} has no ", datastack.subject, f"; {hint}", next_step=step)
    return failed(f"{host} has no datastack ", datastack.subject, " that you can see", next_step=_list(datastack))


def _is_on_another(datastack: DatastackFacts, home: str, it_is_on: str) -> Finding:
    """A datastack that is on another server than the one that was checked, as far as is known."""
    host, name, target = datastack.server.host, datastack.subject, datastack.target
    if not target.asked and target.named_by in ("option", "setting"):
        return failed(f"{host} has no ", name, ", which is the default datastack", next_step=_others(datastack))
    check = next_steps.check(target.on(home))
    return failed(name, f" is not on {host}; {it_is_on} {host_of(home)}", next_step=advise(check))


def _near(name: str, known: Collection[str]) -> list[str]:
    word = name.strip().lower()
    near = get_close_matches(word, known, n=3, cutoff=0.8) or get_close_matches(word, known, n=1, cutoff=0.5)
    return [one for one in near if one != name]


def _others(datastack: DatastackFacts) -> NextStep:
    """Suggests a datastack of a server that was chosen without one."""
    if not datastack.listed_datastacks:
        return _list(datastack)
    first, *more = datastack.listed_datastacks[:4]
    return advise(_check_of(first, datastack), f" (it also has {', '.join(more)})" if more else "")


def _check_of(name: str, datastack: DatastackFacts) -> Command:
    """The check of another datastack on the same server."""
    return next_steps.check_all(siblings(datastack.target, (name,), datastack.server.machine.datastack_map))


def _list(datastack: DatastackFacts) -> NextStep:
    return advise(next_steps.whoami(datastack.target), " lists what you can read")


def _access(datastack: DatastackFacts) -> Finding:
    response, account = datastack.info, datastack.server.account
    if response.is_good and not _is_datastack(response):
        return unknown(response.evidence, next_step=then(UNEXPECTED, datastack.again))
    if local := datastack.local_server:
        if datastack.contradicted_since is None or account is None:
            return ok(datastack.subject, f" can be read; its data is on {host_of(local)}")
        lost = f" has no permission to view {_dataset(datastack) or 'anything'}, according to the auth server; "
        return wait_for_cache(
            datastack, account.who, lost, "the info service still gives access to ", datastack.subject
        )
    if response.is_good:
        evidence = f"{response.host} returned no usable data server address for "
        return unknown(evidence, datastack.subject, next_step=then(UNEXPECTED, datastack.again))
    if response.code == "missing_permission" and account is not None:
        return _or_another_token(datastack, _no_permission(datastack, account))
    if datastack.contradicted_since is not None:
        evidence = "the auth server accepts the token; the info service still rejects it (invalid_token)"
        return wait_for_cache(datastack, evidence)
    return unknown(response.evidence, next_step=then(UNEXPECTED, datastack.again))


def _is_datastack(response: Response) -> bool:
    """Whether it describes a datastack in the form that caveclient needs."""
    volume = response.fields.get("aligned_volume")
    return isinstance(volume, dict) and "name" in volume


def _dataset(datastack: DatastackFacts) -> str:
    """The dataset that it belongs to, as a server named it; "" if unknown."""
    return responses.dataset_in(datastack.info) or datastack.server.datasets.get(datastack.name, "")


def _no_permission(datastack: DatastackFacts, account: Account) -> Finding:
    dataset = _dataset(datastack) or datastack.subject
    if datastack.contradicted_since is not None:
        source = "according to the auth server; the info service still refuses access (403 missing_permission)"
        return wait_for_cache(datastack, account.who, " may view ", dataset, f", {source}")
    evidence = line(account.who, " has no permission to view ", dataset, " (403 missing_permission)")
    place = where_to_ask(datastack.name, datastack.server.host)
    named = line(" (", Span(place, "link" if is_web_address(place) else ""), ")") if place else ()
    ask = line(f"ask the administrators of {dataset} for access", named)
    if account.admin:
        give = f"you administer {datastack.server.host}: give your account that permission"
        return failed(evidence, ", which an administrator needs too", next_step=then(give, datastack.again))
    if dataset in account.administers:
        give = f"you administer {dataset}: give one of your groups permission to view it"
        return failed(evidence, ", which a dataset's administrator needs too", next_step=then(give, datastack.again))
    if not account.before_terms:
        step = advise(
            "if you have another Google account, use it: ", set_up(server_for(datastack)).line, ". If not, ", ask
        )
        return failed(evidence, "; this account has no permissions at all", next_step=step)
    home = deployment_of(datastack.name)
    known = home.public if home else ()
    public = tuple(name for name in known if name in account.before_terms and name != datastack.name)
    if public:
        use = _check_of(public[0], datastack)
        return failed(evidence, next_step=advise(ask, ", or use the public datastack: ", use))
    return failed(evidence, next_step=then(ask, datastack.again))


def _or_another_token(datastack: DatastackFacts, finding: Finding) -> Finding:
    """A missing permission, and a token on this computer that has it or was not tried."""
    server, next_step = server_for(datastack), finding.next_step
    if finding.status is not Status.FAILED or next_step is None:
        return finding
    if datastack.misplaced_file is not None:
        found = f"; {show_path(datastack.misplaced_file.path)} has a token with access"
        return failed(finding.evidence, found, next_step=save_this(server, datastack.misplaced_file))
    if datastack.untried_file is None:
        return finding
    save = save_this(server, datastack.untried_file)
    step = advise(save.line, f" if it is for {server.host}; otherwise ", next_step.line)
    return failed(finding.evidence, f"; {untried(datastack.untried_file)}", next_step=step)


_check = partial(Check, group="datastack", about=DatastackFacts)

LISTED = _check(
    id="datastacks",
    title="all datastacks",
    about=ServerFacts,
    look=_listed,
    needs=(ACCOUNT,),
    explains="--all could not check every datastack: the list is not available, or it is very long.",
    fixed_by="Name the datastacks: {check_several}.",
)
INFO = _check(
    id="info",
    title="info service",
    look=_info,
    needs=(ACCOUNT,),
    explains="The server responds, but its info service does not work. The token is not the cause.",
    fixed_by=f"Wait for the server's administrators to fix it; the check may say how long. {NETWORK.fixed_by}",
)
TERMS = _check(
    id="terms",
    group="account",
    title="terms",
    look=_terms,
    needs=(INFO,),
    explains="You have not accepted the datastack's terms of service.",
    fixed_by="Accept them at the link that the check prints, with the same account. If you have just "
    "accepted them, try again at the time that the check prints.",
)
NAME = _check(
    id="datastack",
    title="datastack",
    look=_name,
    needs=(INFO,),
    explains="The server has no datastack with that name.",
    fixed_by="Use the name that the check suggests; {whoami} lists what you can read.",
)
ACCESS = _check(
    id="access",
    title="data access",
    look=_access,
    needs=(TERMS, NAME),
    quiet=False,
    explains="The account has no permission to view the datastack, or this has just changed and the info service has "
    "not caught up.",
    fixed_by="If another token on this computer has access, save it with the {save} that the check prints. "
    "Otherwise ask the administrators of the dataset for access, use the public datastack, or use another account with "
    "{existing}. After a change, try again at the time that the check prints.",
)
CHECKS = (LISTED, INFO, TERMS, NAME, ACCESS)
