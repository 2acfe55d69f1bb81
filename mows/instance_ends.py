"""What ends an instance by itself: its lease that nobody renews, the end of its process, and the end of its pod."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mows.errors import ProcessNotFound
from mows.pods import LOOK_SECONDS
from mows.processes import ProcessWatch

LEASE_ENDED = "its lease has ended"
PROCESS_ENDED = "its process has ended"
POD_ENDED = "its pod has ended"


@dataclass(frozen=True, slots=True)
class Clocks:
    """Leases end by `monotonic`; the wall clock counts only for records and for people."""

    monotonic: Callable[[], float] = field(default=time.monotonic)
    wall: Callable[[], float] = field(default=time.time)


class InstanceEnds:
    """Of one instance. Belongs to the loop; `close` must be called.

    It may come to an end before `call` has said whom to tell: then it tells at once.
    """

    def __init__(self, clocks: Clocks) -> None:
        self.reason: str | None = None
        """Why it is over; None: it is not."""
        self._clocks = clocks
        self._on_end: Callable[[str], None] = lambda _: None
        self._watch: ProcessWatch | None = None
        self._looking: asyncio.Task[None] | None = None
        self._lease_until: float | None = None
        """Monotonic."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def lease_until(self) -> float | None:
        """Unix time; None: no lease."""
        clocks = self._clocks
        return None if self._lease_until is None else self._lease_until - clocks.monotonic() + clocks.wall()

    @property
    def process_started(self) -> int | None:
        """See `Process.started`; None: no process."""
        return None if self._watch is None else self._watch.process.started

    def watch(self, pid: int) -> None:
        """End with this process. Raises ProcessNotFound."""
        self._watch = ProcessWatch(pid, lambda: self._over(PROCESS_ENDED))

    def watch_again(self, pid: int, started: int | None) -> None:
        """As `watch`, for the process that an earlier daemon watched; where it is gone, this is over."""
        try:
            self._watch = ProcessWatch(pid, lambda: self._over(PROCESS_ENDED), started=started)
        except ProcessNotFound:
            self._over(PROCESS_ENDED)

    async def look(self, pod_is_gone: Callable[[], bool]) -> None:
        """End with a pod: now if it is gone already. `pod_is_gone` may block, and is asked on a thread."""
        if await asyncio.to_thread(pod_is_gone):
            self._over(POD_ENDED)
        else:
            self._looking = asyncio.create_task(self._look(pod_is_gone), name="the pod of an instance")

    def lease(self, seconds: float) -> None:
        """End in this time; in place of what was said before."""
        self._lease_until = self._clocks.monotonic() + seconds
        self._arm()

    def call(self, on_end: Callable[[str], None]) -> None:
        """Tell `on_end` the reason when it is over."""
        self._on_end = on_end
        if self.reason is not None:
            on_end(self.reason)

    def expire(self) -> None:
        """Look at the clock now."""
        if self._lease_until is not None and self._lease_until <= self._clocks.monotonic():
            self._over(LEASE_ENDED)

    def close(self) -> None:
        """Tell nobody any more. Idempotent."""
        self._on_end = lambda _: None
        if self._watch is not None:
            self._watch.close()
        if self._looking is not None:
            self._looking.cancel()
        if self._timer is not None:
            self._timer.cancel()

    async def _look(self, pod_is_gone: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if await asyncio.to_thread(pod_is_gone):
                return self._over(POD_ENDED)

    def _over(self, reason: str) -> None:
        if self.reason is None:
            self.reason = reason
            self._on_end(reason)

    def _arm(self) -> None:
        assert self._lease_until is not None
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, self._lease_until - self._clocks.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay, self._due)

    def _due(self) -> None:
        self.expire()
        if self.reason is None:  # a timer may come a little early
            self._arm()
