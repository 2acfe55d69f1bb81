"""Memory that chunks pass through on their way from a socket into a file: page-aligned, and used again."""

from __future__ import annotations

import mmap
import threading

from cachefs.ports import PIECE_BYTES

KEPT_BUFFERS = 16
"""Unused ones kept: 32 MiB, more than the chunks that a node asks for at a time by default."""


class Buffers:
    """Buffers of `PIECE_BYTES`. As many as are in use at a time, and at most `most` unused ones. Thread-safe."""

    def __init__(self, most: int = KEPT_BUFFERS) -> None:
        self._most = most
        self._lock = threading.Lock()  # guards _unused
        self._unused: list[memoryview] = []

    def __len__(self) -> int:
        """Unused buffers."""
        return len(self._unused)

    def take(self) -> memoryview:
        """A buffer, with whatever was in it. An anonymous mapping: it begins on a page border."""
        with self._lock:
            if self._unused:
                return self._unused.pop()
        return memoryview(mmap.mmap(-1, PIECE_BYTES))

    def give(self, buffer: memoryview) -> None:
        """It is not used any more: nobody reads or writes it until it is taken again."""
        with self._lock:
            if len(self._unused) < self._most:
                self._unused.append(buffer)

    def clear(self) -> None:
        """Free the unused ones."""
        with self._lock:
            self._unused.clear()
