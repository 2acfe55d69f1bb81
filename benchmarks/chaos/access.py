"""How programs read: which ranges of a file in which order, and by which call. Pure but for the calls themselves."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

BLOCK_BYTES = 1 << 20
RANDOM_READS = 24
RANDOM_BYTES = 256 * 1024
TENSOR_BYTES = 768 * 1024
HEADER_BYTES = 64 * 1024

Range = tuple[int, int]
"""Offset and count."""


class Access(Protocol):
    """One open file."""

    @property
    def size_bytes(self) -> int:
        """How long it is."""
        ...

    def read(self, offset: int, count: int) -> bytes:
        """The bytes there. OSError."""
        ...

    def close(self) -> None:
        """Give it back."""
        ...


class Called:
    """By pread(2)."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def size_bytes(self) -> int:
        """See `Access`."""
        return os.fstat(self._fd).st_size

    def read(self, offset: int, count: int) -> bytes:
        """See `Access`. Asks again after a short answer, as programs do, until there is nothing more."""
        pieces = []
        while count and (piece := os.pread(self._fd, count, offset)):
            pieces.append(piece)
            offset, count = offset + len(piece), count - len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """See `Access`."""
        os.close(self._fd)


class Mapped:
    """By page faults of a mapping.

    A fault that fails is SIGBUS to whoever touches the page. Here write(2) touches it, into a file in memory, and for
    a system call the same failure is the error EFAULT, which can be counted.
    """

    def __init__(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._map = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
        finally:
            os.close(fd)
        self._copy = os.memfd_create("chaos-copy", os.MFD_CLOEXEC)

    @property
    def size_bytes(self) -> int:
        """See `Access`."""
        return len(self._map)

    def read(self, offset: int, count: int) -> bytes:
        """See `Access`."""
        stop, written = min(offset + count, len(self._map)), 0
        with memoryview(self._map) as pages:
            while offset + written < stop:
                written += os.pwrite(self._copy, pages[offset + written : stop], written)
        return os.pread(self._copy, written, 0)

    def close(self) -> None:
        """See `Access`."""
        self._map.close()
        os.close(self._copy)


def forwards(size_bytes: int, _random: random.Random) -> Iterator[Range]:
    """From the first byte to the last, and once beyond."""
    for offset in range(0, size_bytes + 1, BLOCK_BYTES):
        yield offset, BLOCK_BYTES


def anywhere(size_bytes: int, chance: random.Random) -> Iterator[Range]:
    """Some places, of any length, at any offset."""
    for _ in range(RANDOM_READS):
        yield chance.randrange(size_bytes), chance.randint(1, RANDOM_BYTES)


def tensors(size_bytes: int, chance: random.Random) -> Iterator[Range]:
    """As a lazy load of safetensors: the length of the header, the header, then every other tensor in any order."""
    yield 0, 8
    yield 8, HEADER_BYTES
    places = list(range(HEADER_BYTES, size_bytes, TENSOR_BYTES))
    yield from ((offset, TENSOR_BYTES) for offset in chance.sample(places, (len(places) + 1) // 2))


@dataclass(frozen=True, slots=True)
class Way:
    """What one kind of reader does."""

    access: Callable[[str], Access]
    ranges: Callable[[int, random.Random], Iterator[Range]]


WAYS: Mapping[str, Way] = MappingProxyType(
    {
        "read": Way(Called, forwards),
        "mmap": Way(Mapped, forwards),
        "pread": Way(Called, anywhere),
        "lazy": Way(Mapped, tensors),
    }
)
