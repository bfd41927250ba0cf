"""Signing in through the browser, simulated over HTTP: what is created, saved, shown and revoked."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, main_thread
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Response

from cave_magic.api import endpoints
from cave_magic.credentials.target import Target
from cave_magic.doctor import next_steps
from cave_magic.errors import TokenNotChecked
from cave_magic.login import browser_sign_in, exchange, loopback, web_browser
from cave_magic.login.exchange import description
from cave_magic.login.loopback import DONE, OVER
from cave_magic.login.route import is_sign_in_address
from cave_magic.login.web_browser import settled
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Page, Visitor

from ..support.desk import (
    MINE,
    Desk,
    Hesitant,
    address_of,
    back_of,
    by_name,
    interrupt_when,
    is_inside,
    nothing_secret,
    stored,
    temporary_tokens_left,
)
from ..support.shell import sit_at_terminal
from ..support.waiting import LONG, until

# ---------------------------------------------------------------- the three ways home


def test_a_new_person_signs_in_without_copying_anything(here, cave, desk, home):
    """Sign-in, user name and terms take one tab; a token with this computer's name is created and saved, and the temporary one revoked."""
    desk.goes = Visitor("robin@lab.example.org", "Robin").open
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert (len(desk.opened), desk.questions) == (1, [])
    assert "You are set up" in ran.out
    assert "robin@lab.example.org" in ran.out
    assert "One step left" not in ran.out
    assert by_name(cave, "robin@lab.example.org") == {MINE: stored(home)[0]}
    assert temporary_tokens_left(cave) == []
    assert nothing_secret(cave, ran.out)


def test_the_tab_ends_on_a_clean_page_of_ours(here, cave, desk):
    """The browser ends on a page without query and without token that sends the person back to the notebook."""
    desk.goes = Visitor("robin@lab.example.org").open
    here("%cave_setup new")
    assert urlsplit(desk.last_page.address).path.startswith(DONE)
    assert urlsplit(desk.last_page.address).query == ""
    assert "You are signed in" in desk.last_page.source
    assert nothing_secret(cave, desk.last_page.source, desk.last_page.address)


def test_a_known_person_only_signs_in(here, cave, desk, home):
    """If the terms are accepted, the sign-in is the only step; older tokens stay valid."""
    before = by_name(cave, "ada")
    desk.goes = Visitor("ada@example.org").open
    assert here("%cave_setup new").error == ""
    after = by_name(cave, "ada")
    assert after.keys() - before.keys() == {MINE}
    assert before.items() <= after.items()
    assert stored(home) == [after[MINE]]
    assert temporary_tokens_left(cave) == []


def test_missing_terms_are_accepted_in_the_same_tab(here, cave, desk):
    """The tab continues to the terms and returns; the data can be read."""
    desk.goes = Visitor("bob@example.org").open
    ran = here("%cave_setup new")
    assert "One step left" not in ran.out
    assert cave._accounts.has_accepted(cave._accounts.find("bob").id, 2)
    assert urlsplit(desk.last_page.address).path.startswith(DONE)
    assert len(desk.opened) == 1


# ---------------------------------------------------------------- an existing person's tokens


def test_an_existing_person_is_shown_the_tokens_and_reuses_one(here, cave, desk, home):
    """The list has names, dates and endings, the most recently used token first; Enter takes that token and creates none."""
    keys = by_name(cave, "alice")
    cave._accounts.authenticate(keys["laptop"])
    desk.goes, desk.answers = Visitor("alice@example.org").open, [""]
    ran = here("%cave_setup existing")
    assert ran.error == ""
    assert by_name(cave, "alice") == keys
    assert stored(home) == [keys["laptop"]]
    assert "Alice Example <alice@example.org>" in ran.out
    assert ran.out.index("laptop") < ran.out.index("cluster")
    assert keys["cluster"][-4:] in ran.out
    assert "never" in ran.out
    assert temporary_tokens_left(cave) == []
    assert nothing_secret(cave, ran.out)


