"""Reading files that may be pipes, devices or sockets: nothing here waits or reads without a limit."""

from __future__ import annotations

import os
import select
import stat
import time
from pathlib import Path

from ..ui.door import on_windows
from .file_problems import FileFault

_READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


class NotARegularFile(OSError):
    """A folder, a pipe, a device or a socket."""


class TooLarge(OSError):
    """A file is longer than the limit. The argument is its size in bytes."""


def kind_of(info: os.stat_result) -> FileFault | None:
    """What is there instead of a regular file; None if it is a regular file."""
    if stat.S_ISREG(info.st_mode):
        return None
    if stat.S_ISDIR(info.st_mode):
        return FileFault.IS_A_FOLDER
    if stat.S_ISFIFO(info.st_mode):
        return FileFault.IS_A_PIPE
    return FileFault.IS_A_SOCKET if stat.S_ISSOCK(info.st_mode) else FileFault.IS_A_DEVICE


def shared(info: os.stat_result) -> int:
    """The permissions that others have. On Windows none are known: an access list counts, not the mode of a file."""
    return 0 if on_windows() else info.st_mode & 0o077


def read_pipe(path: Path, most: int, seconds: float) -> bytes:
    """Reads a pipe up to its end. One that nobody writes has ended.

    Args:
        most: the most bytes to read.
        seconds: how long to wait for the program that writes it.
    Raises:
        TooLarge: it has more bytes.
        TimeoutError: the program does not end in time.
        OSError: it cannot be read, as always on Windows.
    """
    until, content = time.monotonic() + seconds, b""
    with open(os.open(path, _READING), "rb", buffering=0) as pipe:
        while (part := pipe.read(65536)) != b"":
            content += part or b""
            if len(content) > most:
                raise TooLarge(len(content))
            if part is None and not select.select([pipe], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError
    return content


def read_regular(path: Path, most: int) -> tuple[bytes, os.stat_result]:
    """Reads a regular file; returns its content and its `stat`.

    Args:
        path: the file; links are followed.
        most: how many bytes to read at most; a longer file is not read.
    Raises:
        NotARegularFile: it is something else, perhaps since a moment ago.
        TooLarge: it is longer.
        OSError: it cannot be read.
    """
    descriptor = os.open(path, _READING)
    with open(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if kind_of(info) is not None:
            raise NotARegularFile(path)
        content = file.read(most + 1) if info.st_size <= most else b""
    if max(info.st_size, len(content)) > most:
        raise TooLarge(info.st_size)
    return content, info
