"""A borrowed token is removed by the last process that needs it, and nothing else is."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
from pathlib import Path

import pytest

from cave_magic.credentials import lease
from cave_magic.credentials.lease import borrow, give_back
from cave_magic.credentials.save import save_token
from cave_magic.errors import TokenExists
from cave_magic.token import Token
from cave_magic.ui.door import on_windows

SERVER, DATA = "https://global.daf-apis.com", "https://minnie.microns-daf.com"
A, B = (Token(letter * 32) for letter in "ab")


def contents(secrets: Path) -> dict[str, str]:
    """The token files of a home, with what they contain."""
    return {path.name: path.read_text() for path in sorted(secrets.glob("*-secret.json"))}


def test_the_last_process_removes_the_token(secrets: Path):
    """While somebody needs it, it stays; then the folder is as it was, but for the datastack map."""
    borrow(A, SERVER, "one", local_servers=[DATA])
    borrow(A, SERVER, "two", local_servers=[DATA])
    there = contents(secrets)
    assert len(there) == 3
    assert give_back(A, SERVER, "one", local_servers=[DATA]) == ()
    assert contents(secrets) == there
    assert len(give_back(A, SERVER, "two", local_servers=[DATA])) == 3
    assert contents(secrets) == {}
    assert not lease._file().exists()
    assert give_back(A, SERVER, "two") == ()


def test_a_token_that_was_there_stays(secrets: Path):
    """A home that its owner has set up is as it was afterwards."""
    save_token(A, SERVER, local_servers=[DATA])
    before = contents(secrets)
    borrow(A, SERVER, "one", local_servers=[DATA])
    give_back(A, SERVER, "one", local_servers=[DATA])
    assert contents(secrets) == before


def test_another_token_is_kept(secrets: Path):
    """Without `overwrite`, another token of the server stays, and no lease is left."""
    save_token(B, SERVER)
    before = contents(secrets)
    with pytest.raises(TokenExists):
        borrow(A, SERVER, "one")
    assert contents(secrets) == before
    assert not lease._file().exists()


def test_only_the_token_is_removed(secrets: Path):
    """Other keys of a file stay, and so does a token that somebody has saved in the meantime."""
    default, own = secrets / "cave-secret.json", secrets / "global.daf-apis.com-cave-secret.json"
    default.write_text(json.dumps({"note": "mine"}))
    borrow(A, SERVER, "one")
    own.write_text(json.dumps({"token": B.reveal()}))
    give_back(A, SERVER, "one")
    assert json.loads(default.read_text()) == {"note": "mine"}
    assert json.loads(own.read_text()) == {"token": B.reveal()}


def _borrow_and_die() -> None:
    borrow(A, SERVER, "killed")
    os._exit(9)


@pytest.mark.skipif(on_windows(), reason="only elsewhere can it be known whether a process is running")
def test_a_killed_process_does_not_keep_the_token(secrets: Path):
    """The next process in this home removes the token instead."""
    process = multiprocessing.get_context("fork").Process(target=_borrow_and_die)
    process.start()
    process.join()
    assert len(contents(secrets)) == 2
    borrow(A, SERVER, "next")
    give_back(A, SERVER, "next")
    assert contents(secrets) == {}


def test_a_lease_from_another_computer_is_respected(secrets: Path):
    """Whether its process is running cannot be known here."""
    borrow(A, SERVER, "one")
    text = lease._file().read_text()
    lease._file().write_text(text.replace(json.loads(text)[SERVER]["holders"][0], "node7 1 worker"))
    borrow(A, SERVER, "two")
    give_back(A, SERVER, "two")
    assert len(contents(secrets)) == 2


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"SERVER": 1}', '{"SERVER": {"holders": [1], "before": null}}',
     '{"SERVER": {"holders": ["HERE", "HERE x y", "HERE 99999999999 z"], "before": []}}'],
)  # fmt: skip
def test_a_malformed_lease_does_no_harm(secrets: Path, content: str):
    """Somebody has edited the file: the token is saved, and removed at the end."""
    text = content.replace("SERVER", SERVER).replace("HERE", platform.node())
    (secrets / "cave-magic-leases.json").write_text(text)
    borrow(A, SERVER, "one")
    give_back(A, SERVER, "one")
    assert A.reveal() not in "".join(contents(secrets).values())
