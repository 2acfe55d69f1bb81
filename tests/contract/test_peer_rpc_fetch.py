"""Chunks over gRPC, between a server and the fill thread of another node."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import xxhash

from cachefs.errors import PeerBusy, PeerError, PeerLacks, PeerProtocolError, PeerUnavailable
from cachefs.sharing import ChunkStream
from cachefs.types import BlobKey, Deadline
from peer.lane.uploads import SLICE_BYTES, Upload
from peer.rpc.link import PeerLink
from peer.settings import PeerLimits
from peer.values import PeerId
from tests.contract.peer_world import KIB, ME, MIB, World, serving, settings_of

CHUNK_BYTES = 3 * MIB


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(tmp_path) as running:
        yield running


def fetched(link: PeerLink, key: BlobKey, chunk: int, seconds: float = 30.0) -> tuple[bytes, bytes]:
    """Digest and bytes."""
    stream = link.fetch(key, chunk, Deadline.after(seconds))
    try:
        return stream.digest, b"".join(stream)
    finally:
        stream.close()
        stream.close()


async def fetch(link: PeerLink, key: BlobKey, chunk: int) -> tuple[bytes, bytes]:
    return await asyncio.to_thread(fetched, link, key, chunk)


async def test_each_chunk_with_its_digest(world: World) -> None:
    data = os.urandom(2 * CHUNK_BYTES + 12345)
    key = world.shelf.put(data, CHUNK_BYTES)
    async with world.link() as link:
        for chunk in range(3):
            span = key.chunk_range(chunk)
            digest, got = await fetch(link, key, chunk)
            assert got == data[span.start : span.stop]
            assert digest == xxhash.xxh3_128_digest(got)
    assert world.uploads.sent_bytes == {ME.peer_id: len(data)}


async def test_in_slices_when_the_uplink_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paced: list[int] = []
    monkeypatch.setattr(Upload, "pace", lambda _, nbytes: paced.append(nbytes))
    limited = settings_of(limits=PeerLimits(uplink_bytes_per_second=1 << 40))
    async with serving(tmp_path, limited) as world, world.link() as link:
        key = world.shelf.put(bytes(SLICE_BYTES + 1), CHUNK_BYTES)
        await fetch(link, key, 0)
    assert paced == [SLICE_BYTES, 1]


async def test_what_is_not_there(world: World) -> None:
    key = world.shelf.put(bytes(2 * CHUNK_BYTES), CHUNK_BYTES, have=0b10)
    stranger = dataclasses.replace(key, version="v2")
    longer = dataclasses.replace(key, size_bytes=1 << 40)
    async with world.link() as link:
        with pytest.raises(PeerLacks, match=f"blob {stranger.blob_id} is not here"):
            await fetch(link, stranger, 0)
        with pytest.raises(PeerLacks, match="is not here"):
            await fetch(link, longer, 99)
        with pytest.raises(PeerLacks, match=f"chunk 0 of blob {key.blob_id} is not here"):
            await fetch(link, key, 0)
        assert len((await fetch(link, key, 1))[1]) == CHUNK_BYTES


async def test_busy_at_once(world: World) -> None:
    key = world.shelf.put(bytes(CHUNK_BYTES), CHUNK_BYTES)
    running = [world.uploads.try_begin(PeerId("x@1"), 1) for _ in range(world.settings.limits.uploads)]
    async with world.link() as link:
        with pytest.raises(PeerBusy, match="all slots are taken"):
            await fetch(link, key, 0)
        for upload in running:
            assert upload is not None
            upload.end()
        assert len((await fetch(link, key, 0))[1]) == CHUNK_BYTES
    assert world.uploads.busy_given == 1


async def test_a_file_that_lost_its_end(world: World) -> None:
    key = world.shelf.put(bytes(CHUNK_BYTES), CHUNK_BYTES)
    world.shelf.truncate(key, 2 * MIB + 1)
    async with world.link() as link:
        with pytest.raises(PeerLacks, match=f"ends at {2 * MIB + 1}"):
            await fetch(link, key, 0)


@pytest.mark.expects_warnings
async def test_a_file_that_cannot_be_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = world.shelf.put(bytes(CHUNK_BYTES), CHUNK_BYTES)

    def broken(_fd: int, _size: int, _offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    async with world.link() as link:
        with pytest.raises(PeerLacks, match="cannot be read"):
            await fetch(link, key, 0)


async def test_ended_early_by_the_reader(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fits the connection's windows, so the server is in the midst of it, and stops."""
    key = world.shelf.put(bytes(64 * MIB), 64 * MIB)
    ended: asyncio.Queue[int] = asyncio.Queue()

    def taste(link: PeerLink) -> int:
        stream = link.fetch(key, 0, Deadline.after(30.0))
        first = len(next(iter(stream)))
        stream.close()
        return first

    with monkeypatch.context() as patch:
        patch.setattr(world.uploads, "note_ended", ended.put_nowait)
        async with world.link() as link:
            assert await asyncio.to_thread(taste, link) == MIB
            left_bytes = await ended.get()
    assert left_bytes > 0
    world.uploads.note_ended(left_bytes)


