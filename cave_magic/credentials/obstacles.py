"""What keeps this user from changing a file here and now, and who or what can change that.

It looks first, and tries only if looking is not enough: an access control list, a quota or the server of a
network drive shows only then. A trial leaves nothing behind and changes no file's content and times.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from ..ui.door import home_variable, on_windows
from ..ui.redact import sanitize
from . import atomic_write
from .file_problems import FileFault, FileProblem
from .token_files import State, gap_of, is_foreign, link_problem, link_target, read_text, secrets_folder, show_path


class Intent(Enum):
    """What a fix or a command does with a path; the value says so in words."""

    WRITE = "replaces or creates the file"
    CHMOD = "changes its permissions"
    MOVE = "renames it in its folder"


class WayOut(Enum):
    """How an obstacle can be removed, and by whom; the value says when."""

    SET_HOME = "HOME (on Windows, USERPROFILE) names no folder that this user can use"
    RESTORE_LINK = "a link to a missing folder: mount the folder or move the link away"
    MOVE_AWAY = "something else is in its place, or it is another user's; this user can rename it"
    GRANT_ACCESS = "its permissions lock out its owner, who is this user"
    FREE_SPACE = "the disk or the quota is used up"
    RAISE_LIMIT = "a limit on the size of files that was set where this process was started"
    CLOSE_FILES = "this process has too many open files"
    CLOSE_PROGRAM = "another program may have it open, which only Windows minds"
    MOUNT_FOLDER = "only the file is mounted, as into a container, so no other file can take its place"
    OWNER = "only its owner, another user, can change it"
    ADMINISTRATOR = "only the administrator of this computer can change it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What keeps this user from changing a file; `str()` is the start of a sentence about it.

    Attributes:
        path: the cause: the file, one of its folders, or whatever is in its place.
        problem: what is wrong with it.
        way: how it can be removed.
        owner: the other user that it belongs to; "" if it belongs to this user.
        mode: the permissions that `GRANT_ACCESS` gives.
        home: for `SET_HOME`, another home folder that this user can use, or "".
        unusable: whether the token files cannot be read either.
    """

    path: Path
    problem: FileProblem
    way: WayOut
    owner: str = ""
    mode: int = 0o600
    home: str = ""
    unusable: bool = False

    def __str__(self) -> str:
        owner = f"; it belongs to {self.owner}" if self.owner else ""
        return f"{show_path(self.path)} {self.problem}{owner}"


# ---------------------------------------------------------------- looking


def folder_obstacle() -> Obstacle | None:
    """What keeps this user from using the folder of the token files, as far as looking shows; None if nothing does."""
    home, folder = Path(os.path.expanduser("~")), secrets_folder()
    if not folder.is_absolute() or os.environ.get(home_variable()) == "":  # `expanduser` takes "" for the root folder
        return _not_here(folder, FileFault.HOME_UNKNOWN, WayOut.SET_HOME, unusable=True)
    if not os.path.isdir(home):
        fault = FileFault.HOME_NOT_A_FOLDER if os.path.lexists(home) else FileFault.HOME_MISSING
        return _not_here(folder, fault, WayOut.SET_HOME, (show_path(home),), unusable=True)
    nearest = home
    for one in (folder.parent, folder):
        if not _is_allowed(nearest, os.X_OK):
            return _locked(nearest, FileFault.NOT_OPENABLE, unusable=True)
        if not os.path.lexists(one):
            break
        if (replaced := _in_place_of_folder(one)) is not None:
            return replaced
        nearest = one
    if nearest == folder and not _is_allowed(folder, os.R_OK | os.X_OK):
        return _locked(folder, FileFault.NOT_OPENABLE, unusable=True)
    return _unwritable(nearest)


def _in_place_of_folder(path: Path) -> Obstacle | None:
    """A file, a broken link, or a link to another user's folder, where the folder of the token files should be."""
    if not os.path.isdir(path):
        problem = link_problem(path) or FileProblem(fault=FileFault.NOT_A_FOLDER)
        return _movable(path, problem, unusable=True)
    if os.path.islink(path) and is_foreign(os.stat(path)):
        problem = FileProblem(fault=FileFault.LINK_TO_ANOTHER_USERS, details=(show_path(link_target(path)),))
        return _movable(path, problem, unusable=not _is_allowed(path, os.R_OK | os.X_OK))
    return None


