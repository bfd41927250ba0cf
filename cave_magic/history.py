"""Wiping a token that was typed in a cell out of what IPython keeps: inputs, history database, tracebacks' source.

What IPython keeps, and where, was measured on IPython 8.39 and 9.18. What it cannot reach: the front end's undo, a
checkpoint that was saved while the cell ran, other programs that listened to the kernel, a `%logstart` file.
"""

from __future__ import annotations

import contextlib
import linecache
import sqlite3
from collections.abc import Iterable
from typing import Any

MASK = "****"


def wipe(shell: Any, secrets: Iterable[str]) -> None:
    """Replaces secrets by a mask in everything that this shell remembers.

    Args:
        shell: the InteractiveShell.
        secrets: the texts to wipe, as they were typed.
    """
    for secret in secrets:
        if len(secret) < 8:
            continue
        for place in (_inputs, _variables, _pending, _database, _sources, _terminal):
            with contextlib.suppress(Exception):
                place(shell, secret)


def mask(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret replaced by the mask."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text


def _inputs(shell: Any, secret: str) -> None:
    manager = shell.history_manager
    for inputs in (manager.input_hist_parsed, manager.input_hist_raw):
        inputs[:] = [text.replace(secret, MASK) for text in inputs]  # in place: In and _ih are these very lists
    for name in ("_i00", "_i", "_ii", "_iii"):
        setattr(manager, name, getattr(manager, name).replace(secret, MASK))


def _variables(shell: Any, secret: str) -> None:
    for name, value in list(shell.user_ns.items()):
        if name.startswith("_i") and isinstance(value, str) and secret in value:
            shell.user_ns[name] = value.replace(secret, MASK)
            if name in shell.user_ns_hidden:
                shell.user_ns_hidden[name] = shell.user_ns[name]


def _pending(shell: Any, secret: str) -> None:
    manager = shell.history_manager
    with manager.db_input_cache_lock:
        manager.db_input_cache[:] = [
            (line, parsed.replace(secret, MASK), raw.replace(secret, MASK))
            for line, parsed, raw in manager.db_input_cache
        ]


def _database(shell: Any, secret: str) -> None:
    manager = shell.history_manager
    if not manager.enabled or str(manager.hist_file) == ":memory:":
        return
    with contextlib.closing(sqlite3.connect(str(manager.hist_file), timeout=5)) as database:
        database.execute("PRAGMA secure_delete=ON")
        with database:
            database.execute(
                "UPDATE history SET source = replace(source, ?, ?), source_raw = replace(source_raw, ?, ?) "
                "WHERE instr(source_raw, ?) OR instr(source, ?)",
                (secret, MASK, secret, MASK, secret, secret),
            )


def _sources(shell: Any, secret: str) -> None:
    for name, entry in list(linecache.cache.items()):
        if len(entry) == 4 and any(secret in line for line in entry[2]):
            size, modified, lines, full = entry
            linecache.cache[name] = (size, modified, [line.replace(secret, MASK) for line in lines], full)


def _terminal(shell: Any, secret: str) -> None:
    history = getattr(getattr(shell, "pt_app", None), "history", None)
    for name in ("_loaded_strings", "_storage"):
        strings = getattr(history, name, None)
        if isinstance(strings, list):
            strings[:] = [text.replace(secret, MASK) for text in strings]
