"""Ada reads `Next:` and does what it says, to the letter, until the report is green or somebody else has to act."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from cave_magic.doctor.model import Command

from .registry import Fault
from .world import World

OTHERS = re.compile(
    r"\bwait\b|try again|administrator|IT department|the owner of|someone who can help|another network|"
    r"sign in to this network|is online|connect it to a network|give your account|start the program"
)
"""Words that say to wait, or who has to act."""
_ELSE = re.compile(r"\(or |; otherwise\b|; if (?!that works)|, or use")
"""Where another way begins, which is tried if the first did not help."""
_RESTART = "restart the kernel"
ROUNDS = 7
"""The most next steps that are followed; three faults may take two each."""


@dataclass
class Walk:
    """The way from the first check to the last one.

    Attributes:
        reports: every report, the first one first.
        steps: the next steps that were followed, as text.
        repeated: the next step that came twice in a row and says neither to wait nor who must act, or "".
        line: the line of the last check.
    """

    reports: list[Any] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    repeated: str = ""
    line: str = "%cave_check"


class Ada:
    """Follows the next steps in a world."""

    def __init__(self, world: World, faults: Sequence[Fault]) -> None:
        self._world, self._left = world, [one for one in faults if one.undo]
        self._tried: dict[str, int] = {}

    def follow(self, walk: Walk) -> Any:
        """Follows until the end; yields nothing, but each check goes into the walk. Returns the last report."""
        for _ in range(ROUNDS):
            report = walk.reports[-1]
            if report is None or report.ok or report.next is None:
                return report
            text = report.next.text
            if not self._acts_on(report.next, walk):
                if not OTHERS.search(text):
                    walk.repeated = text
                return report
            walk.steps.append(text)
            walk.reports.append(self._world.look(walk.line)[0])
        return walk.reports[-1]

    def _acts_on(self, step: Any, walk: Walk) -> bool:
        """Does the first thing in a step that was not yet tried; False if nothing is left."""
        ways = _ways(step)
        at = self._tried.get(step.text, 0)
        self._tried[step.text] = at + 1
        acted = False
        if at < len(ways):
            acted = self._types(ways[at], walk)
        if step.url and at == 0:
            self._world.visit(step.url)
            acted = True
        if not acted:
            acted = self._repairs_by_hand(step.text, walk)
        if acted and _RESTART in step.text:
            self._begins_with(step)
            self._world.restart()
        return acted

    def _begins_with(self, step: Any) -> None:
        """From now on each kernel runs the line with which the notebook should begin."""
        words = [span.text for span in step.line]
        for before, command in pairwise(words):
            if "begin the notebook with" in before:
                self._world.begins.append(partial(self._world.type, command))

    def _types(self, commands: Sequence[str], walk: Walk) -> bool:
        acted = False
        for command in commands:
            if command.startswith("%cave_check") and not {"--fix", "--report"} & set(command.split()):
                acted |= command != walk.line
                walk.line = command
            elif "--report" not in command:
                self._world.type(command)
                acted = True
        return acted

    def _repairs_by_hand(self, text: str, walk: Walk) -> bool:
        """Repairs outside of the notebook what the text names."""
        one = next((one for one in self._left if any(word in text for word in one.by_hand)), None)
        if one is None or one.undo is None:
            return False
        self._left.remove(one)
        typed = self._world.argument
        one.undo(self._world)
        if self._world.argument != typed:
            walk.line = f"%cave_check {self._world.argument}".rstrip()
        return True


def _ways(step: Any) -> list[list[str]]:
    """The commands of a step, a list for each of its alternatives; those without a command are left out."""
    ways: list[list[str]] = [[]]
    for span in step.line:
        if isinstance(span, Command):
            ways[-1].append(span.text)
        else:
            ways += [[] for _ in _ELSE.findall(span.text)]
    return [way for way in ways if way]
