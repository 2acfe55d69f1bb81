"""A store that is full, breaks, is damaged or is left by an unclean stop: for a reader, only a miss."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from cachefs.errors import NoSpace, OriginUnavailable, StoreError, TierUnavailable
from cachefs.fetch import CachedFile, Fetcher
from cachefs.origin.memory import MemoryOrigin
from cachefs.store import Store, TierSettings
from cachefs.store.crc64 import crc64
from cachefs.store.oscalls import Calls, Step
from cachefs.types import ObjectInfo
from tests.unit.fetch.kit import (
    CHUNK,
    Reply,
    ScriptedOrigin,
    content,
    data_files,
    fails,
    in_threads,
    no_account,
    read,
    settings,
)
from tests.waiting import until

SIZE = 20 * CHUNK + 99
DATA = content(SIZE)


P = ParamSpec("P")
R = TypeVar("R")


class FailingCalls(Calls):
    """System calls of which one kind fails while `error` is set."""

    def __init__(self) -> None:
        self.step = Step.DATA_WRITE
        self.error: OSError | None = None

    def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self.error is not None and step is self.step:
            raise self.error
        return call(*args, **kwargs)


class Stage:
    """An origin with one object, a store that can be broken, and a fetcher that tries it again soon."""

    def __init__(self, root: Path, *, capacity_bytes: int = 64 << 20, **changes: float) -> None:
        self.memory = MemoryOrigin()
        self.origin = ScriptedOrigin(self.memory)
        self.info = self.memory.put("k", DATA)
        self.calls = FailingCalls()
        self.tier = TierSettings(root / "tier", capacity_bytes)
        self.store = Store([self.tier], chunk_bytes=CHUNK, calls=self.calls)
        self.fetcher = Fetcher(self.store, settings(**{"store_retry_seconds": 3600.0, **changes}))

    async def __aenter__(self) -> Stage:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.fetcher.aclose()
        self.store.close()

    def open(self, info: ObjectInfo | None = None) -> CachedFile:
        return self.fetcher.open(info or self.info, self.origin, account=no_account)


async def read_all(file: CachedFile, size: int = 3 * CHUNK) -> bytes:
    """The whole object, in requests that respect no border of chunks."""
    answers = [await read(file, offset, size) for offset in range(0, SIZE, size)]
    assert all(isinstance(answer, bytes) for answer in answers), answers
    return b"".join(answer for answer in answers if isinstance(answer, bytes))


def without_cache(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("serving without the cache")]


async def test_a_blob_larger_than_every_tier_is_cached_chunk_by_chunk(tmp_path: Path) -> None:
    async with Stage(tmp_path, capacity_bytes=8 * CHUNK) as stage:
        file = stage.open()
        for size in (CHUNK // 3, CHUNK, 3 * CHUNK):
            assert await read_all(file, size) == DATA
        assert file.backing_fd is None
        assert 0 < file.resident_bytes <= 8 * CHUNK
        assert stage.store.statistics().evicted_chunks > 20
        file.close()


async def test_a_blob_that_not_even_a_chunk_of_fits_is_read_straight_through(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Stage(tmp_path, capacity_bytes=CHUNK) as stage:
        file = stage.open()
        assert await read_all(file) == DATA
        assert file.backing_fd is None
        assert file.resident_bytes == 0
        assert stage.fetcher.statistics().overflow_hits > 0
        (line,) = without_cache(caplog)
        assert "no_space" in line
        file.close()
        await until(lambda: stage.fetcher.statistics().overflow_bytes == 0)  # closed files leave nothing in memory


async def test_memory_stays_within_its_budget_while_the_store_refuses(tmp_path: Path) -> None:
    budget = 16 * CHUNK
    async with Stage(tmp_path, capacity_bytes=8 * CHUNK, memory_bytes=budget) as stage:
        files = [stage.open() for _ in range(4)]
        wrong: list[int] = []
        peaks: list[int] = []

        def whole(number: int) -> None:
            for step in range(21):
                offset = (step + 5 * number) % 21 * CHUNK
                reply = Reply()
                files[number].read(offset, CHUNK, reply)
                if reply.wait() != DATA[offset : offset + CHUNK]:
                    wrong.append(offset)
                found = stage.fetcher.statistics()
                peaks.append(found.overflow_bytes + found.in_flight_memory_bytes)

        await in_threads(4, whole)
        assert wrong == []
        assert max(peaks) <= budget
        for file in files:
            file.close()


@pytest.mark.parametrize("step", [Step.DATA_WRITE, Step.INDEX_HASH, Step.INDEX_BIT])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_store_that_breaks_in_mid_file_is_read_around_and_used_again_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, step: Step, number: int
) -> None:
    async with Stage(tmp_path, store_retry_seconds=0.01) as stage:
        file = stage.open()
        assert await read(file, 0, CHUNK) == DATA[:CHUNK]
        stage.calls.step, stage.calls.error = step, OSError(number, "injected")
        assert await read_all(file) == DATA
        assert len(without_cache(caplog)) == 1, "one line for one cause"
        assert stage.fetcher.statistics().store_faults >= 1
        stage.calls.error = None
        await warmed(stage)
        assert file.backing_fd is not None
        assert await read_all(file) == DATA
        file.close()


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, NoSpace), (errno.EIO, TierUnavailable)])
async def test_a_warm_up_says_why_the_store_takes_nothing(tmp_path: Path, number: int, kind: type[StoreError]) -> None:
    async with Stage(tmp_path) as stage:
        stage.calls.error = OSError(number, "injected")
        with pytest.raises(kind):
            await stage.fetcher.warm(stage.info, stage.origin, account=no_account)


async def test_a_full_store_still_answers_reads_across_chunks_from_file_and_memory(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        file = stage.open()
        assert await read(file, 4 * CHUNK, 1) == DATA[4 * CHUNK : 4 * CHUNK + 1]
        stage.calls.error = OSError(errno.ENOSPC, "injected")
        middle = slice(3 * CHUNK + 7, 6 * CHUNK - 7)
        assert await read(file, middle.start, middle.stop - middle.start) == DATA[middle]
        assert file.resident_bytes == CHUNK
        file.close()


async def test_both_broken_is_the_fault_of_the_origin(tmp_path: Path) -> None:
    async with Stage(tmp_path, read_deadline_seconds=0.1) as stage:
        file = stage.open()
        stage.calls.error = OSError(errno.EIO, "injected")
        stage.origin.always = fails(OriginUnavailable("connection refused"))
        assert await read(file, 0, 10) == errno.EIO
        stage.origin.always = None
        file.close()


async def test_suspect_chunks_are_verified_and_not_fetched_even_while_the_origin_is_down(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        await stage.fetcher.warm(stage.info, stage.origin, account=no_account)
    stage.origin.always = fails(OriginUnavailable("connection refused"))
    store = Store([stage.tier], chunk_bytes=CHUNK, boot_id="another boot")
    async with Fetcher(store, settings()) as fetcher:
        file = fetcher.open(stage.info, stage.origin, account=no_account)
        asked = len(stage.origin.requests)
        assert file.resident_bytes == 0
        assert await read_all(file) == DATA
        assert len(stage.origin.requests) == asked
        assert file.backing_fd is not None
        file.close()
    store.close()


async def test_a_suspect_chunk_that_is_damaged_is_fetched_again(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        await stage.fetcher.warm(stage.info, stage.origin, account=no_account)
        (data_file,) = data_files(stage.store)
    with data_file.open("r+b") as raw:
        raw.seek(5 * CHUNK + 3)
        raw.write(b"flipped")
    fetched = stage.memory.read_bytes
    store = Store([stage.tier], chunk_bytes=CHUNK, boot_id="another boot")
    async with Fetcher(store, settings()) as fetcher:
        file = fetcher.open(stage.info, stage.origin, account=no_account)
        assert await read_all(file) == DATA
        assert stage.memory.read_bytes == fetched + CHUNK
        await fetcher.warm(stage.info, stage.origin, account=no_account)
        file.close()
    store.close()


async def test_a_reader_survives_a_wrong_checksum_that_was_chance(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        info = replace(stage.info, crc64=crc64(DATA))
        stage.origin.faults.append(flips_a_bit)
        await stage.fetcher.warm(info, stage.origin, account=no_account)
        assert stage.fetcher.statistics().corrupt_objects == 1
        file = stage.open(info)
        assert await read_all(file) == DATA
        file.close()


async def test_lasting_corruption_reaches_no_reader_of_the_last_chunk(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        info = replace(stage.info, size_bytes=CHUNK, crc64=crc64(DATA[:CHUNK]) ^ 1)
        file = stage.open(info)
        assert await read(file, 0, 10) == errno.EIO
        assert stage.memory.read_bytes == 2 * CHUNK
        file.close()


async def warmed(stage: Stage) -> None:
    """Warm the object once the store takes its chunks again."""
    while True:
        try:
            return await stage.fetcher.warm(stage.info, stage.origin, account=no_account)
        except StoreError:
            await asyncio.sleep(0)


def flips_a_bit(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
    for piece in pieces:
        damaged = bytearray(piece)
        damaged[0] ^= 1
        yield memoryview(damaged)


async def test_resident_bytes_that_cannot_be_read_are_fetched_again(tmp_path: Path) -> None:
    async with Stage(tmp_path) as stage:
        file = stage.open()
        assert await read(file, 0, SIZE) == DATA
        os.truncate(data_files(stage.store)[0], 5 * CHUNK + 1)
        assert await read(file, 2 * CHUNK, 6 * CHUNK) == DATA[2 * CHUNK : 8 * CHUNK]
        assert await read(file, 0, SIZE) == DATA
        assert stage.store.statistics().tiers[0].faults >= 1
        file.close()


async def at_rest(stage: Stage) -> int:
    """Chunks that came from the origin, once no more come. The time limit of the run is the only one."""
    before, now = -1, 0
    while now != before:
        await asyncio.sleep(0.3)
        before, now = now, stage.fetcher.statistics().bytes_by_source.get("origin", 0)
    return now // CHUNK


def weights(stage: Stage, name: str, chunks: int) -> ObjectInfo:
    """A file that engines read ahead."""
    return stage.memory.put(f"{name}.safetensors", content(chunks * CHUNK))


async def read_chunks(file: CachedFile, chunks: range) -> None:
    data = content(file.info.size_bytes)
    for at in chunks:
        assert await read(file, at * CHUNK, CHUNK) == data[at * CHUNK :][:CHUNK]


async def test_what_is_read_ahead_for_nobody_is_not_fetched_again_in_the_smallest_tier(tmp_path: Path) -> None:
    """A chunk and its neighbour, of which only one fits, would push each other out for ever."""
    async with Stage(tmp_path, capacity_bytes=2 * CHUNK) as stage:
        file = stage.open(weights(stage, "a", 12))
        for offset in range(253, 5 * 18783, 18783):  # the next chunks are half of one and half of another
            assert isinstance(await read(file, offset, 18783), bytes)
        assert await at_rest(stage) <= 40
        file.close()


@pytest.mark.parametrize("following", [False, True])
async def test_what_is_left_of_a_tier_bounds_what_is_read_ahead(tmp_path: Path, following: bool) -> None:
    """Most of it is complete and open: a share of the whole tier would be more than there is room for."""
    async with Stage(tmp_path, capacity_bytes=256 * CHUNK) as stage:
        infos = [weights(stage, "large", 246), weights(stage, "b", 40), weights(stage, "c", 40)]
        alone = stage.open(infos[0])
        await read_chunks(alone, range(246))
        await until(lambda: alone.backing_fd)
        large = stage.fetcher.open(
            infos[0], stage.origin, account=no_account, following=lambda: infos[1:] if following else ()
        )
        alone.close()
        files = [stage.open(info) for info in infos[1:]]
        for file in files:
            await read_chunks(file, range(3))
        assert await at_rest(stage) <= 246 + 80
        for file in files:
            await read_chunks(file, range(3, 40))
        assert await at_rest(stage) <= 246 + 4 * 80
        for file in (large, *files):
            file.close()
