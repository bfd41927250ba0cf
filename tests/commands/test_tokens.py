"""Listing, replacing and removing tokens, and what is left if that is stopped or a request fails."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

from cave_magic.api.urls import host_of
from cave_magic.credentials import atomic_write, stored_tokens, token_files
from cave_magic.credentials.save import save_token
from cave_magic.login import revocation, verify
from cave_magic.sandbox import Sandbox
from cave_magic.token import Token

from ..support.desk import MINE, by_name, stored, temporary_tokens_left
from ..support.shell import settings, sit_at_terminal

KEYS = "/auth/api/v1/user/token"


def is_valid(cave: Sandbox, token: str) -> bool:
    """Whether the server accepts a token."""
    return cave._accounts.owner(token) is not None


def said(ran: Any) -> str:
    """All that a line shows, without line breaks."""
    return " ".join(f"{ran.out} {ran.message}".split())


def own_file(cave: Sandbox) -> Path:
    """The token file of the practice server."""
    return token_files.server_file(cave.server)


@pytest.fixture
def ada(here: Any, set_up: str, desk: Any) -> Any:
    """Ada, who is set up and can be asked."""
    return here


@pytest.fixture
def old(here: Any, desk: Any, shell: Any) -> Iterator[Sandbox]:
    """A server that keeps one token for each account, on which Ada is set up."""
    with Sandbox(auth_version="2.18.3") as server:
        settings(shell).server = server.server
        token = server.new_token("ada")
        save_token(Token(token), server.server, local_servers=[server.local_server])
        yield server


# ---------------------------------------------------------------- %cave_whoami --tokens


def test_the_tokens_of_the_account_are_listed(ada, cave, set_up):
    """Description, dates and ending of each token, which one this computer sends, and no value."""
    other = cave.new_token("ada", description="cluster")
    ran = ada("%cave_whoami --tokens")
    assert ran.error == ""
    assert "laptop (this computer)" in ran.out
    assert "last used" in ran.out
    assert ran.out.index("laptop") < ran.out.index("cluster")  # which is newer
    assert f"%cave_setup remove --token {other[-4:]}" in ran.out
    assert not [token for token in (set_up, other) if token in ran.out]


def test_a_token_in_another_file_is_named_with_it(ada, cave, home):
    """A listed token that is in a file on this computer does not belong to another computer."""
    other = cave.new_token("ada", description="cluster")
    (home / ".cloudvolume" / "secrets" / "chunkedgraph-secret.json").write_text(json.dumps({"token": other}))
    ran = ada("%cave_whoami --tokens")
    assert "cluster (in" in ran.out
    assert "chunkedgraph-secret.json)" in ran.out
    assert f"--token {other[-4:]}" not in ran.out


def test_a_temporary_token_is_not_listed_but_named(ada, cave):
    """The server lists permanent tokens only, so the page says what this computer sends."""
    own_file(cave).write_text(json.dumps({"token": cave.new_login_token("carol")}))
    words = said(ada("%cave_whoami --tokens"))
    assert "This computer sends a temporary token" in words
    assert "It expires by" in words


def test_tokens_that_share_an_ending_are_revoked_on_the_page(ada, cave):
    """A printed line that could mean two tokens would be refused, so the page is named instead."""
    rows = [{"id": 90 + at, "token": letter * 28 + "4f2a", "description": "x"} for at, letter in enumerate("ab")]
    cave.misbehave(f"GET {KEYS}", lambda _: flask.jsonify(rows))
    ran = ada("%cave_whoami --tokens")
    assert "To revoke the one ending in 4f2a: http" in said(ran)
    refused = ada("%cave_setup remove --token 4f2a")
    assert refused.error == "BadInput"
    assert "several of your tokens end like that. Nothing was changed." in refused.message


@pytest.mark.parametrize("ending", ["-Ab1", "--b_"])
def test_an_ending_that_looks_like_an_option_can_be_typed(ada, cave, monkeypatch, ending):
    """Tokens in base64url may end so; the printed line names the token, and is not taken for an option."""
    other = "qwERty7uIopAsdFghJklZxcVbnM1x23456qwErtyuQ0"[: 43 - len(ending)] + ending
    with monkeypatch.context() as patch:
        patch.setattr("cave_magic.sandbox.accounts.secrets.token_hex", lambda size=16: other)
        assert cave.new_token("ada", description="cluster") == other
    line = f"%cave_setup remove --token={ending}"
    assert line in ada("%cave_whoami --tokens").out
    assert f"The token ending in {ending} is revoked." in said(ada(f"{line} --yes"))
    assert not is_valid(cave, other)


def test_a_server_that_lists_no_tokens_is_named(ada, cave):
    """The account is known, the list is not."""
    cave.misbehave(f"GET {KEYS}", "down")
    assert "did not list your tokens" in ada("%cave_whoami --tokens").message
    assert "did not list your tokens" in ada("%cave_setup remove --token 4f2a").message


# ---------------------------------------------------------------- %cave_setup replace


def test_a_token_is_replaced_everywhere_and_then_revoked(ada, cave, set_up, home, desk):
    """Each file that had the old one has the new one, the server accepts it, and the old one is revoked."""
    elsewhere = home / ".cloudvolume" / "secrets" / "chunkedgraph-secret.json"
    elsewhere.write_text(json.dumps({"token": set_up, "fanc": "kept"}))
    desk.answers = ["y"]
    ran = ada("%cave_setup replace")
    assert ran.error == ""
    new = by_name(cave, "ada")[MINE]
    assert stored(home) == [new]
    assert json.loads(elsewhere.read_text()) == {"fanc": "kept", "token": new}
    assert (is_valid(cave, new), is_valid(cave, set_up)) == (True, False)
    assert f"The old token ending in {set_up[-4:]} is revoked." in ran.out
    assert "Other computers that use it need the new one" in said(ran)
    assert stored_tokens.resolve(cave.server).token == Token(new)
    assert not [token for token in (new, set_up) if token in ran.out]


def test_the_old_token_is_revoked_last(ada, cave, set_up, desk):
    """The requests in order: the new one is created and tried, and then the old one is revoked."""
    desk.answers = ["y"]
    cave.clear_requests()
    ada("%cave_setup replace")
    asked = [f"{one.method} {one.path.partition('?')[0]}" for one in cave.requests]
    created, revoked = (next(at for at, one in enumerate(asked) if one.startswith(how)) for how in ("POST", "DELETE"))
    assert created < asked.index("GET /auth/api/v1/user/cache", created) < revoked


def test_a_token_that_is_not_accepted_revokes_nothing(cave):
    """The request that revokes the old token is authorized by the new one, so that has to work."""
    token, dead = cave.new_token("ada"), cave.new_token("ada")
    cave.delete_token(dead)
    assert revocation.revoke_in_use(cave.server, Token(token), 5.0, by=Token(dead))
    assert is_valid(cave, token)


def test_a_server_that_only_claims_to_revoke_is_not_believed(cave):
    """The token is tried afterwards: one that still works is not revoked, whatever the server said."""
    token = cave.new_token("ada")
    cave.misbehave(f"DELETE {KEYS}", lambda _: flask.jsonify("success"))
    assert revocation.revoke_in_use(cave.server, Token(token), 5.0).endswith("still accepts it")


def test_without_anybody_it_takes_yes(ada, cave, set_up, monkeypatch):
    """If nobody can answer its question, the line names one that asks nothing."""
    sit_at_terminal(monkeypatch, can_ask=False)
    ran = ada("%cave_setup replace")
    assert ran.error == "NobodyToAsk"
    assert ran.message.endswith("%cave_setup replace --yes")
    assert is_valid(cave, set_up)
    assert ada("%cave_setup replace --yes").error == ""
    assert not is_valid(cave, set_up)


@pytest.mark.parametrize("answer", ["n", "", None])
def test_a_no_keeps_the_token(ada, cave, set_up, home, desk, answer):
    """No, Enter and Ctrl-C at the question change nothing, here and on the server."""
    desk.answers = [] if answer is None else [answer]
    assert ada("%cave_setup replace").message == "Cancelled. Nothing was changed."
    assert stored(home) == [set_up]
    assert len(cave.tokens("ada")) == 2


def test_a_temporary_token_is_replaced_by_a_permanent_one(ada, cave, home):
    """The check offers that; the temporary one is revoked."""
    own_file(cave).write_text(json.dumps({"token": cave.new_login_token("ada")}))
    assert "%cave_setup replace replaces it with a permanent one" in said(ada("%cave_check"))
    assert ada("%cave_setup replace --yes").error == ""
    assert temporary_tokens_left(cave) == []
    assert json.loads(own_file(cave).read_text())["token"] == by_name(cave, "ada")[MINE]


def test_an_older_token_of_this_computer_is_offered(ada, cave, desk):
    """A replacement that was killed has left a token with this computer's name: the next one offers to revoke it."""
    left = cave.new_token("ada", description=MINE)
    desk.answers = ["y", "y"]
    ran = ada("%cave_setup replace")
    assert desk.questions[1:] == ["Revoke it? [y/N] "]
    assert f"The token ending in {left[-4:]} is revoked." in ran.out


