"""Signing in with one click, in a real JupyterLab and a real browser, and what can go wrong."""

from __future__ import annotations

import ctypes
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from cave_magic.api import endpoints
from cave_magic.credentials.target import Target
from cave_magic.environment import platforms
from cave_magic.login import browser_sign_in, web_browser
from cave_magic.sandbox import Sandbox
from cave_magic.ui import frontend
from cave_magic.ui.frontend import TerminalFrontend
from tests.support.waiting import LONG, until

from .conftest import SLOW, Notebook, Open, start_with

STARTUP = """
import pathlib
from cave_magic.environment import platforms
from cave_magic.login import exchange, web_browser
platforms.detect_runtime = lambda environ=None: platforms.Runtime(platform="", is_ephemeral=False, has_display=True)
def _open(address):
    pathlib.Path({note!r}).write_text(address)
    return web_browser.settled("")
web_browser.open_browser = _open
exchange.platform.node = lambda: "lab-mac"
"""
MINE = "cave_magic on lab-mac"


class Desktop:
    """The person's own computer: a notebook in one tab, and a tab that the kernel opens."""

    def __init__(self, notebook: Notebook, note: Path) -> None:
        self.notebook = notebook
        self._note = note

    def start(self, line: str) -> int:
        """Runs a line that opens a tab; gives the number of its cell."""
        self._note.unlink(missing_ok=True)
        return self.notebook.start(line)

    def tab(self) -> Any:
        """The tab that the kernel has opened."""
        end = time.monotonic() + LONG
        while not (self._note.exists() and self._note.read_text()) and time.monotonic() < end:
            self.notebook.page.wait_for_timeout(50)
        page = self.notebook.page.context.new_page()
        page.goto(self._note.read_text())
        return page


@pytest.fixture
def at_desk(kernel: str, home: Path, open_notebook: Open) -> Callable[..., Desktop]:
    """Opens a notebook on the person's own computer."""

    def sit_down() -> Desktop:
        note = home / "opened"
        start_with(home, STARTUP.format(note=str(note)))
        return Desktop(open_notebook(), note)

    return sit_down


def sign_in_as(tab: Any, email: str) -> None:
    """Chooses an account on the server's sign-in page: a click for a known account, an e-mail for another."""
    tab.get_by_role("button", name="Sign in", exact=True).wait_for()
    known = tab.get_by_role("button", name=re.compile(re.escape(email)))
    if known.count():
        known.click()
    else:
        tab.get_by_label("E-mail").fill(email)
        tab.get_by_role("button", name="Sign in", exact=True).click()


def is_done(tab: Any) -> bool:
    """Whether a tab ended on our page, at a URL without secrets."""
    tab.get_by_text("You are signed in").wait_for()
    return re.fullmatch(r"http://127\.0\.0\.1:\d+/done/[\w-]+", tab.url) is not None


def names(cave: Sandbox, person: str) -> list[str]:
    """The descriptions of a person's tokens."""
    return [row["description"] for row in cave.tokens(person)]


def no_temporary_token_is_left(cave: Sandbox) -> bool:
    """Whether every temporary token is revoked."""
    accounts = cave._accounts
    owned = [one for one in accounts.tokens.known() if (who := accounts.owner(one)) and who.id > 0]
    return all(accounts.tokens.is_permanent(one) for one in owned)


def nothing_saved_in(notebook: Notebook, cave: Sandbox) -> bool:
    """Whether the notebook's file contains neither a token nor a URL of the receiver."""
    text = json.dumps(notebook.saved())
    return not [one for one in cave._accounts.tokens.known() if one in text] and "authorize" not in text


def test_a_new_person_clicks_through_one_tab(at_desk: Any, cave: Sandbox):
    """Sign-in, user name and terms take one tab; the cell shows the status and ends in the card; CAVEclient works."""
    desk = at_desk()
    setup = desk.start("%cave_setup new")
    tab = desk.tab()
    desk.notebook.sees(setup, re.compile("waiting for your sign-in in the browser, 5 min left"))
    sign_in_as(tab, "grace@lab.example.org")
    tab.get_by_role("button", name="Continue").click()
    tab.get_by_role("button", name="I accept").wait_for()
    desk.notebook.sees(setup, re.compile("signed in as .*waiting for the terms of service"))
    tab.get_by_role("button", name="I accept").click()
    assert is_done(tab)
    said = desk.notebook.wait(setup)
    assert "You are set up." in said
    assert "waiting for" not in said
    assert "One step left" not in said
    assert names(cave, "grace") == [MINE]
    assert no_temporary_token_is_left(cave)
    assert "minnie65_public" in desk.notebook.run(
        'from caveclient import CAVEclient; print(CAVEclient("minnie65_public").info.datastack_name)'
    )
    assert nothing_saved_in(desk.notebook, cave)


