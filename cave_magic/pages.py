"""The pages of `%cave_setup`, `%cave_save` and `%cave_whoami`: guides, cards and who you are, in words."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from . import answers, lines, routes
from .addresses import host_of
from .answers import Terms
from .checks.account import ends_by, is_login_token
from .checks.token import save_this, set_up
from .evidence import ServerFacts
from .guide import Guide, Step
from .login import Checked
from .page import Block, Line, Page, Steps, Table, Word, line
from .report_page import go_on_words, remedy_words
from .store import Saved, show_path
from .target import Target, again
from .tokens import Token


def guide_page(guide: Guide) -> Page:
    """The steps to a token, numbered, each with its link, and what is special about this place."""
    blocks: list[Block] = [line(Word(guide.heading, "strong"))]
    if guide.note:
        blocks.append(line(Word("Note: ", "warning"), guide.note))
        blocks += [line(Word(command, "command")) for command in guide.recall]
    return Page((*blocks, Steps(tuple(map(_step, guide.steps)))))


def _step(step: Step) -> tuple[Line, ...]:
    title = line(Word(f"{step.title}: ", "strong"), step.todo)
    return (title, line(Word(step.url, "link"))) if step.url else (title,)


def card_page(checked: Checked, saved: Saved, works: bool = True) -> Page:
    """Where a set-up ends: who, where, what, and the line to go on with, or the step that is left.

    Args:
        checked: the token and what it opens.
        saved: where it is stored now.
        works: whether CAVEclient can be imported here.
    """
    target = again(checked.target)
    done = works and checked.opens
    rows = [
        ("you", line(checked.account.label)),
        ("server", line(host_of(target.server))),
        *_token_rows(checked.token, saved),
        ("can read", line(_readable(checked.account.permissions))),
    ]
    last = go_on_words(target) if done else _step_left(target, checked.terms)
    return Page((_headline(saved, done, checked), _facts(rows, "your access"), *_remarks(checked, saved), last))


def _headline(saved: Saved, done: bool, checked: Checked) -> Line:
    if done:
        return line(Word("✔ This token is already saved." if saved.unchanged else "✔ You are set up.", "done"))
    token = "This token is already saved." if saved.unchanged else "Token saved."
    if checked.terms is not None:
        return line(Word(f"! {token} One step left.", "warning"))
    name = checked.target.datastack
    missing = "CAVEclient cannot be imported yet." if checked.opens else f"{name} cannot be read yet."
    return line(Word(f"! {token} {missing}", "warning"))


def _step_left(target: Target, terms: Terms | None) -> Line:
    """What to do before the datastack can be read."""
    check = Word(lines.check(target), "command")
    if terms is None:
        return line(Word("Next: ", "strong"), check, " says why")
    accept = f"accept the terms of service of {target.datastack} at "
    return line(Word("Next: ", "strong"), accept, Word(terms.url, "link"), ", then ", check)


def _facts(rows: Iterable[tuple[str, Line]], name: str) -> Table:
    return Table(tuple((line(Word(title, "dim")), words) for title, words in rows), name)


def _token_rows(token: Token, saved: Saved) -> list[tuple[str, Line]]:
    ending = [("token", line(f"ends in {token.ending}"))] if token.ending else []
    return [*ending, ("file", line(show_path(saved.written[0])))]


def _remarks(checked: Checked, saved: Saved) -> list[Line]:
    """What the person should know or still do."""
    found: list[Line] = []
    if checked.permanent is False:
        link = Word(routes.tokens_page(checked.target.server), "link")
        short = Word(f"This token is temporary, and expires {answers.WITHIN}. ", "warning")
        found.append(line(short, "A permanent one is made at ", link))
    for moved, before in saved.remapped.items():
        found.append(line(Word("Note: ", "warning"), f"{moved} was opened on {before} until now"))
    for path in saved.backups:
        found.append(line(Word("Note: ", "warning"), f"a file that was not valid JSON was kept as {show_path(path)}"))
    return found


def unchecked_page(token: Token, target: Target, saved: Saved) -> Page:
    """What `%cave_save --no-check` says."""
    head = "! Already saved, but not checked." if saved.unchanged else "! Saved, but not checked."
    rows = [("server", line(host_of(target.server))), *_token_rows(token, saved)]
    then = line("When the server can be reached: ", Word(lines.check(target), "command"))
    return Page((line(Word(head, "warning")), _facts(rows, "what was saved"), then))


def status_page(facts: ServerFacts) -> Page:
    """What `%cave_setup` alone says where a token is stored that works."""
    label, target, info = facts.account.label if facts.account else "", facts.target, facts.info
    terms = answers.terms_in(info.data, facts.address) if info and info.code == "missing_tos" else None
    opens = info is not None and bool(answers.local_server_in(info)) and not _is_old(facts)
    works = not facts.machine.caveclient_problem and not facts.disagrees
    said = f"The stored token works on {facts.host}: {label}"
    if opens and works:
        other = lines.setup(target, "existing")
        return Page(
            (
                line(Word("✔ Nothing is needed. ", "done"), said),
                go_on_words(target),
                line("To use another account: ", Word(other, "command")),
            )
        )
    name = target.datastack
    missing = "One step is left. " if terms else "CAVEclient does not work. " if opens else f"{name} cannot be read. "
    return Page((line(Word(f"! {missing}", "warning"), said), _step_left(target, terms)))


def _is_old(facts: ServerFacts) -> bool:
    """Whether the info service still opens the datastack, against what the auth server says now."""
    dataset = facts.datasets.get(facts.target.datastack, "")
    return bool(facts.account and facts.info and answers.contradicts(facts.account, facts.info, dataset))


def advice_page(facts: ServerFacts) -> Page:
    """What `%cave_setup` alone says when something is needed."""
    why = line(Word(_why_not(facts), "strong"))
    if not facts.machine.can_ask:
        return Page((why, line(Word("Next: ", "strong"), *remedy_words(set_up(facts)))))
    new, existing = (Word(lines.setup(facts.target, kind), "command") for kind in ("new", "existing"))
    rows = [
        (line(new), line("no account yet, or the terms of service not accepted")),
        (line(existing), line("an account, and a token on another computer or lost")),
    ]
    if facts.near is not None:
        save = save_this(facts, facts.near).text
        rows.insert(0, (line(Word(save, "command")), line("a token that works is in that file")))
    return Page((why, Table(tuple(rows), "which of them to type")))


def _why_not(facts: ServerFacts) -> str:
    """Why the set-up is not complete, by what was really found."""
    stored, answer = facts.stored, facts.identity
    if stored.blocker is not None:
        return f"{stored.blocker.fault}, so no token can be read from it."
    if stored.token is None or stored.belongs_to:
        return f"No token is stored for {facts.host}."
    if answer is not None and answer.code == "invalid_token":
        return f"{facts.host} does not know the stored token."
    if stored.token.oddity and (answer is None or answer.code in answers.REFUSALS or not answer.is_json):
        return f"The stored token {stored.token.oddity}, so it cannot work."
    why = f": {answer.sentence}" if answer is not None else ""
    return f"Whether the stored token works could not be found out{why}."


def again_page(problem: str) -> Page:
    """What an odd answer to a prompt gets, while it may be answered again."""
    return Page(
        (
            line(Word("! ", "warning"), _sentence(problem)),
            line(Word("Nothing was changed. Try again, or answer with nothing to cancel.", "dim")),
        )
    )


def _sentence(text: str) -> str:
    text = text.replace(" Nothing was changed.", "")
    is_host = "." in text.partition(" ")[0]
    return text if is_host else text[:1].upper() + text[1:]


def whoami_page(facts: ServerFacts) -> Page:
    """Who the stored token belongs to, where it comes from and what it opens."""
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
        ("can read", line(_readable(account.permissions))),
    ]
    for terms in account.unsigned:
        rows.append(("unsigned", line(f"{terms.dataset or terms.name}: ", Word(terms.url, "link"))))
    rows += [(title, line(text)) for title, text in _elsewhere(facts)]
    if account.service_account:
        rows.insert(2, ("", line("a service account")))
    return Page((_facts(rows, "who you are"),))


def _kind(facts: ServerFacts) -> str:
    login = is_login_token(facts)
    if login is None:
        return "of a kind that could not be told"
    if not login:
        return "a permanent token"
    until: datetime | None = ends_by(facts)
    return "a log-in token that ends " + (f"by {until:%d %B %Y} at the latest" if until else answers.WITHIN)


def _elsewhere(facts: ServerFacts) -> Iterable[tuple[str, str]]:
    """Tokens that lie about beside the one that is used."""
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


def _readable(permissions: dict[str, tuple[str, ...]]) -> str:
    if not permissions:
        return "nothing yet: this account has no permission"
    names = sorted(permissions)
    shown = [f"{name} ({', '.join(permissions[name])})" for name in names[:12]]
    return ", ".join(shown) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def revealed_page(token: Token) -> Page:
    """What `--reveal` adds: a warning, and the token."""
    warning = "Anyone who reads the next line can use your account. Clear this output before you share it."
    return Page((line(Word(f"! {warning}", "warning")), line(Word(token.reveal(), "command"))))
