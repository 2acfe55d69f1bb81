"""What the lane is measured against: one `sendfile` on one side, `recv_into` on the other, and nothing else."""

from __future__ import annotations

import mmap
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cachefs.ports import PIECE_BYTES


@contextmanager
def giving(fd: int, size_bytes: int) -> Iterator[int]:
    """A port; whoever connects gets the file `fd` and is closed. One at a time."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                _send(connection, fd, size_bytes)

    thread = threading.Thread(target=accept, name="bare-giver")
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def _send(connection: socket.socket, fd: int, size_bytes: int) -> None:
    offset = 0
    while offset < size_bytes:
        offset += os.sendfile(connection.fileno(), fd, offset, size_bytes - offset)


def take(port: int, size_bytes: int, path: Path | None) -> None:
    """All bytes, into a buffer that is used again, and from there into a new sparse file if there is a `path`."""
    buffer = memoryview(mmap.mmap(-1, PIECE_BYTES))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        if path is None:
            _receive(connection, buffer, size_bytes, None)
            return
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            os.ftruncate(fd, size_bytes)
            _receive(connection, buffer, size_bytes, fd)
        finally:
            os.close(fd)


def _receive(connection: socket.socket, buffer: memoryview, size_bytes: int, fd: int | None) -> None:
    offset = 0
    while offset < size_bytes:
        count = connection.recv_into(buffer[: size_bytes - offset], 0, socket.MSG_WAITALL)
        if not count:
            raise EOFError(f"{offset} of {size_bytes} bytes came")
        if fd is not None:
            os.pwrite(fd, buffer[:count], offset)
        offset += count
