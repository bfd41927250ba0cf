"""The page of `%cave_whoami`: the account, the token, the permissions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...api.responses import VIEW
from ...credentials.locations import Role
from ...credentials.stored_tokens import OtherFile
from ...credentials.token_files import secrets_folder, show_path
from ...token import Token
from ...ui.document import Line, Page, Span, Table, line, some_of
from ...ui.redact import sanitize

if TYPE_CHECKING:
    from ...doctor.evidence import ServerFacts


def fact_table(rows: Iterable[tuple[str, Line]], name: str) -> Table:
    """A table of titles and values."""
    return Table(tuple((line(Span(title, "dim")), words) for title, words in rows), name)


def whoami_page(facts: ServerFacts, others: Iterable[OtherFile] = ()) -> Page:
    """The account of the stored token, its file and its permissions; `others` are other files with a token."""
    account, stored = facts.account, facts.stored
    if account is None or stored.token is None or stored.source is None:
        raise ValueError("nobody is signed in")
    number = f" (id {account.id})" if account.id is not None else ""
    rows = [
        ("you", line(Span(account.name.text, "strong"), number)),
        ("e-mail", line(account.email if account.email.text else "(none)")),
        ("server", line(facts.address)),
        ("token", line(f"{_kind(facts)}{_ending_of(stored.token)}")),
        ("file", line(show_path(stored.source.path))),
        ("can read", line(readable(account.permissions))),
    ]
    for terms in account.unsigned:
        rows.append(("terms to accept", line(terms.dataset or sanitize(terms.name), ": ", Span(terms.url, "link"))))
    rows += [_other_row(one) for one in others]
    rows += [("not used", line(f"{name} in the environment")) for name in facts.other_variables]
    if account.service_account:
        rows.insert(2, ("", line("a service account")))
    return Page((fact_table(rows, "who you are"),))


def _kind(facts: ServerFacts) -> str:
    from ...doctor.checks.account import expiry, is_temporary

    temporary = is_temporary(facts)
    if temporary is None:
        return "unknown type"
    return f"a temporary token that expires {expiry(facts)}" if temporary else "a permanent token"


def _other_row(other: OtherFile) -> tuple[str, Line]:
    """Another file: with a copy of the token, with a token for cloud-volume, or with one that no program reads."""
    file = other.file
    name = file.name if file.path.parent == secrets_folder() else show_path(file.path)
    if other.same or file.meant is None:
        return "copy in", line(name)
    title = "cloud-volume" if other.role in (Role.DATA_SERVER, Role.READER) else "not used"
    return title, line(f"{name} (another token{_ending_of(file.meant)})")


def _ending_of(token: Token) -> str:
    return f", ends in {token.ending}" if token.ending else ""


def readable(permissions: dict[str, tuple[str, ...]]) -> str:
    """The datasets that an account can read."""
    if not permissions:
        return "nothing yet: this account has no permissions"
    return some_of([name + _more_rights(rights) for name, rights in sorted(permissions.items())], 12)


def _more_rights(rights: tuple[str, ...]) -> str:
    """What the account may do besides reading."""
    more = [right for right in rights if right != VIEW]
    return f" (also {', '.join(more)})" if more and VIEW in rights else f" ({', '.join(more)} only)" if more else ""


def revealed_page(token: Token) -> Page:
    """The page of `--reveal`: a warning, and the token."""
    warning = "Anyone who reads the next line can use your account. Clear this output before you share it."
    return Page((line(Span(f"! {warning}", "warning")), line(Span(token.reveal(), "command"))))
