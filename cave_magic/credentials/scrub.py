"""Finding and scrubbing tokens that were typed or printed, in histories and notebooks.

What IPython keeps, and where, was measured with IPython 8.39 and 9.18. Out of reach are the front end's undo, a
checkpoint that is saved while the cell runs, and other programs connected to the kernel.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..token import Token
from ..ui.redact import SHORTEST, Masker, mask
from . import atomic_write
from .our_lines import possible
from .regular_files import NotARegularFile, read_regular

LARGEST_NOTEBOOK = 200_000_000
"""Bytes. A larger notebook is not searched."""
DEEPEST = 100
"""Levels of JSON. No front end writes a deeper notebook."""

_UPDATES = tuple(
    f"UPDATE {table} SET {column} = CAST(masked(CAST({column} AS BLOB)) AS TEXT) "  # noqa: S608
    f"WHERE has_secret(CAST({column} AS BLOB))"
    for table, column in (("history", "source"), ("history", "source_raw"), ("output_history", "output"))
)
"""Bytes, since SQLite raises an error for a text that is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoverToken:
    """Where tokens were found in one history or file, without the tokens.

    Attributes:
        found_in: the history or file, in words: "this session's inputs", "the history database", "the notebook x".
        details: the places in it: "In[3], In[7]", "2 lines of earlier sessions", "cell 4, output of cell 5".
        path: the file of a database or notebook.
    """

    found_in: str
    details: str
    path: Path | None = None


# ---------------------------------------------------------------- in a session: scrubbing


def scrub_session(shell: Any, secrets: Iterable[str]) -> tuple[str, ...]:
    """Replaces secrets by a mask in everything that this shell remembers, on disk too, including earlier sessions.

    The secrets are texts as they were typed. One that is a part of a token takes the rest of it along, which nothing
    would find any more. Returns what could not be scrubbed, in words.
    """
    failed: dict[str, None] = {}
    clean = Masker(tuple(secrets), with_rest=True)
    for name, scrub in _SCRUBBERS if clean.forms else ():
        try:
            scrub(shell, clean)
        except Exception:
            failed[name] = None
    return tuple(failed)


def _inputs(shell: Any, clean: Masker) -> None:
    manager = shell.history_manager
    for inputs in (manager.input_hist_parsed, manager.input_hist_raw):
        inputs[:] = map(clean, inputs)  # in place: In and _ih are the same lists
    for name in ("_i00", "_i", "_ii", "_iii"):
        setattr(manager, name, clean(getattr(manager, name)))


def _variables(shell: Any, clean: Masker) -> None:
    for name, value in list(shell.user_ns.items()):
        if name.startswith("_i") and isinstance(value, str) and clean(value) != value:
            shell.user_ns[name] = clean(value)
            if name in shell.user_ns_hidden:
                shell.user_ns_hidden[name] = shell.user_ns[name]


def _tracebacks(shell: Any, clean: Masker) -> None:
    """IPython 9 keeps the text of every error."""
    for kept in getattr(shell.history_manager, "exceptions", {}).values():
        for key, value in kept.items():
            if isinstance(value, str):
                kept[key] = clean(value)
            elif isinstance(value, list):
                kept[key] = [clean(line) if isinstance(line, str) else line for line in value]


def _pending(shell: Any, clean: Masker) -> None:
    manager = shell.history_manager
    with manager.db_input_cache_lock:
        manager.db_input_cache[:] = [(line, clean(parsed), clean(raw)) for line, parsed, raw in manager.db_input_cache]


def _database(shell: Any, clean: Masker) -> None:
    path = database_of(shell)
    if path is None or not _is_in_file(path, clean.forms):
        return
    import sqlite3  # lazily, as below: few have a token in their history

    with contextlib.closing(sqlite3.connect(str(path), timeout=5)) as database:
        database.execute("PRAGMA secure_delete=ON")
        form = re.compile(b"|".join(re.escape(one.encode()) for one in clean.forms))
        database.create_function("has_secret", 1, lambda data: data is not None and form.search(data) is not None)
        database.create_function("masked", 1, partial(_masked_bytes, clean))
        with database:
            for statement in _UPDATES:
                database.execute(statement)
        if _is_in_file(path, clean.forms):  # in an unused part of a page, or in the write-ahead log
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if _is_in_file(path, clean.forms):
        raise OSError


