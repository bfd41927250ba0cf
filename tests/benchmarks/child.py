"""A fresh kernel that runs cells and measures each: `python child.py '["cell", ...]'`.

Its last line is JSON: the wall-clock and CPU seconds of each cell.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def shell() -> Any:
    """A bare IPython that has already run a cell."""
    from IPython.core.history import HistoryManager
    from IPython.core.interactiveshell import InteractiveShell

    HistoryManager.enabled = False
    made = InteractiveShell.instance()
    made.run_cell("1 + 1;")
    return made


def slowest_request(addresses: list[str], token: str) -> float:
    """Seconds of the slowest of these requests, each sent alone with requests; the best of three attempts."""
    import requests

    def seconds(address: str) -> float:
        start = time.perf_counter()
        requests.get(address, headers={"Authorization": f"Bearer {token}"}, timeout=30).raise_for_status()
        return time.perf_counter() - start

    return max(min(seconds(address) for _ in range(3)) for address in addresses)


def by_hand(rounds: list[list[str]], token: str, imports: bool = False) -> float:
    """Seconds to send these requests with requests, those of a round at the same time: the physical limit of a check.

    With `imports`, caveclient is imported at the same time.
    """
    start = time.perf_counter()
    gc.disable()  # as the check does during the import
    import requests

    importing = threading.Thread(target=importlib.import_module, args=("caveclient.auth",))
    if imports:
        importing.start()
    with requests.Session() as session, ThreadPoolExecutor(7) as pool:
        session.headers["Authorization"] = f"Bearer {token}"

        def send(address: str) -> None:
            with contextlib.suppress(requests.RequestException):  # without a network
                session.get(address, timeout=30, allow_redirects=False)

        for addresses in rounds:
            list(pool.map(send, addresses))
    if imports:
        importing.join()
    gc.enable()
    return time.perf_counter() - start


def rows_appear(line: str) -> float:
    """Seconds until the first rows of a check are shown, in a front end that can replace them."""
    from IPython import get_ipython

    from cave_magic.ui.frontend import PlainFrontend

    seen: list[float] = []
    PlainFrontend.draft = lambda *shown: seen.append(time.perf_counter())  # type: ignore[method-assign]
    start = time.perf_counter()
    get_ipython().run_line_magic("cave_check", line)
    return seen[0] - start


def megabytes() -> float:
    """The memory that this process uses now (Linux)."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def traced() -> float:
    """The megabytes that Python has allocated since the first call."""
    tracemalloc.start()
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / 1e6


def open_things() -> float:
    """How many threads, files and sockets this process has (Linux)."""
    return float(threading.active_count() + len(os.listdir("/proc/self/fd")))


def main(cells: list[str]) -> list[tuple[float, float]]:
    """Wall-clock and CPU seconds of each cell, run in order. A cell that returns a number reports its own seconds."""
    ipython, found = shell(), []
    for function in (slowest_request, by_hand, rows_appear, megabytes, traced, open_things):
        ipython.user_ns[function.__name__] = function
    for cell in cells:
        start, used = time.perf_counter(), time.process_time()
        done = ipython.run_cell(cell)
        found.append((time.perf_counter() - start, time.process_time() - used))
        if not done.success:
            raise SystemExit(f"this cell failed: {cell}")
        if isinstance(done.result, float):
            found[-1] = done.result, found[-1][1]
    return found


if __name__ == "__main__":
    print("\n" + json.dumps(main(json.loads(sys.argv[1]))))
