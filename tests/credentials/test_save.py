"""Saving a token: what is written to which file, and that nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cave_magic.credentials import atomic_write, datastack_map, save, token_files
from cave_magic.credentials.datastack_map import read_map
from cave_magic.credentials.save import save_token
from cave_magic.credentials.stored_tokens import resolve
from cave_magic.credentials.token_files import read_token_file, server_file
from cave_magic.errors import TokenExists, TokenNotSaved
from cave_magic.token import Token
from cave_magic.ui.door import on_windows

SERVER, LOCAL = "https://global.daf-apis.com", "https://minnie.microns-daf.com"
OTHER, OTHER_LOCAL = "https://proofreading.zetta.ai", "https://data.proofreading.zetta.ai"
OWN, OWN_LOCAL = "https://cave.example.org", "https://data.example.org"
A, B, C = "a" * 31 + "0", "b" * 31 + "1", "c" * 31 + "2"
EVERY_CALL = Path(__file__).resolve().parents[1] / "support" / "every_call.py"

posix = pytest.mark.skipif(on_windows(), reason="permissions and signals of POSIX")


def default() -> Path:
    """`cave-secret.json`."""
    return token_files.secrets_folder() / token_files.DEFAULT_NAME


def legacy() -> Path:
    """`chunkedgraph-secret.json`."""
    return token_files.secrets_folder() / token_files.LEGACY_NAME


def put(path: Path, token: object, **others: str) -> Path:
    """Writes a token file."""
    path.write_text(json.dumps({**others, "token": token}))
    path.chmod(0o600)
    return path


def tokens() -> dict[str, str]:
    """File -> the token in it, for every token file."""
    found = {path.name: read_token_file(path).token for path in token_files.secrets_folder().glob("*secret.json")}
    return {name: token.reveal() if token else "" for name, token in found.items()}


def picture(folder: Path) -> dict[str, object]:
    """Everything about a folder's files that a failed save must not change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        if path.name != atomic_write.LOCK_NAME:
            changed = None if path.is_dir() else info.st_mtime_ns
            found[str(path.relative_to(folder))] = (stat.filemode(info.st_mode), content, changed)
    return found


# ---------------------------------------------------------------- what is written where


def test_the_first_save_writes_what_caveclient_would(home):
    """The server's file, cave-secret.json and the data server's file contain it, and a fresh AuthClient reads it."""
    from caveclient.auth import AuthClient

    saved = save_token(Token(A), SERVER, local_servers=[LOCAL])
    assert tokens() == dict.fromkeys((server_file(SERVER).name, default().name, server_file(LOCAL).name), A)
    assert saved.written == (server_file(SERVER), default(), server_file(LOCAL))
    assert not saved.unchanged
    assert AuthClient(server_address=SERVER).token == A


def test_a_second_server_does_not_change_the_first(home):
    """Another server's token is saved in its own file; cave-secret.json keeps the first server's."""
    save_token(Token(A), SERVER, local_servers=[LOCAL])
    save_token(Token(B), OTHER, local_servers=[OTHER_LOCAL], overwrite=True)
    assert tokens()[default().name] == tokens()[server_file(LOCAL).name] == A
    assert tokens()[server_file(OTHER).name] == tokens()[server_file(OTHER_LOCAL).name] == B
    assert resolve(SERVER).token == Token(A)


@pytest.mark.parametrize("known", [LOCAL, SERVER, "https://api.em.brain.allentech.org"])
def test_a_server_cannot_claim_another_servers_data_server(secrets, known):
    """The file of another server's data server is not written, whatever the info service says."""
    put(server_file(known), A)
    save_token(Token(B), OTHER, local_servers=[known, "https://", "nonsense"], overwrite=True)
    assert tokens()[server_file(known).name] == A
    assert f"-{token_files.DEFAULT_NAME}" not in tokens()


def test_an_unknown_token_of_a_data_server_is_copied_first(secrets):
    """A data server's file with a token of unknown origin is copied and replaced."""
    put(server_file(OWN_LOCAL), C)
    saved = save_token(Token(A), OWN, local_servers=[OWN_LOCAL])
    assert tokens()[server_file(OWN_LOCAL).name] == A
    assert [json.loads(path.read_text())["token"] for path in saved.backups] == [C]


