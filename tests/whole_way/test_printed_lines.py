"""Every command and link that a magic prints is typed or opened in a fresh kernel, to the letter.

It has to mean the server that was meant, to reach what it promises, and to send no token anywhere else.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cave_magic.api.urls import host_of
from cave_magic.deployments import local_servers_of
from cave_magic.sandbox import Sandbox

from ..support.followed import Computer, computer, visit
from ..support.shell import sit_at_terminal

NEVER_TYPED = ("%pip", "!mv", "!chmod")
"""Commands that are not run: they would change this environment, or need files of their own."""

PLACES = ("typed", "set", "remembered", "default")
"""How the server is configured."""


def _stored(here: Computer, meant: Sandbox, token: str) -> None:
    here.file_of(meant).write_text(json.dumps({"token": token}))
    here.file_of(meant).chmod(0o600)


def works(here: Computer, meant: Sandbox) -> None:
    _stored(here, meant, meant.new_token("ada", description="laptop"))


def no_token(here: Computer, meant: Sandbox) -> None:
    """A fresh computer."""


def terms_missing(here: Computer, meant: Sandbox) -> None:
    works(here, meant)
    meant.withdraw_terms("ada", "minnie65_public")


def terms_missing_at_first(here: Computer, meant: Sandbox) -> None:
    meant.withdraw_terms("ada", "minnie65_public")


def no_permission(here: Computer, meant: Sandbox) -> None:
    works(here, meant)
    meant.revoke("ada", "minnie65_public")


def no_permission_at_first(here: Computer, meant: Sandbox) -> None:
    meant.revoke("ada", "minnie65_public")


def deleted(here: Computer, meant: Sandbox) -> None:
    token = meant.new_token("ada")
    meant.delete_token(token)
    _stored(here, meant, token)


def expiring(here: Computer, meant: Sandbox) -> None:
    _stored(here, meant, meant.new_login_token("ada"))


def bare(here: Computer, meant: Sandbox) -> None:
    here.file_of(meant).write_text(meant.new_token("ada"))


def info_down(here: Computer, meant: Sandbox) -> None:
    works(here, meant)
    meant.misbehave("info", "down")


def info_down_at_first(here: Computer, meant: Sandbox) -> None:
    meant.misbehave("info", "down")


def auth_down(here: Computer, meant: Sandbox) -> None:
    works(here, meant)
    meant.misbehave("auth", "down")


def data_server_down(here: Computer, meant: Sandbox) -> None:
    works(here, meant)
    meant.misbehave("local", "down")


def both_servers(here: Computer, meant: Sandbox) -> None:
    works(here, meant)
    works(here, here.default if meant is here.other else here.other)


def only_the_other_server(here: Computer, meant: Sandbox) -> None:
    works(here, here.default if meant is here.other else here.other)


def only_the_others_in_the_default_file(here: Computer, meant: Sandbox) -> None:
    only_the_other_server(here, meant)
    own = here.file_of(here.default if meant is here.other else here.other)
    (here.secrets / "cave-secret.json").write_text(own.read_text())


STATES = (
    no_token, works, terms_missing, terms_missing_at_first, no_permission, no_permission_at_first, deleted, expiring,
    bare, info_down, info_down_at_first, auth_down, data_server_down, both_servers, only_the_other_server,
    only_the_others_in_the_default_file,
)  # fmt: skip
LINES = (
    "%cave_setup", "%cave_setup new --paste", "%cave_setup existing --paste", "%cave_save", "%cave_save --from-env MINE",
    "%cave_save --from-env MINE --no-check", "%cave_whoami", "%cave_check", "%cave_check --report", "%cave_check --fix",
    "%cave_setup replace", "%cave_setup remove", "%cave_whoami --tokens", "%cave_setup new # nobody", "%cave_save # nobody", "%cave_check --fix # nobody",
    "%cave_setup replace # nobody", "%cave_setup remove --revoke # nobody",
)  # fmt: skip
NAMES = ("", "flywire_fafb_public", "minie65_public")


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Computer]:
    """A computer that can use the default server and another one."""

    def printed() -> str:
        both = capsys.readouterr()
        return both.out + both.err

    with computer(home, monkeypatch, printed) as made:
        yield made


def typed(here: Computer, place: str, line: str, name: str) -> tuple[Sandbox, list[str]]:
    """The server that is meant, and the cells that are run for it."""
    meant = here.default if place == "default" else here.other
    option = f" --server {meant.server}" if place == "typed" else ""
    option += f" --datastack {name}" if name else ""
    line, _, nobody = line.partition(" #")
    sit_at_terminal(here.patch, can_ask=not nobody)
    before = [f'%config CaveMagics.server = "{meant.server}"'] if place == "set" else []
    if place == "remembered":
        here.file_of(meant)
        names = {name: meant.server for name in NAMES if name} | {"minnie65_public": meant.server}
        (here.secrets / "cave_datastack_to_server_map.json").write_text(json.dumps(names))
    return meant, [*before, line + option]


def follow(here: Computer, meant: Sandbox, command: str) -> str:
    """Runs a command in a fresh kernel; returns what went wrong, or ""."""
    away = here.default if meant is here.other else here.other
    here.clear()
    with here.as_it_is():
        before = here.content_of(away)
        ran = here.run(command)
        wrong = ["changed the other server's token"] if here.content_of(away) != before else []
    if here.strays:
        wrong.append(f"asked {here.strays}")
    if here.got_a_strange_token(away):
        wrong.append("sent a token to the other server")
    if here.asked(away):
        wrong.append("asked the other server")
    if ran.error in ("BadInput", "UsageError", "NameError", "SyntaxError", "NobodyToAsk") or "Traceback" in ran.out:
        wrong.append(f"failed: {ran.error} {ran.message[:200]}")
    if command.startswith("from caveclient") and ran.error:
        wrong.append(f"does not work: {ran.error} {ran.message[:200]}")
    return f"{command}: {'; '.join(wrong)}" if wrong else ""


def click(here: Computer, meant: Sandbox, link: str, may_fail: bool) -> str:
    """Opens a link; returns what is wrong with its target, or ""."""
    hosts = [host_of(server) for server in (meant.server, *meant.local_servers, *local_servers_of(meant.server))]
    if host_of(link) not in hosts:
        return f"{link}: not of the server that is meant"
    if link.startswith(local_servers_of(meant.server)):
        return ""
    page = visit(link, meant.new_login_token("ada"))
    return "" if may_fail or page.status_code < 400 else f"{link}: {page.status_code}"


def wrong_lines(here: Computer, place: str, state: Any, line: str, name: str) -> list[str]:
    """Returns what is wrong with anything that a line prints."""
    meant, cells = typed(here, place, line, name)
    here.answers = meant
    here.patch.setenv("MINE", meant.new_token("ada"))
    state(here, meant)
    ran = here.run(*cells)
    here.patch.setenv("CAVE_TOKEN", meant.new_token("ada"))  # where it is said that it should be put
    commands, links = here.printed, here.links
    wrong = [] if "Traceback" not in ran.out else ["Traceback"]
    if here.strays or here.got_a_strange_token(here.default if meant is here.other else here.other):
        wrong.append("the line itself sent a token away")
    followed = [one for one in commands if not one.startswith(NEVER_TYPED)]
    wrong += filter(None, (follow(here, meant, one) for one in followed))
    may_fail = "down" in state.__name__ or "no_permission" in state.__name__
    wrong += filter(None, (click(here, meant, one, may_fail) for one in links if one.count("/") > 2))
    return wrong


def combinations(everything: bool) -> list[tuple[Any, ...]]:
    """All of them, or a fixed sample: each line in every fourth state, so that each state meets every fourth line.

    The ways to name the server and the datastack take turns: each meets the other, each line and each state.
    """
    if everything:
        return list(itertools.product(PLACES, STATES, LINES, NAMES))
    rows = itertools.product(range(len(STATES)), range(len(LINES)))
    return [
        (PLACES[(state // 4 + line // 4) % 4], STATES[state], LINES[line], NAMES[(state // 4 + line // 4 * 2) % 3])
        for state, line in rows
        if (state + line) % 4 == 0
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrizes the test below."""
    cases = combinations(metafunc.config.getoption("everything"))
    names = ["-".join((place, state.__name__, line, name or "unnamed")) for place, state, line, name in cases]
    metafunc.parametrize(("place", "state", "line", "name"), cases, ids=names)


def test_what_is_printed_can_be_followed(here: Computer, place: str, state: Any, line: str, name: str):
    """Each command and each link uses the right server, and no token is sent anywhere else."""
    assert not wrong_lines(here, place, state, line, name)
