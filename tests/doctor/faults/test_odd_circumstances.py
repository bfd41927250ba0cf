"""Pipes in place of files, and a kernel without open files, memory or threads: one honest line, and nothing hangs."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from cave_magic.api import batch, connections
from cave_magic.api.special_files import harmful_netrc
from cave_magic.credentials import scrub

from ...support.waiting import LONG
from .world import World, bad

resource = pytest.importorskip("resource")
ROOT = Path(__file__).resolve().parents[3]


# ---------------------------------------------------------------- pipes

PLACES: dict[str, tuple[Callable[[World], Path], str]] = {
    "the server's file": (lambda world: world.server_file, "token"),
    "cave-secret.json": (lambda world: world.default_file, "token"),
    "the map": (lambda world: world.map_file, "map-file"),
    ".netrc": (lambda world: world.home / ".netrc", "netrc"),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_pipe_in_place_of_a_file_is_moved_away(world: World, place):
    """Nobody writes to it, so a program that reads it waits forever; the check does not."""
    path_of, row = PLACES[place]
    for path in (world.server_file, world.default_file) if row == "token" else ():
        path.unlink()
    path = path_of(world)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    report = world.check()
    assert bad(report) == [(row, "failed")]
    assert "is a pipe" in " ".join(one.evidence for one in report.rows)
    assert report.next.commands[0].startswith("!mv ")
    assert world.fix().ok
    assert path.with_name(f"{path.name}.old").is_fifo()


def test_a_pipe_in_netrc_is_not_read(world: World):
    """The line unsets the variable that names it."""
    os.mkfifo(world.home / "pipe")
    world.patch.setenv("NETRC", str(world.home / "pipe"))
    assert bad(world.check()) == [("netrc", "failed")]
    assert world.fix().ok


def test_a_netrc_that_is_not_text_is_moved_away(world: World):
    """Requests raises an error for it, with every request; the check does not."""
    (world.home / ".netrc").write_text("default login ada password x\n", encoding="utf-16")
    assert bad(world.check()) == [("netrc", "failed")]
    assert world.fix().ok


def test_a_huge_netrc_is_moved_away(world: World):
    """Python would take minutes to read it, before each request; the check does not read it."""
    (world.home / ".netrc").write_text("machine example.org login ada password x\n" * 700_000)
    started = time.monotonic()
    assert bad(world.check()) == [("netrc", "failed")]
    assert time.monotonic() - started < 40
    assert world.fix().ok


def test_a_netrc_is_read_again_only_if_it_has_changed(world: World, monkeypatch):
    """Each session and each check asks what it does; that parses it once."""
    (world.home / ".netrc").write_text("machine example.org login ada password x\n")
    parsed = []
    monkeypatch.setattr("netrc.netrc", parsed.append)
    assert harmful_netrc() is harmful_netrc() is None
    assert len(parsed) == 1
    (world.home / ".netrc").write_text("machine example.com login ada password x\n" * 2)
    harmful_netrc()
    assert len(parsed) == 2


@pytest.mark.parametrize("content", ["machine", "machine a login b"])
def test_a_netrc_that_requests_ignores_is_fine(world: World, content):
    """Requests catches the errors of its parser."""
    (world.home / ".netrc").write_text(content)
    assert world.check().ok


def test_dev_null_as_netrc_is_fine(world: World):
    """It is how to turn the file off."""
    world.patch.setenv("NETRC", os.devnull)
    assert world.check().ok


def test_a_pipe_is_not_a_certificate_file(home: Path):
    """It is not read."""
    os.mkfifo(home / "ca.pem")
    with pytest.raises(connections.UnusableBundle):
        connections.TrustedCertificates().read(str(home / "ca.pem"), None)


def test_a_pipe_that_nobody_writes_is_not_waited_for(world: World):
    """`%cave_save --from-file` finds no token in it."""
    os.mkfifo(world.home / "pipe")
    assert world.run("%cave_save --from-file ~/pipe").message == "the file is empty. Nothing was changed."


def test_what_a_mock_raises_is_not_blamed_on_the_network(world: World, monkeypatch):
    """Requests of a test that is still under way in this kernel are blocked, say; its module is named."""

    def refuse(*args: object, **options: object) -> None:
        raise RuntimeError("network access is blocked")

    monkeypatch.setattr("requests.Session.request", refuse)
    report = world.check()
    assert bad(report) == [("network", "failed")]
    assert f"could not be contacted (RuntimeError in {__name__}); without what {__file__}" in report.cause.evidence
    assert "changed in requests, it responds" in report.cause.evidence
    assert report.next.text.startswith("restart the kernel without that, then %cave_check")


def test_code_that_removes_the_token_is_not_blamed_on_the_network(world: World):
    """A startup file that wraps requests, say to log them, may lose their headers; without it a token arrives."""
    world.run(
        "import requests; before = requests.Session.send\n"
        "def send(self, request, **options):\n"
        "    request.headers.pop('Authorization', None)\n"
        "    return before(self, request, **options)"
    )
    world.patch.setattr("requests.Session.send", world.shell.user_ns["send"])
    report = world.check()
    assert bad(report) == [("account", "failed")]
    assert "; without what code in this kernel changed in requests, a made-up token" in report.cause.evidence
    assert "ada" not in [one.user for one in world.cave.requests]  # whose own token no experiment sends


def test_a_pipe_in_place_of_the_notebook_is_left_alone(world: World):
    """Nothing is searched for in it."""
    os.mkfifo(world.home / "x.ipynb")
    world.patch.setenv("JPY_SESSION_NAME", str(world.home / "x.ipynb"))
    assert world.check().ok


@pytest.mark.parametrize("value", ["{}\n", " {}", '"{}"'])
def test_a_home_with_invisible_characters_is_corrected(world: World, value):
    """HOME was set from a file or a form; the folder without the line break, space or quotes is meant."""
    world.patch.setenv("HOME", value.format(world.home))
    report = world.check()
    assert bad(report) == [("token-folder", "failed")]
    assert report.next.commands[0] == f"%env HOME={world.home}"
    assert world.fix().ok


def test_a_history_that_takes_long_to_search_does_not_hold_up_the_check(world: World, monkeypatch):
    """A database of gigabytes, or one on a slow disk, is searched as long as the check waits anyway."""
    waiting = threading.Event()
    monkeypatch.setattr(scrub, "find_tokens", lambda *_: waiting.wait(LONG) and ())
    world.hurry()
    started = time.monotonic()
    try:
        assert world.check().ok
        assert time.monotonic() - started < 40
    finally:
        waiting.set()


# ---------------------------------------------------------------- too little of something


@contextmanager
def limit(kind: int, most: int) -> Iterator[None]:
    """A limit for this process, without garbage collection: Dask, of an earlier test, opens a file then."""
    before, is_on = resource.getrlimit(kind), gc.isenabled()
    gc.disable()
    resource.setrlimit(kind, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(kind, before)
        if is_on:
            gc.enable()


@contextmanager
def gaps_filled() -> Iterator[int]:
    """Opens files until all numbers of open files are taken up to the highest one, which it yields."""
    highest = max(map(int, os.listdir("/proc/self/fd")))
    held = [os.open(os.devnull, os.O_RDONLY)]
    while held[-1] < highest:
        held.append(os.open(os.devnull, os.O_RDONLY))
    try:
        yield held[-1]
    finally:
        for one in held:
            os.close(one)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files")
@pytest.mark.parametrize("free", [0, 1, 8])
def test_too_many_open_files_are_named(world: World, free):
    """That is the one failed row, and each command says it in one line."""
    world.check()
    world.hurry()
    with gaps_filled() as highest, limit(resource.RLIMIT_NOFILE, highest + 1 + free):
        report = world.check()
        saved = world.run("%cave_save --overwrite")
    assert bad(report) == [("resources", "failed")]
    assert report.next.text.startswith("restart the kernel, which closes them, then %cave_check")
    assert "unexpected error" not in saved.message
    assert world.token in world.server_file.read_text() or not saved.error
    assert world.check().ok


def test_without_threads_the_requests_come_one_after_the_other(world: World):
    """The check takes longer, but is right and keeps its time limit."""

    def thread(**_: object) -> threading.Thread:
        raise RuntimeError("can't start new thread")

    world.patch.setattr(batch, "threading", SimpleNamespace(**vars(threading) | {"Thread": thread}))
    assert world.check().ok
    world.cave.misbehave("all", "silent")
    world.hurry()
    started = time.monotonic()
    assert bad(world.check()) == [("network", "failed")]
    assert time.monotonic() - started < 40


PROGRAM = """
import resource, sys
from IPython.core.history import HistoryManager
HistoryManager.enabled = False
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("%load_ext cave_magic")
kind, amount = sys.argv[1], int(sys.argv[2])
limits = {"memory": "AS", "files": "NOFILE", "size": "FSIZE"}
run_magic, limited = shell.run_line_magic, getattr(resource, f"RLIMIT_{limits[kind]}")
before = resource.getrlimit(limited)

