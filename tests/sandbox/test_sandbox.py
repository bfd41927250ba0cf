"""The practice server as an object: addresses, people, tokens, caches, the log of requests, life and end."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from cave_magic.sandbox import Sandbox, wire
from cave_magic.sandbox.gate import Rechecks
from cave_magic.sandbox.wire import Port

from ..support.ports import free_ports
from ..support.waiting import LONG, until

FULL = "/info/api/v2/datastack/full/"


def bearer(token: str) -> dict[str, str]:
    """The header with a token."""
    return {"Authorization": f"Bearer {token}"}


def get(cave: Sandbox, path: str, token: str) -> requests.Response:
    """Sends a request with a token to the global server."""
    return requests.get(cave.server + path, headers=bearer(token), timeout=60)


def test_two_servers_listen_on_loopback(cave: Sandbox) -> None:
    """The global and the local server have different URLs."""
    assert cave.server.startswith("http://127.0.0.1:")
    assert cave.local_server.startswith("http://127.0.0.1:")
    assert cave.server != cave.local_server


def test_services_are_where_the_real_ones_are(cave: Sandbox) -> None:
    """Auth and info are on the global server only, materialization is on the local one only."""
    assert requests.get(f"{cave.local_server}/info/version", timeout=60).status_code == 404
    assert requests.get(f"{cave.local_server}/auth/version", timeout=60).status_code == 404
    assert requests.get(f"{cave.server}/materialize/version", timeout=60).status_code == 404
    assert requests.get(f"{cave.local_server}/materialize/version", timeout=60).json() == "5.20.0"


def test_ada_has_one_token(cave: Sandbox) -> None:
    """Ada sees both public datastacks and has one token with a description."""
    (row,) = cave.tokens("ada")
    assert row["description"] == "lab workstation"
    passport = get(cave, "/auth/api/v1/user/cache", row["token"]).json()
    assert (passport["name"], passport["email"], passport["missing_tos"]) == ("Ada Example", "ada@example.org", [])
    assert get(cave, "/info/api/v2/datastacks", row["token"]).json() == ["minnie65_public", "flywire_fafb_public"]


def test_the_full_record_names_the_local_server(cave: Sandbox) -> None:
    """A datastack's record contains the local server of this sandbox."""
    record = get(cave, f"{FULL}minnie65_public", cave.new_token("ada")).json()
    assert record["local_server"] == cave.local_server


def test_new_tokens_are_permanent(cave: Sandbox) -> None:
    """A new token is 32 hexadecimal characters, listed first with its description, and never expires."""
    token = cave.new_token("ada", description="laptop")
    assert len(token) == 32
    assert int(token, 16) >= 0
    assert cave.tokens("ada")[0]["description"] == "laptop"
    assert get(cave, f"/auth/api/v1/user/token/{token}/ttl", token).json() == -1


