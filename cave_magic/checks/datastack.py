"""May this account read the datastack, and if not, why not?"""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from .. import lines
from ..addresses import host_of
from ..answers import Account, Answer, is_cave, lacks_datastack, local_server_in, names_in, terms_in
from ..doctor import Check, Finding, Remedy, failed, ok, private, unknown, warning
from ..evidence import MOST_DATASTACKS, DatastackFacts, ServerFacts
from ..plain import plain
from ..servers import KNOWN_DATASTACKS, deployment_of
from ..target import siblings
from .account import ACCOUNT
from .network import UNKNOWN_ANSWER, then, trouble_with
from .token import set_up


def _listed(server: ServerFacts) -> Finding | None:
    if server.listed is None:
        return None
    names = names_in(server.listed)
    if names is None:
        return warning(f"{server.listed.evidence}, so only {server.target.datastack} was looked at")
    if len(names) > MOST_DATASTACKS:
        return warning(f"{server.host} lists {len(names):,}; the first {MOST_DATASTACKS} were looked at")
    return None


def _info(datastack: DatastackFacts) -> Finding | None:
    answer = datastack.info
    if answer is None:
        return None
    if is_cave(answer):
        return ok(f"answered in {answer.seconds:.1f} s")
    return trouble_with(answer, datastack.server, "the info service")


def _terms(datastack: DatastackFacts) -> Finding | None:
    answer = datastack.info
    if answer is None or answer.code != "missing_tos":
        return ok("accepted") if answer is not None and local_server_in(answer) else None
    terms, again = terms_in(answer.data, datastack.target.server), lines.check(datastack.target)
    account = datastack.server.account
    if account is not None and account.service_account:
        text = f"the person whose service account this is accepts them; then {again}"
        return failed(f"{datastack.name}: terms of service not accepted by the owner", Remedy(text, (again,)))
    evidence = f"{datastack.name}: terms of service not accepted (403 missing_tos)"
    if terms is None:
        return failed(evidence, Remedy(f"accept them on the server's pages, then {again}", (again,)))
    return failed(evidence, Remedy(f"accept the terms at {terms.url}, then {again}", (again,), terms.url))


def _name(datastack: DatastackFacts) -> Finding | None:
    answer = datastack.info
    if answer is None or not lacks_datastack(answer):
        return None
    host, name, target = datastack.server.host, datastack.name, datastack.target
    home, listed = deployment_of(name), datastack.listed or ()
    if name in listed:
        advice = then("tell the people of the server", lines.check(target))
        return failed(f"{host} lists {name}, but has nothing about it ({answer.status})", advice)
    if home is not None and home.server != target.server:
        if not target.asked and target.named_by in ("option", "setting"):
            return failed(f"{host} has no {name}, which is looked for where no name is given", _others(datastack))
        command = lines.check(target.on(home.server))
        evidence = f"{name} is not on {host}; the known one is on {host_of(home.server)}"
        return failed(evidence, Remedy(command, (command,)))
    near = _near(name, KNOWN_DATASTACKS if datastack.listed is None else listed)
    if near:
        has = "perhaps you mean" if datastack.listed is None else "it has"
        return failed(f"{host} has no {name}; {has} {' or '.join(near)}", _use(datastack, near[0]))
    return failed(f"{host} has no datastack {plain(name, 60)} that you may see", _list(datastack))


def _near(name: str, known: Collection[str]) -> list[str]:
    word = name.strip().lower()
    near = get_close_matches(word, known, n=3, cutoff=0.8) or get_close_matches(word, known, n=1, cutoff=0.5)
    return [one for one in near if one != name]


def _others(datastack: DatastackFacts) -> Remedy:
    """Nobody chose the datastack, but somebody the server: one that it has."""
    if not datastack.listed:
        return _list(datastack)
    first, *more = datastack.listed[:4]
    remedy = _use(datastack, first)
    return Remedy(f"{remedy.text} (it has also {', '.join(more)})", remedy.commands) if more else remedy


def _use(datastack: DatastackFacts, name: str) -> Remedy:
    command = lines.check_all(siblings(datastack.target, (name,)))
    return Remedy(command, (command,))


