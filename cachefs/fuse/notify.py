"""Tell the kernel what it must forget, from a thread of its own.

An invalidation waits for locked pages, that is for reads in flight. A device thread that sent one could wait for a read
that only it can serve.
"""

from __future__ import annotations

import errno
import logging
import queue
import threading

from cachefs.fuse import codec
from cachefs.fuse.device import Device
from cachefs.types import Ino

_log = logging.getLogger(__name__)


class Notifier:
    """A queue of notifications and the thread that sends them. Thread-safe."""

    def __init__(self, device: Device, name: str) -> None:
        self._device = device
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def invalidate_inode(self, ino: Ino) -> None:
        """The kernel drops the attributes and all cached pages of `ino`. Returns at once."""
        self._queue.put(codec.encode_inval_inode(ino))

    def invalidate_entry(self, parent: Ino, name: bytes) -> None:
        """The kernel looks `name` up again before its next use, and lists the directory anew. Returns at once."""
        self._queue.put(codec.encode_inval_entry(parent, name))

    def stop(self, timeout_seconds: float | None = None) -> bool:
        """Send what is queued and end the thread. Blocks while reads in flight hold pages.

        False when it still does after `timeout_seconds`.
        """
        if self._thread.ident is not None:
            self._queue.put(None)
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            try:
                self._device.send(message)
            except OSError as error:
                # ENOTEMPTY, EBUSY: somebody is inside; the entry is dropped when it is next looked at.
                if error.errno not in {errno.ENOTEMPTY, errno.EBUSY}:
                    _log.warning("fuse notification refused: %s", error)
