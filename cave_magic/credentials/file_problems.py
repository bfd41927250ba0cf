"""What can be wrong with a token file, the datastack map or their folder."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FileFault(Enum):
    """What can be wrong with a file; the value says so in words that follow the file's name, with `{}` for details."""

    MISSING = "does not exist"
    EMPTY = "is empty"
    NOT_TEXT = "is not UTF-8 text"
    NOT_JSON = "is not valid JSON{}"
    NOT_AN_OBJECT = "contains {}, not a JSON object"
    NO_KEY = 'has no key "token"'
    NULL_VALUE = 'has null under "token"'
    VALUE_NOT_TEXT = 'has {} under "token", not a string'
    TOO_LARGE = "is too large ({} MB)"
    IS_A_FOLDER = "is a folder"
    IS_A_PIPE = "is a pipe"
    ENDLESS_PIPE = "is a pipe that did not end in time"
    IS_A_DEVICE = "is a device"
    IS_A_SOCKET = "is a socket"
    NOT_A_FOLDER = "is not a folder"
    NOT_READABLE = "is not readable by you"
    NOT_OPENABLE = "is not accessible to you"
    NOT_WRITABLE = "is not writable by you"
    NOT_CHANGEABLE = "cannot be changed by you"
    IN_USE = "cannot be changed: another program has it open, or you may not write to it"
    WRITE_PROTECTED = "is write-protected"
    READ_ONLY_DISK = "is on a read-only file system"
    MOUNTED = "is mounted on its own, so it cannot be replaced"
    IMMUTABLE = "is marked as immutable"
    NO_MODES = "is on a file system that does not keep permissions"
    NO_SPACE = "is on a full disk"
    NO_INODES = "is on a disk that can hold no more files"
    OVER_QUOTA = "is on a disk on which you have used up your quota"
    SIZE_LIMIT = "cannot be written: the size of files is limited here (ulimit -f)"
    NAME_TOO_LONG = "has too long a name for this disk"
    READ_ERROR = "cannot be read ({})"
    WRITE_ERROR = "cannot be written ({})"
    HOME_UNKNOWN = "cannot exist: the home folder is unknown"
    HOME_MISSING = "cannot exist: there is no home folder {}"
    HOME_NOT_A_FOLDER = "cannot exist: the home folder {} is not a folder"
    LINK_LOOP = "is a link to itself"
    LINK_TO_NOTHING = "is a link to {}, which does not exist"
    LINK_INTO_NOTHING = "is a link to {}, but {} does not exist"
    LINK_NOT_OPENABLE = "is a link to {}, which is not accessible to you"
    LINK_TO_NO_FOLDER = "is a link to {}, which is not a folder"
    LINK_TO_ANOTHER_USERS = "is a link to {}, which belongs to another user"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """What is wrong with a file; `str()` says so in words that follow the file's name.

    Attributes:
        fault: the kind of problem, for code to decide by.
        details: what replaces each `{}` in its words; sanitized.
    """

    fault: FileFault
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.fault.value.format(*self.details)