def test_what_still_has_the_old_token_is_named(ada, cave, set_up, home, monkeypatch, shell):
    """An environment variable, another server's file and a client in this notebook are not ours to change."""
    monkeypatch.setenv("CAVE_TOKEN", set_up)
    (home / ".cloudvolume" / "secrets" / "proofreading.zetta.ai-cave-secret.json").write_text(
        json.dumps({"token": set_up})
    )
    os.utime(own_file(cave), (1, 1))  # so the token is known to be this server's
    ada("from caveclient import CAVEclient; mine = CAVEclient('minnie65_public')")
    words = said(ada("%cave_setup replace --yes"))
    assert "CAVE_TOKEN in the environment still has the old token." in words
    assert "proofreading.zetta.ai-cave-secret.json still has the old token." in words
    assert "mine was created with a token other than the stored one; create it again:" in words


def test_another_key_with_the_old_token_is_named(ada, cave, set_up, home):
    """A client made with `auth_token_key=` reads it; only the person knows which account it is for."""
    own_file(cave).write_text(json.dumps({"token": set_up, "fanc": set_up}))
    file = home / ".cloudvolume" / "secrets" / "chunkedgraph-secret.json"
    file.write_text(json.dumps({"token": "12" * 16, "fanc": set_up}))
    words = said(ada("%cave_setup replace --yes"))
    for path in (own_file(cave), file):
        assert f"another key of ~/.cloudvolume/secrets/{path.name} still has the old token." in words
        assert json.loads(path.read_text())["fanc"] == set_up