def test_the_token_of_this_computer_is_first_and_marked(here, cave, desk, home, monkeypatch):
    """It comes before one that was used later; the question names the default, and a bad answer is explained."""
    monkeypatch.setenv("COLUMNS", "88")
    mine = cave.new_token("alice", description=MINE)
    cave._accounts.authenticate(by_name(cave, "alice")["laptop"])
    desk.goes, desk.answers = Visitor("alice@example.org").open, ["4", ""]
    out = here("%cave_setup existing").out
    rows = {row.split()[0]: row for row in out.splitlines() if row[:2] in ("1 ", "2 ", "3 ")}
    assert f"{MINE} (this computer)" in rows["1"]
    assert re.search(r"laptop +\d\d \w{3} \d{4} \d\d:\d\d +\d\d \w{3} \d{4} \d\d:\d\d +\w{4}$", rows["2"])
    assert desk.questions == ["Which one? 1 to 3, n for a new one, Enter for 1: "] * 2
    assert "That is not in the list. Type a number from the first column (1 to 3), n for a new one, Enter for 1." in out
    assert stored(home) == [mine]


@pytest.mark.parametrize(("answer", "taken"), [("2", "laptop"), ("1", "cluster"), ("n", MINE), ("NEW", MINE)])
def test_the_answer_chooses_a_token(here, cave, desk, home, answer, taken):
    """A number takes that token; n creates one for this computer."""
    desk.goes, desk.answers = Visitor("alice@example.org").open, [answer]
    assert here("%cave_setup existing").error == ""
    assert stored(home) == [by_name(cave, "alice")[taken]]


def test_three_invalid_answers_cancel_and_revoke_the_token(here, cave, desk, home):
    """An invalid number is asked for again, at most three times."""
    desk.goes, desk.answers = Visitor("alice@example.org").open, ["7", "0", "x"]
    assert here("%cave_setup existing").error == "Cancelled"
    assert stored(home) == []
    assert temporary_tokens_left(cave) == []


@pytest.mark.parametrize(("use", "made"), [("latest", False), ("new", True)])
def test_use_asks_no_question(here, cave, desk, use, made):
    """`--use latest` and `--use new` make the choice in advance."""
    desk.goes = Visitor("alice@example.org").open
    assert here(f"%cave_setup existing --use {use}").error == ""
    assert desk.questions == []
    assert (MINE in by_name(cave, "alice")) is made


def test_use_replaces_a_working_token_without_asking(here, cave, desk, home):
    """On a computer that is already set up, `--use` replaces the token."""
    desk.goes = Visitor("ada@example.org").open
    assert here("%cave_setup existing --use latest").error == ""
    assert here("%cave_setup existing --use new").error == ""
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert desk.questions == []


def test_somebody_without_tokens_gets_one_without_a_question(here, cave, desk, home):
    """With nothing to choose from, a token is created."""
    desk.goes = Visitor("dave@example.org").open
    assert here("%cave_setup existing").error == ""
    assert desk.questions == []
    assert stored(home) == [by_name(cave, "dave")[MINE]]


def test_a_listed_token_that_is_revoked_is_not_used(here, cave, desk, home):
    """The list may contain a token that the server no longer accepts; then the choice is offered again without it."""
    keys = by_name(cave, "alice")
    cave.lose_token(keys["cluster"])
    desk.goes, desk.answers = Visitor("alice@example.org").open, ["1", "1"]
    ran = here("%cave_setup existing")
    assert "no longer works" in ran.out
    assert stored(home) == [keys["laptop"]]


# ---------------------------------------------------------------- old servers


@pytest.fixture
def old(run: Any, desk: Desk) -> Iterator[Sandbox]:
    """A server that keeps one token for each account."""
    with Sandbox(auth_version="2.18.3") as sandbox:
        run(f'%config CaveMagics.server = "{sandbox.server}"')
        yield sandbox


