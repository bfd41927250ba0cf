"""What every test gets: a home of its own, a practice server, a real IPython shell."""

from __future__ import annotations

import functools
import gc
import itertools
import os
import signal
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certifi
import hypothesis
import pytest
import requests
import stack_data.core
from traitlets.config import Configurable

from cave_magic.doctor.gather_memory import MEMORY
from cave_magic.environment import packages, platforms
from cave_magic.login import browser_sign_in, revocation, web_browser
from cave_magic.login.loopback import Receiver
from cave_magic.sandbox import Sandbox
from cave_magic.ui import door as place

from .support.desk import Desk, close
from .support.permissions import CAN_COUNT, permissions_of_a_user
from .support.shell import (
    Ran,
    Run,
    ipython,
    move_to,
    run_in,
    save_for_ada,
    settings,
    sit_at_terminal,
    stay_on_this_computer,
)
from .support.waiting import LONG

# The hundreds of Pythons that the tests start keep what they compile: each would else compile the package again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# IPython warns of an active environment that is not its own, and reads its folder as whoever a test is.
os.environ.pop("VIRTUAL_ENV", None)

# What is imported and collected stays: looking through it for garbage takes a fifth of that time.
gc.disable()


def pytest_collection_finish() -> None:
    """From the first test on, garbage is collected, but not among all that is there by then."""
    gc.freeze()
    gc.enable()


# How long an example takes says nothing on a busy computer: neither a deadline nor slow data ends a test. The examples
# are the same in each run, so that a change is not rejected for what another one did.
hypothesis.settings.register_profile(
    "tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], max_examples=50, derandomize=True
)


def pytest_configure(config: pytest.Config) -> None:
    """Lets interrupts count, which a background job or a CI runner may ignore: what is ignored, children inherit.

    With `--everything`, Hypothesis tries twenty times as many examples, and others in each run.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.load_profile("tests")
    if config.getoption("everything"):
        many = 20 * hypothesis.settings.default.max_examples
        hypothesis.settings.register_profile(
            "everything", hypothesis.settings.default, max_examples=many, derandomize=False
        )
        hypothesis.settings.load_profile("everything")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol() -> Iterator[None]:
    """No test sees the environment variables that a typed line of another has set."""
    before = dict(os.environ)
    try:
        return (yield)
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--everything`: all combinations, where a usual run takes a sample."""
    parser.addoption("--everything", action="store_true", help="try all combinations, not a sample of them")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`@pytest.mark.in_turn(name=values, ...)`: each value of each name in turn; all combinations with `--everything`."""
    for mark in metafunc.definition.iter_markers("in_turn"):
        columns = list(mark.kwargs.values())
        rows = list(itertools.product(*columns))
        if not metafunc.config.getoption("everything"):
            rows = [tuple(one[at % len(one)] for one in columns) for at in range(max(map(len, columns)))]
        metafunc.parametrize(tuple(mark.kwargs), rows)


ALL_AUTHORITIES = (
    ssl.get_default_verify_paths().openssl_cafile,
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
)
"""The files of certificates of this computer that an experiment tries."""


@pytest.fixture(autouse=True, scope="session")
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One certificate is trusted, not the 140 of certifi or this computer, which take longer to read than a request."""
    bundle = tmp_path_factory.mktemp("certifi") / "cacert.pem"
    first, end, _ = Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----\n")
    bundle.write_text(first + end, encoding="utf-8")
    read = ssl.SSLContext.load_verify_locations

    def load(self: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        read(self, bundle if cafile in ALL_AUTHORITIES else cafile, capath, cadata)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(bundle))
        for module in (certifi, requests.certs):
            patch.setattr(module, "where", lambda: str(bundle))
        patch.setattr(ssl.SSLContext, "load_verify_locations", load)
        patch.setattr(ssl.SSLContext, "load_default_certs", lambda self, purpose=None: read(self, bundle))
        yield


@pytest.fixture(autouse=True, scope="session")
def no_flush() -> Iterator[None]:
    """Nothing waits for the disk: no test survives a power cut. The tests of the flush itself count its calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def packages_read_once() -> Iterator[None]:
    """The metadata of the installed packages are read once for each `sys.path`, not in each check."""
    with pytest.MonkeyPatch.context() as patch:
        for read in (packages.unmet_requirements, packages.version_of):
            patch.setattr(packages, read.__name__, _once_for_a_path(read))
        yield


def _once_for_a_path(read: Callable[..., Any]) -> Callable[..., Any]:
    found = functools.cache(lambda path, *args: read(*args))
    return functools.wraps(read)(lambda *args: found(tuple(sys.path), *args))


@pytest.fixture(autouse=True, scope="session")
def code_colored_once() -> Iterator[None]:
    """IPython colors the code of a function once, not in each traceback, of which it is most of the time."""
    color, known = stack_data.core._pygmented_with_ranges, dict[Any, list[str]]()

    def colored(formatter: Any, code: str, ranges: list[tuple[int, int]]) -> list[str]:
        key = (type(formatter), tuple(formatter.style.styles.items()), code, tuple(ranges))
        if key not in known:
            known[key] = color(formatter, code, ranges)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack_data.core, "_pygmented_with_ranges", colored)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_empty_configuration() -> Iterator[None]:
    """The thirty parts of each shell look for nothing in an empty configuration: a quarter of the time to start one."""
    load = Configurable._load_config

    def look(self: Configurable, config: Any, *names: Any, **traits: Any) -> None:
        if config:
            load(self, config, *names, **traits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Configurable, "_load_config", look)
        yield


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary home: no test ever sees the real one."""
    return move_to(tmp_path / "home", monkeypatch)


