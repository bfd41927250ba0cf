"""Waiting for the acceptance of terms of service: what turns green by itself, and where nothing waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cave_magic.commands import acceptance
from cave_magic.sandbox import Sandbox
from cave_magic.ui.frontend import TerminalFrontend

from ..support.shell import Run, sit_at_terminal

MINNIE = "minnie65_public"
Watch = Callable[[Callable[[], object]], list[str]]


@pytest.fixture
def unsigned(cave: Sandbox, set_up: str) -> Sandbox:
    """A practice server on which Ada has not accepted the terms."""
    cave.withdraw_terms("ada", MINNIE)
    cave.forget()
    cave.clear_requests()
    return cave


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """A person watches a terminal, and does something when its status line is drawn for the second time."""
    sit_at_terminal(monkeypatch)
    monkeypatch.setattr(TerminalFrontend, "is_watched", True)
    monkeypatch.setattr(acceptance, "INTERVAL", 0.0)
    drawn: list[str] = []

    def ready(act: Callable[[], object]) -> list[str]:
        @contextmanager
        def standing(self: Any, page: Any, after: Any) -> Iterator[Callable[[str, str], None]]:
            def say(topic: str, left: str) -> None:
                drawn.append(f"{topic}, {left}")
                if len(drawn) == 2:
                    act()

            yield say

        monkeypatch.setattr(TerminalFrontend, "standing", standing)
        return drawn

    return ready


def stop() -> None:
    """Presses Ctrl+C."""
    raise KeyboardInterrupt


def test_a_check_turns_green_by_itself(run: Run, unsigned: Sandbox, watch: Watch):
    """Once the terms are accepted, the check runs again. Until then it asks the auth server alone."""
    drawn = watch(lambda: unsigned.accept_terms("ada", MINNIE))
    unsigned.clear_requests()
    out = run("%cave_check").out
    assert "Next: accept the terms at" in out
    assert out.splitlines()[-2].startswith("✔ All well.")
    assert drawn[0] == "waiting for the terms of service, 3 minutes left"
    asked = [one.path for one in unsigned.requests]
    first = next(at for at, path in enumerate(asked) if path.startswith("/info/api"))
    assert "/auth/api/v1/user/cache" in asked[first + 1 :]
    assert all("token" not in path.partition("?")[2] for path in asked)


def test_setup_without_arguments_turns_green_by_itself(run: Run, unsigned: Sandbox, watch: Watch):
    """The status says that one step is left, then that the person is set up."""
    watch(lambda: unsigned.accept_terms("ada", MINNIE))
    out = run("%cave_setup").out
    assert out.index("One step is left.") < out.index("✔ You are set up.")


def test_the_card_turns_green_by_itself(run: Run, unsigned: Sandbox, watch: Watch, set_up: str, shell: Any):
    """After a save the card says that one step is left, then that the person is set up; the next cell is filled."""
    watch(lambda: unsigned.accept_terms("ada", MINNIE))
    shell.user_ns["mine"] = set_up
    out = run("%cave_save $mine").out
    assert out.index("One step left.") < out.index("✔")
    assert shell.rl_next_input.endswith('CAVEclient("minnie65_public")')


@pytest.mark.parametrize("line", ["%cave_check", "%cave_setup"])
def test_an_interrupt_only_ends_the_wait(run: Run, unsigned: Sandbox, watch: Watch, line: str):
    """The page stays as it was, and the cell does not fail."""
    drawn = watch(stop)
    ran = run(line)
    assert ran.error == ""
    assert len(drawn) == 2
    assert "accept" in ran.out.splitlines()[-2] + ran.out.splitlines()[-1]


def test_the_settings_can_turn_off_the_wait(run: Run, unsigned: Sandbox, watch: Watch):
    """With `CaveMagics.wait_for_terms = False` the check ends with the link."""
    drawn = watch(stop)
    run("%config CaveMagics.wait_for_terms = False")
    ran = run("%cave_check")
    run("%config CaveMagics.wait_for_terms = True")
    assert "Next: accept the terms at" in ran.out
    assert drawn == []


def test_the_wait_is_bounded(run: Run, unsigned: Sandbox, watch: Watch, monkeypatch: pytest.MonkeyPatch):
    """It ends by itself; until then, a server that does not respond is asked again."""
    watch(lambda: unsigned.misbehave("auth", "down"))
    monkeypatch.setattr(acceptance, "LONGEST", 0.2)
    assert run("%cave_check").error == ""


@pytest.mark.parametrize("line", ["%cave_check --json", "%cave_check --report", "%cave_check"])
def test_nothing_waits_where_nobody_watches(
    run: Run, unsigned: Sandbox, watch: Watch, monkeypatch: pytest.MonkeyPatch, line: str
):
    """A script, a pipe and a report for programs do not wait."""
    drawn = watch(stop)
    monkeypatch.setattr(TerminalFrontend, "is_watched", "--" in line)
    assert run(line).error == ""
    assert drawn == []


def test_it_polls_slowly():
    """It waits at least two seconds between two requests, and at most a few minutes."""
    assert acceptance.INTERVAL >= 2
    assert acceptance.LONGEST <= 300