@pytest.mark.parametrize("line", ["%cave_setup new", "%cave_setup existing --use new"])
def test_an_old_server_asks_before_anything_is_done(old, desk, run, line):
    """If a new token would revoke the other one, nothing happens unless the person says yes."""
    desk.answers = ["n"]
    ran = run(line)
    assert ran.error == "Cancelled"
    assert "revokes the one in use elsewhere" in desk.questions[0]
    assert desk.opened == []


def test_on_an_old_server_yes_replaces_the_token(old, desk, run, home):
    """After yes the account's only token is a new one, and it is saved."""
    before = old.tokens("ada")[0]["token"]
    desk.answers, desk.goes = ["y"], Visitor("ada@example.org").open
    assert run("%cave_setup new").error == ""
    assert [row["token"] for row in old.tokens("ada")] == stored(home) != [before]
    assert temporary_tokens_left(old) == []


def test_on_an_old_server_reusing_revokes_nothing(old, desk, run, home):
    """The list says what a new token would do; reusing the existing one needs no second yes."""
    before = old.tokens("ada")[0]["token"]
    desk.answers, desk.goes = [""], Visitor("ada@example.org").open
    ran = run("%cave_setup existing")
    assert "revokes the one in use elsewhere" in " ".join(ran.out.split())
    assert stored(home) == [before]


def test_an_old_server_asks_again_for_a_new_token_from_the_list(old, desk, run, home):
    """A new token needs another yes, and a no revokes the temporary token."""
    desk.answers, desk.goes = ["n", "no"], Visitor("ada@example.org").open
    assert run("%cave_setup existing").error == "Cancelled"
    assert len(old.tokens("ada")) == 1
    assert temporary_tokens_left(old) == []
    assert stored(home) == []


# ---------------------------------------------------------------- another account


def test_the_last_account_that_signs_in_counts(here, cave, desk, home):
    """The wrong account is noticed at the terms, and the link opened again: the right one is set up, no terms are waited
    for, and the token of the wrong one is dead."""

    def go(address: str) -> Page:
        Hesitant("bob@example.org").open(address)
        return Visitor("ada@example.org").open(address)

    desk.goes = go
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert "Ada Example <ada@example.org>" in ran.out
    assert "bob" not in ran.out.replace("waiting for", "")
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert urlsplit(desk.last_page.address).path.startswith(DONE)
    assert temporary_tokens_left(cave) == []


def test_the_wrong_account_is_signed_out_at_once(cave, desk):
    """Its token is revoked immediately, and the terms page of the right account returns to the receiver."""
    with browser_sign_in.SignIn(Target(datastack="minnie65_public", server=cave.server), LONG) as sign_in:
        Hesitant("bob@example.org").open(sign_in.page)
        (first,) = temporary_tokens_left(cave)
        cave.sign_up("carla@lab.example.org")
        page = Hesitant("carla@lab.example.org").open(sign_in.page)
        until(lambda: cave._accounts.owner(first) is None)
        assert back_of(page.address) == sign_in._receiver.return_url
        assert sign_in.verified.account.email.text == "carla@lab.example.org"
        assert sign_in.is_waiting


def test_the_same_account_may_sign_in_again_at_the_terms(here, cave, desk):
    """If the tab with the terms is lost and the link opened again, the terms appear again and can be accepted."""

    def go(address: str) -> Page:
        Hesitant("bob@example.org").open(address)
        return Visitor("bob@example.org").open(address)

    desk.goes = go
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert "You are set up" in ran.out
    assert temporary_tokens_left(cave) == []


def test_a_page_that_is_loaded_twice_changes_nothing(cave, desk):
    """After Reload, Back or a repeated request, the same token leads to the same page."""
    with browser_sign_in.SignIn(Target(datastack="minnie65_public", server=cave.server), LONG) as sign_in:
        visitor = Hesitant("bob@example.org")
        first = visitor.open(sign_in.page).address
        (token,) = temporary_tokens_left(cave)
        again = f"{back_of(sign_in.page)}?token={token}"
        assert visitor._load(again).address == first
        assert sign_in.is_waiting
        back = f"{sign_in._receiver.return_url}?token={token}"
        assert all(urlsplit(visitor._load(one).address).path.startswith(DONE) for one in (back, back, again))
        assert not sign_in.is_waiting