def test_only_a_token_in_a_variable_is_saved_first(here, cave, desk, monkeypatch):
    """Where only the environment has a token, the line that saves it is named."""
    monkeypatch.setenv("CAVE_TOKEN", cave.new_token("ada"))
    assert (
        "CAVE_TOKEN is set. To save that one: %cave_save --from-env CAVE_TOKEN" in here("%cave_setup replace").message
    )


@pytest.mark.parametrize("line", ["%cave_setup replace --yes", "%cave_setup remove --token 4f2a --yes"])
def test_a_rejected_token_replaces_and_revokes_nothing(ada, cave, set_up, line):
    """A token that the server rejects is revoked already, and authorizes nothing."""
    cave.delete_token(set_up)
    ran = ada(line)
    assert ran.error == "TokenRejected"
    assert "%cave_setup existing" in ran.message


def test_a_read_only_folder_is_noticed_beforehand(ada, cave, set_up, monkeypatch):
    """No token is created that could not be saved."""
    monkeypatch.setattr(verify, "try_saving", lambda target: 1 / 0)
    assert ada("%cave_setup replace --yes").error
    assert len(cave.tokens("ada")) == 2


def test_a_failed_save_keeps_the_old_token(ada, cave, set_up, home, monkeypatch):
    """The disk is full in the end: the new token is revoked, and the old one stays."""
    monkeypatch.setattr(atomic_write, "write_all", lambda *_: (_ for _ in ()).throw(OSError(28, "full", "/full")))
    assert ada("%cave_setup replace --yes").error == "TokenNotSaved"
    assert (stored(home), len(cave.tokens("ada"))) == ([set_up], 2)


ROUTES = ("GET /auth/api/v1/user/cache", f"GET {KEYS}", f"POST {KEYS}", f"DELETE {KEYS}", "/auth", "/info")


REFUSALS = ((1, "status:502"), (2, "status:502"), (2, "status:401"), (3, "status:502"))
SENT_ONCE = ("POST", "DELETE")