def _unwritable(folder: Path) -> Obstacle | None:
    """Why nothing can be written in a folder, as far as looking shows."""
    with contextlib.suppress(AttributeError, OSError):  # Windows has no statvfs
        disk = os.statvfs(folder)
        if disk.f_flag & os.ST_RDONLY:
            return _not_here(folder, FileFault.READ_ONLY_DISK, WayOut.SET_HOME)
        used_up = {FileFault.NO_SPACE: disk.f_blocks and not disk.f_bavail, FileFault.NO_INODES: not disk.f_ffree}
        fault = next((fault for fault, is_used_up in used_up.items() if is_used_up), None)
        if fault is not None and not _has_room(folder):  # some network drives do not know
            return _not_here(folder, fault, WayOut.FREE_SPACE)
    return None if _is_allowed(folder, os.W_OK | os.X_OK) else _locked(folder, FileFault.NOT_WRITABLE)


def _has_room(folder: Path) -> bool:
    try:
        atomic_write.try_out(folder)
    except OSError as error:
        return error.errno != errno.ENOSPC
    return True


def file_obstacle(path: Path) -> Obstacle | None:
    """What is in the place of a token file, if a save does not replace it."""
    content = read_text(path)
    problem, info = content.problem, content.info
    if info is not None and not info.st_mode & 0o222:
        return _locked(path, FileFault.WRITE_PROTECTED)
    if info is not None and _is_mounted(path):
        return _not_here(path, FileFault.MOUNTED, WayOut.MOUNT_FOLDER)
    if problem is None or (content.state is State.ABSENT and not gap_of(path)):
        return None
    if problem.fault is FileFault.READ_ERROR:
        return Obstacle(path=path, problem=problem, way=WayOut.ADMINISTRATOR)
    if content.state is State.UNREADABLE and not os.path.islink(path):
        return _locked(path, problem.fault)
    return _movable(path, problem)


# ---------------------------------------------------------------- trying


def obstacle_to(intent: Intent, path: Path) -> Obstacle | None:
    """What keeps this user from doing something with a path; None if nothing does, or nothing is there to change."""
    if intent is Intent.WRITE:
        return _obstacle_to_writing(path)
    if not os.path.lexists(path):
        return None
    try:
        if intent is Intent.CHMOD:
            return _obstacle_to_chmod(path)
        return None if _can_be_moved(path) else _unwritable(path.parent) or _locked(path, FileFault.NOT_CHANGEABLE)
    except OSError as error:
        return obstacle_of(error, path)


def _obstacle_to_writing(path: Path) -> Obstacle | None:
    if found := file_obstacle(path):
        return found
    target = link_target(path)
    folder = _nearest(target.parent)
    if found := _unwritable(folder):
        is_movable_link = os.path.islink(path) and _can_be_moved(path)
        return replace(found, path=path, way=WayOut.MOVE_AWAY) if is_movable_link else found
    if os.path.lexists(target) and (_is_immutable(target) or _is_sticky(target)):
        return _locked(target, FileFault.NOT_CHANGEABLE)
    try:
        atomic_write.try_out(folder)
    except OSError as error:
        return obstacle_of(error, folder)
    return None


def _obstacle_to_chmod(path: Path) -> Obstacle | None:
    if not _can_chmod(path):
        return _locked(path, FileFault.NOT_CHANGEABLE)
    folder = path if path.is_dir() else path.parent
    with contextlib.suppress(OSError):  # a folder that cannot be written says nothing about its file system
        if not atomic_write.try_out(folder):
            return _not_here(path, FileFault.NO_MODES, WayOut.ADMINISTRATOR)
    return None


