"""Which reports are certain while caveclient is still being imported.

The rule: a check failed; what failed cannot have the cause of an import that fails; and nothing makes such an import
likely. Then no fault that is found later comes first in the order of cause, but for one that nothing hints at.
"""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from cave_magic.api.failures import Failure
from cave_magic.api.responses import Response
from cave_magic.doctor import diagnose, gather, healthy
from cave_magic.doctor.diagnose import is_certain
from cave_magic.doctor.evidence import Evidence, Machine, ServerFacts
from cave_magic.doctor.model import CheckResult, Status
from cave_magic.environment import packages
from cave_magic.environment.packages import Unmet
from cave_magic.environment.shadowed import ShadowingFile
from cave_magic.ui.document import line

from ..support.packages import CAVECLIENT
from ..support.waiting import LONG

IMPORTING = Machine(import_unfinished=True, import_awaited=False)


def rows(*statuses: Status) -> list[CheckResult]:
    """Results with these statuses."""
    return [CheckResult(id="x", group="g", status=one, title="t", found=line("x")) for one in statuses]


def facts(machine: Machine = IMPORTING, failure: Failure | None = None) -> Evidence:
    """The facts about this machine, with a failure of the auth service."""
    identity = Response(url=healthy.IDENTITY.url, failure=failure) if failure else healthy.IDENTITY
    return Evidence(machine=machine, servers=(ServerFacts(machine=machine, identity=identity),))


def test_a_check_that_failed_is_certain():
    """What a server or the network says is so whether or not caveclient can be imported."""
    failed = rows(Status.SKIPPED, Status.OK, Status.FAILED)
    assert is_certain(failed, facts())
    assert is_certain(failed, facts(failure=Failure.NAME_NOT_FOUND))


@pytest.mark.parametrize("status", [Status.OK, Status.WARNING, Status.UNKNOWN])
def test_nothing_else_is_certain(status):
    """If no check failed, an import that fails would be the first that did."""
    assert not is_certain(rows(Status.SKIPPED, status), facts())


def test_a_crash_makes_a_report_uncertain():
    """A check that crashed may have hidden the cause."""
    assert not is_certain(rows(Status.CRASHED, Status.FAILED), facts())


@pytest.mark.parametrize(
    "machine",
    [
        replace(IMPORTING, versions={"python": "3.12.4"}),
        replace(IMPORTING, requests_problem="ImportError: x"),
        replace(IMPORTING, unmet_requirements=(Unmet(name="pandas", specifier="<3"),)),
        replace(IMPORTING, unmet_requirements=None),
        replace(IMPORTING, shadowing_files=(ShadowingFile(path="/home/ada/numpy.py", name="numpy", harms=True),)),
    ],
    ids=["no caveclient", "no requests", "a package is missing", "packaging is missing", "a script"],
)
def test_an_import_that_is_likely_to_fail_is_awaited(machine):
    """With two faults, a broken caveclient comes first wherever something hints at it."""
    assert not is_certain(rows(Status.FAILED), facts(machine))


def test_a_failure_that_nobody_knows_is_not_certain():
    """A request that fails in an unknown way may fail because this Python is broken."""
    assert not is_certain(rows(Status.FAILED), facts(failure=Failure.UNKNOWN))


# ---------------------------------------------------------------- a whole check


@pytest.fixture
def slow_import(monkeypatch):
    """An import of caveclient that waits for an event, set at the end; what it returns is its problem."""
    released, problem = threading.Event(), [""]

    def import_caveclient():
        assert released.wait(60)
        return problem[0]

    monkeypatch.setattr(packages, "import_caveclient", import_caveclient)
    released.problem = problem
    yield released
    released.set()


def test_a_rejected_token_is_reported_during_the_import(cave, set_up, run, slow_import):
    """The page is there while caveclient is still being imported, with its next step, and says so."""
    cave.delete_token(set_up)
    cave.forget()
    shown = run("%cave_check").out
    assert not slow_import.is_set()
    assert " skipped  environment   caveclient is still being imported" in shown
    assert "Next: " in shown
    assert "All well" not in shown


@pytest.fixture
def head_start(monkeypatch):
    """A head start of the requests that no test takes, in a kernel that has not imported caveclient; ends at the end."""
    opened = threading.Event()
    monkeypatch.setattr(gather, "threading", SimpleNamespace(Event=lambda: opened))
    monkeypatch.setattr(gather, "HEAD_START", 60)
    monkeypatch.delitem(sys.modules, "caveclient", raising=False)
    yield opened
    opened.set()


def test_a_cause_is_shown_before_the_import_begins(cave, set_up, run, slow_import, head_start, monkeypatch):
    """The import keeps Python busy, so it begins only once a datastack opens, or half a second after the requests."""
    monkeypatch.setattr(packages, "import_caveclient", lambda: pytest.fail("it began"))
    cave.delete_token(set_up)
    cave.forget()
    assert "caveclient is still being imported" in run("%cave_check").out
    assert not head_start.is_set()