def test_no_two_tokens_end_alike(cave: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """People tell tokens apart by their last four characters."""
    made = iter(["a" * 32, "b" * 28 + "aaaa", "c" * 32])
    monkeypatch.setattr("cave_magic.sandbox.token_store.secrets.token_hex", lambda size: next(made))
    assert [cave.new_token("ada") for _ in range(2)] == ["a" * 32, "c" * 32]


def test_temporary_tokens_are_unlisted_and_expire(cave: Sandbox) -> None:
    """A temporary token has a lifetime, is in no list, and is rejected after it expires."""
    before = cave.tokens("ada")
    token = cave.new_login_token("ada", seconds=20)
    assert 0 < get(cave, f"/auth/api/v1/user/token/{token}/ttl", token).json() <= 20
    assert [row["token"] for row in cave.tokens("ada")] == [row["token"] for row in before]
    cave.advance(20)
    assert get(cave, "/auth/api/v1/user/me", token).json()["error"] == "invalid_token"


def test_info_rejects_a_deleted_token_later_than_auth(cave: Sandbox) -> None:
    """The info service caches a token for 300 s; `forget` empties its cache."""
    token = cave.new_token("ada")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.delete_token(token)
    assert get(cave, "/auth/api/v1/user/cache", token).status_code == 401
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.forget()
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 401


def test_a_granted_permission_works_at_once(cave: Sandbox) -> None:
    """Info asks auth again before it denies access; only then does the list of datastacks change."""
    token = cave.new_token("carol")
    assert get(cave, f"{FULL}minnie65_public", token).json()["error"] == "missing_permission"
    cave.grant("carol", "minnie65_public")
    assert get(cave, "/info/api/v2/datastacks", token).json() == []
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    assert get(cave, "/info/api/v2/datastacks", token).json() == ["minnie65_public"]


def test_a_revoked_permission_is_noticed_after_forget(cave: Sandbox) -> None:
    """A revoked permission is gone from auth at once, and from info once its cache is empty."""
    token = cave.new_token("ada")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.revoke("ada", "minnie65_public")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.forget()
    assert get(cave, f"{FULL}minnie65_public", token).json()["error"] == "missing_permission"


def test_info_asks_auth_again_twenty_times(cave: Sandbox) -> None:
    """After 20 denials of a token info no longer asks auth, so a new permission has no effect for 300 s."""
    token = cave.new_token("carol")
    for _ in range(21):
        assert get(cave, f"{FULL}minnie65_public", token).status_code == 403
    cave.grant("carol", "minnie65_public")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 403
    cave.advance(300)
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200


def _allowed(cave: Sandbox, token: str) -> tuple[bool, bool, bool]:
    """Whether auth, info and a service of the local server allow a token to view minnie65_public."""
    passport = get(cave, "/auth/api/v1/user/cache", token).json()
    url = f"{cave.local_server}/materialize/api/v3/datastack/minnie65_public/versions"
    local = requests.get(url, headers=bearer(token), timeout=60)
    info = get(cave, f"{FULL}minnie65_public", token)
    return "minnie65_public" in passport["permissions_v2"], info.status_code == 200, local.status_code == 200


def test_services_cache_a_revoked_permission_for_300_seconds(cave: Sandbox) -> None:
    """Auth removes the permission at once; info and materialization allow access for another 300 s."""
    token = cave.new_token("ada")
    assert _allowed(cave, token) == (True, True, True)
    cave.revoke("ada", "minnie65_public")
    cave.advance(200)
    assert _allowed(cave, token) == (False, True, True)
    cave.advance(100)
    assert _allowed(cave, token) == (False, False, False)


@pytest.mark.parametrize("later", [lambda cave: cave.advance(300), lambda cave: cave.forget()])
def test_a_granted_permission_can_have_no_effect_yet(cave: Sandbox, later: Callable[[Sandbox], None]) -> None:
    """With no rechecks left, services deny access that auth allows, for 300 s or until `forget`."""
    token = cave.new_token("carol")
    assert _allowed(cave, token) == (False, False, False)
    cave.use_up_rechecks()
    cave.grant("carol", "minnie65_public")
    cave.advance(200)
    assert _allowed(cave, token) == (True, False, False)
    later(cave)
    assert _allowed(cave, token) == (True, True, True)


def test_a_token_that_is_not_cached_needs_no_recheck(cave: Sandbox) -> None:
    """The services ask auth about another token of the same account, which they have not cached."""
    cave.use_up_rechecks()
    cave.grant("carol", "minnie65_public")
    assert _allowed(cave, cave.new_token("carol")) == (True, True, True)


def test_services_without_a_cache_ask_each_time() -> None:
    """With `cache_seconds=0` every service asks auth each time."""
    with Sandbox(cache_seconds=0) as cave:
        token = cave.new_token("ada")
        assert _allowed(cave, token) == (True, True, True)
        cave.revoke("ada", "minnie65_public")
        assert get(cave, "/info/api/v2/datastacks", token).json() == ["flywire_fafb_public"]
        cave.grant("ada", "minnie65_public")
        cave.use_up_rechecks()
        assert _allowed(cave, token) == (True, True, True)


def test_sandboxes_have_separate_caches() -> None:
    """`forget` and `advance` affect one sandbox only."""
    with Sandbox() as one, Sandbox() as other:
        tokens = {cave: cave.new_token("ada") for cave in (one, other)}
        for cave, token in tokens.items():
            _allowed(cave, token)
            cave.revoke("ada", "minnie65_public")
        one.forget()
        one.advance(300)
        assert _allowed(one, tokens[one]) == (False, False, False)
        assert _allowed(other, tokens[other]) == (False, True, True)


@pytest.mark.usefixtures("quick_retries")
def test_datasets_are_cached_for_300_seconds_too(cave: Sandbox) -> None:
    """With auth down, info uses its cache, and fails when the cache has expired."""
    token = cave.new_token("ada")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.misbehave("auth", "down")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.advance(300)
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 500


def test_advance_makes_temporary_tokens_expire(cave: Sandbox) -> None:
    """`advance` shortens the life of a temporary token; a permanent one never expires."""
    token, key = cave.new_login_token("ada"), cave.new_token("ada")
    ttl = f"/auth/api/v1/user/token/{token}/ttl"
    cave.advance(6 * 24 * 3600)
    assert 86_300 < get(cave, ttl, key).json() <= 86_400
    cave.advance(24 * 3600)
    assert get(cave, ttl, key).status_code == 404
    assert get(cave, "/auth/api/v1/user/me", token).json()["error"] == "invalid_token"
    assert get(cave, "/auth/api/v1/user/me", key).status_code == 200


def test_the_clock_cannot_go_back(cave: Sandbox) -> None:
    """A negative number of seconds raises ValueError."""
    with pytest.raises(ValueError, match="back in time"):
        cave.advance(-1)


@pytest.mark.parametrize("datastack", ["minnie65_public", "flywire_fafb_public"])
def test_terms_can_be_withdrawn_and_accepted(cave: Sandbox, datastack: str) -> None:
    """Without the terms a datastack is denied with `missing_tos`; accepting them restores access."""
    token = cave.new_token("ada")
    cave.withdraw_terms("ada", datastack)
    refusal = get(cave, FULL + datastack, token).json()
    assert refusal["error"] == "missing_tos"
    assert refusal["data"]["tos_form_url"].startswith(f"{cave.server}/sticky_auth/api/v1/tos/")
    cave.accept_terms("ada", datastack)
    assert get(cave, FULL + datastack, token).status_code == 200


def test_a_lost_token_is_rejected_but_listed(cave: Sandbox) -> None:
    """A token that the server lost is rejected like a deleted one, but still listed."""
    (row,) = cave.tokens("ada")
    cave.lose_token(row["token"])
    assert get(cave, "/auth/api/v1/user/cache", row["token"]).json()["error"] == "invalid_token"
    assert [listed["token"] for listed in cave.tokens("ada")] == [row["token"]]


def test_every_request_to_auth_sets_the_last_use(cave: Sandbox) -> None:
    """A new token was never used; a request to auth sets when it was."""
    assert cave.tokens("ada")[0]["last_used"] is None
    get(cave, "/auth/api/v1/user/me", cave.tokens("ada")[0]["token"])
    assert cave.tokens("ada")[0]["last_used"].endswith(" GMT")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda cave: cave.new_token("nobody"),
        lambda cave: cave.delete_token("0" * 32),
        lambda cave: cave.withdraw_terms("ada", "no_such_ds"),
        lambda cave: cave.accept_terms("ada", "no_such_ds"),
        lambda cave: cave.grant("ada", "no_such_ds"),
    ],
)
def test_unknown_names_are_errors(cave: Sandbox, wrong: Callable[[Sandbox], object]) -> None:
    """An unknown person, datastack or token raises LookupError."""
    with pytest.raises(LookupError):
        wrong(cave)


