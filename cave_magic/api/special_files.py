"""Pipes and devices in place of the files that requests reads: it would wait for them without end."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

NETRC_FILES = ("~/.netrc", "~/_netrc")
"""The files with passwords that requests 2.34 looks for if NETRC names none; it reads the first that exists."""


def waiting_netrc() -> str:
    """The path of the `.netrc` file that requests would read without end, or ""."""
    named = os.environ.get("NETRC")
    paths = map(os.path.expanduser, NETRC_FILES if named is None else (named,))
    first = next(filter(os.path.exists, paths), "")
    return first if never_ends(first) else ""


def never_ends(path: str) -> bool:
    """Whether reading a file may wait without end: it is there, and neither a regular file, a folder nor /dev/null."""
    with suppress(OSError, ValueError):
        mode = os.stat(path).st_mode
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or os.path.realpath(path) == os.devnull)
    return False