def test_the_import_waits_until_a_failure_is_judged(cave, home, run, monkeypatch):
    """However slow the responses are, what is wrong without a token is shown before the import keeps Python busy."""
    began, seen = threading.Event(), []
    monkeypatch.setattr(gather, "HEAD_START", 0.001)
    monkeypatch.delitem(sys.modules, "caveclient", raising=False)
    monkeypatch.setattr(packages, "import_caveclient", lambda: began.set() or "")
    monkeypatch.setattr(diagnose, "is_certain", lambda *args: seen.append(began.is_set()) or is_certain(*args))
    cave.delay = 0.05
    run(f"%cave_check --server {cave.server} --timeout 600")
    assert seen == [False]
    assert began.wait(LONG)


def test_a_silent_server_leaves_time_for_the_import(monkeypatch):
    """If a server never responds, the import begins once less than half of the timeout is left, and can end within it."""
    left = iter([9.0, 5.1, 4.9])

    class Waiting:
        is_over, seconds = False, 10.0
        left = property(lambda self: next(left))

    monkeypatch.setattr(gather, "HEAD_START", 0)
    search = gather._Search(Waiting(), None)
    search._servers["x"] = SimpleNamespace(has_failed=True)
    search.wait_for_import()
    assert not list(left)


def test_the_import_begins_once_a_datastack_opens(cave, set_up, run, head_start, monkeypatch):
    """While all is well, nothing waits for the end of the head start."""
    monkeypatch.setattr(packages, "import_caveclient", lambda: "")
    start = time.monotonic()
    assert "All well" in run("%cave_check --timeout 100").out
    assert time.monotonic() - start < 50


@pytest.mark.parametrize("option", ["--json", "--report", "-v", "-o"])
def test_what_is_kept_is_complete(cave, set_up, run, slow_import, option, monkeypatch):
    """What a program reads, a person shares or asks for in full waits for the import."""
    cave.delete_token(set_up)
    cave.forget()
    slow_import.set()
    monkeypatch.setattr(diagnose, "is_certain", lambda *args: pytest.fail("it did not wait"))
    assert run(f"%cave_check {option}").error == ""


def test_all_well_waits_for_the_import(cave, set_up, run, slow_import, monkeypatch, tmp_path):
    """Without a failed check nothing is claimed before caveclient was imported, and a broken one is found."""
    CAVECLIENT.install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # a fresh Python imports it
    asked = []

    def decided(rows, evidence):
        asked.append(evidence.machine.import_unfinished)
        slow_import.problem[0] = "ImportError: x"
        slow_import.set()
        return is_certain(rows, evidence)

    monkeypatch.setattr(diagnose, "is_certain", decided)
    shown = run("%cave_check").out
    assert asked == [True]
    assert "caveclient 8" in shown
    assert "All well" not in shown


def test_a_missing_package_comes_before_a_rejected_token(cave, set_up, run, slow_import, monkeypatch):
    """Two faults: the import is awaited, because its requirements are not met, and is the first cause."""
    cave.delete_token(set_up)
    cave.forget()
    monkeypatch.setattr(packages, "unmet_requirements", lambda: (Unmet(name="pandas", specifier="<3"),))

    def decided(rows, evidence):
        slow_import.problem[0] = "ModuleNotFoundError: No module named 'pandas'"
        slow_import.set()
        return is_certain(rows, evidence)

    monkeypatch.setattr(diagnose, "is_certain", decided)
    monkeypatch.setattr(gather, "_explain", lambda *args: None)
    failed = [text.split()[2] for text in run("%cave_check").out.splitlines() if text.startswith("✘ failed")]
    assert failed[0] == "environment"
    assert len(failed) > 1


@pytest.mark.parametrize("line", ["%cave_check", "%cave_check -v"])
def test_access_is_not_good_unless_the_import_ended_well(set_up, run, monkeypatch, line):
    """An import that ends in an unforeseen way is never taken for one that worked."""

    def stopped():
        raise GeneratorExit("stopped")

    monkeypatch.setattr(packages, "import_caveclient", stopped)
    ran = run(line)
    assert "All well" not in ran.out
    assert "cannot be imported" in ran.out


def test_access_is_not_good_while_caveclient_is_imported(set_up, run, slow_import):
    """An import that outlasts the check may still fail: the page does not say that access works."""
    ran = run("report = %cave_check --timeout 1 -o\nprint(report)\nreport.ok")
    assert "unknown  environment   the import of caveclient did not finish in time" in ran.out
    assert "Access works" not in ran.out
    assert ran.value is False


def test_packages_whose_requirements_cannot_be_read_cost_no_more_than_the_timeout(set_up, run, monkeypatch):
    """A file called packaging.py may wait for something; the check names what it knows by then."""
    released = threading.Event()
    monkeypatch.setattr(packages, "unmet_requirements", lambda: released.wait(LONG) and ())
    start = time.monotonic()
    assert " network " in run("%cave_check --timeout 1").out
    assert time.monotonic() - start < 50
    released.set()
