"""The notebook in which a check runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..token import Token

if TYPE_CHECKING:
    from ..credentials.scrub import LeftoverToken


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookSession:
    """The notebook in which the check runs.

    Attributes:
        variables: name -> value, to find clients that were made with another token.
        find_left: stored tokens -> those left in its history and file.
        scrub_left: removes them.
        can_ask: whether the user can answer a prompt.
    """

    variables: Mapping[str, object] = field(default_factory=dict)
    find_left: Callable[[Iterable[Token]], tuple[LeftoverToken, ...]] = lambda tokens: ()
    scrub_left: Callable[[Iterable[Token]], object] = lambda tokens: None
    can_ask: bool = True


NO_NOTEBOOK = NotebookSession()
