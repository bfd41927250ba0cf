"""The words of a line that are not options: datastacks, deployments, and what kind of set-up it is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from ..credentials.datastack_map import read_map
from ..deployments import DEPLOYMENTS, KNOWN_DATASTACKS, datastack_called
from ..errors import BadInput
from ..ui.door import name_here
from . import KINDS

_KINDS = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"

SEVERAL = ("cave_check",)
"""The magics that take several datastacks; the others are about one."""


def read_words(magic: str, words: Iterable[str], options: Sequence[str], server: str) -> tuple[str | None, list[str]]:
    """The kind of set-up, or None, and the datastacks.

    A datastack that the server may know and this computer does not is accepted where it cannot be another word.

    Args:
        magic: the name of the magic.
        words: as they were typed; a comma separates words, too.
        options: those of the magic.
        server: the address that the line or the settings name, or "".
    Raises:
        BadInput: a word is misspelled, or there is one too many. The message quotes known words only, never what was
            typed.
    """
    parts = [part for word in words for part in word.split(",") if part]
    kinds = [part for part in parts if magic == "cave_setup" and part in KINDS]
    names = [part for part in parts if part not in kinds]
    if len(kinds) > 1:
        raise BadInput(f"give one of {_KINDS}.")
    meant = [datastack_meant(name, server) for name in names]
    for at, name in enumerate(meant):
        if not is_known(name):
            others = [*kinds, *filter(is_known, meant[:at] + meant[at + 1 :])]
            _refuse_misspelled(magic, name, others, options, server)
    if magic not in SEVERAL and len(set(meant)) > 1:
        raise BadInput(f"{name_here(magic)} takes one datastack at a time.")
    return (kinds[0] if kinds else None), list(dict.fromkeys(meant))


def datastack_meant(word: str, server: str = "") -> str:
    """The datastack that a word means: `microns` is minnie65_public, unless there is a datastack with that name."""
    return word if is_known(word) else datastack_called(word, server) or word


def is_known(name: str) -> bool:
    """Whether this computer knows a datastack with this name."""
    return name in KNOWN_DATASTACKS or name in read_map().entries


def _refuse_misspelled(magic: str, word: str, others: list[str], options: Sequence[str], server: str) -> None:
    """Raises BadInput if a word is a misspelled word of the magic, or if the magic cannot use it."""
    is_kind = magic == "cave_setup" and not set(KINDS) & set(others)
    near = get_close_matches(word, KINDS, n=1, cutoff=0.6) if is_kind else []
    near = near or [option for option in options if option == f"--{word.lower()}"]
    if not near and not server and magic not in SEVERAL:  # a check asks the server, and prints any name as a word
        names = (*KNOWN_DATASTACKS, *(part.lower() for one in DEPLOYMENTS for part in one.names))
        near = [name for name in get_close_matches(word.lower(), names, n=3, cutoff=0.8) if _letters(name, word)][:1]
    if near:
        from ..doctor import next_steps  # lazily: the requests of a right line are sent first

        line = next_steps.magic(magic, *(near + others if near[0] in KINDS else others + near))
        raise BadInput(f"{name_here(magic)} does not know one of these words. Did you mean {near[0]}? ", line)
    if not server and (is_kind or magic == "cave_whoami"):
        takes = f"{_KINDS}, and" if is_kind else "only"
        raise BadInput(
            f"{name_here(magic)} takes {takes} the name of a datastack that is known here. "
            "For any other datastack, name its server with --server."
        )


def _letters(name: str, word: str) -> bool:
    """Whether two names differ in more than their numbers: minnie65_phase3_v2 is not a misspelled v1."""
    return re.sub(r"\d", "", name) != re.sub(r"\d", "", word.lower())