def test_a_closed_tab_then_the_stop_button_then_a_paste(at_desk: Any, cave: Sandbox):
    """After the tab is closed, the cell still shows the time left; the stop button leads to the prompt."""
    desk = at_desk()
    setup = desk.start("%cave_setup existing")
    desk.tab().close()
    desk.notebook.sees(setup, re.compile(r"waiting for your sign-in in the browser, \d min left"))
    desk.notebook.stop()
    desk.notebook.box(setup).wait_for()
    desk.notebook.answer(setup, cave.tokens("ada")[0]["token"])
    said = desk.notebook.wait(setup)
    assert "You are set up." in said
    assert "waiting for" not in said
    assert nothing_saved_in(desk.notebook, cave)


# ---------------------------------------------------------------- a shell of the test itself, and a real browser


class Cell:
    """A line that runs in the test's own shell, on a thread, while the test is the person at the browser."""

    def __init__(self, run: Any, browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: list[str] = []
        self.questions: list[str] = []
        self._run, self._browser = run, browser
        self._opened: list[str] = []
        self._pool = ThreadPoolExecutor(1)
        self._thread = self._pool.submit(threading.get_ident).result()
        monkeypatch.setattr(browser_sign_in, "PATIENCE", LONG)
        monkeypatch.setattr(
            platforms,
            "detect_runtime",
            lambda environ=None: platforms.Runtime(platform="", is_ephemeral=False, has_display=True),
        )
        monkeypatch.setattr(web_browser, "open_browser", self._open)
        monkeypatch.setattr(frontend, "frontend_for", lambda shell: TerminalFrontend())
        monkeypatch.setattr(TerminalFrontend, "can_ask", True)
        monkeypatch.setattr("builtins.input", self._answer)
        monkeypatch.setattr("getpass.getpass", self._answer)
        monkeypatch.setattr("platform.node", lambda: "lab-mac")

    def _open(self, address: str) -> Future[str]:
        self._opened.append(address)
        return web_browser.settled("")

    def _answer(self, question: str = "") -> str:
        self.questions.append(question)
        until(lambda: self.answers)
        return self.answers.pop(0)

    def start(self, line: str) -> Any:
        """Runs a line; gives the tab that it opens."""
        self._opened.clear()
        self._ran = self._pool.submit(self._run, line)
        until(lambda: self._opened)
        tab = self._browser.new_page()
        tab.goto(self._opened[0])
        return tab

    @property
    def address(self) -> str:
        """The address that it has opened, which it also shows."""
        return self._opened[0]

    def again(self) -> Any:
        """Opens it once more, in another tab."""
        tab = self._browser.new_page()
        tab.goto(self.address)
        return tab

    def stop(self) -> None:
        """Interrupts it."""
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(KeyboardInterrupt))

    def end(self) -> Any:
        """What it did."""
        return self._ran.result(LONG)


@pytest.fixture
def cell(run: Any, cave: Sandbox, browser: Any, monkeypatch: pytest.MonkeyPatch, doors: Any) -> Iterator[Cell]:
    """The person's own computer, where the practice server is the configured one."""
    browser.clear_cookies()
    run(f'%config CaveMagics.server = "{cave.server}"')
    cell = Cell(run, browser, monkeypatch)
    yield cell
    cell._pool.shutdown()


def test_a_known_person_clicks_once_and_chooses_a_token(cell: Cell, cave: Sandbox):
    """One click on the account; the tokens are listed, Enter takes the first, none is made."""
    before = names(cave, "alice")
    tab = cell.start("%cave_setup existing")
    sign_in_as(tab, "alice@example.org")
    assert is_done(tab)
    cell.answers.append("")
    said = cell.end().out
    assert "You are signed in as Alice Example" in said
    assert "You are set up." in said
    assert names(cave, "alice") == before
    assert no_temporary_token_is_left(cave)


def test_missing_terms_are_accepted_in_the_same_tab(cell: Cell, cave: Sandbox):
    """A person with an account accepts the terms on the way, in the one tab."""
    tab = cell.start("%cave_setup new")
    sign_in_as(tab, "bob@example.org")
    tab.get_by_role("button", name="I accept").click()
    assert is_done(tab)
    said = cell.end().out
    assert "You are set up." in said
    assert "One step left" not in said
    assert no_temporary_token_is_left(cave)


def test_the_terms_can_be_skipped(cell: Cell, cave: Sandbox):
    """An interrupt skips the terms; the card names what is left."""
    tab = cell.start("%cave_setup new")
    sign_in_as(tab, "bob@example.org")
    tab.get_by_role("button", name="I accept").wait_for()
    cell.stop()
    said = cell.end().out
    assert "One step left." in said
    assert names(cave, "bob")[0] == MINE
    assert no_temporary_token_is_left(cave)


