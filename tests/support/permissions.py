"""File permissions that also count when the tests run as root, which could otherwise read and write everything."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

OVERRIDES = 0b1111
"""CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER of Linux."""

IS_ROOT = os.name == "posix" and os.geteuid() == 0
CAN_COUNT = os.name == "posix" and (not IS_ROOT or sys.platform == "linux")


@contextmanager
def permissions_of_a_user() -> Iterator[None]:
    """Takes root's privileges over files away from this thread; files of another user are then really another's."""
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None)
    libc.capget(header, data)
    before = data[0]
    data[0] = before & ~(OVERRIDES if IS_ROOT else 0)
    libc.capset(header, data)
    try:
        yield
    finally:
        data[0] = before
        libc.capset(header, data)
