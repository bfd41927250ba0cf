"""caveclient with the practice server: it works with healthy services, and fails with broken ones as measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from requests import exceptions as E
from urllib3.util.retry import Retry

from cave_magic.sandbox import Sandbox

caveclient = pytest.importorskip("caveclient")
QUICK = 20.0
"""Seconds that a busy computer may need for what takes a tenth of a second; waiting for nothing would take minutes."""
BACKOFF = Retry.get_backoff_time  # which other tests do not wait for
pytestmark = pytest.mark.filterwarnings("default::DeprecationWarning", "default::FutureWarning")

REFUSED = "invalid_token"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs that caveclient tries to open in a browser."""
    found: list[str] = []
    monkeypatch.setattr("webbrowser.open", found.append)
    return found


def client(cave: Sandbox, token: Any, datastack: str | None = None, **more: Any) -> Any:
    """A client of this sandbox that writes no file."""
    return caveclient.CAVEclient(
        datastack, server_address=cave.server, auth_token=token, write_server_cache=False, **more
    )


def test_a_client_of_a_datastack_works(cave: Sandbox) -> None:
    """Every service of `CAVEclient("minnie65_public")` responds."""
    full = client(cave, cave.new_token("ada"), "minnie65_public")
    assert full.materialize.version == 1412
    assert full.materialize.get_versions() == [1412, 1300]
    assert full.materialize.get_tables() == ["nuclei", "synapses", "cell_types"]
    assert full.chunkedgraph.base_resolution == [8, 8, 40]
    assert full.chunkedgraph.get_oldest_timestamp().year == 2020
    assert full.l2cache.has_cache() is True
    assert str(full.skeleton.get_version()) == "0.22.40"
    assert full.info.get_datastacks() == ["minnie65_public", "flywire_fafb_public"]
    assert full.local_server == cave.local_server
    assert full.annotation.get_tables() == ["nuclei", "synapses", "cell_types"]
    assert "synapse" in full.schema.get_schemas()
    assert str(full.state.server_version) == "0.5.1"


def test_tables_can_be_queried(cave: Sandbox) -> None:
    """A query returns a data frame with the requested number of rows."""
    full = client(cave, cave.new_token("ada"), "minnie65_public")
    frame = full.materialize.query_table("nuclei", limit=3)
    assert list(frame["pt_root_id"]) == [864691135000000000, 864691135000000001, 864691135000000002]
    assert full.chunkedgraph.get_root_id(5) == 864691135000000005
    assert full.timestamp is None


def test_a_version_can_be_chosen(cave: Sandbox) -> None:
    """A client for an older materialization has its timestamp."""
    full = client(cave, cave.new_token("ada"), "minnie65_public", version=1300)
    assert full.materialize.version == 1300
    assert full.timestamp.year == 2023


@pytest.mark.parametrize(
    ("who", "datastacks", "error"),
    [
        ("alice", ["minnie65_public", "flywire_fafb_public"], None),
        ("bob", ["minnie65_public", "flywire_fafb_public"], "missing_tos"),
        ("carol", [], "missing_permission"),
        ("bot", ["minnie65_public", "flywire_fafb_public"], None),
        ("dora", ["minnie65_public", "flywire_fafb_public"], None),
        ("admin", [], "missing_permission"),
    ],
)
def test_access_depends_on_permissions_and_terms(
    cave: Sandbox, opened: list[str], who: str, datastacks: list[str], error: str | None
) -> None:
    """The list of datastacks and access to minnie65_public depend on the permission and the terms."""
    token = cave.new_token(who)
    assert client(cave, token).info.get_datastacks() == datastacks
    if error is None:
        assert client(cave, token, "minnie65_public").info.local_server() == cave.local_server
    else:
        with pytest.raises(E.HTTPError, match=f'403 .*"error":"{error}"'):
            client(cave, token, "minnie65_public")
    assert [url.split("/sticky_auth")[0] for url in opened] == ([cave.server] if error == "missing_tos" else [])


@pytest.mark.parametrize(("who", "sees"), [("alice", False), ("dora", True), ("bot", True), ("admin", True)])
def test_user_information_needs_permission(cave: Sandbox, who: str, sees: bool) -> None:
    """A typical user gets 403 in plain text, even for their own account."""
    auth = client(cave, cave.new_token(who)).auth
    if sees:
        assert auth.get_user_information([1])[0]["name"] == "Admin Example"
    else:
        with pytest.raises(E.HTTPError, match=r"403 .*Requires admin privilege\."):
            auth.get_user_information([1])


