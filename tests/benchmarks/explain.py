"""What the line below an error costs: `python tests/benchmarks/explain.py` prints it. Not a test: the machine matters."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cave_magic.credentials.target import Settings
from cave_magic.doctor.error_line import error_line
from tests.doctor.faults import lines
from tests.doctor.faults.world import from_nothing
from tests.support.shell import settings

CELLS = {"of CAVE": 'make("secret_ds")', "in a group": lines.WRAPPED["a group"], "of another package": "1 / 0"}


def microseconds(call: Callable[[], object], times: int) -> float:
    """The median of some calls, in time of the processor."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return median(taken) * 1e6


def main() -> None:
    """Prints the time for a cell that succeeds, and for errors once everything is imported."""
    logging.disable(logging.WARNING)
    with from_nothing() as world:
        lines.calm(world)
        hook = settings(world.shell).explain_error
        fine = SimpleNamespace(error_in_exec=None)
        print(f"a cell that succeeds: {microseconds(lambda: hook(fine), 10_000):.2f} µs")
        world.run(lines.MAKE.format(server=world.cave.server))
        for name, cell in CELLS.items():
            world.run(cell)
            error = world.shell.last_execution_result.error_in_exec
            taken = microseconds(lambda error=error: error_line(error, Settings(server=world.cave.server)), 200)
            print(f"an error {name}: {taken / 1000:.2f} ms")


if __name__ == "__main__":
    main()