def _masked_bytes(clean: Masker, data: bytes) -> bytes:
    return clean(data.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def _sources(shell: Any, clean: Masker) -> None:
    for name, entry in list(linecache.cache.items()):
        if len(entry) == 4 and (cleaned := [clean(line) for line in entry[2]]) != entry[2]:
            linecache.cache[name] = (*entry[:2], cleaned, entry[3])


def _terminal(shell: Any, clean: Masker) -> None:
    """The lines that the arrow keys bring back, in prompt_toolkit or readline."""
    history = getattr(getattr(shell, "pt_app", None), "history", None)
    for name in ("_loaded_strings", "_storage"):
        strings = getattr(history, name, None)
        if isinstance(strings, list):
            strings[:] = map(clean, strings)
    for readline in filter(None, map(sys.modules.get, ("readline", "_pyrepl.readline"))):
        for index in range(readline.get_current_history_length()):
            line = readline.get_history_item(index + 1) or ""
            if clean(line) != line:
                readline.replace_history_item(index, clean(line))


def _log(shell: Any, clean: Masker) -> None:
    """The file of `%logstart`; it stays open, so it is overwritten in place."""
    log = getattr(shell, "logger", None)
    if getattr(log, "logfile", None) is None or log is None:
        return
    log.logfile.flush()
    if not os.path.isfile(log.logfname):
        raise NotARegularFile(log.logfname)
    with open(log.logfname, "r+b") as file:
        text = file.read().decode(errors="surrogateescape")
        if clean(text) != text:
            file.seek(0)
            file.write(clean(text, lambda secret: "*" * len(secret.encode())).encode(errors="surrogateescape"))


_SCRUBBERS: tuple[tuple[str, Callable[[Any, Masker], None]], ...] = (
    ("this session's inputs", _inputs),
    ("this session's inputs", _variables),
    ("this session's errors", _tracebacks),
    ("the history database", _pending),
    ("the history database", _database),
    ("the source of tracebacks", _sources),
    ("the terminal's memory", _terminal),
    ("the log of this session", _log),
)


# ---------------------------------------------------------------- in a session: finding


def find_tokens(shell: Any, tokens: Iterable[Token]) -> tuple[LeftoverToken, ...]:
    """Finds tokens in this shell's history, and in the notebook file that it runs if that is known.

    The stored tokens are passed in. Others are found after a word such as `token`, or after one of our magics.
    """
    tokens = tuple(tokens)
    known, manager = _values(tokens), shell.history_manager
    path, notebook = database_of(shell), notebook_of(shell)
    in_memory = find_tokens_in_inputs(manager.input_hist_raw, known) if manager is not None else None
    on_disk = find_tokens_in_database(path, known, manager.session_number) if path is not None else None
    in_notebook = find_tokens_in_notebook(notebook, tokens) if notebook is not None else ()
    return (*(one for one in (in_memory, on_disk) if one is not None), *in_notebook)


def scrub_tokens(shell: Any, tokens: Iterable[Token]) -> None:
    """Scrubs what `find_tokens` finds. Keeps no copy, since that would contain the token."""
    tokens = tuple(tokens)
    scrub_session(shell, secrets_of(shell, tokens))
    if (notebook := notebook_of(shell)) is not None:
        scrub_notebook(notebook, tokens)


def secrets_of(shell: Any, tokens: Iterable[Token]) -> tuple[str, ...]:
    """The secrets that `find_tokens` finds in the history: for `scrub_session` only."""
    known = _values(tokens)
    inputs = shell.history_manager.input_hist_raw if shell.history_manager is not None else []
    return tuple(dict.fromkeys((*known, *(secret for text in inputs for secret in possible(text, known)))))


def find_tokens_in_inputs(inputs: Sequence[str], known: Sequence[str]) -> LeftoverToken | None:
    """Finds the inputs with one of these secrets, or with a token after a word such as `token`."""
    numbers = [f"In[{number}]" for number, text in enumerate(inputs) if possible(text, known)]
    return LeftoverToken(found_in="this session's inputs", details=", ".join(numbers)) if numbers else None


def find_tokens_in_database(path: Path, known: Sequence[str], session: int | None) -> LeftoverToken | None:
    """Counts the lines of the history database with one of these secrets, of this session (its number) and of others.

    It opens the database for reading only.
    """
    if not known or not _is_in_file(path, known):
        return None
    import sqlite3

    has_one = " OR ".join("instr(source_raw, ?)" for _ in known)
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=1)) as database:
            rows = database.execute(f"SELECT session FROM history WHERE {has_one}", tuple(known)).fetchall()  # noqa: S608
        earlier = sum(number != session for (number,) in rows)
        parts = [(len(rows) - earlier, "of this session"), (earlier, "of earlier sessions")]
        words = [f"{count} line{'s' if count > 1 else ''} {whose}" for count, whose in parts if count]
        details = " and ".join(words) or "an unused part of the file"
    except sqlite3.Error:
        details = "it is busy"
    return LeftoverToken(found_in="the history database", details=details, path=path)


