"""Reading token files: the same result as caveclient's, whatever the files contain."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from importlib.metadata import version
from itertools import product
from pathlib import Path

import pytest

from cave_magic.credentials import datastack_map, save, token_files
from cave_magic.credentials.datastack_map import read_map
from cave_magic.credentials.file_problems import FileFault, FileProblem
from cave_magic.credentials.locations import MOST_FOREIGN
from cave_magic.credentials.stored_tokens import resolve
from cave_magic.credentials.token_files import State, read_token_file, server_file, show_path
from cave_magic.errors import TokenNotSaved
from cave_magic.token import Token
from cave_magic.ui.door import on_windows

from ..support.waiting import LONG

SERVER = "https://global.daf-apis.com"
OTHER = "https://proofreading.zetta.ai"
UNKNOWN = "https://cave.example.org"
A, B, C = "a" * 31 + "0", "b" * 31 + "1", "c" * 31 + "2"

SINCE_7_11 = pytest.mark.skipif(
    tuple(map(int, version("caveclient").split(".")[:2])) < (7, 11), reason="caveclient before 7.11 has no name for it"
)

CONTENTS = {
    "good": f'{{"token": "{A}"}}',
    "more keys": f'{{"fanc": "{C}", "token": "{B}"}}',
    "two keys of that name": f'{{"token": "{A}", "token": "{B}"}}',
    "spaces in it": f'{{"token": " {A} "}}',
    "line break in it": f'{{"token": "{A}\\n"}}',
    "no key": f'{{"fanc": "{A}"}}',
    "another case": f'{{"Token": "{A}"}}',
    "null": '{"token": null}',
    "empty": '{"token": ""}',
    "number": '{"token": 12345678901234567890}',
    "fraction": '{"token": 1.5}',
    "infinity": '{"token": Infinity}',
    "false": '{"token": false}',
    "list": '{"token": ["x", 1]}',
    "object": '{"token": {"a": null}}',
    "nothing in it": "{}",
    "surrogate": '{"token": "\\ud800"}',
    "0 bytes": "",
    "line break only": "\n",
    "NULs": "\0\0\0\0",
    "NUL after it": f'{{"token": "{A}"}}\0',
    "bare": A,
    "bare, digits": "1" * 32,
    "bare, one zero too many": "0" + "1" * 31,
    "string": f'"{A}"',
    "whole list": f'[{{"token": "{A}"}}]',
    "null alone": "null",
    "true alone": "true",
    "single quotes": f"{{'token': '{A}'}}",
    "trailing comma": f'{{"token": "{A}",}}',
    "two objects": f'{{"token": "{A}"}}{{"token": "{B}"}}',
    "byte order mark": f'\ufeff{{"token": "{A}"}}',
    "html": "<!doctype html><title>Sign in</title>",
    "deep": "[" * 100_000 + "]" * 100_000,
    "deep in the key": '{"token": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "long number": '{"token": ' + "9" * 5000 + "}",
}
SOME = ("good", "no key", "null", "bare", "0 bytes", "empty")


def put(path: Path, kind: str) -> None:
    """Creates a file with one kind of content, or another kind of thing, at a path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.name == "nt" and kind in ("pipe", "socket", "latin-1"):
        pytest.skip("Windows has no such files, and caveclient reads there in a code page")
    if kind == "folder":
        path.mkdir()
    elif kind in ("latin-1", "utf-16"):  # as an old editor, and the `>` of PowerShell 5, write it
        path.write_bytes(f'{{"token": "{A}", "note": "caf\u00e9"}}'.encode(kind))
    elif kind == "dangling":
        path.symlink_to(path.with_name("nowhere"))
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "link":
        path.with_name(f"{path.name}.target").write_text(CONTENTS["good"])
        path.symlink_to(path.with_name(f"{path.name}.target"))
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(os.path.relpath(path))
    elif kind != "absent":
        path.write_bytes(CONTENTS[kind].encode())
        os.utime(path, (0, 0))  # a broken file that was just written is read again


def as_caveclient(server: str) -> tuple[Token | None, bool]:
    """The token that a fresh AuthClient uses, and whether it fails with an error."""
    from caveclient.auth import AuthClient

    logging.getLogger("caveclient.auth").disabled = True
    try:
        value = AuthClient(server_address=server).token
    except Exception:
        return None, True
    return (None if value is None else Token(str(value))), False


def as_ours(server: str) -> tuple[Token | None, bool]:
    """The same as `resolve` sees it."""
    found = resolve(server)
    return found.token, found.blocker is not None


