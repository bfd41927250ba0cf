"""The steps that lead a person to a token, as data: title, link, what to do there."""

from __future__ import annotations

from dataclasses import dataclass

from . import cave
from .evidence import Target
from .servers import deployment_of, host_of, local_servers_of


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
    """Steps under a heading; the page to open first is that of the first step."""

    heading: str
    steps: tuple[Step, ...]

    @property
    def first_page(self) -> str:
        return next((step.url for step in self.steps if step.url), "")


def guide_for(target: Target, new: bool) -> Guide:
    """The way to a token for a server.

    Args:
        target: the server, and the datastack whose terms a new person accepts on the way.
        new: whether the person has no account yet.
    """
    token = (_make_token if new else _find_token)(target)
    paste = Step("Paste", "Paste the token below. What you paste stays hidden.")
    heading = f"Access to {target.datastack} on {host_of(target.server)}"
    return Guide(heading, (*([_account(target)] if new else []), token, paste))


def _account(target: Target) -> Step:
    home = deployment_of(target.datastack)
    local = home.local_servers[0] if home and home.server == target.server else next(iter(local_servers_of(target.server)), "")
    todo = "Log in with a Google account and accept the terms of service. Then close that page and come back."
    return Step("Account", todo, cave.first_page(target.server, target.datastack, local))


def _make_token(target: Target) -> Step:
    return Step("Token", "Make a token on this page and copy it.", cave.tokens_page(target.server))


def _find_token(target: Target) -> Step:
    todo = "This page lists the tokens you have. Copy one (or make one for this computer; the others go on working)."
    return Step("Token", todo, cave.tokens_page(target.server))
