"""A token file with the token of another server: that server is named, and the token is not sent."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest

from cave_magic.api.urls import host_of
from cave_magic.credentials import datastack_map, stored_tokens, token_files
from cave_magic.credentials.save import save_token
from cave_magic.credentials.stored_tokens import resolve
from cave_magic.credentials.token_files import server_file
from cave_magic.deployments import DEFAULT_SERVER
from cave_magic.sandbox import Sandbox
from cave_magic.token import Token

from ...support.waiting import LONG
from .test_faults import assert_the_reference_agrees
from .world import NEW, World, bad

ZETTA, MINE, ALIAS = "https://proofreading.zetta.ai", "https://cave.example.org", "https://cave-alias.example.org"
A, B = "a" * 31 + "0", "b" * 31 + "1"
ADDRESSES = {
    "cave.example.org": "192.0.2.1",
    "cave-alias.example.org": "192.0.2.1",
    "proofreading.zetta.ai": "192.0.2.9",
}


@pytest.fixture(autouse=True)
def name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolves only these names."""
    real = socket.getaddrinfo

    def look_up(host, *args, **options):
        if host in ("127.0.0.1", "localhost"):
            return real(host, *args, **options)
        if host not in ADDRESSES:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ADDRESSES[host], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(stored_tokens, "LOOK_UP_SECONDS", LONG)


def put(path: Path, token: str, age: float = 0.0, **others: str) -> Path:
    """Writes a token file with an age in seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"token": token, **others}))
    when = path.stat().st_mtime - age
    os.utime(path, (when, when))
    return path


def know(*servers: str) -> None:
    """Puts servers into the datastack map."""
    path = token_files.secrets_folder() / datastack_map.MAP_NAME
    path.write_text(json.dumps({f"ds{number}": server for number, server in enumerate(servers)}))


def _row(report, name: str):
    assert_the_reference_agrees(report)
    return next(row for row in report.rows if row.id == name)


# ---------------------------------------------------------------- in its own file


def test_the_other_server_is_named_and_its_token_not_sent(world: World):
    """No request carries the other server's token, and the next line fixes the file."""
    with Sandbox() as other:
        token = other.new_token("ada")
        world.patch.setenv("OTHER", token)
        saved = world.run(f"%cave_save --from-env OTHER --server {other.server} --datastack flywire_fafb_public")
        assert not saved.error, saved.message
        world.save(token)
        world.cave.clear_requests()
        report = world.check()
        assert bad(report) == [("token", "failed")]
        words = f"has the token for {host_of(other.server)}, which is sent only there"
        assert words in " ".join(_row(report, "token").evidence.split())
        assert not [one for one in world.cave.requests if one.authorization or one.cookie]
        assert "no token is stored" in world.run("%cave_whoami").message
        assert world.fix().ok
        theirs = world.secrets / f"{host_of(other.server)}-cave-secret.json"
        assert json.loads(theirs.read_text())["token"] == token


def test_a_token_belongs_to_the_server_of_the_older_file(secrets):
    """Of two files with the same token, the newer one has the other server's."""
    put(server_file(MINE), A, age=3600)
    put(server_file(ZETTA), A)
    know(MINE)
    assert resolve(MINE).belongs_to == ""
    assert resolve(ZETTA).belongs_to == MINE


def test_a_token_in_two_files_of_one_age_is_sent_to_neither(secrets):
    """If both files were written together, neither is trusted."""
    put(server_file(MINE), A)
    put(server_file(ZETTA), A, age=20)
    know(MINE)
    assert resolve(MINE).belongs_to == ZETTA
    assert resolve(ZETTA).belongs_to == MINE


@pytest.mark.parametrize("name", [MINE, ALIAS])
def test_two_names_of_one_deployment_share_a_token(secrets, name):
    """Names with the same IP address are one server."""
    put(server_file(MINE), A)
    put(server_file(ALIAS), A)
    know(MINE, ALIAS)
    assert resolve(name).belongs_to == ""


def test_a_loopback_address_has_two_names(secrets):
    """`localhost` and `127.0.0.1` are one server if they have the same port."""
    one, two, three = "http://localhost:8900", "http://127.0.0.1:8900", "http://127.0.0.1:8901"
    for server in (one, two, three):
        put(server_file(server), A)
    know(one, two)
    assert resolve(one).belongs_to == ""
    know(one, three)
    assert resolve(one).belongs_to == three


def test_a_silent_name_server_is_not_waited_for(secrets, monkeypatch):
    """Looking up names has a short timeout."""
    monkeypatch.setattr(stored_tokens, "LOOK_UP_SECONDS", 0.05)
    never = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: str(never.wait(10))[:0])
    put(server_file(MINE), A)
    put(server_file(ALIAS), A)
    know(ALIAS)
    assert resolve(MINE).belongs_to == ALIAS
    never.set()


