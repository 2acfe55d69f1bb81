"""A stand-in for the kernel's side of /dev/fuse: a socket that keeps the borders of messages."""

from __future__ import annotations

import errno
import os
import select
import socket
from typing import Self

from cachefs.fuse import abi
from cachefs.fuse.adapter import Adapter
from cachefs.fuse.device import Device
from cachefs.fuse.journal import NoJournal
from cachefs.fuse.notify import Notifier
from cachefs.fuse.open_files import OpenFiles
from cachefs.fuse.options import MountOptions
from cachefs.fuse.replies import Replies
from cachefs.fuse.statistics import Counters
from cachefs.ports import FileSystem

PATIENCE_SECONDS = 30.0


class FakeKernel:
    """Sends requests to a device and reads its answers. A context manager."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * abi.MAX_READ_BYTES)
        self._socket.settimeout(PATIENCE_SECONDS)
        self.device = Device(theirs.detach())
        self.unique = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.device.close()
        self._socket.close()

    def message(self, opcode: int, body: bytes = b"", ino: int = 1) -> bytes:
        """A request, with the next `unique`."""
        self.unique += 1
        return abi.IN_HEADER.pack(abi.IN_HEADER.size + len(body), opcode, self.unique, ino, 0, 0, 1, 0, 0) + body

    def send(self, message: bytes) -> None:
        """Put a request into the device."""
        self._socket.send(message)

    def answer(self) -> tuple[int, int, bytes]:
        """(unique, errno, payload) of the next answer."""
        data = self._socket.recv(2 * abi.MAX_READ_BYTES)
        length, error, unique = abi.OUT_HEADER.unpack_from(data)
        assert length == len(data)
        return unique, -error, data[abi.OUT_HEADER.size :]

    def is_silent(self) -> bool:
        """Whether no answer lies there."""
        return not select.select([self._socket], [], [], 0)[0]


class Served:
    """An adapter over a fake kernel, driven on the calling thread."""

    def __init__(self, kernel: FakeKernel, fs: FileSystem) -> None:
        self.kernel = kernel
        self.counters = Counters()
        self.replies = Replies(kernel.device, self.counters)
        self.files = OpenFiles(fs, kernel.device, self.counters, NoJournal(), passthrough=False)
        self.notifier = Notifier(kernel.device, "notify")
        self.adapter = Adapter(
            fs, kernel.device, self.files, self.replies, self.notifier, self.counters, MountOptions()
        )

    def ask(self, opcode: int, body: bytes = b"", ino: int = 1) -> bytes:
        """The payload that answers the request. Raises OSError for an errno."""
        message = self.kernel.message(opcode, body, ino)
        self.adapter.handle(memoryview(message))
        _, error, payload = self.kernel.answer()
        if error:
            raise OSError(error, errno.errorcode[error])
        return payload

    def tell(self, opcode: int, body: bytes = b"", ino: int = 1) -> int:
        """Hand the request over without waiting for an answer. Returns its `unique`."""
        message = self.kernel.message(opcode, body, ino)
        self.adapter.handle(memoryview(message))
        return self.kernel.unique

    def open(self, ino: int) -> int:
        """The handle of a file opened for reading."""
        handle: int = abi.OPEN_OUT.unpack(self.ask(abi.Opcode.OPEN, abi.OPEN_IN.pack(os.O_RDONLY, 0), ino))[0]
        return handle
