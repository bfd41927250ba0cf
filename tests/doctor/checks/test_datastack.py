"""The checks of a datastack, its terms and its permissions, on facts alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cave_magic.api import endpoints
from cave_magic.api.responses import Account, Response, Terms
from cave_magic.credentials.target import Target
from cave_magic.deployments import DEFAULT_SERVER
from cave_magic.doctor import healthy
from cave_magic.doctor.checks.datastack import ACCESS, INFO, LISTED, NAME, TERMS
from cave_magic.doctor.evidence import DatastackFacts, Machine, ServerFacts
from cave_magic.ui.redact import Untrusted, sanitize

from .facts import CHECK, EXISTING, HOST, OTHER, Case, case, each, finding, page, response, shared, token_file
from .facts import error as refused

DATASTACK = "minnie65_public"
ADDRESS = healthy.INFO.url
WHOAMI = "%cave_whoami"
NEAR = token_file(path=Path("~/Downloads/cave-secret.json"), token=OTHER)
SAVE_NEAR = "%cave_save --from-file ~/Downloads/cave-secret.json --overwrite"
PERMITTED = {DATASTACK: ("view",)}
SIGNED = Account(
    name=sanitize("Ada"), email=sanitize("ada@example.org"), id=1, permissions=PERMITTED, before_terms=PERMITTED
)
TWO = Terms(dataset=DATASTACK, name=Untrusted("MICrONS"), url=endpoints.terms_page(DEFAULT_SERVER, 2), number=2)
UNSIGNED = replace(SIGNED, permissions={}, unsigned=(TWO,))
STRANGER = replace(SIGNED, permissions={}, before_terms={})
ELSEWHERE = replace(SIGNED, permissions={"fly": ("view",)}, before_terms={"fly": ("view",)})
NOBODY = replace(ELSEWHERE, email=sanitize(""), name=sanitize("Nobody"))


def error(status: int, code: str, **data: object) -> Response:
    """A refusal of the info service."""
    return refused(status, code, ADDRESS, **data)


MISSING_TERMS = error(403, "missing_tos", tos_id=2, tos_name="MICrONS", dataset_name=DATASTACK)
FORBIDDEN = error(403, "missing_permission", auth_dataset=DATASTACK)
UNNAMED = error(403, "missing_permission")
LACKING = error(404, "invalid_table_id")


def _facts(
    info: Response | None, account: Account | None = SIGNED, server: dict[str, Any] | None = None, **facts: Any
) -> DatastackFacts:
    """Facts with a response of the info service and an account."""
    target = facts.get("target", healthy.TARGET)
    return DatastackFacts(
        info=info, server=ServerFacts(**{"account": account, "target": target, "info": info} | (server or {})), **facts
    )


def _named(name: str, **facts: Any) -> Target:
    return replace(healthy.TARGET, **{"datastack": name, "asked": True, "named_by": "default"} | facts)


def _list(body: object, status: int = 200) -> ServerFacts:
    return ServerFacts(datastack_list=response(status, body, endpoints.datastacks_url(DEFAULT_SERVER)))


def _lacking(name: str, *listed: str, asks: bool = True, **target: Any) -> DatastackFacts:
    return _facts(LACKING, target=_named(name, **target), listed_datastacks=listed if asks else None)


def _without(key: str, value: object = None) -> Response:
    return replace(healthy.INFO, body={**healthy.INFO.body, key: value})


MAPPED = Machine(datastack_map=replace(healthy.DATASTACK_MAP, entries={"mine": "https://other.example.org"}))
V1DD = "https://global.em.brain.allentech.org"

CASES = [
    case("not everything is looked at", LISTED, ServerFacts(), "nothing"),
    case("all datastacks are listed", LISTED, _list(["a", "b"]), "nothing"),
    case("the list is not available", LISTED, _list({"message": "no"}, 500), "warning", f"so only {DATASTACK} was checked"),
    case("a very long list", LISTED, _list([f"ds_{number}" for number in range(3000)]), "warning", "lists 3,000 datastacks; the first 200"),
    case("the info service works", INFO, DatastackFacts(), "ok", "responded in 100 ms"),
    case("the info service refuses", INFO, _facts(FORBIDDEN), "ok"),
    case("the info service was asked a short while ago", INFO, replace(DatastackFacts(), is_remembered=True), "ok", "opened the datastack a few minutes ago"),
    case("the info service is down", INFO, _facts(response(502, url=ADDRESS)), "failed", ("the info service", "502"), CHECK, advises="wait"),
    case("the info service gets no token", INFO, _facts(error(401, "no_token")), "failed", ("401: no_token", "the info service received no token, although the auth service did"), CHECK, advises="tell the administrators"),
    case("the info service gets no token and asks to sign in", INFO, _facts(response(302, url=ADDRESS, location=f"https://{HOST}/sticky_auth/api/v1/authorize")), "failed", "the info service received no token", CHECK, advises="tell the administrators"),
    case("the info service asks to slow down", INFO, _facts(response(429, {"message": "x"}, ADDRESS)), "failed", "slow down (429)", CHECK, advises="a minute"),
    case("the info service asks to wait", INFO, _facts(response(503, url=ADDRESS, wait=3600.0)), "failed", ("to wait 60 minutes", "CAVEclient silently waits"), CHECK, advises="try again at 01:00 UTC"),
    case("the info service is gone", INFO, _facts(page(404, url=ADDRESS)), "failed", "the info service is not where it should be", CHECK, advises="your token is not the cause"),
    case("the command names the datastack", INFO, replace(_facts(response(502, url=ADDRESS)), target=_named("fly")), "failed", "502", f"{CHECK} fly"),
    case("terms are accepted", TERMS, DatastackFacts(), "ok", "accepted"),
    case("terms of an unknown account", TERMS, _facts(MISSING_TERMS, None), "nothing"),
    case("terms of a datastack that cannot be read anyway", TERMS, _facts(FORBIDDEN), "nothing"),
    case("terms are missing", TERMS, _facts(MISSING_TERMS, UNSIGNED), "failed", "not accepted (403 missing_tos)", CHECK, url=TWO.url, advises="accept the terms at"),
    case("terms without a number", TERMS, _facts(error(403, "missing_tos"), UNSIGNED), "failed", "not accepted", CHECK, advises="on the server's website"),
    case("terms of a service account", TERMS, _facts(MISSING_TERMS, replace(UNSIGNED, service_account=True)), "failed", "by the owner", CHECK, advises="the owner of this service account must accept them"),
    case("terms were accepted a moment ago", TERMS, _facts(MISSING_TERMS, contradicted_since=0.0), "failed", ("terms of service accepted", "up to 300 s"), CHECK, advises="try again at 00:05 UTC"),
    case("terms were withdrawn a moment ago", TERMS, _facts(healthy.INFO, UNSIGNED, server={"datasets": {DATASTACK: DATASTACK}}, contradicted_since=0.0), "failed", "has not caught up", CHECK, url=TWO.url),
    case("a permission came with terms to accept", TERMS, _facts(FORBIDDEN, UNSIGNED, contradicted_since=0.0), "failed", "has not caught up", CHECK, url=TWO.url),
    case("the name is right", NAME, DatastackFacts(), "nothing"),
    case("the server lists what it does not have", NAME, _lacking("mine", "mine"), "failed", f"{HOST} lists mine, but has no information about it (404)", f"{CHECK} mine"),
    case("the map names another server", NAME, _facts(LACKING, target=_named("mine"), server={"machine": MAPPED}), "failed", f"mine is not on {HOST}; the datastack map says that it is on other.example.org", f"{CHECK} mine --server https://other.example.org"),
    case("a datastack of another server", NAME, _lacking("v1dd_public", "fly"), "failed", "it is on global.em.brain.allentech.org", f"{CHECK} v1dd_public --server {V1DD}"),
    case("a default datastack", NAME, _lacking("v1dd_public", "fly", asked=False, named_by="option"), "failed", "the default datastack", f"{CHECK} fly --server https://{HOST}"),
    case("a default datastack, of several", NAME, _lacking("v1dd_public", "fly", "ant", "fish", asked=False, named_by="setting"), "failed", "the default datastack", f"{CHECK} fly", advises="(it also has ant, fish)"),
    case("a server that lists nothing", NAME, _lacking("v1dd_public", asked=False, named_by="setting"), "failed", "the default datastack", WHOAMI),
    case("a datastack of another server, remembered on this one", NAME, _lacking("v1dd_public", "fly", asked=False, named_by="map"), "failed", "it is on", f"{CHECK} --server {V1DD}"),
    case("a typing error on a server that lists nothing", NAME, _lacking("minie65_public"), "failed", "no datastack minie65_public that you can see", WHOAMI),
    case("a typing error", NAME, _lacking("minie65_public", "minnie65_public", "fly"), "failed", "it has minnie65_public", f"{CHECK} minnie65_public"),
    case("a typing error, without a list", NAME, _lacking("minie65_public", asks=False), "failed", "did you mean minnie65_public", f"{CHECK} minnie65_public"),
    case("two names are near", NAME, _lacking("flywire_1", "flywire_2", "flywire_3"), "failed", " or flywire_", f"{CHECK} flywire_3"),
    case("a name that is nothing like any", NAME, _lacking("zzzz", "minnie65_public"), "failed", "no datastack zzzz that you can see", WHOAMI, advises="lists what you can read"),
    case("it can be read", ACCESS, DatastackFacts(), "ok", f"{DATASTACK} can be read; its data is on minnie.microns-daf.com"),
    *(case(f"a response about no datastack: {body!r}", ACCESS, _facts(response(200, body, ADDRESS)), "unknown", "returned HTTP 200", CHECK, advises="") for body in ([1], {}, {"maintenance": True}, {"local_server": 5}, {"local_server": "minnie"}, {"aligned_volume": 1}, {"aligned_volume": {"id": 1}})),
    *(case(f"an unusable address of the data: {address!r}", ACCESS, _facts(_without("local_server", address)), "unknown", "no usable data server address", CHECK) for address in ("http://", "http://[::1", "minnie", 5, "https://mi nnie.example", "ftp://x.org", None)),
    case("no permission", ACCESS, _facts(FORBIDDEN, ELSEWHERE), "failed", (f"ada@example.org has no permission to view {DATASTACK}", "403 missing_permission"), CHECK, advises="ask the administrators of minnie65_public for access"),
    case("no permission of an account without e-mail", ACCESS, _facts(FORBIDDEN, NOBODY), "failed", "Nobody has no permission", CHECK),
    case("no permission to view an unnamed dataset", ACCESS, _facts(UNNAMED, ELSEWHERE), "failed", f"to view {DATASTACK}", CHECK),
    case("no permission to view a dataset of another name", ACCESS, _facts(UNNAMED, ELSEWHERE, server={"datasets": {DATASTACK: "minnie65"}}), "failed", "to view minnie65 ", CHECK),
    case("no permission, but a public one", ACCESS, _facts(error(403, "missing_permission", auth_dataset="minnie65_phase3_v1"), target=_named("minnie65_phase3_v1")), "failed", "minnie65_phase3_v1", f"{CHECK} {DATASTACK}", advises="use the public datastack"),
    case("no permission where a page gives it", ACCESS, _facts(error(403, "missing_permission", auth_dataset="banc"), target=_named("brain_and_nerve_cord")), "failed", "banc", f"{CHECK} brain_and_nerve_cord", advises="ask the administrators of banc for access (https://flywire.ai/banc)", url="https://flywire.ai/banc"),
    case("no permission to anything", ACCESS, _facts(FORBIDDEN, STRANGER), "failed", "this account has no permissions at all", EXISTING, advises="another Google account"),
    case("no permission to anything without a prompt", ACCESS, _facts(FORBIDDEN, STRANGER, {"machine": Machine(can_ask=False)}), "failed", "this account has no permissions at all", "%cave_save --from-env CAVE_TOKEN --overwrite"),
    case("an administrator of the dataset", ACCESS, _facts(FORBIDDEN, replace(ELSEWHERE, administers=(DATASTACK,))), "failed", "which a dataset's administrator needs too", CHECK, advises=f"you administer {DATASTACK}: give one of your groups"),
    case("an administrator", ACCESS, _facts(FORBIDDEN, replace(ELSEWHERE, admin=True)), "failed", "administrator", CHECK, advises="give your account that permission"),
    case("a permission that was given a moment ago", ACCESS, _facts(FORBIDDEN, contradicted_since=0.0), "failed", ("may view minnie65_public, according to the auth server", "up to 300 s"), CHECK, advises="try again at 00:05 UTC"),
    case("a permission that was revoked a moment ago", ACCESS, _facts(healthy.INFO, ELSEWHERE, server={"datasets": {DATASTACK: "minnie65"}}, contradicted_since=0.0), "failed", ("no permission to view minnie65, according", f"still gives access to {DATASTACK}"), CHECK),
    case("every permission was revoked a moment ago", ACCESS, _facts(healthy.INFO, STRANGER, contradicted_since=0.0), "failed", "no permission to view anything, according to the auth server", CHECK),
    case("a contradiction that lasts", ACCESS, _facts(replace(healthy.INFO, at=301.0), STRANGER, contradicted_since=0.0), "unknown", "no permission to view anything", CHECK, advises="longer than 5 minutes"),
    case("a token that is too new for the info service", ACCESS, _facts(error(401, "invalid_token"), contradicted_since=0.0), "failed", "the auth server accepts the token", CHECK, advises="try again at"),
    case("an unknown refusal", ACCESS, _facts(error(403, "missing_magic")), "unknown", "missing_magic", CHECK),
    case("a refusal of an unknown account", ACCESS, _facts(FORBIDDEN, None), "unknown", "missing_permission", CHECK),
    case("another token may", ACCESS, _facts(FORBIDDEN, ELSEWHERE, misplaced_file=NEAR), "failed", ("has no permission", "~/Downloads/cave-secret.json has a token with access"), SAVE_NEAR),
    case("another token was not tried", ACCESS, _facts(FORBIDDEN, ELSEWHERE, untried_file=NEAR), "failed", "does not name its server", SAVE_NEAR, CHECK, advises=f"if it is for {HOST}; otherwise"),
    case("another token does not change what was given", ACCESS, _facts(FORBIDDEN, contradicted_since=0.0, misplaced_file=NEAR), "failed", "has a token with access", SAVE_NEAR),
    case("another token does not change a contradiction that lasts", ACCESS, _facts(replace(FORBIDDEN, at=301.0), contradicted_since=0.0, misplaced_file=NEAR), "unknown", "still refuses", CHECK),
]  # fmt: skip


@each(CASES)
def test_the_datastack(case: Case):
    """Each check of the datastack gives the expected finding."""
    case.run()


def test_who_lacks_a_permission_is_not_shared():
    """The e-mail is private."""
    found = finding(ACCESS, _facts(FORBIDDEN, ELSEWHERE))
    assert found is not None
    assert "ada" not in shared(found)


@pytest.mark.parametrize("name", ["x\x1b[31my", "x" * 200])
def test_an_odd_name_is_shown_in_one_line(name: str):
    """The name is shown short and printable."""
    found = finding(NAME, _lacking(name, "other"))
    assert found is not None
    assert shared(found).isprintable()
    assert len(shared(found)) < 150
