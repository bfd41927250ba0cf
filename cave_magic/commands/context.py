"""What every command has to do with the person: what the line and the settings mean, what is asked, what is shown."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from IPython.core.error import StdinNotImplementedError

from ..api.batch import validate_timeout
from ..credentials.stored_tokens import resolve
from ..credentials.target import Settings, Target, find_target
from ..deployments import check_address, datastack_for
from ..doctor import next_steps
from ..doctor.evidence import NotebookSession, ServerFacts
from ..doctor.gather import ask_server
from ..doctor.next_steps import without_anybody
from ..environment.platforms import detect_runtime
from ..errors import BadInput, Cancelled, NobodyToAsk
from ..ui.document import Page
from ..ui.frontend import Frontend

NOTHING = "Nothing was changed."


class Configured(Protocol):
    """What a person sets with `%config CaveMagics`."""

    shell: Any
    server: str
    datastack: str
    timeout: float


class Context:
    """A person before a front end, and the settings that hold there.

    Args:
        settings: the settings, and the shell that runs the magics.
    """

    def __init__(self, settings: Configured) -> None:
        self.shell = settings.shell
        self.so_far = NOTHING  # what the line that runs has done, for when it does not get to say so
        self.front = Frontend(settings.shell)
        self._settings = settings

    # ------------------------------------------------------------ what is meant

    def seconds(self, given: float | None = None) -> float:
        """The most seconds to wait: what the line says, else what is set."""
        if given is None:
            return validate_timeout(self._settings.timeout, "CaveMagics.timeout")
        return validate_timeout(given, "--timeout")

    def target(self, args: argparse.Namespace, name: str | None = None) -> Target:
        """The datastack and the server that a line means."""
        named = name or args.datastack
        server = check_address(args.server) if args.server is not None else ""
        settings = Settings(server=self._settings.server, datastack=self._settings.datastack)
        datastack = named or datastack_for(server or settings.server, settings.datastack)
        return find_target(datastack, server, settings, asked=named is not None)

    def target_of_token(self, args: argparse.Namespace) -> Target:
        """The same for a line that gets a token, which goes to no server that is only a guess."""
        target = self.target(args)
        if target.is_guess:
            fix = next_steps.check(target, "--fix")
            raise BadInput(
                f"which server {target.datastack} is on is not known: its address in the datastack map cannot be used. "
                f"Nothing was sent. To mend it: {fix}, or name the server with --server."
            )
        return target

    def facts(self, target: Target, access: bool = False) -> ServerFacts:
        """Whose token is stored, as the server says now; with `access`, whether it opens the datastack."""
        seconds = self.seconds()
        with self.front.waiting() as on_wait:
            return ask_server(target, seconds, on_wait, NotebookSession(can_ask=self.front.can_ask), access)

    # ------------------------------------------------------------ what is asked and shown

    def show(self, page: Page) -> None:
        """Shows a page."""
        self.front.show(page)

    def ask_secret(self, target: Target) -> str:
        """A token, typed where nobody sees it."""
        if not self.front.can_ask:
            raise nobody_to_ask(target)
        return self._answered(lambda: self.front.ask_secret("Token (hidden): "), nobody_to_ask(target))

    def ask(self, question: str) -> str:
        """The answer to a question; "" where the person only pressed Enter."""
        nobody = NobodyToAsk("nothing can be asked here.")
        return self._answered(lambda: self.front.ask(question), nobody, may_be_empty=True)

    def agrees(self, question: str, unasked: str = "") -> bool:
        """Whether the person says yes; `unasked` is what to do where nobody can answer."""
        if not self.front.can_ask:
            raise NobodyToAsk(f"nothing can be asked here. {unasked}".rstrip())
        return self.ask(f"{question} [y/N] ").lower() in ("y", "yes")

    def confirm(self, question: str) -> None:
        """Goes on only where the person says yes."""
        if not self.agrees(question):
            raise self._cancelled()

    def _answered(self, ask: Callable[[], str], nobody: NobodyToAsk, may_be_empty: bool = False) -> str:
        """The person's answer; an empty one and an interrupt cancel."""
        try:
            answer = ask().strip()
        except (KeyboardInterrupt, EOFError):
            raise self._cancelled() from None
        except StdinNotImplementedError:
            raise nobody from None
        if not answer and not may_be_empty:
            raise self._cancelled()
        return answer

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

    def _cancelled(self) -> Cancelled:
        return Cancelled(self.so_far[0].lower() + self.so_far[1:])


def nobody_to_ask(target: Target) -> NobodyToAsk:
    """What to do where no token can be typed."""
    way = without_anybody(target, detect_runtime(), replaces=resolve(target.server).token is not None)
    return NobodyToAsk(f"nothing can be asked here: {way.text}")