def test_the_waiting_page_says_how_to_change_the_account(here, cave, desk):
    """It says which link to open again, that the last sign-in counts, and what to do if no choice is offered."""
    desk.goes = Visitor("ada@example.org").open
    said = " ".join(here("%cave_setup new").out.split())
    assert f"the wrong account? Open this address again: {desk.opened[0]}" in said
    assert "The last sign-in counts" in said
    assert "in a private window" in said


# ---------------------------------------------------------------- when it does not come


def test_an_interrupt_of_the_wait_leads_to_the_prompt(here, cave, desk, home):
    """The stop button leads to the guide and the prompt; a later sign-in is told that it is over."""
    desk.answers = [cave.new_token("ada", description="by hand")]
    interrupt_when(lambda: desk.opened, inside=browser_sign_in.SignIn.step)
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert desk.questions == ["Token (hidden: nothing appears while you paste): "]
    assert "create a token, and copy it" in " ".join(ran.out.split())
    assert stored(home) == [by_name(cave, "ada")["by hand"]]
    page = Visitor("bob@example.org").open(desk.opened[0])
    assert (urlsplit(page.address).path, urlsplit(page.address).query, page.status) == (OVER, "", 410)
    assert temporary_tokens_left(cave) == []


def test_an_interrupt_skips_the_terms(here, cave, desk, home):
    """A person who is signed in gets the token; the card names the terms."""
    desk.goes = Hesitant("bob@example.org").open
    interrupt_when(lambda: desk.pages and desk.pages[-1].done(), inside=browser_sign_in.SignIn.step)
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert "/sticky_auth/api/v1/tos/2/accept" in desk.last_page.address
    assert "One step left." in ran.out
    assert stored(home) == [by_name(cave, "bob")[MINE]]
    assert temporary_tokens_left(cave) == []


def test_terms_accepted_elsewhere_end_the_wait(here, cave, desk, monkeypatch):
    """The wait notices when the terms are accepted in a tab that cannot return."""
    monkeypatch.setattr(browser_sign_in, "LOOK_AGAIN", 0.1)
    visitor = Hesitant("bob@example.org")

    def go(address: str) -> Page:
        page = visitor.open(address)
        cave.accept_terms("bob", "minnie65_public")
        return page

    desk.goes = go
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert "One step left" not in ran.out


def test_a_sign_in_in_the_browser_times_out(here, cave, desk, monkeypatch, home):
    """If the tab is closed, the sign-in times out, and the prompt appears."""
    monkeypatch.setattr(browser_sign_in, "LIFETIME", 0.5)
    desk.answers = [cave.new_token("ada")]
    ran = here("%cave_setup existing")
    assert "The sign-in timed out" in ran.out
    assert desk.questions == ["Token (hidden: nothing appears while you paste): "]
    assert len(stored(home)) == 1


def test_a_rejected_token_does_not_end_the_wait(here, cave, desk, home):
    """A made-up token at the right URL is rejected, and the real sign-in still counts."""
    visitor, statuses = Visitor("ada@example.org"), []

    def go(address: str) -> Page:
        back = back_of(address)
        statuses.append(visitor._load(f"{back}?token={'f' * 32}").status)
        statuses.append(visitor._load(f"{back}?token={by_name(cave, 'ada')['lab workstation']}").status)
        return visitor.open(address)

    desk.goes = go
    ran = here("%cave_setup new")
    assert statuses == [403, 403]
    assert ran.error == ""
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert cave._accounts.owner(by_name(cave, "ada")["lab workstation"]) is not None


# ---------------------------------------------------------------- where it is not taken


