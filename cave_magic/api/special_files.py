"""Files that requests reads for every request and that can block it: pipes, devices, huge files, and non-text files."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

NETRC_FILES = ("~/.netrc", "~/_netrc")
"""The files with passwords that requests 2.34 looks for if NETRC names none; it reads the first that exists."""


LARGEST_NETRC = 1_000_000
"""Bytes. Python takes 0.4 s to read this many (3.11), before each request; for 30 MB it takes minutes."""


class Harm(Enum):
    """What a `.netrc` file does to every request; the value says so in words that follow its name."""

    NEVER_ENDS = "is a pipe or a device: every CAVEclient request waits for it forever"
    TOO_LARGE = "is so large that every CAVEclient request spends seconds or minutes reading it"
    NOT_TEXT = "is not UTF-8 text: every CAVEclient request fails"


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmfulNetrc:
    """A `.netrc` file that stops every request, and how."""

    path: str
    harm: Harm


def harmful_netrc() -> HarmfulNetrc | None:
    """The `.netrc` file that requests cannot cope with, or None. It is read again only if it has changed."""
    named = os.environ.get("NETRC")
    paths = map(os.path.expanduser, NETRC_FILES if named is None else (named,))
    path = next(filter(os.path.exists, paths), "")
    if not path:
        return None
    about = os.stat(path)
    harm = _harm_of(path, about.st_size, about.st_ctime_ns, about.st_ino)
    return HarmfulNetrc(path=path, harm=harm) if harm else None


@lru_cache(maxsize=1)
def _harm_of(path: str, size: int, *state: int) -> Harm | None:
    if never_ends(path):
        return Harm.NEVER_ENDS
    if size > LARGEST_NETRC and os.path.isfile(path):
        return Harm.TOO_LARGE
    from netrc import NetrcParseError, netrc  # lazily: hardly anybody has such a file

    try:
        netrc(path)
    except (NetrcParseError, OSError):
        return None
    except Exception:  # requests 2.34 does not catch it either, such as UnicodeDecodeError
        return Harm.NOT_TEXT
    return None


def never_ends(path: str) -> bool:
    """Whether reading a file may wait forever: it is a pipe, or a device other than the null device."""
    with suppress(OSError, ValueError):
        mode = os.stat(path).st_mode
        is_device = stat.S_ISCHR(mode) or stat.S_ISBLK(mode)
        return stat.S_ISFIFO(mode) or (is_device and os.path.realpath(path) != os.path.realpath(os.devnull))
    return False
