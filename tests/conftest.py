"""What every test gets: a home of its own, a practice server, a real IPython shell."""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cave_magic.place import TOKEN_VARIABLES
from cave_magic.sandbox import Sandbox

_SETTINGS = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "CLOUD_VOLUME_DIR")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary home: no test ever sees the real one."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setenv("IPYTHONDIR", str(folder / ".ipython"))
    for name in (*_SETTINGS, *(name.lower() for name in _SETTINGS), *TOKEN_VARIABLES, "DISPLAY", "WAYLAND_DISPLAY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    assert os.path.expanduser("~") == str(folder)
    return folder


@pytest.fixture
def permissions_count(home: Path) -> Iterator[None]:
    """Lets permissions of files count also where the tests run as root, which may else read and write everything."""
    if os.name != "posix" or (os.geteuid() == 0 and not sys.platform.startswith("linux")):
        pytest.skip("permissions do not count here")
    overrides = 0b1111 if os.geteuid() == 0 else 0  # CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None)
    libc.capget(header, data)
    before = data[0]
    data[0] = before & ~overrides
    libc.capset(header, data)
    yield
    data[0] = before
    libc.capset(header, data)
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


@dataclass
class Ran:
    """What a cell did: what it printed, its error's name and text, and its value."""

    out: str
    error: str
    message: str
    value: Any


Run = Callable[[str], Ran]


@pytest.fixture
def shell(home: Path) -> Iterator[Any]:
    """A real IPython shell of its own, with the extension loaded and no history file."""
    from IPython.core.history import HistoryManager
    from IPython.core.interactiveshell import InteractiveShell

    before, HistoryManager.enabled = HistoryManager.enabled, False
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "cave_magic")
    try:
        yield shell
    finally:
        shell.run_line_magic("unload_ext", "cave_magic")
        atexit.unregister(shell.atexit_operations)
        shell.atexit_operations()
        InteractiveShell.clear_instance()
        HistoryManager.enabled = before


@pytest.fixture
def run(shell: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a cell in the shell as a person would."""

    def run_cell(cell: str) -> Ran:
        capsys.readouterr()
        result = shell.run_cell(cell, store_history=True)
        error = result.error_in_exec or result.error_before_exec
        out = capsys.readouterr()
        return Ran(out.out + out.err, type(error).__name__ if error else "", str(error or ""), result.result)

    return run_cell


@pytest.fixture
def set_up(cave: Sandbox, run: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """A person (Ada) whose access works; the token that was saved for her."""
    token = cave.new_token("ada", description="laptop")
    monkeypatch.setenv("ADA", token)
    run(f'%config CaveMagics.server = "{cave.server}"')
    saved = run("%cave_save --from-env ADA")
    assert not saved.error, saved.message
    monkeypatch.delenv("ADA")
    return token