@pytest.mark.parametrize(
    ("server", "own", "general", "expected"),
    [
        (SERVER, None, None, A),  # no file exists: both are written
        (SERVER, None, B, A),  # the default server's by caveclient's own rule
        (SERVER, B, B, A),  # a copy of the old token
        (SERVER, B, C, C),  # of unknown origin: it is kept
        (SERVER, B, "", A),  # an empty token does not count
        (SERVER, B, A, A),
        (OWN, None, None, A),
        (OWN, None, B, B),  # not known to belong to this server
        (OWN, B, B, A),
        (OWN, B, C, C),
        (OWN, C, "", A),
    ],
)
def test_cave_secret_json_is_written_if_it_is_free_or_this_servers(secrets, server, own, general, expected):
    """The token in `cave-secret.json` after an overwriting save depends on it and on the server's own file before."""
    if own is not None:
        put(server_file(server), own)
    if general is not None:
        put(default(), general)
    save_token(Token(A), server, overwrite=True)
    assert tokens()[default().name] == expected
    assert resolve(server).token == Token(A)


@pytest.mark.parametrize("file", [server_file, lambda _: default(), lambda _: legacy()])
def test_another_token_is_kept_without_overwrite(secrets, file):
    """Without `overwrite` a different token stops the save; the error shows only its ending, and nothing changes."""
    put(file(SERVER), B, fanc=C)
    before = picture(secrets)
    with pytest.raises(TokenExists, match="ending in bbb1") as caught:
        save_token(Token(A), SERVER, local_servers=[LOCAL], opened=["minnie65_public"])
    assert B not in str(caught.value)
    assert picture(secrets) == before


@pytest.mark.parametrize("stored", [A, f" {A}\n", f'"{A}"', A.upper(), f"Bearer {A}", "", "  "])
def test_the_same_token_in_an_odd_form_is_replaced(secrets, stored):
    """A stored token with quotes, spaces or capitals, or an empty one, is corrected without `overwrite`."""
    put(server_file(SERVER), stored)
    save_token(Token(A), SERVER)
    assert tokens()[server_file(SERVER).name] == A


def test_saving_again_changes_nothing(home):
    """A second save of the same token writes no file."""
    save_token(Token(A), SERVER, local_servers=[LOCAL], opened=["minnie65_public"])
    before = picture(home)
    assert save_token(Token(A), SERVER, local_servers=[LOCAL], opened=["minnie65_public"]).unchanged
    assert picture(home) == before


def test_other_keys_are_kept(secrets):
    """The other keys of a token file are kept, with values that are not ASCII too."""
    put(server_file(SERVER), B, fanc=C, note="Grüße")
    put(default(), B, brain_and_nerve_cord=C)
    save_token(Token(A), SERVER, overwrite=True)
    assert json.loads(server_file(SERVER).read_text()) == {"fanc": C, "note": "Grüße", "token": A}
    assert json.loads(default().read_text()) == {"brain_and_nerve_cord": C, "token": A}


@pytest.mark.parametrize("text", [f'{{"token": "{A}",}}', C, "", "[]", "\0\0", "[" * 100_000, '{"token": "caf\u00e9"'])
def test_a_malformed_file_is_copied_before_it_is_overwritten(secrets, text):
    """A file that is not a JSON object is copied byte for byte, owner-only."""
    server_file(SERVER).write_bytes(text.encode("latin-1"))
    saved = save_token(Token(A), SERVER)
    assert [path.read_bytes() for path in saved.backups] == [text.encode("latin-1")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in saved.backups] == [0o600]
    assert tokens()[server_file(SERVER).name] == A


def test_copies_never_overwrite_each_other(secrets, monkeypatch):
    """Two copies of a file within a second get different names."""
    monkeypatch.setattr(time, "strftime", lambda _: "20261121-040000")
    for text in ("one", "two"):
        server_file(SERVER).write_text(text)
        save_token(Token(A), SERVER)
    assert sorted(path.read_text() for path in secrets.glob("*.bak")) == ["one", "two"]


def test_a_malformed_default_file_is_kept_if_it_has_another_token(secrets):
    """A malformed cave-secret.json is copied and overwritten, but kept if it contains another token."""
    default().write_text("{")
    assert len(save_token(Token(A), SERVER).backups) == 1
    assert tokens()[default().name] == A
    default().write_text(C)
    saved = save_token(Token(B), OWN)
    assert (saved.backups, default().read_text()) == ((), C)


