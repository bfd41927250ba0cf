"""The pages about tokens: those of an account, and what replacing or removing one does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ...api import endpoints
from ...api.responses import ListedToken
from ...credentials.removal import Removal
from ...credentials.token_files import show_path
from ...doctor import next_steps
from ...doctor.checks.account import expiry, is_temporary
from ...doctor.evidence import ServerFacts
from ...login import pages
from ...token import Token
from ...ui.document import Block, Line, Page, Span, Table, joined, line


def ending(token: Token) -> str:
    """` ending in 4f2a`, to follow "the token"; "" if its last characters cannot be shown."""
    return f" ending in {token.ending}" if token.ending else ""


def revoking(facts: ServerFacts, token: Token) -> Span:
    """The line that revokes a token which this computer does not use, or the page if its ending is not enough."""
    if not token.ending or sum(key.token.ending == token.ending for key in facts.listed_tokens or ()) > 1:
        return Span(endpoints.tokens_page(facts.target.server), "link")
    return next_steps.end(facts.target, "remove", *next_steps.by_ending(token), can_ask=facts.machine.can_ask)


def tokens_page(facts: ServerFacts, where: Mapping[Token, str]) -> Page:
    """The page of `%cave_whoami --tokens`, the one in use first; `where`: which are on this computer, and where."""
    target, sent = facts.target, facts.stored.token
    listed = sorted(facts.listed_tokens or (), key=lambda key: key.token != sent)
    blocks: list[Block] = [pages.tokens_table(listed, where)] if listed else [line("You have no permanent token.")]
    if is_temporary(facts) and facts.stored.token is not None:
        stored = f"This computer sends a temporary token{ending(facts.stored.token)}, which is not listed. It expires "
        blocks.append(line(stored, expiry(facts), "."))
    other = next((key.token for key in listed if key.token not in where), None)
    if other is not None:
        blocks.append(line(f"To revoke the one{ending(other)}: ", revoking(facts, other)))
    replace_it = next_steps.end(target, "replace", can_ask=facts.machine.can_ask)
    blocks.append(line("To replace this computer's token: ", replace_it))
    return Page(tuple(blocks))


def token_page(key: ListedToken, files: Iterable[str]) -> Page:
    """The token that is to be revoked; `files`: those of this computer that have it."""
    names = tuple(files)
    note = [line(Span("Note: ", "warning"), f"{' and '.join(names)} has it.")] if names else []
    return Page((pages.tokens_table([key], {}), *note))


def replace_question(facts: ServerFacts, token: Token, files: Sequence[Path], warning: str) -> str:
    """Asks whether to replace the stored token; `warning`: what else a new one does on an old server, or ""."""
    who = facts.account.who.text if facts.account else ""
    count = f"{len(files)} file{'s' if len(files) > 1 else ''} on this computer"
    after = warning or "Then the old one is revoked: other computers that use it need the new one."
    return f"Replace the token of {who}{ending(token)} in {count}? {after}"


def replaced_lines(facts: ServerFacts, old: Token, problem: str, left: Iterable[str]) -> list[Line]:
    """What became of the old token.

    `problem`: why it could not be revoked, or ""; `left`: what still has it on this computer, in words.
    """
    target, there = facts.target, next_steps.setup(facts.target, "existing")
    if problem:
        why = f"the old token{ending(old)} could not be revoked ({problem}), and may still work. To revoke it: "
        words = [line(Span("Note: ", "warning"), why, revoking(facts, old))]
    else:
        other = f"The old token{ending(old)} is revoked. Other computers that use it need the new one: there, "
        words = [line(other, there)]
    notes = (f"{name} still has the old token. Put the new one there." for name in left)
    words += [line(Span("Note: ", "warning"), note) for note in notes]
    return [*words, line(Span("All your tokens: ", "dim"), next_steps.whoami(target, "--tokens"))]


def removal_page(facts: ServerFacts, removal: Removal, left: Iterable[Line]) -> Page:
    """What `%cave_setup remove` will do; `left`: where else the token is, and what happens there."""
    named = " and ".join(dict.fromkeys(one.ending or "****" for one in removal.tokens))
    rows = [
        (
            line(show_path(path)),
            line("only the token will be removed; the other keys stay" if text else "will be removed"),
        )
        for path, text in removal.plan.items()
    ]
    rows += [(line(show_path(path)), line("stays: it belongs to another server")) for path in removal.kept]
    title = line(Span(f"The token for {facts.host} on this computer (ends in {named}):", "strong"))
    return Page((title, Table(tuple(rows), "files with the token"), *left))


def removed_page(facts: ServerFacts, removal: Removal, said: Iterable[Line]) -> Page:
    """The last page of `%cave_setup remove`; `said`: whether the token is still valid, and what else has it."""
    done = Span(f"✔ The token for {facts.host} was removed ", "done")
    names = joined(", ", [line(show_path(path)) for path in removal.plan])
    again = line("To set up this computer again: ", next_steps.setup(facts.target, "existing"))
    return Page((line(done, "from ", names, "."), *said, again))
