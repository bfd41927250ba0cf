"""The practice server as an object: addresses, people, tokens, caches, the log of requests, life and end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from cave_magic.sandbox import Sandbox

FULL = "/info/api/v2/datastack/full/"


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def get(cave: Sandbox, path: str, token: str) -> requests.Response:
    """Ask the global server with a token."""
    return requests.get(cave.server + path, headers=bearer(token), timeout=5)


def test_two_servers_listen_on_loopback(cave: Sandbox) -> None:
    """The global and the local server have addresses of their own."""
    assert cave.server.startswith("http://127.0.0.1:")
    assert cave.local_server.startswith("http://127.0.0.1:")
    assert cave.server != cave.local_server


def test_services_live_where_the_real_ones_do(cave: Sandbox) -> None:
    """Auth and info answer on the global server only, materialization on the local one only."""
    assert requests.get(f"{cave.local_server}/info/version", timeout=5).status_code == 404
    assert requests.get(f"{cave.local_server}/auth/version", timeout=5).status_code == 404
    assert requests.get(f"{cave.server}/materialize/version", timeout=5).status_code == 404
    assert requests.get(f"{cave.local_server}/materialize/version", timeout=5).json() == "5.20.0"


def test_ada_is_an_ordinary_person_with_one_key(cave: Sandbox) -> None:
    """Ada sees both public datastacks and has a key that says where it is used."""
    (row,) = cave.tokens("ada")
    assert row["description"] == "lab workstation"
    passport = get(cave, "/auth/api/v1/user/cache", row["token"]).json()
    assert (passport["name"], passport["email"], passport["missing_tos"]) == ("Ada Example", "ada@example.org", [])
    assert get(cave, "/info/api/v2/datastacks", row["token"]).json() == ["minnie65_public", "flywire_fafb_public"]


def test_the_full_record_names_the_local_server(cave: Sandbox) -> None:
    """A datastack's record leads to the local server of this sandbox."""
    record = get(cave, f"{FULL}minnie65_public", cave.new_token("ada")).json()
    assert record["local_server"] == cave.local_server


def test_new_tokens_are_keys_with_a_description(cave: Sandbox) -> None:
    """A new token is 32 hexadecimal characters, listed first with its description, and never expires."""
    token = cave.new_token("ada", description="laptop")
    assert len(token) == 32
    assert int(token, 16) >= 0
    assert cave.tokens("ada")[0]["description"] == "laptop"
    assert get(cave, f"/auth/api/v1/user/token/{token}/ttl", token).json() == -1


def test_log_in_tokens_are_unlisted_and_expire(cave: Sandbox) -> None:
    """A log-in token has a time to live, is in no list, and is refused afterwards."""
    before = cave.tokens("ada")
    token = cave.new_login_token("ada", seconds=20)
    assert 0 < get(cave, f"/auth/api/v1/user/token/{token}/ttl", token).json() <= 20
    assert [row["token"] for row in cave.tokens("ada")] == [row["token"] for row in before]
    cave.advance(20)
    assert get(cave, "/auth/api/v1/user/me", token).json()["error"] == "invalid_token"


def test_a_deleted_token_is_refused_by_auth_at_once_and_by_info_later(cave: Sandbox) -> None:
    """The info service remembers a token for 300 s; `forget` ends that."""
    token = cave.new_token("ada")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.delete_token(token)
    assert get(cave, "/auth/api/v1/user/cache", token).status_code == 401
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.forget()
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 401


def test_a_granted_permission_opens_the_datastack_at_once(cave: Sandbox) -> None:
    """A denial makes info ask again, and only then does the list of datastacks know too."""
    token = cave.new_token("carol")
    assert get(cave, f"{FULL}minnie65_public", token).json()["error"] == "missing_permission"
    cave.grant("carol", "minnie65_public")
    assert get(cave, "/info/api/v2/datastacks", token).json() == []
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    assert get(cave, "/info/api/v2/datastacks", token).json() == ["minnie65_public"]


def test_a_revoked_permission_is_noticed_when_the_cache_is_gone(cave: Sandbox) -> None:
    """Taking a permission away acts in auth at once and in info after its cache."""
    token = cave.new_token("ada")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.revoke("ada", "minnie65_public")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.forget()
    assert get(cave, f"{FULL}minnie65_public", token).json()["error"] == "missing_permission"


