"""Removing a token from this computer: from every file that has it, and nothing else from any file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cave_magic.credentials import atomic_write, removal, save
from cave_magic.credentials.save import Obstructed
from cave_magic.credentials.stored_tokens import resolve
from cave_magic.credentials.token_files import secrets_folder, server_file
from cave_magic.environment.caveclient_adapter import token_of_caveclient
from cave_magic.token import Token
from cave_magic.ui.redact import MASK

from .test_save import LOCAL, OTHER, OWN, OWN_LOCAL, SERVER, A, B, C, default, legacy, outcomes, posix, put


def left() -> dict[str, str]:
    """File -> its content, for every file that is not hidden."""
    return {path.name: path.read_text() for path in secrets_folder().iterdir() if not path.name.startswith(".")}


def test_every_file_of_the_server_is_emptied(secrets, home, monkeypatch):
    """The server's own file, the default file, those of its data servers, the old one and CLOUD_VOLUME_DIR."""
    monkeypatch.setenv("CLOUD_VOLUME_DIR", str(home / "cv"))
    moved = home / "cv" / "secrets" / "cave-secret.json"
    moved.parent.mkdir(parents=True)
    put(home / "cave-secret.json", A)  # uploaded to the home by mistake
    for path in (server_file(SERVER), server_file(LOCAL), default(), legacy(), moved):
        put(path, A)
    removed = removal.remove(SERVER)
    assert removed.tokens == (Token(A),)
    assert left() == {}
    assert not moved.exists()
    assert not (home / "cave-secret.json").exists()
    assert resolve(SERVER).token is None
    assert token_of_caveclient(SERVER) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"token": "%s", "fanc":  1.50e1}', '{ "fanc":  1.50e1}'),
        ('{\n  "fanc" : "\\u00e9",\n  "token":"%s"\n}\n', '{\n  "fanc" : "\\u00e9"\n}\n'),
        (
            '{"a": {"token": 1, "x": [1,  2]}, "token": "%s", "description": "laptop", "b": "}"}',
            '{"a": {"token": 1, "x": [1,  2]}, "b": "}"}',
        ),
        ('{"token": "%s", "fanc": "%s", "banc": "' + B + '"}', '{ "banc": "' + B + '"}'),
        ('{"token": "%s", "middle_auth_url": "https://global.daf-apis.com/auth"}', None),
        ('{"fanc": 1, "token": "%s"}', '{"fanc": 1}'),
        ('"%s"', None),
        ("%s\n", None),
        ('[{"token": "%s"}]', None),
    ],
)
def test_other_keys_stay_to_the_byte(secrets, before, after):
    """The token and its description are removed; the rest keeps its spaces, order and escapes; a file with nothing else is removed."""
    path = server_file(SERVER)
    path.write_text(before.replace("%s", A))
    removal.remove(SERVER)
    assert left() == ({path.name: after} if after is not None else {})


def test_another_token_in_a_damaged_file_stays(secrets):
    """A file that is not JSON is not removed if it has another token; only the server's is masked."""
    put(server_file(SERVER), A)
    legacy().write_text(f'{{"token": "{A}", "fanc": "{B}",}}')
    removal.remove(SERVER)
    assert left() == {legacy().name: f'{{"token": "{MASK}", "fanc": "{B}",}}'}


def test_other_servers_files_stay_to_the_byte(secrets):
    """Other servers' tokens stay, the default file that is another server's too, and even the same token there."""
    put(server_file(SERVER), A)
    kept = {path: path.read_bytes() for path in (put(server_file(OTHER), B), put(default(), B), put(legacy(), C))}
    removal.remove(SERVER)
    assert {path: path.read_bytes() for path in kept} == kept
    put(server_file(SERVER), A)
    put(server_file(OTHER), A, note="copied by hand")
    os.utime(server_file(SERVER), (1, 1))  # so it is known to be this server's
    before = server_file(OTHER).read_bytes()
    put(default(), A, middle_auth_url="https://proofreading.zetta.ai/auth")
    assert set(removal.remove(SERVER).kept) == {server_file(OTHER), default()}
    assert server_file(OTHER).read_bytes() == before


def test_a_token_that_belongs_to_another_server_stays(secrets):
    """This server's file has only a copy of another server's token, which stays that server's."""
    put(server_file(OTHER), A)
    os.utime(server_file(OTHER), (1, 1))
    put(server_file(SERVER), A)
    assert not removal.find_removal(SERVER).plan


def test_an_unknown_servers_data_servers_are_found_by_the_token(secrets):
    """Nobody knows which data servers a server has while it is down, but their files have its token."""
    put(server_file(OWN), A)
    put(server_file(OWN_LOCAL), A)
    removal.remove(OWN)
    assert left() == {}


def test_every_token_of_the_server_goes(secrets):
    """An older token in a data server's file is the server's too, wherever else it is."""
    put(server_file(SERVER), A)
    put(server_file(LOCAL), B)
    put(legacy(), B)
    assert removal.remove(SERVER).tokens == (Token(A), Token(B))
    assert left() == {}


def test_copies_that_were_made_of_the_files_go_too(secrets):
    """A `.bak` with the token is removed; one with another server's token stays."""
    put(server_file(SERVER), A)
    gone = put(secrets / "cave-secret.json.20261122-010101.bak", A)
    kept = put(secrets / "cave-secret.json.20261122-010102.bak", B)
    removal.remove(SERVER)
    assert (gone.exists(), kept.exists()) == (False, True)


