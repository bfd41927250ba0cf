"""Running checks: crashes, and which next step offers a fix."""

from __future__ import annotations

import pytest

from cave_magic.doctor.evidence import Evidence, Machine
from cave_magic.doctor.model import Check, Finding, Fix, Status, advise, failed, ok, unknown, warning
from cave_magic.doctor.runner import run_checks
from cave_magic.ui.document import line

OFFER, OTHER = advise(Evidence().machine.fix_command), advise("another step")


def fix(id: str = "x") -> Fix:
    """A fix that changes nothing."""
    return Fix(id=id, words="does nothing", apply=lambda: ())


def run_all(*findings: Finding | None) -> tuple[list, list]:
    """The rows and fixes of checks with these findings about one subject."""
    checks = [
        Check(id=f"check-{at}", group="g", title="t", about=Machine, look=lambda _, one=one: one)
        for at, one in enumerate(findings)
    ]
    return run_checks(checks, Evidence())


@pytest.mark.parametrize("make", [warning, failed])
def test_a_fix_without_another_next_step_is_offered(make):
    """Only then is the offer the next step; the fix is collected in any case."""
    rows, fixes = run_all(make("wrong", fix=fix()))
    assert (rows[0].next_step, fixes) == (OFFER, [fix()])
    rows, fixes = run_all(make("wrong", next_step=OTHER, fix=fix()))
    assert (rows[0].next_step, fixes) == (OTHER, [fix()])


def test_the_offer_of_a_fix_has_its_advice():
    """What to do once it is applied is said with the offer, unless something fails, which comes first."""
    one = Fix(id="x", words="does nothing", advice=line("Then rest."), apply=lambda: ())
    assert run_all(warning("wrong", fix=one))[0][0].next_step == advise(OFFER.line, ". ", "Then rest.")
    assert run_all(failed("wrong", fix=one))[0][0].next_step == OFFER


@pytest.mark.parametrize(
    "finding", [ok("well"), warning("odd"), unknown("who knows"), failed("wrong", next_step=OTHER), None]
)
def test_a_finding_without_a_fix_offers_none(finding):
    """The offer appears only with a fix."""
    rows, fixes = run_all(finding)
    assert not [row for row in rows if row.next_step == OFFER]
    assert not fixes


def test_a_failed_finding_says_what_to_do():
    """A failed finding has a next step or a fix."""
    with pytest.raises(ValueError, match="next step or a fix"):
        failed("wrong")


def test_fixes_are_in_the_order_of_the_rows_and_unique():
    """Two findings may carry the same fix; it is offered once, at its first place."""
    rows, fixes = run_all(warning("a", fix=fix("b")), warning("b", fix=fix("a")), warning("c", fix=fix("b")))
    assert [one.id for one in fixes] == ["b", "a"]
    assert {row.next_step for row in rows} == {OFFER}


@pytest.mark.parametrize(
    ("finding", "status"),
    [
        (ok("well"), Status.OK),
        (warning("odd"), Status.OK),
        (failed("wrong", next_step=OTHER), Status.SKIPPED),
        (unknown("who knows"), Status.SKIPPED),
    ],
)
def test_a_check_runs_only_if_what_it_needs_has_passed(finding, status):
    """Otherwise its row is skipped and names the check that blocks it, and so are those that need it in turn."""
    first = Check(id="first", group="g", title="t", about=Machine, look=lambda _: finding)
    second = Check(id="second", group="g", title="t", about=Machine, look=lambda _: ok("well"), needs=(first,))
    third = Check(id="third", group="g", title="t", about=Machine, look=lambda _: ok("well"), needs=(second,))
    rows, _ = run_checks([first, second, third], Evidence())
    assert [row.status for row in rows[1:]] == [status, status]
    blocked = "first" if status is Status.SKIPPED else None
    assert {row.blocked_by for row in rows[1:]} == {blocked}


def test_a_crashed_check_is_a_row():
    """A check that raises is reported with the class of its error only, and the others run."""

    def crash(_: object) -> Finding:
        raise ValueError("secret")

    checks = [Check(id="a", group="g", title="t", about=Machine, look=crash, quiet=True)]
    rows, fixes = run_checks(checks, Evidence())
    assert (rows[0].status, rows[0].quiet, fixes) == (Status.CRASHED, False, [])
    assert "ValueError" in rows[0].evidence
    assert "secret" not in rows[0].evidence
