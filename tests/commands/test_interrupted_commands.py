"""The message when a magic is stopped, refused or fails half-way: what was done until then, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cave_magic.credentials import atomic_write, datastack_map, save, stored_tokens, token_files
from cave_magic.login import verify
from cave_magic.sandbox import Sandbox
from cave_magic.ui.frontend import PlainFrontend, TerminalFrontend

from ..support.shell import Run, sit_at_terminal

NOTHING = "Nothing was changed."


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The answers that are given to the questions; an exception is raised in the place of an answer."""
    given: list[Any] = []

    def answer(question: str = "") -> str:
        one = given.pop(0)
        if isinstance(one, BaseException):
            raise one
        return str(one)

    sit_at_terminal(monkeypatch)
    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("getpass.getpass", answer)
    return given


@pytest.fixture
def two_faults(set_up: str, home: Path, cave: Sandbox) -> tuple[Path, Path]:
    """Two files of which each needs a fix: a token that is not owner-only, and a datastack map that is no JSON."""
    folder = home / ".cloudvolume" / "secrets"
    token, names = token_files.server_file(cave.server), folder / datastack_map.MAP_NAME
    token.chmod(0o644)
    names.write_text("{")
    return token, names


def interrupted(*_: object, **__: object) -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt


def refuse(*_: object) -> None:
    """The system does not allow it."""
    raise OSError(errno.EPERM, "no")


def at_permissions(monkeypatch: pytest.MonkeyPatch, file: Path, happens: Callable[[], object]) -> None:
    """Something happens when the permissions of a file are to be changed."""
    real = atomic_write.tighten
    monkeypatch.setattr(atomic_write, "tighten", lambda path, mode: happens() if path == file else real(path, mode))


def refuse_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be written."""
    monkeypatch.setattr(atomic_write, "write_all", refuse)


def protect(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may not be written."""
    path.chmod(0o400)


def fixed(faults: tuple[Path, Path]) -> list[bool]:
    """Which of the two files are in order."""
    token, names = faults
    return [token.stat().st_mode & 0o77 == 0, names.read_text() != "{"]


# ---------------------------------------------------------------- %cave_check --fix

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), EOFError()])
def test_stopped_at_the_second_question_it_names_the_first_fix(run: Run, cave: Sandbox, answers, two_faults, stop):
    """Yes to the first fix, Ctrl-C at the second: it says what was applied, and how to see what is left."""
    answers += ["y", stop]
    ran = run("%cave_check --fix")
    assert fixed(two_faults) == [False, True]
    assert ran.error == "Cancelled"
    assert ran.message.startswith("Cancelled. 1 of 2 fixes was applied: rewrite the datastack map, ")
    assert ran.message.endswith(f". To see what is left: %cave_check --server {cave.server}")


def test_stopped_at_the_first_question_nothing_was_changed(run: Run, answers, two_faults):
    """If no fix was applied, it says so."""
    answers.append(KeyboardInterrupt())
    assert run("%cave_check --fix").message == "Cancelled. Nothing was changed."
    assert fixed(two_faults) == [False, False]


def test_a_no_to_every_fix_changes_nothing_and_says_so(run: Run, answers, two_faults):
    """After the last no, a line says that nothing was changed; this is not an error."""
    answers += ["n", ""]
    ran = run("%cave_check --fix")
    assert (ran.error, ran.out.rstrip().splitlines()[-1]) == ("", NOTHING)
    assert fixed(two_faults) == [False, False]


def test_one_no_and_one_yes_apply_one_fix(run: Run, answers, two_faults, monkeypatch):
    """Only applied fixes are counted, and they are named after an interrupt of the second report, too."""
    answers += ["n", "y"]
    real = TerminalFrontend.show
    shown: list[Any] = []

    def show(self: TerminalFrontend, page: Any, passing: bool = False) -> None:
        shown.append(page)
        return real(self, page) if len(shown) == 1 else interrupted()

    monkeypatch.setattr(TerminalFrontend, "show", show)
    ran = run("%cave_check --fix")
    assert ran.error == "Cancelled"
    assert ran.message.startswith("Stopped. 1 of 2 fixes was applied: make owner-only: ")
    assert fixed(two_faults) == [True, False]


@pytest.mark.parametrize("line", ["%cave_check --fix", "%cave_check --fix --yes"])
def test_a_fix_that_fails_leaves_the_one_before_it(run: Run, answers, two_faults, monkeypatch, line):
    """The system refuses the second fix: it says why, and what was applied before."""
    answers += ["y", "y"]
    at_permissions(monkeypatch, two_faults[0], refuse)
    ran = run(line)
    assert ran.error == "TokenNotSaved"
    assert (
        "cannot be written (Operation not permitted). 1 of 2 fixes was applied: rewrite the datastack map"
        in ran.message
    )
    assert fixed(two_faults) == [False, True]


def test_a_first_fix_that_fails_changes_nothing(run: Run, set_up: str, cave: Sandbox, monkeypatch):
    """If the first fix fails, no file was changed, and it says who can help."""
    path = token_files.server_file(cave.server)
    path.write_text(set_up)
    monkeypatch.setattr(atomic_write, "write_all", refuse)
    ran = run("%cave_check --fix --yes")
    assert ran.error == "TokenNotSaved"
    assert f". {save.UNCHANGED} Next: ask the administrator of this computer to let you write to " in ran.message
    assert path.read_text() == set_up


