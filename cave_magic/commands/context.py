"""The context of a command: the front end, the settings, the shell, and what the line has changed so far."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..api.batch import validate_timeout
from ..credentials.target import FRESH, Settings, Target, find_target
from ..deployments import check_address, datastack_for, meant_address, problem_with_address
from ..errors import BadInput, ServerInTrouble
from ..ui.document import Line
from ..ui.frontend import Frontend
from .shell import Shell

if TYPE_CHECKING:
    from ..doctor.evidence import ServerFacts
    from ..doctor.model import Finding

NOTHING = "Nothing was changed."


def trouble_of(server: ServerFacts) -> Finding | None:
    """Why a server says nothing about a token, in the words of the check; None if it does say something."""
    from ..doctor.checks.network import AUTH, NETWORK  # lazily: a script that saves a token checks nothing

    findings = (check.look(server) for check in (NETWORK, AUTH))
    return next((found for found in findings if found is not None and found.next_step is not None), None)


def in_trouble(facts: ServerFacts, then: str = ". Nothing was changed. ") -> ServerInTrouble:
    """The error if a server says nothing about a token, with the cause and the next step that the check finds."""
    from ..doctor import next_steps  # lazily: the requests are sent first

    trouble = trouble_of(facts)
    if trouble is None or trouble.next_step is None:
        return ServerInTrouble(f"{facts.auth.sentence}{then}To see why: ", next_steps.check(facts.target))
    return ServerInTrouble(*trouble.evidence, f"{then}Next: ", *trouble.next_step.line)


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
class Context:
    """The context of one line; the settings and the timeout apply if the line names none.

    Attributes:
        timeout: how many seconds to wait for servers at most; validated on use.
        fill_next: writes a line into the next cell.
        waits_for_terms: whether a command waits until terms of service are accepted in the browser.
        is_history_kept: whether the line stays in the history of a shell, from which nothing can be scrubbed.
        is_well, is_interrupted: what the exit code in a shell tells.
        outcome: what the command found out, for a function that runs it.
        so_far: what to say about changes if the line is interrupted.
    """

    frontend: Frontend
    settings: Settings = FRESH
    timeout: float = 10.0
    shell: Shell = field(default_factory=Shell)
    fill_next: Callable[[str], object] = lambda text: None
    waits_for_terms: bool = True
    is_history_kept: bool = False
    is_well: bool = True
    is_interrupted: bool = False
    outcome: object = None
    so_far: str | Line = NOTHING

    def seconds(self, given: float | None = None) -> float:
        """How many seconds to wait at most: the value on the line, or the setting."""
        name = "CaveMagics.timeout" if given is None else "--timeout"
        return validate_timeout(self.timeout if given is None else given, name)

    def target(self, args: argparse.Namespace, name: str | None = None) -> Target:
        """The datastack and the server of a line."""
        named = name or next(iter(args.names), None) or args.datastack
        server = check_address(args.server) if args.server is not None else ""
        setting = "" if server else self.settings.server
        if setting and (problem := problem_with_address(setting)) is not None:
            from ..doctor import next_steps  # lazily: the requests are sent first

            correct = next_steps.set_server(meant_address(setting))
            raise BadInput(f"the setting CaveMagics.server is wrong: {problem}. Correct it: ", correct)
        datastack = named or datastack_for(server or self.settings.server, self.settings.datastack)
        return find_target(datastack, server, self.settings, asked=named is not None)

    def target_of_token(self, args: argparse.Namespace) -> Target:
        """The same for a line that saves a token, which must not be sent to a guessed server."""
        target = self.target(args)
        if target.is_guess:
            from ..doctor import next_steps  # lazily: the requests are sent first

            raise BadInput(
                f"the server of {target.datastack} is unknown: its address in the datastack map is not valid. "
                "Nothing was sent. To fix the map: ",
                next_steps.check(target, "--fix"),
                ". Or name the server with --server.",
            )
        return target

    def facts(self, target: Target, access: bool = False) -> ServerFacts:
        """What the server says about the stored token; with `access`, also whether it can read the datastack."""
        return self.facts_of_each([target], access)[0]

    def facts_of_each(self, targets: Sequence[Target], access: bool = False) -> tuple[ServerFacts, ...]:
        """The same for several servers, which are asked at the same time."""
        from ..doctor.gather import ask_servers
        from ..doctor.session import NotebookSession

        notebook = NotebookSession(can_ask=self.frontend.can_ask)
        with self.frontend.waiting() as on_wait:
            return ask_servers(targets, self.seconds(), on_wait, notebook, access)

    @contextmanager
    def changing(self, done: str | Line, perhaps: str | Line) -> Iterator[None]:
        """Wraps an atomic change, so that what is said after an interrupt is true: `perhaps` in it, `done` after it."""
        before, self.so_far = self.so_far, perhaps
        try:
            yield
        except Exception:
            self.so_far = before
            raise
        self.so_far = done
