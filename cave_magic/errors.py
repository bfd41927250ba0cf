"""What can stop a magic: errors named for what happened and shown in one line.

They are ordinary exceptions: code can catch them, and a failed cell stops "Run All". But IPython shows what
`_render_traceback_` returns, one sentence without frames, because frames could quote a token.
"""

from __future__ import annotations

import sys
from types import TracebackType


class CaveMagicError(Exception):
    """A magic could not do its job. The message says what is wrong, then what to do."""

    def _render_traceback_(self) -> list[str]:
        if getattr(sys, "last_value", None) is self:
            sys.last_traceback = None  # IPython's own frames contain the line as it was typed
        return [f"{type(self).__name__}: {self}"]

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
    """The auth server rejected the token; `why` says so, and where to get another one."""

    why = ""


class TokenNotChecked(CaveMagicError):
    """The server could not check the token, so it was not saved; `why` says what happened instead."""

    why = ""


class TokenExists(CaveMagicError):
    """Another token is saved for this server, and nobody allowed replacing it."""


class TokenNotSaved(CaveMagicError):
    """The files could not be written, or caveclient does not read the token from them."""


class ServerInTrouble(CaveMagicError):
    """The server could not be reached, or its response says nothing about the token."""


class NoToken(CaveMagicError):
    """No token is stored for this server."""


class CheckFailed(CaveMagicError):
    """A check of `%cave_check --strict` failed."""