def run_limited(*line, **options):
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() if kind == "memory" else 0
    resource.setrlimit(limited, (used + amount, before[1]))
    try:
        return run_magic(*line, **options)
    finally:
        if kind == "memory":
            resource.setrlimit(limited, before)

shell.run_line_magic = run_limited
for line in sys.argv[3:]:
    shell.run_cell(line)
"""
"""A kernel in which magics have a limit. With little memory, IPython itself would fail between them."""


def _said(world: World, kind: str, amount: int, *lines: str) -> str:
    """What a kernel with a limit says."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, kind, str(amount), *lines],
        cwd=ROOT, env={**os.environ, "TMPDIR": "/nowhere"}, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
@pytest.mark.parametrize(
    ("kind", "amount", "words"),
    [
        ("memory", 2_000_000, "this kernel has too little memory left"),
        ("memory", 100_000_000, "this kernel has too little memory left"),
        ("memory", 300_000_000, "this kernel has too little memory left"),
        ("files", 4, "this kernel has too many open files"),
        ("files", 12, "this kernel has too many open files"),
    ],
)
def test_a_kernel_without_resources_says_so_at_once(world: World, kind, amount, words):
    """Even before anything is imported, the error is one line, and nothing is saved or lost."""
    before = {path.name: path.read_bytes() for path in world.secrets.iterdir()}
    said = _said(world, kind, amount, f"%cave_check --server {world.cave.server} --timeout 60", "%cave_save x")
    assert words in said.replace("This", "this"), said[-2000:]
    assert "Traceback" not in said
    assert "unexpected error" not in said
    assert {path.name: path.read_bytes() for path in world.secrets.iterdir()} == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
def test_a_limit_for_the_size_of_files_loses_nothing(world: World):
    """The token is not saved, the files stay as they are, and the limit is named."""
    world.patch.setenv("MINE", world.cave.new_token("ada"))
    before = {path.name: path.read_bytes() for path in world.secrets.iterdir()}
    line = f"%cave_save --from-env MINE --overwrite --no-check --server {world.cave.server}"
    said = _said(world, "size", 10, line)
    assert "the size of files is limited here (ulimit -f). No file was changed." in said, said[-2000:]
    assert {path.name: path.read_bytes() for path in world.secrets.iterdir() if path.suffix == ".json"} == {
        name: content for name, content in before.items() if name.endswith(".json")
    }
