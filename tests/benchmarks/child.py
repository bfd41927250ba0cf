"""A fresh kernel that runs cells and measures each: `python child.py '["cell", ...]'`.

Its last line is JSON: the wall-clock and CPU seconds of each cell.
"""

from __future__ import annotations

import json
import sys
import time
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


def main(cells: list[str]) -> list[tuple[float, float]]:
    """Wall-clock and CPU seconds of each cell, run in order. A cell that returns a number reports its own seconds."""
    ipython, found = shell(), []
    ipython.user_ns["slowest_request"] = slowest_request
    for cell in cells:
        start, used = time.perf_counter(), time.process_time()
        done = ipython.run_cell(cell)
        found.append((time.perf_counter() - start, time.process_time() - used))
        if not done.success:
            raise SystemExit(f"this cell failed: {cell}")
        if isinstance(done.result, float):
            found[-1] = done.result, 0.0
    return found


if __name__ == "__main__":
    print("\n" + json.dumps(main(json.loads(sys.argv[1]))))
