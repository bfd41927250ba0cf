"""Counts what a person does on a hub, and times it: `python -m pytest -s tests/whole_way/browser/measure_hub.py`.

Google's own page is not counted. `caveclient setup-token` needs a terminal; in a notebook it is the function it calls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

from .conftest import Notebook
from .test_hub import ELSEWHERE, at_hub, hub  # noqa: F401 (fixtures)
from .test_signin import sign_in_as

SERVER = "https://global.daf-apis.com"
RESULTS: list[str] = []


class Person:
    """Somebody at a notebook of a hub, whose clicks, typed characters and pastes are counted."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        self.clicks = self.typed = self.pasted = 0

    def run(self, line: str, cave: Sandbox) -> int:
        """Types a line and runs it."""
        self.typed += len(line.replace(cave.server, SERVER))
        return self.notebook.start(line)

    def click(self, what: Any) -> None:
        """Clicks."""
        self.clicks += 1
        what.click()

    def open(self, link: Any) -> Any:
        """Clicks on a link; gives the tab."""
        with self.notebook.page.context.expect_page() as opened:
            self.click(link)
        return opened.value

    def paste(self, cell: int, text: str) -> None:
        """Copies a text where it is (the address bar, or a button that is counted by itself), and pastes it."""
        self.pasted += 1
        self.clicks += 1  # into the prompt
        self.notebook.answer(cell, text)

    def accept(self, tab: Any, is_new: bool) -> None:
        """A new account keeps its user name and accepts the terms."""
        if is_new:
            self.click(tab.get_by_role("button", name="Continue"))
            self.click(tab.get_by_role("button", name="I accept"))


def one_click(person: Person, cave: Sandbox, email: str, is_new: bool) -> None:
    """The link leads back to the kernel."""
    cell = person.run("%cave_setup new", cave)
    tab = person.open(person.notebook.output(cell).locator("a"))
    sign_in_as(tab, email)
    person.accept(tab, is_new)
    assert "You are set up." in person.notebook.wait(cell)


def address(person: Person, cave: Sandbox, email: str, is_new: bool) -> None:
    """The address of the page that cannot be reached is pasted."""
    cell = person.run("%cave_setup new", cave)
    person.notebook.box(cell).wait_for()
    came: list[str] = []
    person.notebook.page.context.on("request", lambda request: came.append(request.url))
    tab = person.open(person.notebook.output(cell).locator("a").first)
    sign_in_as(tab, email)
    if is_new:
        person.click(tab.get_by_role("button", name="Continue"))
    tab.wait_for_url("chrome-error:**")
    person.click(person.notebook.cell(cell))  # stands for the address bar
    person.paste(cell, next(url for url in came if "token=" in url))
    if is_new:
        person.notebook.sees(cell, "One step left")
        terms = person.open(person.notebook.output(cell).locator("a[href*='/tos/']"))
        sign_in_as(terms, email)  # revoking the temporary token has signed the browser out
        person.click(terms.get_by_role("button", name="I accept"))
    assert "You are set up." in person.notebook.wait(cell)


def copied_token(person: Person, tab: Any) -> str:
    """Makes a token on the tokens page, and copies it."""
    person.typed += len("my hub")
    tab.get_by_label("Description").fill("my hub")
    person.click(tab.get_by_role("button", name="Create token"))
    person.click(tab.get_by_role("button", name="Copy").first)
    tab.get_by_text("Copied").wait_for()
    return str(tab.evaluate("() => navigator.clipboard.readText()"))


def token(person: Person, cave: Sandbox, email: str, is_new: bool) -> None:
    """`--paste`: the page with the terms if the account is new, then the tokens page."""
    cell = person.run("%cave_setup new --paste", cave)
    person.notebook.box(cell).wait_for()
    terms, tokens = person.notebook.output(cell).locator("a").all()
    if is_new:
        tab = person.open(terms)
        sign_in_as(tab, email)
        person.accept(tab, is_new)
        tab.wait_for_load_state()
    tab = person.open(tokens)
    if not is_new:
        sign_in_as(tab, email)
    person.paste(cell, copied_token(person, tab))
    assert "You are set up." in person.notebook.wait(cell)


def caveclient(person: Person, cave: Sandbox, email: str, is_new: bool) -> None:
    """What `caveclient setup-token` calls; a new account finds the page with the terms by itself, which is not counted."""
    cell = person.run(f"from caveclient import CAVEclient; CAVEclient.setup_token('{cave.server}')", cave)
    person.notebook.box(cell).wait_for()
    tab = person.open(person.notebook.output(cell).locator("a").first)
    sign_in_as(tab, email)
    if is_new:
        person.click(tab.get_by_role("button", name="Continue"))
    person.paste(cell, copied_token(person, tab))
    person.notebook.sees(cell, "Set all of your datastacks")
    person.notebook.box(cell).last.press("Enter")
    person.notebook.wait(cell)


@pytest.fixture(scope="module", autouse=True)
def report() -> Iterator[None]:
    """Prints what was measured."""
    yield
    print("", *RESULTS, sep="\n")


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "known"])
@pytest.mark.parametrize("way", [one_click, address, token, caveclient])
def test_what_a_person_does(at_hub: Any, cave: Sandbox, home: Path, way: Callable[..., None], is_new: bool):  # noqa: F811
    """Clicks, typed characters and pastes of one way, for a new or a known account."""
    if way is address:
        browser_is_elsewhere(home)
    person = Person(at_hub("bea" if way is address else "ada"))
    way(person, cave, "grace@lab.example.org" if is_new else "ada@example.org", is_new)
    counted = f"{person.clicks} clicks, {person.typed} characters, {person.pasted} pastes"
    RESULTS.append(f"{way.__name__}, {'new' if is_new else 'known'}: {counted}")


@pytest.mark.parametrize(("who", "line"), [("ada", "new"), ("bea", "new"), ("ada", "new --paste")])
def test_how_long_it_takes(at_hub: Any, cave: Sandbox, home: Path, who: str, line: str):  # noqa: F811
    """Seconds from Enter until the link or the prompt is on the screen: at first in a kernel, then the median of five."""
    notebook, seconds = at_hub(who), []
    for _ in range(6):
        start = time.monotonic()
        cell = notebook.start(f"%cave_setup {line}")
        if has_prompt := (who, line) != ("ada", "new"):
            notebook.box(cell).wait_for()
        else:
            notebook.output(cell).locator("a").wait_for()
        seconds.append(time.monotonic() - start)
        notebook.stop()
        if not has_prompt:
            notebook.box(cell).wait_for()
            notebook.stop()
        notebook.wait(cell)
    RESULTS.append(f"%cave_setup {line} as {who}: at first {seconds[0]:.2f} s, then {median(seconds[1:]):.2f} s")


def browser_is_elsewhere(home: Path) -> None:
    """The browser cannot reach the kernel directly, although it is on the same computer."""
    startup = home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00-elsewhere.py").write_text(ELSEWHERE)
