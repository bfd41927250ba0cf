"""Finding a token that was typed or left in a session or a notebook, and wiping it there.

What IPython keeps, and where, was measured on IPython 8.39 and 9.18. What nobody here can reach: the front end's undo,
a checkpoint that is saved while the cell runs, and other programs that listen to the kernel.
"""

from __future__ import annotations

import contextlib
import json
import linecache
import os
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..token import USUAL_LENGTH, Token, typed_secrets
from . import atomic_write

MASK = "****"
SHORTEST = 8
"""A text of fewer characters is no token: it is neither looked for nor wiped."""
LARGEST_NOTEBOOK = 200_000_000
"""Bytes. A larger notebook is not looked into."""
DEEPEST = 100
"""Levels of JSON. No front end writes a notebook that is deeper."""

_PASTED = re.compile(
    r"(?i)(?:token|secret|api_?key|bearer|cave_[a-z]+)[^\n]{0,40}?(?<![0-9a-z])([0-9a-f]{32})(?![0-9a-z])"
)
_OUR_LINE = re.compile(r"cave_[a-z]+\b([^\n<]{1,300})")  # also one with a slip in its name, which nobody has wiped
_UPDATES = (
    "UPDATE history SET source = replace(source, :secret, :mask) WHERE instr(source, :secret)",
    "UPDATE history SET source_raw = replace(source_raw, :secret, :mask) WHERE instr(source_raw, :secret)",
    "UPDATE output_history SET output = replace(output, :secret, :mask) WHERE instr(output, :secret)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A place where a token lies about. It says where, never what.

    Attributes:
        place: what kind of place, in words: "this session's inputs", "the history database", "the notebook x.ipynb".
        where: which parts of it: "In[3], In[7]", "2 lines of earlier sessions", "cell 4, output of cell 5".
        path: the file, for a database or notebook.
    """

    place: str
    where: str
    path: Path | None = None


# ---------------------------------------------------------------- in a session: wiping


def wipe(shell: Any, secrets: Iterable[str]) -> tuple[str, ...]:
    """Replaces secrets by a mask in everything that this shell remembers, on disk too, earlier sessions included.

    Args:
        shell: the InteractiveShell.
        secrets: the texts to wipe, as they were typed.
    Returns:
        The places that could not be wiped, in words; usually none.
    """
    stuck: dict[str, None] = {}
    for secret in secrets:
        if len(secret) < SHORTEST:
            continue
        for name, place in _PLACES:
            try:
                place(shell, secret)
            except Exception:
                stuck[name] = None
    return tuple(stuck)


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


def _tracebacks(shell: Any, secret: str) -> None:
    """IPython 9 keeps the text of every error."""
    for kept in getattr(shell.history_manager, "exceptions", {}).values():
        for key, value in kept.items():
            if isinstance(value, str):
                kept[key] = value.replace(secret, MASK)
            elif isinstance(value, list):
                kept[key] = [line.replace(secret, MASK) if isinstance(line, str) else line for line in value]


def _pending(shell: Any, secret: str) -> None:
    manager = shell.history_manager
    with manager.db_input_cache_lock:
        manager.db_input_cache[:] = [
            (line, parsed.replace(secret, MASK), raw.replace(secret, MASK))
            for line, parsed, raw in manager.db_input_cache
        ]


def _database(shell: Any, secret: str) -> None:
    path = database_of(shell)
    if path is None or not _is_in_file(path, [secret]):
        return
    with contextlib.closing(sqlite3.connect(str(path), timeout=5)) as database:
        database.execute("PRAGMA secure_delete=ON")
        with database:
            for statement in _UPDATES:
                database.execute(statement, {"secret": secret, "mask": MASK})
        if _is_in_file(path, [secret]):  # in a part of a page that is not used any more, or in the write-ahead log
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if _is_in_file(path, [secret]):
        raise OSError


def _sources(shell: Any, secret: str) -> None:
    for name, entry in list(linecache.cache.items()):
        if len(entry) == 4 and any(secret in line for line in entry[2]):
            size, modified, lines, full = entry
            linecache.cache[name] = (size, modified, [line.replace(secret, MASK) for line in lines], full)


def _terminal(shell: Any, secret: str) -> None:
    """What the arrow keys bring back: prompt_toolkit's memory, or readline's."""
    history = getattr(getattr(shell, "pt_app", None), "history", None)
    for name in ("_loaded_strings", "_storage"):
        strings = getattr(history, name, None)
        if isinstance(strings, list):
            strings[:] = [text.replace(secret, MASK) for text in strings]
    if (readline := sys.modules.get("readline")) is not None:
        for place in range(readline.get_current_history_length()):
            line = readline.get_history_item(place + 1) or ""
            if secret in line:
                readline.replace_history_item(place, line.replace(secret, MASK))


def _log(shell: Any, secret: str) -> None:
    """The file of `%logstart`: overwritten in its place, since it stays open."""
    log = getattr(shell, "logger", None)
    if getattr(log, "logfile", None) is None or log is None:
        return
    log.logfile.flush()
    with open(log.logfname, "r+b") as file:
        text = file.read()
        if secret.encode() in text:
            file.seek(0)
            file.write(text.replace(secret.encode(), b"*" * len(secret.encode())))


_Wiper = Callable[[Any, str], None]
_PLACES: tuple[tuple[str, _Wiper], ...] = (
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


def found(shell: Any, tokens: Iterable[Token]) -> tuple[Left, ...]:
    """Where stored tokens, or what looks like one and is called so, lie about in this shell's history.

    Args:
        shell: the InteractiveShell.
        tokens: the stored tokens.
    Returns:
        The places; `wipe(shell, secrets_of(shell, tokens))` wipes them.
    """
    known = _values(tokens)
    manager = shell.history_manager
    in_memory = found_in_inputs(manager.input_hist_raw, known) if manager is not None else None
    path = database_of(shell)
    on_disk = found_in_database(path, known, manager.session_number) if path is not None else None
    return tuple(one for one in (in_memory, on_disk) if one is not None)


def found_anywhere(shell: Any, tokens: Iterable[Token]) -> tuple[Left, ...]:
    """Where tokens lie about in this shell's history and in the notebook file that it runs, where that is known."""
    known = tuple(tokens)
    notebook = notebook_of(shell)
    return found(shell, known) + (found_in_notebook(notebook, known) if notebook is not None else ())


def wipe_anywhere(shell: Any, tokens: Iterable[Token]) -> None:
    """Wipes what `found_anywhere` finds. No copy is kept, since it would have the token."""
    known = tuple(tokens)
    wipe(shell, secrets_of(shell, known))
    notebook = notebook_of(shell)
    if notebook is not None:
        wipe_notebook(notebook, known)


def secrets_of(shell: Any, tokens: Iterable[Token]) -> tuple[str, ...]:
    """The texts that `found` found: for `wipe` only."""
    known = _values(tokens)
    inputs = shell.history_manager.input_hist_raw if shell.history_manager is not None else []
    return tuple(dict.fromkeys((*known, *(secret for text in inputs for secret in _secrets_in(text, known)))))


def found_in_inputs(inputs: Sequence[str], known: Sequence[str]) -> Left | None:
    """Which inputs hold a secret: one of these, or a word of 32 hexadecimal digits that is called a token."""
    numbers = [number for number, text in enumerate(inputs) if _secrets_in(text, known)]
    return (
        Left(place="this session's inputs", where=", ".join(f"In[{number}]" for number in numbers)) if numbers else None
    )


def found_in_database(path: Path, known: Sequence[str], session: int | None) -> Left | None:
    """How many lines of the history database hold one of these secrets.

    Args:
        path: the database; it is opened for reading only.
        known: the secrets.
        session: the number of the session under way, or None.
    """
    if not known or not _is_in_file(path, known):
        return None
    has_one = " OR ".join("instr(source_raw, ?)" for _ in known)
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=1)) as database:
            rows = database.execute(f"SELECT session FROM history WHERE {has_one}", tuple(known)).fetchall()  # noqa: S608
    except sqlite3.Error:
        return Left(place="the history database", where="it is busy", path=path)
    if not rows:
        return Left(place="the history database", where="a part of the file that is not used any more", path=path)
    earlier = sum(number != session for (number,) in rows)
    parts = [(len(rows) - earlier, "of this session"), (earlier, "of earlier sessions")]
    words = [f"{count} line{'s' if count > 1 else ''} {whose}" for count, whose in parts if count]
    return Left(place="the history database", where=" and ".join(words), path=path)


