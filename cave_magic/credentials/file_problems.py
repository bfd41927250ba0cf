"""What can be wrong with a token file, the datastack map or their folder."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FileFault(Enum):
    """What can be wrong with a file; the value says it in words that follow the file's name, with `{}` for details."""

    MISSING = "does not exist"
    EMPTY = "is empty"
    NOT_TEXT = "is not UTF-8 text"
    NOT_JSON = "is not valid JSON{}"
    NOT_AN_OBJECT = "contains {}, not a JSON object"
    NO_KEY = 'has no key "token"'
    NULL_VALUE = 'has null under "token"'
    VALUE_NOT_TEXT = 'has {} under "token", not a string'
    TOO_LARGE = "is too large for a token file ({} MB)"
    IS_A_FOLDER = "is a folder"
    NOT_A_REGULAR_FILE = "is not a regular file"
    NOT_A_FOLDER = "is not a folder"
    NOT_READABLE = "is not readable by you"
    NOT_OPENABLE = "is not accessible to you"
    NOT_WRITABLE = "is not writable by you"
    READ_ERROR = "cannot be read ({})"
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
    """What is wrong with a file; `str()` says it in words that follow the file's name.

    Attributes:
        fault: the kind of problem, by which code decides.
        details: what replaces each `{}` in its words; sanitized.
    """

    fault: FileFault
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.fault.value.format(*self.details)
