"""Misplaced tokens: which files are searched, which server they belong to, and that nothing else is opened."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from cave_magic.credentials import locations, misplaced, token_files
from cave_magic.credentials.token_files import server_file
from cave_magic.deployments import DEFAULT_SERVER
from cave_magic.token import Token

SERVER = "https://cave.example.org"
OTHER = "https://proofreading.zetta.ai"
A, B, C = "a" * 31 + "0", "b" * 31 + "1", "c" * 31 + "2"
_NOW = time.time()
"""Of one moment, so that however long a test takes to write its files, the order of their ages is meant."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The notebook's folder, which is not the home."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def put(path: Path, content: object, age: float = 0.0) -> Path:
    """Writes a file of this age in seconds, a string as it is and anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    os.utime(path, (_NOW - age,) * 2)
    return path


def found(server: str = SERVER) -> list[tuple[str, bool]]:
    """What is found for a server: the ending of each token, and whether it is known to belong to the server."""
    return [(one.token.reveal()[-2:], one.ours) for one in misplaced.find(server)]


PLACES = [folder for folder in locations.FOLDERS if folder.startswith("~")]


@pytest.mark.parametrize("folder", PLACES)
def test_every_folder_of_the_list_is_searched(home, folder):
    """A token file is found in every folder of the list, and belongs to no known server."""
    put(Path(os.path.expanduser(folder)) / "cave-secret.json", {"token": A})
    assert found() == [("a0", False)]


@pytest.mark.parametrize("variable", locations.MOVED)
def test_a_folder_named_by_a_variable_is_searched(home, monkeypatch, variable):
    """Other CAVE programs find their folder by these variables."""
    monkeypatch.setenv(variable, str(home / "moved"))
    put(home / "moved" / locations.MOVED[variable] / "cave-secret.json", {"token": A})
    assert found() == [("a0", False)]


def test_a_file_named_by_a_variable_is_read(home, monkeypatch):
    """`CAVE_TOKEN_FILE` names a file with a bare token."""
    monkeypatch.setenv("CAVE_TOKEN_FILE", str(put(home / "keys" / "mine", A)))
    assert found() == [("a0", False)]


@pytest.mark.parametrize("line", ['XDG_DOWNLOAD_DIR="$HOME/Descargas"', 'XDG_DOWNLOAD_DIR="{home}/Descargas"'])
def test_a_translated_downloads_folder_is_searched(home, line):
    """The folder is read from the settings of the Linux desktop."""
    put(home / ".config" / "user-dirs.dirs", f"# made by xdg\n{line.format(home=home)}\n")
    put(home / "Descargas" / "cave-secret.json", {"token": A})
    assert found() == [("a0", False)]


NAMES = {
    "cave-secret.json": False,
    "cave-secret (1).json": False,
    "cave-secret(2).json": False,
    "cave-secret-3.json": False,
    "cave-secret - Copy.json": False,
    "cave-secret.json.txt": False,
    "cave-secret 2.json": False,
    "cave-secret.json~": False,
    "cave-secret.json.bak": False,
    "cave-secret.json.save": False,
    "cave-secret (Ada Example's conflicted copy 2026-11-22).json": False,
    "cave-secret.sync-conflict-20261122-101530-ABCDEFG.json": False,
    "cave.example.org-cave-secret (conflicted copy 2026-11-22 101530).json": True,
    "cave.example.org-cave-secret.json~": True,
    "CAVE-SECRET.JSON": False,
    "chunkedgraph-secret.json": False,
    "my-cave-secret.json": False,
    "-cave-secret.json": False,
    "cave.example.org-cave-secret (1).json": True,
    "cave.example.org_auth-cave-secret.json": True,
    "cave.example.org_auth-cave-secret (12).json": True,
    "cave.example.org-auth-cave-secret.json": True,
    "cave.example.org:sticky_auth-cave-secret.json": True,
    "https___cave.example.org_auth-cave-secret.json": True,
}


@pytest.mark.parametrize(("name", "ours"), NAMES.items())
def test_names_by_browsers_and_people_are_recognised(home, name, ours):
    """A name may contain the token's server; otherwise the server is unknown."""
    put(home / "Downloads" / name, {"token": A})
    assert found() == [("a0", ours)]


@pytest.mark.parametrize(
    "name",
    [
        "proofreading.zetta.ai_auth-cave-secret.json",
        "127.0.0.1_8900_auth-cave-secret.json",
        "127.0.0.1:8900-cave-secret.json",
        "cave.example.org-cave-secret.json.20261121-040000.bak",
        "google-secret.json",
        "cave-secret.json.old",
        "cave-secret.pdf",
        "secret.json",
        'cave-secret".json',
        "cave-secret #1.json",
    ],
)
def test_other_names_are_not_opened(home, monkeypatch, name):
    """Files that name another server, backups and other kinds of files are not offered."""
    put(home / "Downloads" / name, {"token": A})
    assert found() == []