def test_a_write_protected_file_is_not_fixed(run: Run, set_up: str, cave: Sandbox):
    """The fix is not offered; the line that allows it is."""
    path = token_files.server_file(cave.server)
    path.write_text(set_up)
    path.chmod(0o400)
    ran = run("%cave_check --fix --yes")
    assert not ran.error
    assert "There is nothing that --fix can fix." in ran.out
    assert "Next: !chmod 600 ~/.cloudvolume/secrets/" in ran.out
    assert path.read_text() == set_up


def test_a_file_that_refuses_gives_the_others_their_permissions_back(run: Run, two_faults, cave: Sandbox, monkeypatch):
    """The permissions of several files are removed from all of them or from none."""
    local = token_files.server_file(cave.local_server)
    local.chmod(0o640)
    at_permissions(monkeypatch, local, refuse)
    assert run("%cave_check --fix --yes").error == "TokenNotSaved"
    assert [path.stat().st_mode & 0o777 for path in (two_faults[0], local)] == [0o644, 0o640]


def test_stopped_within_a_fix_it_says_what_may_have_changed(run: Run, answers, two_faults, monkeypatch):
    """If it is unclear whether a fix was applied, it claims neither."""
    at_permissions(monkeypatch, two_faults[0], interrupted)
    message = run("%cave_check --fix --yes").message
    assert message.startswith("Stopped. 1 of 2 fixes was applied: rewrite the datastack map")
    assert ". This fix may have been applied: make owner-only: " in message


def test_a_bug_after_a_fix_names_the_fix(run: Run, answers, two_faults, monkeypatch):
    """Even after a bug, it says what was done before."""
    at_permissions(monkeypatch, two_faults[0], lambda: 1 / 0)
    message = run("%cave_check --fix --yes").message
    assert "unexpected error" in message
    assert "1 of 2 fixes was applied: rewrite the datastack map" in message


# ---------------------------------------------------------------- saving


@pytest.mark.parametrize("line", ["%cave_save --from-env MINE", "%cave_save --from-env MINE --no-check"])
def test_stopped_after_the_save_it_says_that_the_token_is_saved(run: Run, cave: Sandbox, monkeypatch, line):
    """Ctrl-C while the card is drawn: the token is saved, and it says so."""
    token = cave.new_token("ada")
    monkeypatch.setenv("MINE", token)
    run(f'%config CaveMagics.server = "{cave.server}"')
    monkeypatch.setattr(PlainFrontend, "show", interrupted)
    ran = run(line)
    assert ran.message.startswith(f"Stopped. The token ending in {token[-4:]} is saved for 127.0.0.1")
    assert "%cave_whoami --server" in ran.message
    assert stored_tokens.resolve(cave.server).token.reveal() == token


def test_stopped_before_the_save_nothing_was_saved(run: Run, cave: Sandbox, monkeypatch):
    """Ctrl-C while the server is asked: no token was saved, and it says so directly."""
    monkeypatch.setenv("MINE", cave.new_token("ada"))
    run(f'%config CaveMagics.server = "{cave.server}"')
    monkeypatch.setattr(verify, "verify_token", interrupted)
    assert run("%cave_save --from-env MINE").message == "Stopped. Nothing was saved."


def test_stopped_within_the_save_it_says_where_to_look(run: Run, cave: Sandbox, monkeypatch):
    """If it is unclear whether the token was saved, it prints the line that shows it."""
    monkeypatch.setenv("MINE", cave.new_token("ada"))
    run(f'%config CaveMagics.server = "{cave.server}"')
    monkeypatch.setattr(save, "save_token", interrupted)
    message = run("%cave_save --from-env MINE").message
    assert message.startswith("Stopped. To see which token is stored now: %cave_whoami --server")


def test_a_set_up_that_is_stopped_at_its_card_is_saved(run: Run, cave: Sandbox, answers, monkeypatch):
    """`%cave_setup` says the same: the token is saved."""
    token = cave.new_token("ada")
    run(f'%config CaveMagics.server = "{cave.server}"')
    answers.append(token)
    monkeypatch.setattr("cave_magic.commands.views.access.card_page", interrupted)
    assert f"The token ending in {token[-4:]} is saved" in run("%cave_setup existing --paste").message


def test_a_token_that_was_made_and_not_saved_is_revoked(run: Run, cave: Sandbox, answers, monkeypatch):
    """A permanent token took the place of a temporary one, and the disk is full: nobody has it, so it is revoked."""
    run(f'%config CaveMagics.server = "{cave.server}"')
    answers += [cave.new_login_token("ada"), "y"]
    before = {one["token"] for one in cave.tokens("ada")}
    monkeypatch.setattr(atomic_write, "write_all", lambda *_: (_ for _ in ()).throw(OSError(28, "full", "/full")))
    ran = run("%cave_setup existing --paste")
    assert ran.error == "TokenNotSaved"
    assert ran.message.startswith("/ is on a full disk. No file was changed. Next: free some space on the disk of /, ")
    assert {one["token"] for one in cave.tokens("ada")} == before