@pytest.mark.parametrize("line", ["%cave_setup new --paste", "%cave_setup existing --paste"])
def test_paste_leads_to_the_prompt(here, cave, desk, home, line):
    """With `--paste` there is no wait for a browser."""
    desk.answers = [cave.new_token("ada")]
    assert here(line).error == ""
    assert desk.questions == ["Token (hidden: nothing appears while you paste): "]
    assert "authorize" not in desk.opened[0]


def test_a_server_without_a_sign_in_page_uses_the_prompt(here, cave, desk):
    """If the auth server has no sign-in page, it says so and does not open one."""
    cave.misbehave("/sticky_auth/api/v1/authorize", "status:404")
    desk.answers = [cave.new_token("ada")]
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert "does not support signing in through the browser" in ran.out
    assert not [address for address in desk.opened if "authorize" in address]


@pytest.mark.parametrize("how", ["down", "error500", "reset", "retry-after:60:429"])
def test_pages_that_are_down_are_not_linked(here, cave, desk, how):
    """A new person is told why signing in does not work; no link to a page that is down is shown or opened."""
    cave.misbehave("sticky_auth", how)
    ran = here("%cave_setup new")
    assert ran.error == "ServerInTrouble"
    assert "signing in does not work right now: 127.0.0.1" in ran.message
    assert "Nothing was changed" in ran.message
    target = Target(datastack="minnie65_public", server=cave.server, named_by="option")
    assert next_steps.setup(target, "existing", "--paste").text in ran.message
    assert (desk.opened, desk.questions) == ([], [])
    assert "http" not in (ran.out + ran.message).replace(f"--server {cave.server}", "")


@pytest.mark.parametrize("line", ["%cave_setup existing", "%cave_setup existing --paste", "%cave_setup new --paste"])
def test_a_token_can_be_pasted_while_the_pages_are_down(here, cave, desk, home, line):
    """The person is asked for a token, and told why there is no link."""
    cave.misbehave("sticky_auth", "down")
    desk.answers = [cave.new_token("ada")]
    ran = here(line)
    assert ran.error == ""
    assert "the tokens page cannot be opened right now: 127.0.0.1" in " ".join(ran.out.split())
    assert desk.opened == []
    assert "sticky_auth" not in ran.out
    assert len(stored(home)) == 1


def test_a_new_token_that_cannot_be_checked_is_saved(here, cave, desk, home, monkeypatch):
    """The auth server has just created it, so it is saved even if that server does not respond any more."""

    def times_out(*_: Any) -> Any:
        raise TokenNotChecked("the server timed out")

    monkeypatch.setattr(exchange, "verify_token", times_out)
    desk.goes = Visitor("ada@example.org").open
    assert here("%cave_setup new").error == ""
    assert stored(home) == [by_name(cave, "ada")[MINE]]


# ---------------------------------------------------------------- browsers that do not open


def test_without_a_browser_the_link_is_shown_and_the_wait_continues(here, cave, desk, home, monkeypatch):
    """If no browser opens, it says why, and the link works in any browser."""

    def no_browser(address: str) -> Future[str]:
        desk.open_browser(address)
        return settled("/bin/false (set in BROWSER) exited with status 1")

    monkeypatch.setattr(web_browser, "open_browser", no_browser)
    desk.goes = Visitor("ada@example.org").open
    ran = here("%cave_setup new")
    said = " ".join(ran.out.split())
    assert ran.error == ""
    assert "No browser opened: /bin/false (set in BROWSER) exited with status 1." in said
    assert f"Open this address in a browser on this computer: {desk.opened[0]}" in said
    assert "A browser tab has opened" not in said
    assert stored(home) == [by_name(cave, "ada")[MINE]]


