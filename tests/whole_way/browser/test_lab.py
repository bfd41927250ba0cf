"""JupyterLab and Notebook 7: every magic, a fault and its fix, waiting, stopping."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox
from cave_magic.ui.html import fetching

from .conftest import PATIENT, POLL, Jupyter, Notebook, Open, copy, start_with, tunnel
from .test_signin import no_temporary_token_is_left, sign_in_as

OPEN_CLIENT = 'from caveclient import CAVEclient; print(CAVEclient("minnie65_public").info.datastack_name)'


def _accept_the_terms(notebook: Notebook, link: Any) -> None:
    """Follows a link to the practice server, signs in as a new person and accepts the terms."""
    with notebook.page.context.expect_page() as opened:
        link.click()
    page = opened.value
    page.get_by_label("E-mail").fill("grace@example.org")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Continue").click()
    with page.expect_navigation():
        page.get_by_role("button", name="I accept").click()
    page.close()


def _make_and_copy_a_token(notebook: Notebook, link: Any) -> None:
    """Follows a link to the tokens page, makes a token there and copies it."""
    with notebook.page.context.expect_page() as opened:
        link.click()
    page = opened.value
    page.get_by_label("Description").fill("my laptop")
    page.get_by_role("button", name="Create token").click()
    copy(page)
    page.close()


def test_notebook_7_in_a_narrow_window_through_an_ssh_tunnel(
    open_notebook: Open, jupyter: Jupyter, cave: Sandbox, home: Path
):
    """Without a hub, at another port of `localhost`: the link leads through the server back to the kernel.

    In a window of 560 pixels every line wraps and nothing needs scrolling; an error stops "Run all" there, too.
    """
    start_with(home, PATIENT)
    with tunnel(int(jupyter.address.rpartition(":")[2])) as port:
        here = f"http://localhost:{port}"
        notebook = open_notebook("notebook", width=560, server=here)
        setup = notebook.start("%cave_setup new")
        notebook.sees(setup, "waiting for your sign-in")
        with notebook.page.context.expect_page() as opened:
            notebook.output(setup).locator("a").click()
        sign_in_as(opened.value, "ada@example.org")
        opened.value.get_by_text("You are signed in").wait_for()
        assert re.fullmatch(rf"{here}/proxy/\d+/done/[\w-]+", opened.value.url)
        opened.value.close()
        assert "You are set up." in notebook.wait(setup)
        assert no_temporary_token_is_left(cave)
        cave.withdraw_terms("ada", "minnie65_public")
        cave.forget()
        for line in ("%cave_check minnie65_public secret_ds", "%cave_whoami"):
            notebook.run(line)
        status = notebook.start("%cave_setup")
        notebook.sees(status, "this goes on by itself")
        notebook.stop()
        notebook.wait(status)
        wide = notebook.page.evaluate(
            "() => [...document.querySelectorAll('.jp-OutputArea-output')]"
            ".filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"
        )
        assert wide == []
        notebook.clear()
        assert_an_error_stops_run_all(notebook)


@pytest.mark.parametrize(
    ("page", "base"),
    [
        (
            '<script id="jupyter-config-data" type="application/json">{"baseUrl": "/user/ada%40lab/"}</script>',
            "/user/ada%40lab/",
        ),
        ('<script id="jupyter-config-data" type="application/json">{"baseUrl": "/"}</script>', "/"),
        ('<body data-base-url="/a/b">', "/a/b/"),
        (
            '<script id="jupyter-config-data" type="application/json">{"baseUrl": "https://evil.example.com/"}</script>',
            "",
        ),
        ('<script id="jupyter-config-data" type="application/json">not JSON</script>', ""),
        ("<body>", ""),
    ],
    ids=["JupyterLab on a hub", "JupyterLab", "classic Notebook", "another site", "not JSON", "no Jupyter"],
)
def test_a_page_requests_a_port_through_its_own_server_only(browser: Any, page: str, base: str):
    """JupyterLab, the classic Notebook, and pages of something else, which send nothing and report no error."""
    tab, sent, errors = browser.new_page(), [], []
    tab.on("pageerror", lambda error: errors.append(error))
    tab.route("**/*", lambda route: (sent.append(route.request), route.fulfill(body=page, content_type="text/html")))
    tab.goto("http://hub.test/x")
    tab.evaluate(fetching(4711, "/y").removeprefix("<script>").removesuffix("</script>"))
    tab.evaluate("() => fetch('/end')")
    asked = [(one.url, one.headers.get("x-cave-page")) for one in sent[1:-1]]
    home = f"http://hub.test{base}"
    assert asked == ([(f"{home}proxy/4711/y", home)] if base else [])
    assert errors == []
    tab.close()


def test_a_new_person_is_set_up_after_two_links_and_one_paste(open_notebook: Open, cave: Sandbox):
    """`--paste`: sign in, accept the terms, create a token, copy it and paste it; then CAVEclient works."""
    notebook = open_notebook()
    setup = notebook.start("%cave_setup new --paste")
    notebook.box(setup).wait_for()
    account, tokens = notebook.links(setup, 2)
    assert account.inner_text() == account.get_attribute("href")
    _accept_the_terms(notebook, account)
    _make_and_copy_a_token(notebook, tokens)
    notebook.box(setup).click()
    notebook.page.keyboard.press("Control+V")
    notebook.page.keyboard.press("Enter")
    said = notebook.wait(setup)
    assert "You are set up." in said
    assert "grace@example.org" in said
    assert "minnie65_public" in notebook.run(OPEN_CLIENT)
    (token,) = [row["token"] for row in cave.tokens("grace")]
    assert token not in json.dumps(notebook.saved())


def test_a_typed_token_leaves_the_cell_is_named_and_replaced_after_yes(open_notebook: Open, cave: Sandbox):
    """`%cave_save <token>` works, and removes the token from the cell and so from the saved file.

    `%cave_whoami` names the account and the last four characters of its token; `%cave_setup existing` asks first.
    """
    token, alices = cave.new_token("ada"), cave.new_token("alice")
    notebook = open_notebook()
    save = notebook.start(f"# keep it\n%cave_save {token}")
    assert "You are set up." in notebook.wait(save)
    notebook.page.wait_for_function(
        "([one, token]) => !one.textContent.includes(token)",
        arg=[notebook.cell(save).locator(".cm-content").element_handle(), token],
        polling=POLL,
    )
    assert notebook.source(save).startswith("# keep it\n%cave_save")
    said = notebook.run("%cave_whoami")
    assert "Ada Example" in said
    assert "ada@example.org" in said
    assert token[-4:] in said
    assert token not in said
    setup = notebook.start("%cave_setup existing --paste")
    notebook.sees(setup, "Replace that token?")
    notebook.sees(setup, re.compile("Ada Example"))
    notebook.answer(setup, "y")
    notebook.page.locator(".jp-Stdin-input[type=password]").wait_for()
    notebook.answer(setup, alices)
    assert "alice@example.org" in notebook.wait(setup)
    assert "Alice Example" in notebook.run("%cave_whoami")
    assert token not in json.dumps(notebook.saved())


def test_a_fault_is_named_and_its_next_step_fixes_it(open_notebook: Open, cave: Sandbox, set_up: str):
    """`%cave_check` names unsigned terms; after the link of its last line it turns green by itself."""
    cave.withdraw_terms("ada", "minnie65_public")
    cave.forget()
    notebook = open_notebook()
    checked = notebook.start("%cave_check")
    notebook.sees(checked, "this goes on by itself")
    assert re.search(r"✘ failed\s+terms", notebook.text(checked))
    with notebook.page.context.expect_page() as opened:
        notebook.output(checked).locator("a").last.click()
    page = opened.value
    page.get_by_role("button", name=re.compile("Ada")).click()
    with page.expect_navigation():
        page.get_by_role("button", name="I accept").click()
    page.close()
    notebook.page.bring_to_front()
    assert "All well" in notebook.wait(checked)


def test_waiting_names_the_hosts_and_can_be_stopped(open_notebook: Open, cave: Sandbox, set_up: str):
    """While servers are slow, the cell names them and counts; then only the report is left, also in the file.

    Stopping a waiting check leaves one line, and the kernel continues.
    """
    cave.misbehave("auth", "silent")
    notebook = open_notebook()
    check = notebook.start("print('before')\n%cave_check")
    notebook.sees(check, re.compile(r"waiting for 127\.0\.0\.1:\d+ … \d+ s"))
    notebook.sees(check, re.compile(r"… ([2-9]|\d\d) s"))
    cave.behave()
    said = notebook.wait(check)
    assert "All well" in said
    assert "waiting" not in said
    first, *rest = notebook.saved()["cells"][check]["outputs"]
    assert "".join(first["text"]) == "before\n"
    assert len([one for one in rest if "".join(map("".join, one["data"].values()))]) == 1
    assert "waiting" not in json.dumps(rest)
    boxes = [one.bounding_box()["height"] for one in notebook.output(check).locator(".jp-OutputArea-child").all()]
    *waits, _, _ = sorted(boxes)  # a busy computer may wait twice: for the servers, then for an import
    assert set(waits) == {0}
    cave.misbehave("all", "silent")
    check = notebook.start("%cave_check --timeout 60")
    notebook.sees(check, re.compile("waiting for"))
    notebook.stop()
    assert notebook.wait(check).strip() == "Stopped. Nothing was changed."
    assert [one["output_type"] for one in notebook.saved()["cells"][check]["outputs"]] == ["display_data"]
    assert "2" in notebook.run("1 + 1")


def test_errors_prompts_and_tab_without_a_token(open_notebook: Open):
    """In a fresh notebook Tab completes, a prompt can be stopped or left empty, and an error stops "Run all"."""
    notebook = open_notebook()
    assert_tab_offers_what_fits(notebook)
    notebook.clear()
    assert_a_prompt_can_be_stopped_or_left_empty(notebook)
    notebook.clear()
    assert_an_error_stops_run_all(notebook)


def assert_tab_offers_what_fits(notebook: Notebook) -> None:
    """Tab after `%cave_check mi` offers only the datastacks with that prefix."""
    notebook.run("1 + 1")
    notebook.type("%cave_check minnie65")
    notebook.page.keyboard.press("Tab")
    items = notebook.page.locator(".jp-Completer-item")
    items.first.wait_for()
    assert {text.strip() for text in items.locator(".jp-Completer-match").all_inner_texts()} == {
        "minnie65_phase3_v1",
        "minnie65_public",
    }


def assert_a_prompt_can_be_stopped_or_left_empty(notebook: Notebook) -> None:
    """Stopping at the hidden prompt removes the box and leaves one line; so does an empty answer."""
    setup = notebook.start("%cave_setup new --paste")
    notebook.box(setup).wait_for()
    notebook.stop()
    notebook.wait(setup)
    notebook.wait_for_no_box(setup)
    assert notebook.text(setup).strip().endswith("Cancelled. Nothing was changed.")
    save = notebook.start("%cave_save")
    notebook.box(save).press("Enter")
    notebook.wait(save)
    notebook.wait_for_no_box(save)
    assert notebook.text(save).strip().endswith("Cancelled. Nothing was changed.")


def assert_an_error_stops_run_all(notebook: Notebook) -> None:
    """The cell has no red box, and has failed: the cells after it do not run."""
    # The second time until the next cell has arrived: a kernel aborts those that it has.
    busy = "import time; time.sleep(globals().get('pause', 0)); pause = 3"
    failing = notebook.start(f"{busy}\n%cave_save --from-env NOT_SET")
    notebook.wait(failing)
    after = notebook.type("print('went on')")
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    assert notebook.wait(failing).strip() == (
        "✘ The environment variable NOT_SET is not set, or is empty. Nothing was changed."
    )
    assert [one["output_type"] for one in notebook.saved()["cells"][failing]["outputs"]] == ["display_data"]
    assert notebook.text(after) == ""


_CONTRASTS = """() => {
    const channel = v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
    const light = c => .2126 * channel(c[0]) + .7152 * channel(c[1]) + .0722 * channel(c[2]);
    const numbers = text => (text.match(/[\\d.]+/g) || []).map(one => one * (text.startsWith('color(') ? 255 : 1));
    const ground = one => { for (; one; one = one.parentElement) {
        const c = numbers(getComputedStyle(one).backgroundColor);
        if (c.length === 3) return c; } return [255, 255, 255]; };
    return [...document.querySelectorAll('.cave-magic *')].filter(one => one.textContent.trim()).map(one => {
        const pair = [light(numbers(getComputedStyle(one).color)), light(ground(one))].sort((a, b) => b - a);
        return [one.textContent, (pair[0] + .05) / (pair[1] + .05)]; }); }"""


def test_both_themes_are_readable(open_notebook: Open, cave: Sandbox, set_up: str):
    """Every word has a contrast of at least 4 on the background of the light and the dark theme."""
    cave.misbehave("materialize", "down")
    notebook = open_notebook()
    notebook.run("%cave_check")
    notebook.run("%cave_setup")
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        notebook.switch_theme(theme)
        found = notebook.page.evaluate(_CONTRASTS)
        assert len(found) > 20
        assert [(text, ratio) for text, ratio in found if ratio < 4] == []