def fill(secrets: Path, own: str, default: str, legacy: str) -> None:
    """Creates the three files that caveclient reads, and nothing else."""
    for path in secrets.iterdir():
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    put(server_file(SERVER), own)
    put(secrets / token_files.DEFAULT_NAME, default)
    put(secrets / token_files.LEGACY_NAME, legacy)


THINGS = ("absent", "folder", "dangling", "loop", "link", "latin-1", *CONTENTS)


OWN, NO_FILE = (*THINGS, "pipe", "socket"), ("absent", "folder", "dangling", "loop", "pipe", "socket")
OTHER_TWO = tuple(product(("absent", "folder", "dangling", *SOME), ("absent", "good", "no key", "bare")))


@pytest.mark.parametrize("own", OWN)
def test_the_token_is_the_one_that_caveclient_uses(secrets, monkeypatch, request, own):
    """For every content of the server's file, with many of the other two, a fresh AuthClient agrees.

    If it is a file, the default one does not count: it meets a fifth of their contents, with `--everything` all.
    """
    monkeypatch.chdir(secrets)
    all_count = own in NO_FILE or request.config.getoption("everything")
    for default, legacy in OTHER_TWO if all_count else OTHER_TWO[OWN.index(own) % 5 :: 5]:
        fill(secrets, own, default, legacy)
        assert as_ours(SERVER) == as_caveclient(SERVER), (own, default, legacy)


@pytest.mark.parametrize("default", THINGS)
def test_the_default_file_is_read_as_caveclient_reads_it(secrets, default):
    """For every content of cave-secret.json, with many of the legacy file, a fresh AuthClient agrees."""
    for legacy in ("absent", "folder", "link", "loop", "latin-1", "number", *SOME):
        fill(secrets, "absent", default, legacy)
        assert as_ours(SERVER) == as_caveclient(SERVER), (default, legacy)


@pytest.mark.parametrize(
    "address",
    [
        SERVER,
        "https://global.daf-apis.com/",
        "https://global.daf-apis.com/auth/x?y#z",
        "http://127.0.0.1:8900",
        "http://[::1]:8900",
        "https://CAPITALS.example.org",
        "https://user:pw@host.example.org",
        pytest.param("global.daf-apis.com", marks=SINCE_7_11),
        "localhost:8900",
        "127.0.0.1:8900",
        pytest.param("//host.example.org", marks=SINCE_7_11),
        "https://",
        "",
        "https:///path",
        "https://a\tb\nc.example.org",
        "ftp://x.example.org",
        "mailto:a@b",
    ],
)
def test_the_server_file_has_caveclients_name(home, address):
    """The file name for an address is caveclient's, even for odd addresses."""
    from caveclient.auth import server_token_filename

    assert server_file(address) == Path(server_token_filename(address))


@pytest.mark.parametrize("address", ["https://[bad", "https://[::1"])
def test_an_invalid_address_has_a_file_name_too(home, address):
    """For an address on which caveclient raises, the file does not exist."""
    assert read_token_file(server_file(address)).state == State.ABSENT


# ---------------------------------------------------------------- hostile files


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder"])
@pytest.mark.parametrize(
    "name", [token_files.DEFAULT_NAME, token_files.LEGACY_NAME, f"global.daf-apis.com-{token_files.DEFAULT_NAME}"]
)
def test_what_is_not_a_file_is_never_opened(secrets, monkeypatch, kind, name):
    """A pipe (on which caveclient hangs), socket or folder is reported and not opened."""
    monkeypatch.chdir(secrets)
    put(secrets / name, kind)
    found = read_token_file(secrets / name)
    assert found.state == State.NOT_A_FILE
    assert found.problem
    assert resolve(SERVER).token is None


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices here")
def test_a_device_is_not_read(secrets):
    """A link to an endless device is not a token file."""
    (secrets / token_files.DEFAULT_NAME).symlink_to("/dev/zero")
    assert read_token_file(secrets / token_files.DEFAULT_NAME).state == State.NOT_A_FILE


def test_a_huge_file_is_not_read(secrets):
    """Of a file of 50 MB only the size is read."""
    with open(secrets / token_files.DEFAULT_NAME, "wb") as file:
        file.truncate(50_000_000)
    found = read_token_file(secrets / token_files.DEFAULT_NAME)
    assert (found.state, found.problem) == (State.TOO_LARGE, FileProblem(fault=FileFault.TOO_LARGE, details=("50",)))


