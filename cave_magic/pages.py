"""The pages of `%cave_setup`, `%cave_save` and `%cave_whoami`: guides, cards and who you are, in words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from . import cave
from .checks.account import ends_by, is_login_token
from .evidence import ServerFacts
from .guide import Guide
from .login import Checked
from .render import Line, Page, Table, Word, go_on, line
from .servers import host_of
from .store import Saved, show_path
from .tokens import Token


def guide_page(guide: Guide) -> Page:
    """The steps to a token, numbered, each with its link."""
    blocks: list[Line | Table] = [line(Word(guide.heading, "strong"))]
    for number, step in enumerate(guide.steps, 1):
        blocks.append(line(Word(f"{number}. {step.title}  ", "strong"), step.todo))
        if step.url:
            blocks.append(line("   ", Word(step.url, "link")))
    return Page(tuple(blocks))


def card_page(checked: Checked, saved: Saved) -> Page:
    """Where a set-up ends: who, where, what, and the line to go on with."""
    head = "This token is already saved." if saved.unchanged else "You are set up."
    blocks: list[Line | Table] = [line(Word(f"✔ {head}", "ok"))]
    rows = [
        ("you", line(checked.account.label)),
        ("server", line(host_of(checked.target.server))),
        ("token", line(_ends_in(checked.token) + f"in {show_path(saved.written[0])}")),
        ("can read", line(_readable(checked.account.permissions))),
    ]
    blocks.append(Table(tuple((line(Word(name, "dim")), words) for name, words in rows)))
    blocks += _remarks(checked, saved)
    blocks.append(line("Go on with: ", Word(go_on(checked.target.datastack), "command")))
    return Page(tuple(blocks))


def _remarks(checked: Checked, saved: Saved) -> list[Line]:
    """What the person should know or still do."""
    found: list[Line] = []
    if checked.terms is not None:
        found.append(line(Word("One thing is left: ", "warning"), "accept the terms of service at"))
        found.append(line("   ", Word(checked.terms.url, "link")))
    elif not checked.opens:
        name = checked.target.datastack
        found.append(line(Word(f"{name} cannot be read yet. ", "warning"), "To see why: ", Word(f"%cave_check {name}", "command")))
    if checked.permanent is False:
        page = cave.tokens_page(checked.target.server)
        found.append(line(Word("This is a log-in token: it ends within 7 days. ", "warning"), "A permanent one is made at"))
        found.append(line("   ", Word(page, "link")))
    for name, before in saved.remapped.items():
        found.append(line(Word("Note: ", "warning"), f"{name} was opened on {before} until now"))
    for path in saved.backups:
        found.append(line(Word("Note: ", "warning"), f"a file that was not valid JSON was kept as {show_path(path)}"))
    return found


def unchecked_page(token: Token, server: str, saved: Saved) -> Page:
    """What `%cave_save --no-check` says."""
    head = "Already saved" if saved.unchanged else "Saved"
    where = f"{head}, but not checked: the token {_ends_in(token)}in {show_path(saved.written[0])}"
    return Page(
        (
            line(Word("! ", "warning"), where),
            line(f"When {host_of(server)} can be reached: ", Word("%cave_check", "command")),
        )
    )


def status_page(facts: ServerFacts, command: str) -> Page:
    """What `%cave_setup` alone says when nothing is needed."""
    label = facts.account.label if facts.account else ""
    return Page(
        (
            line(Word("✔ Nothing is needed. ", "ok"), f"The stored token works on {facts.host}: {label}"),
            line("Go on with: ", Word(go_on(facts.target.datastack), "command")),
            line("To use another account: ", Word(command, "command")),
        )
    )


def whoami_page(facts: ServerFacts) -> Page:
    """Who the stored token belongs to, where it comes from and what it opens."""
    account, stored = facts.account, facts.stored
    assert account is not None and stored.token is not None and stored.source is not None
    number = f" (id {account.id})" if account.id is not None else ""
    rows = [
        ("you", line(Word(account.name, "strong"), number)),
        ("e-mail", line(account.email or "(none)")),
        ("server", line(facts.address)),
        ("token", line(_ends_in(stored.token) + f"from {show_path(stored.source.path)}")),
        ("kind", line(_kind(facts))),
        ("can read", line(_readable(account.permissions))),
    ]
    rows += [("unsigned", (*line(f"{terms.dataset or terms.name}: "), Word(terms.url, "link"))) for terms in account.unsigned]
    rows += [("not read", line(text)) for text in _ignored(facts)]
    if account.service_account:
        rows.insert(2, ("", line("a service account")))
    return Page((Table(tuple((line(Word(name, "dim")), words) for name, words in rows)),))


def _kind(facts: ServerFacts) -> str:
    login = is_login_token(facts)
    if login is None:
        return "could not be told"
    if not login:
        return "a permanent token"
    until: datetime | None = ends_by(facts)
    return "a log-in token, which ends " + (f"by {until:%d %B %Y} at the latest" if until else "within 7 days")


def _ignored(facts: ServerFacts) -> Iterable[str]:
    """Tokens that lie about and are not used."""
    stored = facts.stored
    for file in stored.files:
        if stored.source is None or file.path == stored.source.path or file.token is None:
            continue
        same = "the same token" if file.token == stored.token else "another token" + _ending_of(file.token)
        yield f"{file.name} ({same})"
    for name in facts.machine.token_variables:
        yield f"{name} in the environment"


def _ending_of(token: Token) -> str:
    return f", ends in {token.ending}" if token.ending else ""


def _ends_in(token: Token) -> str:
    return f"ends in {token.ending}, " if token.ending else ""


def _readable(permissions: dict[str, tuple[str, ...]]) -> str:
    if not permissions:
        return "nothing yet: this account has no permission"
    names = sorted(permissions)
    shown = [f"{name} ({', '.join(permissions[name])})" for name in names[:12]]
    return ", ".join(shown) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def revealed_page(token: Token) -> Page:
    """What `--reveal` adds: a warning, and the token."""
    return Page(
        (
            line(Word("Anyone who reads the next line can use your account. Clear this output before you share it.", "warning")),
            line(token.reveal()),
        )
    )
