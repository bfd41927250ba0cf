"""The command line of the practice server, and its console."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.cli import main
from cave_magic.sandbox.console import COMMANDS, Quit, obey

from ..support.ports import free_ports

COMMAND = [sys.executable, "-m", "cave_magic.sandbox"]
ELSEWHERE = """
import signal, sys, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
from cave_magic.sandbox.cli import main
sys.exit(main())
"""
"""A practice server in which another thread receives the signals, so that they interrupt nothing in the main one."""


@pytest.fixture
def free_port() -> int:
    """A free loopback port, followed by another one."""
    return free_ports(2)


@pytest.fixture
def started(request: pytest.FixtureRequest, free_port: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A practice server in its own process, started with `COMMAND` or the parameter, and what it printed."""
    options = ["--port", str(free_port), "--misbehave", "l2cache=down", "--unsigned", "ada=minnie65_public"]
    command = getattr(request, "param", COMMAND)
    process = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Ctrl-C"):
            break
    yield process, "".join(lines)
    process.kill()
    process.wait()
    process.stdout.close()


def test_it_says_what_to_type_and_its_options_take_effect(
    started: tuple[subprocess.Popen[str], str], free_port: int
) -> None:
    """The text has the URL and the two magics; the chosen ports respond, and the chosen service is down."""
    _, text = started
    assert f"%cave_setup new --server http://127.0.0.1:{free_port}" in text
    assert "%load_ext cave_magic" in text
    assert "Misbehaving: l2cache down." in text
    base = "http://127.0.0.1:"
    assert requests.get(f"{base}{free_port}/info/version", timeout=60).status_code == 200
    assert requests.get(f"{base}{free_port + 1}/l2cache/api/v1/table_mapping", timeout=60).status_code == 502


