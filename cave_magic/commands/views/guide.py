"""The steps to a token as a page, and what an odd answer to a prompt gets."""

from __future__ import annotations

from ...ui.document import Block, Line, Page, Steps, Word, line
from ..guide import Guide, Step


def guide_page(guide: Guide) -> Page:
    """The steps to a token, numbered, each with its link, and what is special about this place."""
    blocks: list[Block] = [line(Word(guide.heading, "strong"))]
    if guide.note:
        blocks.append(line(Word("Note: ", "warning"), guide.note))
        blocks += [line(Word(command, "command")) for command in guide.recall]
    return Page((*blocks, Steps(tuple(map(_step, guide.steps)))))


def _step(step: Step) -> tuple[Line, ...]:
    title = line(Word(f"{step.title}: ", "strong"), step.todo)
    return (title, line(Word(step.url, "link"))) if step.url else (title,)


def again_page(problem: str) -> Page:
    """What an odd answer to a prompt gets, while it may be answered again: whole sentences that say what is wrong."""
    return Page(
        (
            line(Word("! ", "warning"), problem),
            line(Word("Nothing was changed. Try again, or answer with nothing to cancel.", "dim")),
        )
    )
