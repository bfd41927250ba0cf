"""Older tokens with this computer's name: offered to be revoked once a new one is saved, and no other token is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Visitor

from ..support.desk import MINE, address_of, by_name, stored


@pytest.fixture
def ada(here: Any, cave: Sandbox, desk: Any) -> Any:
    """Ada, who has set up this computer before and lost the file."""
    cave.new_token("ada", description=MINE)
    desk.goes = Visitor("ada@example.org").open
    return here


def mine(cave: Sandbox) -> list[str]:
    """Ada's tokens with this computer's name, the newest first."""
    return [row["token"] for row in cave.tokens("ada") if row["description"] == MINE]


@pytest.mark.parametrize(("answer", "kept"), [("y", False), ("n", True), ("", True), (None, True)])
def test_an_older_token_is_revoked_only_after_a_yes(ada, cave, desk, home, answer, kept):
    """After the card the older token is shown with its dates and ending; Enter, no and an interrupt keep it."""
    older = mine(cave)[0]
    cave._accounts.authenticate(older)
    desk.answers = [] if answer is None else [answer]
    ran = ada("%cave_setup new")
    assert ran.error == ""
    assert desk.questions == ["Revoke it? [y/N] "]
    assert "You are set up" in ran.out
    assert ran.out.index("You are set up") < ran.out.index("an older token with the name of this computer")
    assert older[-4:] in ran.out
    assert (older in mine(cave)) is kept
    assert (f"The token ending in {older[-4:]} is revoked." in ran.out) is not kept
    assert stored(home) == mine(cave)[:1]


def test_several_older_tokens_need_one_question(ada, cave, desk):
    """The tokens of three set-ups are listed in one table with one question."""
    cave.new_token("ada", description=MINE)
    older, desk.answers = mine(cave), ["yes"]
    ran = ada("%cave_setup new")
    assert desk.questions == ["Revoke them? [y/N] "]
    assert "2 older tokens with the name of this computer" in ran.out
    assert all(one[-4:] in ran.out for one in older)
    assert len(mine(cave)) == 1


def test_other_tokens_are_left_alone(ada, cave, desk):
    """Tokens with another name, a name with the same prefix, or another owner are neither shown nor changed."""
    others = ("cave_magic on lab-mac-2", "cave_magic on lab", "CAVE_MAGIC ON LAB-MAC", "", "laptop")
    kept = [cave.new_token("ada", description=name) for name in others] + [cave.new_token("alice", description=MINE)]
    desk.answers = ["y"]
    ran = ada("%cave_setup new")
    words = re.split(r"\W", re.sub(r"\d{4} \d\d:\d\d", "", ran.out))  # a port or a year may have such digits by chance
    assert not [one for one in kept if one[-4:] in words]
    assert [one for one in kept if cave._accounts.owner(one)] == kept


@pytest.mark.parametrize("folder", [".cloudvolume/secrets", "Downloads"])
def test_a_token_in_another_file_is_left_alone(ada, cave, desk, home, folder):
    """A token in a data server's file, or in the downloads, is not offered."""
    file = home / folder / "data.example.org-cave-secret.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"token": mine(cave)[0]}))
    ran = ada("%cave_setup new")
    assert "You are set up" in ran.out
    assert desk.questions == []
    assert len(mine(cave)) == 2


def test_a_token_in_a_file_of_the_server_is_left_alone(ada, cave, desk, home):
    """A token with the same name in a file of this server is in use, so it is not offered."""
    folder = Path(home) / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    (folder / "chunkedgraph-secret.json").write_text(f'{{"token": "{mine(cave)[0]}"}}')
    desk.answers = ["y"]
    assert ada("%cave_setup new").error == ""
    assert [question for question in desk.questions if "Revoke" in question] == []
    assert len(mine(cave)) == 2


def test_a_second_set_up_replaces_the_first_one(ada, cave, desk, home):
    """After a second set-up the first token, which is in no file, is offered and revoked."""
    desk.answers = ["n", "y", "y"]
    ada("%cave_setup new")
    first = stored(home)
    ada("%cave_setup new")
    assert stored(home) != first
    assert mine(cave) == stored(home)


