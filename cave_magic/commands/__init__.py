"""The commands behind the magics: one module each, with its options and help, imported on first use."""

from __future__ import annotations

import errno
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import CaveMagicError

if TYPE_CHECKING:
    from .arguments import MagicCommand

NAMES = ("cave_setup", "cave_save", "cave_whoami", "cave_check")

KINDS = ("new", "existing", "replace", "remove")
"""The kinds of `%cave_setup`: two ways to get a token, and two to get rid of one."""


def find_command(name: str) -> MagicCommand:
    """The command with one of these names, which is in the module of that name without `cave_`."""
    command: MagicCommand = getattr(import_module(f"{__name__}.{name.removeprefix('cave_')}"), name)
    return command


def cannot_be_imported(error: BaseException) -> CaveMagicError:
    """The error if the commands cannot be imported: a file shadows a standard module, or this package is incomplete."""
    from ..ui.door import either

    number = getattr(error, "errno", 0)
    words = (str(word) for word in error.args)
    this, restart = either("this kernel", "this program"), either("Restart it and try again.", "Try again.")
    if number in (errno.EMFILE, errno.ENFILE):
        return CaveMagicError(f"{this} has too many open files. {restart}")
    if number == errno.ENOMEM or isinstance(error, MemoryError) or any("failed to map segment" in one for one in words):
        return CaveMagicError(f"{this} has too little memory left. {restart}")
    from ..environment.shadowed import find_culprit

    if (found := find_culprit(error)) is not None:
        path, does, remedy = found
        return CaveMagicError(f"{path} {does}. {remedy}{either(' and restart the kernel', '')}.")
    repair = either("%pip", "python -m pip") + " install -U cave-magic"
    return CaveMagicError(f"cave_magic cannot be imported ({type(error).__name__}): {repair}")
