"""All servers at a glance: `%cave_whoami --all` and `%cave_check --all-servers`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from cave_magic.credentials.stored_tokens import servers_with_tokens
from cave_magic.sandbox import Sandbox

from ..support.waiting import until


@pytest.fixture(scope="module")
def caves() -> Iterator[list[Sandbox]]:
    """Four practice servers, which the tests of this module share."""
    with ExitStack() as stack:
        yield [stack.enter_context(Sandbox()) for _ in range(4)]


@pytest.fixture(autouse=True)
def behave(caves: list[Sandbox]) -> None:
    """Nothing is wrong with them before a test, and no request is recorded."""
    for cave in caves:
        cave.behave()
        cave.clear_requests()


def host(cave: Sandbox) -> str:
    """The host and the port of a practice server."""
    return cave.server.removeprefix("http://")


def store(secrets: Path, cave: Sandbox, person: str = "ada", **more: str) -> str:
    """Stores a new token of a person for a server, as a save does."""
    token = cave.new_token(person)
    (secrets / f"{host(cave)}-cave-secret.json").write_text(json.dumps({"token": token, **more}))
    (secrets / f"{host(cave)}-cave-secret.json").chmod(0o600)
    return token


def senders(cave: Sandbox) -> set[str | None]:
    """Whose tokens a server received; None for a token of another server."""
    return {one.user for one in cave.requests if one.authorization}


def test_each_token_is_sent_to_its_own_server_only(run, caves, secrets):
    """A table has a row for each server; each server receives its own token, and no other."""
    tokens = [store(secrets, cave) for cave in caves]
    ran = run("%cave_whoami --all")
    assert ran.error == ""
    assert all(host(cave) in ran.out and token[-4:] in ran.out for cave, token in zip(caves, tokens, strict=True))
    assert [senders(cave) for cave in caves] == [{"ada"}] * 4
    assert not [token for token in tokens if token in ran.out]
    assert "ada@example.org is your account on 4 servers" in ran.out


def test_what_is_wrong_is_said_for_each_server(run, caves, secrets):
    """A server that is down, a rejected token and missing permissions each have their own line; the others are shown."""
    tokens = [store(secrets, cave, person) for cave, person in zip(caves, ("ada", "bob", "ada", "carol"), strict=True)]
    caves[0].misbehave("auth", "down")
    caves[2].delete_token(tokens[2])
    said = json.loads(run("%cave_whoami --all --json").out)
    by_server = {one["server"]: one for one in said["servers"]}
    assert [by_server[cave.server]["ok"] for cave in caves] == [False, True, False, True]
    assert "is down or broken (502)" in by_server[caves[0].server]["problem"]
    assert f"--server {caves[2].server}" in by_server[caves[2].server]["problem"]
    assert by_server[caves[1].server]["account"]["email"] == "bob@example.org"
    assert (said["ok"], by_server[caves[3].server]["permanent"]) == (False, True)

    reports = json.loads(run("%cave_check --all-servers --json").out)
    causes = {one["server"]: one["next"] and one["next"]["text"] for one in reports["servers"]}
    assert set(causes) == {cave.server for cave in caves}
    assert all(f"--server {server}" in text for server, text in causes.items() if text and "%cave_" in text)
    page = run("%cave_check --all-servers")
    well = sum(one["ok"] for one in reports["servers"])
    assert (page.error, f"All is well on {well} of 4 servers." in page.out) == ("", True)
    assert page.out.count("Next for") == 4 - well


def test_all_servers_are_waited_for_together(run, caves, secrets):
    """Servers that respond only once each of them was asked have all responded within one timeout."""
    for cave in caves:
        store(secrets, cave)
        cave.misbehave("all", "silent")

    def respond() -> None:
        until(lambda: all(cave.requests for cave in caves))
        for cave in caves:
            cave.behave()

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(respond)
        said = json.loads(run("%cave_check --all-servers --json --timeout 60").out)
        asked.result()
    assert [one["ok"] for one in said["servers"]] == [True] * 4


def test_two_accounts_on_one_server_are_reported(run, caves, secrets, monkeypatch):
    """If cloud-volume sends the token of another account than CAVEclient, both accounts are named."""
    cave, other = caves[0], caves[0].new_token("bob")
    monkeypatch.setattr("cave_magic.credentials.locations.local_servers_of", lambda server: (cave.local_server,))
    store(secrets, cave)
    name = f"{cave.local_server.removeprefix('http://')}-cave-secret.json"
    (secrets / name).write_text(json.dumps({"token": other}))
    ran = run("%cave_whoami --all --json")
    (found,) = [one for one in json.loads(ran.out)["servers"] if one["server"] == cave.server]
    assert found["account"]["email"] == "ada@example.org"
    assert found["others"] == [f"{name} has another token (ends in {other[-4:]}) of Bob Example <bob@example.org>"]
    assert other not in ran.out


@pytest.mark.parametrize("name", ["a,b", "x/y", "don't", "-x", "..", "", "0123456789abcdef" * 2])
def test_a_name_that_no_datastack_has_is_not_asked_for(run, caves, secrets, name):
    """An odd name in the datastack map does not stop the table of all servers, and their check."""
    store(secrets, caves[0])
    (secrets / "cave_datastack_to_server_map.json").write_text(json.dumps({name: caves[0].server}))
    assert json.loads(run("%cave_whoami --all --json").out)["ok"]
    assert json.loads(run("%cave_check --all-servers --json").out)["servers"][0]["datastacks"] == ["minnie65_public"]


def test_a_data_servers_file_is_not_a_server(run, caves, secrets):
    """The copy that cloud-volume reads is not listed as a server of its own."""
    token = store(secrets, caves[0])
    (secrets / f"{caves[0].local_server.removeprefix('http://')}-cave-secret.json").write_text(
        json.dumps({"token": token})
    )
    said = json.loads(run("%cave_whoami --all --json").out)
    assert [one["server"] for one in said["servers"]] == [caves[0].server]
    (secrets / "cave_datastack_to_server_map.json").write_text(json.dumps({"minnie65_public": caves[0].server}))
    assert servers_with_tokens() == (caves[0].server,)


def test_the_default_file_counts_for_the_default_server(secrets):
    """`cave-secret.json` is shown for the default server alone, unless it has the token for another one."""
    assert servers_with_tokens() == ()
    (secrets / "cave-secret.json").write_text(json.dumps({"token": "a" * 32}))
    assert servers_with_tokens() == ("https://global.daf-apis.com",)
    (secrets / "cave.example.org-cave-secret.json").write_text(json.dumps({"token": "a" * 32}))
    assert servers_with_tokens() == ("https://cave.example.org",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%cave_whoami --all", "no token is stored on this computer"),
        ("%cave_check --all-servers", "no token is stored on this computer"),
        ("%cave_whoami --all v1dd_public", "--all shows every server"),
        ("%cave_whoami --all --reveal", "--all shows every server"),
        ("%cave_whoami --json --reveal", "leave out --reveal"),
        ("%cave_check --all-servers --all", "--all-servers checks every server"),
        ("%cave_check --all-servers --fix", "one server at a time"),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(run, line, said):
    """Without a token there is nothing to show, and --all is not for one server."""
    assert said in run(line).message


@pytest.mark.parametrize("line", ["%cave_whoami --all --json", "%cave_check --all-servers --json"])
def test_json_without_any_token_has_no_servers(run, line):
    """A script that reads the JSON finds out that nothing was checked; the error says what to do."""
    ran = run(line)
    said = json.JSONDecoder().raw_decode(ran.out)[0]
    assert (said["schema"], said["ok"], said["servers"]) == (1, False, [])
    assert ran.error == "NoToken"


def test_choosing_a_token_touches_no_other_servers_file(caves, secrets, shell, run, desk):
    """`%cave_setup existing --server URL` leaves every other server's file as it is, to the byte and to the time."""
    for cave in caves:
        store(secrets, cave, remark="mine")
    meant = caves[1]
    (secrets / "cave-secret.json").write_text(json.dumps({"token": "f" * 32}))
    paths = [path for path in secrets.iterdir() if host(meant) not in path.name]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}
    chosen = meant.new_token("bob")
    desk.answers = ["y", chosen]
    ran = run(f"%cave_setup existing --paste --server {meant.server}")
    assert ran.error == ""
    assert json.loads((secrets / f"{host(meant)}-cave-secret.json").read_text())["token"] == chosen
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths} == before
