"""A real kernel with a person in front of it, and front ends of every kind, which draw what the kernel sends."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from traitlets.config import Config

Message = dict[str, Any]

STOP = object()
"""An answer to a prompt: no answer but the stop button."""

DESKTOP = """
import os, pathlib
from cave_magic.api import batch
from cave_magic.environment import platforms
from cave_magic.login import browser_sign_in, web_browser
batch.PROGRESS_AFTER = 0.0
browser_sign_in.LOOK_AGAIN, browser_sign_in.PATIENCE = 0.1, 60.0
platforms.detect_runtime = lambda environ=None: platforms.Runtime(
    platform="", is_ephemeral=False, has_display="NOTE" in os.environ
)
def _open(address):
    pathlib.Path(os.environ.get("NOTE", os.devnull)).write_text(address)
    return web_browser.settled("")
web_browser.open_browser = _open
"""
"""What makes a kernel show every wait, and its computer the person's own where `NOTE` says to which file pages go."""


class Kernel:
    """A kernel, and a person who types into it."""

    def __init__(self, manager: Any, client: Any) -> None:
        self._manager, self._client = manager, client
        self.reply: Any = None

    def run(
        self,
        code: str,
        *answers: object,
        stop_at: str = "",
        cell: bool = True,
        lab: bool = False,
        seen: Callable[[str], None] = str,
    ) -> list[Message]:
        """Runs a cell; gives what the kernel sent.

        Args:
            code: what is in the cell.
            answers: the answers to its prompts, `STOP` for the stop button.
            stop_at: the stop button is pressed once this text is shown.
            cell: whether the request names a cell, as those of notebooks do and those of consoles do not.
            lab: whether the request looks like one of JupyterLab or Notebook 7.
            seen: told each text that is shown for the first time or by an update.
        """
        messages: list[Message] = []
        left = list(answers)

        def take(message: Message) -> None:
            messages.append(message)
            text = text_of(message)
            seen(text)
            if stop_at and stop_at in text and sum(stop_at in text_of(one) for one in messages) == 1:
                self._manager.interrupt_kernel()

        def answer(message: Message) -> None:
            given = left.pop(0) if left else STOP
            self._manager.interrupt_kernel() if given is STOP else self._client.input(given)

        self._client.session.metadata = ({"cellId": "1"} if cell else {}) | ({"deletedCells": []} if lab else {})
        self.reply = self._client.execute_interactive(code, output_hook=take, stdin_hook=answer, timeout=60)["content"]
        assert not left
        return messages


def without_ports(folder: str) -> Config:
    """Has a kernel listen on sockets in a folder with a short path: a free port may be taken before it listens."""
    return Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}} if os.name == "posix" else {})


@contextmanager
def kernel(home: Path) -> Iterator[Kernel]:
    """A kernel whose home is this folder, with the extension loaded."""
    from jupyter_client.manager import KernelManager

    sockets = tempfile.mkdtemp()
    manager = KernelManager(kernel_name="python3", config=without_ports(sockets))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    manager.start_kernel(
        env=env | {"HOME": str(home), "IPYTHONDIR": str(home / "ipython")}, stderr=subprocess.DEVNULL,
        extra_arguments=["--HistoryManager.enabled=False"],
    )  # fmt: skip
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute(f"%load_ext cave_magic\n{DESKTOP}")
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        shutil.rmtree(sockets)


# ---------------------------------------------------------------- what is seen


@dataclass(frozen=True)
class FrontEnd:
    """Which messages a front end supports.

    Attributes:
        updates: whether it knows `update_display_data`.
        clears: whether `clear_output` takes anything away.
    """

    updates: bool
    clears: bool

    def draw(self, messages: list[Message]) -> list[str]:
        """What stands below a cell in the end: a text for each output that is not empty."""
        outputs: list[tuple[str, str]] = []
        pending = False
        for message in messages:
            kind, content = message["header"]["msg_type"], message["content"]
            name = content.get("transient", {}).get("display_id", "")
            if kind == "clear_output" and self.clears:
                pending = content["wait"]
                outputs = outputs if pending else []
            elif kind == "update_display_data" and self.updates:
                outputs = [(one, text_of(message) if one == name else text) for one, text in outputs]
            elif kind in ("stream", "display_data", "execute_result", "error"):
                outputs, pending = [*([] if pending else outputs), (name, text_of(message))], False
        return [text for _, text in outputs if text]


NOTEBOOK = FrontEnd(updates=True, clears=True)
"""JupyterLab, Notebook, VS Code, Colab."""
CONSOLE = FrontEnd(updates=False, clears=False)
"""jupyter console; qtconsole and Spyder's, in which `clear_output` takes away the line that the cursor stands on."""
FRONT_ENDS = [NOTEBOOK, CONSOLE, FrontEnd(updates=True, clears=False), FrontEnd(updates=False, clears=True)]


def text_of(message: Message) -> str:
    """What a message shows, as text."""
    content = message["content"]
    if message["header"]["msg_type"] == "error":
        return "\n".join(content["traceback"])
    return str(content.get("text") or content.get("data", {}).get("text/plain", ""))