def test_tokens_are_listed(cave: Sandbox) -> None:
    """A temporary token lists the permanent tokens of its account, if any."""
    assert client(cave, cave.new_login_token("dave")).auth.get_tokens() == []
    listed = client(cave, cave.new_login_token("alice")).auth.get_tokens()
    assert [row["description"] for row in listed] == ["cluster", "laptop"]


def _shapes(token: str) -> dict[str, tuple[Any, int, str]]:
    """Forms of a token, and the error for each."""
    return {
        "unknown": ("0" * 32, 401, REFUSED),
        "truncated": (token[:31], 401, REFUSED),
        "upper case": (f"A{token[1:]}".upper(), 401, REFUSED),
        "quoted": (f'"{token}"', 401, REFUSED),
        "with Bearer": (f"Bearer {token}", 401, REFUSED),
        "a list": ([token], 401, REFUSED),
        "a number": (12, 401, REFUSED),
        "empty": ("", 400, "bad_auth_header"),
        "leading space": (f" {token}", 401, "no_token"),
        "very long": ("a" * 9000, 400, "Request Header Or Cookie Too Large"),
    }


@pytest.mark.parametrize("form", list(_shapes("")))
def test_malformed_tokens_are_rejected_as_measured(cave: Sandbox, form: str) -> None:
    """Each malformed token gets the status and the message of the real servers."""
    value, status, words = _shapes(cave.new_token("ada"))[form]
    with pytest.raises(E.HTTPError, match=words) as caught:
        client(cave, value).info.get_datastacks()
    assert caught.value.response.status_code == status


def test_tokens_that_work_or_break_the_client(cave: Sandbox) -> None:
    """A trailing space works; a line break makes requests fail before it sends anything."""
    token = cave.new_token("ada")
    assert len(client(cave, f"{token} ").info.get_datastacks()) == 2
    cave.clear_requests()
    with pytest.raises(E.InvalidHeader):
        client(cave, f"{token}\n").info.get_datastacks()
    with pytest.raises(UnicodeEncodeError):
        client(cave, "tok€n").info.get_datastacks()
    assert cave.connections == 0


def test_without_a_token_caveclient_gets_the_sign_in_page(cave: Sandbox) -> None:
    """A request without a token raises AuthException, because it ends on the sign-in page."""
    with pytest.raises(caveclient.base.AuthException, match="You have not setup a token"):
        client(cave, None).info.get_datastacks()


@pytest.mark.parametrize(
    ("datastack", "status"), [("no_such_ds", 400), ("Minnie65_public", 400), ("orphan_ds", 400), ("ghost_ds", 404)]
)
def test_unknown_datastacks(cave: Sandbox, datastack: str, status: int) -> None:
    """A name that auth does not know is 400, one that only info does not know is 404."""
    with pytest.raises(E.HTTPError) as caught:
        client(cave, cave.new_token("ada"), datastack)
    assert caught.value.response.status_code == status


SICK: list[tuple[str, type[Exception], int]] = [
    ("reset", E.ConnectionError, 4),
    ("down", E.HTTPError, 4),
    ("status:503", E.HTTPError, 4),
    ("status:429", E.HTTPError, 1),
    ("status:418", E.HTTPError, 1),
    ("error500", E.HTTPError, 1),
    ("html", E.JSONDecodeError, 1),
    ("status:204", E.JSONDecodeError, 1),
    ("truncated", E.ChunkedEncodingError, 1),
    ("redirect", E.JSONDecodeError, 1),
    ("loop", E.TooManyRedirects, 31),
]


@pytest.mark.parametrize(("how", "error", "count"), SICK)
def test_a_broken_info_service(cave: Sandbox, how: str, error: type[Exception], count: int) -> None:
    """Each misbehaviour of info raises the measured error after the measured number of requests."""
    token = cave.new_token("ada")
    cave.misbehave("info", how)
    expected = caveclient.base.AuthException if how == "redirect" else error
    start = time.perf_counter()
    with pytest.raises(expected):
        client(cave, token).info.get_datastacks()
    assert time.perf_counter() - start < QUICK
    assert len([record for record in cave.requests if record.service == "info"]) == count