def test_a_browser_that_fails_later_is_reported_in_the_status_line(cave, desk, monkeypatch):
    """If the browser fails during the wait, the status line says so."""
    opening: Future[str] = Future()
    said: list[str] = []

    class Screen:
        interrupt = "press Ctrl+C"

        @contextmanager
        def standing(self, page: Any, after: Any) -> Iterator[Any]:
            yield lambda topic, left: said.append(topic)

        def say(self, text: str) -> None:
            said.append(text)

    monkeypatch.setattr(browser_sign_in, "STARTING", 0.0)
    with browser_sign_in.SignIn(Target(datastack="minnie65_public", server=cave.server), LONG) as sign_in:
        steps = iter([lambda: opening.set_result("firefox exited with status 1"), sign_in.settle])
        monkeypatch.setattr(sign_in, "step", lambda seconds: next(steps)())
        assert browser_sign_in._wait(sign_in, opening, Screen()) is None
    assert said[0] == "waiting for your sign-in in the browser"
    assert said[1] == "no browser opened: firefox exited with status 1. Open the address above"


def test_without_loopback_the_prompt_is_used(here, cave, desk, home, monkeypatch):
    """If the computer does not allow listening on loopback, it says so, and the prompt appears."""
    monkeypatch.setattr(loopback, "HOSTS", ("192.0.2.1",))
    desk.answers = [cave.new_token("ada")]
    ran = here("%cave_setup new")
    assert ran.error == ""
    assert "does not let a program listen on loopback" in " ".join(ran.out.split())
    assert not [address for address in desk.opened if "authorize" in address]


def test_a_batch_run_does_not_wait_for_a_browser(here, cave, desk, monkeypatch):
    """In a batch run no browser is opened and nothing blocks."""
    sit_at_terminal(monkeypatch, can_ask=False)
    start = time.monotonic()
    assert here("%cave_setup new").error == "NobodyToAsk"
    assert time.monotonic() - start < LONG / 2
    assert desk.opened == []


# ---------------------------------------------------------------- temporary tokens that a person brings


def test_a_pasted_sign_in_address_is_exchanged(here, cave, desk, home):
    """The URL of a browser on another machine, pasted at the prompt, is exchanged for a permanent token."""
    desk.answers = [address_of(cave.new_login_token("ada"))]
    ran = here("%cave_setup existing --paste")
    assert ran.error == ""
    assert desk.questions == ["Token (hidden: nothing appears while you paste): "]
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert temporary_tokens_left(cave) == []
    assert nothing_secret(cave, ran.out)


@pytest.mark.parametrize(("answer", "kept"), [("y", False), ("n", True), ("", True)])
def test_a_pasted_temporary_token_is_offered_an_exchange(here, cave, desk, home, answer, kept):
    """`%cave_save` says that it expires, and creates a permanent one after yes."""
    login = cave.new_login_token("ada")
    desk.answers = [login, answer]
    ran = here("%cave_save")
    assert "expires within 7 days" in desk.questions[1]
    assert stored(home) == [login if kept else by_name(cave, "ada")[MINE]]
    assert ("expires within 7 days" in ran.out) is kept
    assert temporary_tokens_left(cave) == ([login] if kept else [])


def test_another_stored_token_stops_before_a_token_is_created(here, cave, desk, home):
    """A person who keeps the stored token gets no other one."""
    desk.answers = [stays := cave.new_token("alice"), cave.new_login_token("ada"), "n"]
    assert here("%cave_save").error == ""
    assert here("%cave_save").error == "Cancelled"
    assert MINE not in by_name(cave, "ada")
    assert stored(home) == [stays]


@pytest.mark.usefixtures("permissions_count")
@pytest.mark.parametrize("line", ["%cave_setup new", "%cave_setup existing --paste", "%cave_save"])
def test_if_nothing_can_be_saved_no_token_is_created(here, cave, desk, home, line):
    """A read-only folder is reported before a browser opens, a token is asked for, or one is created."""
    folder = home / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    desk.answers = [address_of(cave.new_login_token("ada"))]
    ran = here(line)
    assert ran.error == "TokenNotSaved"
    assert "is not writable by you. No file was changed. Next: !chmod 700 ~/.cloudvolume/secrets, then " in ran.message
    assert desk.opened == desk.questions == []
    assert MINE not in by_name(cave, "ada")


