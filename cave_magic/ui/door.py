"""Where the lines that we print are typed: after the prompt of IPython, or in a shell."""

from __future__ import annotations

import os
import shlex
import sys
from enum import Enum
from typing import Any


class Door(Enum):
    """How people reach the commands. Each door has its own way to spell them."""

    IPYTHON = "magics, in a notebook or in IPython"
    SHELL = "the program `cave-magic`, and functions that a script calls"


_door = Door.IPYTHON


def find_door() -> None:
    """Finds out whether IPython runs in this process. The program and the functions call it before anything else."""
    global _door
    _door = Door.SHELL if running_ipython() is None else Door.IPYTHON


def running_ipython() -> Any:
    """The shell of IPython that runs in this process, or None. Imports nothing."""
    kind: Any = getattr(sys.modules.get("IPython.core.interactiveshell"), "InteractiveShell", None)
    return kind.instance() if kind is not None and kind.initialized() else None


def in_shell() -> bool:
    """Whether lines are typed in a shell."""
    return _door is Door.SHELL


def name_here(magic: str) -> str:
    """The name of a command in a sentence: `cave_check`, or `cave-magic check`."""
    return magic.replace("_", "-magic ", 1) if in_shell() else magic


def either(ipython: str, shell: str) -> str:
    """The words for IPython, or those for a shell."""
    return shell if in_shell() else ipython


def program() -> str:
    """What to type for this program: its name if the shell finds it, else its path, else Python with the module."""
    path = _beside_python("cave-magic")
    return path if path else f"{python()} -m cave_magic"


def python() -> str:
    """What to type for the Python of this process."""
    return _beside_python("python") or quoted(sys.executable or "python")


def _beside_python(name: str) -> str:
    """A program in the folder of this Python: its name if a shell finds that one first, else its path; "" if absent."""
    from shutil import which

    folder = os.path.dirname(sys.executable or "")
    path = which(name, path=folder) if folder else None
    if path is None:
        return ""
    found = which(name)
    return name if found is not None and os.path.dirname(found) == folder else quoted(path)


def quoted(word: str) -> str:
    """A word as it is typed in a shell."""
    if os.name != "posix":
        return f'"{word}"' if set(word) & set(" &()^;,") else word
    if word.isprintable() and "  " not in word:
        return shlex.quote(word)
    plain = set(range(0x20, 0x7F)) - set(b"'\\")
    text = "".join(chr(one) if one in plain else f"\\x{one:02x}" for one in os.fsencode(word))
    return "$'" + text.replace("  ", " \\x20") + "'"
