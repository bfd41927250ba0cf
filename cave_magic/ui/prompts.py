"""The questions that commands ask, on any front end: yes or no, one of a numbered list, a secret."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Cancelled, NobodyToAsk
from .document import Page
from .frontend import Frontend

TRIES = 3
"""How often a question is asked before the command gives up."""


def confirm(frontend: Frontend, question: str, otherwise: str = "") -> bool:
    """Whether the person says yes.

    Args:
        frontend: where to ask.
        question: a question, without the choices.
        otherwise: what to do where nobody can answer.
    Raises:
        Cancelled: the person interrupted.
        NobodyToAsk: nobody can answer.
    """
    return _answer(frontend, frontend.ask, f"{question} [y/N] ", otherwise).lower() in ("y", "yes")


def choose(frontend: Frontend, page: Page, count: int, *, or_new: bool = False, otherwise: str = "") -> int | None:
    """Which one of several things that a page numbers from 1.

    Args:
        frontend: where to ask.
        page: the list.
        count: how many there are.
        or_new: whether a new one can be had; then the first is what Enter alone chooses, else Enter cancels.
        otherwise: what to do where nobody can answer.
    Returns:
        Its index, from 0; None for a new one.
    Raises:
        Cancelled: the person interrupted, or answered with something else three times.
        NobodyToAsk: nobody can answer.
    """
    numbers = f"1 to {count}" if count > 1 else "1"
    question = f"Which one? {numbers}, or n for a new one [1] " if or_new else f"Which one? {numbers} "
    frontend.show(page)
    for _ in range(TRIES):
        answer = _answer(frontend, frontend.ask, question, otherwise).lower()
        if or_new and answer in ("n", "new"):
            return None
        if not answer and not or_new:
            raise Cancelled
        if not answer or (answer.isdecimal() and 1 <= int(answer) <= count):
            return int(answer or 1) - 1
    raise Cancelled("that is none of them.")


def ask_secret(frontend: Frontend, question: str, otherwise: str = "") -> str:
    """A text that is not shown while it is typed.

    Raises:
        Cancelled: the person interrupted, or typed nothing.
        NobodyToAsk: nobody can answer.
    """
    answer = _answer(frontend, frontend.ask_secret, f"{question}: ", otherwise)
    if not answer:
        raise Cancelled
    return answer


def _answer(frontend: Frontend, ask: Callable[[str], str], question: str, otherwise: str) -> str:
    nobody = NobodyToAsk("nobody can answer a question here" + (f": {otherwise}" if otherwise else "."))
    if not frontend.can_ask:
        raise nobody
    try:
        return ask(question).strip()
    except (KeyboardInterrupt, EOFError):
        raise Cancelled from None
    except NobodyToAsk:
        raise nobody from None