def test_testing_whether_saving_works_leaves_no_files(here, cave, desk, home):
    """A cancelled set-up leaves the home unchanged, without an empty folder."""
    desk.answers = [""]
    assert here("%cave_setup existing --paste").error == "Cancelled"
    assert not (home / ".cloudvolume").exists()
    assert not list(home.glob(".cave_magic*"))


def test_a_stored_temporary_token_is_exchanged_without_a_browser(here, cave, desk, home):
    """`%cave_setup` says when it expires; `%cave_setup existing` offers the exchange."""
    desk.answers = [cave.new_login_token("ada"), "n"]
    assert here("%cave_save").error == ""
    alone = here("%cave_setup")
    assert "temporary and expires by" in " ".join(alone.out.split())
    desk.answers = ["y"]
    assert here("%cave_setup existing").error == ""
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert desk.opened == []
    assert temporary_tokens_left(cave) == []


@pytest.mark.parametrize("asks", [False, True])
def test_a_batch_run_saves_a_temporary_token_with_a_warning(here, cave, desk, home, monkeypatch, asks):
    """A batch run saves a temporary token with a warning; otherwise an exchange is offered."""
    login = cave.new_login_token("ada")
    monkeypatch.setenv("ADA", login)
    sit_at_terminal(monkeypatch, can_ask=asks)
    desk.answers = ["y"]
    assert here("%cave_save --from-env ADA").error == ""
    assert (stored(home) == [login]) is not asks


# ---------------------------------------------------------------- small things


def test_two_sign_ins_at_the_same_time_are_independent(cave, desk):
    """Two waits with two receivers each get the right account."""
    target = Target(datastack="minnie65_public", server=cave.server)
    with (
        browser_sign_in.SignIn(target, LONG) as one,
        browser_sign_in.SignIn(target, LONG) as two,
        ThreadPoolExecutor(2) as pool,
    ):
        pages = pool.map(
            lambda pair: Visitor(pair[0]).open(pair[1]), [("ada@example.org", one.page), ("bob@example.org", two.page)]
        )
        assert [urlsplit(page.address).path.startswith(DONE) for page in pages] == [True, True]
        assert (one.verified.account.name.text, two.verified.account.name.text) == ("Ada Example", "Bob Example")
        one.__exit__()
        assert len(temporary_tokens_left(cave)) == 1
    assert temporary_tokens_left(cave) == []


def test_the_status_says_how_much_time_is_left(cave, desk):
    """Minutes first, then seconds."""
    with browser_sign_in.SignIn(Target(datastack="minnie65_public", server=cave.server), LONG) as sign_in:
        assert sign_in.status == ("waiting for your sign-in in the browser", "5 min left")
        sign_in._receiver._ends = time.monotonic() + 49.5
        assert sign_in.status == ("waiting for your sign-in in the browser", "50 s left")


def test_a_terms_link_leads_to_its_server_or_the_receiver():
    """The server adds the token only to the URL in the link: its own page, or the receiver."""
    server = "https://cave.example.org"
    assert back_of(endpoints.terms_page(server, 2)) == f"{server}/info/"
    link = endpoints.terms_page(server, 2, "http://127.0.0.1:40123/k3J")
    assert link == f"{server}/sticky_auth/api/v1/tos/2/accept?redirect=http://127.0.0.1:40123/k3J"


@pytest.mark.parametrize("name", ["lab-mac.local", "", "x" * 500, "Лаборатория", "<b>\n\x1b[31m"])
def test_the_description_of_the_token_is_short_and_printable(monkeypatch, name):
    """For any computer name, the description is printable and much shorter than the server's limit."""
    monkeypatch.setattr("platform.node", lambda: name)
    words = description()
    assert words.startswith("cave_magic on ")
    assert words.isascii()
    assert words.isprintable()
    assert len(words) < 100


