"""Where the kernel runs, and what follows for secrets and the browser."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path

import pytest

from cave_magic.credentials.target import Target
from cave_magic.deployments import DEFAULT_SERVER
from cave_magic.doctor import next_steps
from cave_magic.environment import platforms
from cave_magic.environment.platforms import detect_runtime
from cave_magic.login import web_browser
from cave_magic.login.web_browser import open_browser

TARGET = Target(datastack="minnie65_public", server=DEFAULT_SERVER)

PLACES = {
    "Colab": ({"COLAB_RELEASE_TAG": "release-1"}, True),
    "Binder": ({"BINDER_SERVICE_HOST": "1.2.3.4", "JUPYTERHUB_USER": "x"}, True),
    "Code Ocean": ({"CO_CAPSULE_ID": "x"}, True),
    "Kaggle": ({"KAGGLE_KERNEL_RUN_TYPE": "Interactive"}, True),
    "Codespaces": ({"CODESPACES": "true"}, False),
    "JupyterHub": ({"JUPYTERHUB_USER": "ada"}, False),
    "a cluster job": ({"SLURM_JOB_ID": "1"}, False),
    "ssh": ({"SSH_CONNECTION": "1 2 3 4"}, False),
    "a container": ({"container": "podman"}, False),
}


@pytest.fixture(autouse=True)
def no_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run in a container."""
    monkeypatch.setattr(platforms, "_CONTAINER", ())


@pytest.mark.parametrize("name", PLACES)
def test_a_platform_is_recognised_by_its_variables(name):
    """Each platform is recognised, even with a display, and known to keep or delete the home folder."""
    marks, is_ephemeral = PLACES[name]
    found = detect_runtime({**marks, "DISPLAY": ":0"})
    assert (found.platform, found.is_ephemeral, found.has_display) == (name, is_ephemeral, name == "a container")


def test_a_container_without_a_screen_opens_no_browser():
    """A container has a screen only if a variable names one, as in toolbox and distrobox."""
    assert not detect_runtime({"container": "oci"}).has_display
    assert detect_runtime({"container": "oci", "WAYLAND_DISPLAY": "wayland-0"}).has_display


def test_a_desktop_has_a_display():
    """With a display and no platform's variable it is the person's own computer."""
    assert detect_runtime({"DISPLAY": ":0"}) == platforms.Runtime(platform="", is_ephemeral=False, has_display=True)


@pytest.mark.parametrize("name", [name for name, (_, is_ephemeral) in PLACES.items() if is_ephemeral])
def test_an_ephemeral_platform_explains_how_to_keep_the_token(name):
    """The note says that the home folder is deleted, and how to read the token from the platform's secrets."""
    found = detect_runtime(PLACES[name][0])
    assert f"{name} deletes this home folder" in found.note
    way = "--from-env CAVE_TOKEN" if not found.python else "$token"
    assert next_steps.recall(found, TARGET)[-1].text == f"%cave_save {way}"


def test_a_platform_that_keeps_its_home_has_no_note():
    """Elsewhere there is no note, and the command reads an environment variable."""
    found = detect_runtime({})
    assert found.note == ""
    assert [one.text for one in next_steps.recall(found, TARGET)] == ["%cave_save --from-env CAVE_TOKEN"]


class Browser:
    """A graphical browser that records what it opens, and is not a program, as on macOS and Windows."""

    def __init__(self, opens: bool = True) -> None:
        self.opened: list[str] = []
        self.opens = opens

    def open(self, address: str) -> bool:
        self.opened.append(address)
        return self.opens


def problem_of(address: str = "https://x.org") -> str:
    """Why a page did not open, or ""."""
    return open_browser(address).result(20)


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The person's own desktop, and a `webbrowser` that has found no browser yet."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "_tryorder", None)
    monkeypatch.setattr(webbrowser, "_browsers", {})


def script(folder: Path, text: str) -> Path:
    """A program that is started as a browser."""
    path = folder / "browser"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_the_browser_opens_only_on_a_desktop(monkeypatch, desktop):
    """With a display the page opens; on a hub it does not."""
    browser = Browser()
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    assert problem_of() == ""
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    assert problem_of() == "this computer has no screen"
    assert browser.opened == ["https://x.org"]


def test_a_browser_that_does_not_open_is_noticed(monkeypatch, desktop):
    """A failure that the system reports is reported."""
    monkeypatch.setattr(webbrowser, "get", lambda: Browser(opens=False))
    assert problem_of() == "the browser of this computer could not be started"


@pytest.mark.parametrize("name", ["lynx", "/usr/bin/w3m", "www-browser"])
def test_a_text_browser_is_never_started(monkeypatch, desktop, name):
    """A browser that would take over the terminal is not started."""
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser(name))
    assert problem_of() == f"{name} is a text browser"


def test_a_missing_browser_is_reported(monkeypatch, desktop):
    """A computer without a browser says so."""

    def none_there() -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none_there)
    assert problem_of() == "none is installed on this computer"


@pytest.mark.skipif(os.name != "posix", reason="the programs are those of a Unix system")
@pytest.mark.parametrize(
    ("browser", "said"),
    [
        ("/bin/false", "/bin/false (set in BROWSER) exited with status 1"),
        ("/bin/false %s", "/bin/false (set in BROWSER) exited with status 1"),
        ("/nowhere/browser", "/nowhere/browser (set in BROWSER) cannot be started (No such file or directory)"),
        ("/bin/true", ""),
    ],
)
def test_the_program_in_BROWSER_is_watched(monkeypatch, desktop, browser, said):
    """A program that fails or is missing is reported; one that works is not."""
    monkeypatch.setenv("BROWSER", browser)
    assert problem_of() == said


@pytest.mark.skipif(os.name != "posix", reason="the programs are those of a Unix system")
@pytest.mark.parametrize(
    "kind", [webbrowser.GenericBrowser, webbrowser.BackgroundBrowser, webbrowser.Mozilla, webbrowser.Chrome]
)
def test_every_kind_of_browser_is_watched(monkeypatch, desktop, tmp_path, capfd, kind):
    """A failure is noticed even if `webbrowser` is not, and browsers neither read from nor write to the terminal."""
    path = script(tmp_path, f'echo words; cat; echo "$@" > {tmp_path}/asked; exit 3')
    monkeypatch.setattr(webbrowser, "get", lambda: kind(str(path)))
    assert problem_of("https://x.org/?a=%25s&b=1") == f"{path} exited with status 3"
    assert (tmp_path / "asked").read_text() == "https://x.org/?a=%25s&b=1\n"
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(os.name != "posix", reason="the programs are those of a Unix system")
def test_a_browser_that_keeps_running_has_opened(monkeypatch, desktop, tmp_path):
    """A program that still runs after a while is a browser with a window."""
    monkeypatch.setattr(web_browser, "WATCHED", 0.1)
    path = script(tmp_path, "exec sleep 1")
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser(str(path)))
    assert problem_of() == ""
