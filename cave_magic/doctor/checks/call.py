"""Why did the last call to caveclient fail, if everything else works?"""

from __future__ import annotations

import json
from dataclasses import replace
from difflib import get_close_matches

from ...api.failures import UNSENDABLE, Failure
from ...api.responses import FLASK_404, NOT_RECEIVED, PAGE, TEXT, VIEW, Response, dataset_in, is_cave, version_in
from ...api.urls import host_of, parse_url
from ...credentials.token_files import TOKEN_KEY, show_key, show_path
from ...deployments import problem_with_address
from ...ui.document import Span, joined, line, some_of
from ...ui.redact import Untrusted, odd_characters, plain_name, sanitize
from .. import next_steps
from ..evidence import CallFacts, DatastackFacts
from ..model import Check, Command, Finding, advise, failed, ok, then, warning
from .causes import LONGER, another_network, tell_administrators
from .datastack import ACCESS, server_for, wait_for_cache
from .network import FINE, failure_finding
from .services import LOCAL, is_up

REFUSED = (400, 401, 403)
"""What the servers return for a token that they do not accept, or that may not do it."""

_OF_FLASK = r"The browser \(or proxy\) sent|The server could not verify that|You don't have the permission to access"
"""What Flask's own pages say for 400, 401 and 403 (werkzeug 2 and 3): they are from a service, not from a firewall."""

_MOST_VERSIONS = 5


def _call(datastack: DatastackFacts) -> Finding | None:
    facts = datastack.call
    if facts is None:
        return None
    of_the_call = _spelling, _type, _server, _key, _old_client, _service, _source, _versions, _version, _table
    for judge in (*of_the_call, _permission, _not_repeated, _same):
        if finding := judge(datastack, facts):
            # The next check no longer knows about the error.
            checks = datastack.again, next_steps.check(datastack.target, f"--timeout {LONGER}")
            words = finding.next_step.line if finding.next_step else ()
            again = tuple(Span("run the cell again") if span in checks else span for span in words)
            return replace(finding, next_step=advise(again) if again else None)
    return None


def is_about_the_token(facts: CallFacts) -> bool:
    """Whether the server did not accept the token of the call, or the token could not be sent."""
    return facts.call.status in REFUSED or facts.call.error in UNSENDABLE