def database_of(shell: Any) -> Path | None:
    """The file of this shell's history, or None."""
    manager = shell.history_manager
    if manager is None or not manager.enabled or str(manager.hist_file) == ":memory:":
        return None
    path = Path(str(manager.hist_file))
    return path if path.is_file() else None


def _values(tokens: Iterable[Token]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(token.reveal() for token in tokens if len(token.reveal()) >= SHORTEST))


def _is_in_file(path: Path, secrets: Iterable[str]) -> bool:
    """Whether the bytes of a database, or of its write-ahead log, contain one of these texts."""
    wanted = [secret.encode() for secret in secrets]
    longest = max(map(len, wanted), default=1)
    for one in (path, path.with_name(f"{path.name}-wal")):
        if not one.is_file():
            continue
        before = b""
        with open(one, "rb") as file:
            while part := file.read(1 << 22):
                part = before + part
                if any(secret in part for secret in wanted):
                    return True
                before = part[-longest:]
    return False


# ---------------------------------------------------------------- in a notebook


def notebook_of(shell: Any) -> Path | None:
    """The notebook file that this kernel runs, if the front end tells it, as VS Code and Jupyter servers do."""
    named = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or ""
    path = Path(str(named))
    return path if named and path.suffix == ".ipynb" and path.is_file() else None


def find_tokens_in_notebook(path: Path, tokens: Iterable[Token]) -> tuple[LeftoverToken, ...]:
    """Finds the same tokens as `find_tokens` in a notebook file and its checkpoint."""
    known, found = _values(tokens), []
    for one in _with_checkpoint(path):
        parts = dict.fromkeys(name for name, text in _parts(_read_notebook(one)[1]) if possible(text, known))
        if parts:
            found.append(LeftoverToken(found_in=f"the notebook {one.name}", details=", ".join(parts), path=one))
    return tuple(found)


def scrub_notebook(path: Path, tokens: Iterable[Token]) -> tuple[Path, ...]:
    """Replaces tokens by a mask in a notebook file and its checkpoint, and changes nothing else in them.

    A front end in which the notebook is open must reload it before it saves it. A signed notebook is no longer
    trusted. No copy is made, since it would contain the token.

    Returns:
        The files that were changed.
    Raises:
        OSError: a file cannot be written. No file was changed.
    """
    known, plan = _values(tokens), {}
    for one in _with_checkpoint(path):
        text, data = _read_notebook(one)
        secrets = {secret for _, part in _parts(data) for secret in possible(part, known)}
        clean = mask(text, *secrets)
        if clean != text:
            json.loads(clean)
            plan[one] = clean.encode()
    atomic_write.sweep(one.parent for one in plan)
    atomic_write.write_all(plan, mode=None)
    return tuple(plan)


def _with_checkpoint(path: Path) -> Iterator[Path]:
    yield path
    copy = path.parent / ".ipynb_checkpoints" / f"{path.stem}-checkpoint{path.suffix}"
    if copy.is_file():
        yield copy


def _read_notebook(path: Path) -> tuple[str, object]:
    """The text of a notebook, and what is in it; "" and None if it cannot be read or is not JSON."""
    try:
        text = read_regular(path, LARGEST_NOTEBOOK)[0].decode()
        return text, json.loads(text)
    except (OSError, ValueError, RecursionError):
        return "", None


def _parts(data: object) -> Iterator[tuple[str, str]]:
    """The named parts of a notebook: the source and the outputs of each cell, and everything else."""
    if not isinstance(data, dict):
        return
    cells = data.get("cells")
    for number, cell in enumerate(cells if isinstance(cells, list) else [], 1):
        if isinstance(cell, dict):
            yield f"cell {number}", "".join(_texts(cell.get("source")))
            yield f"output of cell {number}", "\n".join(_texts(cell.get("outputs")))
            yield f"cell {number}", "\n".join(_texts([cell.get("metadata"), cell.get("attachments")]))
    yield "its metadata", "\n".join(_texts(data.get("metadata")))


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    """All texts in a JSON value; a list of lines is one text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        yield "".join(value)
    elif isinstance(value, (list, dict)) and depth < DEEPEST:
        for one in value if isinstance(value, list) else value.values():
            yield from _texts(one, depth + 1)
