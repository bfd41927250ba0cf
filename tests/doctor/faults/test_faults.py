"""Every fault is named by its one row and fixed by its own Next line; two at once are fixed one by one."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cave_magic.doctor.checks import CHECKS
from cave_magic.doctor.model import NextStep
from cave_magic.doctor.reference import fix_of

from . import recorded
from .cases import CASES, FILES, SERVERS, Case
from .world import World

ORDER = [check.id for check in CHECKS]
PAIRS = [(file, server) for file in FILES for server in SERVERS]
# A token in a variable is not tried by the check: that it was deleted shows only when it is saved.
ELSEWHERE = {"only an environment variable"}
FIXABLE = [
    (file, server)
    for file, server in PAIRS
    if file.fixed_by and server.fixed_by and not (file.id in ELSEWHERE and server.id == "token deleted")
]
# The new token of the one is in no cache of the other, whose rejection is left in the client alone.
FRESH = ("a client made with an old token", "permission granted a moment ago")
UNFIXABLE = [
    (file, server)
    for file, server in PAIRS
    if not server.fixed_by and "silent" not in server.id and (file.id, server.id) != FRESH
]

REPORTS = Draft202012Validator(
    json.loads((recorded.RECORD.parent / "reference" / "report.schema.json").read_text(encoding="utf-8"))
)
PYTHON = ("from", "import")
"""How lines of Python begin; the reference describes them in words."""


def _name(pair: tuple[Case, Case]) -> str:
    return " + ".join(case.id for case in pair)


def one_each(pairs: list[tuple[Case, Case]], side: int) -> list[tuple[Case, Case]]:
    """A pair for each fault of one side, with the faults of the other side in turn.

    Of the many faults that the same row names, one meets each fault of the other side: they differ in what the row says
    of them alone, which the test of one fault compares for all of them. All malformed tokens count as one fault.
    """
    by_fault: dict[str, list[tuple[Case, Case]]] = {}
    for pair in pairs:
        one = pair[side]
        by_fault.setdefault(f"{one.row}, {one.status}" if one.row == "token-form" else one.id, []).append(pair)
    in_turn = [its_pairs[turn % len(its_pairs)] for turn, its_pairs in enumerate(by_fault.values())]
    return list({(pair[side].row, pair[side].status, pair[1 - side].id): pair for pair in in_turn}.values())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs the tests of two faults on a pair for each fault, or with `--everything` on all pairs."""
    for name, pairs, side in (("fixable", FIXABLE, 0), ("unfixable", UNFIXABLE, 1)):
        if name in metafunc.fixturenames:
            everything = metafunc.config.getoption("everything")
            metafunc.parametrize(name, pairs if everything else one_each(pairs, side), ids=_name)


def assert_the_reference_agrees(report: Any) -> None:
    """Every line that a report prints is named in the reference of its check."""
    fixed_by = {check.id: {kind_of(line) for line in NextStep(line=fix_of(check)).commands} for check in CHECKS}
    for check in CHECKS:  # described in words: it is a line of Python on Windows
        if re.search(r"moves\b.*\baway|opens the (file|folder)", check.fixed_by):
            fixed_by[check.id] |= {"!mv", "!chmod"}
    for row in report.rows:
        printed = {kind_of(command) for command in row.next_step.commands} if row.next_step else set()
        assert printed - {"%cave_check", *PYTHON, *fixed_by[row.id.partition(":")[0]]} == set(), row.id


def kind_of(line: str) -> str:
    """A line without its arguments: `%cave_setup existing`, `%cave_save`, `%cave_check --fix`, `!mv`."""
    first, *words = line.split() or [""]
    if first == "%cave_check":
        return f"{first} --fix" if "--fix" in words else first
    return f"{first} {words[0]}" if first in ("%cave_setup", "%pip") and words else first


def test_kinds_of_lines_are_distinguished():
    """The comparison with the reference can fail: different kinds of lines differ."""
    kinds = {"%cave_setup existing": "%cave_setup existing", "%cave_save --overwrite": "%cave_save", "!mv a b": "!mv"}
    assert {line: kind_of(line) for line in kinds} == kinds
    assert kind_of("%cave_check x --fix") == "%cave_check --fix" != kind_of("%cave_check x")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_one_cause_is_named_and_its_own_next_line_fixes_it(world: World, case: Case):
    """A fault gives exactly one bad row; what needs it is skipped and names it; its lines make the check pass."""
    recorded.stand_for_real_ones(world)
    case.make(world)
    report = world.check()
    bad = [row for row in report.rows if row.status.value not in ("ok", "skipped")]
    assert [(row.id, row.status.value) for row in bad if row.status != "warning" or case.status == "warning"] == [
        (case.row, case.status)
    ]
    ids = {row.id for row in report.rows}
    assert all(row.blocked_by in ids for row in report.rows if row.status == "skipped")
    assert report.ok is (case.status == "warning")
    assert_the_reference_agrees(report)
    REPORTS.validate(report.to_dict())
    assert recorded.said(report, case, world) == recorded.of(case), "run tests/doctor/faults/recorded.py"
    if case.fixed_by:
        fixed = world.fix(report)
        assert fixed.ok
        assert not [row.id for row in fixed.rows if row.id == case.row and row.status != "ok"]


def test_two_faults_are_fixed_one_after_the_other(world: World, fixable: tuple[Case, Case]):
    """With a fault on the computer and one on the server, following Next fixes both, whichever comes first."""
    file, server = fixable
    server.make(world)
    file.make(world)
    report = world.check()
    first = next((row for row in report.rows if row.status in ("failed", "unknown")), None)
    assert first is None or report.next is first.next_step
    report = world.fix(report)
    assert report.ok, [(row.id, row.evidence) for row in report.rows if row.status == "failed"]


def test_only_the_causes_of_two_faults_are_named(world: World, unfixable: tuple[Case, Case]):
    """With a fault that only others can fix and one on the computer, the bad rows name both, in order."""
    file, server = unfixable
    server.make(world)
    file.make(world)
    bad = [row.id for row in world.check().rows if row.status in ("failed", "unknown")]
    assert set(bad) <= {file.row, server.row}
    assert bad == sorted(bad, key=ORDER.index)
    assert bad or file.status == server.status == "warning"
