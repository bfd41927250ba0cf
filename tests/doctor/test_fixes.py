"""What `--fix` offers: announced in words, backed up, and made whole or not at all."""

from __future__ import annotations

import json
import os
import pickle
import stat
from pathlib import Path

import pytest

from cave_magic.credentials import datastack_map, save, stored_tokens, token_files
from cave_magic.credentials.datastack_map import read_map
from cave_magic.credentials.stored_tokens import resolve
from cave_magic.credentials.target import find_target
from cave_magic.credentials.token_files import read_token_file, server_file
from cave_magic.doctor import fixes
from cave_magic.doctor.evidence import Machine, ServerFacts
from cave_magic.doctor.model import Fix
from cave_magic.errors import TokenNotSaved
from cave_magic.token import Token

SERVER, LOCAL = "https://global.daf-apis.com", "https://minnie.microns-daf.com"
OTHER, OTHER_LOCAL = "https://proofreading.zetta.ai", "https://data.proofreading.zetta.ai"
A, B, C = "a" * 31 + "0", "b" * 31 + "1", "c" * 31 + "2"


def put(path: Path, token: str | None, **others: str) -> Path:
    """Writes an owner-only token file."""
    path.write_text(json.dumps({**others, **({} if token is None else {"token": token})}))
    path.chmod(0o600)
    return path


def default() -> Path:
    """`cave-secret.json`."""
    return token_files.secrets_folder() / token_files.DEFAULT_NAME


def legacy() -> Path:
    """`chunkedgraph-secret.json`."""
    return token_files.secrets_folder() / token_files.LEGACY_NAME


def write_map(text: object) -> Path:
    """Writes the datastack map."""
    path = token_files.secrets_folder() / datastack_map.MAP_NAME
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def machine() -> Machine:
    """The facts about the map."""
    return Machine(datastack_map=read_map())


def token_of(path: Path) -> str:
    """The token in a file, or ""."""
    token = read_token_file(path).token
    return token.reveal() if token else ""


def made(fix: Fix | None) -> tuple[Path, ...]:
    """Applies a fix, which must not be None, have a token in its words, or be picklable."""
    assert fix is not None
    assert not [one for one in (A, B, C) if one[:28] in fix.words or one[:28] in repr(fix)]
    assert len(fix.words.splitlines()) == 1
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps([fix, Token(A)])
    backups = fix.apply()
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in backups)
    return backups


# ---------------------------------------------------------------- permissions


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions_become_owner_only(secrets):
    """All token files, also of other servers, and their folder become owner-only; contents and times stay."""
    for path in (put(server_file(SERVER), A), put(default(), A), put(server_file(OTHER), B)):
        path.chmod(0o644)
    secrets.chmod(0o755)
    changed = server_file(OTHER).stat().st_mtime_ns
    fix = fixes.fix_permissions(resolve(SERVER))
    assert fix is not None
    assert "(0644 -> 0600)" in fix.words
    assert "~/.cloudvolume/secrets (0755 -> 0700)" in fix.words
    assert made(fix) == ()
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.glob("*.json")} == {0o600}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert server_file(OTHER).stat().st_mtime_ns == changed
    assert fixes.fix_permissions(resolve(SERVER)) is None


# ---------------------------------------------------------------- one file


@pytest.mark.parametrize(
    "text",
    [
        A,
        f'"{A}"',
        f'[{{"token": "{A}"}}]',
        f"{{'token': '{A}'}}",
        f'{{"token": "{A}",}}',
        f'{{"Token": "{A}", "fanc": "x"}}',
        f'{{"token": " {A}\\n"}}',
        f'{{"token": "Bearer {A}"}}',
        f'{{"token": "{A.upper()}"}}',
        f'{{"token: ""{A}"}}',
    ],
)
def test_a_malformed_token_file_is_rewritten(secrets, text):
    """A malformed file with one token becomes one that caveclient reads."""
    default().write_text(text)
    (backup,) = made(fixes.fix_shape(read_token_file(default())))
    assert backup.read_text() == text
    assert resolve(SERVER).token == Token(A)
    assert "x" not in text or json.loads(default().read_text())["fanc"] == "x"
    assert fixes.fix_shape(read_token_file(default())) is None


@pytest.mark.parametrize("text", [f'{{"token": "{A}"}}', "{}", "", f"{A} {B}", "<html>", '{"token": ""}'])
def test_a_file_without_exactly_one_token_is_left(secrets, text):
    """If the file is fine, or has no or several tokens, no fix is offered."""
    default().write_text(text)
    assert fixes.fix_shape(read_token_file(default())) is None


def test_a_file_that_changed_in_the_meantime_is_left(secrets):
    """A fix does not overwrite what was written after it was offered."""
    default().write_text(A)
    fix = fixes.fix_shape(read_token_file(default()))
    put(default(), B)
    assert made(fix) == ()
    assert token_of(default()) == B