def _server(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    problem = problem_with_address(facts.call.server) if facts.call.server else None
    if problem is not None:
        evidence = line(f"the client was created with a wrong server_address: {problem}")
    elif facts.other_server:
        here, there = facts.other_server, datastack.server.host
        evidence = line(f"the client asked {here}, where ", datastack.subject, f" does not open; on {there} it does")
    else:
        return None
    return failed(evidence, next_step=advise("create the client again: ", next_steps.go_on(datastack.target)))


def _key(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    asked, file = facts.call.key, facts.key_file
    if asked is None or file is None or (asked.found and facts.call.status not in REFUSED):
        return None
    go_on, shown = next_steps.go_on(datastack.target), Span(show_path(asked.file), private=True)
    if asked.key == TOKEN_KEY:
        evidence = line("the client found no token in ", shown, " when it was created; the stored token works")
        return failed(evidence, next_step=advise("create the client again: ", go_on))
    keys = [*([Span(TOKEN_KEY, private=True)] if file.token is not None else []), *file.keys]
    has = line(shown, " has no keys")
    if keys:
        has = line(shown, f" has the key{'s' if len(keys) > 1 else ''} ", joined(" and ", keys))
    but = ", so it sent the token under that key; " if asked.found else ", but "
    evidence = line('the client was created with auth_token_key="', show_key(asked.key), '"', but, has)
    return failed(evidence, next_step=advise("without that argument: ", go_on))


def _spelling(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    call = facts.call
    if odd := odd_characters(call.datastack):
        again = next_steps.go_on(datastack.target)
        return failed(_contains("datastack", odd), next_step=advise("type the name again: ", again))
    if (odd := odd_characters(call.table)) and (name := plain_name(call.table)) in _all_names(facts):
        step = advise("type the name again: ", _query(datastack, facts, name))
        return failed(_contains(_kind(name, facts), odd), next_step=step)
    return None


def _contains(what: str, odd: tuple[str, ...]) -> str:
    return f"the name of the {what} in that call contains {' and '.join(odd)}"


def _all_names(facts: CallFacts) -> tuple[str, ...]:
    return (*(facts.tables or ()), *(facts.views or ()))


def _kind(name: str, facts: CallFacts) -> str:
    return "view" if name in (facts.views or ()) else "table"


def _query(datastack: DatastackFacts, facts: CallFacts, name: str) -> Command:
    return next_steps.query(datastack.target, _named_version(facts), _kind(name, facts), name)


def _named_version(facts: CallFacts) -> int | None:
    """The version of the call; None for the newest, which caveclient uses if none is named."""
    return None if facts.valid and facts.call.version == facts.valid[0] else facts.call.version


def _type(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    wrong = facts.call.wrong
    if wrong is None:
        return None
    lossy = ", which cannot hold all digits of an id" if wrong.type == "float" and wrong.name.endswith("_id") else ""
    kind = sanitize(wrong.type, 40, shareable=True).text
    given = f"{wrong.name} of type {kind}{lossy}" if kind else f"an empty {wrong.name}"
    step = advise(f"in that cell, give {wrong.name} as {wrong.expected}")
    return failed(f"{_function(facts)} was called with {given}", next_step=step)


def _function(facts: CallFacts) -> str:
    return sanitize(facts.call.function, 40, shareable=True).text


def _old_client(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    again = advise("create the client again: ", next_steps.go_on(datastack.target))
    if facts.other_token and is_about_the_token(facts):
        return failed("the client was created with a token other than the stored one, which works", next_step=again)
    before, now = parse_url(facts.call.local_server), datastack.local_server
    if before is not None and now and before != parse_url(now):
        old = sanitize(before.host_and_port, 80, shareable=True)
        return failed("the client uses the data server ", old, f", but it is now {host_of(now)}", next_step=again)
    return None


def _service(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    response = facts.service
    if response is None or is_cave(response) or response.is_of_a_service:
        return None
    return failure_finding(response, server_for(datastack), f"the {facts.call.service} service")


def _source(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    """A datastack without a segmentation, for which caveclient raises `'NoneType' object has no attribute 'split'`."""
    name = facts.call.service or facts.call.function  # which caveclient creates first
    if name not in ("chunkedgraph", "l2cache") or datastack.info.fields.get("segmentation_source"):
        return None
    evidence = line("the info service names no segmentation_source for ", datastack.subject)
    advice = f"{FINE}: {tell_administrators(datastack.server.host)}"
    return failed(evidence, f", which client.{name} needs", next_step=then(advice, datastack.again))


def _versions(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    """A datastack without a valid version, for which caveclient raises `zero-size array` or `KeyError`."""
    if facts.valid is None or facts.valid:
        return None
    evidence = line(datastack.subject, " has no valid materialization version")
    expired = f": all have expired ({some_of(facts.versions, _MOST_VERSIONS)})" if facts.versions else ""
    advice = f"{FINE}: {tell_administrators(datastack.server.host)}"
    return failed(evidence, expired, next_step=then(advice, datastack.again))


def _version(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    version, valid = facts.call.version, facts.valid
    if not version or not valid or version in valid:  # 0 is the live version
        return None
    if version in (facts.versions or ()):
        evidence = line(f"version {version} of ", datastack.subject, " has expired")
    else:
        evidence = line(datastack.subject, f" has no version {version}")
    step = advise("open the newest: ", next_steps.go_on(datastack.target))
    return failed(evidence, f"; it has {some_of(valid, _MOST_VERSIONS)}", next_step=step)


def _table(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    call, tables, views = facts.call, facts.tables, facts.views or ()
    for joined_table in call.joined:
        alone = replace(facts, call=replace(call, table=joined_table, joined=()))
        if finding := _table(datastack, alone):
            return finding
    if not call.table or not tables:
        return None
    name, is_for_views = sanitize(call.table, 80, shareable=True).text, "view" in call.function
    kind, here, there = ("view", views, tables) if is_for_views else ("table", tables, views)
    if name in here:
        return None
    if name in there:
        other = _kind(name, facts)
        step = advise(f"query it as a {other}: ", _query(datastack, facts, name))
        return failed(f"{name} is a {other} of ", datastack.subject, f", not a {kind}", next_step=step)
    version = call.version or (facts.valid[0] if facts.valid else None)
    evidence = line(f"version {version} of ", datastack.subject, f" has no {kind} {name}")
    lower = {one.lower(): one for one in _all_names(facts)}
    near = [lower[one] for one in get_close_matches(name.lower(), lower, n=3, cutoff=0.6)]
    if not near:
        every = next_steps.tables(datastack.target, _named_version(facts))
        return failed(evidence, next_step=advise("list the tables: ", every))
    step = advise("use that name: ", _query(datastack, facts, near[0]))
    return failed(evidence, f"; it has {' and '.join(near)}", next_step=step)


def _permission(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    """A permission that the account does not have according to the auth server, such as to edit."""
    response, account = facts.same, datastack.server.account
    if response is None or account is None or not account.whole or response.code != "missing_permission":
        return None
    dataset, permission = dataset_in(response), sanitize(response.data.get("required_permission") or VIEW, 20).text
    if not dataset or permission in account.permissions.get(dataset, ()):
        return None
    evidence = line(account.who, f' lacks the permission "{permission}" for {dataset} (403 missing_permission)')
    return failed(evidence, next_step=then(f"ask the administrators of {dataset} for it", datastack.again))


def _not_repeated(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    """A request that was not sent again, as it may take long or change something."""
    host, call = host_of(facts.call.url), facts.call
    if facts.same is not None or _is_down(datastack, facts):
        return None
    is_there = call.status == 404 and facts.tables  # the table that it named
    if host and not is_there:
        pause = "wait a minute or so, then " if call.status == 429 else ""
        step = f"{pause}run the cell again; if it fails again, change what it asks for, or {tell_administrators(host)}"
        evidence = (
            f"{call.service or 'a service'} on {host} returned {call.status or 'no response'} to {_function(facts)}"
        )
        why = ", whose request is not repeated: it may take long or change something"
        return warning(evidence, why, next_step=advise(step))
    is_known = facts.valid and facts.tables and call.table
    return ok("the version and the table of that call exist; its request was not repeated") if is_known else None


def _is_down(datastack: DatastackFacts, facts: CallFacts) -> bool:
    """Whether the check of the service says why the call failed."""
    known = datastack.services.get(facts.call.service)
    return known is not None and not is_up(facts.call.service, known)


def _same(datastack: DatastackFacts, facts: CallFacts) -> Finding | None:
    response = facts.same
    if response is None:
        return None
    if facts.refused_since is not None:
        evidence = f"{response.host} still refuses access ({response.code}), although the info service no longer does"
        return wait_for_cache(replace(datastack, info=response, contradicted_since=facts.refused_since), evidence)
    if response.code in NOT_RECEIVED:
        evidence = f"{response.host} received no token ({response.code}), although one was sent"
        return failed(f"{evidence}; {datastack.server.host} got it", next_step=advise(another_network(response.host)))
    succeeds = response.status // 100 == 2 and response.failure not in (Failure.INCOMPLETE, Failure.TOO_SLOW)
    if succeeds and _is_unusable(response, facts):
        body = Untrusted(json.dumps(response.body, default=repr)) if response.is_json else response.opening
        return failed(
            f"{response.host} returns data to {_function(facts)} that caveclient cannot use ({facts.call.error}): ",
            sanitize(body, 80),
            next_step=then(f"{FINE}: {tell_administrators(datastack.server.host)}", datastack.again),
        )
    if succeeds and (response.is_json or response.form not in (PAGE, "")):
        return ok("the same request succeeds now")
    if _is_down(datastack, facts):
        return None
    if not response.rejects:
        return failure_finding(response, server_for(datastack), facts.call.service)
    return _still_rejected(response, facts)


def _still_rejected(response: Response, facts: CallFacts) -> Finding:
    said = response.message or response.words
    words = line(": ", sanitize(said, 160)) if said else ()
    if FLASK_404 in response.opening:
        words = line(": it has nothing at that URL")
    evidence = f"{response.host} still rejects the request of {_function(facts)} ({response.status})"
    change = f"change what the cell asks for, or {tell_administrators(response.host)}"
    is_of_service = response.form != PAGE or response.opening.matches(_OF_FLASK)
    if response.status in REFUSED and not is_of_service:  # but of what is in front of it
        change = another_network(response.host)
    return failed(evidence, words, next_step=advise(f"nothing that was tried changes that: {change}"))


def _is_unusable(response: Response, facts: CallFacts) -> bool:
    """Whether a response lacks what caveclient looked for in it: JSON, a version, the key of its error, or anything."""
    body, error = response.body, facts.call.error
    if not response.is_json or error == "JSONDecodeError":
        return not response.is_json and error == "JSONDecodeError" and response.form == TEXT
    if error == "InvalidVersion":
        return not version_in(response)
    if error == "KeyError":
        return isinstance(body, dict) and not any(facts.call.missing == key for key in body)
    return error in ("TypeError", "IndexError", "AttributeError") and not body


CALL = Check(
    id="last-call",
    group="this notebook",
    title="last call",
    about=DatastackFacts,
    look=_call,
    needs=(ACCESS, LOCAL),
    explains="The call of caveclient in the last cell failed for a reason of its own: what it names does not exist, or "
    "its client is out of date.",
    fixed_by="Run the line that the check prints, which names what exists, or change the cell as it says.",
)
CHECKS = (CALL,)