def test_an_old_auth_server_keeps_one_token_for_each_account() -> None:
    """Before 2.19 a new token revokes the old one, and there is neither a tokens page nor a description."""
    with Sandbox(auth_version="2.18.0") as cave:
        (row,) = cave.tokens("ada")
        assert requests.get(f"{cave.server}/auth/version", timeout=60).text.endswith(" 2.18.0")
        new = get(cave, "/auth/api/v1/create_token", row["token"]).json()
        assert get(cave, "/auth/api/v1/user/cache", row["token"]).status_code == 401
        assert [listed["token"] for listed in cave.tokens("ada")] == [new]
        assert get(cave, "/sticky_auth/settings/tokens", new).status_code == 404
        posted = requests.post(f"{cave.server}/auth/api/v1/user/token", headers=bearer(new), timeout=60)
        assert posted.status_code == 405
        assert len(cave.tokens("alice")) == 1


def test_requests_are_logged_without_their_tokens(cave: Sandbox) -> None:
    """The log has the request, whether it had credentials, and their account, but not the credentials."""
    token = cave.new_token("ada")
    get(cave, "/auth/api/v1/user/cache?secret=1", token)
    requests.get(f"{cave.local_server}/materialize/version", cookies={"middle_auth_token": token}, timeout=60)
    requests.get(f"{cave.server}/info/version", timeout=60)
    first, second, third = cave.requests
    assert (first.service, first.method, first.path) == ("auth", "GET", "/auth/api/v1/user/cache")
    assert (first.status, first.authorization, first.cookie, first.user) == (200, True, False, "ada")
    assert first.host == cave.server.removeprefix("http://")
    assert abs(first.time - time.time()) < 60
    assert (second.service, second.authorization, second.cookie, second.user) == ("materialize", False, True, "ada")
    assert (third.authorization, third.cookie, third.user) == (False, False, None)
    assert token not in repr(cave.requests)
    cave.requests.clear()
    assert list(cave.requests) == []


