"""Next steps and fixes that cannot work for this user are not offered; another way is, or who can do it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cave_magic.credentials import obstacles

from ...support.permissions import CAN_COUNT, IS_ROOT, permissions_of_a_user
from ...support.shell import sit_at_terminal
from .world import World, bad

as_administrator = pytest.mark.skipif(not IS_ROOT or not CAN_COUNT, reason="gives files to another user")
STRANGER = 12345


@pytest.fixture(autouse=True)
def no_other_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has no other home folder for this user."""
    monkeypatch.setattr(obstacles, "_own_home", lambda: "")


@pytest.fixture
def as_user(world: World) -> Iterator[None]:
    """Whatever the test gives away is another user's, and root's privileges do not help."""
    yield
    for folder, _, _ in os.walk(world.home):
        os.chown(folder, os.geteuid(), -1)
        os.chmod(folder, 0o700)


def _give_away(*paths: Path) -> None:
    for path in paths:
        os.chown(path, STRANGER, -1, follow_symlinks=False)


def _without_files(world: World) -> None:
    for path in (world.server_file, world.default_file, world.local_file):
        path.unlink()


@as_administrator
@pytest.mark.usefixtures("as_user")
def test_a_file_of_another_user_is_moved_away(world: World):
    """`chmod` would fail on it, but the folder belongs to this user."""
    _give_away(world.server_file)
    with permissions_of_a_user():
        report = world.check()
        assert bad(report) == [("token", "failed")]
        assert report.next.commands[0].startswith("!mv ~/.cloudvolume/secrets/127.0.0.1:")
        (row,) = [row for row in report.rows if row.id == "token"]
        assert row.evidence.endswith(f"; it belongs to the user with ID {STRANGER}")
        assert world.fix().ok


@as_administrator
@pytest.mark.usefixtures("as_user")
@pytest.mark.parametrize("level", ["secrets", ".cloudvolume"])
def test_a_folder_of_another_user_is_moved_away(world: World, level):
    """What `sudo` left behind can be renamed, and a set-up follows."""
    folder = world.secrets if level == "secrets" else world.secrets.parent
    _give_away(folder)
    with permissions_of_a_user():
        report = world.check()
        assert bad(report) == [("token-folder", "failed")]
        assert report.next.commands[0].startswith("!mv ")
        assert world.fix().ok


@as_administrator
@pytest.mark.usefixtures("as_user")
def test_a_set_up_that_cannot_save_says_what_the_check_says(world: World):
    """Neither asks for a token that cannot be saved, and both say why, and what to do, in the same words."""
    _without_files(world)
    _give_away(world.secrets, world.secrets.parent, world.home)
    for folder in (world.secrets, world.secrets.parent, world.home):
        folder.chmod(0o755)
    world.patch.setattr("getpass.getpass", lambda prompt="": pytest.fail("asked"))
    with permissions_of_a_user():
        report = world.check()
        assert bad(report) == [("token", "failed")]
        step = report.next.text
        assert step.startswith(f"ask the user with ID {STRANGER} to let you write to ~/.cloudvolume/secrets, then ")
        for line in ("%cave_setup", "%cave_setup existing", "%cave_save", "%cave_save --no-check"):
            ran = world.run(line)
            assert ran.error == "TokenNotSaved", line
            assert ran.message.endswith(f"No file was changed. Next: {step}"), line
        world.patch.setattr("getpass.getpass", lambda prompt="": world.token)
        ran = world.run(report.next.commands[-1])
        assert ran.error == "", ran.message
        assert world.run("client.info.get_datastacks()").error == ""


@pytest.mark.usefixtures("permissions_count")
def test_a_fix_that_cannot_write_is_not_offered(world: World):
    """A read-only folder is unlocked first; then the fix is offered and works."""
    world.write(world.map_file, '{"minnie65_public": ')
    world.secrets.chmod(0o500)
    report = world.check()
    row = next(row for row in report.rows if row.id == "map-file")
    assert row.next_step.commands[0] == "!chmod 700 ~/.cloudvolume/secrets"
    assert "There is nothing that --fix can fix." in world.run("%cave_check --fix --yes").out
    world.follow(row.next_step)
    row = next(row for row in world.check().rows if row.id == "map-file")
    assert row.next_step.commands[0].endswith(" --fix")
    world.follow(row.next_step)
    assert "map-file" not in {row.id for row in world.check().rows}


def test_a_fix_without_a_prompt_asks_nothing(world: World):
    """If nobody can answer, the line applies the fixes without asking."""
    world.write(world.map_file, '{"minnie65_public": ')
    sit_at_terminal(world.patch, can_ask=False)
    row = next(row for row in world.check().rows if row.id == "map-file")
    assert row.next_step.commands[0].endswith(" --fix --yes")
    assert not world.run(row.next_step.commands[0]).error
    assert "map-file" not in {row.id for row in world.check().rows}


def test_what_is_moved_away_replaces_nothing(world: World):
    """If `.old` is taken, another name is given."""
    _without_files(world)
    world.default_file.mkdir()
    (world.secrets / "cave-secret.json.old").mkdir()
    report = world.check()
    assert report.next.commands[0].endswith(" ~/.cloudvolume/secrets/cave-secret.json.2.old")
    assert world.fix().ok
    assert sorted(path.name for path in world.secrets.glob("*.old")) == [
        "cave-secret.json.2.old",
        "cave-secret.json.old",
    ]


def test_a_missing_home_is_replaced_by_the_users_own(world: World):
    """The line sets HOME in this kernel, and a set-up follows."""
    real = world.home.with_name("real")
    real.mkdir(mode=0o700)
    world.patch.setattr(obstacles, "_own_home", lambda: str(real))
    world.patch.setenv("HOME", str(world.home / "gone"))
    report = world.check()
    assert bad(report) == [("token-folder", "failed")]
    assert report.next.commands[0] == f"%env HOME={real}"
    assert world.fix().ok
    assert list((real / ".cloudvolume" / "secrets").glob("*-cave-secret.json"))
