"""What a magic says about its changes when it is interrupted, declined or fails half-way."""

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
    """The answers to the questions; an exception is raised instead of an answer."""
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
    """Two files that need a fix: a token file that is not owner-only, and a datastack map that is not JSON."""
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
    """Whether each of the two files is fixed."""
    token, names = faults
    return [token.stat().st_mode & 0o77 == 0, names.read_text() != "{"]


# ---------------------------------------------------------------- %cave_check --fix

pytestmark = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), EOFError()])
def test_an_interrupt_at_the_second_question_names_the_first_fix(run: Run, cave: Sandbox, answers, two_faults, stop):
    """After yes to the first fix and Ctrl-C at the second, it names the applied fix and how to see what is left."""
    answers += ["y", stop]
    ran = run("%cave_check --fix")
    assert fixed(two_faults) == [False, True]
    assert ran.error == "Cancelled"
    assert ran.message.startswith("1 of 2 fixes was applied: rewrite the datastack map, ")
    assert ran.message.endswith(f". To see what is left: %cave_check --server {cave.server}")


def test_an_interrupt_at_the_first_question_changes_nothing(run: Run, answers, two_faults):
    """If no fix was applied, it says so."""
    answers.append(KeyboardInterrupt())
    assert run("%cave_check --fix").message == "nothing was changed."
    assert fixed(two_faults) == [False, False]


def test_declining_every_fix_changes_nothing(run: Run, answers, two_faults):
    """After the last no a line says that nothing was changed; this is not an error."""
    answers += ["n", ""]
    ran = run("%cave_check --fix")
    assert (ran.error, ran.out.rstrip().splitlines()[-1]) == ("", NOTHING)
    assert fixed(two_faults) == [False, False]


def test_only_applied_fixes_are_counted(run: Run, answers, two_faults, monkeypatch):
    """Only applied fixes are counted, and they are also named after an interrupt of the second report."""
    answers += ["n", "y"]
    real = TerminalFrontend.show
    shown: list[Any] = []

    def show(self: TerminalFrontend, page: Any) -> None:
        shown.append(page)
        return real(self, page) if len(shown) == 1 else interrupted()

    monkeypatch.setattr(TerminalFrontend, "show", show)
    ran = run("%cave_check --fix")
    assert ran.error == "Cancelled"
    assert ran.message.startswith("stopped. 1 of 2 fixes was applied: make owner-only: ")
    assert fixed(two_faults) == [True, False]


@pytest.mark.parametrize("line", ["%cave_check --fix", "%cave_check --fix --yes"])
def test_a_fix_that_fails_keeps_the_one_before_it(run: Run, answers, two_faults, monkeypatch, line):
    """If the system refuses the second fix, the reason and the applied fix are named."""
    answers += ["y", "y"]
    at_permissions(monkeypatch, two_faults[0], refuse)
    ran = run(line)
    assert ran.error == "TokenNotSaved"
    assert (
        "cannot be written (Operation not permitted). 1 of 2 fixes was applied: rewrite the datastack map"
        in ran.message
    )
    assert fixed(two_faults) == [False, True]


@pytest.mark.parametrize(
    ("way", "then"), [(refuse_writing, "To see what is left: %cave_check"), (protect, "To allow it: !chmod 600 ")]
)
def test_a_first_fix_that_fails_changes_nothing(run: Run, set_up: str, cave: Sandbox, monkeypatch, way, then):
    """If the first fix fails, no file is changed, and the next step is given."""
    path = token_files.server_file(cave.server)
    path.write_text(set_up)
    way(path, monkeypatch)
    ran = run("%cave_check --fix --yes")
    assert ran.error == "TokenNotSaved"
    assert f". {save.UNCHANGED} {then}" in ran.message
    assert path.read_text() == set_up


def test_permissions_change_for_all_files_or_none(run: Run, two_faults, cave: Sandbox, monkeypatch):
    """The permissions of several files are changed for all of them or for none."""
    local = token_files.server_file(cave.local_server)
    local.chmod(0o640)
    at_permissions(monkeypatch, local, refuse)
    assert run("%cave_check --fix --yes").error == "TokenNotSaved"
    assert [path.stat().st_mode & 0o777 for path in (two_faults[0], local)] == [0o644, 0o640]