def test_the_token_of_the_legacy_file_moves_to_the_servers_file(secrets):
    """A token that is only in chunkedgraph-secret.json is written to the server's own file."""
    put(legacy(), A, old=C)
    (backup,) = made(fixes.fix_legacy(resolve(SERVER)))
    assert json.loads(backup.read_text()) == {"old": C, "token": A}
    assert not legacy().exists()
    assert resolve(SERVER).source == read_token_file(server_file(SERVER))
    assert resolve(SERVER).token == Token(A)


def test_an_unused_legacy_file_is_left(secrets):
    """If the server has its own file, CAVEclient does not read the legacy one, and no fix is offered."""
    put(server_file(SERVER), A)
    put(legacy(), B)
    assert fixes.fix_legacy(resolve(SERVER)) is None


def test_a_legacy_file_of_another_server_is_left(secrets):
    """Another server's token is not moved to this server's file."""
    put(legacy(), B)
    put(server_file(OTHER), B)
    assert fixes.fix_legacy(resolve(SERVER)) is None


# ---------------------------------------------------------------- several files


@pytest.mark.parametrize("own", [B, "", None])
def test_a_hidden_token_is_written_to_the_servers_file(secrets, own):
    """The token of cave-secret.json replaces the one in the server's own file, which hides it."""
    put(server_file(SERVER), own, fanc=C)
    put(default(), A)
    (backup,) = made(fixes.fix_copies(resolve(SERVER), Token(A)))
    assert token_of(backup) == (own or "")
    assert json.loads(server_file(SERVER).read_text()) == {"fanc": C, "token": A}
    assert fixes.fix_copies(resolve(SERVER), Token(A)) is None


def test_old_copies_get_the_working_token(secrets):
    """cave-secret.json of the default server and the data servers' files get the token of the server's own file."""
    put(server_file(SERVER), A)
    put(default(), B)
    put(server_file(LOCAL), C)
    fix = fixes.fix_copies(resolve(SERVER), Token(A), [LOCAL])
    assert fix is not None
    assert "(…bbb1 -> …aaa0)" in fix.words
    assert len(made(fix)) == 2
    assert {token_of(path) for path in (server_file(SERVER), default(), server_file(LOCAL))} == {A}


def test_copies_of_another_server_are_left(secrets):
    """Neither cave-secret.json nor a data server's file changes if it has another server's token."""
    put(server_file(SERVER), A)
    put(server_file(OTHER), B)
    put(default(), B)
    put(server_file(OTHER_LOCAL), B)
    assert fixes.fix_copies(resolve(SERVER), Token(A), [OTHER_LOCAL]) is None
    put(default(), C)
    assert fixes.fix_copies(resolve(OTHER), Token(B), [OTHER_LOCAL]) is None


def test_a_fix_is_made_whole_or_not_at_all(secrets):
    """If one of the files cannot be written, none is, and no backup is left."""
    put(server_file(SERVER), A)
    put(default(), B)
    put(server_file(LOCAL), B)
    fix = fixes.fix_copies(resolve(SERVER), Token(A), [LOCAL])
    default().chmod(0o400)
    with pytest.raises(TokenNotSaved, match="write-protected"):
        made(fix)
    assert (token_of(default()), token_of(server_file(LOCAL)), list(secrets.glob("*.bak"))) == (B, B, [])


# ---------------------------------------------------------------- the map


def test_a_wrong_entry_is_corrected_or_removed(secrets):
    """One entry changes, with a backup of the map; the others stay, whatever they are."""
    write_map({"minnie65_public": "https://wrong.example.org", "v1dd": OTHER, "odd": [1]})
    fix = fixes.fix_map_entry("minnie65_public", SERVER, read_map())
    assert fix is not None
    assert fix.words == f"set the server of minnie65_public to {SERVER} (now: https://wrong.example.org)"
    assert len(made(fix)) == 1
    assert read_map().entries == {"minnie65_public": SERVER, "v1dd": OTHER, "odd": [1]}
    assert fixes.fix_map_entry("minnie65_public", SERVER, read_map()) is None
    made(fixes.fix_map_entry("odd", "", read_map()))
    made(fixes.fix_map_entry("minnie65_public", "", read_map()))
    assert read_map().entries == {"v1dd": OTHER}
    assert fixes.fix_map_entry("not there", "", read_map()) is None


@pytest.mark.parametrize("entry", ["", None, [], "no address at all"])
def test_an_entry_that_means_no_server_is_removed(secrets, entry):
    """Whatever is wrong with the entry of an unknown datastack, there is a fix."""
    write_map({"mine": entry})
    target = find_target("mine")
    assert (target.is_guess, target.map_problem is None) == (True, False)
    server = ServerFacts(target=target, machine=machine(), stored=resolve(target.server))
    made(fixes.fix_entry(server))
    assert read_map().entries == {}


def test_an_entry_that_changed_in_the_meantime_stays(secrets):
    """An entry that was corrected in the meantime is not undone."""
    write_map({"a": "https://wrong.example.org"})
    fix = fixes.fix_map_entry("a", "", read_map())
    write_map({"a": SERVER})
    assert made(fix) == ()
    assert read_map().entries == {"a": SERVER}