def test_a_server_named_in_the_file_wins(home):
    """The server named in a file of the tokens page takes precedence over the file's name."""
    put(home / "Downloads" / "cave-secret.json", {"token": A, "middle_auth_url": "cave.example.org/auth"})
    put(home / "Downloads" / "cave-secret (1).json", {"token": B, "middle_auth_url": "proofreading.zetta.ai/auth"})
    put(home / "Downloads" / "cave.example.org_auth-cave-secret.json", {"token": C, "middle_auth_url": f"{OTHER}/auth"})
    assert found() == [("a0", True)]


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ({"auth": {"token": A, "middle_auth_url": f"{OTHER}/auth"}}, []),
        ([{"token": A, "middle_auth_url": f"{OTHER}/auth"}], []),
        ({OTHER: {"token": A}}, []),
        ({"cave.another.org": A}, []),
        ({"servers": [{"address": OTHER, "key": A}]}, []),
        ({"auth": {"token": A, "middle_auth_url": "cave.example.org/auth"}}, [("a0", True)]),
        ({"version 1.2.3": {"token": A}}, [("a0", False)]),
    ],
)
def test_a_server_named_beside_or_above_the_token_counts(home, content, tokens):
    """A token that is deeper in a file belongs to the server that is named next to it, or as a key above it."""
    put(home / "Downloads" / "cave-secret.json", content)
    assert found() == tokens


def test_a_token_of_another_server_is_ignored(secrets):
    """A token in another server's own file belongs to that server, wherever else it is."""
    put(secrets / "proofreading.zetta.ai-cave-secret.json", {"token": A})
    put(secrets.parent / "cave-secret.json", {"token": A})
    assert found() == []


def test_files_of_data_servers_belong_to_their_server(secrets):
    """A token in the file of a known data server belongs to the server of that data server."""
    put(secrets / "data.proofreading.zetta.ai-cave-secret.json", {"token": A})
    assert found(OTHER) == [("a0", True)]
    assert found() == []


def test_the_default_file_belongs_to_the_default_server(secrets):
    """`cave-secret.json` has the token of the default server; it says nothing about another server."""
    put(secrets / "cave-secret.json", {"token": A})
    assert found(DEFAULT_SERVER) == [("a0", True)]
    assert found() == [("a0", False)]


def test_the_servers_own_file_is_not_misplaced(secrets):
    """The server's own file is read anyway."""
    put(server_file(SERVER), {"token": A})
    assert found() == []


def test_the_newest_comes_first(home):
    """Of several downloads, the last one is probably wanted."""
    for age, token in ((300, A), (0, B), (600, C)):
        put(home / "Downloads" / f"cave-secret ({age}).json", {"token": token}, age)
    assert [ending for ending, _ in found()] == ["b1", "a0", "c2"]


@pytest.mark.parametrize(
    "content",
    [
        A,
        f'"{A}"',
        [{"token": A}],
        {"api_key": A},
        {"auth": {"token": A}},
        {"servers": [{"token": A}]},
        {"token": f" {A}\n"},
        {"token": A.upper()},
    ],
)
def test_a_token_is_found_however_it_is_written(home, content):
    """The token does not have to be in the form that CAVEclient expects."""
    put(home / "Downloads" / "cave-secret.json", content)
    assert found() == [("a0", False)]


def test_what_is_not_a_token_file_is_ignored(home):
    """Folders, pipes, broken links, pages and large files with such names are not read, and nothing blocks."""
    folder = home / "Downloads"
    (folder / "cave-secret.json").mkdir(parents=True)
    os.mkfifo(folder / "cave-secret (1).json")
    (folder / "cave-secret (2).json").symlink_to(home / "nowhere")
    put(folder / "cave-secret (3).json", "<html>log in</html>")
    put(folder / "cave-secret (4).json", json.dumps({"token": A}) + " " * locations.LARGEST)
    put(folder / "cave-secret (5).json", {"token": "\n"})
    assert found() == []


def test_few_files_are_read(home, monkeypatch):
    """Of a hundred files with such names only the newest are read, and no file with another name."""
    for number in range(100):
        put(home / "Downloads" / f"cave-secret ({number}).json", {"token": f"{number:032x}"}, number)
        put(home / "Downloads" / f"{number}.json", {"token": A})
    opened: list[Path] = []
    real = token_files.read_text
    monkeypatch.setattr(token_files, "read_text", lambda path: (opened.append(path), real(path))[1])
    assert [int(one.token.reveal(), 16) for one in misplaced.find(SERVER)] == list(range(locations.MOST_READ))
    assert len({path for path in opened if path.parent.name == "Downloads"}) == locations.MOST_READ


def test_the_home_and_the_notebooks_folder_are_not_listed(home, elsewhere, monkeypatch):
    """These folders are private: only files with exact names are looked up in them."""
    listed: list[str] = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (listed.append(str(path)), real(path))[1])
    put(elsewhere / "cave.example.org_auth-cave-secret.json", {"token": A})
    put(home / "cave-secret.json", {"token": B}, 60)
    put(home / "cave-secret (1).json", {"token": C})
    assert found() == [("a0", True), ("b1", False)]
    assert not {str(home), str(elsewhere)} & set(listed)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives a file away")
def test_another_users_file_is_ignored(home, elsewhere):
    """In a shared folder, a colleague's token is not offered; the administrator's is."""
    path = put(elsewhere / "cave-secret.json", {"token": A})
    os.chown(path, 12345, -1)
    assert found() == []
    os.chown(path, 0, -1)
    assert found() == [("a0", False)]


def test_a_deleted_folder_is_ignored(home, elsewhere):
    """If the notebook's folder was deleted, nothing is found in it."""
    elsewhere.rmdir()
    assert found() == []


def test_nothing_shows_the_token(home):
    """The repr of what is found does not contain the token."""
    put(home / "Downloads" / "cave-secret.json", {"token": A})
    assert A[:8] not in repr(misplaced.find(SERVER))
    assert misplaced.find(SERVER)[0].token == Token(A)
