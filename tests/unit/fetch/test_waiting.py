"""Who waits for chunks, and what is asked of whom, can be told at any moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cachefs.origin.memory import MemoryOrigin
from tests.unit.fetch.kit import CHUNK, GatedOrigin, Reply, World, content, no_account, settings

DATA = content(2 * CHUNK)


async def test_a_parked_read_a_warm_up_and_their_request_stand_in_the_book(tmp_path: Path) -> None:
    memory = MemoryOrigin()
    origin = GatedOrigin(memory)
    world = World(tmp_path, origin, settings())
    info = memory.put("k.dat", DATA)
    book, reply = world.fetcher._operations, Reply()
    try:
        async with world.fetcher:
            file = world.fetcher.open(info, origin, account=no_account, mount="m")
            file.read(CHUNK, 10, reply)
            warm = asyncio.create_task(world.fetcher.warm(info, origin, account=no_account))
            await asyncio.to_thread(origin.wait_asked)
            found = {operation.name: operation for operation in book.running()}
            while "warm" not in found:
                await asyncio.sleep(0)
                found = {operation.name: operation for operation in book.running()}
            origin.gate.set()
            await warm
            assert await asyncio.to_thread(reply.wait) == DATA[CHUNK : CHUNK + 10]
            file.close()
            assert [one.name for one in book.running() if one.name != "origin.read"] == []
    finally:
        world.store.close()
    assert found.keys() == {"read", "warm", "origin.read"}
    assert found["read"].details == {
        "mount": "m",
        "path": info.uri,
        "offset": CHUNK,
        "source": origin.authority,
        "waits_for": "chunks 1-2",
    }
    assert found["read"].thread_id is None
    assert found["origin.read"].thread_id is not None
    assert found["origin.read"].details["source"] == origin.authority
    assert all(operation.overdue_seconds(operation.began_at) < 0 for operation in found.values())


@pytest.mark.expects_warnings
@pytest.mark.parametrize("wanted", [True, False])
async def test_a_read_has_failed_only_if_somebody_still_waits_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, wanted: bool
) -> None:
    """What was interrupted, or is left to the next daemon, is nobody's trouble at 3 a.m."""
    memory = MemoryOrigin()
    origin = GatedOrigin(memory)
    world, reply = World(tmp_path, origin, settings()), Reply(wanted=wanted)
    file = world.fetcher.open(memory.put("k.dat", DATA), origin, account=no_account, mount="m")
    file.read(CHUNK, 10, reply)
    await asyncio.to_thread(origin.wait_asked)
    closing = asyncio.create_task(world.fetcher.aclose())
    await asyncio.to_thread(reply.wait)
    origin.gate.set()
    await closing
    file.close()
    world.store.close()
    assert ("read failed" in caplog.text) is wanted
