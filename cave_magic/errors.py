"""What can stop a magic, each error named for what happened and shown in one line.

Every error is an ordinary exception: code can catch it, a failed cell stops "Run All". Only its picture is
special: IPython asks `_render_traceback_` and gets the sentence, never frames, which could quote a token.
"""

from __future__ import annotations

import sys
from types import TracebackType


class CaveMagicError(Exception):
    """A magic could not do its job. The message says what is, then what to do."""

    def _render_traceback_(self) -> list[str]:
        if getattr(sys, "last_value", None) is self:
            sys.last_traceback = None  # IPython's own frames hold the line as it was typed
        return [f"{type(self).__name__}: {self}"]

    @property
    def __traceback__(self) -> None:
        """None, also where this error is shown as the reason of another one: the frames hold what was typed."""
        return

    @__traceback__.setter
    def __traceback__(self, frames: TracebackType | None) -> None:
        BaseException.__dict__["__traceback__"].__set__(self, frames)


class BadInput(CaveMagicError):
    """What was typed cannot be understood: an unknown word, a malformed address, a missing file or variable."""


class Cancelled(CaveMagicError):
    """The person answered nothing, said no or interrupted; the message says what had been done until then."""


class NobodyToAsk(CaveMagicError):
    """A question came up where no front end can answer it (papermill, nbconvert, a pipe)."""


class NotAToken(CaveMagicError):
    """What came in is not a token: a placeholder, a part of one, something else."""


class TokenRejected(CaveMagicError):
    """The auth server itself said that it does not know this token; `why` says so, and where to get another one."""

    why = ""


class TokenNotChecked(CaveMagicError):
    """The server could not be asked about the token, so it was not saved; `why` is what came in place of an answer."""

    why = ""


class TokenExists(CaveMagicError):
    """Another token is saved for this server, and nobody said that it may be replaced."""


class TokenNotSaved(CaveMagicError):
    """The files could not be written, or do not give the token back; the message says whether they are as they were."""


class ServerInTrouble(CaveMagicError):
    """The server could not be asked, or gave an answer that says nothing about the token."""


class NoToken(CaveMagicError):
    """No token is stored for the server that was asked."""


class CheckFailed(CaveMagicError):
    """`%cave_check --strict` found something that failed."""
