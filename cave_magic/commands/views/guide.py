"""The steps to a token as a page, and what an odd answer to a prompt gets."""

from __future__ import annotations

from ...ui.document import Block, Line, Page, Span, Steps, line
from ..guide import Guide, Step


def guide_page(guide: Guide) -> Page:
    """The steps to a token, numbered, each with its link, and what is special about this place."""
    blocks: list[Block] = [line(Span(guide.heading, "strong"))]
    if guide.note:
        blocks.append(line(Span("Note: ", "warning"), guide.note))
        blocks += [line(command) for command in guide.recall]
    return Page((*blocks, Steps(tuple(map(_step, guide.steps)))))


def _step(step: Step) -> tuple[Line, ...]:
    title = line(Span(f"{step.title}: ", "strong"), step.todo)
    return (title, line(Span(step.url, "link"))) if step.url else (title,)


def again_page(problem: str) -> Page:
    """What an odd answer to a prompt gets, while it may be answered again."""
    return Page(
        (
            line(Span("! ", "warning"), _sentence(problem)),
            line(Span("Nothing was changed. Try again, or answer with nothing to cancel.", "dim")),
        )
    )


def _sentence(text: str) -> str:
    text = text.replace(" Nothing was changed.", "")
    is_host = "." in text.partition(" ")[0]
    return text if is_host else text[:1].upper() + text[1:]