@pytest.mark.parametrize(
    ("route", "nth", "how"),
    [(route, *how) for route in ROUTES for how in REFUSALS if how[0] == 1 or not route.startswith(SENT_ONCE)],
)
def test_whatever_the_server_refuses_one_working_token_is_left(ada, cave, set_up, home, monkeypatch, route, nth, how):
    """From the nth request to a route on it fails: the stored token works, and what it says about the old one is true."""
    monkeypatch.setattr(revocation, "PAUSES", (0.0,))
    method, _, path = route.rpartition(" ")
    real, seen = cave._troubled, []

    def troubled(exchange: Any) -> Any:
        if exchange.request.path.startswith(path) and exchange.request.method.startswith(method):
            seen.append(exchange)
            if len(seen) == nth:
                cave.misbehave(route, how)
        return real(exchange)

    monkeypatch.setattr(cave, "_troubled", troubled)
    words = said(ada("%cave_setup replace --yes"))
    cave.behave()
    (token,) = stored(home)
    assert is_valid(cave, token)
    if f"The old token ending in {set_up[-4:]} is revoked" in words:
        assert not is_valid(cave, set_up)
    elif token == set_up:
        assert "✘" in words
    else:
        assert f"the old token ending in {set_up[-4:]} could not be revoked" in words


def interrupted(*_: object, **__: object) -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt


def test_stopped_while_the_new_token_is_created_the_old_one_works(ada, cave, set_up, home, monkeypatch):
    """A token that was created meanwhile is revoked, and the last line says that nothing was replaced."""
    monkeypatch.setattr("cave_magic.login.exchange.Exchange._verify", interrupted)
    ran = ada("%cave_setup replace --yes")
    assert ran.message == f"Stopped. The token ending in {set_up[-4:]} was not replaced, and still works."
    assert (stored(home), len(cave.tokens("ada"))) == ([set_up], 2)


def test_stopped_while_the_old_token_is_revoked_both_are_named(ada, cave, set_up, home, monkeypatch):
    """The new token is saved; the line that revokes the old one is named, and works."""
    monkeypatch.setattr(revocation, "revoke_in_use", interrupted)
    ran = ada("%cave_setup replace --yes")
    (new,) = stored(home)
    assert ran.message.startswith(f"Stopped. The new token ending in {new[-4:]} is saved.")
    assert f"The old one ending in {set_up[-4:]} may still work." in ran.message
    assert ran.message.endswith(f"%cave_setup remove --token {set_up[-4:]}")


def test_stopped_after_that_the_old_token_is_called_revoked(ada, cave, set_up, monkeypatch):
    """Ctrl-C while the card is drawn: all is done, and it says so."""
    monkeypatch.setattr("cave_magic.commands.views.access.card_page", interrupted)
    ran = ada("%cave_setup replace --yes")
    assert ran.message.endswith("is saved, and the old one is revoked.")
    assert not is_valid(cave, set_up)


def test_terminated_while_it_is_created_the_new_token_is_revoked(ada, cave, set_up, home, monkeypatch):
    """SIGTERM ends the process properly: no token is left that is in no file."""
    monkeypatch.setattr("cave_magic.login.exchange.Exchange._verify", lambda *_: (_ for _ in ()).throw(SystemExit(143)))
    ada("%cave_setup replace --yes")
    assert (stored(home), len(cave.tokens("ada"))) == ([set_up], 2)


# ---------------------------------------------------------------- one token for each account


@pytest.mark.parametrize("created", [False, True])
def test_an_old_token_that_was_revoked_meanwhile_is_not_said_to_work(ada, cave, set_up, monkeypatch, created):
    """Somebody revokes it on the tokens page just before or after it is verified once more."""
    name = "cave_magic.login.exchange.create_token" if created else "cave_magic.commands.token_input.verified"
    module, _, function = name.rpartition(".")
    real = getattr(importlib.import_module(module), function)
    monkeypatch.setattr(name, lambda *args: cave.delete_token(set_up) or real(*args))
    ran = ada("%cave_setup replace --yes")
    assert ran.error == "ServerInTrouble"
    assert f"The token ending in {set_up[-4:]} was not replaced. " in ran.message
    assert "still works" not in ran.message
    assert "the new token" not in ran.message