def _list(datastack: DatastackFacts) -> Remedy:
    command = lines.whoami(datastack.target)
    return Remedy(f"{command} lists what you can read", (command,))


def _access(datastack: DatastackFacts) -> Finding:
    answer, account = datastack.info, datastack.server.account
    check = lines.check(datastack.target)
    again = Remedy(check, (check,))
    if answer is None:
        return unknown(f"{datastack.server.host} was not asked", again)
    if answer.is_good and not _is_datastack(answer):
        return unknown(answer.evidence, then(UNKNOWN_ANSWER, check))
    if local := local_server_in(answer):
        return ok(f"{datastack.name} can be read, its data is on {host_of(local)}")
    if answer.is_good:
        evidence = f"{answer.host} gives no usable address for the data of {plain(datastack.name, 60)}"
        return unknown(evidence, then(UNKNOWN_ANSWER, check))
    if answer.code == "missing_permission" and account is not None:
        return _no_permission(datastack, account, answer)
    if answer.code in ("invalid_token", "no_token"):
        text = f"the auth service takes the token, the info service not yet: wait five minutes, then {check}"
        return unknown(answer.evidence, Remedy(text, again.commands))
    return unknown(answer.evidence, then(UNKNOWN_ANSWER, check))


def _is_datastack(answer: Answer) -> bool:
    """Whether it has the form of an answer about a datastack, without which caveclient stumbles."""
    return isinstance(answer.body, dict) and isinstance(answer.body.get("aligned_volume"), dict)


def _dataset(answer: Answer, datastack: DatastackFacts) -> str:
    named = answer.data.get("auth_dataset")
    return plain(named if named and isinstance(named, str) else datastack.name, 60)


def _no_permission(datastack: DatastackFacts, account: Account, answer: Answer) -> Finding:
    dataset = _dataset(answer, datastack)
    evidence = f"{private(account.email or account.name)} has no permission to view {dataset} (403 missing_permission)"
    if not account.before_terms:
        other = set_up(datastack.server)
        text = f"if you have another Google account, use that one: {other.text}. If not, ask the people of {dataset}"
        return failed(f"{evidence}, nor anything else", Remedy(text, other.commands))
    home = deployment_of(datastack.name)
    known = home.public if home else ()
    public = tuple(name for name in known if name in account.before_terms and name != datastack.name)
    if public:
        command = lines.check_all(siblings(datastack.target, public[:1]))
        return failed(evidence, Remedy(f"ask the people of {dataset}, or use the public one: {command}", (command,)))
    again = lines.check(datastack.target)
    return failed(evidence, Remedy(f"ask the people of {dataset} to let your account in, then {again}", (again,)))


LISTED = Check(
    "datastacks", "datastack", "all datastacks", ServerFacts, _listed, (ACCOUNT,), quiet=True,
    explains="`--all` could not look at every datastack: the list did not come, or it is very long.",
    mends="Name the datastacks: `%cave_check NAME NAME`.",
)
INFO = Check(
    "info", "datastack", "info service", DatastackFacts, _info, (ACCOUNT,), quiet=True,
    explains="The server answers, but its info service is in trouble. The token is not the reason.",
    mends="Wait; the people of the server mend it.",
)
TERMS = Check(
    "terms", "account", "terms", DatastackFacts, _terms, (INFO,), quiet=True,
    explains="The terms of service of the datastack are not accepted yet.",
    mends="Accept them at the link that the check prints, logged in with the same account.",
)
NAME = Check(
    "datastack", "datastack", "datastack", DatastackFacts, _name, (INFO,), quiet=True,
    explains="The server has no datastack of that name.",
    mends="Use the name that the check suggests; `%cave_whoami` lists what you can read.",
)
ACCESS = Check(
    "access", "datastack", "data access", DatastackFacts, _access, (TERMS, NAME),
    explains="The account has no permission to view the datastack.",
    mends="Ask the people of the dataset to let your account in, or use the public datastack.",
)
CHECKS = (LISTED, INFO, TERMS, NAME, ACCESS)
