"""The commands behind the magics: one module each, with its options and help. Imported on first use."""

from __future__ import annotations

from .check import cave_check
from .save import cave_save
from .setup import cave_setup
from .whoami import cave_whoami

COMMANDS = {command.name: command for command in (cave_setup, cave_save, cave_whoami, cave_check)}