def test_the_datastack_map_is_extended(secrets):
    """Datastacks are added; one on another server is kept unless it is opened; a malformed map is copied first."""
    mine = secrets / datastack_map.MAP_NAME
    mine.write_text(json.dumps({"v1dd": OTHER, "minnie65_public": OTHER, "odd": 5}))
    saved = save_token(Token(A), SERVER, datastacks=["v1dd", "new"], opened=["minnie65_public"])
    assert read_map().entries == {"v1dd": OTHER, "minnie65_public": SERVER, "odd": 5, "new": SERVER}
    assert saved.remapped == {"minnie65_public": OTHER}
    mine.write_text("{")
    assert [path.read_text() for path in save_token(Token(A), SERVER, opened=["x"]).backups] == ["{"]
    assert read_map().entries == {"x": SERVER}


# ---------------------------------------------------------------- permissions and links


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A umask that lets everybody read and write everything."""
    before = os.umask(0)
    yield
    os.umask(before)


@posix
@pytest.mark.usefixtures("open_umask")
def test_only_the_owner_can_read_from_the_first_byte(home, monkeypatch):
    """Under umask 0 every file that is written has mode 0600 while it is still empty, and every folder 0700."""
    modes = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: (modes.append(os.fstat(fd).st_mode & 0o777), real(fd, data))[1])
    save_token(Token(A), SERVER, local_servers=[LOCAL], opened=["minnie65_public"])
    assert set(modes) == {0o600}
    found = {path: stat.S_IMODE(path.stat().st_mode) for path in home.rglob("*")}
    assert set(found.values()) == {0o600, 0o700}
    assert {path.name for path, mode in found.items() if mode == 0o700} == {".cloudvolume", "secrets"}


@posix
def test_a_umask_that_restricts_the_owner_is_ignored(home):
    """Under umask 0777 the owner can still read what is written."""
    before = os.umask(0o777)
    try:
        save_token(Token(A), SERVER, local_servers=[LOCAL], opened=["minnie65_public"])
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in home.rglob("*") if path.name != atomic_write.LOCK_NAME
    }
    assert {mode for name, mode in modes.items() if "." in name[1:]} == {0o600}
    assert {mode for name, mode in modes.items() if "." not in name[1:]} == {0o700}


@posix
def test_older_files_and_folders_are_tightened(secrets):
    """Files that others can read become owner-only, even if the token does not change."""
    for path in (server_file(SERVER), default()):
        put(path, A, fanc=C).chmod(0o644)
    secrets.chmod(0o755)
    save_token(Token(A), SERVER)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (server_file(SERVER), default())} == {0o600}
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700


@posix
@pytest.mark.parametrize("there", [True, False])
def test_links_are_followed(secrets, home, there):
    """A token file that is a link, broken or not, stays a link; its target is written."""
    kept = home / "dotfiles"
    kept.mkdir()
    if there:
        put(kept / "cave.json", B, fanc=C)
    server_file(SERVER).symlink_to(kept / "cave.json")
    (kept / ".cave_magic-0123456789abcdef.tmp").write_text("left by a killed save")
    save_token(Token(A), SERVER, overwrite=True)
    assert server_file(SERVER).is_symlink()
    assert json.loads((kept / "cave.json").read_text())["token"] == A
    assert [path.name for path in kept.iterdir()] == ["cave.json"]


@posix
@pytest.mark.parametrize("name", ["server", "default"])
def test_what_cannot_be_replaced_is_named_and_kept(secrets, name):
    """A folder or pipe instead of the server's file, or a write-protected file, stops the whole save."""
    for make in (Path.mkdir, os.mkfifo, lambda path: put(path, B).chmod(0o400)):
        path = server_file(SERVER) if name == "server" else default()
        make(path)
        before = picture(secrets)
        if name == "server" or path.is_file():
            with pytest.raises(TokenNotSaved, match=f"~/.cloudvolume/secrets/{path.name} is"):
                save_token(Token(A), SERVER, local_servers=[LOCAL], overwrite=True)
            assert picture(secrets) == before
        path.rmdir() if path.is_dir() else path.unlink()


# ---------------------------------------------------------------- all or nothing


