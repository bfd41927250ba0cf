"""IPython magics that set up access to CAVE connectomics data in one line and diagnose it when it breaks.

`%load_ext cave_magic` registers `%cave_setup`, `%cave_save`, `%cave_whoami` and `%cave_check`. Loading imports
nothing heavy, and works even if caveclient is broken, since that is one of the things to diagnose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from .dask.report import WorkersReport
    from .doctor.report import Report

__version__ = "0.1.0"
__all__ = ["__version__", "check", "load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext cave_magic`."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Called by `%unload_ext cave_magic`."""
    from .magics import unload

    unload(shell)


@overload
def check(*datastacks: str, server: str = "", timeout: float = 10.0, workers: None = None) -> Report: ...
@overload
def check(*datastacks: str, server: str = "", timeout: float = 10.0, workers: object) -> WorkersReport: ...
def check(*datastacks: str, server: str = "", timeout: float = 10.0, workers: object = None) -> Report | WorkersReport:
    """Runs `%cave_check` from a script.

    Args:
        datastacks: names; minnie65_public if empty.
        server: the address of a server; "" for the server of each datastack.
        timeout: the most seconds to wait.
        workers: a `distributed.Client` or the address of a scheduler, to check each worker of that cluster instead.

    Returns:
        The report: `.ok`, `.rows`, `.next`, `.to_dict()`; of workers `.groups` instead of `.rows`. It contains no
        secrets.

    Raises:
        BadInput: the address, a name, the timeout or the client is invalid.
    """
    from .api.batch import validate_timeout
    from .credentials.target import find_target
    from .deployments import DEFAULT_DATASTACK

    seconds = validate_timeout(timeout, "timeout")
    targets = [find_target(name, server, asked=True) for name in datastacks or (DEFAULT_DATASTACK,)]
    if workers is not None:
        from .dask.check import check_workers

        return check_workers(workers, targets, seconds)
    from .doctor.diagnose import diagnose

    return diagnose(targets, seconds)
