"""Facts are healthy by default, and gathering never relies on the defaults."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

from cave_magic.doctor import evidence
from cave_magic.doctor.evidence import CallFacts, DatastackFacts, Evidence, Machine, ServerFacts
from cave_magic.doctor.judge import judge

GATHER = sorted(Path(evidence.__file__).parent.glob("gather*.py"))
FACTS = [CallFacts, Machine, ServerFacts, DatastackFacts, Evidence]


@pytest.mark.parametrize("facts", FACTS)
def test_gathering_names_every_fact(facts: type):
    """Gathering sets every fact, so that no check judges a default."""
    nodes = [node for path in GATHER for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    calls = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    assert calls.count(facts.__name__) == 1
    names = {field.name for field in dataclasses.fields(facts)}
    begun = (f"{facts.__name__}(", "replace(computer(), ") if facts is Machine else (f"{facts.__name__}(",)
    made = [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node).startswith(begun)]
    given = {keyword.arg for call in made for keyword in call.keywords}
    assert sorted(names - given) == [], "facts that `gather*.py` does not set"


def test_default_facts_are_healthy():
    """A report on the default facts has only good results."""
    found = Evidence()
    report = judge([found.datastacks[0].target], found, 0.1).report
    assert {row.status.value for row in report.rows} == {"ok"}
    assert {"environment", "token", "network", "account", "access", "data-server", "cloud-volume"} <= {
        row.id for row in report.rows
    }
