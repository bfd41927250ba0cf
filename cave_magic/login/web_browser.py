"""Opens a page in a graphical browser on the person's own screen, and notices if that fails."""

from __future__ import annotations

import os
import subprocess
import threading
import webbrowser
from concurrent.futures import Future

from ..environment import platforms

TEXT_BROWSERS = ("www-browser", "links", "elinks", "lynx", "w3m", "browsh")
"""The text browsers that Python's `webbrowser` may choose. They are never started: they take over the terminal."""

WATCHED = 10.0
"""Seconds after which a running browser counts as started."""


def open_browser(address: str) -> Future[str]:
    """Opens a page in a graphical browser on the person's own screen, without waiting for it.

    Returns:
        Why no page opened, to follow "No browser opened:"; "" if one did.
    """
    if not platforms.detect_runtime().has_display:
        return settled("this computer has no screen")
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return settled("none is installed on this computer")
    name = getattr(browser, "name", "")
    if os.path.basename(name) in TEXT_BROWSERS:
        return settled(f"{_called(name)} is a text browser")
    opening: Future[str] = Future()
    threading.Thread(target=_open, args=(browser, address, opening), daemon=True).start()
    return opening


def settled(problem: str) -> Future[str]:
    """The outcome of `open_browser` if it is known."""
    opening: Future[str] = Future()
    opening.set_result(problem)
    return opening


def _open(browser: webbrowser.BaseBrowser, address: str, opening: Future[str]) -> None:
    if command := _command(browser, address):
        return _watch(command, opening)
    try:
        opening.set_result("" if browser.open(address) else "the browser of this computer could not be started")
    except (OSError, webbrowser.Error) as error:
        opening.set_result(f"the browser of this computer could not be started ({type(error).__name__})")


def _command(browser: webbrowser.BaseBrowser, address: str) -> list[str]:
    """The command line of a browser, since `webbrowser` does not report its exit; [] if it is not a program."""
    if isinstance(browser, webbrowser.GenericBrowser):
        return [browser.name, *(part.replace("%s", address) for part in browser.args)]
    if isinstance(browser, webbrowser.UnixBrowser):
        action = browser.remote_action or ""
        args = [part.replace("%s", address).replace("%action", action) for part in browser.remote_args]
        return [browser.name, *filter(None, args)]
    return []


def _watch(command: list[str], opening: Future[str]) -> None:
    """Starts a browser, detached from the terminal, and notices if it exits with an error."""
    name, none = _called(command[0]), subprocess.DEVNULL
    try:
        # The program is the browser that the person chose, and the address was built here.
        started = subprocess.Popen(command, stdin=none, stdout=none, stderr=none, start_new_session=True)  # noqa: S603
    except OSError as error:
        opening.set_result(f"{name} cannot be started ({error.strerror})")
        return
    try:
        status = started.wait(WATCHED)
    except subprocess.TimeoutExpired:
        opening.set_result("")
        started.wait()
        return
    opening.set_result(f"{name} exited with status {status}" if status else "")


def _called(name: str) -> str:
    named = [command.split()[:1] for command in os.environ.get("BROWSER", "").split(os.pathsep)]
    return f"{name} (set in BROWSER)" if [name] in named else name
