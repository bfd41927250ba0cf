"""Reading what may be no file: nothing waits, and nothing is read without a limit."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from cave_magic.credentials.file_problems import FileFault
from cave_magic.credentials.regular_files import NotARegularFile, TooLarge, kind_of, read_pipe, read_regular


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A named pipe that nobody writes."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_a_file_is_read_up_to_its_limit(tmp_path: Path):
    """A file of just that size is read whole, a longer one not at all, and the error says how long it is."""
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    content, info = read_regular(path, 5)
    assert (content, info.st_size) == (b"12345", 5)
    with pytest.raises(TooLarge) as caught:
        read_regular(path, 4)
    assert caught.value.args == (5,)


def test_what_is_no_file_is_named_and_not_read(pipe: Path):
    """A folder, a pipe, a device and a socket are told apart; reading them as a file ends at once."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(pipe.with_name("socket")))
    server.close()
    kinds = {
        pipe: FileFault.IS_A_PIPE,
        pipe.parent: FileFault.IS_A_FOLDER,
        Path(os.devnull): FileFault.IS_A_DEVICE,
        pipe.with_name("socket"): FileFault.IS_A_SOCKET,
    }
    for path, kind in kinds.items():
        assert kind_of(os.stat(path)) is kind
        with pytest.raises(OSError):  # noqa: PT011
            read_regular(path, 10)
    with pytest.raises(NotARegularFile):
        read_regular(pipe, 10)


def test_a_pipe_is_read_to_its_end(pipe: Path):
    """What a program writes is read whole; a pipe that nobody writes has ended."""
    assert read_pipe(pipe, 10, seconds=0) == b""
    writer = threading.Thread(target=pipe.write_bytes, args=(b"12345",))
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # the writer waits for a reader
    writer.start()
    writer.join()
    held = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    with pytest.raises(TimeoutError):
        read_pipe(pipe, 10, seconds=0)
    os.write(held, b"1234567890+")
    with pytest.raises(TooLarge):
        read_pipe(pipe, 10, seconds=0)
    os.close(held)
    os.close(reading)
