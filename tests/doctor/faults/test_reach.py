"""A token that works is on this computer, and is not the one that CAVEclient takes: it is named and can be taken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cave_magic.api.urls import host_of
from cave_magic.credentials import misplaced
from cave_magic.sandbox import Sandbox

from .test_faults import assert_the_reference_agrees
from .world import FULL, ID, NEW, World, bad


def _forget_all(world: World) -> None:
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()


def _named(world: World, host: str = "", number: str = "") -> str:
    """The name under which a browser saves the file of the tokens page."""
    return f"{(host or host_of(world.cave.server)).replace(':', '_')}_auth-cave-secret{number}.json"


def _row(report, name: str):
    assert_the_reference_agrees(report)
    return next(row for row in report.rows if row.id == name)


def _sent(world: World, but: str = "nobody") -> list[str]:
    """What was asked with a token, unless it was that of a person."""
    return [one.path for one in world.cave.requests if (one.authorization or one.cookie) and one.user != but]


# ---------------------------------------------------------------- none is stored


def test_the_file_of_the_tokens_page_is_found_as_it_was_saved(world: World):
    """Downloaded and forgotten, it is found, checked with its own server alone, and taken by the line that is printed."""
    _forget_all(world)
    path = world.home / "Downloads" / _named(world, number=" (1)")
    world.write(path, {"token": world.token, "middle_auth_url": f"{host_of(world.cave.server)}/auth"})
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("token", "failed")]
    assert f"~/Downloads/{path.name} has one that works" in _row(report, "token").evidence
    assert report.next.commands == (f'%cave_save --from-file "~/Downloads/{path.name}"',)
    assert _sent(world) == [ID]
    assert world.mend().ok


def test_the_file_of_another_servers_page_is_not_asked_about(world: World):
    """It is neither offered nor sent: it says whose it is."""
    _forget_all(world)
    with Sandbox() as other:
        token = other.new_token("ada")
        host = host_of(other.server)
        world.write(world.home / "Downloads" / _named(world, host), {"token": token, "middle_auth_url": f"{host}/auth"})
        world.write(world.home / "Downloads" / _named(world), {"token": token, "middle_auth_url": f"{host}/auth"})
        world.cave.clear_requests()
        report = world.check()
        assert "Downloads" not in _row(report, "token").evidence
        assert not _sent(world)


@pytest.mark.parametrize("place", [".cloudvolume", ".cloudfiles/secrets", "moved/secrets"])
def test_a_token_of_no_named_server_is_offered_and_not_sent(world: World, place):
    """Whose it is, its person knows; the line that is printed checks it before it is saved."""
    _forget_all(world)
    world.patch.setenv("CLOUD_VOLUME_DIR", str(world.home / "moved"))
    world.write(world.home / place / "cave-secret.json", {"token": world.token})
    world.cave.clear_requests()
    report = world.check()
    assert not _sent(world)
    assert "does not say which server it is for, so it was not tried" in _row(report, "token").evidence
    assert report.next.commands == (f"%cave_save --from-file ~/{place}/cave-secret.json", "%cave_setup existing")
    world.run(report.next.commands[0])
    assert world.check().ok


def test_of_several_the_newest_that_works_is_taken(world: World):
    """A token that the server refuses is passed over for an older one that it takes."""
    _forget_all(world)
    for number, token in enumerate((NEW, world.token, world.cave.new_token("bob"))):
        path = world.home / "Downloads" / _named(world, number=f" ({number})")
        world.write(path, {"token": token})
        os.utime(path, (10_000 - number,) * 2)
    assert "cave-secret (1).json has one that works" in _row(world.check(), "token").evidence


def test_a_server_is_asked_about_few_of_them(world: World):
    """However many were downloaded, the newest three are tried."""
    _forget_all(world)
    for number in range(10):
        world.write(world.home / "Downloads" / _named(world, number=f" ({number})"), {"token": f"{number:032x}"})
    world.cave.clear_requests()
    assert world.check().next.commands[0].startswith("%cave_setup new")
    assert _sent(world) == [ID] * 3


@pytest.mark.parametrize("content", ["", "<html>log in</html>", {"token": None}])
def test_a_broken_file_leads_to_a_token_within_reach(world: World, content):
    """The line that is printed replaces what is of no use."""
    _forget_all(world)
    world.write(world.server_file, content)
    world.write(world.secrets / _named(world), {"token": world.token})
    report = world.check()
    assert bad(report) == [("token", "failed")]
    assert "has one that works" in _row(report, "token").evidence
    assert report.next.commands[0].endswith("--overwrite")
    assert world.mend().ok


def test_a_set_up_that_is_asked_for_advice_offers_it_too(world: World):
    """`%cave_setup` alone names the token that is there already."""
    _forget_all(world)
    world.write(world.home / "Downloads" / _named(world), {"token": world.token})
    assert f"%cave_save --from-file ~/Downloads/{_named(world)}" in world.run("%cave_setup").out


def test_an_answer_of_a_broken_server_says_nothing_of_a_token(world: World):
    """While the server is down no token within reach is said to work."""
    _forget_all(world)
    world.write(world.home / "Downloads" / _named(world), {"token": world.token})
    world.cave.misbehave("auth", "down")
    report = world.check()
    assert bad(report) == [("auth", "failed")]
    assert "Downloads" not in _row(report, "token").evidence


# ---------------------------------------------------------------- the stored one is refused


def test_a_fresh_download_takes_the_place_of_a_token_that_was_deleted(world: World):
    """Who has just made a new token need not paste it."""
    world.cave.delete_token(world.token)
    world.cave.forget()
    world.write(world.home / "Downloads" / _named(world), {"token": world.cave.new_token("ada")})
    report = world.check()
    assert bad(report) == [("account", "failed")]
    assert "has one that works" in _row(report, "account").evidence
    assert report.next.commands == (f"%cave_save --from-file ~/Downloads/{_named(world)} --overwrite",)
    assert world.mend().ok


def test_a_token_of_no_named_server_is_no_remedy_for_a_refused_one(world: World):
    """Where the stored token is known to be of no use, the sure way is shown, not a guess."""
    world.cave.delete_token(world.token)
    world.cave.forget()
    world.write(world.home / ".cloudvolume" / "cave-secret.json", {"token": NEW})
    report = world.check()
    assert report.next.commands == ("%cave_setup existing",)


# ---------------------------------------------------------------- the stored one has no permission


@pytest.fixture
def carol(world: World) -> str:
    """Carol's token is stored, who may read nothing."""
    token = world.cave.new_token("carol")
    world.save(token)
    return token


