"""What every command gets: a front end, the settings, the shell, and what the line that runs has changed so far."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from ..api.batch import validate_timeout
from ..credentials.stored_tokens import resolve
from ..credentials.target import FRESH, Settings, Target, find_target
from ..deployments import check_address, datastack_for
from ..doctor import next_steps
from ..doctor.evidence import NotebookSession, ServerFacts
from ..doctor.gather import ask_server
from ..environment.platforms import detect_runtime
from ..errors import BadInput
from ..ui.frontend import Frontend
from .shell import NoShell, Shell

NOTHING = "Nothing was changed."


class Context:
    """Where one line runs.

    Args:
        frontend: shows pages and asks questions.
        settings: the server and the datastack where the line names none.
        timeout: the most seconds to wait for servers, unless the line says otherwise; checked when it is used.
        shell: the variables and the history of the person.
    """

    def __init__(
        self, *, frontend: Frontend, settings: Settings = FRESH, timeout: float = 10.0, shell: Shell | None = None
    ) -> None:
        self.frontend = frontend
        self.shell = shell or NoShell()
        self.so_far = NOTHING  # what the line has changed, for when it does not get to say so
        self._settings = settings
        self._timeout = timeout

    # ------------------------------------------------------------ what the line means

    def seconds(self, given: float | None = None) -> float:
        """The most seconds to wait: what the line says, else what is set."""
        if given is None:
            return validate_timeout(self._timeout, "CaveMagics.timeout")
        return validate_timeout(given, "--timeout")

    def target(self, args: argparse.Namespace, name: str | None = None) -> Target:
        """The datastack and the server that a line means."""
        named = name or args.datastack
        server = check_address(args.server) if args.server is not None else ""
        datastack = named or datastack_for(server or self._settings.server, self._settings.datastack)
        return find_target(datastack, server, self._settings, asked=named is not None)

    def target_of_token(self, args: argparse.Namespace) -> Target:
        """The same for a line that saves a token, which is never sent to a server that is only a guess."""
        target = self.target(args)
        if target.is_guess:
            fix = next_steps.check(target, "--fix")
            raise BadInput(
                f"the server of {target.datastack} is unknown: its address in the datastack map cannot be used. "
                f"Nothing was sent. To fix the map: {fix}. Or name the server with --server."
            )
        return target

    def facts(self, target: Target, access: bool = False) -> ServerFacts:
        """Whose token is stored, as the server says now; with `access`, whether it opens the datastack."""
        seconds = self.seconds()
        with self.frontend.waiting() as on_wait:
            return ask_server(target, seconds, on_wait, NotebookSession(can_ask=self.frontend.can_ask), access)

    def without_asking(self, target: Target) -> str:
        """How a token is saved where nobody can type one."""
        replaces = resolve(target.server).token is not None
        return next_steps.without_anybody(target, detect_runtime(), replaces).text

    # ------------------------------------------------------------ what was done

    @contextmanager
    def changing(self, done: str, perhaps: str) -> Iterator[None]:
        """Around a change that is made whole or not at all; keeps what is said after an interrupt true.

        Args:
            done: what is so after this block.
            perhaps: what is so within it.
        """
        before, self.so_far = self.so_far, perhaps
        try:
            yield
        except Exception:
            self.so_far = before
            raise
        self.so_far = done
