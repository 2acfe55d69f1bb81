"""Open origins, one for all mounts and prewarms that use the same one: they share connections and learned limits."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cachefs.errors import Interrupted
from cachefs.origin import OriginSettings, Source
from cachefs.ports import Origin

Opener = Callable[[Source, OriginSettings], Origin]


@dataclass(slots=True, eq=False)
class _Shared:
    """One origin and its users. The lock of the row guards opening: who comes second waits for the first."""

    authority: str
    endpoint: str
    keys: str
    settings: OriginSettings
    users: int = 0
    origin: Origin | None = None
    opening: threading.Lock = field(default_factory=threading.Lock)

    def serves(self, source: Source, settings: OriginSettings) -> bool:
        """Whether this is the same bucket, asked in the same way, with the same keys."""
        asked = (source.authority, source.endpoint, source.keys, settings)
        return (self.authority, self.endpoint, self.keys, self.settings) == asked


class OriginPool:
    """Implements `mows.ports.Origins`. Thread-safe."""

    def __init__(self, open_origin: Opener, settings_of: Callable[[Source], OriginSettings]) -> None:
        self._open_origin = open_origin
        self._settings_of = settings_of
        self._lock = threading.Lock()  # guards _rows, the users in them, and _closed
        self._rows: list[_Shared] = []
        self._closed = False

    @contextlib.contextmanager
    def use(self, source: Source) -> Iterator[Origin]:
        """See `mows.ports.Origins`. Raises what opening raises, and Interrupted after `close`."""
        settings = self._settings_of(source)
        row = self._enter(source, settings)
        try:
            yield self._opened(row, source)
        finally:
            self._leave(row)

    def close(self) -> None:
        """Close every origin, used or not: what still reads from one fails with OriginUnavailable."""
        with self._lock:
            self._closed = True
            origins = [row.origin for row in self._rows if row.origin is not None]
        for origin in origins:
            origin.close()

    def _enter(self, source: Source, settings: OriginSettings) -> _Shared:
        with self._lock:
            if self._closed:
                raise Interrupted(f"{source.authority}: the daemon is stopping")
            row = next((row for row in self._rows if row.serves(source, settings)), None)
            if row is None:
                row = _Shared(source.authority, source.endpoint, source.keys, settings)
                self._rows.append(row)
            row.users += 1
            return row

    def _opened(self, row: _Shared, source: Source) -> Origin:
        with row.opening:
            if row.origin is None:
                row.origin = self._open_origin(source, row.settings)
            return row.origin

    def _leave(self, row: _Shared) -> None:
        with self._lock:
            row.users -= 1
            if row.users:
                return
            self._rows.remove(row)
        if row.origin is not None:
            row.origin.close()
