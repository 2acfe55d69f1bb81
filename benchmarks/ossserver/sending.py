"""Getting an answer onto a socket: the kernel copies file to socket; pacing and faults cut the body into pieces.

Without limits and faults a body is one ``sendfile`` after the other, as large as the kernel takes them.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from .faults import Effect
from .limits import Bandwidth
from .messages import FileBody
from .statistics import Transfer

_MOST_BYTES = 64 * 1024 * 1024
_LINGER_OFF = struct.pack("ii", 1, 0)


class Hangup(Exception):
    """The connection must end here, by fault or because the client went away."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of a body, and what to do before it is sent."""

    start: int
    stop: int
    pause_seconds: float = 0.0
    flipped: bool = False


def plan(size: int, effect: Effect) -> list[Cut]:
    """The pieces of a body of ``size`` bytes; a truncated or reset one ends early. Pure."""
    ends = [at for at in (effect.truncate_after_bytes, effect.reset_after_bytes) if at is not None]
    end = min([size, *ends])
    flip, stall = effect.flip_byte_at, effect.stall_after_bytes
    edges = {0, end}
    edges |= {stall} if stall is not None and stall < end else set()
    edges |= {flip, flip + 1} if flip is not None and flip < end else set()
    marks = sorted(edges)
    return [
        Cut(start, stop, (effect.stall_seconds or 0.0) if start == stall else 0.0, start == flip)
        for start, stop in pairwise(marks)
    ]


class Sender:
    """Sends on one connection. ``stopping`` ends every wait."""

    def __init__(self, connection: socket.socket, client: str, stopping: threading.Event) -> None:
        self._connection = connection
        self._client = client
        self._stopping = stopping

    def wait(self, seconds: float) -> None:
        """Sleep, or Hangup when the server stops."""
        if seconds > 0 and self._stopping.wait(seconds):
            raise Hangup

    def send(self, head: bytes, body: bytes) -> None:
        """A small answer, in one system call."""
        self._connection.sendall(head + body)

    def send_file(self, head: bytes, body: FileBody, effect: Effect, bandwidth: Bandwidth, transfer: Transfer) -> None:
        """An object. Hangup if the answer was cut short on purpose."""
        self._connection.sendall(head, socket.MSG_MORE if body.size else 0)
        for cut in plan(body.size, effect):
            self.wait(cut.pause_seconds)
            if cut.flipped:
                transfer.add(1)
                self._connection.sendall(bytes([os.pread(body.fd, 1, body.offset + cut.start)[0] ^ 0xFF]))
                continue
            for start, stop in _pieces(cut, bandwidth.piece_bytes or _MOST_BYTES):
                self.wait(bandwidth.wait_seconds(self._client, stop - start, time.monotonic()))
                self._send_range(body.fd, body.offset + start, stop - start, transfer)
        if effect.reset_after_bytes is not None and effect.reset_after_bytes < body.size:
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)  # close() then sends RST
        if transfer.body_bytes < body.size:
            raise Hangup

    def _send_range(self, fd: int, offset: int, left: int, transfer: Transfer) -> None:
        transfer.add(left)
        try:
            while left:
                done = os.sendfile(self._connection.fileno(), fd, offset, left)
                if not done:
                    raise Hangup  # somebody cut the file short
                offset += done
                left -= done
        finally:
            if left:
                transfer.add(-left)


def _pieces(cut: Cut, piece_bytes: int) -> Iterator[tuple[int, int]]:
    for start in range(cut.start, cut.stop, piece_bytes):
        yield start, min(cut.stop, start + piece_bytes)
