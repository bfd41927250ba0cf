"""What this kernel has run out of: open files, memory, threads or disk space."""

from __future__ import annotations

import errno
import mmap
import os
import sys
import threading
from enum import Enum

from ..api.failures import causes
from ..ui.door import either

OPEN_FILES, MEMORY, MEMORY_OF_IMPORT = 16, 64_000_000, 400_000_000
"""How many files and how many bytes a check needs, so that it finds out before its requests fail; and how many bytes
the first import of caveclient needs, with numpy, which may hang if there are fewer (numpy 2.3 with OpenBLAS)."""


class Shortage(Enum):
    """What has run out; the value says so, and what to do about it in IPython and in a shell."""

    OPEN_FILES = (
        "{} has too many open files",
        "restart the kernel, which closes them",
        "raise the limit of open files (ulimit -n)",
    )
    MEMORY = (
        "{} has too little memory left",
        "delete large variables, or restart the kernel",
        "end other programs, or raise the limit of memory (ulimit -v)",
    )
    THREADS = (
        "{} can start no more threads", "stop other kernels or programs of yours", "stop notebooks or programs of yours"
    )  # fmt: skip
    DISK = ("a disk is full, or your quota is used up", "free some space on it", "free some space on it")

    @property
    def words(self) -> str:
        """What is used up."""
        return self.value[0].format(either("this kernel", "this program"))

    @property
    def advice(self) -> str:
        """What to do about it."""
        return either(*self.value[1:])


_BY_NUMBER = {
    errno.EMFILE: Shortage.OPEN_FILES,
    errno.ENFILE: Shortage.OPEN_FILES,
    errno.ENOMEM: Shortage.MEMORY,
    errno.ENOSPC: Shortage.DISK,
    getattr(errno, "EDQUOT", errno.ENOSPC): Shortage.DISK,
}
_BY_TEXT = (
    ("can't start new thread", Shortage.THREADS),  # RuntimeError of CPython
    ("failed to map segment", Shortage.MEMORY),  # ImportError of the dynamic linker
    ("Cannot allocate memory", Shortage.MEMORY),
    ("Too many open files", Shortage.OPEN_FILES),
)


def shortage_in(error: BaseException) -> Shortage | None:
    """The shortage that an exception, or one that led to it, shows; None if it shows none."""
    for one in causes(error):
        if isinstance(one, MemoryError):
            return Shortage.MEMORY
        if isinstance(one, OSError) and one.errno in _BY_NUMBER:
            return _BY_NUMBER[one.errno]
        if isinstance(one, RuntimeError | ImportError):
            found = next((shortage for words, shortage in _BY_TEXT if words in str(one)), None)
            if found is not None:
                return found
    return None


def reserve_memory() -> None:
    """Reserves the memory that a command needs, without filling it, and frees it. Raises OSError if that fails."""
    mmap.mmap(-1, MEMORY if "caveclient" in sys.modules else MEMORY_OF_IMPORT).close()


def current_shortage() -> Shortage | None:
    """Tests whether this kernel can open files, use memory and start threads; takes less than a millisecond."""
    held: list[int] = []
    try:
        held.extend(os.open(os.devnull, os.O_RDONLY) for _ in range(OPEN_FILES))
        reserve_memory()
        threading.Thread(target=int, daemon=True).start()
    except (OSError, MemoryError, RuntimeError) as error:
        return shortage_in(error)
    finally:
        for descriptor in held:
            os.close(descriptor)
    return None
