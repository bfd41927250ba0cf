"""The pages in Chromium: a new user signs up and copies a token."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Headless Chromium, which takes a second to start."""
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def page(request: pytest.FixtureRequest, chromium: Any) -> Iterator[Any]:
    """A page of a browser that has seen no other."""
    context = chromium.new_context(java_script_enabled=request.param, permissions=["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    opened.has_script = request.param
    yield opened
    context.close()


def test_a_new_user_gets_a_token(cave: Sandbox, page: Any) -> None:
    """Sign in, choose a name, accept the terms, create a token, copy and download it, sign out."""
    page.goto(f"{cave.local_server}/materialize/views/datastack/minnie65_public")
    page.get_by_label("E-mail").fill("zoe@lab.example.org")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Use a custom name").check()
    page.get_by_label("Custom name", exact=True).fill("Zoé")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="I accept").click()
    assert page.get_by_text("Zoé, you have access.").is_visible()
    page.goto(f"{cave.server}/sticky_auth/settings/tokens")
    page.get_by_label("Description").fill("my laptop")
    page.get_by_role("button", name="Create token").click()
    token = cave.tokens("zoe")[0]["token"]
    assert page.get_by_label("New token").input_value() == token
    _take(page, token)
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_text("You are signed out").is_visible()


def test_two_sign_ins_in_two_tabs_and_a_cancelled_one(cave: Sandbox, page: Any) -> None:
    """The first tab ends with an error as JSON, the second works; Cancel ends on the server's error page."""
    start = f"{cave.server}/sticky_auth/settings/tokens"
    page.goto(start)
    other = page.context.new_page()
    other.goto(start)
    for tab in (page, other):
        tab.get_by_role("button", name="Ada").click()
    assert page.content().count("authorization error") == 1
    assert other.url.startswith(start)
    assert other.get_by_text("lab workstation").is_visible()
    page.context.clear_cookies()
    page.goto(start)
    page.get_by_role("link", name="Cancel").click()
    assert page.get_by_role("heading", name="Internal Server Error").is_visible()


def test_the_google_name_takes_one_click(cave: Sandbox, page: Any) -> None:
    """It is the default, and scripts disable the field for a custom name."""
    page.goto(f"{cave.server}/sticky_auth/settings/tokens")
    page.get_by_label("E-mail").fill("zoe@lab.example.org")
    page.get_by_role("button", name="Sign in", exact=True).click()
    assert page.get_by_label("Use the name of your Google account").is_checked()
    assert page.get_by_label("Custom name", exact=True).is_disabled() is page.has_script
    if page.has_script:
        page.get_by_role("button", name="Continue").click()
        assert page.get_by_role("heading", name="API tokens").is_visible()


def _take(page: Any, token: str) -> None:
    """Copies the token, if scripts may, and downloads it."""
    assert page.get_by_role("button", name="Copy").first.is_visible() is page.has_script
    if page.has_script:
        page.get_by_role("button", name="Copy").first.click()
        assert page.evaluate("navigator.clipboard.readText()") == token
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert json.loads(Path(download.value.path()).read_text())["token"] == token
