"""Questions on any front end: yes or no, a choice from a numbered list, a secret.

Each raises Cancelled if the person interrupts or gives no answer, and NobodyToAsk, which names what to do `otherwise`.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import Cancelled, NobodyToAsk
from .document import Line, Page, line
from .frontend import Frontend
from .redact import find_secrets

TRIES = 3
"""How often a question is asked before the command is cancelled."""


def confirm(frontend: Frontend, question: str, otherwise: str | Line = "") -> bool:
    """Asks a yes/no question; no is the default."""
    return _visible_answer(frontend, f"{question} [y/N] ", otherwise) in ("y", "yes")


def choose(
    frontend: Frontend, page: Page, count: int, *, or_new: bool = False, otherwise: str | Line = ""
) -> int | None:
    """Asks for one item of a list that is numbered from 1; returns its index, from 0.

    With `or_new` the person may ask for a new item (None), and Enter chooses the first one; otherwise it cancels.
    """
    numbers = f"1 to {count}" if count > 1 else "1"
    also = ", n for a new one, Enter for 1" if or_new else ", Enter to cancel"
    frontend.show(page)
    for left in reversed(range(TRIES)):
        answer = _visible_answer(frontend, f"Which one? {numbers}{also}: ", otherwise)
        if or_new and answer in ("n", "new"):
            return None
        if not answer and not or_new:
            raise Cancelled
        if not answer or (answer.isdecimal() and len(answer) < 9 and 1 <= int(answer) <= count):
            return int(answer or 1) - 1
        if left:
            frontend.say(f"That is not in the list. Type a number from the first column ({numbers}){also}.")
    raise Cancelled("That is not in the list.")


def ask_secret(frontend: Frontend, what: str, otherwise: str | Line = "", or_empty: bool = False) -> str:
    """Asks for a text that is hidden while it is typed; `or_empty`: an empty answer does not cancel."""
    answer = _answer(frontend, frontend.ask_secret, what, otherwise)
    if not answer and not or_empty:
        raise Cancelled
    return answer


def _visible_answer(frontend: Frontend, question: str, otherwise: str | Line) -> str:
    answer = _answer(frontend, frontend.ask, question, otherwise)
    if find_secrets(answer):  # pasted one prompt too early
        frontend.say("This looks like a token, and can be read above: clear that if others can see it.")
    return answer.lower()


def _answer(frontend: Frontend, ask: Callable[[str], str], question: str, otherwise: str | Line) -> str:
    nobody = NobodyToAsk("no one can answer a question here", *line(": ", otherwise) if otherwise else ".")
    if not frontend.can_ask:
        raise nobody
    try:
        return ask(question).strip()
    except (KeyboardInterrupt, EOFError):
        raise Cancelled from None
    except NobodyToAsk:
        raise nobody from None
