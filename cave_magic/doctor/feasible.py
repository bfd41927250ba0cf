"""Tries what a next step or a fix needs before it is offered, and replaces it by one that can work for this user here.

Only findings that are not ok have anything to try, so a healthy check does nothing here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..credentials.obstacles import Intent, Obstacle, obstacle_to
from ..credentials.save import Obstructed, obstacle_to_saving
from ..credentials.token_files import secrets_folder
from ..errors import TokenNotSaved
from ..ui.document import Line, Span, line
from . import next_steps
from .model import Command, Finding, Fix, Need, NextStep, Status

if TYPE_CHECKING:
    from .evidence import Machine

MOST_NAMES = 1000
"""How many names are tried for whatever is moved away."""
LONGEST_NAME = 255
"""Bytes in a file name on the usual file systems."""


def feasible(finding: Finding, machine: Machine) -> Finding:
    """The same finding with a next step and a fix that can work; what prevents them is added to the evidence."""
    if finding.status is Status.OK:
        return finding
    step, fix = finding.next_step, finding.fix
    in_the_way = next(_obstacles(step.needs), None) if step else None
    not_fixed = next(_obstacles(_needs_of(fix)), None) if fix else None
    if not_fixed is not None:
        fix, in_the_way = None, in_the_way or (None if step else not_fixed)
    if in_the_way is None:
        return replace(finding, next_step=_with_free_names(step) if step else None, fix=fix)
    step = past(in_the_way, machine.check_command, next_steps.without_saving(machine.target))
    said = Span(str(in_the_way), private=True)
    evidence = finding.evidence if said in finding.evidence else line(finding.evidence, "; ", said)
    return replace(finding, evidence=evidence, next_step=step, fix=fix)


def past(obstacle: Obstacle, again: Command, unsaved: Command | None = None) -> NextStep:
    """How to get past an obstacle, in the words of the check; see `next_steps.past`."""
    return _with_free_names(next_steps.past(obstacle, again, unsaved))


def after(error: TokenNotSaved, again: Command, otherwise: Line = (), unsaved: Command | None = None) -> Line:
    """What to do after a change of files that failed: how to get past what is in the way, or something else."""
    if not isinstance(error, Obstructed):
        return otherwise
    return line(" Next: ", past(error.obstacle, again, unsaved).line)


def _needs_of(fix: Fix) -> tuple[Need, ...]:
    """What a fix needs: a lock in the folder of the token files, and whatever it does with its files."""
    paths = fix.paths if fix.intent is not Intent.WRITE else (*fix.paths, secrets_folder() / "any")
    return tuple(Need(intent=fix.intent, path=path) for path in paths) if fix.paths else ()


def _obstacles(needs: tuple[Need, ...]) -> Iterator[Obstacle]:
    for need in dict.fromkeys(needs):
        found = obstacle_to_saving(need.server) if need.intent is None else obstacle_to(need.intent, need.path)
        if found is not None:
            yield found


def _with_free_names(step: NextStep) -> NextStep:
    """The same step; what it moves away gets a name that nothing has."""
    words = list(step.line)
    for at, span in enumerate(words):
        needs = span.needs if isinstance(span, Command) else ()
        for moved in (need.path for need in needs if need.intent is Intent.MOVE):
            if (name := _free_name(moved)) != f"{moved.name}.old":
                words[at] = next_steps.move_away(moved, name)
    return NextStep(line=tuple(words))


def _free_name(path: Path) -> str:
    for number in range(1, MOST_NAMES):
        ending = ".old" if number == 1 else f".{number}.old"
        name = os.fsdecode(os.fsencode(path.name)[: LONGEST_NAME - len(ending)]) + ending
        if not os.path.lexists(path.with_name(name)):
            return name
    return f"{path.name}.old"
