"""asyncio on simulated time: the loop that the daemon's own `peer.exchange` runs on.

Timers are events of the `Timeline`; whatever became ready runs before the next of them. There is one thread, no file
and no socket. What the daemon hands to a thread of its own (it opens a blob) is done at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple

from benchmarks.simulate.timeline import Timeline

Arguments = TypeVarTuple("Arguments")


class SimulatedLoop(asyncio.BaseEventLoop):
    """What tasks, futures and timers need of a loop. `run` makes it the running one meanwhile. Close it after use."""

    def __init__(self, timeline: Timeline) -> None:
        super().__init__()
        self._timeline = timeline
        self._due: deque[asyncio.Handle] = deque()
        self._raised: list[BaseException] = []

    def run(self, first: Callable[[], object], going: Callable[[], bool]) -> None:
        """Call `first`, and let events happen as long as `going` says so. Raises what any callback raised."""
        asyncio._set_running_loop(self)  # noqa: SLF001 - meant for those who write an event loop
        try:
            first()
            self._drain()
            while going():
                self._timeline.step()
                if self._due:
                    self._drain()
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001

    def _drain(self) -> None:
        while self._due:
            handle = self._due.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001 - a loop runs its handles
        if self._raised:
            raise self._raised[0]

    def time(self) -> float:
        """Simulated seconds."""
        return self._timeline.now

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """Before the next event."""
        handle = asyncio.Handle(callback, args, self, context)
        self._due.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        """The same: there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As an event. One that is cancelled stays, and does nothing."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timeline.after(max(0.0, when - self.time()), self._due.append, handle)
        return handle

    def run_in_executor(
        self,
        executor: object,  # noqa: ARG002 - all alike
        func: Callable[[*Arguments], Any],
        *args: *Arguments,
    ) -> asyncio.Future[Any]:
        """At once: it takes no simulated time."""
        done: asyncio.Future[Any] = self.create_future()
        done.set_result(func(*args))
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ends the simulation."""
        self._raised.append(context.get("exception") or RuntimeError(context["message"]))