def obstacle_of(error: OSError, path: Path) -> Obstacle:
    """The obstacle behind an error of the system, for the path that could not be changed."""
    folder = _nearest(path)
    if error.errno in (errno.EACCES, errno.EPERM) and (found := _refusal(path, folder)):
        return found
    if error.errno == errno.ENOSPC and (found := _unwritable(folder)):
        return found
    if error.errno in _OF_THE_DISK:
        fault, way = _OF_THE_DISK[error.errno]
        return _not_here(path if fault is FileFault.NAME_TOO_LONG else folder, fault, way)
    reason = sanitize(os.strerror(error.errno) if error.errno else type(error).__name__).text
    problem = FileProblem(fault=FileFault.WRITE_ERROR, details=(reason,))
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Obstacle(path=path, problem=problem, way=WayOut.CLOSE_FILES)
    return Obstacle(path=path if os.path.lexists(path) else folder, problem=problem, way=WayOut.ADMINISTRATOR)


def _refusal(path: Path, folder: Path) -> Obstacle | None:
    """Why the system refused a change, as far as looking tells."""
    if on_windows() and os.path.lexists(path) and not os.path.isdir(path):
        return _not_here(path, FileFault.IN_USE, WayOut.CLOSE_PROGRAM)
    closed = next((one for one in (*reversed(folder.parents), folder) if not _is_allowed(one, os.X_OK)), None)
    if closed is not None:
        return _locked(closed, FileFault.NOT_OPENABLE)
    found = _unwritable(folder) or _locked(path if os.path.lexists(path) else folder, FileFault.NOT_CHANGEABLE)
    tells_nothing = found.problem.fault is FileFault.NOT_CHANGEABLE and found.way is WayOut.ADMINISTRATOR
    return None if tells_nothing and not found.owner else found


_OF_THE_DISK = {
    errno.ENOSPC: (FileFault.NO_SPACE, WayOut.FREE_SPACE),
    errno.EROFS: (FileFault.READ_ONLY_DISK, WayOut.SET_HOME),
    getattr(errno, "EDQUOT", -1): (FileFault.OVER_QUOTA, WayOut.FREE_SPACE),
    errno.EFBIG: (FileFault.SIZE_LIMIT, WayOut.RAISE_LIMIT),
    errno.ENAMETOOLONG: (FileFault.NAME_TOO_LONG, WayOut.SET_HOME),
}


# ---------------------------------------------------------------- whose it is, and the way out


def _not_here(
    path: Path, fault: FileFault, way: WayOut, details: tuple[str, ...] = (), unusable: bool = False
) -> Obstacle:
    home, problem = _own_home() if way is WayOut.SET_HOME else "", FileProblem(fault=fault, details=details)
    return Obstacle(path=path, problem=problem, way=way, home=home, unusable=unusable)


def _movable(path: Path, problem: FileProblem, unusable: bool = False) -> Obstacle:
    """Something in the place of a file or folder that its owner or this user can move away."""
    if not _can_be_moved(path):
        return replace(_locked(path.parent, FileFault.NOT_WRITABLE, unusable), path=path, problem=problem)
    lost = os.path.islink(path) and not os.path.lexists(link_target(path))
    way = WayOut.RESTORE_LINK if lost else WayOut.MOVE_AWAY
    return Obstacle(path=path, problem=problem, way=way, unusable=unusable)


def _locked(path: Path, fault: FileFault, unusable: bool = False) -> Obstacle:
    """A file or folder that this user may not use as it is, with what this user can do about it."""
    home = Path(os.path.expanduser("~"))
    found = Obstacle(path=path, problem=FileProblem(fault=fault), way=WayOut.ADMINISTRATOR, unusable=unusable)
    try:
        info = os.stat(path)
    except OSError:
        return found
    wanted = 0o700 if stat.S_ISDIR(info.st_mode) else 0o600
    if _is_immutable(path):
        return replace(found, problem=FileProblem(fault=FileFault.IMMUTABLE))
    if info.st_mode & wanted != wanted and _can_chmod(path):
        return replace(found, way=WayOut.GRANT_ACCESS, mode=wanted)
    if not hasattr(os, "geteuid") or info.st_uid == os.geteuid():
        return found
    found = replace(found, owner=_owner_of(path, info))
    whole = next((one for one in (path, *path.parents) if home in one.parents and _can_be_moved(one)), None)
    if whole is not None and (whole == path or os.lstat(whole).st_uid != os.geteuid()):
        problem = found.problem if whole == path else FileProblem(fault=FileFault.NOT_WRITABLE)
        return replace(found, path=whole, problem=problem, way=WayOut.MOVE_AWAY)
    if home not in path.parents:
        return replace(found, way=WayOut.SET_HOME, home=_own_home())
    return replace(found, way=WayOut.OWNER if info.st_uid else WayOut.ADMINISTRATOR)


