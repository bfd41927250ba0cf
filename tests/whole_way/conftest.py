"""A person at a shell with a history on disk."""

from __future__ import annotations

import atexit
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

from ..support.person import Person, Records
from ..support.shell import settings
from ..support.waiting import LONG


@pytest.fixture
def person(home: Path, cave: Sandbox, capsys: pytest.CaptureFixture[str]) -> Iterator[Person]:
    """A person at a shell with a history database on disk, everything logged at DEBUG."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    logs, root = Records(), logging.getLogger()
    before = root.level
    root.addHandler(logs)
    root.setLevel(logging.DEBUG)
    InteractiveShell.clear_instance()
    config = Config({"HistoryManager": {"hist_file": str(home / "history.sqlite"), "enabled": True}})
    shell = InteractiveShell.instance(config=config)
    shell.run_line_magic("load_ext", "cave_magic")
    settings(shell).server, settings(shell).timeout = cave.server, LONG
    for name in ("last_value", "last_type", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)
    yield Person(shell, home, cave, capsys, logs)
    root.removeHandler(logs)
    root.setLevel(before)
    shell.run_line_magic("unload_ext", "cave_magic")
    manager = shell.history_manager
    atexit.unregister(shell.atexit_operations)
    shell.reset = lambda *_, **__: None  # it would collect garbage, which takes longer than the test
    shell.atexit_operations()
    _close(manager)
    InteractiveShell.clear_instance()


def _close(manager: Any) -> None:
    """IPython 8 leaves its database and the thread that writes it open."""
    thread = manager.save_thread
    if thread is not None and thread.is_alive():
        thread.stop()
    if thread is not None and getattr(thread, "db", None) is not None:
        thread.db.close()
    manager.db.close()
