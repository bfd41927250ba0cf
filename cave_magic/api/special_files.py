"""Files that requests reads for every request, and that stop it: pipes and devices, and what is not text."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass

NETRC_FILES = ("~/.netrc", "~/_netrc")
"""The files with passwords that requests 2.34 looks for if NETRC names none; it reads the first that exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmfulNetrc:
    """A `.netrc` file that stops every request.

    Attributes:
        path: the file.
        never_ends: whether requests would read it without end; if not, requests raises an error.
    """

    path: str
    never_ends: bool


def harmful_netrc() -> HarmfulNetrc | None:
    """The `.netrc` file that requests cannot cope with, or None."""
    named = os.environ.get("NETRC")
    paths = map(os.path.expanduser, NETRC_FILES if named is None else (named,))
    first = next(filter(os.path.exists, paths), "")
    if never_ends(first):
        return HarmfulNetrc(path=first, never_ends=True)
    return HarmfulNetrc(path=first, never_ends=False) if first and _stops_requests(first) else None


def _stops_requests(path: str) -> bool:
    """Whether reading a `.netrc` file raises what requests 2.34 does not catch, such as UnicodeDecodeError."""
    from netrc import NetrcParseError, netrc  # lazily: hardly anybody has such a file

    try:
        netrc(path)
    except (NetrcParseError, OSError):
        return False
    except Exception:
        return True
    return False


def never_ends(path: str) -> bool:
    """Whether reading a file may wait without end: it is a pipe, or a device other than /dev/null."""
    with suppress(OSError, ValueError):
        mode = os.stat(path).st_mode
        is_device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        return stat.S_ISFIFO(mode) or (is_device and os.path.realpath(path) != os.devnull)
    return False
