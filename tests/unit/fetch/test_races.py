"""Somebody else writes a chunk into the store while its bytes are on their way: nobody who reads notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cachefs.store import ChunkState
from tests.unit.fetch.kit import CHUNK, GatedOrigin, World, content, no_account, read
from tests.unit.store.world import put

DATA = content(4 * CHUNK)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The origin answers once its gate is opened."""
    one = World(tmp_path)
    one.origin = GatedOrigin(one.memory)
    async with one.fetcher:
        yield one
    one.store.close()


def gate(world: World) -> GatedOrigin:
    assert isinstance(world.origin, GatedOrigin)
    return world.origin


async def test_a_chunk_that_is_here_when_its_bytes_come(world: World) -> None:
    info = world.put("k", DATA)
    file = world.open(info)
    reading = asyncio.create_task(read(file, 0, len(DATA)))
    await asyncio.to_thread(gate(world).wait_asked)
    blob = world.store.acquire(info)
    for chunk in range(blob.key.chunk_count):
        put(blob, chunk, DATA)
    gate(world).gate.set()
    assert await reading == DATA
    blob.release()
    file.close()


@pytest.mark.parametrize("fails", [False, True])
async def test_a_chunk_that_somebody_writes_when_its_bytes_come(world: World, fails: bool) -> None:
    info = world.put("k", DATA)
    file = world.open(info)
    reading = asyncio.create_task(read(file, 0, CHUNK))
    await asyncio.to_thread(gate(world).wait_asked)
    blob = world.store.acquire(info)
    writer = blob.write(0)
    gate(world).gate.set()
    assert await reading == DATA[:CHUNK]
    assert blob.state(0) is ChunkState.MISSING
    if fails:
        writer.abort()
    else:
        writer.write(DATA[:CHUNK])
        writer.commit()
    assert await read(file, 0, len(DATA)) == DATA
    await world.fetcher.warm(info, world.origin, account=no_account)
    assert blob.sealed
    blob.release()
    file.close()
