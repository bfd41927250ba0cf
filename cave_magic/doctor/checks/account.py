"""Whose token is it, by the word of the auth server, and what kind of token?"""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone

from ...api.responses import REFUSALS, TEMPORARY_TOKEN_DAYS, WITHIN
from ...api.urls import name_of_host
from ...redact import private
from .. import next_steps
from ..evidence import ServerFacts
from ..model import Check, Finding, NextStep, failed, ok, unknown, warning
from .network import AUTH, UNKNOWN_ANSWER, then
from .token import FORM, SHADOW, set_up, within_reach


def _account(server: ServerFacts) -> Finding:
    response = server.identity
    check = next_steps.check(server.target)
    again = NextStep(check, (check,))
    if response is None:
        return unknown(f"{server.host} was not asked", again)
    if server.account is not None:
        return ok(private(server.account.label))
    if response.code == "invalid_token":
        return _refused(server)
    if server.netrc:
        return _netrc(server)
    if response.code in REFUSALS:
        way = "try another network, or go without the proxy or VPN"
        return failed(
            f"the token did not arrive at {response.host} ({response.status} {response.code}): "
            "something on the way takes it out",
            then(way, check),
        )
    return unknown(f"could not be verified: {response.evidence}", then(UNKNOWN_ANSWER, check))


def _refused(server: ServerFacts) -> Finding:
    stored = server.stored
    ending = f" (it ends in {private(stored.token.ending)})" if stored.token and stored.token.ending else ""
    evidence = (
        f"{server.host} does not know the stored token{ending}: it was deleted, replaced, has ended, or is another "
        "server's"
    )
    return within_reach(server, evidence, set_up(server)) if server.near else failed(evidence, set_up(server))


def _netrc(server: ServerFacts) -> Finding:
    host, check = name_of_host(server.address), next_steps.check(server.target)
    command = next_steps.with_variable("NETRC", os.devnull)
    file = server.netrc if server.netrc.startswith("~/") else "the file that NETRC names"
    return failed(
        f"{file} has a log-in for {host}, which is sent in place of the token",
        NextStep(
            f'remove the entry for {host} (or "default") from {file}, or in this kernel: {command}, then {check}',
            (command, check),
        ),
    )


def expires_by(server: ServerFacts) -> datetime | None:
    """The latest moment at which a stored log-in token ends, from when its file was written; None if unknown.

    A token that works has not ended: a file that is older got its time from somewhere else.
    """
    file = server.stored.source
    if file is None or not file.modified:
        return None
    ends = datetime.fromtimestamp(file.modified, timezone.utc) + timedelta(days=TEMPORARY_TOKEN_DAYS)
    return ends if ends > datetime.now(timezone.utc) else None


def is_temporary(server: ServerFacts) -> bool | None:
    """True for one that ends by itself, False for a permanent one, None if it cannot be told.

    The tokens page lists every permanent token of a person and no other; the route that would give the seconds left
    carries the token in its address, so it is not asked.
    """
    if server.keys is None or server.stored.token is None or server.account is None:
        return None
    sent = server.stored.token.reads_as() or server.stored.token
    return all(key.token != sent for key in server.keys)


def _kind(server: ServerFacts) -> Finding | None:
    if not is_temporary(server):
        return ok("a permanent token") if is_temporary(server) is False else None
    until = expires_by(server)
    when = f"by {until:%d %B %Y} at the latest" if until else WITHIN
    if not server.machine.can_ask:
        return warning(f"a log-in token: it ends {when}", set_up(server))
    command = next_steps.setup(server.target, "existing")
    return warning(f"a log-in token: it ends {when}", NextStep(f"{command} makes a permanent one of it", (command,)))


ACCOUNT = Check(
    id="account",
    group="account",
    title="account",
    about=ServerFacts,
    look=_account,
    needs=(FORM, SHADOW, AUTH),
    explains="The auth server does not know the token, or its answer could not be understood.",
    fixed_by="`%cave_save --from-file FILE --overwrite` where a token that works is near, else `%cave_setup existing`; "
    "where `.netrc` replaces the token, `%env NETRC=/dev/null`; where the answer could not be understood, "
    "`%cave_check` again later.",
)
KIND = Check(
    id="token-kind",
    group="account",
    title="kind of token",
    about=ServerFacts,
    look=_kind,
    needs=(ACCOUNT,),
    quiet=True,
    explains="The stored token is a log-in token, which ends by itself within a week.",
    fixed_by="`%cave_setup existing` makes a permanent one of it.",
)
CHECKS = (ACCOUNT, KIND)
