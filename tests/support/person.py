"""A person at a shell that keeps everything, and every place where a trace of a token could remain."""

from __future__ import annotations

import linecache
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

XMODES = ("Plain", "Context", "Verbose", "Minimal")
LEAST = 11
"""So many characters in a row of a token count as a trace of it. Its last four are shown on purpose.

Nine are also in one of the constants of a library, the times and the addresses by chance, once in 30,000 runs of all tests.
"""


class Records(logging.Handler):
    """Keeps every log record as it would be written."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one."""
        self.lines.append(f"{record.getMessage()} {record.args!r} {record.exc_info!r}")


@dataclass
class Person:
    """Somebody at a shell that keeps everything: a real history database, all logs, every output."""

    shell: Any
    home: Path
    cave: Sandbox
    capsys: pytest.CaptureFixture[str]
    logs: Records
    output: list[str] = field(default_factory=list)

    def types(self, cell: str) -> str:
        """Runs a cell; gives what it printed."""
        self.shell.run_cell(cell, store_history=True)
        out = self.capsys.readouterr()
        self.output.append(out.out + out.err)
        return self.output[-1]

    def looks_back(self) -> None:
        """Has the last error shown in every form."""
        for mode in XMODES:
            self.shell.run_line_magic("xmode", mode)
            self.types("%tb")

    def traces(self, *tokens: str, but: str = "") -> list[str]:
        """The places that contain a part of a token, except the one that is named."""
        places = list(self.places())
        return sorted({name for name, text in places for token in tokens if _has_a_part(text, token)} - {but})

    def places(self) -> Iterator[tuple[str, str]]:
        """Every place where a token might lie, with what is in it."""
        manager = self.shell.history_manager
        manager.writeout_cache()
        yield from (("output", text) for text in self.output)
        yield from (("log", line) for line in self.logs.lines)
        yield (
            "In",
            repr(
                [manager.input_hist_raw, manager.input_hist_parsed, self.shell.user_ns["In"], self.shell.user_ns["_ih"]]
            ),
        )
        yield "_i", repr({name: value for name, value in self.shell.user_ns.items() if name.startswith("_i")})
        yield (
            "hidden",
            repr({name: value for name, value in self.shell.user_ns_hidden.items() if name.startswith("_i")}),
        )
        yield "manager", repr([getattr(manager, name) for name in ("_i00", "_i", "_ii", "_iii", "db_input_cache")])
        yield "errors kept", repr(getattr(manager, "exceptions", None))
        yield "Out", repr(self.shell.user_ns["Out"])
        yield "environment", repr(dict(os.environ))
        yield "linecache", repr(linecache.cache)
        yield "last error", "".join(_pieces(getattr(sys, "last_value", None)))
        yield "last frames", "".join(_frames(getattr(sys, "last_traceback", None)))
        yield "requests", repr(self.cave.requests)
        for path in self.home.rglob("*"):
            if path.is_file() and not path.name.endswith("-cave-secret.json") and path.name != "cave-secret.json":
                yield f"file {path.name}", path.read_bytes().decode("latin-1")


def _has_a_part(text: str, token: str) -> bool:
    """Whether a text has `LEAST` characters in a row of a token: any such part contains one of its blocks of half that."""
    half = (LEAST + 1) // 2
    if not any(token[at : at + half] in text for at in range(0, len(token) - half + 1, half)):
        return False
    return any(token[at : at + LEAST] in text for at in range(len(token) - LEAST + 1))


def _pieces(error: BaseException | None, depth: int = 0) -> Iterator[str]:
    """Everything that hangs on an error."""
    if error is None or depth > 5:
        return
    yield repr([error, error.args, vars(error)])
    yield from _frames(error.__traceback__)
    yield from _pieces(error.__cause__, depth + 1)
    yield from _pieces(error.__context__, depth + 1)


def _frames(traceback: Any) -> Iterator[str]:
    while traceback is not None:
        yield repr([value for value in traceback.tb_frame.f_locals.values() if isinstance(value, (str, list, tuple))])
        traceback = traceback.tb_next
