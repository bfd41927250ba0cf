"""The checks of the account and the kind of its token, on facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cave_magic.api.responses import ListedToken, Response, account_in
from cave_magic.doctor import healthy
from cave_magic.doctor.checks.account import ACCOUNT, KIND
from cave_magic.doctor.evidence import Machine, ServerFacts
from cave_magic.doctor.experiments.model import Change, Experiment, Tried
from cave_magic.token import Token

from .facts import (
    CHECK,
    EXISTING,
    HOST,
    LOCAL,
    OTHER,
    REJECTED,
    Case,
    case,
    each,
    error,
    finding,
    page,
    response,
    shared,
    stored,
    token_file,
)

NEAR = token_file(path=Path("~/Downloads/cave-secret.json"), token=OTHER)
NOW = 1_795_000_000.0
"""When the server responds, in seconds since 1970."""
HIDING = stored(token_file(token=Token("5a3b" * 8)), token_file("cave-secret.json", OTHER))


NO_PROXY = f"%env NO_PROXY={HOST},{LOCAL},prod.flywire-daf.com,cave.fanc-fly.com"
_NO_TOKEN = error(401, "no_token")


def _lost(same: Response, direct: Response | None = None, unchanged: Response | None = None) -> ServerFacts:
    """A server that gets no token, and what it says to a made-up one: usually, without the proxy, without a change."""
    sent = {Change.MADE_UP: same, Change.MADE_UP_DIRECT: direct, Change.AS_INSTALLED: unchanged}
    experiments = tuple(Experiment(change=change, response=one) for change, one in sent.items() if one is not None)
    tried = Tried(url=same.url, experiments=experiments, proxy="HTTPS_PROXY" if direct else "")
    return _not_accepted(error(401, "bad_auth_header"), tried=tried)


def _not_accepted(identity: Any, **facts: Any) -> ServerFacts:
    return ServerFacts(identity=identity, account=None, **facts)


def _temporary(file: Any = None, **facts: Any) -> ServerFacts:
    facts |= {"identity": replace(healthy.IDENTITY, at=NOW), "listed_tokens": (ListedToken(token=OTHER),)}
    return ServerFacts(stored=stored(file or token_file(token=healthy.TOKEN)), **facts)


REPLACE = "%cave_setup replace"
NEW_FILE = token_file(token=healthy.TOKEN, modified=NOW - 86_400)
ENDS = f"{datetime.fromtimestamp(NOW + 6 * 86_400, timezone.utc):%d %B %Y}"
NAMELESS = account_in(response(200, {"name": ["A"], "email": {"x": 1}, "id": 7}), HOST)

CASES = [
    case("the token is accepted", ACCOUNT, ServerFacts(), "ok", "Ada Lovelace <ada@example.org>"),
    case("an account without a name", ACCOUNT, ServerFacts(account=NAMELESS), "ok", "(no name)"),
    case("the token is rejected", ACCOUNT, _not_accepted(REJECTED), "failed", ("stored token", "5a3b"), EXISTING),
    case("a short token is rejected", ACCOUNT, _not_accepted(REJECTED, stored=stored(token_file(token=Token("abc")))), "failed", "the stored token:", EXISTING),
    case("another token is hidden and may be another server's", ACCOUNT, _not_accepted(REJECTED, stored=HIDING), "failed", ("stored token", "cave-secret.json has another, perhaps of another server, so it was not tried"), EXISTING),
    case("another token works", ACCOUNT, _not_accepted(REJECTED, misplaced_file=NEAR), "failed", "~/Downloads/cave-secret.json has one that works", "%cave_save --from-file ~/Downloads/cave-secret.json --overwrite"),
    case("a rejected token without a prompt", ACCOUNT, _not_accepted(REJECTED, machine=Machine(can_ask=False)), "failed", "stored token", "%cave_save --from-env CAVE_TOKEN --overwrite"),
    case("netrc replaces the token", ACCOUNT, _not_accepted(error(401, "no_token"), netrc_file="~/.netrc"), "failed", "~/.netrc has a password", "%env NETRC=/dev/null", CHECK, advises=f"remove the entry for {HOST}"),
    case("NETRC names the file", ACCOUNT, _not_accepted(error(401, "no_token"), netrc_file="/etc/mine"), "failed", "the file that NETRC names", "%env NETRC=/dev/null", CHECK),
    case("the token does not arrive", ACCOUNT, _not_accepted(error(401, "no_token")), "failed", f"{HOST} received no token (401 no_token)", CHECK, advises="try another network"),
    case("a part of the token does not arrive", ACCOUNT, _lost(_NO_TOKEN), "failed", "a made-up token does not get through either", CHECK, advises=f"tell the administrators of {HOST}"),
    case("the token does not arrive once", ACCOUNT, _lost(REJECTED), "failed", "but a made-up token gets through", CHECK, advises="wait a minute"),
    case("the proxy removes the token", ACCOUNT, _lost(_NO_TOKEN, REJECTED), "failed", "without the proxy, a made-up token gets through", NO_PROXY, CHECK, advises="or correct HTTPS_PROXY"),
    case("code in this kernel removes the token", ACCOUNT, _lost(_NO_TOKEN, unchanged=REJECTED), "failed", "changed in requests, a made-up token gets through", CHECK, advises="restart the kernel without that"),
    case("the token does not arrive without the proxy either", ACCOUNT, _lost(_NO_TOKEN, _NO_TOKEN), "failed", "does not get through either", CHECK),
    case("no account in the response", ACCOUNT, _not_accepted(response(200, {"maintenance": True})), "unknown", "could not be verified", CHECK),
    case("a page of a proxy", ACCOUNT, _not_accepted(page(401, "Authorization Required")), "unknown", ("could not be verified", "401"), CHECK),
    case("a permanent token", KIND, ServerFacts(), "ok", "permanent"),
    case("a permanent token in quotes", KIND, ServerFacts(stored=stored(token_file(token=Token(f'"{healthy.TOKEN.reveal()}"')))), "ok", "permanent"),
    case("the list is not known", KIND, ServerFacts(listed_tokens=None), "nothing"),
    case("no token is stored", KIND, ServerFacts(stored=stored()), "nothing"),
    case("the account is not known", KIND, ServerFacts(account=None), "nothing"),
    case("a temporary token", KIND, _temporary(), "warning", "within 7 days", REPLACE),
    case("a temporary token of yesterday", KIND, _temporary(NEW_FILE), "warning", f"it expires by {ENDS}", REPLACE),
    case("a temporary token of five and a half days", KIND, _temporary(replace(NEW_FILE, modified=NOW - 5.5 * 86_400)), "warning", "it expires within 2 days, by ", REPLACE),
    case("a temporary token in an old file", KIND, _temporary(replace(NEW_FILE, modified=1.5e9)), "warning", "within 7 days", REPLACE),
    case("a temporary token without a prompt", KIND, _temporary(machine=Machine(can_ask=False)), "warning", "within 7 days", f"{REPLACE} --yes"),
]  # fmt: skip


@each(CASES)
def test_the_account(case: Case):
    """Each check of the account gives the expected finding."""
    case.run()


def test_the_account_is_not_shared():
    """Name, e-mail and the end of the token are private."""
    healthy_one, rejected = finding(ACCOUNT, ServerFacts()), finding(ACCOUNT, _not_accepted(REJECTED))
    assert healthy_one is not None
    assert rejected is not None
    assert "Ada" not in shared(healthy_one)
    assert "5a3b" not in shared(rejected)
