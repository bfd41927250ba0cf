"""What the commands found out, as objects: for scripts, for `--json`, and for the functions of `cave_magic`.

They contain only the last characters of a token, so they can be shown, stored and pickled.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from ..doctor.model import Shown
from ..ui.document import Line, Page


class CommandOutcome(Shown):
    """An object that shows itself as the page of its command."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as plain data, for JSON."""
        whole: dict[str, Any] = asdict(self)  # type: ignore[call-overload]
        return {name: value for name, value in whole.items() if name not in ("page", "why")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(CommandOutcome):
    """Whose token this computer sends to a server, as `%cave_whoami` shows it.

    Attributes:
        server: the address of the server.
        ok: whether the server accepted the token.
        account: {"name", "email", "id"}, or None if it is unknown.
        token: the last characters of the token; "" without one.
        permanent: False for a temporary token, None if that is unknown.
        expires: when a temporary token expires, in words; "" for others.
        file: the file that the token is read from; "" without one.
        others: other files with another token that programs send to this server, and its account; only with `--all`.
        datasets: dataset -> the rights of the account.
        terms: the pages of the terms of service that are not accepted yet.
        problem: what is wrong, with the next step; "" if all is well.
        why: the same with its styles.
        page: how it is shown.
    """

    server: str
    ok: bool
    account: dict[str, Any] | None = None
    token: str = ""
    permanent: bool | None = None
    expires: str = ""
    file: str = ""
    others: tuple[str, ...] = ()
    datasets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    terms: tuple[str, ...] = ()
    problem: str = ""
    why: Line = field(default=(), repr=False)
    page: Page = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedToken(CommandOutcome):
    """What was saved, as the last page of `%cave_save` shows it.

    Attributes:
        server: the address of the server.
        token: the last characters of the token.
        files: the files that contain the token now; the one that CAVEclient reads comes first.
        unchanged: whether all of them contained it already.
        account: {"name", "email", "id"}, or None if the token was not checked.
        page: how it is shown.
    """

    server: str
    token: str
    files: tuple[str, ...]
    unchanged: bool
    account: dict[str, Any] | None = None
    page: Page = field(repr=False)