def test_a_token_that_was_saved_meanwhile_is_kept(ada, cave, set_up, home, monkeypatch):
    """Another window saves one while the question is on the screen: none is revoked but the new one."""
    other = cave.new_token("ada", description="other")
    monkeypatch.setattr("builtins.input", lambda _: save_for(cave, other) or "y")
    ran = ada("%cave_setup replace")
    assert ran.error == "TokenExists"
    assert ran.message.endswith("To see which token is stored now: %cave_whoami")
    assert (stored(home), is_valid(cave, set_up), MINE in by_name(cave, "ada")) == ([other], True, False)


def save_for(cave: Sandbox, token: str) -> None:
    """What a line in another window does."""
    save_token(Token(token), cave.server, local_servers=[cave.local_server], overwrite=True)


@pytest.mark.parametrize("unchecked", ["", " --no-check"])
def test_only_the_token_that_was_asked_about_is_replaced(ada, cave, home, shell, monkeypatch, unchecked):
    """Another window saves one while `%cave_save` asks whether to replace the one before: that is kept."""
    other, shell.user_ns["mine"] = cave.new_token("ada"), cave.new_token("bob")
    monkeypatch.setattr("builtins.input", lambda _: save_for(cave, other) or "y")
    ran = ada(f"%cave_save $mine{unchecked}")
    assert (ran.error, stored(home)) == ("TokenExists", [other])
    assert "was changed or removed in the meantime" in ran.message


def test_a_copy_that_was_changed_meanwhile_is_kept(ada, cave, set_up, monkeypatch):
    """Another program writes its token to a file that had the old one."""
    file = token_files.secrets_folder() / "chunkedgraph-secret.json"
    file.write_text(json.dumps({"token": set_up}))
    monkeypatch.setattr("builtins.input", lambda _: file.write_text(json.dumps({"token": "12" * 16})) and "y")
    assert ada("%cave_setup replace").error == ""
    assert file.read_text() == json.dumps({"token": "12" * 16})


def test_a_new_token_that_stays_in_a_file_is_not_revoked(ada, cave, set_up, home, monkeypatch):
    """The files cannot be put back when the save fails half-way: what they have still works, and it says so."""
    real = atomic_write.write_all

    def fail(plan: Any, confirm: Any) -> None:
        real(plan, lambda: None)
        raise atomic_write.NotRestored([own_file(cave)])

    monkeypatch.setattr(atomic_write, "write_all", fail)
    ran = ada("%cave_setup replace --yes")
    (new,) = stored(home)
    assert ran.message.startswith(f"the new token ending in {new[-4:]} is in a file and stays valid: saving failed")
    assert is_valid(cave, new)
    assert is_valid(cave, set_up)


def test_an_old_server_announces_that_the_old_token_is_revoked(old, here, desk, home):
    """There a new token ends the other one at once: that is in the question, and the new one is saved."""
    before = stored(home)
    desk.answers = ["y"]
    ran = here("%cave_setup replace")
    assert ran.error == ""
    assert "keeps one token for each account: creating one revokes the one in use elsewhere" in desk.questions[0]
    assert stored(home) != before
    assert is_valid(old, *stored(home))
    assert not [one for one in old.requests if one.method == "DELETE"]


def test_an_old_server_that_fails_leaves_the_choice_to_the_check(old, here, desk):
    """Nobody knows whether the old token still works, so it makes no claim about it."""
    old.misbehave("/auth/api/v1/create_token", "status:500")
    ran = here("%cave_setup replace --yes")
    assert ran.error == "ServerInTrouble"
    assert "and still works" not in ran.message
    assert "To see whether the stored token still works: %cave_check" in ran.message


@pytest.mark.parametrize("option", ["", " --revoke"])
def test_an_old_server_cannot_revoke(old, here, home, option):
    """What is removed stays valid there until a new token is created, and it says so."""
    (token,) = stored(home)
    words = said(here(f"%cave_setup remove{option} --yes"))
    assert f"the token ending in {token[-4:]} is still valid on {host_of(old.server)}." in words
    assert "That server revokes it only when it creates another one: %cave_setup new" in words
    assert stored(home) == []


# ---------------------------------------------------------------- %cave_setup remove


