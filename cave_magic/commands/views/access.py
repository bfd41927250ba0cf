"""The pages of `%cave_setup` and `%cave_save`: the card after a save, the status, and the advice without a token."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ...api import endpoints, responses
from ...api.responses import Terms
from ...api.urls import host_of
from ...credentials.save import Saved
from ...credentials.target import Target, again
from ...credentials.token_files import show_path
from ...deployments import formats_of
from ...doctor import next_steps
from ...environment.installer import find_installer
from ...login.verify import VerifiedToken
from ...token import Token
from ...ui.document import Line, Page, Span, Table, line
from .whoami import fact_table, readable

if TYPE_CHECKING:
    from ...doctor.evidence import ServerFacts


def card_page(checked: VerifiedToken, saved: Saved, works: bool | None) -> Page:
    """The last page of a set-up; `works`: whether CAVEclient can be imported, None if that was not tried."""
    target = again(checked.target)
    done = works and checked.opens
    token = "This token is already saved." if saved.unchanged else "Token saved."
    if done or (works is None and checked.opens):
        head = Span(f"✔ {'You are set up.' if done and not saved.unchanged else token}", "done")
    elif checked.terms is not None:
        head = Span(f"! {token} One step left.", "warning")
    else:
        missing = "CAVEclient cannot be imported" if checked.opens else f"{checked.target.datastack} cannot be read"
        head = Span(f"! {token} {missing} yet.", "warning")
    rows = [
        ("you", line(checked.account.label)),
        *_token_rows(target, checked.token, saved),
        ("can read", line(readable(checked.account.permissions))),
    ]
    last = _step_left(target, checked.terms, tried=works is not None)
    if done:
        last = line("Go on with: ", next_steps.go_on(target))
    return Page((line(head), fact_table(rows, "your access"), *_remarks(checked, saved), last))


def _step_left(target: Target, terms: Terms | None, tried: bool = True) -> Line:
    """The step that is left before the datastack can be read; `tried`: whether it is known that a step is left."""
    check = next_steps.check(target)
    if terms is None and not tried:
        return line("To see whether CAVEclient works: ", check)
    if terms is None:
        return line(Span("Next: ", "strong"), check, " shows why")
    accept = f"accept the terms of service of {target.datastack} at "
    return line(Span("Next: ", "strong"), accept, Span(terms.url, "link"), ", then ", check)


def of_an_old_caveclient() -> list[Line]:
    """The note about a caveclient that is too old for this package, with the line that upgrades it; or nothing."""
    from ...environment import packages

    with suppress(ImportError):  # without `packaging`, nobody knows
        for one in packages.unmet_requirements():
            if one.name == "caveclient":
                upgrade = next_steps.install(find_installer(), f"{one.name}{one.specifier}")
                return [line(Span("Note: ", "warning"), f"cave-magic needs {one}. To upgrade it: ", upgrade)]
    return []


def _token_rows(target: Target, token: Token, saved: Saved) -> list[tuple[str, Line]]:
    ending = [("token", line(f"ends in {token.ending}"))] if token.ending else []
    moved = [("for cloud-volume", line(show_path(saved.moved[0])))] if saved.moved else []
    return [("server", line(host_of(target.server))), *ending, ("file", line(show_path(saved.written[0]))), *moved]


def _remarks(checked: VerifiedToken, saved: Saved) -> list[Line]:
    notes = [f"{moved} was read from {before} until now" for moved, before in saved.remapped.items()]
    notes += [f"a file that was not valid JSON was renamed to {show_path(path)}" for path in saved.backups]
    found = [line(Span("Note: ", "warning"), note) for note in notes]
    if checked.permanent is False:
        link = Span(endpoints.tokens_page(checked.target.server), "link")
        warning = Span(f"This token is temporary, and expires {responses.WITHIN}. ", "warning")
        found.insert(0, line(warning, "Create a permanent one at ", link))
    return found


def unchecked_page(token: Token, target: Target, saved: Saved) -> Page:
    """The page of `%cave_save --no-check`."""
    head = "! Already saved, but not checked." if saved.unchanged else "! Saved, but not checked."
    then = line("Once the server can be reached: ", next_steps.check(target))
    return Page((line(Span(head, "warning")), fact_table(_token_rows(target, token, saved), "what was saved"), then))


def saved_by_another_page(token: Token, target: Target, saved: Saved) -> Page:
    """The page of a job whose token another job saved a moment ago."""
    head = line(Span("✔ This token is already saved. ", "done"), "It was checked a moment ago.")
    facts = fact_table(_token_rows(target, token, saved), "what is saved")
    return Page((head, facts, _step_left(target, None, tried=False)))


def terms_to_accept(facts: ServerFacts) -> Terms | None:
    """The terms of service because of which the datastack cannot be read, or None."""
    info = facts.info
    return responses.terms_in(info.data, facts.address) if info and info.code == "missing_tos" else None


def can_go_on(facts: ServerFacts) -> bool:
    """Whether CAVEclient opens the datastack with the stored token."""
    return _opens(facts) and not facts.machine.caveclient_problem and not facts.caveclient_disagrees


def _opens(facts: ServerFacts) -> bool:
    info, dataset = facts.info, facts.datasets.get(facts.target.datastack, "")
    is_old = bool(facts.account and info and responses.contradicts(facts.account, info, dataset))  # the info service's
    return info is not None and bool(responses.local_server_in(info)) and not is_old


def status_page(facts: ServerFacts) -> Page:
    """The page of `%cave_setup` without arguments if the stored token works."""
    target, terms, opens = facts.target, terms_to_accept(facts), _opens(facts)
    said = line(f"The stored token works on {facts.host}: ", facts.account.label if facts.account else "")
    if can_go_on(facts):
        head = line(Span("✔ You are set up. ", "done"), said)
        other = [line("To use another account: ", next_steps.setup(target, "existing"))] * facts.machine.can_ask
        return Page((head, line("Go on with: ", next_steps.go_on(target)), *other))
    name = target.datastack
    missing = "One step is left. " if terms else "CAVEclient does not work. " if opens else f"{name} cannot be read. "
    return Page((line(Span(f"! {missing}", "warning"), said), _step_left(target, terms)))


def advice_page(facts: ServerFacts) -> Page:
    """The page of `%cave_setup` without arguments if no stored token works."""
    from ...doctor.checks.token import save_this, set_up

    why = _why_not(facts)
    if not facts.machine.can_ask:
        return Page((why, line(Span("Next: ", "strong"), set_up(facts).line)))
    new, existing = (next_steps.setup(facts.target, kind) for kind in ("new", "existing"))
    rows = [
        (line(new), line("you have no account, or have not accepted the terms")),
        (line(existing), line("you have an account; your token is elsewhere or lost")),
    ]
    if facts.misplaced_file is not None:
        rows.insert(0, (save_this(facts, facts.misplaced_file).line, line("this file has a token that works")))
    return Page((why, Table(tuple(rows), "what to type")))


def _why_not(facts: ServerFacts) -> Line:
    stored, response = facts.stored, facts.identity
    if stored.blocker is not None:
        said = f"{stored.blocker.fault}, so no token can be read from it."
    elif stored.token is None or stored.belongs_to:
        said = f"No token is stored for {facts.host}."
    elif response is not None and response.code == "invalid_token":
        said = f"{facts.host} rejected the stored token."
    elif (oddity := stored.token.oddity(formats_of(stored.server))) and (
        response is None or response.code in responses.REFUSALS or not response.is_json
    ):
        said = f"The stored token {oddity}, so it cannot work."
    else:
        why = f": {response.sentence}" if response is not None else ""
        said = f"The stored token could not be checked{why}."
    return line(Span(said, "strong"))