def test_requests_between_services_are_not_logged(cave: Sandbox) -> None:
    """Requests from info to auth count neither in the log nor as connections."""
    get(cave, f"{FULL}minnie65_public", cave.new_token("ada"))
    assert [record.service for record in cave.requests] == ["info"]
    assert cave.connections == 1


def test_connections_are_kept_alive_and_counted(cave: Sandbox) -> None:
    """Ten requests of one session are one connection; `clear_requests` resets the count."""
    with requests.Session() as session:
        for _ in range(10):
            session.get(f"{cave.server}/info/version", timeout=60)
    assert len(cave.requests) == 10
    assert cave.connections == 1
    cave.clear_requests()
    assert (len(cave.requests), cave.connections) == (0, 0)


def test_every_response_can_be_delayed(cave: Sandbox) -> None:
    """`delay` delays each response."""
    cave.delay = 0.2
    start = time.perf_counter()
    requests.get(f"{cave.server}/info/version", timeout=60)
    assert time.perf_counter() - start >= 0.2


def test_many_simultaneous_requests_get_responses(cave: Sandbox) -> None:
    """Fifty requests at the same time all get a response, and all are logged."""
    token, got = cave.new_token("ada"), []

    def ask() -> None:
        got.append(get(cave, f"{FULL}minnie65_public", token).status_code)

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [200] * 50
    assert len(cave.requests) == 50


def test_two_sandboxes_are_independent() -> None:
    """Two in one process name their own URLs and reject each other's tokens."""
    with Sandbox() as one, Sandbox() as other:
        token = one.new_token("ada")
        assert get(one, f"{FULL}minnie65_public", token).status_code == 200
        refused = get(other, f"{FULL}minnie65_public", token)
        assert refused.status_code == 401
        assert other.server in refused.headers["WWW-Authenticate"]
        other.withdraw_terms("bob", "minnie65_public")
        terms = get(other, f"{FULL}minnie65_public", other.new_token("bob")).json()["data"]["tos_form_url"]
        assert terms.startswith(other.server)
        assert len(one.requests) == 1


def test_it_can_have_more_datastacks() -> None:
    """More datastacks are spread over more local servers, and ada may view them all."""
    with Sandbox(datastacks=10, local_servers=3) as cave:
        token = cave.new_token("ada")
        names = get(cave, "/info/api/v2/datastacks", token).json()
        assert len(names) == 12
        homes = {get(cave, FULL + name, token).json()["local_server"] for name in names}
        assert homes == set(cave.local_servers)
        assert len(cave.local_servers) == 3


def test_it_can_be_restarted() -> None:
    """After `close` and `start` the URLs and the accounts are the same."""
    port = free_ports(3)  # nobody else gets them meanwhile
    cave = Sandbox(port=port, local_port=port + 1)
    cave._inner_number = port + 2
    with pytest.raises(RuntimeError, match="not running"):
        cave.server  # noqa: B018 - asking is the test
    with cave:
        server, token = cave.server, cave.new_token("ada")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server}/info/version", timeout=60)
    with cave:
        assert cave.server == server
        assert get(cave, "/auth/api/v1/user/me", token).status_code == 200