def test_the_files_are_shown_and_then_emptied(ada, cave, set_up, home, desk):
    """After a yes no file has the token, which stays valid on the server; it says so, with the page."""
    desk.answers = ["y"]
    ran = ada("%cave_setup remove")
    assert ran.error == ""
    assert ran.out.index(own_file(cave).name) < ran.out.index("✔")
    assert stored(home) == []
    assert is_valid(cave, set_up)
    assert f"is still valid on {host_of(cave.server)}. To revoke it: {cave.server}/sticky_auth/settings/tokens" in said(
        ran
    )


def test_it_is_revoked_too_if_that_is_asked(ada, cave, set_up, home, desk):
    """`--revoke` ends it on the server before it is removed here."""
    desk.answers = ["y"]
    ran = ada("%cave_setup remove --revoke")
    assert (stored(home), is_valid(cave, set_up)) == ([], False)
    assert f"The token ending in {set_up[-4:]} is revoked" in ran.out
    assert "still valid" not in ran.out


def test_a_temporary_token_is_revoked_too(ada, cave, home):
    """`--revoke` signs a temporary token out."""
    token = cave.new_login_token("ada")
    for file in (home / ".cloudvolume" / "secrets").glob("*-secret.json"):
        file.write_text(json.dumps({"token": token}))
    assert ada("%cave_setup remove --revoke --yes").error == ""
    assert (stored(home), temporary_tokens_left(cave)) == ([], [])


@pytest.mark.parametrize("option", ["", " --revoke"])
def test_with_the_server_down_it_is_removed_here(ada, cave, set_up, home, option):
    """The files are emptied, and it says that the token is still valid there."""
    cave.misbehave("auth", "down")
    ran = ada(f"%cave_setup remove{option} --yes")
    assert ran.error == ""
    assert stored(home) == []
    assert "still valid on" in said(ran)


@pytest.mark.parametrize("answer", ["n", "", None])
def test_a_no_removes_nothing(ada, cave, set_up, home, desk, answer):
    """No, Enter and Ctrl-C at the question leave the token, and say so."""
    desk.answers = [] if answer is None else [answer]
    assert ada("%cave_setup remove --revoke").message == "Cancelled. Nothing was removed."
    assert (stored(home), is_valid(cave, set_up)) == ([set_up], True)


def test_without_a_token_nothing_is_removed(here, cave, desk):
    """There is nothing to remove, and no question."""
    ran = here("%cave_setup remove")
    assert ran.error == "NoToken"
    assert "Nothing was changed." in ran.message


def test_a_token_that_was_saved_meanwhile_is_removed_and_called_valid(ada, cave, set_up, home, monkeypatch):
    """Another window saves one while the question is on the screen: it is not among those that were revoked."""
    other = cave.new_token("ada", description="other")
    monkeypatch.setattr("builtins.input", lambda _: save_for(cave, other) or "y")
    words = said(ada("%cave_setup remove --revoke"))
    assert (stored(home), is_valid(cave, set_up), is_valid(cave, other)) == ([], False, True)
    assert f"the token ending in {other[-4:]} is still valid on" in words


def test_a_token_that_is_only_in_a_variable_is_named(here, cave, desk, monkeypatch):
    """It is not ours to change, and programs may still send it."""
    monkeypatch.setenv("CAVE_TOKEN", cave.new_token("ada"))
    ran = here("%cave_setup remove --yes")
    assert ran.error == "NoToken"
    assert ran.message.endswith(", but CAVE_TOKEN is set in the environment. Nothing was changed.")


def test_the_history_and_the_caches_of_this_kernel_forget_it(ada, set_up, cave, monkeypatch, shell):
    """The token is removed from inputs of this session, and cloud-volume reads its files again."""
    forgotten: list[str] = []
    monkeypatch.setattr("cave_magic.environment.cloud_volume.forget_cached", forgotten.extend)
    ada(f"token = '{set_up}'")
    ran = ada("%cave_setup remove --yes")
    assert "It is also in this session's inputs (In[1]), and will be removed there." in said(ran)
    assert set_up not in repr(shell.user_ns["In"])
    assert cave.server in forgotten


def test_what_else_has_it_is_named(ada, set_up, monkeypatch):
    """Variables and clients keep the token, and it says so."""
    monkeypatch.setenv("CAVE_TOKEN", set_up)
    ada("from caveclient import CAVEclient; mine = CAVEclient('minnie65_public')")
    words = said(ada("%cave_setup remove --yes"))
    assert "mine still has it until the kernel restarts." in words
    assert "CAVE_TOKEN in the environment still has it." in words


