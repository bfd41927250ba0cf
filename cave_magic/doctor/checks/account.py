"""Does the auth server accept the token, and is it a temporary or a permanent one?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from ...api.responses import NOT_RECEIVED, TEMPORARY_TOKEN_DAYS, WITHIN, Response
from ...api.urls import name_of_host
from ...ui.document import Span, line
from .. import next_steps
from ..evidence import ServerFacts
from ..experiments.model import Change
from ..model import Check, Finding, advise, failed, ok, then, unknown, warning
from .causes import another_network, past_proxy, undo, what_was_tried, without_netrc
from .network import AUTH, UNEXPECTED
from .token import FORM, SHADOW, set_up, within_reach

SOON = timedelta(days=2)
"""How long before its expiry a temporary token becomes urgent."""


def _account(server: ServerFacts) -> Finding:
    response = server.auth
    if server.account is not None:
        return ok(server.account.label)
    if response.code == "invalid_token":
        return _rejected(server)
    if server.netrc_file:
        evidence, advice = without_netrc(server.netrc_file, name_of_host(server.address))
        return failed(evidence, next_step=then(advice, server.again))
    if response.code in NOT_RECEIVED:
        return _not_received(response, server)
    return unknown("could not be verified: ", response.evidence, next_step=then(UNEXPECTED, server.again))


def _not_received(response: Response, server: ServerFacts) -> Finding:
    """The auth server says that it got no token; a made-up one, which it has to reject, shows where it was lost."""
    tried, got_none = server.tried, f"{response.host} received no token ({response.status} {response.code})"
    ways = Change.MADE_UP, Change.MADE_UP_DIRECT, Change.AS_INSTALLED
    same, direct, unchanged = (_arrives(tried.first(one)) for one in ways)
    if same:
        found = failed(got_none, ", but a made-up token gets through", next_step=then("wait a minute", server.again))
    elif direct:
        step = past_proxy(response, server, tried.proxy)
        found = failed(got_none, "; without the proxy, a made-up token gets through", next_step=step)
    elif unchanged:
        source = tried.about(Change.AS_INSTALLED)[0].source
        known = f"; without what {source} changed in requests, a made-up token gets through"
        found = failed(got_none, known, next_step=then(undo(), server.again))
    else:
        lost = "" if same is None else "; a made-up token does not get through either"
        found = failed(got_none, lost, next_step=then(another_network(response.host), server.again))
    return replace(found, tried=what_was_tried(tried, lambda one: bool(_arrives(one))))


def _arrives(response: Response | None) -> bool | None:
    """Whether the made-up token was received, since it was rejected; None if that was not tried."""
    return None if response is None else response.code == "invalid_token"


def _rejected(server: ServerFacts) -> Finding:
    ending = server.stored.token.ending if server.stored.token else ""
    named = (" (ends in ", Span(ending, private=True), ")") if ending else ()
    why = ": it was revoked, has expired, or is for another server"
    hidden = server.stored.shadowed is not None and server.salvaged_identity is None
    other = f"; {server.stored.default_file.name} has another, perhaps of another server, so it was not tried"
    evidence = line(f"{server.host} rejected the stored token", *named, why, other if hidden else ())
    step = set_up(server)
    return within_reach(server, evidence, step) if server.misplaced_file else failed(evidence, next_step=step)


def is_temporary(server: ServerFacts) -> bool | None:
    """Whether the stored token expires by itself; None if unknown.

    The server lists exactly the permanent tokens of an account. Its route for the seconds left is not used because it
    takes the token in the URL.
    """
    if server.listed_tokens is None or server.stored.token is None or server.account is None:
        return None
    sent = server.stored.token.meant
    return all(key.token != sent for key in server.listed_tokens)


def _kind(server: ServerFacts) -> Finding | None:
    if not is_temporary(server):
        return ok("a permanent token") if is_temporary(server) is False else None
    replace_it = next_steps.end(server.target, "replace", can_ask=server.machine.can_ask)
    next_step = advise(replace_it, " replaces it with a permanent one")
    return warning(f"a temporary token: it expires {expiry(server)}", next_step=next_step)


def expiry(server: ServerFacts) -> str:
    """When the stored temporary token expires at the latest, judged by the age of its file; follows "expires"."""
    file, identity = server.stored.source, server.identity
    if file is not None and file.modified and identity is not None:
        latest = datetime.fromtimestamp(file.modified, timezone.utc) + timedelta(days=TEMPORARY_TOKEN_DAYS)
        left = latest - datetime.fromtimestamp(identity.at, timezone.utc)
        if left > timedelta():  # else the file was copied or touched, since the token works
            soon = f"within {SOON.days} days, " if left <= SOON else ""
            return f"{soon}by {latest:%d %B %Y}"
    return WITHIN


ACCOUNT = Check(
    id="account",
    group="account",
    title="account",
    about=ServerFacts,
    look=_account,
    needs=(FORM, SHADOW, AUTH),
    quiet=False,
    explains="The auth server rejected the token, or its response was unexpected.",
    fixed_by="{save_from_file} if another file has a token that works, otherwise "
    "{existing}; if a password in .netrc is sent instead, {without_netrc}; after an unexpected "
    "response, {check} again later.",
)
KIND = Check(
    id="token-kind",
    group="account",
    title="kind of token",
    about=ServerFacts,
    look=_kind,
    needs=(ACCOUNT,),
    explains="The stored token is temporary and expires within a week.",
    fixed_by="{replace} replaces it with a permanent one.",
)
CHECKS = (ACCOUNT, KIND)
