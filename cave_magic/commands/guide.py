"""The steps that lead a person to a token, as data: title, link, what to do there."""

from __future__ import annotations

from dataclasses import dataclass

from ..api import endpoints
from ..api.urls import host_of
from ..credentials.target import Target
from ..deployments import deployment_of
from ..doctor import next_steps
from ..doctor.model import Command
from ..environment.platforms import Runtime, detect_runtime


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        title: what it is for.
        todo: what to do, in a sentence.
        url: the page where it is done, or "".
    """

    title: str
    todo: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Guide:
    """Steps under a heading; the page to open first is that of the first step.

    Attributes:
        heading: what it leads to.
        steps: what to do, in order.
        note: what is special about the place where the kernel runs, or "".
        recall: lines that belong to the note.
    """

    heading: str
    steps: tuple[Step, ...]
    note: str = ""
    recall: tuple[Command, ...] = ()

    @property
    def first_page(self) -> str:
        """The page to open first, or ""."""
        return next((step.url for step in self.steps if step.url), "")


def guide_for(
    target: Target, new: bool, can_ask: bool = True, runtime: Runtime | None = None, failure: str = ""
) -> Guide:
    """The way to a token for a server.

    Args:
        target: the server, and the datastack whose terms a new person accepts on the way.
        new: whether the person has no account yet.
        can_ask: whether the token can be asked for once it is there.
        runtime: where the kernel runs; found out if not given.
        failure: why the pages of the auth server cannot be opened now, or "".
    """
    steps = [_account(target), _make_token(target)] if new else [_find_token(target)]
    if failure:
        steps = [_bring_token(failure)]
    heading = f"Access to {target.datastack} on {host_of(target.server)}"
    where = runtime or detect_runtime()
    recall = next_steps.recall(where, target) if where.is_ephemeral and where.secrets_name else ()
    last = Step("Paste", "put the token into the prompt below. What you paste stays hidden.")
    if not can_ask:
        last = Step("Keep", f"put the token as CAVE_TOKEN into {where.secrets_name or 'an environment variable'}.")
    return Guide(heading, (*filter(None, steps), last), where.note, recall)


def _account(target: Target) -> Step | None:
    """The page of a datastack on which a new person logs in and accepts its terms; None for a name nobody knows."""
    home = deployment_of(target.datastack)
    if home is None:  # a misspelt one may stand in the map: caveclient writes it there before it asks
        return None
    local = home.local_servers[0] if home.server == target.server else ""
    todo = "log in with a Google account and accept the terms of service. Then come back here."
    return Step("Account", todo, endpoints.first_page(target.server, target.datastack, local))


def _make_token(target: Target) -> Step:
    todo = "make one on this page, logged in with a Google account, and copy it."
    return Step("Token", todo, endpoints.tokens_page(target.server))


def _bring_token(failure: str) -> Step:
    why = f"the pages on which tokens are made and listed cannot be opened now: {failure}."
    return Step("Token", f"{why} Copy one from where you have it, such as another computer.")


def _find_token(target: Target) -> Step:
    todo = "this page lists the ones you have. Copy one, or make one for this computer; the others go on working."
    return Step("Token", todo, endpoints.tokens_page(target.server))
