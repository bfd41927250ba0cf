"""A permission or terms that have just changed: the auth server knows at once, the info service caches for 300 s."""

from __future__ import annotations

import time

import flask
import pytest

from cave_magic.api.responses import MEMORY_SECONDS, Account, Response, Terms, contradicts
from cave_magic.doctor.gather_memory import MEMORY
from cave_magic.ui.durations import moment
from cave_magic.ui.redact import Untrusted, sanitize

from .world import ID, World, bad, says

NAME = "minnie65_public"
GUARD = f"/auth/api/v1/service/datastack/table/{NAME}/dataset"


def _row(report, name: str):
    return next(row for row in report.rows if row.id == name)


def _waits(world: World, start: float, ago: float = 0) -> bool:
    """Whether Next only says to wait until the cache of the info service expires.

    Its time counts from a moment between `start` and now, or `ago` seconds before.
    """
    text = world.check().next.text
    return text in {f"try again {moment(when - ago, MEMORY_SECONDS)}: %cave_check" for when in (start, time.time())}


def _is_over(world: World) -> None:
    """Lets the cache expire, for the server and for the check."""
    world.cave.advance(MEMORY_SECONDS)
    for key, (first, last) in MEMORY.contradictions.items():
        MEMORY.contradictions[key] = first - MEMORY_SECONDS, last - MEMORY_SECONDS


def test_a_revoked_permission_is_reported_at_once(world: World):
    """While the info service still grants access, both are reported; afterwards, only the missing permission."""
    assert world.check().ok
    world.cave.revoke("ada", NAME)
    start = time.time()
    report = world.check()
    assert bad(report) == [("access", "failed")]
    evidence = _row(report, "access").evidence
    assert "ada@example.org has no permission to view minnie65_public, according to the auth server" in evidence
    assert "the info service still gives access to minnie65_public: it caches permissions for up to 300 s" in evidence
    assert _waits(world, start)
    assert "All well" not in world.run("%cave_check").out
    _is_over(world)
    assert "403 missing_permission" in _row(world.check(), "access").evidence


def test_a_new_permission_is_waited_for(world: World):
    """While the info service still refuses, the check says to wait, not to ask for access."""
    world.save(world.cave.new_token("carol"))
    assert bad(world.check()) == [("access", "failed")]
    world.cave.use_up_rechecks()
    world.cave.grant("carol", NAME)
    start = time.time()
    report = world.check()
    assert bad(report) == [("access", "failed")]
    evidence = _row(report, "access").evidence
    assert "carol@example.org may view minnie65_public, according to the auth server" in evidence
    assert "still refuses access (403 missing_permission): it caches permissions for up to 300 s" in evidence
    assert _waits(world, start)
    _is_over(world)
    assert world.check().ok


def test_a_permission_with_terms_to_accept_leads_to_the_terms(world: World):
    """The terms come first, with their link, then the time to wait."""
    world.save(world.cave.new_token("carol"))
    world.check()
    world.cave.use_up_rechecks()
    world.cave.grant("carol", NAME)
    world.cave.withdraw_terms("carol", NAME)
    world.person = "carol"
    start = time.time()
    report = world.check()
    assert bad(report) == [("terms", "failed")]
    assert "/tos/2/accept" in (report.next.url or "")
    world.follow(report.next)
    assert _waits(world, start)
    _is_over(world)
    assert world.check().ok


def test_newly_accepted_terms_are_waited_for(world: World):
    """The info service still refuses, but the auth server does not list them as missing."""
    world.cave.withdraw_terms("ada", NAME)
    world.cave.forget()
    assert bad(world.check()) == [("terms", "failed")]
    world.cave.use_up_rechecks()
    world.cave.accept_terms("ada", NAME)
    start = time.time()
    report = world.check()
    assert bad(report) == [("terms", "failed")]
    assert "terms of service accepted, according to the auth server" in _row(report, "terms").evidence
    assert _waits(world, start)
    _is_over(world)
    assert world.check().ok


def test_withdrawn_terms_are_reported_at_once(world: World):
    """The link is shown while the info service still gives access to the datastack, and accepting the terms fixes it."""
    assert world.check().ok
    world.cave.withdraw_terms("ada", NAME)
    report = world.check()
    assert bad(report) == [("terms", "failed")]
    assert "according to the auth server; the info service has not caught up" in _row(report, "terms").evidence
    assert world.fix().ok


def test_a_set_up_does_not_say_that_nothing_is_needed(world: World):
    """`%cave_setup` compares both, too, and points to the check."""
    assert "You are set up" in world.run("%cave_setup").out
    world.cave.revoke("ada", NAME)
    out = world.run("%cave_setup").out
    assert "minnie65_public cannot be read" in out
    assert "%cave_check" in out


def test_the_time_to_try_again_stays_the_same(world: World):
    """Every check names the same time, since the info service caches nothing newer."""
    world.check()
    world.cave.revoke("ada", NAME)
    start = time.time()
    world.check()
    for key, (first, last) in MEMORY.contradictions.items():
        MEMORY.contradictions[key] = first - 200, last
    assert _waits(world, start, 200)


