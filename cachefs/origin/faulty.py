"""An origin, and the place its keys come from, with what a plan of faults (`cachefs.faults`) does to them."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from cachefs.errors import (
    ObjectChanged,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginProtocolError,
    OriginThrottled,
    OriginTimeout,
    OriginUnavailable,
)
from cachefs.faults import Faults
from cachefs.origin.credentials import KeySource
from cachefs.origin.keys import InvalidKeys, Keys
from cachefs.ports import Origin
from cachefs.types import ByteRange, Deadline, ObjectInfo

LIST: Final = "origin.list"
"""Each page of a listing."""
STAT: Final = "origin.stat"
READ: Final = "origin.read"
"""The beginning of each read."""
PIECE: Final = "origin.piece"
"""Each piece of its body."""
CREDENTIALS: Final = "origin.credentials"

LABELS = frozenset({LIST, STAT, READ, PIECE, CREDENTIALS})

_MEANINGS: dict[int, Callable[[str], OriginError]] = {
    errno.ENOENT: OriginNotFound,
    errno.EACCES: OriginDenied,
    errno.ESTALE: ObjectChanged,
    errno.EBUSY: OriginThrottled,
    errno.ETIMEDOUT: OriginTimeout,
    errno.EPROTO: OriginProtocolError,
}
"""What an origin would say in place of a system call's error; OriginUnavailable for all others."""


class FaultyOrigin:
    """Implements `cachefs.ports.Origin` over another one."""

    def __init__(self, origin: Origin, faults: Faults) -> None:
        self._origin = origin
        self._faults = faults

    @property
    def authority(self) -> str:
        """See `Origin`."""
        return self._origin.authority

    def list(self, prefix: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        """See `Origin`."""
        for page in self._origin.list(prefix, deadline):
            self._check(LIST, prefix)
            yield page

    def stat(self, key: str, deadline: Deadline) -> ObjectInfo:
        """See `Origin`."""
        self._check(STAT, key)
        return self._origin.stat(key, deadline)

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        """See `Origin`. A short piece is the last: the connection ended in mid-body."""
        self._check(READ, info.key)
        pieces = self._origin.read(info, span, deadline)
        with contextlib.closing(pieces):  # type: ignore[type-var]  # all our origins' reads are generators
            for piece in pieces:
                size_bytes = self._cut(info.key, len(piece))
                yield piece[:size_bytes]
                if size_bytes < len(piece):
                    raise OriginProtocolError(f"read {info.uri}: planned fault: the body ended early")

    def close(self) -> None:
        """See `Origin`."""
        self._origin.close()

    def _check(self, label: str, key: str) -> None:
        try:
            self._faults.check(label)
        except OSError as error:
            raise _origin_error(label, key, error) from error

    def _cut(self, key: str, size_bytes: int) -> int:
        try:
            return self._faults.cut(PIECE, size_bytes)
        except OSError as error:
            raise _origin_error(PIECE, key, error) from error


class FaultySource:
    """Implements `KeySource` over another one."""

    def __init__(self, source: KeySource, faults: Faults) -> None:
        self._source = source
        self._faults = faults

    @property
    def name(self) -> str:
        """See `KeySource`."""
        return self._source.name

    def fetch(self) -> Keys:
        """See `KeySource`."""
        try:
            self._faults.check(CREDENTIALS)
        except OSError as error:
            raise InvalidKeys(f"planned fault: {error.strerror}") from None
        return self._source.fetch()

    def stamp(self) -> object:
        """See `KeySource`."""
        return self._source.stamp()


def _origin_error(label: str, key: str, error: OSError) -> OriginError:
    kind = _MEANINGS.get(error.errno or 0, OriginUnavailable)
    return kind(f"{label} {key}: planned fault: {error.strerror}")