def test_a_file_that_cannot_be_changed_is_an_error(ada, set_up, home, monkeypatch):
    """All files keep the token, and it says what was revoked before."""
    monkeypatch.setattr(atomic_write, "write_all", lambda *_: (_ for _ in ()).throw(OSError(28, "full", "/full")))
    ran = ada("%cave_setup remove --revoke --yes")
    assert ran.error == "TokenNotSaved"
    assert f"The token ending in {set_up[-4:]} is revoked" in ran.message
    assert ran.message.endswith("%cave_setup remove --yes")
    assert stored(home) == [set_up]


# ---------------------------------------------------------------- %cave_setup remove --token


def test_another_token_of_the_account_is_revoked(ada, cave, set_up, desk):
    """Its row is shown, and after a yes it is revoked; the token of this computer stays."""
    other = cave.new_token("ada", description="cluster")
    desk.answers = ["y"]
    ran = ada(f"%cave_setup remove --token {other[-4:]}")
    assert ran.error == ""
    assert "cluster" in ran.out
    assert (is_valid(cave, other), is_valid(cave, set_up)) == (False, True)


@pytest.mark.parametrize("ending", ["zzzz", "ab", '""'])
def test_an_ending_that_names_no_token_is_refused(ada, ending):
    """The line that lists the tokens is named; what was typed is not repeated."""
    ran = ada(f"%cave_setup remove --token {ending} --yes")
    assert ran.error == "BadInput"
    assert ran.message.endswith("%cave_whoami --tokens")


def test_the_token_of_this_computer_has_a_line_of_its_own(ada, cave, set_up):
    """It is not revoked and left in the files."""
    ran = ada(f"%cave_setup remove --token {set_up[-4:]} --yes")
    assert ran.message.endswith("%cave_setup remove --revoke")
    assert is_valid(cave, set_up)


def test_a_whole_token_in_place_of_an_ending_works(ada, cave, desk):
    """It is removed from the history like every typed token."""
    other = cave.new_token("ada", description="cluster")
    ran = ada(f"%cave_setup remove --token {other} --yes")
    assert not is_valid(cave, other)
    assert other not in ran.out


def test_a_token_that_cannot_be_revoked_may_still_work(ada, cave):
    """What the server says is shown, and how to look again."""
    other = cave.new_token("ada", description="cluster")
    cave.misbehave(f"DELETE {KEYS}", "down")
    ran = ada(f"%cave_setup remove --token {other[-4:]} --yes")
    assert ran.error == "ServerInTrouble"
    assert "may still work" in ran.message
    assert ran.message.endswith("%cave_whoami --tokens")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("new --yes", "--yes works only with replace and remove."),
        ("--revoke", "--revoke works only with remove."),
        ("replace --token 4f2a", "--token works only with remove."),
        ("remove --revoke --token 4f2a", "give --revoke or --token, not both"),
        ("replace --paste", "--paste and --use work only with new and existing."),
        ("remove --use new", "--paste and --use work only with new and existing."),
    ],
)
def test_options_that_do_not_fit_are_refused(ada, line, message):
    """Nothing is done."""
    ran = ada(f"%cave_setup {line}")
    assert ran.error == "BadInput"
    assert ran.message.startswith(message)


# ---------------------------------------------------------------- the offers


def test_a_token_that_was_left_is_offered_to_be_replaced(ada, set_up):
    """The check, its fix and a save name the line that replaces a token which others may have seen."""
    ada(f"token = '{set_up}'")
    assert "If this notebook was shared: %cave_setup replace" in said(ada("%cave_check"))
    assert "If this notebook was shared: %cave_setup replace" in said(ada("%cave_check --fix --yes"))
    assert "%cave_setup replace" not in said(ada("%cave_check"))


def test_a_saved_token_that_was_in_the_notebook_is_offered_to_be_replaced(ada, cave, desk):
    """Typed on the line, or assigned to a variable in an earlier cell."""
    token = cave.new_token("ada")
    assert "If others have seen it: %cave_setup replace" in said(ada(f"%cave_save {token} --overwrite"))
    other = cave.new_token("ada")
    ada(f"mine = '{other}'")
    assert "If others have seen it: %cave_setup replace" in said(ada("%cave_save $mine --overwrite"))