def test_denials_stop_asking_again_after_twenty(cave: Sandbox) -> None:
    """After 20 denials of a token info no longer asks auth again, so a new permission goes unnoticed for 300 s."""
    token = cave.new_token("carol")
    for _ in range(21):
        assert get(cave, f"{FULL}minnie65_public", token).status_code == 403
    cave.grant("carol", "minnie65_public")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 403
    cave.advance(300)
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200


def _allowed(cave: Sandbox, token: str) -> tuple[bool, bool, bool]:
    """Whether auth, info and a service of the local server let `token` see minnie65_public."""
    passport = get(cave, "/auth/api/v1/user/cache", token).json()
    url = f"{cave.local_server}/materialize/api/v3/datastack/minnie65_public/versions"
    local = requests.get(url, headers=bearer(token), timeout=5)
    info = get(cave, f"{FULL}minnie65_public", token)
    return "minnie65_public" in passport["permissions_v2"], info.status_code == 200, local.status_code == 200


def test_a_revoked_permission_lives_on_in_the_services_for_300_seconds(cave: Sandbox) -> None:
    """Auth shows at once that the permission is gone; info and materialization allow until 300 s have passed."""
    token = cave.new_token("ada")
    assert _allowed(cave, token) == (True, True, True)
    cave.revoke("ada", "minnie65_public")
    cave.advance(200)
    assert _allowed(cave, token) == (False, True, True)
    cave.advance(100)
    assert _allowed(cave, token) == (False, False, False)


@pytest.mark.parametrize("later", [lambda cave: cave.advance(300), lambda cave: cave.forget()])
def test_a_granted_permission_can_go_unnoticed(cave: Sandbox, later: Callable[[Sandbox], None]) -> None:
    """With no rechecks left the services deny what auth already shows, until 300 s have passed or they forget."""
    token = cave.new_token("carol")
    assert _allowed(cave, token) == (False, False, False)
    cave.use_up_rechecks()
    cave.grant("carol", "minnie65_public")
    cave.advance(200)
    assert _allowed(cave, token) == (True, False, False)
    later(cave)
    assert _allowed(cave, token) == (True, True, True)


def test_a_token_that_was_not_seen_is_asked_about_without_rechecks(cave: Sandbox) -> None:
    """Another token of the same person is unknown to the services, which ask auth about it."""
    cave.use_up_rechecks()
    cave.grant("carol", "minnie65_public")
    assert _allowed(cave, cave.new_token("carol")) == (True, True, True)


def test_services_without_a_memory_notice_at_once() -> None:
    """With `cache_seconds=0` every service asks auth each time."""
    with Sandbox(cache_seconds=0) as cave:
        token = cave.new_token("ada")
        assert _allowed(cave, token) == (True, True, True)
        cave.revoke("ada", "minnie65_public")
        assert get(cave, "/info/api/v2/datastacks", token).json() == ["flywire_fafb_public"]
        cave.grant("ada", "minnie65_public")
        cave.use_up_rechecks()
        assert _allowed(cave, token) == (True, True, True)


def test_what_one_sandbox_forgets_the_other_remembers() -> None:
    """Sandboxes have caches and clocks of their own."""
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
def test_names_of_datasets_are_remembered_for_300_seconds_too(cave: Sandbox) -> None:
    """With auth down info lives on what it knows, and fails when that has expired."""
    token = cave.new_token("ada")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.misbehave("auth", "down")
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 200
    cave.advance(300)
    assert get(cave, f"{FULL}minnie65_public", token).status_code == 500


def test_log_in_tokens_grow_old(cave: Sandbox) -> None:
    """`advance` takes its seconds from the life of a log-in token; a key never expires."""
    token, key = cave.new_login_token("ada"), cave.new_token("ada")
    ttl = f"/auth/api/v1/user/token/{token}/ttl"
    cave.advance(6 * 24 * 3600)
    assert 86_300 < get(cave, ttl, key).json() <= 86_400
    cave.advance(24 * 3600)
    assert get(cave, ttl, key).status_code == 404
    assert get(cave, "/auth/api/v1/user/me", token).json()["error"] == "invalid_token"
    assert get(cave, "/auth/api/v1/user/me", key).status_code == 200


def test_time_does_not_run_backwards(cave: Sandbox) -> None:
    """A negative number of seconds raises ValueError."""
    with pytest.raises(ValueError, match="backwards"):
        cave.advance(-1)


