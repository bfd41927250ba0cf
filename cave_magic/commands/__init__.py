"""The commands behind the magics: one module each, with its options and help. Each is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .arguments import MagicCommand

NAMES = ("cave_setup", "cave_save", "cave_whoami", "cave_check")


def find_command(name: str) -> MagicCommand:
    """The command with one of these names, which is in the module of that name without `cave_`."""
    command: MagicCommand = getattr(import_module(f"{__name__}.{name.removeprefix('cave_')}"), name)
    return command
