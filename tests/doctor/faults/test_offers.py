"""Every row that prints `%cave_check --fix` has a fix, and the printed line applies it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from cave_magic.doctor import gather_computer

from ...support.shell import settings
from .world import NEW, World


def _malformed_map(world: World) -> None:
    world.write(world.map_file, "[1]")


def _wrong_entry(world: World) -> None:
    world.write(world.map_file, {"minnie65_public": "global.daf-apis.com"})
    settings(world.shell).server = ""
    world.argument = "minnie65_public"


def _secret_in_the_map(world: World) -> None:
    world.write(world.map_file, {"mine": f"https://{NEW}@cave.example.org"})


def _legacy_file(world: World) -> None:
    world.default_file.rename(world.secrets / "chunkedgraph-secret.json")
    for path in (world.server_file, world.local_file):
        path.unlink()


def _readable_by_others(world: World) -> None:
    world.server_file.chmod(0o644)


def _open_folder(world: World) -> None:
    world.secrets.chmod(0o777)


def _typed(world: World) -> None:
    world.run(f'token = "{world.token}"')


def _moved_folder(world: World) -> None:
    versions = gather_computer.versions()
    world.patch.setattr(gather_computer, "versions", lambda: {**versions, "cloud-volume": "12.15.2"})
    world.patch.setenv("CLOUD_VOLUME_DIR", str(world.home / "moved"))
    world.write(world.home / "moved" / "secrets" / "cave-secret.json", {"token": NEW})


OFFERED = {
    "map-file": _malformed_map,
    "map": _wrong_entry,
    "map-secret": _secret_in_the_map,
    "token-legacy": _legacy_file,
    "token-private": _readable_by_others,
    "token-private, folder": _open_folder,
    "token-left": _typed,
    "cloud-volume": _moved_folder,
}


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("row", "spoil"), OFFERED.items(), ids=list(OFFERED))
def test_the_line_that_offers_a_fix_applies_it(world: World, row: str, spoil: Callable[[World], None]):
    """The row's next step is the line with `--fix`; with `--yes` it fixes the problem, and the row is gone."""
    spoil(world)
    (found,) = [one for one in world.check().rows if one.id == row.partition(",")[0]]
    assert found.status in ("warning", "failed")
    command, *others = found.next_step.commands
    assert found.next_step.text.startswith(command)
    assert all(" replace" in other for other in others)  # what helps if somebody has seen the token
    assert command.endswith("--fix")
    ran = world.run(f"{command} --yes")
    assert "Fix: " in ran.out
    assert not ran.error
    assert not [one for one in world.check().rows if one.id == found.id and one.status in ("warning", "failed")]


def test_a_healthy_computer_needs_no_fix(world: World):
    """No line with `--fix` is printed, and `--fix` has nothing to change."""
    assert not [one for one in world.check().rows if one.next_step and "--fix" in one.next_step.text]
    assert "There is nothing that --fix can fix." in world.run("%cave_check --fix").out