def test_a_token_with_the_permission_is_named(world: World, carol):
    """The datastack is asked for with it, at its own server and nowhere else; the printed line takes it."""
    world.write(world.secrets / _named(world), {"token": world.token})
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("access", "failed")]
    assert f"~/.cloudvolume/secrets/{_named(world)} has a token that does" in _row(report, "access").evidence
    assert report.next.commands == (f"%cave_save --from-file ~/.cloudvolume/secrets/{_named(world)} --overwrite",)
    assert _sent(world, but="carol") == [FULL]
    assert world.mend().ok


def test_a_token_whose_terms_are_left_is_better_than_one_without_permission(world: World, carol):
    """What it needs then is said once it is saved."""
    world.cave.withdraw_terms("ada", "minnie65_public")
    world.cave.forget()
    world.write(world.secrets / _named(world), {"token": world.token})
    assert bad(world.check()) == [("access", "failed")]
    assert world.mend().ok


def test_a_token_without_the_permission_is_not_named(world: World, carol):
    """Nothing is offered that does not help."""
    world.write(world.secrets / _named(world), {"token": world.cave.new_token("carol")})
    report = world.check()
    assert "has a token" not in _row(report, "access").evidence
    assert not any("--from-file" in command for command in report.next.commands)


def test_the_usual_file_of_the_default_server_is_tried(world: World, carol):
    """There `cave-secret.json` is the server's own, hidden by the file that has its name."""
    world.patch.setattr(misplaced, "DEFAULT_SERVER", world.cave.server)
    world.write(world.default_file, {"token": world.token})
    report = world.check()
    assert "cave-secret.json has a token that does" in _row(report, "access").evidence
    assert world.mend().ok


@pytest.mark.parametrize("name", ["cave-secret.json", "chunkedgraph-secret.json"])
def test_the_usual_file_of_another_server_is_offered_and_not_sent(world: World, carol, name):
    """It does not say which server it is for, and this one has a token of its own that works."""
    world.write(world.secrets / name, {"token": world.token})
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("access", "failed")]
    assert not _sent(world, but="carol")
    assert f"~/.cloudvolume/secrets/{name} has one that does not say" in _row(report, "access").evidence
    assert report.next.commands[0] == f"%cave_save --from-file ~/.cloudvolume/secrets/{name} --overwrite"
    assert world.mend().ok


def test_the_token_of_another_server_is_not_offered(world: World, carol):
    """A token that is in another server's own file opens nothing here."""
    world.write(world.default_file, {"token": NEW})
    world.write(world.secrets / "proofreading.zetta.ai-cave-secret.json", {"token": NEW})
    world.cave.clear_requests()
    assert "has one that" not in _row(world.check(), "access").evidence
    assert not _sent(world, but="carol")


def test_a_healthy_check_looks_at_none_of_them(world: World):
    """Where the stored token works, no place is looked at and no request more is made."""
    world.write(world.home / "Downloads" / _named(world), {"token": world.cave.new_token("bob")})
    world.patch.setattr(misplaced, "find", lambda server: pytest.fail("looked"))
    world.cave.clear_requests()
    assert world.check().ok
    assert len(world.cave.requests) == 7


def test_a_path_that_no_line_can_name_is_not_offered(world: World, tmp_path: Path):
    """A printed line must mean the file that was found."""
    _forget_all(world)
    folder = tmp_path / 'a "b" #c'
    folder.mkdir()
    world.patch.chdir(folder)
    world.write(folder / "cave-secret.json", {"token": world.token})
    assert not any("--from-file" in command for command in world.check().next.commands)
