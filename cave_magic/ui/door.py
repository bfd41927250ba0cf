"""Where the lines that we print will be typed: at the prompt of IPython, or in a shell, and in which shell."""

from __future__ import annotations

import os
import re
import shlex
import sys
from enum import Enum
from typing import Any


class Dialect(Enum):
    """The languages of shells, which differ in quotation marks and variables."""

    POSIX = "sh, bash, zsh and others"
    CMD = "cmd.exe"
    POWERSHELL = "PowerShell"


_in_shell = False
_windows = os.name == "nt"


def find_door() -> None:
    """Finds out whether IPython runs in this process. The program and the functions call it before anything else."""
    global _in_shell
    _in_shell = running_ipython() is None


def running_ipython() -> Any:
    """The shell of IPython that runs in this process, or None. Imports nothing."""
    kind: Any = getattr(sys.modules.get("IPython.core.interactiveshell"), "InteractiveShell", None)
    return kind.instance() if kind is not None and kind.initialized() else None


def in_shell() -> bool:
    """Whether lines are typed in a shell, and a script calls functions; otherwise IPython has the magics."""
    return _in_shell


def on_windows() -> bool:
    """Whether this is Windows, which has other shells, and where file modes say nothing about other users."""
    return _windows


def home_variable() -> str:
    """The variable in which Python finds the home folder."""
    return "USERPROFILE" if on_windows() else "HOME"


def dialect() -> Dialect:
    """The language of the shell behind the `!` of IPython, or of the one that started this program."""
    if not on_windows() or (in_shell() and "MSYSTEM" in os.environ):  # Git Bash, MSYS2
        return Dialect.POSIX
    return Dialect.POWERSHELL if in_shell() and "PROMPT" not in os.environ else Dialect.CMD  # which sets PROMPT


def name_here(magic: str) -> str:
    """The name of a command in a sentence: `cave_check`, or `cave-magic check`."""
    return magic.replace("_", "-magic ", 1) if in_shell() else magic


def either(ipython: str, shell: str) -> str:
    """The words for IPython, or those for a shell."""
    return shell if in_shell() else ipython


def program() -> str:
    """What to type for this program: its name if the shell finds it, else its path, else Python with the module."""
    return _beside_python("cave-magic") or f"{python()} -m cave_magic"


def python() -> str:
    """What to type for the Python of this process."""
    return _beside_python("python") or called(sys.executable or "python")


def _beside_python(name: str) -> str:
    """A program in the folder of this Python: its name if a shell finds that one first, else its path; "" if absent."""
    from shutil import which

    folder = os.path.dirname(sys.executable or "")
    path = which(name, path=folder) if folder else None
    if path is None:
        return ""
    found = which(name)
    return name if found is not None and os.path.dirname(found) == folder else called(path)


def called(path: str) -> str:
    """The path of a program as it is typed to call it."""
    typed = quoted(path)
    # PowerShell shows a quoted text, and `cmd /c` takes a quotation mark at its beginning for its own.
    before = {Dialect.POSIX: "", Dialect.CMD: "call ", Dialect.POWERSHELL: "& "}[dialect()]
    return typed if typed == path else before + typed


def quoted(word: str) -> str:
    """A word as it is typed in a shell."""
    if dialect() is Dialect.CMD:
        return f'"{word}"' if set(word) & set(" &()^;,=<>|'") else word
    if dialect() is Dialect.POWERSHELL:
        return word if re.fullmatch(r"[\w.:/~+\\-]+", word) else "'" + word.replace("'", "''") + "'"
    if word.isprintable() and "  " not in word:
        return shlex.quote(word)
    plain = set(range(0x20, 0x7F)) - set(b"'\\")
    text = "".join(chr(one) if one in plain else f"\\x{one:02x}" for one in os.fsencode(word))
    return "$'" + text.replace("  ", " \\x20") + "'"


def assigned(name: str, posix: str, cmd: str, powershell: str) -> str:
    """The line of a shell that sets an environment variable, to the value as that shell spells it."""
    if dialect() is Dialect.CMD:
        return f'set "{name}={cmd}"'
    return f"export {name}={posix}" if dialect() is Dialect.POSIX else f"$env:{name} = {powershell}"


def in_turn(*lines: str) -> str:
    """The line of a shell that does one thing after another; PowerShell 5 goes on even if the first one fails."""
    return ("; " if dialect() is Dialect.POWERSHELL else " && ").join(lines)


def python_with(code: str, *options: str) -> str:
    """The line of a shell that runs Python; those of Windows pass on one kind of quotation marks only."""
    typed = quoted(code if dialect() is Dialect.POSIX else code.replace('"', "'"))
    return " ".join((python(), *options, "-c", typed))