def test_copies_for_data_servers_are_not_another_servers(secrets):
    """Files of known data servers and of unknown hosts do not count."""
    put(server_file(DEFAULT_SERVER), A)
    put(secrets / "minnie.microns-daf.com-cave-secret.json", A)
    put(secrets / "data.example.org-cave-secret.json", A)
    know("https://minnie.microns-daf.com")
    assert resolve(DEFAULT_SERVER).belongs_to == ""


# ---------------------------------------------------------------- in any file


@pytest.mark.parametrize("name", ["own", "cave-secret.json", "chunkedgraph-secret.json"])
def test_the_server_named_in_a_file_counts(world: World, name):
    """The token in a file of another server's tokens page is not sent."""
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()
    path = world.server_file if name == "own" else world.secrets / name
    world.write(path, {"token": NEW, "middle_auth_url": "proofreading.zetta.ai/auth"})
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("token", "failed")]
    assert "the token for proofreading.zetta.ai" in " ".join(_row(report, "token").evidence.split())
    assert not [one for one in world.cave.requests if one.authorization or one.cookie]
    assert world.fix().ok


@pytest.mark.parametrize("name", ["own", "cave-secret.json"])
@pytest.mark.parametrize(
    "content",
    [
        {"zetta": {"token": NEW, "middle_auth_url": "proofreading.zetta.ai/auth"}},
        {ZETTA: {"token": NEW}},
        [{ZETTA: NEW}],
    ],
)
def test_a_server_named_deeper_in_a_file_counts(world: World, name, content):
    """A token that stands with another server in a nested object is neither sent nor offered."""
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()
    world.write(world.server_file if name == "own" else world.secrets / name, content)
    world.cave.clear_requests()
    report = world.check()
    assert [name for name, _ in bad(report)] == ["token"]
    assert "--from-file" not in str(report.next)
    assert not [one for one in world.cave.requests if one.authorization or one.cookie]


@pytest.mark.parametrize("url", ["127.0.0.1:{port}/auth", "http://127.0.0.1:{port}/sticky_auth", "", None, 5])
def test_a_download_of_the_same_server_works(world: World, url):
    """A file that names this server, or none, is used."""
    port = world.cave.server.rpartition(":")[2]
    named = url.format(port=port) if isinstance(url, str) else url
    world.write(world.server_file, {"token": world.token, "middle_auth_url": named})
    assert world.check().ok


def test_a_hidden_token_of_another_server_is_not_tried(world: World):
    """If the server's own file is broken, a `cave-secret.json` of another server is not tried."""
    world.write(world.server_file, "")
    world.write(world.default_file, {"token": NEW, "middle_auth_url": "proofreading.zetta.ai/auth"})
    world.cave.clear_requests()
    world.check()
    assert not [one for one in world.cave.requests if one.authorization or one.cookie]


@pytest.mark.parametrize("written", [f'"{A}"', f" {A}", f"Bearer {A}"])
def test_a_token_is_recognised_however_it_is_written(secrets, written):
    """Quotes and spaces do not make it another token."""
    put(server_file(ZETTA), A)
    put(secrets / "cave-secret.json", written)
    assert resolve(MINE).belongs_to == ZETTA


# ---------------------------------------------------------------- saving over it


@pytest.mark.parametrize("others", [{}, {"middle_auth_url": "proofreading.zetta.ai/auth", "description": "laptop"}])
def test_a_token_of_another_server_does_not_stop_a_save(secrets, others):
    """No `--overwrite` is needed, since it is not this server's token; a backup is kept."""
    put(server_file(MINE), A, **others)
    if not others:
        put(server_file(ZETTA), A)
    put(secrets / "cave-secret.json", A)
    saved = save_token(Token(B), MINE)
    assert json.loads(server_file(MINE).read_text()) == {"token": B}
    assert [json.loads(path.read_text())["token"] for path in saved.backups] == [A]
    assert json.loads((secrets / "cave-secret.json").read_text())["token"] == A
    assert resolve(MINE).belongs_to == ""


def test_the_details_of_an_old_token_are_removed_with_it(secrets):
    """A new token does not keep the description and server of the old one; the same token does."""
    put(server_file(MINE), A, middle_auth_url="cave.example.org/auth", description="laptop", fanc=B)
    save_token(Token(A), MINE)
    assert json.loads(server_file(MINE).read_text())["description"] == "laptop"
    save_token(Token(B), MINE, overwrite=True)
    assert json.loads(server_file(MINE).read_text()) == {"fanc": B, "token": B}