@pytest.mark.skipif(sys.platform == "win32", reason="the line is for cmd.exe there")
def test_the_printed_line_starts_an_ipython_of_its_own(
    started: tuple[subprocess.Popen[str], str], free_port: int, own_home: Path
) -> None:
    """Typed literally without the environment activated, it has a temporary home, where CAVEclient meets this server."""
    _, text = started
    line = next(line for line in text.splitlines() if "cave-practice-" in line)
    typed = (
        "import os\n"
        "print('HOME', os.path.expanduser('~'))\n"
        "from caveclient import CAVEclient\n"
        "CAVEclient('minnie65_public')\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(own_home), "TERM": "dumb"}
    done = subprocess.run(
        ["/bin/sh", "-c", line], input=typed, env=environment, capture_output=True, text=True, timeout=100
    )
    assert "cave-practice-" in done.stdout.split("HOME ")[1].split()[0]
    assert f"http://127.0.0.1:{free_port}/" in done.stdout
    assert "daf-apis" not in done.stdout
    assert list(own_home.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "started", [COMMAND, [sys.executable, "-c", ELSEWHERE]], ids=["interrupted", "not interrupted"], indirect=True
)
def test_it_stops_cleanly(started: tuple[subprocess.Popen[str], str], number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it with status 0, and the temporary home is deleted.

    This also holds if the signal interrupts nothing, as one that comes just before the program begins to wait.
    """
    process, text = started
    home = Path(next(word for word in text.split() if word.startswith("HOME=")).removeprefix("HOME="))
    assert home.is_dir()
    process.send_signal(number)
    assert process.wait(60) == 0
    assert not home.exists()


def test_the_next_free_port_is_used(monkeypatch: pytest.MonkeyPatch, free_port: int) -> None:
    """If the default port is in use, the next one is used."""
    from cave_magic.sandbox import cli

    monkeypatch.setattr(cli, "USUAL_PORT", free_port)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        with cli._running(cli._parser().parse_args([])) as cave:
            assert int(cave.server.rsplit(":", 1)[1]) > free_port


def test_a_chosen_port_that_is_in_use_is_an_error(free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """If the port of `--port` is in use, the program prints one line and ends with status 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        assert main(["--port", str(free_port)]) == 1
    error = capsys.readouterr().err
    assert f"port {free_port}" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--misbehave", "info=sulky"], "choose one of: silent"),
        (["--misbehave", "info"], "is not NAME=VALUE"),
        (["--auth-version", "old"], "not a version such as 2.18.0"),
        (["stop"], "invalid choice"),
        (["--port", "99999"], "takes a port from 1 to 65534"),
        (["--local-port", "-1"], "takes a port from 1 to 65534"),
        (["--delay", "nan"], "takes seconds from 0 to 86400"),
    ],
)
def test_bad_options_are_explained(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid option ends with status 2 and lists the choices."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_an_unknown_person_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown name ends with status 1 and one line."""
    assert main(["--unsigned", "zed=minnie65_public"]) == 1
    assert capsys.readouterr().err == "python -m cave_magic.sandbox: no account 'zed' on this practice server\n"


def test_ipython_has_a_temporary_home(own_home: Path) -> None:
    """`ipython` starts a real IPython with a temporary home, configured for the server, and leaves nothing behind."""
    typed = (
        "import os\n"
        "import urllib.request\n"
        "print('HOME', os.path.expanduser('~'))\n"
        "print('SERVER', get_ipython().config.CaveMagics.server)\n"
        "print('ANSWER', urllib.request.urlopen(get_ipython().config.CaveMagics.server + '/info/version').read())\n"
    )
    environment = {**os.environ, "TERM": "dumb"}
    done = subprocess.run(
        [*COMMAND, "ipython"], input=typed, capture_output=True, text=True, env=environment, timeout=100
    )
    assert "cave-practice-" in done.stdout.split("HOME ")[1].split()[0]
    assert """ANSWER b'"4.3.3"\\n'""" in done.stdout
    assert list(own_home.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", ""),
        ("info silent", "info is silent now. To end it: behave info"),
        ("/info/version slow:2", "/info/version is slow:2 now."),
        ("POST /auth/api/v1/user/token down", "POST /auth/api/v1/user/token is down now. To end it: behave POST"),
        ("DELETE /auth/api/v1/user/token down", "DELETE /auth/api/v1/user/token is down now."),
        ("behave POST /auth/api/v1/user/token", "POST /auth/api/v1/user/token works again."),
        ("local missing", "local is missing now."),
        ("POST", "neither a command nor a service. Type help."),
        ("INFO silent", "neither a command nor a service. Type help."),
        ("info sulky", "choose one of: silent"),
        ("info", "Type it as: SERVICE MISBEHAVIOUR"),
        ("behave", "Everything works again."),
        ("behave info", "info works again."),
        ("withdraw ada minnie65_public", "ada has not accepted the terms of minnie65_public."),
        ("withdraw ada", "Type it as: withdraw WHO DATASTACK"),
        ("accept bob minnie65_public", "bob has accepted"),
        ("grant carol minnie65_public", "carol may view minnie65_public."),
        ("revoke ada minnie65_public", "ada may no longer view minnie65_public."),
        ("grant zed minnie65_public", "no account 'zed' on this practice server"),
        ("delete alice", "2 tokens of alice deleted."),
        ("forget", "are empty"),
        ("advance 300", "300 s have passed"),
        ("advance -1", "Type it as: advance SECONDS"),
        ("delay 0.5", "Every response is delayed by 0.5 s."),
        ("delay soon", "Type it as: delay SECONDS"),
        ("delay nan", "Type it as: delay SECONDS"),
        ("delay -1", "Type it as: delay SECONDS"),
        ("advance inf", "Type it as: advance SECONDS"),
        ("behave inof", "neither a path (/...) nor one of: all, global, local, auth"),
        ("people", "a typical user"),
        ("requests", "No requests so far."),
        ("status", "Everything works."),
        ("help", "accepts the request and never responds"),
    ],
)
def test_the_console_confirms_each_line(cave: Sandbox, line: str, answer: str) -> None:
    """Each line is run and confirmed, or gets a hint."""
    assert answer in obey(cave, line)


def test_the_console_changes_the_server(cave: Sandbox) -> None:
    """A line takes effect at once, and can be undone."""
    obey(cave, "info down")
    assert requests.get(f"{cave.server}/info/version", timeout=60).status_code == 502
    assert "info down" in obey(cave, "status")
    obey(cave, "behave")
    assert requests.get(f"{cave.server}/info/version", timeout=60).status_code == 200
    assert " 502 GET   /info/version" in obey(cave, "requests 5")


def test_quit_ends_the_console(cave: Sandbox) -> None:
    """`quit` stops the server."""
    with pytest.raises(Quit):
        obey(cave, "quit")
    assert "quit" in COMMANDS
