"""The pages of the practice server: a new user signs up and copies a token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox

from .conftest import SLOW, copy


@pytest.fixture(scope="module", params=[True, False], ids=["with JavaScript", "without JavaScript"])
def context(request: pytest.FixtureRequest, browser: Any) -> Iterator[Any]:
    """A browser of its own, with or without scripts: to start a process for each test takes longer than the test."""
    made = browser.browser.new_context(
        java_script_enabled=request.param, permissions=["clipboard-read", "clipboard-write"]
    )
    made.set_default_timeout(SLOW)
    made.has_script = request.param
    yield made
    made.close()


@pytest.fixture
def page(context: Any) -> Iterator[Any]:
    """A page of a browser that remembers nobody."""
    context.clear_cookies()
    opened = context.new_page()
    opened.has_script = context.has_script
    yield opened
    for one in context.pages:
        one.close()


def test_a_new_user_gets_a_token(cave: Sandbox, page: Any) -> None:
    """Sign in, choose a name, accept the terms, create a token, copy and download it, sign out."""
    page.goto(f"{cave.local_server}/materialize/views/datastack/minnie65_public")
    page.get_by_label("E-mail").fill("zoe@lab.example.org")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Use a custom name").check()
    page.get_by_label("Custom name", exact=True).fill("Zoé")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="I accept").click()
    page.get_by_text("Zoé, you have access.").wait_for()
    page.goto(f"{cave.server}/sticky_auth/settings/tokens")
    page.get_by_label("Description").fill("my laptop")
    page.get_by_role("button", name="Create token").click()
    token = page.get_by_label("New token").input_value()
    assert token == cave.tokens("zoe")[0]["token"]
    _take(page, token)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out").wait_for()


def test_two_sign_ins_in_two_tabs_and_a_cancelled_one(cave: Sandbox, page: Any) -> None:
    """The first tab ends with an error as JSON, the second works; Cancel ends on the server's error page."""
    start = f"{cave.server}/sticky_auth/settings/tokens"
    page.goto(start)
    other = page.context.new_page()
    other.goto(start)
    page.get_by_role("button", name="Ada").click()
    page.get_by_text("authorization error").wait_for()
    other.get_by_role("button", name="Ada").click()
    other.get_by_text("lab workstation").wait_for()
    assert other.url.startswith(start)
    page.context.clear_cookies()
    page.goto(start)
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("heading", name="Internal Server Error").wait_for()


def test_the_google_name_takes_one_click(cave: Sandbox, page: Any) -> None:
    """It is the default, and scripts disable the field for a custom name."""
    page.goto(f"{cave.server}/sticky_auth/settings/tokens")
    page.get_by_label("E-mail").fill("zoe@lab.example.org")
    page.get_by_role("button", name="Sign in", exact=True).click()
    assert page.get_by_label("Use the name of your Google account").is_checked()
    page.wait_for_load_state()
    assert page.get_by_label("Custom name", exact=True).is_disabled() is page.has_script
    if page.has_script:
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("heading", name="API tokens").wait_for()


def _take(page: Any, token: str) -> None:
    """Copies the token, if scripts may, and downloads it."""
    page.wait_for_load_state()
    assert page.get_by_role("button", name="Copy").first.is_visible() is page.has_script
    if page.has_script:
        copy(page)
        assert page.evaluate("navigator.clipboard.readText()") == token
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert json.loads(Path(download.value.path()).read_text())["token"] == token