def test_a_closed_tab_times_out(cell: Cell, cave: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """After the tab is closed, the sign-in times out, and the prompt appears."""
    monkeypatch.setattr(browser_sign_in, "LIFETIME", 1.0)
    cell.answers = [cave.tokens("ada")[0]["token"]]
    cell.start("%cave_setup existing").close()
    said = cell.end().out
    assert "The sign-in timed out" in said
    assert "You are set up." in said


def test_the_wrong_account_is_named_and_can_be_changed(cell: Cell, cave: Sandbox):
    """The card says whose account it is; `%cave_setup existing` leads back to the choice of accounts."""
    sign_in_as(cell.start("%cave_setup new"), "dave@example.org")
    said = cell.end().out
    assert "Dave Example <dave@example.org>" in said
    assert "Not your account? %cave_setup existing" in said
    tab = cell.start("%cave_setup existing --use latest")
    sign_in_as(tab, "ada@example.org")
    assert is_done(tab)
    assert "Ada Example" in cell.end().out


def test_a_browser_on_another_machine(cell: Cell, cave: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """The tab ends on a page that cannot be reached; its address, pasted at the prompt, is enough."""
    monkeypatch.setattr(browser_sign_in.Receiver, "sign_in_url", "http://127.0.0.1:1/nobody_listens-there")
    tab = cell.start("%cave_setup existing")
    came: list[str] = []
    tab.on("request", lambda request: came.append(request.url))
    sign_in_as(tab, "ada@example.org")
    tab.wait_for_url(re.compile("chrome-error|token="))
    cell.stop()
    cell.answers.append(next(url for url in came if "token=" in url))
    ran = cell.end()
    assert "You are set up." in ran.out
    assert "Ada Example" in ran.out
    assert names(cave, "ada")[0] == MINE
    assert no_temporary_token_is_left(cave)


def seen_in(tab: Any, text: str) -> list[str]:
    """Waits for a text; returns the URLs that the tab has shown."""
    tab.get_by_text(text).first.wait_for()
    return [
        tab.url,
        *tab.evaluate("[location.href, document.referrer, ...performance.getEntries().map(one => one.name)]"),
    ]


def is_clean(cave: Sandbox, *texts: str) -> bool:
    """Whether none of these contains a token or a query."""
    return not [one for one in texts if "?" in one or any(token in one for token in cave._accounts.tokens.known())]


def test_the_right_account_after_the_wrong_one(cell: Cell, cave: Sandbox):
    """The wrong account shows at the terms; the printed link opened again, with the right one, ends the wait."""
    wrong = cell.start("%cave_setup new")
    sign_in_as(wrong, "bob@example.org")
    wrong.get_by_role("button", name="I accept").wait_for()
    right = cell.again()
    sign_in_as(right, "ada@example.org")
    assert is_done(right)
    said = cell.end().out
    assert "Ada Example" in said
    assert names(cave, "ada")[0] == MINE
    assert MINE not in names(cave, "bob")
    assert no_temporary_token_is_left(cave)


def test_after_cancel_the_link_can_be_opened_again(cell: Cell, cave: Sandbox):
    """Cancel on the sign-in page ends on an error page of the server; the printed link starts a new attempt."""
    tab = cell.start("%cave_setup existing --use latest")
    tab.get_by_role("link", name="Cancel").click()
    tab.get_by_text("Internal Server Error").first.wait_for()
    tab.goto(cell.address)
    sign_in_as(tab, "ada@example.org")
    assert is_done(tab)
    assert cell.end().error == ""
    assert no_temporary_token_is_left(cave)


def test_the_last_of_two_tabs_counts(cell: Cell, cave: Sandbox):
    """A browser has one sign-in at a time: the first of two tabs ends on an error, the second one returns."""
    first = cell.start("%cave_setup existing --use latest")
    second = cell.again()
    sign_in_as(first, "bob@example.org")
    first.get_by_text("authorization error").wait_for()
    sign_in_as(second, "ada@example.org")
    assert is_done(second)
    assert "Ada Example" in cell.end().out
    assert no_temporary_token_is_left(cave)


def test_the_link_opened_after_the_end_says_that_it_is_over(cell: Cell, cave: Sandbox):
    """A forgotten tab that is finished later ends on our page, at a URL without secrets."""
    late = cell.start("%cave_setup existing --use latest")
    tab = cell.again()
    sign_in_as(tab, "ada@example.org")
    assert is_done(tab)
    assert cell.end().error == ""
    late.goto(cell.address)
    sign_in_as(late, "alice@example.org")
    assert is_clean(cave, *seen_in(late, "This sign-in is over"))
    assert no_temporary_token_is_left(cave)


def test_every_page_of_ours_has_a_clean_address(cell: Cell, cave: Sandbox):
    """A token at a wrong path, in an invalid query, or unknown to the server is never on the screen or in the history."""
    tab = cell.start("%cave_setup existing --use latest")
    back = parse_qs(urlsplit(cell.address).query)["redirect"][0]
    token = cave.new_login_token("bob")
    issuer = f"{urlsplit(cave.server).netloc}/sticky_auth"
    for address in (
        f"{back}x?token={token}&middle_auth_url={issuer}",
        f"{back}?token={token}&a=1",
        f"{back}?token={'f' * 32}",
    ):
        tab.goto(address)
        assert is_clean(cave, *seen_in(tab, "Not accepted"))
    tab.goto(f"{back}/nothing")
    seen_in(tab, "Nothing here")
    tab.goto(cell.address)
    sign_in_as(tab, "ada@example.org")
    assert is_done(tab)
    assert cell.end().error == ""
    assert no_temporary_token_is_left(cave)


def test_back_and_reload_after_the_end(cell: Cell, cave: Sandbox):
    """Reload shows the last page again; Back leads to the server's sign-in page, not to a URL with a token."""
    tab = cell.start("%cave_setup existing --use latest")
    sign_in_as(tab, "ada@example.org")
    assert is_done(tab)
    tab.reload()
    assert is_done(tab)
    assert cell.end().error == ""
    tab.go_back()
    assert "token" not in tab.url
    tab.get_by_role("button", name="Sign in", exact=True).wait_for()
    tab.go_forward()
    assert is_done(tab)


def test_a_preloaded_address_counts_once_it_is_opened(cell: Cell, cave: Sandbox):
    """A browser that fetches the address ahead changes nothing: the sign-in is taken when the page is opened."""
    tab = cell.start("%cave_setup existing --use latest")
    back = parse_qs(urlsplit(cell.address).query)["redirect"][0]
    address = f"{back}?token={cave.new_login_token('ada')}"
    ahead = tab.request.get(address, headers={"Sec-Purpose": "prefetch;prerender", "Sec-Fetch-Dest": "document"})
    assert ahead.status == 503
    tab.goto(address)
    assert is_done(tab)
    assert cell.end().error == ""
    assert no_temporary_token_is_left(cave)


def test_the_terms_end_on_a_page_of_the_server(browser: Any, cave: Sandbox):
    """A terms link that is opened by itself: after Accept a good page of the same server, without the token in the address."""
    browser.clear_cookies()
    tab = browser.new_page()
    tab.goto(endpoints.terms_page(cave.server, 2))
    sign_in_as(tab, "bob@example.org")
    with tab.expect_navigation(url=re.compile("/info/")) as navigation:
        tab.get_by_role("button", name="I accept").click()
    assert navigation.value.status == 200
    assert tab.url.startswith(f"{cave.server}/info/")
    assert not [token for token in cave._accounts.tokens.known() if token in tab.url + tab.content()]
    tab.get_by_text("minnie65_public").first.wait_for()
    assert cave._accounts.has_accepted(cave._accounts.find("bob").id, 2)


def test_two_sign_ins_at_once(browser: Any, cave: Sandbox, doors: Any, monkeypatch: pytest.MonkeyPatch):
    """In two browsers at the same time, and in one browser in turn, each wait gets the right account."""
    monkeypatch.setattr(browser_sign_in, "PATIENCE", LONG)
    target = Target(datastack="minnie65_public", server=cave.server)
    with (
        browser_sign_in.SignIn(target, LONG) as one,
        browser_sign_in.SignIn(target, LONG) as two,
        browser_sign_in.SignIn(target, LONG) as three,
    ):
        contexts = [browser.browser.new_context() for _ in range(2)]
        for context in contexts:
            context.set_default_timeout(SLOW)
        tabs = [context.new_page() for context in contexts]
        for tab, sign_in in zip(tabs, (one, two), strict=True):
            tab.goto(sign_in.page)
        for tab, email in zip(reversed(tabs), ("alice@example.org", "ada@example.org"), strict=True):
            sign_in_as(tab, email)
            assert is_done(tab)
        third = contexts[0].new_page()
        third.goto(three.page)
        sign_in_as(third, "dave@example.org")
        assert is_done(third)
        assert [each.verified.account.name.text for each in (one, two, three)] == [
            "Ada Example",
            "Alice Example",
            "Dave Example",
        ]
        for context in contexts:
            context.close()
    assert no_temporary_token_is_left(cave)
