"""The code blocks of a page in Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLOCK = r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$'


@dataclass(frozen=True, kw_only=True)
class Block:
    """A code block.

    Attributes:
        language: such as "python".
        title: the name of the file that it is part of, or "".
        text: what is in it.
        shows: the output that the page shows after it, or None.
    """

    language: str
    title: str
    text: str
    shows: str | None


def blocks_of(page: str) -> list[Block]:
    """The code blocks of a page, in order."""
    found = list(re.finditer(_BLOCK, page, re.DOTALL | re.MULTILINE))
    blocks = []
    for number, one in enumerate(found):
        following = found[number + 1] if number + 1 < len(found) else None
        is_output = following is not None and following[1] == "text" and not page[one.end() : following.start()].strip()
        shows = following[3].strip() if following and is_output else None
        blocks.append(Block(language=one[1], title=one[2] or "", text=one[3].rstrip("\n"), shows=shows))
    return blocks