def test_a_failed_verification_restores_everything(secrets):
    """If the last step fails, every file has its old content, permissions and times, and no file is new."""
    put(server_file(SERVER), B, fanc=C).chmod(0o644)
    default().write_text("{")
    os.utime(default(), (1, 1))
    before = picture(secrets)

    def fail() -> None:
        assert tokens()[server_file(SERVER).name] == A
        raise TokenNotSaved("no")

    with pytest.raises(TokenNotSaved, match="no"):
        save_token(Token(A), SERVER, local_servers=[LOCAL], opened=["x"], overwrite=True, confirm=fail)
    assert picture(secrets) == before


def test_what_cannot_be_restored_is_named(secrets, monkeypatch):
    """If a failed save cannot be undone, the message names the changed files."""
    put(server_file(SERVER), B)
    real = os.replace
    answers = iter([None, OSError(errno.EIO, "x"), OSError(errno.EIO, "x")])

    def replace(old: Path, new: Path) -> None:
        if error := next(answers):
            raise error
        real(old, new)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(TokenNotSaved, match=r"global\.daf-apis\.com-cave-secret\.json could not be restored"):
        save_token(Token(A), SERVER, overwrite=True)


def test_saving_works_without_hard_links(secrets, monkeypatch):
    """If the file system has no hard links, an owner-only copy restores the file."""
    monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EPERM, "no")))
    put(server_file(SERVER), B)
    before = picture(secrets)
    with pytest.raises(TokenNotSaved):
        save_token(Token(A), SERVER, overwrite=True, confirm=lambda: (_ for _ in ()).throw(TokenNotSaved("no")))
    assert picture(secrets) == before


@pytest.mark.usefixtures("permissions_count")
@pytest.mark.parametrize("where", ["", ".cloudvolume", ".cloudvolume/secrets"])
def test_a_read_only_folder_is_an_error(home, where):
    """The error is one sentence, and nothing is changed."""
    (home / where).mkdir(parents=True, exist_ok=True)
    (home / where).chmod(0o555)
    before = picture(home)
    with pytest.raises(TokenNotSaved, match=r"is not writable by you\.$"):
        save_token(Token(A), SERVER)
    assert picture(home) == before


@pytest.mark.usefixtures("permissions_count")
def test_a_read_only_parent_folder_does_not_matter(secrets):
    """Only the folder of the files has to be writable."""
    secrets.parent.chmod(0o555)
    save_token(Token(A), SERVER)
    assert resolve(SERVER).token == Token(A)


