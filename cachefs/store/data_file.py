"""The data file of one blob: its bytes, its blocks, and what they hash to. Knows nothing of the chunks' states.

What the operating system refuses is counted as a fault of the tier, and becomes an error of the store.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from cachefs.store.hashing import hash_range, whole_crc64
from cachefs.store.occupancy import occupied_bytes
from cachefs.store.oscalls import Calls, Step, write_all
from cachefs.store.placement import BLOCK_BYTES, blocks
from cachefs.store.punch import punch_hole
from cachefs.store.tier import Tier
from cachefs.types import BlobKey, ByteRange


class DataFile:
    """An open data file. Thread-safe."""

    def __init__(self, fd: int, key: BlobKey, tier: Tier, calls: Calls) -> None:
        self.fd = fd
        """Whoever opened it closes it, and calls `forget` before."""
        self._key = key
        self._tier = tier
        self._calls = calls
        # Guards nothing. Who writes takes it: the kernel lets one writer at a time into a file, and the others would
        # spin for their turn (measured: a fifth of the processor time of a cold read on two cores).
        self._write_turn = threading.Lock()

    def forget(self) -> None:
        """Who still uses this from now on gets EBADF, and never another file that has the same number."""
        self.fd = -1

    def write(self, piece: memoryview | bytes, offset: int) -> None:
        """Write all of `piece`. Raises NoSpace or TierUnavailable; what was written by then is undefined."""
        try:
            with self._write_turn:
                write_all(self._calls, Step.DATA_WRITE, self.fd, piece, offset)
        except OSError as error:
            raise self._tier.fault(Step.DATA_WRITE, error) from error

    def occupied_bytes(self) -> int:
        """Its blocks. Raises OSError."""
        return occupied_bytes(self._calls(Step.DATA_MEASURE, os.fstat, self.fd))

    def need_bytes(self, span: ByteRange) -> int:
        """Room to ask for: none when the blocks are there from an earlier attempt, else theirs and one of metadata."""
        try:
            first_hole = self._calls(Step.DATA_MEASURE, os.lseek, self.fd, span.start, os.SEEK_HOLE)
        except OSError as error:
            self._tier.fault(Step.DATA_MEASURE, error)
            first_hole = span.start
        return 0 if first_hole >= span.stop else blocks(len(span)) + BLOCK_BYTES

    def punch(self, chunks: range) -> int:
        """Free the blocks of consecutive chunks that nobody may read or write now; their bytes.

        Raises NoSpace or TierUnavailable.
        """
        chunk_bytes = self._key.chunk_bytes
        try:
            with self._write_turn:  # so that the difference is what these chunks had
                before_bytes = self.occupied_bytes()
                self._calls(Step.PUNCH, punch_hole, self.fd, chunks.start * chunk_bytes, len(chunks) * chunk_bytes)
                return max(0, before_bytes - self.occupied_bytes())
        except OSError as error:
            raise self._tier.fault(Step.PUNCH, error) from error

    def digest(self, chunk: int) -> bytes | None:
        """The xxh3-128 of what is there of a chunk now; None when it cannot be read, which is counted."""
        try:
            return hash_range(self._calls, self.fd, self._key.chunk_range(chunk)).digest
        except OSError as error:
            self._tier.fault(Step.DATA_READ, error)
            return None

    def whole_crc64(self, known: Callable[[int], int | None]) -> int | None:
        """The CRC-64/XZ of the whole; `known` gives that of a chunk, or None. None when it cannot be read: counted."""
        try:
            return whole_crc64(self._calls, self.fd, self._key, known)
        except OSError as error:
            self._tier.fault(Step.DATA_READ, error)
            return None
