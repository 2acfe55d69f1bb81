"""One FUSE connection: receive requests, send answers, register backing files. The only module that uses ``/dev/fuse``.

Waiting. The descriptor is non-blocking, and each device thread waits in an epoll of its own, for the device or for the
order to stop: a thread blocked in read(2) could only be woken by an unmount, which a lazy one delays for as long as
files are open. EPOLLEXCLUSIVE wakes one thread per request, not all of them. A thread asks the device first and waits
only when it is empty, so a busy one pays nothing for this.

Closing. Answers come from foreign threads, at any time, so the last user of the descriptor closes it (see `Gate`). The
close of the last copy, wherever it is, ends the connection: the kernel fails what is still unanswered with ENOTCONN or
ECONNABORTED.

Doors. What a dead daemon had read and not answered, the kernel keeps for as long as a copy of the descriptor lives that
it was read from, and since Linux 6.9 it can be told to send it again. An older kernel cannot: there, requests are read
through a second door (`serve_through_a_clone`) whose descriptor nobody else has. It is closed when the daemon dies, and
that fails the requests in flight, and nothing else. A cached read or a page fault does not even see that: the kernel
asks once more for a page that failed in read-ahead.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
from contextlib import suppress
from typing import Self

from cachefs.fuse import abi
from cachefs.fuse.gate import Gate

_GONE = frozenset({errno.ENODEV, errno.ECONNABORTED, errno.ENOTCONN})
_AGAIN = frozenset({errno.EAGAIN, errno.ENOENT, errno.EINTR})
"""ENOENT: the request was interrupted before we had read it."""


class DeviceClosed(Exception):
    """The connection has ended: unmounted, aborted, or closed by us."""


class Device:
    """The connection behind `fd`, which this object owns from now on. Thread-safe."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._first_door: int | None = None
        try:
            self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        except OSError:
            os.close(fd)
            raise
        self._stopping = False
        self._gate = Gate(self._close_descriptors, DeviceClosed)

    def serve_through_a_clone(self) -> None:
        """Read requests from a descriptor of our own from now on. Call it before `receiver`. Raises OSError."""
        clone = os.open(abi.DEVICE, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            fcntl.ioctl(clone, abi.DEV_IOC_CLONE, abi.CLONE_IN.pack(self._fd))
        except BaseException:
            os.close(clone)
            raise
        self._first_door, self._fd = self._fd, clone

    def dup(self) -> int:
        """A copy of the descriptor that the next daemon needs; the caller's. Raises DeviceClosed."""
        with self._gate:
            return os.dup(self._fd if self._first_door is None else self._first_door)

    def has_ended(self) -> bool:
        """Whether the mount is gone: nothing will be read from here again."""
        poll = select.poll()
        with self._gate:
            poll.register(self._fd, 0)
            return bool(poll.poll(0))

    def receiver(self) -> Receiver:
        """What one device thread waits with."""
        with self._gate:
            return Receiver(self, self._fd, self._stop)

    @property
    def stopping(self) -> bool:
        """Whether `stop_receivers` was called."""
        return self._stopping

    def receive(self, buffer: memoryview) -> int | None:
        """The length of the next request, written to `buffer`, or None when there is none now. Raises DeviceClosed."""
        with self._gate:
            try:
                return os.readv(self._fd, [buffer])
            except OSError as error:
                if error.errno in _AGAIN:
                    return None
                if error.errno in _GONE:
                    raise DeviceClosed from error
                raise

    def send(self, *parts: bytes | memoryview) -> bool:
        """Write one whole answer or notification. False when the kernel no longer waits for it. Raises OSError."""
        try:
            with self._gate:
                os.writev(self._fd, parts)
        except DeviceClosed:
            return False
        except OSError as error:
            if error.errno in _GONE or error.errno == errno.ENOENT:
                return False
            raise
        return True

    def backing_open(self, fd: int) -> int:
        """Register a file for passthrough; returns its id. Raises OSError (EPERM, EOPNOTSUPP, ELOOP, ...)."""
        with self._gate:
            backing_id: int = fcntl.ioctl(self._fd, abi.BACKING_OPEN, bytearray(abi.BACKING_MAP.pack(fd, 0, 0)))
            return backing_id

    def backing_close(self, backing_id: int) -> None:
        """Give an id back. Opens that use it go on; the kernel forgets all ids with the connection.

        Raises FileNotFoundError when the kernel has no such id.
        """
        with suppress(DeviceClosed), self._gate:
            fcntl.ioctl(self._fd, abi.BACKING_CLOSE, abi.BACKING_ID.pack(backing_id))

    def stop_receivers(self) -> None:
        """Turn every receiver away, the waiting ones too. Answers can still be sent."""
        self._stopping = True
        with suppress(DeviceClosed), self._gate:
            os.eventfd_write(self._stop, 1)

    def close(self) -> None:
        """Close our descriptors as soon as the last call in progress returns. Idempotent."""
        self._gate.close()

    def _close_descriptors(self) -> None:
        os.close(self._fd)
        os.close(self._stop)
        if self._first_door is not None:
            os.close(self._first_door)


class Receiver:
    """One thread's place in the queue for requests. A context manager."""

    def __init__(self, device: Device, fd: int, stop_fd: int) -> None:
        self._device = device
        self._epoll = select.epoll()
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self._epoll.register(stop_fd, select.EPOLLIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()

    def receive(self, buffer: memoryview, timeout_seconds: float | None = None) -> memoryview | None:
        """Wait for a request; a view of `buffer`. None after `timeout_seconds` or when told to stop.

        Raises DeviceClosed when the connection has ended.
        """
        while not self._device.stopping:
            length = self._device.receive(buffer)
            if length is not None:
                return buffer[:length]
            if not self._epoll.poll(timeout_seconds):
                return None
        return None
