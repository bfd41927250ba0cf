"""What keeps a user from changing a file, and who can change that: on real files, with real permissions."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cave_magic.credentials import atomic_write, obstacles, save
from cave_magic.credentials.file_problems import FileFault
from cave_magic.credentials.obstacles import Intent, WayOut, file_obstacle, folder_obstacle, obstacle_of, obstacle_to
from cave_magic.deployments import DEFAULT_SERVER
from cave_magic.errors import TokenNotSaved
from cave_magic.token import Token

from ..support.permissions import CAN_COUNT, IS_ROOT, permissions_of_a_user

STRANGER = 12345
posix = pytest.mark.skipif(not CAN_COUNT, reason="permissions of POSIX")
as_administrator = pytest.mark.skipif(not IS_ROOT or not CAN_COUNT, reason="gives files to another user")


@pytest.fixture(autouse=True)
def no_other_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has no other home folder for this user."""
    monkeypatch.setattr(obstacles, "_own_home", lambda: "")


def make(path: Path, mode: int = 0o600) -> Path:
    """A file, or a folder if the mode can be searched."""
    path.mkdir(parents=True) if mode & 0o100 or not path.suffix else path.write_text("{}")
    path.chmod(mode)
    return path


def give_away(*paths: Path) -> None:
    """Gives files to another user."""
    for path in paths:
        os.chown(path, STRANGER, -1, follow_symlinks=False)


def seen(found: obstacles.Obstacle | None) -> tuple[str, FileFault, WayOut] | None:
    """The name of the path, what is wrong with it, and the way."""
    return found and (found.path.name, found.problem.fault, found.way)


# ---------------------------------------------------------------- the folder


def test_a_healthy_home_is_no_obstacle(home):
    """With or without the folder of the token files, nothing is in the way."""
    assert folder_obstacle() is None
    (home / ".cloudvolume" / "secrets").mkdir(parents=True)
    assert folder_obstacle() is None


@pytest.mark.parametrize(("value", "fault"), [
    ("", FileFault.HOME_UNKNOWN),
    ("nowhere", FileFault.HOME_UNKNOWN),
    ("{home}/gone", FileFault.HOME_MISSING),
    ("{home}/file", FileFault.HOME_NOT_A_FOLDER),
])  # fmt: skip
def test_a_wrong_home_is_named(home, monkeypatch, value, fault):
    """HOME may be empty, relative, missing, or a file; on Windows, USERPROFILE."""
    (home / "file").write_text("")
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", value.format(home=home))
    assert seen(folder_obstacle()) == ("secrets", fault, WayOut.SET_HOME)


@posix
@pytest.mark.parametrize("where", [".cloudvolume", ".cloudvolume/secrets"])
@pytest.mark.parametrize(("mode", "fault"), [(0, FileFault.NOT_OPENABLE), (0o500, FileFault.NOT_WRITABLE)])
def test_a_folder_of_the_user_can_be_unlocked(secrets, home, where, mode, fault):
    """Its owner can restore the permissions."""
    if (where, mode) == (".cloudvolume", 0o500):
        secrets.rmdir()  # else nothing is written there
    (home / where).chmod(mode)
    with permissions_of_a_user():
        assert seen(folder_obstacle()) == (Path(where).name, fault, WayOut.GRANT_ACCESS)
    (home / where).chmod(0o700)


@as_administrator
@pytest.mark.parametrize("where", [".cloudvolume", ".cloudvolume/secrets"])
@pytest.mark.parametrize(("mode", "fault"), [(0o700, FileFault.NOT_OPENABLE), (0o755, FileFault.NOT_WRITABLE)])
def test_another_users_folder_is_moved_away(secrets, home, where, mode, fault):
    """It is in this user's home, so this user can rename it, but not change its permissions."""
    if (where, mode) == (".cloudvolume", 0o755):
        secrets.rmdir()
    (home / where).chmod(mode)
    give_away(home / where)
    with permissions_of_a_user():
        found = folder_obstacle()
    assert seen(found) == (Path(where).name, fault, WayOut.MOVE_AWAY)
    assert found is not None
    assert str(found).endswith(f"; it belongs to the user with ID {STRANGER}")


@as_administrator
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_home_of_another_user_needs_another_home(home, mode):
    """Nothing in it can be changed, so the token files have to be elsewhere."""
    home.chmod(mode)
    give_away(home)
    with permissions_of_a_user():
        found = folder_obstacle()
        assert seen(found) == ("home", found and found.problem.fault, WayOut.SET_HOME)
    os.chown(home, 0, -1)


@as_administrator
def test_a_folder_tree_of_another_user_is_moved_away_whole(secrets):
    """A container with another user left it: the outermost of its folders is in a folder of this user."""
    give_away(secrets.parent, secrets)
    secrets.parent.chmod(0o755)
    with permissions_of_a_user():
        found = folder_obstacle()
    assert seen(found) == (".cloudvolume", FileFault.NOT_WRITABLE, WayOut.MOVE_AWAY)