@pytest.mark.parametrize("datastack", ["minnie65_public", "flywire_fafb_public"])
def test_terms_can_be_withdrawn_and_accepted(cave: Sandbox, datastack: str) -> None:
    """Withdrawn terms close a datastack with `missing_tos`, accepting them opens it again."""
    token = cave.new_token("ada")
    cave.withdraw_terms("ada", datastack)
    refusal = get(cave, FULL + datastack, token).json()
    assert refusal["error"] == "missing_tos"
    assert refusal["data"]["tos_form_url"].startswith(f"{cave.server}/sticky_auth/api/v1/tos/")
    cave.accept_terms("ada", datastack)
    assert get(cave, FULL + datastack, token).status_code == 200


def test_a_lost_token_is_refused_but_listed(cave: Sandbox) -> None:
    """A loss in the server's token store looks like a deleted token, except that the list still has it."""
    (row,) = cave.tokens("ada")
    cave.lose_token(row["token"])
    assert get(cave, "/auth/api/v1/user/cache", row["token"]).json()["error"] == "invalid_token"
    assert [listed["token"] for listed in cave.tokens("ada")] == [row["token"]]


def test_last_use_moves_with_every_question_to_auth(cave: Sandbox) -> None:
    """A key that was never used has no time of last use; asking auth sets it."""
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
def test_strangers_and_unknown_names_are_errors(cave: Sandbox, wrong: Callable[[Sandbox], object]) -> None:
    """A name that the sandbox does not know raises LookupError instead of doing nothing."""
    with pytest.raises(LookupError):
        wrong(cave)


def test_an_old_auth_server_keeps_one_key_a_person() -> None:
    """Before 2.19 a new key ends the old one, there is no page of tokens, and no key can be named."""
    with Sandbox(auth_version="2.18.0") as cave:
        (row,) = cave.tokens("ada")
        assert requests.get(f"{cave.server}/auth/version", timeout=5).text.endswith(" 2.18.0")
        new = get(cave, "/auth/api/v1/create_token", row["token"]).json()
        assert get(cave, "/auth/api/v1/user/cache", row["token"]).status_code == 401
        assert [listed["token"] for listed in cave.tokens("ada")] == [new]
        assert get(cave, "/sticky_auth/settings/tokens", new).status_code == 404
        posted = requests.post(f"{cave.server}/auth/api/v1/user/token", headers=bearer(new), timeout=5)
        assert posted.status_code == 405
        assert len(cave.tokens("alice")) == 1


def test_requests_are_noted_without_their_tokens(cave: Sandbox) -> None:
    """The log tells what was asked, whether credentials came along and whose they were, never which."""
    token = cave.new_token("ada")
    get(cave, "/auth/api/v1/user/cache?secret=1", token)
    requests.get(f"{cave.local_server}/materialize/version", cookies={"middle_auth_token": token}, timeout=5)
    requests.get(f"{cave.server}/info/version", timeout=5)
    first, second, third = cave.requests
    assert (first.service, first.method, first.path) == ("auth", "GET", "/auth/api/v1/user/cache")
    assert (first.status, first.authorization, first.cookie, first.user) == (200, True, False, "ada")
    assert first.host == cave.server.removeprefix("http://")
    assert abs(first.time - time.time()) < 10
    assert (second.service, second.authorization, second.cookie, second.user) == ("materialize", False, True, "ada")
    assert (third.authorization, third.cookie, third.user) == (False, False, None)
    assert token not in repr(cave.requests)
    cave.requests.clear()
    assert list(cave.requests) == []


def test_questions_between_services_are_not_noted(cave: Sandbox) -> None:
    """What info asks auth is neither in the log nor among the connections."""
    get(cave, f"{FULL}minnie65_public", cave.new_token("ada"))
    assert [record.service for record in cave.requests] == ["info"]
    assert cave.connections == 1


def test_connections_are_kept_alive_and_counted(cave: Sandbox) -> None:
    """Ten requests of one session are one connection; `clear_requests` begins anew."""
    with requests.Session() as session:
        for _ in range(10):
            session.get(f"{cave.server}/info/version", timeout=5)
    assert len(cave.requests) == 10
    assert cave.connections == 1
    cave.clear_requests()
    assert (len(cave.requests), cave.connections) == (0, 0)


def test_every_answer_can_be_delayed(cave: Sandbox) -> None:
    """`delay` adds its seconds to each answer."""
    cave.delay = 0.2
    start = time.perf_counter()
    requests.get(f"{cave.server}/info/version", timeout=5)
    assert time.perf_counter() - start >= 0.2


def test_many_requests_at_once_are_answered(cave: Sandbox) -> None:
    """Fifty threads that ask at the same time all get their answer and are all noted."""
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


