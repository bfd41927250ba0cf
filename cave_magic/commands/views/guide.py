"""The steps to a token, the tokens of a paste to choose from, and what an odd answer to a prompt gets."""

from __future__ import annotations

from collections.abc import Sequence

from ...api import endpoints
from ...api.urls import host_of
from ...credentials.target import Target
from ...deployments import deployment_of
from ...doctor import next_steps
from ...environment.platforms import Runtime, detect_runtime
from ...redact import sanitize
from ...token import PastedToken
from ...ui.document import Block, Line, Page, Span, Steps, Table, line


def guide_page(
    target: Target, is_new: bool, can_ask: bool = True, runtime: Runtime | None = None, failure: str = ""
) -> Page:
    """The steps to a token, numbered, each with its link, and what is special about where the kernel runs.

    Args:
        target: the server, and the datastack whose terms a new person accepts on the way.
        is_new: whether the person has no account yet.
        can_ask: whether the token can be pasted once the person has it.
        runtime: where the kernel runs; found out if not given.
        failure: why the pages of the auth server cannot be opened now, or "".
    """
    where = runtime or detect_runtime()
    blocks: list[Block] = [line(Span(f"Access to {target.datastack} on {host_of(target.server)}", "strong"))]
    if where.note:
        blocks.append(line(Span("Note: ", "warning"), where.note))
    if where.is_ephemeral and where.secrets_name:
        blocks += [line(command) for command in next_steps.recall(where, target)]
    last = _step("Paste", "put the token into the prompt below. What you paste stays hidden.")
    if not can_ask:
        last = _step("Keep", f"put the token as CAVE_TOKEN into {where.secrets_name or 'an environment variable'}.")
    return Page((*blocks, Steps((*_ways(target, is_new, failure), last))))


def first_address(target: Target, is_new: bool) -> str:
    """The page that the first step of the guide is done on."""
    return (is_new and _account_address(target)) or endpoints.tokens_page(target.server)


def _ways(target: Target, is_new: bool, failure: str) -> list[tuple[Line, ...]]:
    """The steps up to the token."""
    tokens = endpoints.tokens_page(target.server)
    if failure:
        why = f"the pages on which tokens are made and listed cannot be opened now: {failure}."
        return [_step("Token", f"{why} Copy one from where you have it, such as another computer.")]
    if not is_new:
        todo = "this page lists the ones you have. Copy one, or make one for this computer; the others go on working."
        return [_step("Token", todo, tokens)]
    steps = [_step("Token", "make one on this page, signed in with a Google account, and copy it.", tokens)]
    if address := _account_address(target):
        todo = "sign in with a Google account and accept the terms of service. Then come back here."
        steps.insert(0, _step("Account", todo, address))
    return steps


def _account_address(target: Target) -> str:
    """Where a new person signs in and accepts a datastack's terms; "" for a datastack that is not in the table.

    A misspelt one may be in the datastack map all the same: caveclient writes it there before it asks the server.
    """
    home = deployment_of(target.datastack)
    if home is None:
        return ""
    local = home.local_servers[0] if home.server == target.server else ""
    return endpoints.first_page(target.server, target.datastack, local)


def _step(title: str, todo: str, address: str = "") -> tuple[Line, ...]:
    first = line(Span(f"{title}: ", "strong"), todo)
    return (first, line(Span(address, "link"))) if address else (first,)


def pasted_page(found: Sequence[PastedToken]) -> Page:
    """The tokens that were pasted at once, to choose one of."""
    rows = [
        (
            line(str(number)),
            line(sanitize(one.description).text or "(no description)"),
            line(Span(sanitize(one.created).text[:16], "dim")),
            line(Span(f"ends in {one.token.ending}", "dim")),
        )
        for number, one in enumerate(found, 1)
    ]
    return Page((Table(tuple(rows), "the pasted tokens", head=1),))


def again_page(problem: str) -> Page:
    """What an odd answer to a prompt gets, while it may be answered again: whole sentences that say what is wrong."""
    return Page(
        (
            line(Span("! ", "warning"), problem),
            line(Span("Nothing was changed. Try again, or press Enter to cancel.", "dim")),
        )
    )