@pytest.mark.usefixtures("permissions_count")
@pytest.mark.parametrize("place", ["folder", "file"])
def test_an_unreadable_file_is_reported(home, place):
    """A file without read permission stops both; in a folder without permission caveclient sees no file."""
    path = server_file(SERVER)
    put(path, "good")
    os.chmod(path if place == "file" else path.parent, 0)
    assert as_ours(SERVER) == (None, True)
    assert as_caveclient(SERVER) == (None, place == "file")
    assert read_token_file(path).problem == FileProblem(fault=FileFault.NOT_READABLE)


def test_without_a_home_nothing_is_found_or_created(tmp_path, monkeypatch):
    """A user without a home folder has no token, and saving fails instead of creating a folder named `~`."""
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    assert resolve(SERVER).token is None
    with pytest.raises(TokenNotSaved, match="the home folder is unknown"):
        save.save_token(Token(A), SERVER)
    assert list(tmp_path.glob("~*")) == []


def test_a_missing_home_has_no_token(home, monkeypatch):
    """HOME may name a folder that does not exist."""
    monkeypatch.setenv("HOME", str(home / "gone"))
    assert (resolve(SERVER).token, read_map().state) == (None, State.ABSENT)


# ---------------------------------------------------------------- whose token


def put_token(host: str, token: str) -> None:
    """Writes a token into the file of a host."""
    (token_files.secrets_folder() / f"{host}-{token_files.DEFAULT_NAME}").write_text(json.dumps({"token": token}))


def test_a_default_token_of_another_server_is_recognised(secrets):
    """The token of cave-secret.json belongs to a known or unknown server whose own file contains it."""
    (secrets / token_files.DEFAULT_NAME).write_text(CONTENTS["good"])
    assert resolve(SERVER).belongs_to == ""
    put_token("cave.example.org", A)
    assert resolve(SERVER).belongs_to == "https://cave.example.org"
    put_token("data.proofreading.zetta.ai", A)
    assert resolve(UNKNOWN).belongs_to == ""


def test_a_data_servers_token_belongs_to_its_global_server(secrets):
    """The file of a known data server shows which global server the token belongs to."""
    (secrets / token_files.DEFAULT_NAME).write_text(CONTENTS["good"])
    put_token("data.proofreading.zetta.ai", A)
    assert resolve(SERVER).belongs_to == OTHER
    assert resolve(OTHER).belongs_to == ""


def test_a_copy_for_a_data_server_does_not_change_the_owner(secrets):
    """A token in the file that cloud-volume reads still belongs to its server."""
    (secrets / token_files.DEFAULT_NAME).write_text(CONTENTS["good"])
    put_token("minnie.microns-daf.com", A)
    assert resolve(SERVER).belongs_to == ""


@pytest.mark.parametrize(
    "name",
    ["ada:pw@global.daf-apis.com", "GLOBAL.daf-apis.com", "global.daf-apis.com:443", "ada@minnie.microns-daf.com"],
)
def test_another_spelling_is_the_same_server(secrets, name):
    """A file that caveclient named after an address with a password, capitals or a port belongs to this server."""
    (secrets / token_files.DEFAULT_NAME).write_text(CONTENTS["good"])
    put_token(name, A)
    assert resolve(SERVER).belongs_to == ""
    assert resolve(OTHER).belongs_to == SERVER


def test_the_server_of_another_token_is_named_without_its_password(secrets):
    """If the address in the map has a password, the file is found, and the server is named without the password."""
    (secrets / token_files.DEFAULT_NAME).write_text(CONTENTS["good"])
    (secrets / datastack_map.MAP_NAME).write_text(json.dumps({"mine": "http://ada:Hunter2@cave.example.org:8900"}))
    put_token("ada:Hunter2@cave.example.org:8900", A)
    assert resolve(SERVER).belongs_to == "http://cave.example.org:8900"
    (secrets / datastack_map.MAP_NAME).unlink()
    assert resolve(SERVER).belongs_to == "https://cave.example.org:8900"


def test_only_few_files_of_a_large_folder_are_opened(secrets, monkeypatch):
    """Only a few files are opened if the server has its own, otherwise a limited number."""
    for number in range(1000):
        (secrets / f"{number}-{token_files.DEFAULT_NAME}").touch()
        (secrets / f"{number}.json").touch()
    opened: list[object] = []
    real = token_files.read_text
    monkeypatch.setattr(token_files, "read_text", lambda path: (opened.append(path), real(path))[1])
    put_token("global.daf-apis.com", A)
    resolve(SERVER)
    assert len(opened) < 10
    opened.clear()
    (secrets / token_files.DEFAULT_NAME).write_text(CONTENTS["good"])
    resolve(UNKNOWN)
    assert len(opened) < MOST_FOREIGN + 20


