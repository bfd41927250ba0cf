"""Signing in where the browser is not on this computer: over ssh, in VS Code, in a notebook on a hub."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from cave_magic.api import endpoints
from cave_magic.commands import acceptance
from cave_magic.environment import platforms
from cave_magic.environment.platforms import Runtime
from cave_magic.login import browser_sign_in
from cave_magic.login.loopback import DONE
from cave_magic.login.route import is_sign_in_address
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Visitor
from cave_magic.ui.frontend import TerminalFrontend

from ..support.desk import (
    MINE,
    Desk,
    address_of,
    back_of,
    by_name,
    interrupt_when,
    nothing_secret,
    stored,
    temporary_tokens_left,
)
from ..support.waiting import until
from .test_route import OPENED, through

ASKED = "Address or token (hidden: nothing appears while you paste): "


@pytest.fixture(autouse=True)
def elsewhere(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel runs on a computer without a screen."""
    runtime = Runtime(platform="JupyterHub", is_ephemeral=False, has_display=False)
    monkeypatch.setattr(platforms, "detect_runtime", lambda environ=None: runtime)


@pytest.fixture
def at_prompt(monkeypatch: pytest.MonkeyPatch, desk: Desk, capsys: Any) -> Callable[[Callable[[str], str]], None]:
    """Lets a person do something with the link beside the prompt, and then answer."""

    def will(do: Callable[[str], str]) -> None:
        def answer(question: str = "") -> str:
            desk.questions.append(question)
            shown = capsys.readouterr().out
            return do(re.search(r"https?://\S+/authorize\?\S+", shown)[0])

        monkeypatch.setattr("getpass.getpass", answer)

    return will


def test_the_sign_in_link_stands_beside_the_prompt(here, cave, desk, home):
    """One link and one paste; no tokens page needs to be opened. A token of one's own works, too."""
    desk.answers = [cave.new_token("ada")]
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert desk.questions == [ASKED]
    assert desk.opened == []
    links = re.findall(r"https?://\S+", ran.out)
    assert back_of(links[0]).startswith("http://127.0.0.1:")
    assert links[1] == endpoints.tokens_page(cave.server)
    assert "Copy the address of that page, and paste it" in " ".join(ran.out.split())


def test_the_address_of_the_page_that_cannot_be_reached_is_enough(here, cave, desk, home):
    """A pasted address is exchanged for a permanent token, and the temporary one is revoked."""
    desk.answers = [address_of(cave.new_login_token("ada"))]
    ran = here("%cave_setup existing")
    assert ran.error == ""
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert temporary_tokens_left(cave) == []
    assert nothing_secret(cave, ran.out)


def test_after_a_pasted_address_the_terms_turn_the_card_green(here, cave, desk, monkeypatch):
    """The link did not lead past the terms, so the card does, and waits for them."""
    asked: list[str] = []

    def accept(context: Any, target: Any, url: str) -> bool:
        asked.append(url)
        cave.accept_terms("bob", "minnie65_public")
        return True

    monkeypatch.setattr(acceptance, "is_accepted_meanwhile", accept)
    desk.answers = [address_of(cave.new_login_token("bob"))]
    ran = here("%cave_setup new")
    assert len(asked) == 1
    assert "One step left" in ran.out
    assert "You are set up." in ran.out


def test_a_browser_that_reaches_the_kernel_needs_no_paste(here, cave, desk, home, at_prompt):
    """VS Code forwards the port: the page says that Enter is enough, and it is."""
    pages = []

    def sign_in(link: str) -> str:
        pages.append(Visitor("robin@lab.example.org", "Robin").open(link))
        return ""

    at_prompt(sign_in)
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert "press Enter at the prompt in your notebook" in pages[0].source
    assert stored(home) == [by_name(cave, "robin@lab.example.org")[MINE]]
    assert temporary_tokens_left(cave) == []


def test_enter_without_a_sign_in_cancels(here, cave, desk, home):
    """An empty answer cancels, as at every prompt."""
    desk.answers = [""]
    assert here("%cave_setup new").error == "Cancelled"
    assert stored(home) == []


