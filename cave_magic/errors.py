"""The errors that can stop a magic: named for what happened, and shown as a page without frames or a class name.

They are ordinary exceptions: code can catch them, and a failed cell stops "Run All". IPython shows only what
`_render_traceback_` returns, because frames could quote a token.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any


class CaveMagicError(Exception):
    """A magic could not do its job. The message says what is wrong, then what to do.

    Args:
        parts: the message in pieces: strings, and spans of `ui.document` for what has a style, such as a command.
    Attributes:
        rendered: the lines that a front end shows, once it is known.
    """

    rendered: Sequence[str] = ()

    def __str__(self) -> str:
        return "".join(part.text if hasattr(part, "text") else str(part) for part in self.args)

    def _render_traceback_(self) -> list[str]:
        if getattr(sys, "last_value", None) is self:
            sys.last_traceback = None  # IPython's own frames contain the line as it was typed
        return ["\n".join(self.rendered) or str(self)]  # one, since `%xmode Plain` joins several without a line break

    @property
    def __traceback__(self) -> None:
        """None, even if this error is shown as the cause of another one: the frames contain what was typed."""
        return

    @__traceback__.setter
    def __traceback__(self, frames: TracebackType | None) -> None:
        BaseException.__dict__["__traceback__"].__set__(self, frames)


class BadInput(CaveMagicError):
    """The input is wrong: an unknown word, a malformed address, a missing file or variable."""


class Cancelled(CaveMagicError):
    """The person gave no answer, said no or interrupted; the message says what had been done by then."""


class NobodyToAsk(CaveMagicError):
    """A question came up, but nobody can answer it (papermill, nbconvert, a pipe)."""


class NotAToken(CaveMagicError):
    """The input is not a token: a placeholder, part of a token, something else."""


class TokenRejected(CaveMagicError):
    """The auth server rejected the token; `why` says so, and where to get another one, in parts."""

    why: Sequence[Any] = ()


class TokenNotChecked(CaveMagicError):
    """The server could not check the token, so it was not saved; `why` says what happened instead.

    `is_unreachable`: whether the reason may be this computer's network.
    """

    why = ""
    is_unreachable = False


class TokenExists(CaveMagicError):
    """Another token is saved for this server, and nobody allowed replacing it."""


class TokenNotSaved(CaveMagicError):
    """The files could not be written, or caveclient does not read the token from them."""


class TokenNotSent(CaveMagicError):
    """The token was not sent to the workers of a cluster: others could read it, or a worker could not use it."""


class ServerInTrouble(CaveMagicError):
    """The server could not be reached, or its response says nothing about the token.

    `why` says so without a next step, if it created no token.
    """

    why = ""


class NoToken(CaveMagicError):
    """No token is stored for this server."""


class CheckFailed(CaveMagicError):
    """A check of `%cave_check --strict` failed."""
