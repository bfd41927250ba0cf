"""Routes of the auth server and the info service that the contract does not record, as in their sources."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from cave_magic.sandbox import Sandbox

KEYS = "/auth/api/v1/user/token"
VOLUMES = "/info/api/v2/aligned_volume"
ORIGIN = {"Origin": "https://ngl.example.org"}


def ask(cave: Sandbox, person: str, path: str, method: str = "GET", **more: Any) -> requests.Response:
    """Sends a request with a new token of `person` to the global server."""
    headers = {"Authorization": f"Bearer {cave.new_token(person)}", **more.pop("headers", {})}
    return requests.request(method, cave.server + path, headers=headers, timeout=60, **more)


@pytest.mark.parametrize(
    ("kind", "body", "description"),
    [
        ({"Content-Type": "application/json"}, '{"description": "x"}', "x"),
        ({"Content-Type": "application/json; charset=utf-8"}, '{"description": "x"}', "x"),
        ({}, '{"description": "x"}', None),
        ({"Content-Type": "text/plain"}, '{"description": "x"}', None),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "description=x", None),
    ],
)
def test_a_description_must_be_declared_as_json(
    cave: Sandbox, kind: dict[str, str], body: str, description: str | None
) -> None:
    """Without `Content-Type: application/json` the body is ignored, and the new token has no description."""
    made = ask(cave, "ada", KEYS, "POST", headers=kind, data=body)
    assert made.status_code == 200
    assert (cave.tokens("ada")[0]["token"], cave.tokens("ada")[0]["description"]) == (made.json(), description)


def test_every_route_of_auth_exists_under_sticky_auth(cave: Sandbox) -> None:
    """The version and all of `api/v1` are under both prefixes; the pages are under `/sticky_auth` only."""
    rules = [rule for rule in cave._auth_app.url_map.iter_rules() if rule.rule.startswith("/auth/")]
    twins = {(rule.rule, *rule.methods) for rule in cave._auth_app.url_map.iter_rules()}
    assert len(rules) > 15
    assert [
        rule.rule for rule in rules if ("/sticky_auth" + rule.rule.removeprefix("/auth"), *rule.methods) not in twins
    ] == []
    for path in ("/version", "/api/v1/user/cache", "/api/v1/user/token", "/api/v1/user/missing"):
        here, there = (ask(cave, "ada", f"{prefix}{path}") for prefix in ("/auth", "/sticky_auth"))
        assert there.status_code == here.status_code == 200
    token = cave.new_login_token("ada")
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{cave.server}/sticky_auth/api/v1/logout", headers=headers, timeout=60).json() == "success"
    assert requests.get(f"{cave.server}/auth/api/v1/user/me", headers=headers, timeout=60).status_code == 401


def test_sticky_auth_stays_up_when_auth_is_down(cave: Sandbox) -> None:
    """The two are separate processes."""
    cave.misbehave("auth", "down")
    assert ask(cave, "ada", "/auth/api/v1/user/me").status_code == 502
    assert ask(cave, "ada", "/sticky_auth/api/v1/user/me").status_code == 200


@pytest.mark.parametrize(
    ("person", "names"),
    [
        ("ada", ["minnie65_phase3", "fafb_seung_alignment_v0"]),
        ("bob", ["minnie65_phase3", "fafb_seung_alignment_v0"]),
        ("carol", []),
        ("admin", []),
    ],
)
def test_image_volumes_are_listed_by_permission(cave: Sandbox, person: str, names: list[str]) -> None:
    """The lists of volumes and of their datastacks have what the account may view, even without the terms."""
    assert ask(cave, person, VOLUMES).json() == names
    expected = ["minnie65_public"] if names else []
    assert ask(cave, person, f"{VOLUMES}/minnie65_phase3/datastacks").json() == expected


@pytest.mark.parametrize(
    ("person", "volume", "status", "error"),
    [
        ("ada", "minnie65_phase3", 200, None),
        ("bob", "minnie65_phase3", 403, "missing_tos"),
        ("carol", "minnie65_phase3", 403, "missing_permission"),
        ("ada", "secret_volume", 403, "missing_permission"),
        ("ada", "orphan_volume", 400, "invalid_table_id"),
        ("ada", "no_such_volume", 400, "invalid_table_id"),
    ],
)
def test_an_image_volume_is_protected_like_a_datastack(
    cave: Sandbox, person: str, volume: str, status: int, error: str | None
) -> None:
    """It requires the permission and the terms, and a name that auth does not know is 400."""
    got = ask(cave, person, f"{VOLUMES}/{volume}")
    assert (got.status_code, got.json().get("error")) == (status, error)


def test_an_image_volume_by_its_id_needs_no_token(cave: Sandbox) -> None:
    """It is public, even with a revoked token; an unknown id is 404."""
    url = f"{cave.server}{VOLUMES}/id"
    assert requests.get(f"{url}/3", timeout=60).json()["name"] == "secret_volume"
    dead = {"Authorization": f"Bearer {'0' * 32}"}
    assert requests.get(f"{url}/1", headers=dead, timeout=60).json()["name"] == "minnie65_phase3"
    missing = requests.get(f"{url}/99", timeout=60)
    assert missing.status_code == 404
    assert (
        f"You have requested this URI [{VOLUMES}/id/99] but did you mean {VOLUMES}/id/<int:"
        in missing.json()["message"]
    )


def _shared(response: requests.Response) -> tuple[str | None, str | None]:
    names = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")
    return response.headers.get(names[0]), response.headers.get(names[1])


@pytest.mark.parametrize("path", ["/auth/version", "/sticky_auth/version", "/auth/api/v1/user/me", "/auth/nowhere"])
def test_auth_allows_the_origin_of_the_request(cave: Sandbox, path: str) -> None:
    """Without `Origin` there are no CORS headers; with one it is echoed and credentials are allowed."""
    assert _shared(requests.get(cave.server + path, timeout=60, allow_redirects=False)) == (None, None)
    named = requests.get(cave.server + path, headers=ORIGIN, timeout=60)
    assert _shared(named) == (ORIGIN["Origin"], "true")
    assert named.headers["Access-Control-Expose-Headers"] == "WWW-Authenticate, X-Requested-With"
    assert "Origin" in named.headers["Vary"]


@pytest.mark.parametrize("path", ["/info/version", "/info/api/v2/datastacks", "/info/nowhere"])
def test_info_allows_every_origin(cave: Sandbox, path: str) -> None:
    """Without `Origin` the allowed origin is `*`, with one it is echoed; credentials are never allowed."""
    assert _shared(requests.get(cave.server + path, timeout=60, allow_redirects=False)) == ("*", None)
    assert _shared(requests.get(cave.server + path, headers=ORIGIN, timeout=60)) == (ORIGIN["Origin"], None)


def test_a_browser_may_send_a_token_from_another_origin(cave: Sandbox) -> None:
    """The preflight request needs no token, and its response allows the header."""
    first = {**ORIGIN, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    got = requests.options(f"{cave.server}/auth/api/v1/user/cache", headers=first, timeout=60)
    assert got.status_code == 200
    assert got.headers["Access-Control-Allow-Headers"] == "authorization"
    assert "GET" in got.headers["Access-Control-Allow-Methods"].split(", ")


DATASTACK = "/info/api/v2/datastack"


@pytest.mark.parametrize(
    ("path", "answers"),
    [
        ("/auth/api/v1/user/cache", (200, 200, 200)),
        ("/auth/api/v1/user/missing", (200, 200, 200)),
        ("/auth/api/v1/group/1/user", (200, 200, 200)),
        ("/sticky_auth/settings/tokens", (200, 200, 200)),
        (f"{DATASTACK}s", (200, 200, 200)),
        (f"{DATASTACK}/full/minnie65_public", (200, 200, "missing_permission")),
        (f"{DATASTACK}/full/flywire_fafb_public", (200, 200, "missing_permission")),
        (f"{DATASTACK}/full/secret_ds", ("missing_permission",) * 3),
        (f"{DATASTACK}/full/orphan_ds", ("invalid_table_id",) * 3),
        (f"{DATASTACK}/full/ghost_ds", (404, 404, "missing_permission")),
        (f"{DATASTACK}/minnie65_public", (200, 200, "missing_permission")),
    ],
)
def test_service_accounts_and_administrators_have_their_access(
    cave: Sandbox, path: str, answers: tuple[int | str, ...]
) -> None:
    """A service account and a dataset administrator may read data; a server administrator has no datastack."""
    for person, expected in zip(("bot", "dora", "admin"), answers, strict=True):
        got = ask(cave, person, path)
        assert (got.json()["error"] if got.status_code in (400, 403) else got.status_code) == expected
    if path.endswith("datastacks"):
        assert [ask(cave, person, path).json() for person in ("bot", "admin")] == [list(cave.datastacks[:2]), []]


@pytest.mark.parametrize(("path", "status"), [("/info", 308), ("/info/version/", 404), ("/auth/api/v1/user/me/", 404)])
def test_a_trailing_slash_matters(cave: Sandbox, path: str, status: int) -> None:
    """The info page has one, and redirects without it; an API route with one is not found."""
    got = requests.get(cave.server + path, timeout=60, allow_redirects=False)
    assert got.status_code == status
    assert got.headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("person", "status", "email"),
    [("ada", 403, False), ("bot", 200, True), ("dora", 200, False), ("admin", 200, True)],
)
def test_people_are_listed_for_administrators(cave: Sandbox, person: str, status: int, email: bool) -> None:
    """Service accounts and server administrators see e-mails, dataset administrators do not."""
    got = ask(cave, person, "/auth/api/v1/user?id=2")
    assert got.status_code == status
    if status == 200:
        (alice,) = got.json()
        assert ("email" in alice, alice["name"], alice["service_account"]) == (email, "Alice Example", False)
        assert len(ask(cave, person, "/auth/api/v1/user").json()["items"]) == 12
    else:
        assert got.text == "Requires admin privilege."


def test_names_are_public_except_those_of_service_accounts(cave: Sandbox) -> None:
    """A name can be requested by id, without the e-mail; without an id nothing is listed."""
    assert ask(cave, "ada", "/auth/api/v1/username?id=2,8").json() == [
        {"id": 2, "name": "Alice Example"},
        {"id": 8, "name": "Bot Example"},
    ]
    assert ask(cave, "ada", "/auth/api/v1/username").json() == []
    assert "email" not in ask(cave, "ada", "/auth/api/v1/user/2").json()
    assert ask(cave, "ada", "/auth/api/v1/user/8").text == "User doesn't exist"
    assert ask(cave, "bot", "/auth/api/v1/user/me").json()["parent"]["name"] == "Alice Example"


def test_datasets_are_those_of_the_administrator(cave: Sandbox) -> None:
    """A typical user has none, a dataset administrator their own, a server administrator all."""
    minnie = {"id": 1, "name": "minnie65_public", "tos_id": 2}
    assert ask(cave, "ada", "/auth/api/v1/dataset").json() == []
    assert ask(cave, "dora", "/auth/api/v1/dataset").json() == [minnie]
    assert minnie in ask(cave, "admin", "/auth/api/v1/dataset").json()
    assert ask(cave, "dora", "/auth/api/v1/user/me").json()["admin_datasets"] == [{"id": 1, "name": "minnie65_public"}]


def test_my_permissions_equals_user_cache(cave: Sandbox) -> None:
    """Both routes return the same body."""
    one, other = (ask(cave, "bob", f"/auth/api/v1/{name}").json() for name in ("my_permissions", "user/cache"))
    assert one == other
