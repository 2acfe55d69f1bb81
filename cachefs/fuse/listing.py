"""Directory listings in the kernel's format: one opened directory, read in pieces from any offset."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence

from cachefs.fuse import abi, codec
from cachefs.ports import Attributes, DirectoryEntry
from cachefs.types import ROOT_INO, Ino

UNKNOWN_INO = Ino(0xFFFFFFFF)
"""The number shown for ``..``: nobody resolves a parent by it, and the port has no question that would tell."""

_DOTS = frozenset({b".", b".."})
_NO_LOOKUP = bytes(abi.ENTRY.size + abi.ATTR.size)
_MODE_SHIFT = 12


class Listing:
    """One opened directory: rows that a READDIR or READDIRPLUS at any offset is answered from.

    The offset of a row is the number of rows up to and including it, so that a reader may stop and go on anywhere.
    """

    def __init__(self, ino: Ino, entries: Sequence[DirectoryEntry]) -> None:
        parent = ROOT_INO if ino == ROOT_INO else UNKNOWN_INO
        self._dots = tuple(
            DirectoryEntry(name, Attributes(number, is_directory=True, size_bytes=0, mtime_ns=0))
            for name, number in ((b".", ino), (b"..", parent))
        )
        self._entries = entries

    def plain(self, offset: int, room_bytes: int) -> bytes:
        """The rows from `offset` on that fit."""
        return self._rows(offset, room_bytes, lambda _: b"")

    def plus(self, offset: int, room_bytes: int, entry_valid_seconds: float, attr_valid_seconds: float) -> bytes:
        """The same with what LOOKUP would answer before each row. The kernel skips rows of node 0, as dots must be."""

        def lookup(entry: DirectoryEntry) -> bytes:
            if entry.name in _DOTS:
                return _NO_LOOKUP
            return codec.encode_entry(entry.attributes, entry_valid_seconds, attr_valid_seconds)

        return self._rows(offset, room_bytes, lookup)

    def _rows(self, offset: int, room_bytes: int, prefix: Callable[[DirectoryEntry], bytes]) -> bytes:
        rows = bytearray()
        for index in range(offset, len(self._dots) + len(self._entries)):
            entry = self._row(index)
            row = prefix(entry) + _dirent(entry, index + 1)
            if len(rows) + len(row) > room_bytes:
                break
            rows += row
        return bytes(rows)

    def _row(self, index: int) -> DirectoryEntry:
        dots = len(self._dots)
        return self._dots[index] if index < dots else self._entries[index - dots]


def _dirent(entry: DirectoryEntry, next_offset: int) -> bytes:
    kind = stat.S_IFDIR if entry.attributes.is_directory else stat.S_IFREG
    name = entry.name
    return (
        abi.DIRENT.pack(entry.attributes.ino, next_offset, len(name), kind >> _MODE_SHIFT)
        + name
        + bytes(-len(name) % 8)
    )