@pytest.fixture(autouse=True)
def no_internet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name of another computer resolves: no test ever contacts a real server."""
    stay_on_this_computer(monkeypatch)


@pytest.fixture(autouse=True)
def fresh_kernel() -> None:
    """Nothing is remembered of another test's server, whose port the system may give to one of this test."""
    MEMORY.clear()


@pytest.fixture(autouse=True)
def at_the_prompt_of_ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are spelled for IPython at the beginning of each test, whatever the test before it called."""
    monkeypatch.setattr(place, "_in_shell", False)


@pytest.fixture
def in_a_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are spelled for a shell that finds the program."""
    monkeypatch.setattr(place, "_in_shell", True)
    monkeypatch.setattr(place, "_beside_python", lambda name: name)
    monkeypatch.setattr("cave_magic.ui.door.find_door", lambda: None)  # another fixture may have started IPython


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package takes this computer for one with Windows."""
    monkeypatch.setattr(place, "_windows", True)


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that cannot ask the auth server tries again at once, not for six seconds as middle_auth_client does."""
    monkeypatch.setattr("urllib3.util.retry.Retry.get_backoff_time", lambda self: 0.0)


@pytest.fixture
def permissions_count(home: Path) -> Iterator[None]:
    """Lets permissions of files count also where the tests run as root, which may else read and write everything."""
    if not CAN_COUNT:
        pytest.skip("permissions do not count here")
    with permissions_of_a_user():
        yield
    for folder, _, _ in os.walk(home):
        os.chmod(folder, 0o700)


@pytest.fixture
def secrets(home: Path) -> Path:
    """The secrets folder of the temporary home, there and empty."""
    folder = home / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True, mode=0o700)
    return folder


@pytest.fixture
def cave() -> Iterator[Sandbox]:
    """A healthy practice server."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def shell(home: Path) -> Iterator[Any]:
    """A real IPython shell of its own, with the extension loaded and no history file."""
    with ipython() as shell:
        yield shell


@pytest.fixture
def run(shell: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a cell in the shell as a person would."""

    def printed() -> str:
        both = capsys.readouterr()
        return both.out + both.err

    def run_cell(cell: str) -> Ran:
        return run_in(shell, cell, printed)

    return run_cell


@pytest.fixture
def set_up(cave: Sandbox, shell: Any) -> str:
    """A person (Ada) whose access works; the token that was saved for her."""
    return save_for_ada(cave, shell)


@pytest.fixture(autouse=True)
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Receiver]]:
    """The receivers of the test's sign-ins, which are closed after it: each would else listen for five minutes."""
    opened, start = list[Receiver](), Receiver.__init__

    def started(self: Receiver, *args: Any) -> None:
        start(self, *args)
        opened.append(self)

    monkeypatch.setattr(Receiver, "__init__", started)
    yield opened
    for door in opened:
        close(door)


@pytest.fixture
def terminals_can_close() -> Iterator[None]:
    """Programs that the test starts end if their terminal is closed, although `nohup` has told this one to go on."""
    before = signal.getsignal(signal.SIGHUP)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def doors(monkeypatch: pytest.MonkeyPatch, receivers: list[Receiver]) -> Iterator[list[Receiver]]:
    """The receivers of the test's sign-ins; revoking is tried again at once, and no token is held from test to test."""
    monkeypatch.setattr(revocation, "PAUSES", (0.0, 0.05))
    for limit in ("REVOKING", "EACH"):
        monkeypatch.setattr(revocation, limit, LONG)
    yield receivers
    for door in receivers:
        close(door)
    revocation._held.clear()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, home: Path, doors: list[Receiver]) -> Iterator[Desk]:
    """The kernel runs on the person's own desktop, and the person can be asked."""
    desk, before = Desk(), signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    monkeypatch.setattr(
        platforms,
        "detect_runtime",
        lambda environ=None: platforms.Runtime(platform="", is_ephemeral=False, has_display=True),
    )
    monkeypatch.setattr(web_browser, "open_browser", desk.open_browser)
    monkeypatch.setattr(browser_sign_in, "PATIENCE", LONG)
    sit_at_terminal(monkeypatch)
    monkeypatch.setattr("builtins.input", desk.answer)
    monkeypatch.setattr("getpass.getpass", desk.answer)
    monkeypatch.setattr("platform.node", lambda: "lab-mac")
    yield desk
    desk.close()
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def here(cave: Sandbox, run: Run, shell: Any, desk: Desk) -> Run:
    """Runs cells where the practice server is the configured one."""
    settings(shell).server = cave.server
    return run