def test_the_stop_button_after_the_sign_in_revokes_its_token(here, cave, desk, home, at_prompt):
    """Stopping at the prompt cancels, although a token has arrived."""

    def sign_in(link: str) -> str:
        Visitor("ada@example.org").open(link)
        assert temporary_tokens_left(cave)
        raise KeyboardInterrupt

    at_prompt(sign_in)
    assert here("%cave_setup new").error == "Cancelled"
    assert stored(home) == []
    assert temporary_tokens_left(cave) == []


def test_an_error_of_the_server_is_reported_at_the_prompt(here, cave, desk, at_prompt):
    """If the token that arrived could not be verified, Enter says so; it is revoked."""

    def sign_in(link: str) -> str:
        token = cave.new_login_token("ada")
        cave.misbehave("/auth/api/v1/user/cache", "down")
        Visitor("ada@example.org")._load(f"{back_of(link)}?token={token}")
        return ""

    at_prompt(sign_in)
    ran = here("%cave_setup new")
    assert ran.error == "ServerInTrouble"
    assert "you signed in, but" in ran.message
    assert temporary_tokens_left(cave) == []


# ---------------------------------------------------------------- a page that reaches the kernel


@pytest.fixture
def from_hub(monkeypatch: pytest.MonkeyPatch, desk: Desk, cave: Sandbox, doors: list[Any]) -> Callable[[str], None]:
    """A notebook whose page reaches the kernel through its hub; somebody signs in there at once."""

    def comes(person: str) -> None:
        def fetch(self: Any, port: int, path: str) -> bool:
            is_reached = through(doors[-1], path).status == 200
            back = "/" + doors[-1].sign_in_url.rpartition("/")[2]
            target = f"{back}?token={cave.new_login_token(person)}"
            desk.pages.append(desk._pool.submit(through, doors[-1], target, **OPENED))
            return is_reached

        monkeypatch.setattr(TerminalFrontend, "fetch", fetch)

    return comes


def test_a_page_that_reaches_the_kernel_shows_no_prompt(here, cave, desk, home, from_hub):
    """The link is shown, the sign-in comes back through the hub, and nothing is asked."""
    from_hub("ada")
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert desk.questions == desk.opened == []
    assert "Open this address:" in ran.out
    assert "If the tab ends on an error page, do the same, and paste" in " ".join(ran.out.split())
    assert back_of(re.search(r"https?://\S+/authorize\S+", ran.out)[0]).startswith("https://hub.example.org/user/ada/")
    assert DONE in desk.last_page.headers["location"]
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert temporary_tokens_left(cave) == []
    assert nothing_secret(cave, ran.out)


@pytest.mark.parametrize("how", ["stopped", "failed", "timed out"])
def test_on_every_way_out_the_token_that_came_through_the_hub_is_revoked(
    here, cave, desk, home, from_hub, monkeypatch, how
):
    """Stopped while the terms are waited for and then at the prompt, an error of the server, the end of the time."""
    from_hub("ada" if how == "failed" else "bob")
    if how == "stopped":
        interrupt_when(lambda: desk.pages and desk.pages[-1].done(), inside=browser_sign_in.SignIn.step)
        cave.misbehave("POST /auth/api/v1/user/token", "down")
    elif how == "failed":
        cave.misbehave("GET /auth/api/v1/user/token", "down")
    else:
        monkeypatch.setattr(browser_sign_in, "LIFETIME", 1.0)
    ran = here("%cave_setup new" if how == "stopped" else "%cave_setup existing")
    assert desk.last_page.status == 303
    assert (ran.error == "ServerInTrouble") is (how != "timed out")
    until(lambda: not temporary_tokens_left(cave))  # one that comes after the end is revoked in the background
    assert nothing_secret(cave, ran.out)


def test_a_hub_that_refuses_the_address_is_no_dead_end():
    """The address of a sign-in that a hub did not pass on can be pasted, like that of a page that cannot be reached."""
    for base in ("https://hub.example.org/user/ada/proxy/4711", "http://localhost:8888/proxy/4711"):
        assert is_sign_in_address(address_of("0" * 32).replace("http://127.0.0.1:40123", base))
    assert not is_sign_in_address(f"https://hub.example.org/user/ada/lab?token={'0' * 32}")
