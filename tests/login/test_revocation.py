"""Every end of a sign-in revokes its tokens, or reports which one is still valid, until when, and how to revoke it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta, timezone
from typing import Any

import flask
import pytest

from cave_magic.api.batch import Batch
from cave_magic.api.responses import TEMPORARY_TOKEN_DAYS
from cave_magic.api.urls import host_of
from cave_magic.errors import TokenNotSaved
from cave_magic.login import browser_sign_in, exchange, revocation, verify
from cave_magic.login.loopback import NOT_REVOKED, OVER
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Page, Visitor
from cave_magic.token import Token

from ..support.desk import (
    MINE,
    Desk,
    Hesitant,
    address_of,
    back_of,
    by_name,
    interrupt_when,
    nothing_secret,
    stored,
    temporary_tokens_left,
)
from ..support.waiting import LONG, until

ENDS = ("/auth/api/v1/logout", "/sticky_auth/api/v1/logout")


def block(cave: Sandbox, how: Any = "down") -> None:
    """Makes revoking temporary tokens fail."""
    for path in ENDS:
        cave.misbehave(path, how)


def unblock(cave: Sandbox) -> None:
    """Makes revoking them succeed again."""
    for path in ENDS:
        cave.behave(path)


def expiry() -> str:
    """The day on which a temporary token of this moment has expired."""
    return f"{datetime.now(timezone.utc) + timedelta(days=TEMPORARY_TOKEN_DAYS):%d %B %Y}"


def flat(ran: Any) -> str:
    """All output and the error, without line breaks."""
    return " ".join(f"{ran.out} {ran.message}".split())


# ---------------------------------------------------------------- every way out


def _signs_in(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    desk.goes = Visitor("ada@example.org").open
    return "%cave_setup new"


def _reuses(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    desk.goes, desk.answers = Visitor("alice@example.org").open, ["2"]
    return "%cave_setup existing"


def _identity_fails(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    def go(address: str) -> Page:
        cave.misbehave("/auth/api/v1/user/cache", "down")
        return Visitor("ada@example.org").open(address)

    desk.goes = go
    return "%cave_setup new"


def _cannot_make(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    cave.misbehave("POST /auth/api/v1/user/token", "down")
    return _signs_in(cave, desk, patch)


def _cannot_list(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    cave.misbehave("GET /auth/api/v1/user/token", "down")
    desk.goes = Visitor("ada@example.org").open
    return "%cave_setup existing"


def _odd_answers(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    desk.goes, desk.answers = Visitor("alice@example.org").open, ["7", "0", "x"]
    return "%cave_setup existing"


def _interrupts_the_choice(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    desk.goes = Visitor("alice@example.org").open
    return "%cave_setup existing"


def _a_mistake_of_ours(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(browser_sign_in, "verify_token", lambda *_: 1 / 0)
    return _signs_in(cave, desk, patch)


def _a_later_mistake(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(exchange, "create_token", lambda *_: 1 / 0)
    return _signs_in(cave, desk, patch)


def _cannot_save(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    def fail(*_: object) -> None:
        raise TokenNotSaved("the disk is full. Nothing was changed.")

    patch.setattr(verify, "save_and_prove", fail)
    return _signs_in(cave, desk, patch)


def _changes_the_account(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    def go(address: str) -> Page:
        Hesitant("bob@example.org").open(address)
        return Visitor("ada@example.org").open(address)

    desk.goes = go
    return "%cave_setup new"


def _stops_at_the_terms(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    desk.goes = Hesitant("bob@example.org").open
    interrupt_when(lambda: desk.pages and desk.pages[-1].done(), inside=browser_sign_in.SignIn.step)
    return "%cave_setup new"


def _pastes_an_address(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    desk.answers = [address_of(cave.new_login_token("ada"))]
    return "%cave_setup existing --paste"


def _pastes_an_address_to_a_server_in_trouble(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    cave.misbehave("/auth/api/v1/user/cache", "down")
    desk.answers = [address_of(cave.new_login_token("ada"))]
    return "%cave_save"


def _pastes_an_address_in_vain(cave: Sandbox, desk: Desk, patch: pytest.MonkeyPatch) -> str:
    cave.misbehave("POST /auth/api/v1/user/token", "down")
    return _pastes_an_address(cave, desk, patch)


WAYS: dict[str, Callable[[Sandbox, Desk, pytest.MonkeyPatch], str]] = {
    way.__name__[1:]: way
    for way in (
        _signs_in, _reuses, _identity_fails, _cannot_make, _cannot_list, _odd_answers, _interrupts_the_choice,
        _a_mistake_of_ours, _a_later_mistake, _cannot_save, _changes_the_account, _stops_at_the_terms, _pastes_an_address,
        _pastes_an_address_to_a_server_in_trouble, _pastes_an_address_in_vain,
    )
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_temporary_token_is_revoked(here, cave, desk, monkeypatch, way):
    """After success, a server error, a cancel, an interrupt or a bug, no temporary token is valid, and no note appears."""
    ran = here(WAYS[way](cave, desk, monkeypatch))
    assert temporary_tokens_left(cave) == []
    assert "temporary token" not in flat(ran)
    assert nothing_secret(cave, ran.out, ran.message)


@pytest.mark.parametrize("way", WAYS)
def test_a_temporary_token_that_stays_valid_is_reported(here, cave, desk, monkeypatch, way):
    """The note names the server, the reason, the expiry date and the page that revokes it."""
    block(cave)
    days = [expiry()]
    ran = here(WAYS[way](cave, desk, monkeypatch))
    days.append(expiry())  # another one after midnight
    said, alive = flat(ran), len(temporary_tokens_left(cave))
    assert alive == (2 if way == "changes_the_account" else 1)
    assert (
        said.count(f"could not be revoked on {host_of(cave.server)} ({host_of(cave.server)} returned HTTP 502") == alive
    )
    assert any(f"expires by {day}" in said for day in days)
    assert f"{cave.server}/sticky_auth/api/v1/logout_all" in said
    assert "was revoked" not in said
    assert "ended" not in said
    assert nothing_secret(cave, ran.out, ran.message)


def test_the_linked_page_revokes_the_token(here, cave, desk):
    """In any browser in which the person signs in, the link revokes every temporary token of the account."""
    block(cave)
    desk.goes = Visitor("ada@example.org").open
    ran = here("%cave_setup new")
    link = next(word for word in flat(ran).split() if word.endswith("/logout_all"))
    assert len(temporary_tokens_left(cave)) == 1
    Visitor("ada@example.org").open(link)
    assert temporary_tokens_left(cave) == []
    assert cave._accounts.owner(by_name(cave, "ada")[MINE]) is not None


# ---------------------------------------------------------------- attempts


def test_revoking_is_retried_within_a_timeout(here, cave, desk):
    """If the server restarts, the second attempt succeeds, and no note appears."""
    asked: list[str] = []

    def restarting(request: flask.Request) -> flask.Response:
        asked.append(request.path)
        if len(asked) >= 2:
            unblock(cave)
        return flask.Response("", 502)

    block(cave, restarting)
    desk.goes = Visitor("ada@example.org").open
    assert "could not be revoked" not in flat(here("%cave_setup new"))
    assert temporary_tokens_left(cave) == []


def test_one_of_two_services_is_enough(here, cave, desk):
    """An auth server has two services that revoke tokens; one of them may be down."""
    cave.misbehave("auth", "down")
    token = cave.new_login_token("ada")
    revocation.hold(cave.server, Token(token))
    revocation.revoke()
    assert cave._accounts.owner(token) is None
    assert revocation.unreported() == ()


@pytest.mark.parametrize("how", ["html", "garbage", "status:200", "redirect", "error500", "status:403"])
def test_only_a_confirmation_by_the_server_counts(here, cave, desk, how):
    """A page of a guest network, an unknown response and an error do not confirm that the token is revoked."""
    block(cave, how)
    desk.goes = Visitor("ada@example.org").open
    assert "could not be revoked" in flat(here("%cave_setup new"))


def test_a_slow_server_does_not_block_for_long(here, cave, desk, monkeypatch):
    """The person gets the card within the timeout, with a note about the token."""
    monkeypatch.setattr(revocation, "REVOKING", 0.5)
    block(cave, "silent")
    desk.goes = Visitor("ada@example.org").open
    start = time.monotonic()
    assert f"{host_of(cave.server)} has not responded yet" in flat(here("%cave_setup new"))
    assert time.monotonic() - start < LONG / 2


def test_the_next_sign_in_retries_what_could_not_be_revoked(here, cave, desk):
    """In the same kernel the next sign-in revokes what the previous one could not."""
    block(cave)
    desk.goes = Visitor("ada@example.org").open
    here("%cave_setup new")
    assert len(temporary_tokens_left(cave)) == 1
    unblock(cave)
    ran = here("%cave_setup existing --use latest")
    until(lambda: not temporary_tokens_left(cave))
    assert "could not be revoked" not in flat(ran)


def test_an_interrupt_ends_the_wait_but_not_the_attempt(cave, desk):
    """After the stop button the person continues at once, and the token is still revoked."""
    token = cave.new_login_token("ada")
    revocation.hold(cave.server, Token(token))
    block(cave, "silent")
    interrupt_when(lambda: any(record.path in ENDS for record in cave.requests), inside=Batch.wait)
    revocation.revoke()
    assert cave._accounts.owner(token) is not None
    unblock(cave)
    until(lambda: cave._accounts.owner(token) is None)


def test_python_revokes_held_tokens_at_exit(cave, home):
    """A kernel that ends during a sign-in revokes its token."""
    token = cave.new_login_token("ada")
    script = f"""
        import sys
        from cave_magic.login import revocation
        from cave_magic.token import Token
        revocation.AT_EXIT = {LONG}
        revocation.hold({cave.server!r}, Token(sys.stdin.read().strip()))
        sys.exit(3)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    ended = subprocess.run(command, input=token, text=True, capture_output=True, timeout=LONG, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", "")
    assert temporary_tokens_left(cave) == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM")
@pytest.mark.usefixtures("terminals_can_close")
@pytest.mark.parametrize(("when", "name"), [("waiting", "SIGTERM"), ("ending", "SIGTERM"), ("waiting", "SIGHUP")])
def test_a_process_that_is_terminated_revokes_its_token_first(cave, home, when, name):
    """A kernel that is stopped, or a terminal that is closed, during a sign-in: by default Python ends without `atexit`."""
    token = cave.new_login_token("ada")
    script = f"""
        import os, signal, sys
        from cave_magic.commands import token_input
        from cave_magic.login import revocation
        from cave_magic.token import Token
        revocation.REVOKING = {LONG}
        def stop():
            os.kill(os.getpid(), signal.{name})
        revoke = revocation.revoke
        if {when!r} == "ending":
            revocation.revoke = lambda: (stop(), revoke())
        with token_input.cleaning_up(None):
            revocation.hold({cave.server!r}, Token(sys.stdin.read().strip()))
            if {when!r} == "waiting":
                stop()
        print("not reached")
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    ended = subprocess.run(command, input=token, text=True, capture_output=True, timeout=LONG, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-getattr(signal, name), "", "")
    assert temporary_tokens_left(cave) == []


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM")
def test_a_handler_of_somebody_else_is_left_alone():
    """And in the end the handler is as it was before."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        for handler in (signal.SIG_IGN, signal.SIG_DFL):
            signal.signal(signal.SIGTERM, handler)
            with revocation.before_termination():
                assert (signal.getsignal(signal.SIGTERM) == handler) is (handler is signal.SIG_IGN)
            assert signal.getsignal(signal.SIGTERM) == handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_fork_leaves_the_tokens_to_its_parent(cave, desk, monkeypatch):
    """A forked process, which has a copy of the memory, revokes nothing."""
    revocation.hold(cave.server, Token(cave.new_login_token("ada")))
    monkeypatch.setattr("os.getpid", lambda: -1)
    revocation._at_exit()
    revocation.revoke()
    assert len(temporary_tokens_left(cave)) == 1


# ---------------------------------------------------------------- permanent tokens that nobody has


def test_a_new_token_that_cannot_be_saved_is_revoked(here, cave, desk, monkeypatch):
    """A token that was created but not saved would stay valid although no one has it."""
    ran = here(_cannot_save(cave, desk, monkeypatch))
    assert ran.error == "TokenNotSaved"
    assert MINE not in by_name(cave, "ada")


def test_a_new_token_that_can_neither_be_saved_nor_revoked_is_reported(here, cave, desk, monkeypatch):
    """The person is told where to delete it."""
    cave.misbehave("DELETE /auth/api/v1/user/token", "down")
    said = flat(here(_cannot_save(cave, desk, monkeypatch)))
    assert "a new token was created" in said
    assert f"To delete it: {cave.server}/sticky_auth/settings/tokens" in said


def test_a_listed_token_that_cannot_be_saved_is_named(here, cave, desk, monkeypatch):
    """A token that existed before stays valid, and the error says where it is."""
    _cannot_save(cave, desk, monkeypatch)
    keys = by_name(cave, "alice")
    ran = here(_reuses(cave, desk, monkeypatch))
    page = f"{cave.server}/sticky_auth/settings/tokens"
    assert ran.message.startswith(f"the token ending in {keys['laptop'][-4:]} is on {page} but not saved here: ")
    assert by_name(cave, "alice") == keys


def test_an_interrupt_while_a_token_is_created_leaves_none(here, cave, desk, home):
    """If the response arrives after the stop button, the token is still revoked."""
    cave.misbehave("POST /auth/api/v1/user/token", "silent")
    desk.goes = Visitor("ada@example.org").open
    interrupt_when(
        lambda: any(record.method == "POST" and record.path.endswith("/user/token") for record in cave.requests),
        inside=Future.result,
        then=cave.behave,
    )
    ran = here("%cave_setup new")
    assert ran.error == "Cancelled"
    assert stored(home) == []
    assert MINE not in by_name(cave, "ada")
    assert temporary_tokens_left(cave) == []


def test_a_token_that_was_saved_is_not_revoked_by_an_interrupt(here, cave, desk, home, monkeypatch):
    """After the stop button just after the save, the saved token works."""
    save = verify.save_and_prove

    def save_and_stop(*args: Any) -> None:
        save(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "save_and_prove", save_and_stop)
    desk.goes = Visitor("ada@example.org").open
    assert here("%cave_setup new").error == "Cancelled"
    assert stored(home) == [by_name(cave, "ada")[MINE]]
    assert cave._accounts.owner(stored(home)[0]) is not None


def test_a_token_that_may_have_been_created_is_reported(here, cave, desk):
    """If the server fails while it creates a token, the error gives the description of the possible token."""
    cave.misbehave("POST /auth/api/v1/user/token", "reset")
    desk.goes = Visitor("ada@example.org").open
    said = flat(here("%cave_setup new"))
    assert f"If one was created anyway, it is “{MINE}” on {cave.server}/sticky_auth/settings/tokens" in said
    cave.misbehave("POST /auth/api/v1/user/token", "status:403")
    assert "created anyway" not in flat(here("%cave_setup new"))


def test_a_stored_temporary_token_stays_valid_until_the_new_one_is_saved(here, cave, desk, home):
    """If an exchange fails, the stored token still works."""
    login = cave.new_login_token("ada")
    desk.answers = [login, "n"]
    assert here("%cave_save").error == ""
    cave.misbehave("POST /auth/api/v1/user/token", "down")
    desk.answers = ["y"]
    assert here("%cave_setup existing").error == "ServerInTrouble"
    assert stored(home) == [login]
    assert temporary_tokens_left(cave) == [login]


@pytest.mark.parametrize(("answer", "taken"), [("y", True), ("n", False)])
def test_a_pasted_address_asks_before_replacing_another_token(here, cave, desk, home, answer, taken):
    """`%cave_save` asks before it replaces; after a no the stored token stays, and the token in the URL is revoked."""
    desk.answers = [kept := cave.new_token("alice")]
    assert here("%cave_save").error == ""
    desk.answers = [address_of(cave.new_login_token("ada")), answer]
    assert here("%cave_save").error == ("" if taken else "Cancelled")
    assert stored(home) == [by_name(cave, "ada")[MINE] if taken else kept]
    assert (MINE in by_name(cave, "ada")) is taken
    assert temporary_tokens_left(cave) == []


# ---------------------------------------------------------------- what comes too late, or not as it should


def test_a_late_token_is_revoked(here, cave, desk, home):
    """If the link is opened again after the set-up, the tab says that it is over, and the new token is revoked."""
    desk.goes = Visitor("ada@example.org").open
    assert here("%cave_setup new").error == ""
    page = Visitor("alice@example.org").open(desk.opened[0])
    assert page.address.endswith(OVER)
    assert temporary_tokens_left(cave) == []
    assert stored(home) == [by_name(cave, "ada")[MINE]]


def test_a_late_token_that_cannot_be_revoked_is_reported_in_the_tab(here, cave, desk):
    """The page gives the expiry date and the link that revokes it."""
    desk.goes = Visitor("ada@example.org").open
    here("%cave_setup new")
    block(cave)
    page = Visitor("alice@example.org").open(desk.opened[0])
    assert page.address.endswith(NOT_REVOKED)
    assert "could not be revoked" in page.source
    assert f"{cave.server}/sticky_auth/api/v1/logout_all" in page.source
    assert nothing_secret(cave, page.source, page.address)


def test_tokens_in_refused_requests_are_revoked_at_the_end(here, cave, desk):
    """Tokens of prefetches, other programs and invalid queries are revoked; the real sign-in counts."""
    tokens = [cave.new_login_token("bob") for _ in range(3)]

    def go(address: str) -> Page:
        visitor, back = Visitor("ada@example.org"), back_of(address)
        visitor._load(f"{back}?token={tokens[0]}&utm_source=mail")
        visitor._load(f"{back}x?token={tokens[1]}&middle_auth_url={host_of(cave.server)}/sticky_auth")
        visitor._load(f"{back}x?token={tokens[2]}&middle_auth_url=other.example.org/sticky_auth")
        return visitor.open(address)

    desk.goes = go
    assert here("%cave_setup new").error == ""
    assert temporary_tokens_left(cave) == [
        tokens[2]
    ]  # it says that it is another server's, so it was not sent to this one


def test_a_sign_in_that_is_cancelled_during_verification_is_revoked(cave, desk):
    """After the stop button during verification, the token is revoked, and the tab says that it is over."""
    target, asked, go_on = (
        browser_sign_in.next_steps.Target(datastack="minnie65_public", server=cave.server),
        threading.Event(),
        threading.Event(),
    )
    check = browser_sign_in.verify_token

    def slow(*args: Any) -> Any:
        asked.set()
        go_on.wait(LONG)
        return check(*args)

    with pytest.MonkeyPatch.context() as patch, browser_sign_in.SignIn(target, LONG) as sign_in:
        patch.setattr(browser_sign_in, "verify_token", slow)
        pages: list[Page] = []
        tab = threading.Thread(target=lambda: pages.append(Visitor("ada@example.org").open(sign_in.page)))
        tab.start()
        assert asked.wait(LONG)
        sign_in.__exit__()
        assert temporary_tokens_left(cave) == []
        go_on.set()
        tab.join(LONG)
        assert pages[0].address.endswith(("/refused", OVER))
        assert sign_in.verified is None