def test_a_contradiction_that_lasts_is_unknown(world: World):
    """If the info service contradicts for longer than it caches, there is no time to wait for."""
    world.check()
    world.cave.revoke("ada", NAME)
    world.check()
    for key, (first, last) in MEMORY.contradictions.items():
        MEMORY.contradictions[key] = first - MEMORY_SECONDS, last
    report = world.check()
    assert bad(report) == [("access", "unknown")]
    assert "tell the administrators of" in report.next.text


def test_another_contradiction_has_a_time_of_its_own(world: World):
    """An old contradiction is over, even if no check saw its end."""
    world.check()
    world.cave.revoke("ada", NAME)
    world.check()
    for key in MEMORY.contradictions:
        MEMORY.contradictions[key] = 1000.0, 1000.0
    assert _waits(world, time.time())


@pytest.mark.parametrize("dataset", ["minnie65_phase3", "flywire_fafb_public"])
def test_a_dataset_with_another_name_counts(world: World, dataset):
    """The permissions for the dataset count, which may have another name than the datastack."""
    world.check()  # the info service caches Ada's permissions
    world.cave.misbehave(GUARD, lambda request: flask.jsonify(dataset))
    world.cave.revoke("ada", NAME)
    report = world.check()
    if dataset == "flywire_fafb_public":
        assert report.ok
    else:
        assert bad(report) == [("access", "failed")]
        assert "no permission to view minnie65_phase3, according to" in _row(report, "access").evidence


def test_a_dataset_with_another_name_is_requested_once(world: World):
    """After the first check in a kernel, such a datastack needs no extra request."""
    world.cave.misbehave(GUARD, lambda request: flask.jsonify("flywire_fafb_public"))
    world.cave.revoke("ada", NAME)
    assert world.check().ok
    world.cave.clear_requests()
    assert world.check().ok
    assert GUARD not in {one.path for one in world.cave.requests}


@pytest.mark.parametrize(
    "response", [(404, "No dataset for given service and table names"), (500, "x"), (200, {"a": 1})]
)
def test_an_unknown_dataset_is_not_guessed(world: World, response):
    """If the auth server does not name the dataset, the account may have access to it."""
    world.check()  # the info service caches Ada's permissions
    world.cave.misbehave(GUARD, says(*response))
    world.cave.revoke("ada", NAME)
    assert world.check().ok


def test_an_account_without_any_permission_cannot_read_anything(world: World):
    """Without any permission, the dataset does not matter."""
    world.check()  # the info service caches Ada's permissions
    world.cave.misbehave(GUARD, says(404, "x"))
    for name in (NAME, "flywire_fafb_public"):
        world.cave.revoke("ada", name)
    report = world.check()
    assert bad(report) == [("access", "failed")]
    assert "no permission to view anything, according to the auth server" in _row(report, "access").evidence


@pytest.mark.parametrize(
    "body", [{"id": 1, "name": "A", "email": "a@b.org"}, {"id": 1, "permissions_v2": {}, "missing_tos": None}]
)
def test_a_response_without_permissions_is_not_a_refusal(world: World, body):
    """Older auth servers do not list permissions."""
    world.check()  # the info service caches Ada's permissions
    world.cave.misbehave(ID, says(200, body))
    assert world.check().ok


PERMITTED = {"a": ("view",), "b": ("view", "edit")}
ADA = Account(
    name=sanitize("Ada"),
    email=sanitize("ada@example.org"),
    id=1,
    permissions={"a": ("view",)},
    before_terms=PERMITTED,
    unsigned=(Terms(dataset="b", name=Untrusted("T"), url="u", number=2),),
)
NOBODY = Account(name=sanitize("Nobody"), email=sanitize("n@example.org"), id=2)
OPEN = Response(url="s", status=200, failure=None, detail="", body={"local_server": "https://l.org"}, is_json=True)


def _refused(code: str, **data: object) -> Response:
    return Response(url="s", status=403, failure=None, detail="", body={"error": code, "data": data}, is_json=True)


@pytest.mark.parametrize(
    ("account", "info", "dataset", "expected"),
    [
        (ADA, OPEN, "a", False),
        (ADA, OPEN, "", False),
        (ADA, OPEN, "b", True),
        (ADA, OPEN, "c", True),
        (NOBODY, OPEN, "", True),
        (ADA, _refused("missing_permission", auth_dataset="a"), "", True),
        (ADA, _refused("missing_permission", auth_dataset="b"), "", True),
        (ADA, _refused("missing_permission", auth_dataset="c"), "", False),
        (ADA, _refused("missing_permission"), "", False),
        (ADA, _refused("missing_permission", auth_dataset=["a"]), "", False),
        (ADA, _refused("missing_tos", tos_id=2), "", False),
        (ADA, _refused("missing_tos", tos_id=3), "", True),
        (ADA, _refused("missing_tos", tos_id="x"), "", False),
        (ADA, _refused("invalid_token"), "", True),
        (ADA, _refused("invalid_table_id"), "", False),
        (ADA, Response(url="s", status=502), "", False),
    ],
)
def test_which_responses_contradict_each_other(account, info, dataset, expected):
    """Two responses contradict each other only if they cannot both be current."""
    assert contradicts(account, info, dataset) is expected