# ---------------------------------------------------------------- descriptions of files


@pytest.mark.parametrize(
    ("kind", "problem", "inside"),
    [
        ("bare", "is not valid JSON (line 1)", A),
        ("string", "contains a string, not a JSON object", A),
        ("whole list", "contains a list, not a JSON object", A),
        ("single quotes", "is not valid JSON (line 1)", A),
        ("two objects", "is not valid JSON (line 1)", None),
        ("no key", 'has no key "token"', A),
        ("null", 'has null under "token"', None),
        ("number", 'has a number under "token", not a string', None),
        ("0 bytes", "is empty", None),
        ("NULs", "is empty", None),
        ("latin-1", "is not UTF-8 text", A),
        ("utf-16", "is not UTF-8 text", A),
        ("deep", "is not valid JSON", None),
        ("bare, digits", "contains a number, not a JSON object", "1" * 32),
    ],
)
def test_problems_of_files_are_described(secrets, kind, problem, inside):
    """The problem is described without quoting the file, and a single token in it is found."""
    path = secrets / token_files.DEFAULT_NAME
    put(path, kind)
    found = read_token_file(path)
    assert (str(found.problem), found.inside) == (problem, Token(inside) if inside else None)
    assert A[:8] not in repr(found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "contains a list, not a JSON object"),
        ("{", "is not valid JSON (line 1)"),
        ("", "is empty"),
    ],
)
def test_a_malformed_map_has_no_entries(secrets, text, problem):
    """A map that caveclient would silently overwrite is not treated as an empty one."""
    (secrets / datastack_map.MAP_NAME).write_text(text)
    found = read_map()
    assert (found.state, dict(found.entries)) == (State.MALFORMED, {})
    assert str(found.problem) == problem


def test_paths_are_shown_as_people_write_them(home):
    """The home is `~`, and names contain no terminal escapes."""
    assert show_path(home / ".cloudvolume" / "x") == os.path.join("~", ".cloudvolume", "x")
    assert show_path(Path("/etc/passwd")) == str(Path("/etc/passwd"))
    assert "\x1b" not in show_path(home / "a\x1b[31mb")


def test_a_file_that_powershell_has_written_is_read(home):
    """`>` writes UTF-16 in PowerShell 5."""
    (home / "token.txt").write_bytes(f"{A}\r\n".encode("utf-16"))
    text, problem = token_files.read_any_file("~/token.txt")
    assert (text.strip("\r\n"), problem) == (A, None)


def test_no_mode_tells_who_can_read_a_file_on_windows(windows, secrets):
    """The access list of the profile folder counts there, so that nothing is said of others."""
    path = secrets / "cave-secret.json"
    path.write_text(CONTENTS["good"])
    path.chmod(0o666)
    assert read_token_file(path).readable_by_others is None


def test_an_object_instead_of_a_token_is_described(secrets):
    """The type of the value is named."""
    path = secrets / "cave-secret.json"
    path.write_text('{"token": {"value": "x"}}')
    assert str(token_files.read_token_file(path).problem).startswith("has an object under")


def test_a_file_that_is_being_written_is_read_again(secrets, monkeypatch):
    """CAVEclient empties a file before it writes it; a file that stays empty is reported."""
    monkeypatch.setattr(token_files, "_JUST_WRITTEN", LONG)
    file = secrets / "cave-secret.json"
    file.write_text("")
    monkeypatch.setattr(token_files.time, "sleep", lambda seconds: file.write_text(json.dumps({"token": "0" * 32})))
    assert read_token_file(file).token == Token("0" * 32)
    file.write_text("")
    monkeypatch.setattr(token_files.time, "sleep", lambda seconds: None)
    assert read_token_file(file).problem == FileProblem(fault=FileFault.EMPTY)


@pytest.mark.skipif(on_windows(), reason="/dev/fd is of POSIX")
def test_a_pipe_that_a_person_named_is_read_to_its_end(home):
    """As in `--from-file <(command)`, whether or not the command is slow; only then, and never for ever."""
    reading, writing = os.pipe()
    os.write(writing, A.encode())
    with open(writing, "wb") as pipe:
        assert str(token_files.read_any_file(f"/dev/fd/{reading}")[1]) == "is a pipe"
        assert str(token_files.read_any_file(f"/dev/fd/{reading}", 0.01)[1]) == "is a pipe that did not end in time"
        os.write(writing, A.encode())
        threading.Timer(0.02, pipe.close).start()
        assert token_files.read_any_file(f"/dev/fd/{reading}", 60) == (A, None)
    os.close(reading)