def test_an_interrupt_within_a_fix_says_that_it_may_be_applied(run: Run, answers, two_faults, monkeypatch):
    """If it is unknown whether a fix was applied, it says so."""
    at_permissions(monkeypatch, two_faults[0], interrupted)
    message = run("%cave_check --fix --yes").message
    assert message.startswith("stopped. 1 of 2 fixes was applied: rewrite the datastack map")
    assert ". This one may have been applied: make owner-only: " in message


def test_an_unexpected_error_after_a_fix_names_the_fix(run: Run, answers, two_faults, monkeypatch):
    """After an unexpected error, the applied fixes are named too."""
    at_permissions(monkeypatch, two_faults[0], lambda: 1 / 0)
    message = run("%cave_check --fix --yes").message
    assert "unexpected error" in message
    assert "1 of 2 fixes was applied: rewrite the datastack map" in message


# ---------------------------------------------------------------- saving


@pytest.mark.parametrize("line", ["%cave_save --from-env MINE", "%cave_save --from-env MINE --no-check"])
def test_an_interrupt_after_the_save_says_that_the_token_is_saved(run: Run, cave: Sandbox, monkeypatch, line):
    """After Ctrl-C while the card is drawn, it says that the token is saved."""
    token = cave.new_token("ada")
    monkeypatch.setenv("MINE", token)
    run(f'%config CaveMagics.server = "{cave.server}"')
    monkeypatch.setattr(PlainFrontend, "show", interrupted)
    ran = run(line)
    assert ran.message.startswith(f"stopped. The token ending in {token[-4:]} is saved for 127.0.0.1")
    assert "%cave_whoami --server" in ran.message
    assert stored_tokens.resolve(cave.server).token.reveal() == token


def test_an_interrupt_before_the_save_says_that_nothing_was_saved(run: Run, cave: Sandbox, monkeypatch):
    """After Ctrl-C during a request to the server, it says that no token was saved."""
    monkeypatch.setenv("MINE", cave.new_token("ada"))
    run(f'%config CaveMagics.server = "{cave.server}"')
    monkeypatch.setattr(verify, "verify_token", interrupted)
    assert run("%cave_save --from-env MINE").message == "stopped. Nothing was saved."


def test_an_interrupt_within_the_save_says_where_to_look(run: Run, cave: Sandbox, monkeypatch):
    """If it is unknown whether the token was saved, it gives the command that shows it."""
    monkeypatch.setenv("MINE", cave.new_token("ada"))
    run(f'%config CaveMagics.server = "{cave.server}"')
    monkeypatch.setattr(save, "save_token", interrupted)
    message = run("%cave_save --from-env MINE").message
    assert message.startswith("stopped. To see which token is stored now: %cave_whoami --server")


def test_an_interrupt_at_the_card_of_a_set_up_says_that_the_token_is_saved(
    run: Run, cave: Sandbox, answers, monkeypatch
):
    """`%cave_setup` says the same: the token is saved."""
    token = cave.new_token("ada")
    run(f'%config CaveMagics.server = "{cave.server}"')
    answers.append(token)
    monkeypatch.setattr("cave_magic.commands.views.access.card_page", interrupted)
    assert f"The token ending in {token[-4:]} is saved" in run("%cave_setup existing --paste").message


def test_a_created_token_that_is_not_saved_is_revoked(run: Run, cave: Sandbox, answers, monkeypatch):
    """A permanent token that cannot be saved because the disk is full is revoked, because no one has it."""
    run(f'%config CaveMagics.server = "{cave.server}"')
    answers += [cave.new_login_token("ada"), "y"]
    before = {one["token"] for one in cave.tokens("ada")}
    monkeypatch.setattr(atomic_write, "write_all", lambda *_: (_ for _ in ()).throw(OSError(28, "full", "/full")))
    ran = run("%cave_setup existing --paste")
    assert ran.error == "TokenNotSaved"
    assert ran.message.startswith("/full cannot be written")
    assert ran.message.endswith("No file was changed.")
    assert {one["token"] for one in cave.tokens("ada")} == before
