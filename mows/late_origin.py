"""An origin that is opened when the first byte of it is needed.

A restored mount that finds everything in the cache never needs its origin: it is served at once, even where the origin
cannot be reached, and where opening it would mean to load an SDK or to wait for a NAS.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

from cachefs.errors import OriginUnavailable, SourceError
from cachefs.origin import Source
from cachefs.ports import Origin
from cachefs.types import ByteRange, Deadline, ObjectInfo
from mows.ports import Origins


class LateOrigin:
    """Implements `cachefs.ports.Origin`. A context manager: leaving it closes what was opened. Thread-safe."""

    def __init__(self, origins: Origins, source: Source) -> None:
        self._origins = origins
        self._source = source
        self._lock = threading.Lock()  # guards the rest: who comes second waits until the first has opened it
        self._resources = contextlib.ExitStack()
        self._origin: Origin | None = None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def authority(self) -> str:
        """See `Origin.authority`."""
        return self._source.authority

    def list(self, prefix: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        """See `Origin.list`."""
        return self._opened().list(prefix, deadline)

    def stat(self, key: str, deadline: Deadline) -> ObjectInfo:
        """See `Origin.stat`."""
        return self._opened().stat(key, deadline)

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        """See `Origin.read`."""
        return self._opened().read(info, span, deadline)

    def close(self) -> None:
        """See `Origin.close`. An origin that others use, too, stays open for them."""
        with self._lock:
            self._closed = True
            self._origin = None
            self._resources.close()

    def _opened(self) -> Origin:
        with self._lock:
            if self._closed:
                raise OriginUnavailable(f"{self._source.authority}: the mount is going")
            if self._origin is None:
                self._origin = self._use()
            return self._origin

    def _use(self) -> Origin:
        try:
            return self._resources.enter_context(self._origins.use(self._source))
        except SourceError as error:  # the configuration has changed since the mount was made
            raise OriginUnavailable(f"{self._source.authority}: cannot be opened: {error}", hint=error.hint) from error
