"""A working token is on this computer, but CAVEclient does not read it: it is named and can be saved."""

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
    """The name that a browser gives to the file of the tokens page."""
    return f"{(host or host_of(world.cave.server)).replace(':', '_')}_auth-cave-secret{number}.json"


def _row(report, name: str):
    assert_the_reference_agrees(report)
    return next(row for row in report.rows if row.id == name)


def _sent(world: World, but: str = "nobody") -> list[str]:
    """The paths that were requested with a token, except that of one person."""
    return [one.path for one in world.cave.requests if (one.authorization or one.cookie) and one.user != but]


# ---------------------------------------------------------------- none is stored


def test_a_downloaded_token_is_found(world: World):
    """It is sent to its own server only, and the printed line saves it."""
    _forget_all(world)
    path = world.home / "Downloads" / _named(world, number=" (1)")
    world.write(path, {"token": world.token, "middle_auth_url": f"{host_of(world.cave.server)}/auth"})
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("token", "failed")]
    assert f"~/Downloads/{path.name} has one that works" in _row(report, "token").evidence
    assert report.next.commands == (f'%cave_save --from-file "~/Downloads/{path.name}"',)
    assert _sent(world) == [ID]
    assert world.fix().ok


def test_a_downloaded_token_of_another_server_is_not_tried(world: World):
    """It names its server, so it is neither offered nor sent."""
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
def test_a_token_of_an_unknown_server_is_offered_but_not_sent(world: World, place):
    """The user knows which server it is for; the printed line verifies it before it is saved."""
    _forget_all(world)
    world.patch.setenv("CLOUD_VOLUME_DIR", str(world.home / "moved"))
    world.write(world.home / place / "cave-secret.json", {"token": world.token})
    world.cave.clear_requests()
    report = world.check()
    assert not _sent(world)
    assert "does not name its server, so it was not tried" in _row(report, "token").evidence
    assert report.next.commands == (f"%cave_save --from-file ~/{place}/cave-secret.json", "%cave_setup existing")
    world.run(report.next.commands[0])
    assert world.check().ok


def test_the_newest_working_token_is_offered(world: World):
    """A newer token that the server rejects is skipped."""
    _forget_all(world)
    for number, token in enumerate((NEW, world.token, world.cave.new_token("bob"))):
        path = world.home / "Downloads" / _named(world, number=f" ({number})")
        world.write(path, {"token": token})
        os.utime(path, (10_000 - number,) * 2)
    assert "cave-secret (1).json has one that works" in _row(world.check(), "token").evidence


def test_only_three_tokens_are_tried(world: World):
    """However many were downloaded, only the newest three are sent."""
    _forget_all(world)
    for number in range(10):
        world.write(world.home / "Downloads" / _named(world, number=f" ({number})"), {"token": f"{number:032x}"})
    world.cave.clear_requests()
    assert world.check().next.commands[0].startswith("%cave_setup new")
    assert _sent(world) == [ID] * 3


@pytest.mark.parametrize("content", ["", "<html>log in</html>", {"token": None}])
def test_a_token_can_replace_a_broken_file(world: World, content):
    """The printed line replaces the broken file."""
    _forget_all(world)
    world.write(world.server_file, content)
    world.write(world.secrets / _named(world), {"token": world.token})
    report = world.check()
    assert bad(report) == [("token", "failed")]
    assert "has one that works" in _row(report, "token").evidence
    assert report.next.commands[0].endswith("--overwrite")
    assert world.fix().ok


def test_a_set_up_offers_it_too(world: World):
    """`%cave_setup` alone names the token."""
    _forget_all(world)
    world.write(world.home / "Downloads" / _named(world), {"token": world.token})
    assert f"%cave_save --from-file ~/Downloads/{_named(world)}" in world.run("%cave_setup").out


def test_a_broken_server_verifies_no_token(world: World):
    """While the server is down, no token is said to work."""
    _forget_all(world)
    world.write(world.home / "Downloads" / _named(world), {"token": world.token})
    world.cave.misbehave("auth", "down")
    report = world.check()
    assert bad(report) == [("auth", "failed")]
    assert "Downloads" not in _row(report, "token").evidence


# ---------------------------------------------------------------- the stored one is rejected


def test_a_fresh_download_replaces_a_deleted_token(world: World):
    """A new token in the downloads folder need not be pasted."""
    world.cave.delete_token(world.token)
    world.cave.forget()
    world.write(world.home / "Downloads" / _named(world), {"token": world.cave.new_token("ada")})
    report = world.check()
    assert bad(report) == [("account", "failed")]
    assert "has one that works" in _row(report, "account").evidence
    assert report.next.commands == (f"%cave_save --from-file ~/Downloads/{_named(world)} --overwrite",)
    assert world.fix().ok