class Held:
    """A store that does not answer until it is told to."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()
        lend = world.shelf.lend

        def held(blob_id: object) -> object:
            self.asked.set()
            self.go_on.wait()
            return lend(blob_id)  # type: ignore[arg-type]  # what the server asked for

        monkeypatch.setattr(world.shelf, "lend", held)


@pytest.mark.parametrize("seconds", [0.2, 0.0])
async def test_the_callers_deadline(world: World, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """And the blob that was lent after the caller had gone is given back: `shelf_in` checks."""
    key, held = world.shelf.put(bytes(KIB), CHUNK_BYTES), Held(world, monkeypatch)
    async with world.link() as link:
        try:
            with pytest.raises(PeerUnavailable, match=r"Fetch: .*Deadline Exceeded"):
                await asyncio.to_thread(fetched, link, key, 0, seconds)
        finally:
            held.go_on.set()


async def test_the_link_is_closed_while_a_thread_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key, held = world.shelf.put(bytes(KIB), CHUNK_BYTES), Held(world, monkeypatch)
    async with world.link() as link:
        waiting = asyncio.create_task(fetch(link, key, 0))
        await asyncio.to_thread(held.asked.wait)
        await link.aclose()
        try:
            with pytest.raises(PeerUnavailable, match="closed"):
                await waiting
            with pytest.raises(PeerUnavailable, match="closed"):
                await fetch(link, key, 0)
        finally:
            held.go_on.set()


async def test_called_off_by_another_thread(world: World) -> None:
    key = world.shelf.put(bytes(64 * MIB), 64 * MIB)
    streams: asyncio.Queue[ChunkStream] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    called_off = threading.Event()

    def take(link: PeerLink) -> None:
        stream = link.fetch(key, 0, Deadline.after(60.0))
        try:
            pieces = iter(stream)
            next(pieces)
            loop.call_soon_threadsafe(streams.put_nowait, stream)
            called_off.wait()
            for _ in pieces:
                pass
        finally:
            stream.close()

    async with world.link() as link:
        taking = asyncio.create_task(asyncio.to_thread(take, link))
        stream = await streams.get()
        stream.cancel()
        stream.cancel()
        called_off.set()
        with pytest.raises(PeerUnavailable):
            await taking


async def test_a_node_with_another_idea_of_the_blob(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cannot happen while ids are hashes; if it does, nothing is written beyond the chunk."""
    key = world.shelf.put(bytes(MIB), CHUNK_BYTES)
    monkeypatch.setattr(BlobKey, "blob_id", key.blob_id)
    async with world.link() as link:
        with pytest.raises(PeerProtocolError, match="has 1048576 bytes there, and 1048577 here"):
            await fetch(link, dataclasses.replace(key, size_bytes=MIB + 1), 0)


async def test_many_at_once(world: World) -> None:
    data = os.urandom(8 * MIB)
    key = world.shelf.put(data, MIB)
    async with world.link() as link:
        got = await asyncio.gather(*(fetch(link, key, chunk) for chunk in range(8)))
    assert b"".join(piece for _, piece in got) == data


async def test_the_server_stops_in_the_midst(tmp_path: Path) -> None:
    streams: list[ChunkStream] = []
    async with serving(tmp_path) as world:
        key = world.shelf.put(bytes(64 * MIB), 64 * MIB)
        link = PeerLink(world.there, lambda: ME, world.server.security, world.settings.times)
        streams.append(await asyncio.to_thread(link.fetch, key, 0, Deadline.after(60.0)))

    def rest() -> None:
        try:
            for _ in streams[0]:
                pass
        finally:
            streams[0].close()

    with pytest.raises(PeerError):
        await asyncio.to_thread(rest)
    await link.aclose()