def test_a_taken_port_is_an_error() -> None:
    """A chosen port that is in use raises OSError, and nothing stays open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="ddress"):
            Sandbox(port=taken.getsockname()[1]).start()


def test_it_cannot_be_started_twice(cave: Sandbox) -> None:
    """Starting a running sandbox raises RuntimeError and leaves it running."""
    with pytest.raises(RuntimeError, match="already running"):
        cave.start()
    assert requests.get(f"{cave.server}/info/version", timeout=60).status_code == 200


def test_no_thread_is_left_behind() -> None:
    """Closing ends every thread of the sandbox."""
    with Sandbox() as cave, requests.Session() as session:
        session.get(f"{cave.server}/info/version", timeout=60)
    until(lambda: not [t for t in threading.enumerate() if "cave sandbox" in t.name])


def test_a_request_that_is_answered_during_the_end_raises_nothing(
    cave: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread would else print an error in whatever runs by then, and fail the test."""
    begun, over, raised = threading.Event(), threading.Event(), list[object]()

    def busy(self: Sandbox) -> None:
        begun.set()
        over.wait(LONG)

    monkeypatch.setattr(Sandbox, "_check_open", busy)
    monkeypatch.setattr(threading, "excepthook", raised.append)
    with requests.Session() as session, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(session.get, f"{cave.server}/info/version", timeout=60)
        assert begun.wait(LONG)
        name = cave.server.removeprefix("http://")
        cave.close()
        over.set()
        assert isinstance(asked.exception(), requests.ConnectionError)
        until(lambda: not [one for one in threading.enumerate() if one.name.endswith(name)])
    assert raised == []


def test_a_port_can_be_closed_while_one_of_its_threads_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it does for a connection that comes at the very end."""
    port, start = Port(lambda request, connection: None), threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda self: (port.close(), start(self)))
    port.start()
    until(lambda: not [one for one in threading.enumerate() if one.name.endswith(port.netloc)])


def test_a_port_that_is_closed_before_it_waits_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy computer may let the thread that accepts connections go on only after the end."""
    begun, over, raised = threading.Event(), threading.Event(), list[object]()

    def late(*sockets: list[socket.socket]) -> object:
        begun.set()
        over.wait(LONG)
        return select.select(*sockets)

    monkeypatch.setattr(wire, "select", SimpleNamespace(select=late))
    monkeypatch.setattr(threading, "excepthook", raised.append)
    port = Port(lambda request, connection: None)
    port.start()
    assert begun.wait(LONG)
    port.close()
    over.set()
    until(lambda: not [one for one in threading.enumerate() if one.name.endswith(port.netloc)])
    assert raised == []


def test_denials_are_counted_from_the_first_one() -> None:
    """Also on a computer that has just started, where the clock of the services begins at 0."""
    now = [100.0]
    rechecks = Rechecks(lambda: now[0], 20, 300)  # type: ignore[arg-type]
    assert [rechecks.allow("token") for _ in range(21)] == [True] * 20 + [False]
    now[0] = 301.0
    assert not rechecks.allow("token")


def test_https_is_served_with_an_untrusted_certificate() -> None:
    """With `tls` the servers use https, which clients reject unless they trust the certificate."""
    with Sandbox(tls=True) as cave:
        assert cave.server.startswith("https://127.0.0.1:")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{cave.server}/info/version", timeout=60)
        url, ada = f"{cave.server}{FULL}minnie65_public", bearer(cave.new_token("ada"))
        full = requests.get(url, headers=ada, verify=cave.certificate, timeout=60).json()
        assert full["local_server"] == cave.local_server
        plain = requests.get(cave.server.replace("https", "http"), timeout=60)
        assert plain.status_code == 400
        assert "The plain HTTP request was sent to HTTPS port" in plain.text


def test_importing_it_imports_no_web_framework() -> None:
    """Flask and middle_auth_client are imported only when a sandbox starts."""
    code = "import sys, cave_magic.sandbox; print({'flask', 'requests', 'middle_auth_client'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"


def test_services_ignore_proxies_of_the_environment(cave: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Info reaches auth even if HTTP_PROXY is unreachable."""
    with requests.Session() as session:
        session.trust_env = False
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        headers = bearer(cave.new_token("ada"))
        assert session.get(f"{cave.server}{FULL}minnie65_public", headers=headers, timeout=60).status_code == 200


def test_no_home_directory_is_touched(cave: Sandbox, own_home: Path) -> None:
    """A sandbox writes nothing to the home folder."""
    get(cave, f"{FULL}minnie65_public", cave.new_token("ada"))
    assert os.listdir(own_home) == []


def test_its_repr_is_its_url() -> None:
    """Its repr has its URL, or says that it is not running, and shows no token."""
    cave = Sandbox()
    assert repr(cave) == "<Sandbox, not running>"
    with cave:
        assert repr(cave) == f"<Sandbox at {cave.server}>"
    assert repr(cave) == "<Sandbox, not running>"
