"""What the magics do: one module each, with the options and the help. Imported when one is first used."""

from __future__ import annotations

from .check import cave_check
from .save import cave_save
from .setup import cave_setup
from .whoami import cave_whoami

COMMANDS = {one.name: one for one in (cave_setup, cave_save, cave_whoami, cave_check)}
