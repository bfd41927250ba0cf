"""The page of `%cave_whoami`: account, token, permissions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ...api import responses
from ...credentials.locations import Role
from ...credentials.stored_tokens import OtherFile
from ...credentials.token_files import secrets_folder, show_path
from ...doctor.checks.account import expires_by, is_temporary
from ...doctor.evidence import ServerFacts
from ...token import Token
from ...ui.document import Line, Page, Table, Word, line


def fact_table(rows: Iterable[tuple[str, Line]], name: str) -> Table:
    """A table of titles and what is known under them."""
    return Table(tuple((line(Word(title, "dim")), words) for title, words in rows), name)


def whoami_page(facts: ServerFacts, others: Iterable[OtherFile] = ()) -> Page:
    """Who the stored token belongs to, where it comes from and what it opens; `others` are the other files with one."""
    account, stored = facts.account, facts.stored
    if account is None or stored.token is None or stored.source is None:
        raise ValueError("nobody is logged in")
    number = f" (id {account.id})" if account.id is not None else ""
    rows = [
        ("you", line(Word(account.name, "strong"), number)),
        ("e-mail", line(account.email or "(none)")),
        ("server", line(facts.address)),
        ("token", line(f"{_kind(facts)}{_ending_of(stored.token)}")),
        ("file", line(show_path(stored.source.path))),
        ("can read", line(readable(account.permissions))),
    ]
    for terms in account.unsigned:
        rows.append(("unsigned", line(f"{terms.dataset or terms.name}: ", Word(terms.url, "link"))))
    rows += [_other_row(one) for one in others]
    rows += [("not read", line(f"{name} in the environment")) for name in facts.machine.token_variables]
    if account.service_account:
        rows.insert(2, ("", line("a service account")))
    return Page((fact_table(rows, "who you are"),))


def _kind(facts: ServerFacts) -> str:
    login = is_temporary(facts)
    if login is None:
        return "of a kind that could not be told"
    if not login:
        return "a permanent token"
    until: datetime | None = expires_by(facts)
    return "a log-in token that ends " + (f"by {until:%d %B %Y} at the latest" if until else responses.WITHIN)


def _other_row(other: OtherFile) -> tuple[str, Line]:
    """Another file with a token: with this one, with one that other programs send, or with one that nobody reads."""
    file = other.file
    name = file.name if file.path.parent == secrets_folder() else show_path(file.path)
    if other.same or file.meant is None:
        return "also in", line(name)
    title = "cloud-volume" if other.role in (Role.DATA_SERVER, Role.READER) else "not read"
    return title, line(f"{name} (another token{_ending_of(file.meant)})")


def _ending_of(token: Token) -> str:
    return f", ends in {token.ending}" if token.ending else ""


def readable(permissions: dict[str, tuple[str, ...]]) -> str:
    """The datasets that an account can read, in words."""
    if not permissions:
        return "nothing yet: this account has no permission"
    names = sorted(permissions)
    shown = [f"{name} ({', '.join(permissions[name])})" for name in names[:12]]
    return ", ".join(shown) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def revealed_page(token: Token) -> Page:
    """What `--reveal` adds: a warning, and the token."""
    warning = "Anyone who reads the next line can use your account. Clear this output before you share it."
    return Page((line(Word(f"! {warning}", "warning")), line(Word(token.reveal(), "command"))))