@pytest.mark.parametrize(("how", "error"), [(how, error) for how, error, _ in SICK if how not in ("redirect", "loop")])
def test_a_broken_auth_server(cave: Sandbox, how: str, error: type[Exception]) -> None:
    """The auth client sends one request and does not retry."""
    token = cave.new_token("ada")
    cave.misbehave("auth", how)
    with pytest.raises(error):
        client(cave, token).auth.get_tokens()
    assert [record.service for record in cave.requests] == ["auth"]


def test_unexpected_json(cave: Sandbox) -> None:
    """caveclient cannot read info's version then, but accepts any JSON from auth."""
    from packaging.version import InvalidVersion

    token = cave.new_token("ada")
    cave.misbehave("all", 'garbage:"not a version"')
    with pytest.raises(InvalidVersion):
        client(cave, token).info.get_datastacks()
    assert client(cave, token).auth.get_tokens() == "not a version"


def test_a_redirect_leaks_the_token(cave: Sandbox) -> None:
    """caveclient sends the token as a cookie to any host that info redirects to."""
    token = cave.new_token("ada")
    cave.misbehave("info", "redirect")
    with pytest.raises(caveclient.base.AuthException):
        client(cave, token).info.get_datastacks()
    leaked = cave.requests[-1]
    assert (leaked.path, leaked.authorization, leaked.cookie, leaked.user) == ("/captive-portal", False, True, "ada")


def test_the_info_client_obeys_retry_after(cave: Sandbox) -> None:
    """With a wait of one second and one retry, it sends two requests in a second; the auth client sends one."""
    token = cave.new_token("ada")
    cave.misbehave("all", "retry-after:1")
    start = time.perf_counter()
    with pytest.raises(E.HTTPError):
        client(cave, token, max_retries=1).info.get_datastacks()
    assert 1 <= time.perf_counter() - start < QUICK
    with pytest.raises(E.HTTPError):
        client(cave, token).auth.get_tokens()
    assert [record.service for record in cave.requests] == ["info"] * 2 + ["auth"]


@pytest.mark.parametrize("how", ["silent", "drip"])
@pytest.mark.parametrize("ask", [lambda c: c.info.get_datastacks(), lambda c: c.auth.get_tokens()])
def test_a_silent_server_hangs_the_client(cave: Sandbox, how: str, ask: Callable[[Any], Any]) -> None:
    """caveclient has no timeout: it waits until the server responds."""
    import threading

    done = threading.Event()
    asking = client(cave, cave.new_token("ada"))
    cave.misbehave("all", how)

    def wait() -> None:
        ask(asking)
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not done.wait(0.4)
    cave.behave()
    assert done.wait(60)
    thread.join()


def test_an_untrusted_certificate() -> None:
    """A self-signed certificate raises SSLError."""
    with Sandbox(tls=True) as cave:
        with pytest.raises(E.SSLError):
            client(cave, cave.new_token("ada")).info.get_datastacks()
        with pytest.raises(E.SSLError):
            client(cave, cave.new_token("ada")).auth.get_tokens()


def test_a_slow_auth_server_slows_info(cave: Sandbox) -> None:
    """Info asks auth about a token that it has not cached, so it is slow too."""
    headers = {"Authorization": f"Bearer {cave.new_token('ada')}"}
    cave.misbehave("auth", "slow:0.3")
    start = time.perf_counter()
    got = requests.get(f"{cave.server}/info/api/v2/datastack/minnie65_public", headers=headers, timeout=60)
    assert got.status_code == 200
    assert time.perf_counter() - start >= 0.3


def test_info_gives_up_on_auth_after_three_seconds(cave: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """With auth down, a token that info has not cached gets a JSON 500 after six attempts."""
    monkeypatch.setattr(Retry, "get_backoff_time", BACKOFF)
    headers = {"Authorization": f"Bearer {cave.new_token('ada')}"}
    cave.misbehave("auth", "down")
    start = time.perf_counter()
    got = requests.get(f"{cave.server}/info/api/v2/datastacks", headers=headers, timeout=60)
    assert (got.status_code, got.json()) == (500, {"message": "Internal Server Error"})
    assert 2.5 < time.perf_counter() - start < QUICK
