"""Real Dask clusters: one of processes with homes of their own over TLS, one of threads with many workers.

Dask is imported by the tests that run: that takes a second in each process that collects them.
"""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

QUIET = {
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.scheduler.worker-ttl": None,
    # Each worker is forked from a process that has imported Dask, which takes a second.
    "distributed.worker.multiprocessing-method": "spawn" if sys.platform == "win32" else "forkserver",
}
"""Without what Dask measures all the time: with hundreds of workers in one process, nothing else would happen."""

HOMES = """
import os
from pathlib import Path

def dask_setup(worker):
    home = Path({root!r}) / str(worker.name)
    home.mkdir(parents=True, exist_ok=True)
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(home)
"""
"""Gives each worker a home that is named after it, as nodes with local disks have."""


@contextmanager
def cluster_of(**options: Any) -> Iterator[Any]:
    """A cluster that says nothing. A worker in this process adds a folder to `sys.path`, which is put back afterwards.

    With hundreds of folders that are gone, each later import and check in this process would take many times as long.
    """
    import dask
    import distributed

    before = list(sys.path)
    with dask.config.set(QUIET):
        settings = {
            "worker_dashboard_address": None,
            "dashboard_address": "127.0.0.1:0",
            "memory_limit": 0,
            "threads_per_worker": 1,
            "silence_logs": logging.CRITICAL,
        }
        with distributed.LocalCluster(**{**settings, **options}) as cluster:
            yield cluster
    sys.path[:] = before


@contextmanager
def separate_homes(root: Path, **options: Any) -> Iterator[Any]:
    """A cluster of processes over TLS, each with a home of its own below `root`."""
    import dask
    import distributed

    sys.modules["__main__"] = types.ModuleType("__main__")  # new processes look at it; a shell has left an empty one
    preload = root / "homes.py"
    preload.write_text(HOMES.format(root=str(root)))
    with (
        dask.config.set({"distributed.worker.preload": [str(preload)]}),
        cluster_of(processes=True, security=distributed.Security.temporary(), **options) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the homes of the workers."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(scope="session")
def processes(homes: Path) -> Iterator[Any]:
    """Two workers, each a process with a home of its own, and a dashboard if bokeh is installed; over TLS."""
    with separate_homes(homes, n_workers=2) as cluster:
        yield cluster


@pytest.fixture
def client(processes: Any) -> Iterator[Any]:
    """A client of them, with two workers that have just started."""
    with processes.get_client() as client:
        client.wait_for_workers(2, timeout=60)
        yield client
