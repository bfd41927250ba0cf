"""Reports on many datastacks: summed up by cause, with a table of each datastack on request."""

from __future__ import annotations

import re

from cave_magic.doctor.model import CheckResult, Status, Subject, advise
from cave_magic.doctor.report import MARKS, Report, to_markdown
from cave_magic.doctor.summary import MANY, rows_to_read
from cave_magic.ui.document import line
from cave_magic.ui.terminal import as_text

STACKS = tuple(f"stack_{number}" for number in range(40))
UNSIGNED, BROKEN = STACKS[:20], STACKS[30]
DASH = MARKS[Status.SKIPPED]


def row(check: str, name: str, status: Status, *found: str | Subject, **more: object) -> CheckResult:
    """A row about a datastack, or about all."""
    label, title = (f":{name}", f" ({name})") if name else ("", "")
    return CheckResult(id=check + label, group="", status=status, title=check + title, found=line(*found), **more)


def report(names: tuple[str, ...] = STACKS) -> Report:
    """Half of the datastacks have terms to accept, and one a broken service."""
    rows = [row("account", "", Status.OK, "Ada")]
    for name in names:
        if name in UNSIGNED:
            step = advise(f"accept those of {name}")
            rows.append(
                row(
                    "terms", name, Status.FAILED, Subject(f"{name}: ", pronoun=""), "not accepted (403)", next_step=step
                )
            )
            rows.append(row("access", name, Status.SKIPPED, f"needs: terms ({name})", blocked_by=f"terms:{name}"))
        else:
            rows.append(row("access", name, Status.OK, Subject(name), " can be read"))
            status = Status.WARNING if name == BROKEN else Status.OK
            rows.append(row("l2cache", name, status, Subject(name), " responded", quiet=True))
    return Report(server="https://x.org", datastacks=names, account=None, rows=tuple(rows), seconds=1.0)


def test_many_datastacks_are_summed_up_by_cause():
    """The page says how many can be read, then names the others once for each cause."""
    text = re.sub(r" more:\s+not", " more: not", as_text(report().page(), 200))
    named = ", ".join(UNSIGNED[:12])
    assert text.splitlines() == [
        "CAVE check: 40 datastacks on x.org",
        "✔ ok       account  Ada",
        "✔ ok       access   20 of 40 datastacks can be read",
        f"✘ failed   terms    {named} and 8 more: not accepted (403)",
        f"! warning  l2cache  {BROKEN}: it responded",
        "Next: accept those of stack_0",
    ]


def test_a_datastack_that_is_called_like_a_word_changes_no_sentence():
    """Only the name itself becomes "it": words that are spelled as a datastack stay."""
    names = (*STACKS[:MANY], "the", "terms")
    rows = tuple(
        row("terms", name, Status.FAILED, "the terms of ", Subject(name), " are not accepted") for name in names
    )
    (one,) = rows_to_read(Report(server="https://x.org", datastacks=names, account=None, rows=rows, seconds=1.0))
    assert one.evidence == f"{', '.join(names)}: the terms of it are not accepted"


def test_the_table_has_each_datastack_and_its_services():
    """`-v` adds a row for each datastack, with a word for each service."""
    rows = {one.split()[0]: one.split()[1:] for one in as_text(report().page(verbose=True), 200).splitlines()}
    assert rows["datastack"] == ["data", "access", "materialize", "chunkedgraph", "l2cache", "skeleton"]
    assert rows[UNSIGNED[0]][:2] == ["✘", "failed"]
    assert rows[BROKEN] == ["✔", "ok", DASH, "skipped", DASH, "skipped", "!", "warning", DASH, "skipped"]
    assert set(STACKS) <= set(rows)


def test_a_cause_that_stops_all_is_one_row():
    """If the account is rejected, nothing is said about each datastack."""
    skipped = [row("access", name, Status.SKIPPED, "needs: account", blocked_by="account") for name in STACKS]
    rows = (row("account", "", Status.FAILED, "rejected"), *skipped)
    one = Report(server="https://x.org", datastacks=STACKS, account=None, rows=rows, seconds=1.0)
    assert as_text(one.page()).splitlines()[1:3] == [
        "✘ failed   account         rejected",
        f"{DASH} skipped  40 more checks  needs: account",
    ]


def test_a_few_datastacks_have_rows_of_their_own():
    """Up to five are listed one by one."""
    few = report(STACKS[:MANY])
    assert rows_to_read(few) == few.rows


def test_the_block_to_share_is_summed_up_too():
    """It has the same rows, and no list of all names."""
    block = to_markdown(report())
    assert "| ok | access | 20 of 40 datastacks can be read |" in block
    assert STACKS[-1] not in block
