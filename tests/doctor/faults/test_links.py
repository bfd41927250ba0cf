"""Links instead of token files and their folder: the target is named, and a save follows them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .test_faults import assert_the_reference_agrees
from .world import World, bad

as_administrator = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives files to another user"
)


def _row(report, name: str):
    assert_the_reference_agrees(report)
    return next(row for row in report.rows if row.id == name)


def _evidence(report, name: str) -> str:
    return " ".join(_row(report, name).evidence.split())


@pytest.fixture
def alone(world: World) -> World:
    """Ada's computer without any token file."""
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()
    return world


# ---------------------------------------------------------------- a token file


def test_the_target_of_a_dangling_link_is_named(alone: World):
    """The next line saves a token there, and the link stays."""
    target = alone.home / "dotfiles" / "cave.json"
    target.parent.mkdir()
    alone.server_file.symlink_to(target)
    report = alone.check()
    assert bad(report) == [("token", "failed")]
    assert "is a link to ~/dotfiles/cave.json, which does not exist" in _evidence(report, "token")
    assert alone.fix().ok
    assert alone.server_file.is_symlink()
    assert json.loads(target.read_text())["token"]


def test_a_link_to_a_link_is_followed_to_its_end(alone: World):
    """The missing file at the end is named."""
    (alone.home / "one").symlink_to(alone.home / "two")
    alone.server_file.symlink_to(alone.home / "one")
    assert "is a link to ~/two, which does not exist" in _evidence(alone.check(), "token")
    assert alone.fix().ok
    assert (alone.home / "two").is_file()


def test_a_link_to_a_drive_that_is_not_mounted_names_the_folder(alone: World):
    """No token is created that could not be saved; without the drive, the link is moved away."""
    alone.server_file.symlink_to(alone.home / "usb" / "keys" / "cave.json")
    report = alone.check()
    assert bad(report) == [("token", "failed")]
    assert "is a link to ~/usb/keys/cave.json, but ~/usb/keys does not exist" in _evidence(report, "token")
    assert report.next.text.startswith("if that is on a drive that is not mounted, mount it; otherwise !mv ")
    alone.patch.setattr("getpass.getpass", lambda prompt="": pytest.fail("asked"))
    ran = alone.run("%cave_setup existing --paste")
    assert ran.error == "TokenNotSaved"
    assert (
        "~/usb/keys does not exist. No file was changed. Next: if that is on a drive that is not mounted, "
        in ran.message
    )
    alone.patch.setattr("getpass.getpass", lambda prompt="": alone.cave.new_token("ada"))
    assert alone.fix().ok
    assert not alone.server_file.is_symlink()


def test_a_mounted_drive_fixes_the_link(alone: World):
    """Once the drive is there, the link leads to the token."""
    alone.server_file.symlink_to(alone.home / "usb" / "cave.json")
    assert bad(alone.check()) == [("token", "failed")]
    alone.write(alone.home / "usb" / "cave.json", {"token": alone.token})
    assert alone.check().ok


@pytest.mark.parametrize("length", [1, 3])
def test_a_link_loop_is_named(alone: World, length):
    """A save replaces the link."""
    links = [alone.server_file, *(alone.secrets / f"link{number}" for number in range(1, length))]
    for one, following in zip(links, [*links[1:], links[0]], strict=True):
        one.symlink_to(following)
    assert "is a link to itself" in _evidence(alone.check(), "token")
    assert alone.fix().ok


@pytest.mark.parametrize("gap", [False, True])
def test_a_dangling_link_beside_a_token_is_a_warning(world: World, gap):
    """CAVEclient reads cave-secret.json instead."""
    world.server_file.unlink()
    target = world.home / ("usb" if gap else "") / "cave.json"
    world.server_file.symlink_to(target)
    report = world.check()
    assert report.ok
    assert [row.id for row in report.rows if row.status == "warning"] == ["token-link"]
    report = world.fix()
    assert not [row.id for row in report.rows if row.status == "warning"]
    assert world.server_file.is_symlink() is not gap


@pytest.mark.parametrize("name", ["default_file", "local_file"])
def test_a_dangling_copy_does_not_stop_a_save(world: World, name):
    """A copy that cannot be written is skipped."""
    path = getattr(world, name)
    path.unlink()
    path.symlink_to(world.home / "usb" / "cave.json")
    ran = world.run("%cave_save --overwrite")
    assert not ran.error, ran.message
    assert path.is_symlink()
    assert json.loads(world.server_file.read_text())["token"] != world.token


def test_a_map_that_is_a_dangling_link_is_named(world: World):
    """CAVEclient forgets which server a datastack is on, but a save works."""
    world.map_file.unlink()
    world.map_file.symlink_to(world.home / "usb" / "map.json")
    assert "is a link to ~/usb/map.json" in _evidence(world.check(), "map-file")
    assert not world.run("%cave_save --overwrite").error
    world.run(_row(world.check(), "map-file").next_step.commands[0])
    assert "map-file" not in {row.id for row in world.check().rows}


