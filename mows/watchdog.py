"""Says which operation outlives its deadline, where it stands, and what it waits for; and when the loop does not turn.

Deadlines are kept by whoever does the work. This is the second look, for what should not happen: a call that the kernel
does not give back, a lock that is never released. Each case is one line, once. Nothing is ended here.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Self

from cachefs.operations import Operation
from mows import logs

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
GRACE_SECONDS = 1.0
"""Work that ends in its deadline's own error is not reported: it needs a moment to say so."""

STALL_SECONDS = 2.0
"""The loop answers probes and peers. Its longest slice of work is planned in milliseconds."""

LATE_SECONDS = 0.5
"""When the watchdog itself is woken later than that, the machine stands still: it then judges nobody."""

STACK_FRAMES = 12


@dataclass(frozen=True, slots=True)
class Pulse:
    """What is known of the loop since it was asked last."""

    silent_seconds: float = 0.0
    """How long the watchdog, itself awake in time, has waited for the answer."""
    reported: bool = False


def overdue(running: Iterable[Operation], known: frozenset[int], now: float) -> list[Operation]:
    """Those that outlived their deadline and are not `known` yet."""
    return [one for one in running if one.overdue_seconds(now) > GRACE_SECONDS and one.number not in known]


def felt(pulse: Pulse, slept_seconds: float) -> tuple[Pulse, bool]:
    """The pulse after one more look without an answer, and whether to report it."""
    if slept_seconds > INTERVAL_SECONDS + LATE_SECONDS:
        return pulse, False
    silent_seconds = pulse.silent_seconds + slept_seconds
    report = silent_seconds >= STALL_SECONDS and not pulse.reported
    return Pulse(silent_seconds, pulse.reported or report), report


def stack_of(frame: FrameType | None) -> list[str]:
    """``module.py:line function``, the innermost first; never a value of a variable."""
    found: list[str] = []
    while frame is not None and len(found) < STACK_FRAMES:
        path = "/".join(frame.f_code.co_filename.split("/")[-2:])
        found.append(f"{path}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return found


def stack_of_thread(thread_id: int | None) -> list[str]:
    """Where a thread stands now; empty when there is none, or no more."""
    return [] if thread_id is None else stack_of(sys._current_frames().get(thread_id))  # noqa: SLF001 the one way


class Watchdog:
    """A thread that looks once a second. A context manager, entered on the loop that it watches."""

    def __init__(self, running: Callable[[], Sequence[Operation]]) -> None:
        self._running = running
        self._loop = asyncio.get_running_loop()
        self._loop_thread_id = threading.get_ident()
        self._known: frozenset[int] = frozenset()
        self._pulse = Pulse()
        self._answered = threading.Event()  # set by the loop, cleared before it is asked
        self._answered.set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="mows-watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(STALL_SECONDS)  # it holds no lock and waits for nobody

    def look(self, now: float, slept_seconds: float) -> None:
        """Look once. On the watchdog's thread, or in a test that starts none."""
        running = self._running()
        late = overdue(running, self._known, now)
        for operation in late:
            _report(operation, now)
        still = {operation.number for operation in running}
        self._known = (self._known & still) | {operation.number for operation in late}
        self._feel(slept_seconds)

    def _watch(self) -> None:
        slept_from = time.monotonic()
        while not self._stop.wait(INTERVAL_SECONDS):
            now = time.monotonic()
            self.look(now, now - slept_from)
            slept_from = time.monotonic()

    def _feel(self, slept_seconds: float) -> None:
        if self._answered.is_set():
            self._pulse = Pulse()
            self._answered.clear()
            self._ask()
            return
        self._pulse, report = felt(self._pulse, slept_seconds)
        if report:
            _report_loop(self._pulse.silent_seconds, self._loop_thread_id)

    def _ask(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._answered.set)
        except RuntimeError:  # closed: the daemon is stopping
            self._stop.set()


def _report(operation: Operation, now: float) -> None:
    stack = stack_of_thread(operation.thread_id)
    logs.warn(
        log,
        f"{operation.name} outlived its deadline by {operation.overdue_seconds(now):.1f} s",
        operation=operation.name,
        **operation.details,
        seconds=round(now - operation.began_at, 1),
        **({"stack": " < ".join(stack)} if stack else {}),
    )


def _report_loop(silent_seconds: float, thread_id: int) -> None:
    logs.warn(
        log,
        f"the event loop has not turned for {silent_seconds:.1f} s",
        operation="event loop",
        seconds=round(silent_seconds, 1),
        stack=" < ".join(stack_of_thread(thread_id)),
    )
