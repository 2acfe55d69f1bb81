"""The device threads of one mount: each reads a request and serves it, again and again."""

from __future__ import annotations

import logging
import mmap
import threading
from collections.abc import Callable
from contextlib import suppress

from cachefs.fuse import abi
from cachefs.fuse.device import Device, DeviceClosed
from cachefs.types import Deadline

_log = logging.getLogger(__name__)

STOP_SECONDS = 10.0


class DeviceThreads:
    """A fixed number of threads that pass every message to `handle`. They end with the connection, or by `stop`."""

    def __init__(self, device: Device, handle: Callable[[memoryview], None], count: int, name: str) -> None:
        self._device = device
        self._handle = handle
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{index}", daemon=True) for index in range(count)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout_seconds: float) -> bool:
        """Wait until the connection has ended. False when `timeout_seconds` went by before."""
        deadline = Deadline.after(timeout_seconds)
        for thread in self._started():
            thread.join(deadline.remaining_seconds())
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> bool:
        """Let each thread finish its request, then end it. No handler blocks, so this is soon.

        False when one did not end within `STOP_SECONDS`: the disk behind an open hangs. It is left behind.
        """
        self._device.stop_receivers()
        return self.join(STOP_SECONDS)

    def _started(self) -> list[threading.Thread]:
        return [thread for thread in self._threads if thread.ident is not None]

    def _run(self) -> None:
        buffer = memoryview(mmap.mmap(-1, abi.REQUEST_BYTES))
        with suppress(DeviceClosed), self._device.receiver() as receiver:
            while (message := receiver.receive(buffer)) is not None:
                self._serve(message)

    def _serve(self, message: memoryview) -> None:
        try:
            self._handle(message)
        except Exception:  # noqa: BLE001 a thread that dies would leave requests unanswered
            _log.exception("fuse: a message of %d bytes could not be served", len(message))
