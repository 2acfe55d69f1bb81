"""The journal of open files: which inodes the kernel holds open, and how, for the daemon that comes after this one.

The kernel never tells this again. An open or a release is written here before the kernel is answered, so the file is
never behind what the kernel knows. It may be ahead by the requests that were not answered yet; those are sent again
after a takeover, and are known by their `unique`.

The file is a header and records of one size, each with a checksum; the first that does not check out ends it, and is
where the next one goes. It is written to the page cache only: it has to survive kill -9 and not a power cut, which ends
the mount as well. Its room is allocated when it is made, so that a disk that is full later does not matter. Once it is
used up, what still counts is written to a new file, which takes the old one's name.
"""

from __future__ import annotations

import logging
import os
import zlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from struct import Struct
from typing import NamedTuple, Protocol

from cachefs.fuse.modes import InodeState, ModeTable
from cachefs.types import Ino

_log = logging.getLogger(__name__)

HEADER = b"mows opens 1\n".ljust(32, b"\0")
_BODY = Struct("<QQiI")
_CHECKSUM = Struct("<I4x")
RECORD_BYTES = _BODY.size + _CHECKSUM.size
ROOM_BYTES = 256 * 1024
"""8,190 records, about as many opens and releases as 40 starts of a 100-shard model make."""

RECENT = 1024
"""Requests to remember when the file is rewritten: more than there are device threads, which owe one answer each."""


class Kind(IntEnum):
    """What a record says."""

    OPEN = 1
    """An open, with its backing id or 0."""
    RELEASE = 2
    HELD = 3
    """Of a rewritten file: `unique` is how many opens the inode has."""
    ANSWERED = 4
    """Of a rewritten file: this request was recorded earlier."""


class Record(NamedTuple):
    """One event. `unique` is that of the request, as it was first sent."""

    kind: Kind
    unique: int
    ino: Ino = Ino(0)
    backing_id: int | None = None

    def encode(self) -> bytes:
        """The bytes in the file."""
        body = _BODY.pack(self.unique, self.ino, self.backing_id or 0, self.kind)
        return body + _CHECKSUM.pack(zlib.crc32(body))

    @classmethod
    def decode(cls, data: bytes) -> Record | None:
        """None when `data` is no whole record."""
        if len(data) != RECORD_BYTES or zlib.crc32(data[: _BODY.size]) != _CHECKSUM.unpack_from(data, _BODY.size)[0]:
            return None
        unique, ino, backing_id, kind = _BODY.unpack_from(data)
        return cls(Kind(kind), unique, Ino(ino), backing_id or None)


@dataclass(frozen=True, slots=True)
class OpenState:
    """What the kernel holds open."""

    inodes: Mapping[Ino, InodeState]
    answered: frozenset[int]
    """The `unique` of requests that are contained in `inodes` already."""
    unclosed: int | None = None
    """A backing id that nobody uses; the daemon may have died before it gave it back."""


class OpenJournal(Protocol):
    """Where opens are remembered. Its methods never raise: a journal that fails costs the takeover, not the mount."""

    def state(self) -> OpenState:
        """What is open according to the records so far."""
        ...

    def record(self, record: Record) -> None:
        """Remember an OPEN or a RELEASE before the kernel is answered. Calls must not overlap."""
        ...

    def clear(self) -> None:
        """Forget everything: a new connection begins."""
        ...


class NoJournal:
    """For mounts that end with their daemon."""

    def state(self) -> OpenState:
        """See `OpenJournal.state`."""
        return OpenState({}, frozenset())

    def record(self, record: Record) -> None:
        """See `OpenJournal.record`."""

    def clear(self) -> None:
        """See `OpenJournal.clear`."""


class FileJournal:
    """An `OpenJournal` in the file `path`. Whoever makes it closes it. Raises OSError when it cannot be made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fold = _Fold()
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._end_bytes = 0
        """Where the next record goes. 0: the file must be written anew first."""
        self._failing = False
        try:
            self._read()
        except BaseException:
            os.close(self._fd)
            raise

    def state(self) -> OpenState:
        """See `OpenJournal.state`."""
        return self._fold.state()

    def record(self, record: Record) -> None:
        """See `OpenJournal.record`. One write of 32 bytes, mostly."""
        try:
            if not len(HEADER) <= self._end_bytes <= ROOM_BYTES - RECORD_BYTES:
                self._rewrite()
            os.pwrite(self._fd, record.encode(), self._end_bytes)
            self._end_bytes += RECORD_BYTES
            self._failing = False
        except OSError as error:
            self._fail(error)
        self._fold.apply(record)

    def clear(self) -> None:
        """See `OpenJournal.clear`."""
        self._fold = _Fold()
        self._end_bytes = 0
        try:
            os.ftruncate(self._fd, 0)
        except OSError as error:
            self._fail(error)

    def close(self) -> None:
        """Let go of the file, which stays."""
        os.close(self._fd)

    def _read(self) -> None:
        data = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        if data and not data.startswith(HEADER):
            _log.warning("%s: not a journal of this version; files that are open now cannot be read on", self._path)
        for record in records(data):
            self._fold.apply(record)
            self._end_bytes = max(self._end_bytes, len(HEADER)) + RECORD_BYTES

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            _log.warning("%s: %s; until it can be written, open files do not survive a restart", self._path, error)
        self._failing = True
        self._end_bytes = 0

    def _rewrite(self) -> None:
        """Write what counts to a new file, and take that one."""
        new = self._path.with_suffix(".new")
        content = HEADER + b"".join(record.encode() for record in self._fold.summary())
        fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, max(ROOM_BYTES, len(content)))
            os.pwrite(fd, content, 0)
            new.rename(self._path)
        except BaseException:
            os.close(fd)
            raise
        os.close(self._fd)
        self._fd, self._end_bytes = fd, len(content)


def records(data: bytes) -> Iterator[Record]:
    """The records of a whole file, up to the first that is torn or was never written."""
    if not data.startswith(HEADER):
        return
    for start in range(len(HEADER), len(data), RECORD_BYTES):
        record = Record.decode(data[start : start + RECORD_BYTES])
        if record is None:
            return
        yield record


class _Fold:
    """What the records so far add up to."""

    def __init__(self) -> None:
        self._modes = ModeTable()
        self._answered: deque[int] = deque(maxlen=RECENT)
        self._unclosed: int | None = None

    def apply(self, record: Record) -> None:
        self._unclosed = None
        match record.kind:
            case Kind.HELD:
                self._modes.restore(record.ino, InodeState(record.unique, record.backing_id))
                return
            case Kind.OPEN:
                self._modes.opened(record.ino, record.backing_id)
            case Kind.RELEASE:
                self._unclosed = self._modes.released(record.ino)[1]
        self._answered.append(record.unique)

    def state(self) -> OpenState:
        return OpenState(self._modes.open_inodes(), frozenset(self._answered), self._unclosed)

    def summary(self) -> Iterator[Record]:
        for unique in self._answered:
            yield Record(Kind.ANSWERED, unique)
        for ino, inode in self._modes.open_inodes().items():
            yield Record(Kind.HELD, inode.opens, ino, inode.backing_id)