def test_a_token_of_an_unknown_server_does_not_replace_a_rejected_one(world: World):
    """The next step is a set-up, which works for sure."""
    world.cave.delete_token(world.token)
    world.cave.forget()
    world.write(world.home / ".cloudvolume" / "cave-secret.json", {"token": NEW})
    report = world.check()
    assert report.next.commands == ("%cave_setup existing",)


def test_a_hidden_token_that_may_be_another_servers_is_not_sent(world: World):
    """CAVEclient does not read `cave-secret.json` beside the server's own file, and this computer uses two servers."""
    world.write(world.server_file, {"token": NEW})
    world.write(world.map_file, {"minnie65_public": world.cave.server, "mine": "https://cave.example.org"})
    world.local_file.unlink()
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("account", "failed")]
    assert "cave-secret.json has another, perhaps of another server" in _row(report, "account").evidence
    assert report.next.commands == ("%cave_setup existing",)
    assert "ada" not in {one.user for one in world.cave.requests}


# ---------------------------------------------------------------- the stored one has no permission


@pytest.fixture
def carol(world: World) -> str:
    """The stored token is that of Carol, who has no permissions."""
    token = world.cave.new_token("carol")
    world.save(token)
    return token


def test_a_token_with_the_permission_is_named(world: World, carol):
    """It is sent to its own server only, and the printed line saves it."""
    world.write(world.secrets / _named(world), {"token": world.token})
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("access", "failed")]
    assert f"~/.cloudvolume/secrets/{_named(world)} has a token with access" in _row(report, "access").evidence
    assert report.next.commands == (f"%cave_save --from-file ~/.cloudvolume/secrets/{_named(world)} --overwrite",)
    assert _sent(world, but="carol") == [FULL]
    assert world.fix().ok


def test_a_token_with_unaccepted_terms_is_named(world: World, carol):
    """Once it is saved, the terms are the next cause."""
    world.cave.withdraw_terms("ada", "minnie65_public")
    world.cave.forget()
    world.write(world.secrets / _named(world), {"token": world.token})
    assert bad(world.check()) == [("access", "failed")]
    assert world.fix().ok


def test_a_token_without_the_permission_is_not_named(world: World, carol):
    """A token without access is not offered."""
    world.write(world.secrets / _named(world), {"token": world.cave.new_token("carol")})
    report = world.check()
    assert "has a token" not in _row(report, "access").evidence
    assert not any("--from-file" in command for command in report.next.commands)


def test_the_usual_file_of_the_default_server_is_tried(world: World, carol):
    """`cave-secret.json` is the default server's, although its own file hides it."""
    world.patch.setattr(misplaced, "DEFAULT_SERVER", world.cave.server)
    world.write(world.default_file, {"token": world.token})
    report = world.check()
    assert "cave-secret.json has a token with access" in _row(report, "access").evidence
    assert world.fix().ok


@pytest.mark.parametrize("name", ["cave-secret.json", "chunkedgraph-secret.json"])
def test_the_usual_file_of_another_server_is_offered_but_not_sent(world: World, carol, name):
    """It does not name its server, and the stored token is accepted."""
    world.write(world.secrets / name, {"token": world.token})
    world.cave.clear_requests()
    report = world.check()
    assert bad(report) == [("access", "failed")]
    assert not _sent(world, but="carol")
    assert f"~/.cloudvolume/secrets/{name} has a token that does not name its server" in _row(report, "access").evidence
    assert report.next.commands[0] == f"%cave_save --from-file ~/.cloudvolume/secrets/{name} --overwrite"
    assert world.fix().ok


def test_the_token_of_another_server_is_not_offered(world: World, carol):
    """A token in another server's own file is neither offered nor sent."""
    world.write(world.default_file, {"token": NEW})
    world.write(world.secrets / "proofreading.zetta.ai-cave-secret.json", {"token": NEW})
    world.cave.clear_requests()
    assert "has a token" not in _row(world.check(), "access").evidence
    assert not _sent(world, but="carol")


def test_a_healthy_check_looks_for_no_other_token(world: World):
    """If the stored token works, no other file is read and no extra request is sent."""
    world.write(world.home / "Downloads" / _named(world), {"token": world.cave.new_token("bob")})
    world.patch.setattr(misplaced, "find", lambda server: pytest.fail("looked"))
    world.cave.clear_requests()
    assert world.check().ok
    assert len(world.cave.requests) == 7


def test_a_path_that_cannot_be_typed_is_not_offered(world: World, tmp_path: Path):
    """A printed line must name the file that was found."""
    _forget_all(world)
    folder = tmp_path / 'a "b" #c'
    folder.mkdir()
    world.patch.chdir(folder)
    world.write(folder / "cave-secret.json", {"token": world.token})
    assert not any("--from-file" in command for command in world.check().next.commands)