def database_of(shell: Any) -> Path | None:
    """The file in which this shell keeps its history, or None."""
    manager = shell.history_manager
    if manager is None or not manager.enabled or str(manager.hist_file) == ":memory:":
        return None
    path = Path(str(manager.hist_file))
    return path if path.is_file() else None


def _values(tokens: Iterable[Token]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(token.reveal() for token in tokens if len(token.reveal()) >= SHORTEST))


def _secrets_in(text: str, known: Iterable[str]) -> set[str]:
    glued = {one for line in _OUR_LINE.findall(text) for one in typed_secrets(line) if len(one) >= USUAL_LENGTH}
    return {secret for secret in known if secret in text} | set(_PASTED.findall(text)) | glued


def _is_in_file(path: Path, secrets: Iterable[str]) -> bool:
    """Whether a file, or the log beside it that a database writes first, has one of these texts among its bytes."""
    wanted = [secret.encode() for secret in secrets]
    longest = max(map(len, wanted), default=1)
    for one in (path, path.with_name(f"{path.name}-wal")):
        if not one.is_file():
            continue
        before = b""
        with open(one, "rb") as file:
            while part := file.read(1 << 22):
                if any(secret in before + part for secret in wanted):
                    return True
                before = part[-longest:]
    return False


# ---------------------------------------------------------------- in a notebook


