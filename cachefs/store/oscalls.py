"""The one way from the store to the operating system.

Every system call that can fail goes through a `Calls`, with the step it belongs to. In production that is a plain call;
a test replaces it with a twin that fails exactly one step (ENOSPC at the second data write, EIO at the hash, a crash
before the bit), on a real file system, without patching anything. `FaultyCalls` does so in a whole daemon.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from cachefs.errors import NoSpace, StoreError, TierUnavailable
from cachefs.faults import Faults

P = ParamSpec("P")
R = TypeVar("R")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_MOVING: tuple[Callable[..., object], ...] = (os.pwrite, os.preadv)
"""The calls that may move fewer bytes than they were asked to."""


class Step(Enum):
    """What a system call is for."""

    DIRECTORY = "make the blob's directory"
    DATA_CREATE = "create the data file"
    DATA_OPEN = "open the data file"
    DATA_WRITE = "write data"
    DATA_READ = "read data"
    PUNCH = "free the blocks of a chunk"
    DATA_MEASURE = "measure the blob"
    INDEX_CREATE = "create the index"
    INDEX_OPEN = "open the index"
    INDEX_READ = "read the index"
    INDEX_CLEAR = "clear chunks in the index"
    INDEX_HASH = "write a chunk's hash"
    INDEX_BIT = "write a chunk's state"
    META_READ = "read meta.json"
    META_WRITE = "write meta.json"
    META_RENAME = "put meta.json in place"
    DISOWN = "remove meta.json"
    TOUCH = "record the time of use"
    CONDEMN = "rename a blob out of the way"
    DESTROY = "remove a blob"
    COPY = "take a blob of another tier"
    FLUSH = "write back what was copied"
    PLACE = "put a copied blob in place"
    FREE_SPACE = "ask for free space"
    PROBE = "write to see whether it works again"

    @property
    def label(self) -> str:
        """What a plan of faults calls it: ``store.data_write``."""
        return f"store.{self.name.lower()}"


LABELS = frozenset(step.label for step in Step)
"""See `cachefs.faults`."""


class Calls:
    """Calls the operating system."""

    def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:  # noqa: ARG002 (for twins)
        """Whatever ``call(*args, **kwargs)`` returns or raises; `step` is for the twins of this class."""
        return call(*args, **kwargs)


class FaultyCalls(Calls):
    """As `Calls`, with what a plan of faults does to them. A short one moves half of its bytes, as a kernel may."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See `Calls`."""
        if call in _MOVING:
            return self._move(step, call, *args)
        self._faults.check(step.label)
        return call(*args, **kwargs)

    def _move(self, step: Step, call: Callable[..., R], fd: Any, data: Any, offset: Any) -> R:  # noqa: ANN401 theirs
        """A pwrite of `data` or a preadv into ``[data]``, up to where it is to get."""
        (buffer,) = data if call is os.preadv else (data,)
        part = memoryview(buffer)[: self._faults.cut(step.label, len(buffer))]
        return call(fd, [part] if call is os.preadv else part, offset)


@contextmanager
def closing_fd(fd: int) -> Iterator[None]:
    """Close `fd` at the end."""
    try:
        yield
    finally:
        os.close(fd)


def write_all(calls: Calls, step: Step, fd: int, data: bytes | bytearray | memoryview, offset: int) -> None:
    """Write all of `data` at `offset`. Raises OSError; what was written by then is undefined."""
    view = memoryview(data)
    while view:
        written = calls(step, os.pwrite, fd, view, offset)
        if written == 0:
            raise OSError(errno.EIO, "the file system takes no bytes")
        view = view[written:]
        offset += written


def read_into(calls: Calls, step: Step, fd: int, buffer: memoryview, offset: int) -> None:
    """Fill `buffer` from `offset`. Raises OSError, also (EIO) when the file ends before."""
    while buffer:
        count = calls(step, os.preadv, fd, [buffer], offset)
        if count == 0:
            raise OSError(errno.EIO, f"the file ends at {offset}")
        buffer = buffer[count:]
        offset += count


def store_error(step: Step, path: Path, error: OSError) -> StoreError:
    """The error of the cache that `error` amounts to: NoSpace or TierUnavailable."""
    kind = NoSpace if error.errno in _FULL else TierUnavailable
    return kind(f"{path}: cannot {step.value}: {error.strerror or error}")