def test_two_sandboxes_know_nothing_of_each_other() -> None:
    """Side by side in one process, each names its own address and refuses the other's tokens."""
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


def test_it_grows_for_measurements() -> None:
    """More datastacks are spread over more local servers, and ada may view them all."""
    with Sandbox(datastacks=10, local_servers=3) as cave:
        token = cave.new_token("ada")
        names = get(cave, "/info/api/v2/datastacks", token).json()
        assert len(names) == 12
        homes = {get(cave, FULL + name, token).json()["local_server"] for name in names}
        assert homes == set(cave.local_servers)
        assert len(cave.local_servers) == 3


def test_it_can_go_away_and_come_back() -> None:
    """After `close` and `start` the addresses and the people are the same."""
    cave = Sandbox()
    with pytest.raises(RuntimeError, match="not running"):
        cave.server  # noqa: B018 - asking is the test
    with cave:
        server, token = cave.server, cave.new_token("ada")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{server}/info/version", timeout=5)
    with cave:
        assert cave.server == server
        assert get(cave, "/auth/api/v1/user/me", token).status_code == 200


def test_a_taken_port_is_an_error() -> None:
    """A chosen port that somebody uses raises OSError, and nothing stays open."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="ddress"):
            Sandbox(port=taken.getsockname()[1]).start()


def test_it_cannot_be_started_twice(cave: Sandbox) -> None:
    """Starting a running sandbox raises RuntimeError and leaves it running."""
    with pytest.raises(RuntimeError, match="running already"):
        cave.start()
    assert requests.get(f"{cave.server}/info/version", timeout=5).status_code == 200


def test_no_thread_is_left_behind() -> None:
    """Closing ends every thread of the sandbox."""
    with Sandbox() as cave, requests.Session() as session:
        session.get(f"{cave.server}/info/version", timeout=5)
    assert [t for t in threading.enumerate() if "cave sandbox" in t.name] == []


def test_https_is_served_with_an_untrusted_certificate() -> None:
    """With `tls` the servers speak https: refused by default, accepted with the certificate at hand."""
    with Sandbox(tls=True) as cave:
        assert cave.server.startswith("https://127.0.0.1:")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{cave.server}/info/version", timeout=5)
        url, ada = f"{cave.server}{FULL}minnie65_public", bearer(cave.new_token("ada"))
        full = requests.get(url, headers=ada, verify=cave.certificate, timeout=5).json()
        assert full["local_server"] == cave.local_server
        plain = requests.get(cave.server.replace("https", "http"), timeout=5)
        assert plain.status_code == 400
        assert "The plain HTTP request was sent to HTTPS port" in plain.text


def test_https_without_any_way_to_make_a_certificate_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without `cryptography` and `openssl` the error says what to install."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(RuntimeError, match="install the package `cryptography` or the command `openssl`"):
        Sandbox(tls=True).start()


def test_https_works_with_the_openssl_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `cryptography` is missing, the `openssl` command makes the certificate."""
    import shutil

    if shutil.which("openssl") is None:
        pytest.skip("no openssl command here")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with Sandbox(tls=True) as cave:
        assert requests.get(f"{cave.server}/info/version", verify=cave.certificate, timeout=5).json() == "4.3.3"


def test_importing_it_imports_no_web_framework() -> None:
    """Flask and middle_auth_client are loaded when a sandbox starts, not before."""
    code = "import sys, cave_magic.sandbox; print({'flask', 'requests', 'middle_auth_client'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "set()"


def test_a_proxy_of_the_environment_does_not_come_between_services(
    cave: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Info reaches auth even where HTTP_PROXY leads nowhere."""
    with requests.Session() as session:
        session.trust_env = False
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
        headers = bearer(cave.new_token("ada"))
        assert session.get(f"{cave.server}{FULL}minnie65_public", headers=headers, timeout=5).status_code == 200


def test_no_home_directory_is_touched(cave: Sandbox, own_home: Path) -> None:
    """A sandbox writes nothing at home."""
    get(cave, f"{FULL}minnie65_public", cave.new_token("ada"))
    assert os.listdir(own_home) == []


def test_its_picture_is_its_address() -> None:
    """In a notebook it says where it listens, or that it does not, and shows no token."""
    cave = Sandbox()
    assert repr(cave) == "<Sandbox, not running>"
    with cave:
        assert repr(cave) == f"<Sandbox at {cave.server}>"
    assert repr(cave) == "<Sandbox, not running>"