def test_a_file_that_is_mounted_on_its_own_is_not_replaced(secrets, tmp_path, monkeypatch):
    """Into a container, the folder has to be mounted."""
    file = make(secrets / "a token.json")
    mounts, name = tmp_path / "mountinfo", str(file).replace(" ", "\\040")
    mounts.write_text(f"22 1 0:2 / / rw - ext4 /dev/a rw\n23 22 0:2 /x {name} rw - ext4 /dev/a rw\n")
    monkeypatch.setattr(obstacles, "_MOUNTS", mounts)
    assert seen(file_obstacle(file)) == (file.name, FileFault.MOUNTED, WayOut.MOUNT_FOLDER)
    assert file_obstacle(make(secrets / "other.json")) is None


@as_administrator
def test_a_folder_in_another_users_folder_needs_its_owner(secrets, tmp_path, monkeypatch):
    """Its folder belongs to another user too, and is mounted there, so neither can be moved away."""
    (tmp_path / "mountinfo").write_text(f"22 1 0:2 / {secrets.parent} rw - ext4 /dev/a rw\n")
    monkeypatch.setattr(obstacles, "_MOUNTS", tmp_path / "mountinfo")
    secrets.chmod(0o700)
    give_away(secrets, secrets.parent)
    secrets.parent.chmod(0o755)
    with permissions_of_a_user():
        assert seen(folder_obstacle()) == ("secrets", FileFault.NOT_OPENABLE, WayOut.OWNER)


def test_another_home_of_the_user_is_offered(home, tmp_path, monkeypatch):
    """If HOME is wrong, the home folder that the system has for this user is the way out."""
    monkeypatch.undo()
    real = make(tmp_path / "real", 0o700)
    pwd = pytest.importorskip("pwd")
    entry = list(pwd.getpwuid(os.geteuid()))
    entry[5] = str(real)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd(entry))
    monkeypatch.setenv("HOME", str(home / "gone"))
    found = folder_obstacle()
    assert found is not None
    assert found.home == str(real)


# ---------------------------------------------------------------- a file

ODD: dict[str, Callable[[Path], object]] = {
    "IS_A_FOLDER": Path.mkdir,
    "IS_A_PIPE": lambda path: os.mkfifo(path),
    "IS_A_DEVICE": lambda path: path.symlink_to("/dev/zero"),
    "TOO_LARGE": lambda path: (path.touch(), os.truncate(path, 30_000_000)),
}


@posix
@pytest.mark.parametrize("kind", ODD)
def test_anything_but_a_file_is_moved_away(secrets, kind):
    """A folder, a pipe, a device or a huge file is named, and none is waited for."""
    path = secrets / "x.json"
    ODD[kind](path)
    assert seen(file_obstacle(path)) == ("x.json", FileFault[kind], WayOut.MOVE_AWAY)


@posix
@pytest.mark.parametrize(("mode", "fault"), [(0, FileFault.NOT_READABLE), (0o400, FileFault.WRITE_PROTECTED)])
def test_a_file_of_the_user_can_be_unlocked(secrets, mode, fault):
    """Its owner can restore the permissions."""
    path = make(secrets / "x.json", mode)
    with permissions_of_a_user():
        assert seen(file_obstacle(path)) == ("x.json", fault, WayOut.GRANT_ACCESS)


@as_administrator
def test_another_users_file_is_moved_away(secrets):
    """`chmod` would fail, but the folder belongs to this user."""
    path = make(secrets / "x.json")
    give_away(path)
    with permissions_of_a_user():
        assert seen(file_obstacle(path)) == ("x.json", FileFault.NOT_READABLE, WayOut.MOVE_AWAY)
        assert seen(obstacle_to(Intent.CHMOD, path)) == ("x.json", FileFault.NOT_CHANGEABLE, WayOut.MOVE_AWAY)
        assert obstacle_to(Intent.MOVE, path) is None


@as_administrator
def test_a_sticky_folder_protects_another_users_file(secrets, tmp_path):
    """In a folder such as /tmp only the owner of a file can rename it; root always can."""
    folder = make(tmp_path / "shared", 0o1777)
    path = make(folder / "x.json", 0o644)
    give_away(folder, path)
    os.seteuid(STRANGER + 1)
    try:
        assert not obstacles._can_be_moved(path)
    finally:
        os.seteuid(0)
    assert obstacles._can_be_moved(path)


def test_what_is_not_there_needs_no_change(home):
    """A path where nothing is can be changed."""
    assert obstacle_to(Intent.CHMOD, home / "gone") is None
    assert obstacle_to(Intent.MOVE, home / "gone") is None


@pytest.fixture
def immutable(secrets: Path) -> Iterator[Path]:
    """A file that nobody can change, root neither."""
    path = make(secrets / "x.json")
    if not IS_ROOT or shutil.which("chattr") is None or subprocess.run(["chattr", "+i", path]).returncode:
        pytest.skip("cannot mark files as immutable here")
    yield path
    subprocess.run(["chattr", "-i", path], check=True)


