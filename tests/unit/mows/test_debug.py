"""The dump: everything in it, no secret, and an answer also when a part hangs."""

from __future__ import annotations

import asyncio
import json
import threading
import time

import pytest

from cachefs.operations import Operation
from cachefs.store import StoreStatistics
from mows import debug
from mows.debug import Debug, clean, operation_row, thread_rows
from mows.redaction import MASK, Redactor
from tests.unit.mows.peer_values import STATISTICS
from tests.unit.mows.twins import FETCH_STATISTICS, MemoryCache

SECRET = "the-secret-key"


def asked(**changes: object) -> Debug:
    now = time.monotonic()
    fields: dict[str, object] = {
        "node": "node-a",
        "version": "1.2.3",
        "operations": lambda: [Operation(1, "list", now - 3, now + 2, {"source": f"oss://b/?{SECRET}"})],
        "tiers": MemoryCache().statistics,
        "fetching": lambda: FETCH_STATISTICS,
        "fetch_memory_bytes": 256 << 20,
        "peers": lambda: STATISTICS,
        "recent": lambda: [f"WARNING denied: {SECRET}", "redis://:word@host/0"],
        "redact": Redactor([SECRET]),
    }
    return Debug(**(fields | changes))  # type: ignore[arg-type]  # a test's shorthand


async def test_it_tells_everything_and_no_secret() -> None:
    document = await asked().dump()
    assert set(document) == {
        *("node", "version", "pid", "operations", "budgets", "tiers", "fetching", "peers", "recent", "tasks"),
        "threads",
    }
    (operation,) = document["operations"]
    assert (operation["operation"], operation["source"]) == ("list", f"oss://b/?{MASK}")
    assert document["recent"] == [f"WARNING denied: {MASK}", f"redis://{MASK}@host/0"]
    names = [budget["budget"] for budget in document["budgets"]]
    assert names == ["data in flight", "chunks no tier took", "promised to peers", "resident"]
    assert SECRET not in json.dumps(document)


async def test_a_part_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debug, "PART_SECONDS", 0.05)
    held = threading.Event()

    def hang() -> StoreStatistics:
        held.wait(60)
        return MemoryCache().statistics()

    try:
        document = await asked(tiers=hang).dump()
    finally:
        held.set()
    assert document["tiers"] == {"error": "no answer within 0.05 s"}
    assert document["operations"][0]["operation"] == "list"


async def test_a_part_that_fails_says_so() -> None:
    def fail() -> list[Operation]:
        raise OSError("no disk")

    assert (await asked(operations=fail).dump())["operations"] == {"error": "OSError('no disk')"}


async def test_tasks_are_named_with_where_they_wait() -> None:
    async def wait_here() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(wait_here(), name="mount m")
    await asyncio.sleep(0)
    (row,) = [row for row in debug.task_rows(asyncio.all_tasks()) if row["name"] == "mount m"]
    task.cancel()
    assert "wait_here" in str(row["stack"])


def test_threads_are_named_with_where_they_stand() -> None:
    held = threading.Event()
    thread = threading.Thread(target=held.wait, args=(60,), name="some-thread")
    thread.start()
    try:
        (row,) = [row for row in thread_rows() if row["name"] == "some-thread"]
    finally:
        held.set()
        thread.join()
    assert "threading.py" in str(row["stack"])


def test_an_operation_beyond_its_deadline_has_less_than_no_time_left() -> None:
    row = operation_row(Operation(1, "list", 90.0, 95.0, {}, threading.get_ident()), 100.0)
    assert row == {
        "operation": "list",
        "age_seconds": 10.0,
        "seconds_left": -5.0,
        "thread": threading.current_thread().name,
    }


def test_what_json_cannot_say_becomes_text() -> None:
    assert clean({1: frozenset({"a"}), "b": b"x", "c": None, "d": True}, Redactor()) == {
        "1": ["a"],
        "b": "b'x'",
        "c": None,
        "d": True,
    }