@posix
def test_links_go_with_what_they_lead_to(secrets, home):
    """Not only the link is removed: the token is behind it. With other keys the link stays, and so do they."""
    target = put(home / "dotfile.json", A)
    server_file(SERVER).symlink_to(target)
    shared = put(home / "shared.json", A, fanc=B)
    default().symlink_to(shared)
    removal.remove(SERVER)
    assert not server_file(SERVER).is_symlink()
    assert not target.exists()
    assert default().is_symlink()
    assert json.loads(shared.read_text()) == {"fanc": B}


@posix
@pytest.mark.usefixtures("permissions_count")
def test_one_file_that_cannot_be_changed_leaves_all_unchanged(secrets, home, monkeypatch):
    """All files lose the token or none does."""
    monkeypatch.setenv("CLOUD_VOLUME_DIR", str(home / "cv"))
    moved = home / "cv" / "secrets" / "cave-secret.json"
    moved.parent.mkdir(parents=True)
    put(moved, A)
    put(server_file(SERVER), A)
    moved.parent.chmod(0o500)
    with pytest.raises(Obstructed):
        removal.remove(SERVER)
    assert server_file(SERVER).exists()
    assert moved.exists()


@posix
@pytest.mark.usefixtures("permissions_count")
def test_a_file_that_cannot_be_read_is_an_error(secrets):
    """Nobody knows whether the token is in it, so it is not called removed."""
    put(server_file(SERVER), A)
    put(server_file(LOCAL), A).chmod(0)
    with pytest.raises(Obstructed, match=r"minnie.*is not readable"):
        removal.remove(SERVER)
    assert server_file(SERVER).exists()


@posix
def test_a_killed_removal_can_be_repeated(home, one_in):
    """If it is killed at any call, each file is as before or without the token; the next removal finds what is left."""
    seen = outcomes(home, "links", "kill", "remove", one_in(4))
    assert len(seen) > 15
    for one in seen:
        assert one["ended"] == "killed"
        assert set(one["files"].values()) <= {"old", "without"}
        assert one["again"] == "saved"
        assert set(one["then"].values()) == {"without"}
        assert one["hidden then"] == [atomic_write.LOCK_NAME]


@posix
def test_a_failed_removal_is_reported_correctly(home, one_in):
    """If any call fails, it reports success if and only if the token is gone."""
    seen = outcomes(home, "files", "fail", "remove", one_in(3))
    assert len(seen) > 15
    for one in seen:
        expected = {"saved": {"without"}, "not saved": {"old"}}[str(one["ended"])]
        assert set(one["files"].values()) == expected, one


def test_the_files_with_a_token_are_those_of_its_server(secrets, home):
    """The files that a replacement writes: no other server's file, whatever it has."""
    put(server_file(SERVER), A)
    os.utime(server_file(SERVER), (1, 1))
    put(legacy(), A)
    put(server_file(OTHER), A)
    (home / "Downloads").mkdir()
    put(home / "Downloads" / "cave-secret.json", A, middle_auth_url="https://proofreading.zetta.ai/auth")
    ours, others = removal.files_with(SERVER, Token(A))
    assert ours == (server_file(SERVER), legacy())
    assert set(others) == {server_file(OTHER), home / "Downloads" / "cave-secret.json"}


def test_a_replacement_writes_the_other_files(secrets):
    """Files that a save would leave alone get the new token if they have the old one."""
    put(server_file(SERVER), A)
    put(legacy(), A, fanc=C)
    saved = save.save_token(Token(B), SERVER, copies=[legacy()], overwrite=True)
    assert Path(legacy()) in saved.written
    assert json.loads(legacy().read_text()) == {"fanc": C, "token": B}


@pytest.mark.parametrize("short", ["1", "e", "token", "{", '"', "laptop", "b" * 7])
def test_a_short_token_removes_no_other(secrets, short):
    """What somebody typed by mistake is a part of other tokens, of keys and of words."""
    put(server_file(SERVER), short)
    others = {legacy(): f'{{"token": "{B}", "description": "my laptop 1"}}', server_file("https://a.example.org"): B}
    for path, text in others.items():
        path.write_text(text)
    removal.remove(SERVER)
    assert {path: path.read_text() for path in others if path.exists()} == others
    assert not server_file(SERVER).exists()


@pytest.mark.parametrize("token", [A, "\\" + B[:20], "é" * 20])
def test_a_token_is_found_however_it_is_escaped(secrets, token):
    """JSON can spell each character in several ways."""
    escaped = "".join(f"\\u{ord(each):04x}" for each in token)
    server_file(SERVER).write_text(f'{{"token": "{escaped}"}}')
    put(legacy(), token)
    removal.remove(SERVER)
    assert left() == {}


def test_a_token_that_is_a_key_goes_too(secrets):
    """Nothing of the file shows it afterwards."""
    server_file(SERVER).write_text(f'{{"{A}": 1, "token": "{A}", "fanc": 2}}')
    removal.remove(SERVER)
    assert left() == {server_file(SERVER).name: '{ "fanc": 2}'}


def test_a_copy_in_capitals_goes_too(secrets):
    """Servers know a hexadecimal token in lower case only, but a person may have pasted it so."""
    put(server_file(SERVER), A)
    put(legacy(), A.upper())
    removal.remove(SERVER)
    assert left() == {}
