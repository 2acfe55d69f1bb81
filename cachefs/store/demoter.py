"""The thread that moves cold blobs down while nobody waits for it: see `cachefs.store.demotion`."""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Self

from cachefs.store.store import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""How often it is looked whether a tier has little room left. A look costs a few microseconds a blob."""
STOP_SECONDS = 10.0
"""The longest wait for a piece on its way (`moving.PIECE_BYTES`) to reach a disk that still works."""


class Demoter:
    """Owns the thread. `stop` it before the store is closed. A context manager does both."""

    def __init__(self, store: Store, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._store = store
        self._look_seconds = look_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mows-demotion", daemon=True)

    def start(self) -> None:
        """Look from now on. Once."""
        self._thread.start()

    def stop(self) -> None:
        """Blocks until the piece that is being copied is done. A disk that hangs is left alone with its thread."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            log.warning("a disk did not end a write in %.0f s: its thread is left behind", STOP_SECONDS)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        while not self._stop.wait(self._look_seconds):
            try:
                self._demote_all()
            except Exception:
                log.exception("unexpected failure while blobs were moved to a later tier; it is tried again")

    def _demote_all(self) -> None:
        while self._store.demote(lambda: not self._stop.is_set()):
            pass