def notebook_of(shell: Any, environ: Mapping[str, str] | None = None) -> Path | None:
    """The notebook file that this kernel runs, where the front end says which: VS Code and Jupyter servers do."""
    env = os.environ if environ is None else environ
    named = shell.user_ns.get("__vsc_ipynb_file__") or env.get("JPY_SESSION_NAME") or ""
    path = Path(str(named))
    return path if named and path.suffix == ".ipynb" and path.is_file() else None


def found_in_notebook(path: Path, tokens: Iterable[Token]) -> tuple[Left, ...]:
    """Where in a notebook file, and in its checkpoint, a stored token lies, or one that is called so.

    Args:
        path: the notebook.
        tokens: the stored tokens.
    """
    known = _values(tokens)
    seen = ((one, _parts_with_secrets(_read_notebook(one), known)) for one in _with_checkpoint(path))
    return tuple(
        Left(place=f"the notebook {one.name}", where=", ".join(parts), path=one) for one, parts in seen if parts
    )


def wipe_notebook(path: Path, tokens: Iterable[Token]) -> tuple[Path, ...]:
    """Replaces tokens by a mask in a notebook file and its checkpoint; everything else in it stays as it is.

    A front end in which the notebook is open must read it again before it saves it. A signed notebook is not
    trusted any more. No copy is made, since it would have the token.

    Returns:
        The files that were changed.
    Raises:
        OSError: a file cannot be written. They are as they were.
    """
    known, plan = _values(tokens), {}
    for one in _with_checkpoint(path):
        text = _read_notebook(one)
        secrets = {secret for _, part in _parts(text) for secret in _secrets_in(part, known)}
        escaped = {json.dumps(secret, ensure_ascii=escape)[1:-1] for secret in secrets for escape in (True, False)}
        clean = mask(text, sorted(escaped, key=len, reverse=True))
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


def _read_notebook(path: Path) -> str:
    """Its text; "" if it cannot be read or is no JSON, which is then left alone."""
    try:
        text = "" if path.stat().st_size > LARGEST_NOTEBOOK else path.read_bytes().decode()
        json.loads(text)
    except (OSError, ValueError, RecursionError):
        return ""
    return text


def _parts_with_secrets(text: str, known: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name for name, part in _parts(text) if _secrets_in(part, known)))


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """The pieces of a notebook by name: the source and the outputs of each cell, and whatever else there is."""
    data = json.loads(text) if text else {}
    if not isinstance(data, dict):
        return
    cells = data.get("cells")
    for number, cell in enumerate(cells if isinstance(cells, list) else [], 1):
        if isinstance(cell, dict):
            yield f"cell {number}", _joined(cell.get("source"))
            yield f"output of cell {number}", "\n".join(_texts(cell.get("outputs")))
            yield f"cell {number}", "\n".join(_texts([cell.get("metadata"), cell.get("attachments")]))
    yield "its metadata", "\n".join(_texts(data.get("metadata")))


def _joined(source: object) -> str:
    return "".join(_texts(source))


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    """All texts in a piece of JSON; the lines of a text that is kept as a list stay beside one another."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and value and all(isinstance(line, str) for line in value):
        yield "".join(value)
    elif isinstance(value, (list, dict)) and depth < DEEPEST:
        for one in value if isinstance(value, list) else value.values():
            yield from _texts(one, depth + 1)
