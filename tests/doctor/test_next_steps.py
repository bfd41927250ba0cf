"""Printed lines about files with odd names do what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cave_magic.credentials.target import find_target
from cave_magic.doctor import next_steps
from cave_magic.sandbox import Sandbox

from ..support.shell import Run

NAMES = (
    "plain", "with blank", "two  blanks", "end ", "it's", 'a"b', "a'b\"c", "a # b", "a$HOME", "a${HOME}", "'$HOME'", "{b}",
    "a;b", "a\\b", "a\tb", "a\u00a0b", "a\nb", "a?", "(a)&|<*>",
)  # fmt: skip


PLACES = ("home", "else where")
"""The home folder, or one with a space in its name."""


@pytest.fixture
def folder(place: str, home: Path, tmp_path: Path) -> Path:
    """One of the places."""
    folder: Path = tmp_path / place
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.in_turn(name=NAMES, place=PLACES)
def test_a_token_is_saved_from_the_file_that_is_named(name: str, folder: Path, cave: Sandbox, run: Run, secrets: Path):
    """The line names exactly that file, whatever is in its name."""
    token = cave.new_token("ada")
    (folder / name).write_text(json.dumps({"token": token}))
    ran = run(next_steps.save_from(find_target("minnie65_public", cave.server), folder / name, replaces=False).text)
    assert not ran.error, ran.message
    assert any(token in file.read_text() for file in secrets.glob("*-cave-secret.json"))


@pytest.mark.in_turn(name=NAMES, place=PLACES)
def test_a_file_with_an_odd_name_is_made_private_and_moved(name: str, folder: Path, shell: object, run: Run):
    """Neither variables of the notebook nor rules of the shell change the name."""
    run("b = HOME = 'wrong'")
    file = folder / name
    file.write_text("x")
    file.chmod(0o644)
    run(next_steps.make_private(file).text)
    assert file.stat().st_mode & 0o777 == 0o600
    run(next_steps.move_away(file).text)
    assert (folder / f"{name}.old").exists()


@pytest.mark.parametrize("place", PLACES)
def test_the_line_that_replaces_a_token_names_the_same_file(folder: Path, cave: Sandbox, set_up: str, run: Run):
    """The printed line works for a file whose name cannot be typed after a magic."""
    token, file = cave.new_token("ada"), folder / "a'b\"  c"
    file.write_text(json.dumps({"token": token}))
    run(f"file = {str(file)!r}")
    ran = run(f"%cave_save --from-file {{file}} --server {cave.server}")
    assert ran.error == "TokenExists"
    assert not run(ran.message.partition("To replace it: ")[2]).error


def test_a_hash_in_quotes_is_not_a_comment(cave: Sandbox, run: Run, home: Path):
    """`#` in a quoted file name is a character; after the words of a line it begins a comment."""
    (home / "a # b").write_text(cave.new_token("ada"))
    assert not run(f"""%cave_save --from-file "~/a # b" --server {cave.server} # it's mine, "really""").error
