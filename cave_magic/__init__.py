"""IPython magics that set up access to CAVE connectomics data in one line and diagnose it when it breaks.

`%load_ext cave_magic` registers `%cave_setup`, `%cave_save`, `%cave_whoami` and `%cave_check`. Loading imports
nothing heavy, and works even if caveclient is broken, since that is one of the things to diagnose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def check(*datastacks: str, server: str = "", timeout: float = 10.0) -> Report:
    """Runs `%cave_check` from a script.

    Args:
        datastacks: names; minnie65_public if empty.
        server: the address of a server; "" for the server of each datastack.
        timeout: the most seconds to wait.

    Returns:
        The report: `.ok`, `.rows`, `.next`, `.to_dict()`. It contains no secrets.

    Raises:
        BadInput: the address, a name or the timeout is invalid.
    """
    from .api.batch import validate_timeout
    from .credentials.target import find_target
    from .deployments import DEFAULT_DATASTACK
    from .doctor.diagnose import diagnose

    seconds = validate_timeout(timeout, "timeout")
    return diagnose([find_target(name, server, asked=True) for name in datastacks or (DEFAULT_DATASTACK,)], seconds)
