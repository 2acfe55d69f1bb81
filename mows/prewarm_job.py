"""What all prewarms have in common, of this node or of several: an id, a state, and who waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Callable

from cachefs.errors import NoSpace
from mows.prewarm_spec import PrewarmSpec
from mows.prewarm_state import FINISHED, PrewarmState
from mows.prewarm_status import PrewarmStatus


class PrewarmJob:
    """Belongs to the loop. `run` is its life, and ends when it is `FINISHED`."""

    nodes: tuple[str, ...] | None = None
    """Of which nodes it is; None: of this one alone."""

    def __init__(self, prewarm_id: str, spec: PrewarmSpec, clock: Callable[[], float]) -> None:
        self.prewarm_id = prewarm_id
        self.spec = spec
        self.state = PrewarmState.PENDING
        self.paused = False
        self.finished_at: float | None = None
        """Monotonic; None while it runs."""
        self.eta_error_ratio: float | None = None
        """See `PrewarmStatus`. None while it runs."""
        self._clock = clock
        self._changed = asyncio.Event()  # set, and replaced, at each change

    @abstractmethod
    async def run(self) -> None:
        """Until it has ended. Errors end here, in the log and in the status."""

    @abstractmethod
    async def status(self) -> PrewarmStatus:
        """Everything about it, now."""

    @abstractmethod
    async def admitted(self, timeout_seconds: float) -> None:
        """Wait until it is known that everything fits, but no longer than this. Raises NoSpace when it does not."""

    async def settled(self, timeout_seconds: float) -> None:
        """As `admitted`, for those who look at the status afterwards."""
        with contextlib.suppress(NoSpace):
            await self.admitted(timeout_seconds)

    async def withdraw(self) -> None:
        """It is to be forgotten: end what it holds elsewhere. It does not run any more."""

    def pause(self) -> None:
        """Fetch nothing more until `resume`. What is on its way still lands. Idempotent."""
        self.paused = True
        self._tell()

    def resume(self) -> None:
        """Go on. Idempotent."""
        self.paused = False
        self._tell()

    async def changed(self, timeout_seconds: float) -> None:
        """Wait for the next change of state, but no longer than this; at once when it has finished."""
        if self.state not in FINISHED:
            await self._change(timeout_seconds)

    async def _change(self, timeout_seconds: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._changed.wait()

    def _go(self, state: PrewarmState) -> None:
        if state in FINISHED:
            self.finished_at = self._clock()
        self.state = state
        self._tell()

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class EndedPrewarm(PrewarmJob):
    """One that an earlier daemon saw the end of: only what it was is left."""

    def __init__(self, last: PrewarmStatus, clock: Callable[[], float], ended_seconds_ago: float) -> None:
        super().__init__(last.prewarm_id, last.spec, clock)
        self.state = last.state
        self.finished_at = clock() - ended_seconds_ago
        self._last = last

    async def run(self) -> None:
        """It has."""

    async def status(self) -> PrewarmStatus:
        """As it ended."""
        return self._last

    async def admitted(self, timeout_seconds: float) -> None:
        """It was, or was not."""
