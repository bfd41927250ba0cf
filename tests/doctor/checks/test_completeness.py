"""The tables of cases reach every statement of every check, on facts alone."""

from __future__ import annotations

import ast
import gc
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from cave_magic.doctor import checks
from cave_magic.doctor.checks import CHECKS

from .facts import Case, LookedElsewhere, finding, nothing_but_facts

FOLDER = Path(checks.__file__).parent
MODULES = (
    "account",
    "call",
    "datastack",
    "datastack_map",
    "environment",
    "network",
    "notebook",
    "readers",
    "services",
    "token",
)
CASES: list[Case] = [case for name in MODULES for case in import_module(f".test_{name}", __package__).CASES]


def _statements(path: Path) -> Iterator[range]:
    """The lines of each statement in a function; for a compound statement, those of its head."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if isinstance(node, ast.stmt) and node is not function and not is_docstring:
                body = getattr(node, "body", None)
                yield range(node.lineno, body[0].lineno if body else (node.end_lineno or node.lineno) + 1)


def _lines_of(cases: list[Case]) -> set[tuple[str, int]]:
    """The lines of the checks that run for these cases."""
    reached: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        path = frame.f_code.co_filename
        if not path.startswith(str(FOLDER)):
            return None
        reached.add((path, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for case in cases:
            finding(case.check, case.facts)
    finally:
        sys.settrace(before)
    return reached


def test_every_statement_is_reached():
    """Every branch of every check has a case."""
    assert {path.stem for path in FOLDER.glob("*.py")} == {
        "__init__",
        "causes",
        "certificates",
        "import_faults",
        *MODULES,
    }
    reached = _lines_of(CASES)
    missing = [
        f"{path.name}:{lines.start}"
        for path in sorted(FOLDER.glob("*.py"))
        for lines in _statements(path)
        if not any((str(path), line) in reached for line in lines)
    ]
    assert missing == []


@pytest.mark.parametrize("check", CHECKS, ids=[check.id for check in CHECKS])
def test_every_check_has_a_case_with_each_status(check: Any):
    """Each check has a good and a bad case."""
    statuses = {case.status for case in CASES if case.check is check}
    assert statuses & {"ok", "nothing"}
    assert statuses & {"failed", "warning", "unknown"}


@pytest.mark.parametrize(
    "look", [Path(__file__).read_text, lambda: Path(__file__).exists(), lambda: list(FOLDER.iterdir())]
)
def test_access_to_anything_but_facts_is_caught(look: Any):
    """Opening, listing or looking for a file while a check runs makes its case fail."""
    with nothing_but_facts(), pytest.raises(LookedElsewhere):
        look()


def test_what_is_not_the_check_may_go_on():
    """Other threads may use the disk while a check runs, and so may whoever waits for garbage: Dask does both."""
    sizes: list[int] = []

    def look(*_: object) -> None:
        sizes.append(FOLDER.stat().st_size + len(Path(__file__).read_bytes()))

    gc.callbacks.append(look)
    try:
        with nothing_but_facts():
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
            _ = [[number] for number in range(10_000)]  # so many new lists start a collection
    finally:
        gc.callbacks.remove(look)
    assert sizes