@pytest.mark.parametrize("intent", Intent)
def test_an_immutable_file_needs_the_administrator(immutable, intent):
    """Neither `chmod` nor `mv` works on it, although its permissions look fine."""
    assert seen(obstacle_to(intent, immutable)) == ("x.json", FileFault.IMMUTABLE, WayOut.ADMINISTRATOR)
    with pytest.raises(OSError, match="not permitted"):
        immutable.rename(immutable.with_name("y"))


def test_a_file_that_stops_a_save_is_named(secrets, monkeypatch):
    """Not only the server's own file is tried beforehand, and the error of a save names the file, not its folder."""
    saved = save.save_token(Token("ab" * 16), DEFAULT_SERVER).written
    kept, replace = saved[1], os.replace

    def refuse(old, new):
        if Path(new) == kept:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(old), None, str(new))
        replace(old, new)

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(obstacles, "_is_immutable", lambda path: path == kept)
    assert seen(save.obstacle_to_saving(DEFAULT_SERVER)) == (kept.name, FileFault.IMMUTABLE, WayOut.ADMINISTRATOR)
    with pytest.raises(TokenNotSaved, match=f"{kept.name} is marked as immutable"):
        save.save_token(Token("cd" * 16), DEFAULT_SERVER, overwrite=True)


# ---------------------------------------------------------------- the disk

ERRORS = [
    (errno.EROFS, FileFault.READ_ONLY_DISK, WayOut.SET_HOME),
    (errno.ENOSPC, FileFault.NO_SPACE, WayOut.FREE_SPACE),
    (errno.EDQUOT, FileFault.OVER_QUOTA, WayOut.FREE_SPACE),
    (errno.EFBIG, FileFault.SIZE_LIMIT, WayOut.RAISE_LIMIT),
    (errno.ENAMETOOLONG, FileFault.NAME_TOO_LONG, WayOut.SET_HOME),
    (errno.EMFILE, FileFault.WRITE_ERROR, WayOut.CLOSE_FILES),
    (errno.EIO, FileFault.WRITE_ERROR, WayOut.ADMINISTRATOR),
]


@pytest.mark.parametrize(("code", "fault", "way"), ERRORS, ids=[errno.errorcode[one[0]] for one in ERRORS])
def test_an_error_of_the_disk_is_named(secrets, monkeypatch, code, fault, way):
    """Trying shows what looking does not, and a save fails with the same words."""

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(atomic_write, "_create", fail)
    found = save.obstacle_to_saving(DEFAULT_SERVER)
    assert found is not None
    assert seen(found) == (found.path.name, fault, way)
    assert seen(obstacle_of(OSError(code, ""), found.path)) == seen(found)
    with pytest.raises(TokenNotSaved) as error:
        save.save_token(Token("a" * 32), DEFAULT_SERVER)
    assert str(found.problem) in str(error.value)


def test_a_trial_leaves_nothing_behind(secrets):
    """Neither the files nor the times of the folder change."""
    before = os.stat(secrets)
    assert save.obstacle_to_saving(DEFAULT_SERVER) is None
    after = os.stat(secrets)
    assert (list(secrets.iterdir()), after.st_mtime_ns, after.st_mode) == ([], before.st_mtime_ns, before.st_mode)


@pytest.fixture
def disk(home: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a tiny disk as `~/.cloudvolume`."""
    folder = make(home / ".cloudvolume", 0o700)

    def mount(options: str) -> Path:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
        if done.returncode:
            pytest.skip("cannot mount here")
        return folder

    yield mount
    subprocess.run(["umount", folder], capture_output=True)


DISKS = [
    ("ro", FileFault.READ_ONLY_DISK, WayOut.SET_HOME),
    ("size=4k", FileFault.NO_SPACE, WayOut.FREE_SPACE),
    ("size=1m,nr_inodes=1", FileFault.NO_INODES, WayOut.FREE_SPACE),
]


@pytest.mark.parametrize(("options", "fault", "way"), DISKS, ids=[one[0] for one in DISKS])
def test_a_real_disk_is_tried(disk, options, fault, way):
    """A disk that is read-only, full, or out of inodes is named before a token is asked for."""
    folder = disk(options)
    if options == "size=4k":
        (folder / "x").write_bytes(bytes(4096))
    found = save.obstacle_to_saving(DEFAULT_SERVER)
    assert seen(found) == (".cloudvolume", fault, way)
    with pytest.raises(TokenNotSaved, match=str(fault.value)):
        save.save_token(Token("a" * 32), DEFAULT_SERVER)


def test_a_file_system_without_permissions_is_named(secrets, monkeypatch):
    """There `chmod` succeeds and changes nothing, so it is not offered."""
    real = atomic_write._create

    def create(path: Path, content: bytes, mode: int) -> None:
        real(path, content, mode)
        os.chmod(path, 0o755)

    monkeypatch.setattr(atomic_write, "_create", create)
    found = obstacle_to(Intent.CHMOD, make(secrets / "x.json", 0o644))
    assert seen(found) == ("x.json", FileFault.NO_MODES, WayOut.ADMINISTRATOR)
