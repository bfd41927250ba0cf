"""Ctrl-C and the stop button, while something must not stop in the middle."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def uninterrupted(too_late: bool = False) -> Iterator[None]:
    """Delays an interrupt (Ctrl-C, the stop button) until the end of this block. Only the main thread gets any.

    A process that ignores interrupts (`nohup`, a background job) still does, and a handler of its own is still called.

    Args:
        too_late: raise no KeyboardInterrupt, since everything but the clean-up is done.
    """
    before = signal.getsignal(signal.SIGINT)
    if before in (None, signal.SIG_IGN) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and before is not signal.default_int_handler:
            signal.raise_signal(signal.SIGINT)
    if came and not too_late and before is signal.default_int_handler:
        raise KeyboardInterrupt
