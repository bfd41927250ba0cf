"""The list of files that may contain a server's token: every user of the list sees every kind of file."""

from __future__ import annotations

import json
import os
import stat
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from cave_magic.api.responses import ListedToken
from cave_magic.credentials import locations as listing
from cave_magic.credentials import misplaced
from cave_magic.credentials.locations import ORIGINALS, READ_BY_PROGRAMS, Role, locations
from cave_magic.credentials.save import save_token
from cave_magic.credentials.stored_tokens import other_files, resolve
from cave_magic.credentials.token_files import read_token_file
from cave_magic.doctor import fixes
from cave_magic.login import exchange
from cave_magic.token import Token

SERVER, DATA = "https://global.daf-apis.com", "https://minnie.microns-daf.com"
OTHER = "https://proofreading.zetta.ai"
A, B, C = "a" * 31 + "0", "b" * 31 + "1", "c" * 31 + "2"

FILES = {
    Role.OWN: "~/.cloudvolume/secrets/global.daf-apis.com-cave-secret.json",
    Role.DEFAULT: "~/.cloudvolume/secrets/cave-secret.json",
    Role.LEGACY: "~/.cloudvolume/secrets/chunkedgraph-secret.json",
    Role.DATA_SERVER: "~/.cloudvolume/secrets/minnie.microns-daf.com-cave-secret.json",
    Role.READER: "~/elsewhere/secrets/minnie.microns-daf.com-cave-secret.json",
    Role.MISPLACED: "~/Downloads/global.daf-apis.com_auth-cave-secret (1).json",
    Role.FOREIGN: "~/.cloudvolume/secrets/cave.example.org-cave-secret.json",
    Role.BACKUP: "~/.cloudvolume/secrets/cave-secret.json.20261122-010101.bak",
}
"""One file of every role."""

OWNED = [role for role in ORIGINALS if role is not Role.FOREIGN]


@pytest.fixture(autouse=True)
def moved(monkeypatch: pytest.MonkeyPatch, home: Path, secrets: Path) -> None:
    """cloud-volume has a folder of its own, and the home is not the working directory."""
    monkeypatch.setenv("CLOUD_VOLUME_DIR", str(home / "elsewhere"))
    (home / "work").mkdir()
    monkeypatch.chdir(home / "work")


def put(role: Role, token: str = A) -> Path:
    """Writes a token into the file of a role."""
    path = Path(os.path.expanduser(FILES[role]))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"token": token}))
    path.chmod(0o600)
    return path


def test_there_is_an_example_of_every_role():
    """A new role is tested with every consumer below."""
    assert set(FILES) == set(Role)


@pytest.mark.parametrize("role", Role)
def test_every_kind_of_file_is_listed_with_its_role(role):
    """A token in any of these files is found once, under the right role."""
    path = put(role)
    assert [one.role for one in locations(SERVER, roles=tuple(Role)) if one.path == path] == [role]
    assert [one.role for one in locations(SERVER, roles=tuple(Role)) if one.read().meant == Token(A)] == [role]


def test_only_the_requested_roles_are_listed():
    """Each role lists its own files and no others."""
    for role in Role:
        put(role)
    for role in Role:
        assert {one.role for one in locations(SERVER, roles=(role,))} == {role}


def test_what_programs_read_is_found_without_listing_a_folder(monkeypatch):
    """Resolving a token lists no folder, however many files there are."""
    put(Role.OWN)
    monkeypatch.setattr(listing.os, "scandir", lambda path: pytest.fail(f"listed {path}"))
    assert {one.role for one in locations(SERVER, roles=READ_BY_PROGRAMS)} == set(READ_BY_PROGRAMS)


def test_a_data_server_of_another_server_is_not_listed():
    """A data server that is known to belong to another server is not listed, whatever the info service says."""
    theirs = ["https://data.proofreading.zetta.ai", OTHER, "https://global.em.brain.allentech.org", "nonsense://"]
    assert not locations(SERVER, theirs, (Role.DATA_SERVER,))
    assert [one.path.name for one in locations(SERVER, [DATA], (Role.DATA_SERVER,))] == [
        "minnie.microns-daf.com-cave-secret.json"
    ]


# ---------------------------------------------------------------- the consumers


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("role", ORIGINALS)
def test_permissions_are_fixed_in_every_kind_of_file(role):
    """A file that others can read becomes owner-only, wherever it is."""
    path = put(role)
    path.chmod(0o644)
    fix = fixes.fix_permissions(resolve(SERVER))
    assert fix is not None
    fix.apply()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert fixes.fix_permissions(resolve(SERVER)) is None


@pytest.mark.parametrize("role", [role for role in ORIGINALS if role is not Role.OWN])
@pytest.mark.parametrize("token", [A, B])
def test_whoami_names_every_kind_of_file(role, token):
    """Copies and other tokens are named, unless the other token belongs to another server."""
    put(Role.OWN)
    path = put(role, token)
    found = {one.file.path: (one.role, one.same) for one in other_files(resolve(SERVER))}
    assert found == ({} if (role, token) == (Role.FOREIGN, B) else {path: (role, token == A)})


@pytest.mark.parametrize("role", ORIGINALS)
def test_a_token_in_any_kind_of_file_is_not_offered_to_be_revoked(role, monkeypatch):
    """An older token with this computer's name is offered to be revoked only if no file here contains it."""
    made, older = (ListedToken(token=Token(one), description="cave_magic", number=at) for at, one in ((9, A), (5, B)))
    monkeypatch.setattr(exchange, "names_this_computer", lambda: True)
    monkeypatch.setattr(exchange, "Session", lambda: nullcontext(SimpleNamespace(get=lambda *_, **__: None)))
    monkeypatch.setattr(exchange.responses, "listed_tokens_in", lambda response: (made, older))
    verified = SimpleNamespace(token=made.token, target=SimpleNamespace(server=SERVER))
    new = exchange.NewToken(verified=verified, made="cave_magic")
    assert new.older() == [older]
    put(role, B)
    assert new.older() == []


@pytest.mark.parametrize("role", [role for role in OWNED if role is not Role.OWN])
def test_a_misplaced_token_is_found_in_every_kind_of_file(role):
    """If the server's own file has no token, one in any other file of this server is found."""
    path = put(role)
    assert [one.file.path for one in misplaced.find(SERVER)] == [path]


def test_a_save_writes_the_files_that_programs_read_first():
    """The server's own file, the default file and the data servers' files get the new token; no other file changes."""
    paths = {role: put(role, A if role in OWNED else B) for role in ORIGINALS}
    save_token(Token(C), SERVER, local_servers=[DATA], overwrite=True)
    written = {role for role, path in paths.items() if read_token_file(path).token == Token(C)}
    assert written == {Role.OWN, Role.DEFAULT, Role.DATA_SERVER, Role.READER}
    assert read_token_file(paths[Role.FOREIGN]).token == Token(B)


def test_copies_are_fixed_in_every_file_that_a_program_reads():
    """One fix writes the working token to all files from which programs read another one."""
    paths = {role: put(role, B) for role in (Role.DEFAULT, Role.DATA_SERVER, Role.READER)}
    put(Role.OWN)
    fix = fixes.fix_copies(resolve(SERVER), Token(A), [DATA], [paths[Role.READER]])
    assert fix is not None
    fix.apply()
    assert {read_token_file(path).token for path in paths.values()} == {Token(A)}