def test_secrets_are_removed_from_addresses(secrets):
    """Tokens, names and passwords are removed from saved addresses, and no backup is kept."""
    write_map(
        {
            "a": f"https://cave.example.org/x?middle_auth_token={A}",
            "b": "https://ada:secret@cave.example.org",
            "c": SERVER,
            "d": f"https://cave.example.org/{B}",
            "e": f"{A}@cave.example.org:8443",
            "minnie65_public": f"http://{A}@evil.example.org",
            "v1dd": [A],
            "f": A,
        }
    )
    assert read_map().with_secrets == ("a", "b", "d", "e", "minnie65_public", "v1dd", "f")
    fix = fixes.fix_map_secrets(machine())
    assert fix is not None
    names = "a, b, d, e, minnie65_public, v1dd and f"
    assert fix.words == f"remove secrets from the address of {names} in the datastack map"
    assert made(fix) == ()
    meant = {
        "c": SERVER,
        "e": "https://cave.example.org:8443",
        "minnie65_public": SERVER,
        "v1dd": "https://global.em.brain.allentech.org",
    }
    assert read_map().entries == {**dict.fromkeys("abd", "https://cave.example.org"), **meant}
    assert [path.name for path in secrets.iterdir() if not path.name.startswith(".")] == [datastack_map.MAP_NAME]
    assert not read_map().with_secrets


@pytest.mark.parametrize(
    "text", [{"a": "https://wrong.org", "b": f"https://{A}@x.org"}, f'{{"a": "https://{A}@x.org", }}']
)
def test_a_map_with_a_secret_is_not_backed_up(secrets, text):
    """Whatever is fixed in such a map, no second file has the secret."""
    write_map(text)
    fix = fixes.fix_map_entry("a", SERVER, read_map()) if isinstance(text, dict) else fixes.fix_map(read_map())
    assert made(fix) == ()
    assert not list(secrets.glob("*.bak"))


def test_a_password_in_a_file_name_is_masked(secrets):
    """Such a file becomes owner-only, too, and its name is shown without the password."""
    path = put(secrets / f"ada:Hunter2@cave.example.org-{token_files.DEFAULT_NAME}", A)
    path.chmod(0o644)
    fix = fixes.fix_permissions(resolve(SERVER))
    assert fix is not None
    assert "****@cave.example.org-cave-secret.json (0644 -> 0600)" in fix.words
    assert "Hunter2" not in repr(fix)
    made(fix)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f'{{"a": "{SERVER}", "b": "{OTHER}",}}', {"a": SERVER, "b": OTHER}),
        (f'{{"a": "{SERVER}", "b": "https://prof', {"a": SERVER}),
        ("[1, 2]", {}),
        ("", {}),
        ('{"a": "https://bad host"', {}),
    ],
)
def test_a_broken_map_is_rebuilt(secrets, text, left):
    """A map that is not a JSON object is backed up and rewritten with its readable entries."""
    write_map(text)
    (backup,) = made(fixes.fix_map(read_map()))
    assert backup.read_text() == text
    assert (read_map().state, read_map().entries) == (token_files.State.READ, left)
    assert fixes.fix_map(read_map()) is None


def test_a_healthy_folder_needs_no_fix(secrets):
    """No fix is offered if nothing is wrong."""
    put(server_file(SERVER), A)
    write_map({"minnie65_public": SERVER})
    found = resolve(SERVER)
    assert [
        fixes.fix_permissions(found),
        fixes.fix_shape(found.server_file),
        fixes.fix_legacy(found),
        fixes.fix_copies(found, Token(A), [LOCAL]),
        fixes.fix_map(read_map()),
    ] == [None] * 5


# ---------------------------------------------------------------- files that name another server

GLOBAL = "https://global.daf-apis.com"


def _named(folder, name, **entries):
    path = folder / name
    path.write_text(json.dumps({**entries, "middle_auth_url": "other.example.org/auth"}))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("name", ["cave-secret.json", "other.example.org-cave-secret.json"])
def test_a_file_that_names_another_server_is_not_a_copy(secrets, name):
    """A file that names another server for its token is left alone."""
    save.save_token(Token("a" * 31 + "1"), GLOBAL)
    _named(secrets, name, token="b" * 31 + "2")
    found = fixes.fix_copies(stored_tokens.resolve(GLOBAL), Token("a" * 31 + "1"), ["https://other.example.org"])
    assert found is None


@pytest.mark.parametrize("entries", [{"token": f" {'b' * 32} "}, {"token": "B" * 32}, {"tokn": "b" * 32}])
def test_a_rewritten_file_still_names_its_server(secrets, entries):
    """The token stays the same, so the name of its server in the file stays, too."""
    path = _named(secrets, "cave-secret.json", **entries)
    fix = fixes.fix_shape(token_files.read_token_file(path))
    assert fix is not None
    fix.apply()
    found = token_files.read_token_file(path)
    assert (found.token, found.named_host) == (Token("b" * 32), "other.example.org")
