"""IPython magics that set up access to CAVE connectomics data in one line and diagnose it when it breaks.

`%load_ext cave_magic` registers `%cave_setup`, `%cave_save`, `%cave_whoami` and `%cave_check`. Loading imports
nothing heavy, and works even if caveclient is broken, since that is one of the things to diagnose.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as `typing` has it, which a file on the path of Python may shadow
if TYPE_CHECKING:
    from typing import Any, overload

    from .commands.outcomes import Identity, SavedToken
    from .dask.report import WorkersReport
    from .doctor.report import Report

__version__ = "0.2.0"
__all__ = ["__version__", "check", "load_ipython_extension", "save", "unload_ipython_extension", "whoami"]


def load_ipython_extension(shell: Any) -> None:
    """Called by `%load_ext cave_magic`."""
    from .magics import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Called by `%unload_ext cave_magic`."""
    from .magics import unload

    unload(shell)


if TYPE_CHECKING:

    @overload
    def check(*datastacks: str, server: str = "", timeout: float = 10.0, workers: None = None) -> Report: ...
    @overload
    def check(*datastacks: str, server: str = "", timeout: float = 10.0, workers: object) -> WorkersReport: ...


def check(*datastacks: str, server: str = "", timeout: float = 10.0, workers: object = None) -> Report | WorkersReport:
    """Runs `%cave_check` from a script.

    Args:
        datastacks: names; minnie65_public if empty.
        server: the address of a server; "" for the server of each datastack.
        timeout: how many seconds to wait at most.
        workers: a `distributed.Client` or the address of a scheduler, to check each worker of that cluster instead.

    Returns:
        The report: `.ok`, `.rows`, `.next`, `.to_dict()`; for workers `.groups` instead of `.rows`. It contains no
        secrets.

    Raises:
        BadInput: the address, a name, the timeout or the client is invalid.
    """
    from .ui.door import find_door

    find_door()
    from .api.batch import validate_timeout
    from .commands.shell import scrub_call
    from .credentials.target import find_target
    from .deployments import DEFAULT_DATASTACK

    scrub_call(*datastacks, server, workers)
    seconds = validate_timeout(timeout, "timeout")
    targets = [find_target(name, server, asked=True) for name in datastacks or (DEFAULT_DATASTACK,)]
    if workers is not None:
        from .dask.check import check_workers

        return check_workers(workers, targets, seconds)
    from .doctor.diagnose import diagnose

    return diagnose(targets, seconds)


def save(
    token: str,
    *,
    server: str = "",
    datastack: str = "",
    overwrite: bool = False,
    verify: bool = True,
    timeout: float = 10.0,
) -> SavedToken:
    """Saves a token where CAVEclient and cloud-volume find it, as `%cave_save` does.

    Args:
        token: the token, read from wherever you keep your secrets; do not type it into a file or a notebook.
        server: the address of its server; "" for the server of the datastack.
        datastack: the datastack to read; "" for minnie65_public, or the first one of the server.
        overwrite: whether to replace another token for this server.
        verify: whether to check first that the server accepts the token.
        timeout: how many seconds to wait at most.

    Returns:
        What was saved: `.server`, `.files`, `.account`, `.unchanged`, `.to_dict()`. It contains no secrets.

    Raises:
        NotAToken: the text is not a token.
        TokenExists: another token is saved for the server, and `overwrite` is False.
        TokenRejected: the server does not accept the token. Nothing was saved.
        TokenNotChecked: the server could not be asked, or its response was unclear. Nothing was saved.
        TokenNotSaved: a file cannot be written. Nothing was changed.
        BadInput: the address, the name or the timeout is invalid.
    """
    secrets = iter((token,))
    del token  # some loggers show the variables in the frames of an error, but not what an iterator has
    from .commands.functions import call

    words = [*(["--overwrite"] if overwrite else []), *([] if verify else ["--no-check"])]
    options = {"server": server, "datastack": datastack}
    saved: SavedToken = call("cave_save", *words, timeout=timeout, options=options, secrets=secrets)
    return saved


def whoami(*, server: str = "", datastack: str = "", timeout: float = 10.0) -> Identity:
    """Asks a server whose token this computer sends to it, as `%cave_whoami` does.

    Args:
        server: the address of the server; "" for the server of the datastack.
        datastack: a datastack; "" for minnie65_public.
        timeout: how many seconds to wait at most.

    Returns:
        The account and the token: `.account`, `.token` (its last characters), `.permanent`, `.file`, `.to_dict()`.
        It contains no secrets.

    Raises:
        NoToken: no token is stored for the server.
        TokenRejected: the server does not accept it.
        ServerInTrouble: the server could not be reached, or its response says nothing about the token.
        BadInput: the address, the name or the timeout is invalid.
    """
    from .commands.functions import call

    identity: Identity = call("cave_whoami", timeout=timeout, options={"server": server, "datastack": datastack})
    return identity