def outcomes(home: Path, before: str, how: str, what: str = "save", step: int = 1) -> list[dict[str, dict[str, str]]]:
    """The results of `every_call.py`."""
    command = [sys.executable, str(EVERY_CALL), str(home), before, how, what, str(step)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(done.stdout)


@posix
@pytest.mark.parametrize(("before", "count", "step"), [("nothing", 4, 2), ("elsewhere", 6, 7)])
def test_a_killed_save_leaves_complete_files(home, one_in, before, count, step):
    """Killed at any call, each file is complete, old or new, those elsewhere too; the next save finishes the job."""
    seen = outcomes(home, before, "kill", step=one_in(step))
    assert len(seen) > 15
    for one in seen:
        assert one["ended"] == "killed"
        assert set(one["files"].values()) <= {"old", "new"}
        assert before == "nothing" or len(one["files"]) >= 3
        assert one["again"] == "saved"
        assert set(one["then"].values()) == {"new"}
        assert len(one["then"]) == count
        assert one["hidden then"] == [atomic_write.LOCK_NAME]


@posix
@pytest.mark.parametrize(("how", "step"), [("interrupt", 5), ("fail", 3), ("full", 5)])
def test_a_stopped_save_is_reported_correctly(home, one_in, how, step):
    """Interrupted, failing or out of space at any call, a save reports success if and only if the files are new."""
    seen = outcomes(home, "files", how, step=one_in(step))
    assert len(seen) > 15
    for one in seen:
        expected = {"saved": {"new"}, "interrupted": {"old"}, "not saved": {"old"}}[str(one["ended"])]
        assert set(one["files"].values()) == expected, one
        assert one["hidden"] in ([atomic_write.LOCK_NAME], []) or one["ended"] == "saved"
    assert Counter(str(one["ended"]) for one in seen)["saved"] < len(seen)


# ---------------------------------------------------------------- several at once

MANY = """
import os, sys, threading
os.fsync = lambda _: None  # this tests the locks, not the disk
from cave_magic.credentials import atomic_write
from cave_magic.credentials.save import save_token
from cave_magic.token import Token
atomic_write.LOCK_SECONDS = 100  # a busy machine needs longer than a person would wait
number, threads, each = map(int, sys.argv[1:])

def work(thread):
    for turn in range(each):
        mine = (number * 100 + thread) * 100 + turn
        save_token(Token(f"{mine:032x}"), "https://global.daf-apis.com", opened=[f"ds{mine}"], overwrite=True)

every = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
for one in every: one.start()
for one in every: one.join()
"""


def test_concurrent_saves_lose_nothing(secrets):
    """24 saves of four kernels with two threads each succeed: every entry is in the map, other keys are kept."""
    put(server_file(SERVER), B, fanc=C)
    put(default(), B, banc=C)
    kernels = [
        subprocess.Popen([sys.executable, "-c", MANY, str(number), "2", "3"], stderr=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    assert [kernel.communicate(timeout=120)[1] for kernel in kernels] == [""] * 4
    assert len(read_map().entries) == 4 * 2 * 3
    own, general = (json.loads(path.read_text()) for path in (server_file(SERVER), default()))
    assert own["token"] == general["token"]
    assert (own["fanc"], general["banc"]) == (C, C)


@posix
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_saving_works_in_a_home_without_file_locks(secrets, monkeypatch, number):
    """If the file system has no locks, the existence of a file is the lock; it is removed afterwards."""
    import fcntl

    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(number, "no locks")))
    monkeypatch.setattr("warnings.warn", lambda *_, **__: None)
    monkeypatch.setattr(atomic_write, "LOCK_SECONDS", 100)  # a busy machine needs longer than a person would wait
    every = [threading.Thread(target=save_token, args=(Token(A), SERVER)) for _ in range(4)]
    for one in every:
        one.start()
    for one in every:
        one.join()
    assert tokens()[server_file(SERVER).name] == A
    assert not list(secrets.glob("*.soft"))


@posix
def test_saving_works_on_a_platform_without_file_locks(secrets, monkeypatch):
    """Saving works in a Python without `flock`."""
    import filelock

    monkeypatch.setattr(filelock.FileLock, "_acquire", lambda _: (_ for _ in ()).throw(NotImplementedError))
    save_token(Token(A), SERVER)
    assert tokens()[server_file(SERVER).name] == A


@posix
def test_a_lock_that_is_not_released_is_named(secrets, monkeypatch):
    """After the time limit the save gives up and names the lock, and nothing is changed."""
    monkeypatch.setattr(atomic_write, "LOCK_SECONDS", 0.05)
    put(server_file(SERVER), B)
    before = picture(secrets)
    with atomic_write.locked(secrets), pytest.raises(TokenNotSaved, match=r"another program.*\.cave_magic\.lock"):
        save_token(Token(A), SERVER, overwrite=True)
    assert picture(secrets) == before
    save_token(Token(A), SERVER, overwrite=True)


@posix
def test_a_stale_lock_is_ignored(secrets, monkeypatch):
    """A lock file left by a killed save does not stop the next one; without file locks it does for five minutes."""
    import fcntl

    (secrets / atomic_write.LOCK_NAME).write_text("999999\nelsewhere\n")
    save_token(Token(A), SERVER)
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOLCK, "no locks")))
    monkeypatch.setattr(atomic_write, "LOCK_SECONDS", 0.05)
    soft = secrets / f"{atomic_write.LOCK_NAME}.soft"
    soft.write_text("1\nelsewhere\n")
    with pytest.raises(TokenNotSaved, match="another program"):
        save_token(Token(B), SERVER, overwrite=True)
    os.utime(soft, (time.time() - 400,) * 2)
    save_token(Token(B), SERVER, overwrite=True)
    assert not soft.exists()


def test_a_data_servers_file_that_names_another_server_is_kept(secrets):
    """A server that lists another server as its data server cannot overwrite that server's token file."""
    path = secrets / "b.example.org-cave-secret.json"
    path.write_text('{"token": "' + "b" * 32 + '", "middle_auth_url": "b.example.org/auth"}')
    before = path.read_bytes()
    saved = save.save_token(Token("a" * 32), "https://a.example.org", local_servers=["https://b.example.org"])
    assert path.read_bytes() == before
    assert path not in saved.written