def test_only_a_sign_in_address_is_exchanged_without_asking():
    """Other URLs and bare tokens need a yes."""
    assert is_sign_in_address(address_of("0" * 32))
    assert is_sign_in_address(f"  {address_of('0' * 32)}")
    assert is_sign_in_address(address_of("0" * 32).removeprefix("http://"))
    assert is_sign_in_address(address_of("0" * 32).replace("127.0.0.1", "[::1]"))
    assert not is_sign_in_address("0" * 32)
    assert not is_sign_in_address(f"https://ngl.example.org/?middle_auth_token={'0' * 32}")


def test_no_repr_shows_a_token(cave, desk):
    """The reprs of a sign-in in progress contain no token."""
    with browser_sign_in.SignIn(Target(datastack="minnie65_public", server=cave.server), LONG) as sign_in:
        Visitor("ada@example.org").open(sign_in.page)
        assert sign_in.verified is not None
        assert nothing_secret(cave, repr(sign_in), repr(sign_in.verified), repr(vars(sign_in)))


# ---------------------------------------------------------------- stopped on an old server


@pytest.mark.parametrize("place_", ["login.exchange.verify_token", "login.verify.save_and_prove"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_on_an_old_server_an_unsaved_token_is_reported(old, desk, run, home, monkeypatch, place_, error):
    """It has revoked the other one, so it is not revoked itself; the printed command saves it."""

    def stop(*_: Any) -> None:
        raise error

    desk.answers, desk.goes = ["y"], Visitor("ada@example.org").open
    with monkeypatch.context() as patch:
        patch.setattr(f"cave_magic.{place_}", stop)
        ran = run("%cave_setup new")
    made = old.tokens("ada")[0]["token"]
    assert ran.error
    assert f"ending in {made[-4:]}" in ran.out
    assert "--use latest" in ran.out
    assert (stored(home), temporary_tokens_left(old)) == ([], [])
    assert run("%cave_setup existing --use latest").error == ""
    assert stored(home) == [made]


def test_on_an_old_server_declining_a_pasted_sign_in_revokes_it(old, desk, run, home, monkeypatch):
    """A token from a URL is not saved, even if the person wants no other."""
    monkeypatch.setenv("MINE", address_of(old.new_login_token("ada")))
    desk.answers = ["n"]
    assert run("%cave_save --from-env MINE").error == "Cancelled"
    assert (stored(home), temporary_tokens_left(old)) == ([], [])


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no such interrupt here")
def test_a_token_that_is_created_too_late_is_revoked(here, cave, desk, monkeypatch):
    """After an interrupt before the response, it says so, and a token that is created later is revoked."""
    made, go = exchange.create_token, Event()

    def slow(*arguments: Any) -> Any:
        answer = made(*arguments)
        until(lambda: is_inside(Future.result))
        signal.pthread_kill(main_thread().ident, signal.SIGINT)  # wakes a wait, which `interrupt_main` does not
        go.wait(LONG)
        return answer

    monkeypatch.setattr(exchange, "create_token", slow)
    monkeypatch.setattr(exchange, "PATIENCE", 2.0)
    desk.goes = Visitor("ada@example.org").open
    ran = here("%cave_setup new")
    assert "If it still creates a token, that will be revoked" in ran.out
    assert MINE in by_name(cave, "ada")
    go.set()
    until(lambda: MINE not in by_name(cave, "ada"))


def test_a_new_token_that_is_rejected_is_not_called_copied(here, cave, desk, home):
    """If the server rejects the token that it has just created, the person is not told to copy it again."""
    cave.misbehave("POST /auth/api/v1/user/token", lambda request: Response(f'"{"ab" * 16}"'))
    desk.goes = Visitor("ada@example.org").open
    ran = here("%cave_setup new")
    assert ran.message.startswith("you signed in, but 127.0.0.1:")
    assert "rejected the token that it had just created. Nothing was saved." in ran.message
    assert "Copy" not in ran.message
    assert temporary_tokens_left(cave) == []
