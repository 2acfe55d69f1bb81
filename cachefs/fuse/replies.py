"""Answers to READ: which requests still wait, and how the bytes of a file reach the kernel.

A read is answered by whoever has its bytes, perhaps long after the device thread turned to other requests, and an
INTERRUPT may want the same request answered with EINTR at that moment. `Unanswered` decides who is first; the other's
answer is swallowed.

The bytes of a file are copied twice: pread(2) into a buffer of ours, writev(2) from there. splice(2) through a pipe
copies them once and measured no faster, and needs a pipe of 257 pages for a reply of 1 MiB, which is more than a
process without CAP_SYS_RESOURCE may have: docs/design/0003-fuse-replies.md has the figures.
"""

from __future__ import annotations

import errno
import logging
import mmap
import os
import threading
import time

from cachefs.fuse import abi, codec
from cachefs.fuse.device import Device
from cachefs.fuse.statistics import Counters
from cachefs.ports import Buffer, Waited

_log = logging.getLogger(__name__)


class Unanswered:
    """The reads that wait for an answer. Each is taken out exactly once, by the one that may answer it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _waiting and _sending
        self._waiting: set[int] = set()
        self._sending = 0
        self._none_left = threading.Condition(self._lock)

    def add(self, unique: int) -> None:
        """A read has arrived."""
        with self._lock:
            self._waiting.add(unique)

    def take(self, unique: int) -> bool:
        """Whether the caller is the one to answer."""
        with self._lock:
            if unique not in self._waiting:
                return False
            self._waiting.remove(unique)
            self._sending += 1
            return True

    def take_all(self) -> frozenset[int]:
        """Every read that still waits: the caller answers them all."""
        with self._lock:
            taken = frozenset(self._waiting)
            self._waiting.clear()
            self._sending += len(taken)
            return taken

    def forget_all(self) -> int:
        """Let nobody answer those that wait. How many they were."""
        with self._lock:
            count = len(self._waiting)
            self._waiting.clear()
            return count

    def sent(self) -> None:
        """One that was taken has been answered."""
        with self._lock:
            self._sending -= 1
            if not self._sending and not self._waiting:
                self._none_left.notify_all()

    def wait_for_none(self, timeout_seconds: float) -> int:
        """Wait until every read is answered; how many are not. Blocks up to `timeout_seconds`."""
        with self._lock:
            self._none_left.wait_for(lambda: not self._sending and not self._waiting, timeout_seconds)
            return self._sending + len(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)


class Buffers:
    """Page-aligned buffers of one reply each, used again: as many as replies were ever sent at the same moment."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []  # append and pop are atomic

    def take(self) -> memoryview:
        """A buffer of MAX_READ_BYTES; the one used last, whose pages are still in the processor's cache."""
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(mmap.mmap(-1, abi.MAX_READ_BYTES))

    def give(self, buffer: memoryview) -> None:
        """Take a buffer back."""
        self._free.append(buffer)


class Replies:
    """Sends the answers of one connection."""

    def __init__(self, device: Device, counters: Counters) -> None:
        self._device = device
        self._counters = counters
        self._buffers = Buffers()
        self._unanswered = Unanswered()

    def expect(self, unique: int) -> KernelReply:
        """The reply to a read that has just arrived."""
        self._unanswered.add(unique)
        self._counters.times.arrived()
        return KernelReply(self, unique)

    def interrupt(self, unique: int) -> bool:
        """Answer a waiting read with EINTR. False when no such read waits (any more)."""
        if not self._unanswered.take(unique):
            return False
        self._send(codec.encode_error(unique, errno.EINTR))
        return True

    def wait_for_none(self, timeout_seconds: float) -> int:
        """Wait until every read is answered; how many are not. Blocks up to `timeout_seconds`."""
        return self._unanswered.wait_for_none(timeout_seconds)

    def leave_all(self) -> int:
        """Answer none of those that wait: the next daemon will. How many they are."""
        return self._unanswered.forget_all()

    def fail_all(self, error: int) -> None:
        """Answer every waiting read with this errno."""
        for unique in self._unanswered.take_all():
            self._send(codec.encode_error(unique, error))

    def error(self, unique: int, error: int) -> bool:
        """See `ReadReply.error`."""
        if not self._unanswered.take(unique):
            return False
        self._counters.failed()
        self._send(codec.encode_error(unique, error))
        return True

    def data(self, unique: int, data: Buffer) -> None:
        """See `ReadReply.data`."""
        if self._unanswered.take(unique):
            self._deliver(unique, memoryview(data))

    def waited(self, waited: Waited) -> None:
        """See `ReadReply.waited`."""
        self._counters.waited(waited)

    def file(self, unique: int, fd: int, offset: int, length: int) -> OSError | None:
        """See `ReadReply.file`."""
        if not self._unanswered.take(unique):
            return None
        buffer = self._buffers.take()
        try:
            began = time.monotonic()
            data = _pread(fd, buffer[:length], offset)
            self._counters.times.read_file(time.monotonic() - began)
            self._deliver(unique, data)
        except OSError as error:
            self._unanswered.add(unique)
            return error
        finally:
            self._buffers.give(buffer)
        return None

    def _deliver(self, unique: int, data: memoryview) -> None:
        self._counters.delivered(len(data))
        self._send(codec.encode_header(unique, len(data)), data)

    def _send(self, *parts: bytes | memoryview) -> None:
        try:
            self._device.send(*parts)
        except OSError:
            _log.exception("fuse: an answer of %d bytes was refused", sum(map(len, parts)))
        finally:
            self._counters.times.answered()
            self._unanswered.sent()


class KernelReply:
    """`ReadReply` for one request of the kernel."""

    __slots__ = ("_replies", "_unique")

    def __init__(self, replies: Replies, unique: int) -> None:
        self._replies = replies
        self._unique = unique

    def file(self, fd: int, offset: int, length: int) -> OSError | None:
        """See `ReadReply.file`."""
        return self._replies.file(self._unique, fd, offset, length)

    def data(self, data: Buffer) -> None:
        """See `ReadReply.data`."""
        self._replies.data(self._unique, data)

    def error(self, errno: int) -> bool:
        """See `ReadReply.error`."""
        return self._replies.error(self._unique, errno)

    def waited(self, waited: Waited) -> None:
        """See `ReadReply.waited`."""
        self._replies.waited(waited)


def _pread(fd: int, buffer: memoryview, offset: int) -> memoryview:
    """Fill `buffer`. Raises OSError EIO when the file is shorter: a reader must not take that for the file's end."""
    done = 0
    while done < len(buffer):
        count = os.preadv(fd, [buffer[done:]], offset + done)
        if count == 0:
            raise OSError(errno.EIO, f"the file ends at {offset + done}")
        done += count
    return buffer
