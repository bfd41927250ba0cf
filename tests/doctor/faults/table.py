"""Prints what CAVEclient and `%cave_check` say about each fault: `python tests/doctor/faults/table.py [FAULT ...]`."""

from __future__ import annotations

import logging
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caveclient import CAVEclient, frameworkclient

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.doctor.faults.cases import CASES, Case
from tests.doctor.faults.world import World, from_nothing

SECONDS = 8.0
"""The time that CAVEclient gets; it has no timeout itself."""
WIDTH = 70
HEAD = """\
| fault | `CAVEclient("minnie65_public")` says | row named by `%cave_check` | fixed by its own Next line |
|---|---|---|---|"""
LEGEND = """\

If the fault is a wrong name or address, both were given it. "By others": the check must be right, and its advice is for somebody else
(the administrators of a server or a network) or for the user outside of the notebook."""


@dataclass(frozen=True)
class Result:
    """The result for one fault."""

    fault: str
    plain: str
    rows: str
    right: bool
    fixed: str

    def __str__(self) -> str:
        named = f"{self.rows or 'none'} ({'right' if self.right else 'wrong'})"
        return f"| {self.fault} | {self.plain} | {named} | {self.fixed} |"


def result_of(case: Case) -> Result:
    """Causes a fault, runs CAVEclient and the check, and follows the advice."""
    with from_nothing() as world:
        world.patch.setattr("webbrowser.open", lambda *_, **__: True)
        case.make(world)
        plain = said_by(lambda: plain_client(world), world)
        rows = bad_rows(world.check(), case)
        right = rows == [case.row]
        return Result(case.id, plain, ", ".join(rows), right, fixed_by_next(world, case) if right else "no")


def bad_rows(report: Any, case: Case) -> list[str]:
    """The ids of the bad rows; warnings count if the fault should give one."""
    ignored = {"ok", "skipped"} | (set() if case.status == "warning" else {"warning"})
    return [row.id for row in report.rows if row.status.value not in ignored]


def fixed_by_next(world: World, case: Case) -> str:
    """Whether following the Next line makes the check pass."""
    if not case.fixed_by:
        return "by others"
    report = world.fix()
    return "yes" if report.ok and case.row not in bad_rows(report, case) else "no"


# ---------------------------------------------------------------- CAVEclient alone


def plain_client(world: World) -> None:
    """Makes a client as users do, with the practice server as the default server."""
    world.patch.setattr(frameworkclient, "default_global_server_address", world.cave.server)
    option, _, address = world.argument.partition(" ")
    if option == "--server":
        CAVEclient("minnie65_public", server_address=address, write_server_cache=False)
    else:
        CAVEclient(world.argument or "minnie65_public")


def said_by(make: Callable[[], object], world: World, width: int = WIDTH) -> str:
    """The error of a call, without any part of a token: in one line for a cell of the table, or at more width."""
    ended: list[BaseException | None] = []

    def call() -> None:
        try:
            make()
            ended.append(None)
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(SECONDS)
    if not ended:
        return f"hangs (more than {SECONDS:.0f} s)"
    if ended[0] is None:
        return "nothing, it works"
    return _in_a_cell(ended[0], world) if width == WIDTH else _whole(ended[0], width)


def _whole(error: BaseException, width: int) -> str:
    from cave_magic.ui.redact import redact

    text = "".join(one if one.isprintable() or one == "\n" else " " for one in redact(str(error))).strip()
    return f"{type(error).__name__}: {text if len(text) <= width else text[:width].rstrip() + '…'}"


def _in_a_cell(error: BaseException, world: World) -> str:
    from cave_magic.ui.redact import redact

    text = str(error).replace(world.token, "(token)").replace(str(world.home), "~")
    text = text.replace(world.cave.server, "http://cave").replace(world.cave.local_server, "http://local")
    calm = "".join(one if one.isprintable() else " " for one in redact(text))
    short = " ".join(calm.split())
    cut = short if len(short) <= WIDTH else short[:WIDTH].rstrip() + "…"
    return f"{type(error).__name__}: {cut}".replace("|", "\\|").replace("<", "&lt;")


# ---------------------------------------------------------------- the table


def table(cases: Iterable[Case]) -> list[Result]:
    """Prints the table row by row, and returns the results."""
    print(HEAD)
    results = []
    for case in cases:
        results.append(result_of(case))
        print(results[-1], flush=True)
    print(LEGEND)
    return results


def totals(results: list[Result]) -> str:
    """The totals in one line."""
    count = Counter(result.fixed for result in results)
    right = sum(result.right for result in results)
    silent = sum(result.plain.startswith("hangs") for result in results)
    return (
        f"{len(results)} faults: {right} named right, {count['yes']} fixed by their own Next line, "
        f"{count['by others']} by others, {count['no']} not; CAVEclient alone hangs in {silent}."
    )


def main(names: list[str]) -> int:
    """Prints the table of all or of the named faults; 0 if each was named right and fixed."""
    logging.disable(logging.WARNING)
    unknown = set(names) - {case.id for case in CASES}
    if unknown:
        print(f"There is no fault called {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    results = table(case for case in CASES if not names or case.id in names)
    print(f"\n{totals(results)}")
    return int(any(result.fixed == "no" for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