def test_a_first_set_up_asks_no_question(here, cave, desk):
    """Without older tokens nothing is offered."""
    desk.goes = Visitor("ada@example.org").open
    assert "older token" not in here("%cave_setup new").out
    assert desk.questions == []


def test_reusing_a_token_offers_nothing(ada, cave, desk):
    """A reused token replaces none."""
    desk.answers = ["1"]
    assert "older token" not in ada("%cave_setup existing").out
    assert len(mine(cave)) == 1


def test_use_reports_older_tokens_without_asking(ada, cave, desk):
    """`--use new` shows the older token and the page where it can be revoked."""
    ran = ada("%cave_setup existing --use new")
    assert desk.questions == []
    assert "an older token with the name of this computer" in ran.out
    assert f"{cave.server}/sticky_auth/settings/tokens" in ran.out
    assert len(mine(cave)) == 2


def test_an_exchange_offers_to_revoke_older_tokens(ada, cave, desk):
    """A token exchanged for a pasted URL offers it too."""
    desk.answers = [address_of(cave.new_login_token("ada")), "y"]
    ada("%cave_setup existing --paste")
    assert len(mine(cave)) == 1


@pytest.mark.parametrize("name", ["", "localhost", "localhost.localdomain"])
def test_a_common_computer_name_offers_nothing(ada, cave, desk, monkeypatch, name):
    """A common computer name may belong to other computers that use those tokens."""
    monkeypatch.setattr("platform.node", lambda: name)
    ada("%cave_setup new")
    ada("%cave_setup existing --use new")
    assert desk.questions == []


def test_a_failed_save_offers_nothing(ada, cave, desk, monkeypatch):
    """The older token is not touched before the new one is saved and proven."""
    monkeypatch.setattr("cave_magic.login.verify.save_and_prove", lambda *_: 1 / 0)
    older = mine(cave)
    assert ada("%cave_setup new").error == "CaveMagicError"
    assert desk.questions == []
    assert mine(cave) == older


@pytest.mark.parametrize("how", ["down", "status:404", "status:401", "redirect"])
def test_a_token_that_still_works_is_not_called_revoked(ada, cave, desk, how):
    """Whatever the server says to the request, the older token is tried: as long as it works, it says so."""
    cave.misbehave("DELETE /auth/api/v1/user/token", how)
    desk.answers = ["y"]
    ran = ada("%cave_setup new")
    assert ran.error == ""
    assert "could not be revoked" in ran.out
    assert len(mine(cave)) == 2


def test_a_token_that_somebody_else_has_deleted_counts_as_revoked(ada, cave, desk, monkeypatch):
    """The older token is deleted on the tokens page while the question is on the screen."""
    older = mine(cave)[0]
    monkeypatch.setattr("builtins.input", lambda question="": cave.delete_token(older) or "y")
    ran = ada("%cave_setup new")
    assert f"The token ending in {older[-4:]} is revoked." in ran.out


def test_the_url_contains_the_number_and_no_token(ada, cave, desk):
    """The request identifies the token by its number."""
    numbers = {row["token"]: row["id"] for row in cave.tokens("ada")}
    older, desk.answers = mine(cave)[0], ["y"]
    ada("%cave_setup new")
    asked = [record.path for record in cave.requests if record.method == "DELETE"]
    assert asked == [f"/auth/api/v1/user/token/{numbers[older]}"]


def test_an_old_server_offers_nothing(run, desk):
    """A server that keeps one token for each account has already revoked the other one."""
    with Sandbox(auth_version="2.18.3") as old:
        run(f'%config CaveMagics.server = "{old.server}"')
        desk.goes, desk.answers = Visitor("ada@example.org").open, ["y"]
        assert run("%cave_setup new").error == ""
        assert "older token" not in "".join(desk.questions)
        assert not [record for record in old.requests if record.method == "DELETE"]
        assert len(by_name(old, "ada")) == 1
