"""The page of `%cave_whoami`: account, token, permissions."""

from __future__ import annotations

from collections.abc import Iterable

from ...credentials.token_files import show_path
from ...doctor.checks.account import expiry, is_temporary
from ...doctor.evidence import ServerFacts
from ...redact import sanitize
from ...token import Token
from ...ui.document import Line, Page, Span, Table, line


def fact_table(rows: Iterable[tuple[str, Line]], name: str) -> Table:
    """A table of titles and what is known under them."""
    return Table(tuple((line(Span(title, "dim")), words) for title, words in rows), name)


def whoami_page(facts: ServerFacts) -> Page:
    """Who the stored token belongs to, where it comes from and what it opens."""
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
        rows.append(("unsigned", line(terms.dataset or sanitize(terms.name), ": ", Span(terms.url, "link"))))
    rows += [(title, line(text)) for title, text in _elsewhere(facts)]
    if account.service_account:
        rows.insert(2, ("", line("a service account")))
    return Page((fact_table(rows, "who you are"),))


def _kind(facts: ServerFacts) -> str:
    temporary = is_temporary(facts)
    if temporary is None:
        return "of unknown type"
    return f"a temporary token that expires {expiry(facts)}" if temporary else "a permanent token"


def _elsewhere(facts: ServerFacts) -> Iterable[tuple[str, str]]:
    """Other tokens on this computer, beside the one that is used."""
    stored = facts.stored
    for file in stored.files:
        if stored.source is None or file.path == stored.source.path or file.token is None:
            continue
        if file.token == stored.token:
            yield "also in", file.name
        else:
            yield "not read", f"{file.name} (another token{_ending_of(file.token)})"
    for name in facts.machine.token_variables:
        yield "not read", f"{name} in the environment"


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
    return Page((line(Span(f"! {warning}", "warning")), line(Span(token.reveal(), "command"))))