def test_from_file_names_the_target_of_a_dangling_link(world: World):
    """`%cave_save --from-file` says where the link leads."""
    (world.home / "mine").symlink_to(world.home / "nowhere")
    ran = world.run("%cave_save --from-file ~/mine")
    assert ran.message == "the file is a link to ~/nowhere, which does not exist. Nothing was changed."


@as_administrator
def test_a_link_to_the_file_of_another_user_is_a_warning(world: World):
    """The token there may be theirs."""
    theirs = world.home / "bob" / "cave.json"
    world.write(theirs, {"token": world.token})
    os.chown(theirs, 12345, -1)
    world.server_file.unlink()
    world.server_file.symlink_to(theirs)
    report = world.check()
    assert "is a link to ~/bob/cave.json, which belongs to another user" in _evidence(report, "token-link")
    assert not [row.id for row in world.fix().rows if row.status == "warning"]


@pytest.mark.usefixtures("permissions_count")
def test_a_link_to_an_unreadable_file_is_moved_away(alone: World):
    """The user cannot change the permissions of another user's file."""
    alone.write(alone.home / "theirs.json", {"token": alone.token})
    (alone.home / "theirs.json").chmod(0)
    alone.server_file.symlink_to(alone.home / "theirs.json")
    report = alone.check()
    assert bad(report) == [("token", "failed")]
    assert report.next.commands[0].startswith("!mv ")
    assert alone.fix().ok


# ---------------------------------------------------------------- the folder


def _dangles(link: Path, home: Path) -> None:
    link.symlink_to(home / "nowhere")


def _circles(link: Path, home: Path) -> None:
    link.symlink_to(link)


def _is_a_file(link: Path, home: Path) -> None:
    link.write_text("")


def _leads_to_a_file(link: Path, home: Path) -> None:
    (home / "file").write_text("")
    link.symlink_to(home / "file")


WAYS = {
    _dangles: "is a link to ~/nowhere, which does not exist",
    _circles: "is a link to itself",
    _is_a_file: "is not a folder",
    _leads_to_a_file: "is a link to ~/file, which is not a folder",
}


@pytest.mark.in_turn(level=("secrets", ".cloudvolume"), way=tuple(WAYS))
def test_anything_in_place_of_a_folder_is_named(world: World, level, way):
    """For the folder of the token files and its parent there is one row, and the next line moves it away."""
    folder = world.secrets if level == "secrets" else world.secrets.parent
    os.rename(folder, world.home / "kept")
    way(folder, world.home)
    report = world.check()
    assert bad(report) == [("token-folder", "failed")]
    assert _evidence(report, "token-folder") == f"~/{folder.relative_to(world.home)} {WAYS[way]}"
    assert world.fix().ok


@pytest.mark.parametrize("level", ["secrets", ".cloudvolume"])
def test_a_linked_folder_is_used(world: World, level):
    """A link to a folder of the same user works, and stays."""
    folder = world.secrets if level == "secrets" else world.secrets.parent
    os.rename(folder, world.home / "kept")
    folder.symlink_to(world.home / "kept")
    assert world.check().ok
    assert not world.run("%cave_save --overwrite").error
    assert folder.is_symlink()
    assert not [row.id for row in world.check().rows if row.status == "warning"]


@as_administrator
@pytest.mark.parametrize("level", ["secrets", ".cloudvolume"])
def test_a_link_into_the_folder_of_another_user_is_a_warning(world: World, level):
    """The tokens there are theirs; the next line moves the link away, and then a set-up follows."""
    folder = world.secrets if level == "secrets" else world.secrets.parent
    os.rename(folder, world.home / "bob")
    os.chown(world.home / "bob", 12345, -1)
    folder.symlink_to(world.home / "bob")
    report = world.check()
    assert report.ok
    assert [row.id for row in report.rows if row.status == "warning"] == ["token-folder"]
    assert _evidence(report, "token-folder").endswith("is a link to ~/bob, which belongs to another user")
    assert world.fix().ok
    assert not folder.is_symlink()


def test_a_set_up_names_a_dangling_folder(world: World):
    """It does so before it creates a token or shows a prompt."""
    os.rename(world.secrets.parent, world.home / "kept")
    world.secrets.parent.symlink_to(world.home / "usb")
    world.patch.setattr("getpass.getpass", lambda prompt="": pytest.fail("asked"))
    ran = world.run(f"%cave_setup existing --paste --server {world.cave.server}")
    assert ran.error == "TokenNotSaved"
    assert ran.message.startswith(
        "~/.cloudvolume is a link to ~/usb, which does not exist. No file was changed. Next: "
    )
    assert ran.message.endswith(world.check().next.text)
