"""The line that shows an error."""

from __future__ import annotations

from ...errors import Cancelled, CaveMagicError
from ...ui.document import Line, Span, as_sentence, line


def failure_line(error: CaveMagicError) -> Line:
    """What went wrong and what to do, in the style of every page; grey if the person cancelled, which is no failure."""
    words = as_sentence(line(*error.args))
    if isinstance(error, Cancelled):
        return tuple(Span(span.text, span.style or "dim") for span in words)
    return line(Span("✘ ", "failed"), words)
