"""What can be wrong with a token file, the datastack map or their folder: data to decide by, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FileFault(Enum):
    """Kinds of problems. The value is the words that follow the file's name; the details go into its braces."""

    MISSING = "is not there"
    EMPTY = "is empty"
    NOT_TEXT = "is not UTF-8 text"
    NOT_JSON = "is not valid JSON{}"
    NOT_AN_OBJECT = 'holds {}, not an object with the key "token"'
    NO_KEY = 'has no key "token"'
    NULL_VALUE = 'has nothing (null) under "token"'
    VALUE_NOT_TEXT = 'has {} under "token", where a string belongs'
    TOO_LARGE = "is too large for a token file ({} MB)"
    IS_A_FOLDER = "is a folder"
    NOT_A_REGULAR_FILE = "is not a regular file"
    NOT_A_FOLDER = "is not a folder"
    NOT_READABLE = "may not be read by you"
    NOT_OPENABLE = "may not be opened by you"
    NOT_WRITABLE = "may not be written by you"
    READ_ERROR = "cannot be read ({})"
    HOME_MISSING = "cannot be there: the home folder {} does not exist"
    HOME_NOT_A_FOLDER = "cannot be there: the home folder {} is not a folder"
    LINK_LOOP = "is a link to itself"
    LINK_TO_NOTHING = "is a link to {}, which is not there"
    LINK_INTO_NOTHING = "is a link to {}, and {} is not there"
    LINK_NOT_OPENABLE = "is a link to {}, which may not be opened by you"
    LINK_TO_NO_FOLDER = "is a link to {}, which is not a folder"
    LINK_TO_ANOTHER_USERS = "is a link to {}, which belongs to another user"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """What is wrong with a file. `str()` words it, to follow the file's name; code decides by `fault`.

    Attributes:
        fault: the kind of problem.
        details: what goes into the braces of its words, fit to be shown.
    """

    fault: FileFault
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.fault.value.format(*self.details)
