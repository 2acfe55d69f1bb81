"""What the daemon does at this moment, as one document: what to look at, and to attach to a report, when it hangs.

It must answer when other things do not: each part that touches a lock or a disk is asked in a thread of its own and
given up after a moment. Stacks name places in the code, never values, and every text passes through `mows.redaction`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from cachefs.fetch.statistics import FetchStatistics
from cachefs.operations import Operation
from cachefs.store import StoreStatistics
from mows.peer_report import PeerReport
from mows.redaction import Redactor
from mows.watchdog import stack_of
from peer.statistics import PeerStatistics

PART_SECONDS = 2.0
"""Every part is in memory: a lock that is held for longer is news by itself."""


@dataclass(frozen=True, slots=True)
class Debug:
    """Whom to ask. The callables are quick unless something hangs, and may be called on any thread."""

    node: str
    version: str
    operations: Callable[[], Sequence[Operation]]
    tiers: Callable[[], StoreStatistics]
    fetching: Callable[[], FetchStatistics]
    fetch_memory_bytes: int
    peers: PeerReport
    recent: Callable[[], list[str]]
    redact: Redactor

    async def dump(self) -> dict[str, Any]:
        """The document. On the loop; ends within about `PART_SECONDS`, whatever hangs."""
        now = time.monotonic()
        tiers, fetching, operations = await asyncio.gather(
            _answer(self.tiers), _answer(self.fetching), _answer(self.operations)
        )
        peers = self.peers()
        document = {
            "node": self.node,
            "version": self.version,
            "pid": os.getpid(),
            "operations": [operation_row(one, now) for one in operations] if _is_list(operations) else operations,
            "budgets": [*budgets(fetching, self.fetch_memory_bytes), *_peer_budgets(peers), _resident()],
            "tiers": tiers,
            "fetching": fetching,
            "peers": peers,
            "recent": self.recent(),
            "tasks": task_rows(asyncio.all_tasks()),
            "threads": thread_rows(),
        }
        found: dict[str, Any] = clean(document, self.redact)
        return found


def operation_row(operation: Operation, now: float) -> dict[str, object]:
    """One operation under way."""
    threads = {thread.ident: thread.name for thread in threading.enumerate()}
    left = None if operation.deadline_at is None else round(operation.deadline_at - now, 3)
    return {
        "operation": operation.name,
        "age_seconds": round(now - operation.began_at, 3),
        "seconds_left": left,
        "thread": threads.get(operation.thread_id),
        **operation.details,
    }


def budgets(fetching: object, fetch_memory_bytes: int) -> list[dict[str, object]]:
    """What may be used of memory for data in flight, and what is."""
    if not isinstance(fetching, FetchStatistics):
        return []
    half_bytes = fetch_memory_bytes // 2
    return [
        {"budget": "data in flight", "used_bytes": fetching.in_flight_memory_bytes, "limit_bytes": half_bytes},
        {"budget": "chunks no tier took", "used_bytes": fetching.overflow_bytes, "limit_bytes": half_bytes},
    ]


def thread_rows() -> list[dict[str, object]]:
    """Every thread: where it stands, innermost first."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    frames = sys._current_frames()  # noqa: SLF001 the one way to see other threads' stacks
    return [{"name": names.get(ident, f"thread {ident}"), "stack": stack_of(frame)} for ident, frame in frames.items()]


def task_rows(tasks: Iterable[asyncio.Task[Any]]) -> list[dict[str, object]]:
    """Every task of the loop: what it waits in, innermost first."""
    rows: list[dict[str, object]] = []
    for task in tasks:
        frames: list[FrameType] = task.get_stack()
        rows.append({"name": task.get_name(), "stack": [place for frame in frames for place in stack_of(frame)[:1]]})
    return sorted(rows, key=lambda row: str(row["name"]))


def clean(value: object, redact: Redactor) -> Any:  # noqa: ANN401 any JSON value
    """`value` as JSON can say it, without secrets."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: clean(getattr(value, field.name), redact) for field in fields}
    if isinstance(value, Mapping):
        return {redact(str(key)): clean(one, redact) for key, one in value.items()}
    if isinstance(value, Sequence | frozenset | set) and not isinstance(value, str | bytes):
        return [clean(one, redact) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _peer_budgets(peers: PeerStatistics | None) -> list[dict[str, object]]:
    if peers is None:
        return []
    used_bytes, limit_bytes = peers.bytes_in_flight, peers.bytes_in_flight_limit
    return [{"budget": "promised to peers", "used_bytes": used_bytes, "limit_bytes": limit_bytes}]


def _resident() -> dict[str, object]:
    """What the kernel says. The pages of a memory tier that are mapped count too."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {"budget": "resident", "used_bytes": pages * os.sysconf("SC_PAGE_SIZE"), "limit_bytes": None}


async def _answer(call: Callable[[], object]) -> Any:  # noqa: ANN401 what `call` answers, or what went wrong
    """What `call` says, asked in a thread of its own: those of the loop's pool may all be the ones that hang."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[object] = loop.create_future()

    def deliver(found: object) -> None:
        if not answer.done():
            answer.set_result(found)

    def ask() -> None:
        try:
            found = call()
        except Exception as error:  # noqa: BLE001 a dump says what it can
            found = {"error": repr(error)}
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(deliver, found)

    threading.Thread(target=ask, name="mows-dump", daemon=True).start()
    try:
        async with asyncio.timeout(PART_SECONDS):
            return await answer
    except TimeoutError:
        return {"error": f"no answer within {PART_SECONDS:g} s"}