def _own_home() -> str:
    """A home folder that can be used, if HOME or USERPROFILE names another one: its value without spaces, line breaks
    and quotes around it, or the one that the system has for this user; else ""."""
    homes = [os.environ.get(home_variable(), "").strip(" \t\r\n'\"")]
    homes.append(os.environ.get("HOMEDRIVE", "") + os.environ.get("HOMEPATH", ""))  # of Windows
    with contextlib.suppress(ImportError, KeyError, OSError):  # Windows, or a container without an entry for this user
        import pwd

        homes.append(pwd.getpwuid(os.geteuid()).pw_dir)
    now = os.path.realpath(os.path.expanduser("~"))
    others = [one for one in homes if os.path.isabs(one) and os.path.isdir(one) and os.path.realpath(one) != now]
    return next((one for one in others if _is_allowed(Path(one), os.W_OK | os.X_OK)), "")


def _owner_of(path: Path, info: os.stat_result) -> str:
    try:
        return sanitize(path.owner(), 40).text
    except (KeyError, OSError):
        return f"the user with ID {info.st_uid}"


def _owns(info: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or os.geteuid() in (info.st_uid, 0)


def _is_allowed(path: Path, access: int) -> bool:
    """`os.access` for the effective user, where the system supports that."""
    return os.access(path, access, effective_ids=os.access in os.supports_effective_ids)


def _can_chmod(path: Path) -> bool:
    """Tries it, with the permissions that the path already has."""
    try:
        os.chmod(path, stat.S_IMODE(os.stat(path).st_mode))
    except OSError:
        return False
    return True


def _can_be_moved(path: Path) -> bool:
    """Whether this user can rename it in its folder."""
    folder = path.parent
    allowed = _is_allowed(folder, os.W_OK | os.X_OK) and not _is_sticky(path) and not _is_mounted(path)
    return allowed and not (_is_immutable(path) or _is_immutable(folder))


def _is_mounted(path: Path) -> bool:
    """Whether something is mounted there; a single file of the same disk can be, too (`docker run -v FILE:FILE`)."""
    with contextlib.suppress(OSError):  # not Linux
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        return os.path.realpath(path).replace(" ", "\\040") in {one.split(" ")[4] for one in mounts}
    return os.path.ismount(path)


def _is_sticky(path: Path) -> bool:
    """Whether its folder lets only the owners of files rename them, as /tmp does."""
    folder = os.stat(path.parent)
    return bool(folder.st_mode & stat.S_ISVTX) and not (_owns(folder) or _owns(os.lstat(path)))


_MOUNTS = Path("/proc/self/mountinfo")
_GET_FLAGS, _IMMUTABLE_OR_APPEND = 0x80086601, 0x30
"""The Linux `FS_IOC_GETFLAGS`, and `FS_IMMUTABLE_FL | FS_APPEND_FL` (linux/fs.h), which `chattr` sets."""


def _is_immutable(path: Path) -> bool:
    """Whether a flag, which the permissions do not show, forbids any change (`chattr +i`, `chflags uchg`)."""
    with contextlib.suppress(OSError, ImportError):
        info = os.lstat(path)
        if flags := getattr(info, "st_flags", 0):  # macOS and BSD
            names = ("UF_IMMUTABLE", "SF_IMMUTABLE", "UF_APPEND", "SF_APPEND")
            return any(flags & getattr(stat, name) for name in names)
        if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode):  # Linux; on Windows fcntl is missing
            return bool(_flags_of(path) & _IMMUTABLE_OR_APPEND)
    return False


def _flags_of(path: Path) -> int:
    import fcntl

    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return int(struct.unpack("l", fcntl.ioctl(descriptor, _GET_FLAGS, struct.pack("l", 0)))[0])
    finally:
        os.close(descriptor)


def _nearest(path: Path) -> Path:
    """The folder itself, or the nearest of its parents that exists and is a folder."""
    return next((one for one in (path, *path.parents) if os.path.isdir(one)), path)
