"""A person at a desktop of their own who signs in: what is opened, asked and answered, and what is left on the server."""

from __future__ import annotations

import _thread
import json
import socket
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cave_magic.login.loopback import Receiver
from cave_magic.login.web_browser import settled
from cave_magic.sandbox import Sandbox
from cave_magic.sandbox.visitor import Page, Visitor

from .waiting import LONG

MINE = "cave_magic on lab-mac"


class Desk:
    """A person's own computer: what the browser was told to open, what is asked and answered."""

    def __init__(self) -> None:
        self.opened: list[str] = []
        self.questions: list[str] = []
        self.answers: list[str] = []
        self.pages: list[Future[Any]] = []
        self.goes: Callable[[str], Any] = lambda address: None
        self._pool = ThreadPoolExecutor(8)

    def open_browser(self, address: str) -> Future[str]:
        """Opens a page in the background; the person there does what `goes` says."""
        self.opened.append(address)
        self.pages.append(self._pool.submit(self.goes, address))
        return settled("")

    def answer(self, question: str = "") -> str:
        """The next answer; when there is none left the person interrupts."""
        self.questions.append(question)
        if not self.answers:
            raise KeyboardInterrupt
        return self.answers.pop(0)

    @property
    def last_page(self) -> Page:
        """Where the browser ended."""
        page: Page = self.pages[-1].result(LONG)
        return page

    def close(self) -> None:
        """Goes home."""
        self._pool.shutdown()


def stored(home: Path) -> list[str]:
    """The tokens that are saved, each once."""
    files = (home / ".cloudvolume" / "secrets").glob("*-secret.json")
    return list({json.loads(path.read_text())["token"] for path in files})


def by_name(cave: Sandbox, person: str) -> dict[str, str]:
    """The tokens of a person by description."""
    return {row["description"]: row["token"] for row in cave.tokens(person)}


def temporary_tokens_left(cave: Sandbox) -> list[str]:
    """Temporary tokens of people that still let somebody in."""
    accounts = cave._accounts
    return [
        one
        for one in accounts.tokens.known()
        if (who := accounts.owner(one)) and who.id > 0 and not accounts.tokens.is_permanent(one)
    ]


def nothing_secret(cave: Sandbox, *texts: str) -> bool:
    """Whether these texts, and the requested paths, contain no token that was ever created."""
    asked = [record.path for record in cave.requests]
    return not [token for token in cave._accounts.tokens.known() for text in (*texts, *asked) if token in text]


def back_of(address: str) -> str:
    """Where a sign-in page sends the browser in the end."""
    return parse_qs(urlsplit(address).query)["redirect"][0]


def close(receiver: Receiver) -> None:
    """Ends the grace period of a receiver, and waits until it stops listening."""
    receiver.finish()
    while receiver._thread.is_alive():
        receiver._ends = 0.0  # perhaps once more: its own thread may just be in `finish`, too
        with suppress(OSError):  # it has stopped
            socket.create_connection(receiver._server.server_address[:2]).close()  # wakes it up
        receiver._thread.join(1)


class Hesitant(Visitor):
    """Signs in, and does nothing more."""

    def _in_the_way(self, page: Page) -> Any:
        return super()._in_the_way(page) if "/sign-in" in page.address else None


def interrupt_when(
    condition: Callable[[], object], inside: Callable[..., Any], then: Callable[[], object] = bool
) -> None:
    """Presses the stop button once something is so and the main thread is inside a function; `then` happens after it."""

    def watch() -> None:
        deadline = time.monotonic() + LONG
        while not (condition() and is_inside(inside)):
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)
        press_stop()
        then()

    threading.Thread(target=watch, daemon=True).start()


def is_inside(function: Callable[..., Any]) -> bool:
    """Whether the main thread is inside a function."""
    main = threading.main_thread().ident or 0
    return function.__code__ in _running(sys._current_frames().get(main))


def press_stop() -> None:
    """Interrupts the main thread, but not while it tidies up after an object: Python would swallow the interrupt."""
    main = threading.main_thread().ident
    while main is not None and _is_finalizing(sys._current_frames().get(main)):
        time.sleep(0.001)
    _thread.interrupt_main()


def _is_finalizing(frame: FrameType | None) -> bool:
    return any(code is weakref.finalize.__call__.__code__ or code.co_name == "__del__" for code in _running(frame))


def _running(frame: FrameType | None) -> Iterator[CodeType]:
    """The code of a frame and of its callers."""
    while frame is not None:
        yield frame.f_code
        frame = frame.f_back


def address_of(token: str) -> str:
    """Where a browser on another machine ends."""
    return f"http://127.0.0.1:40123/k3J_9-abcDEF?middle_auth_token={token}&middle_auth_url=x/sticky_auth&token={token}"
