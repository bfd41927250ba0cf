"""Where the kernel runs: recognised from its environment, and what follows for secrets and the browser."""

from __future__ import annotations

import webbrowser

import pytest

from cave_magic import lines, place
from cave_magic.place import find_place, open_browser
from cave_magic.servers import DEFAULT_SERVER
from cave_magic.target import Target

TARGET = Target("minnie65_public", DEFAULT_SERVER)

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
    """The tests themselves may run in a container."""
    monkeypatch.setattr(place, "_CONTAINER", ())


@pytest.mark.parametrize("name", PLACES)
def test_a_place_is_known_by_its_marks(name):
    """Each platform is recognised, whatever display it has, and it is known whether it forgets the home folder."""
    marks, forgets = PLACES[name]
    found = find_place({**marks, "DISPLAY": ":0"})
    assert (found.platform, found.forgets, found.has_screen) == (name, forgets, False)


def test_ones_own_desktop_has_a_screen():
    """With a display and no platform's mark it is the person's own computer."""
    assert find_place({"DISPLAY": ":0"}) == place.Place("", False, True)


@pytest.mark.parametrize("name", [name for name, (_, forgets) in PLACES.items() if forgets])
def test_a_forgetful_place_says_so_and_how_to_keep_the_token(name):
    """Where the home folder is thrown away, the note says so; where secrets can be kept, it says how they are read."""
    found = find_place(PLACES[name][0])
    assert f"{name} throws this home folder away" in found.note
    way = "--from-env CAVE_TOKEN" if not found.code else "$token"
    assert lines.recall(found, TARGET)[-1] == f"%cave_save {way}"


def test_a_place_that_keeps_its_home_has_no_note():
    """Elsewhere nothing is said, and the line that works everywhere is at hand."""
    found = find_place({})
    assert found.note == ""
    assert lines.recall(found, TARGET) == ("%cave_save --from-env CAVE_TOKEN",)


class Browser:
    """A graphical browser that notes what it is to open."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, address: str) -> bool:
        self.opened.append(address)
        return True


@pytest.fixture
def own_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that run at once, in the test's own."""

    class Thread:
        def __init__(self, target, args, daemon):
            self.start = lambda: target(*args)

    monkeypatch.setattr(place.threading, "Thread", Thread)


def test_the_browser_opens_on_ones_own_desktop_only(monkeypatch, own_threads):
    """With a screen the page is opened; on a hub, over ssh or without a display it is not."""
    browser = Browser()
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    assert not open_browser("https://x.org")
    monkeypatch.setenv("DISPLAY", ":0")
    assert open_browser("https://x.org")
    monkeypatch.setenv("JUPYTERHUB_USER", "ada")
    assert not open_browser("https://x.org")
    assert browser.opened == ["https://x.org"]


def test_a_text_browser_is_never_started(monkeypatch, own_threads):
    """A browser that would take over the terminal is left alone, and so is one that is not there."""
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("lynx"))
    assert not open_browser("https://x.org")

    def none_there() -> None:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none_there)
    assert not open_browser("https://x.org")
