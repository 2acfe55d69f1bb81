"""An origin that resets, stalls, throttles, lies, changes or dies: data, or an errno with one line, and back again."""

from __future__ import annotations

import asyncio
import errno
import logging
import random
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cachefs.errors import (
    CacheError,
    CredentialsExpired,
    DeadlineExceeded,
    OriginArchived,
    OriginDenied,
    OriginNotFound,
    OriginProtocolError,
    OriginThrottled,
    OriginTimeout,
    OriginUnavailable,
)
from cachefs.fetch import CachedFile
from tests.unit.fetch.kit import (
    CHUNK,
    Fault,
    GatedOrigin,
    Reply,
    ScriptedOrigin,
    World,
    breaks_after,
    content,
    dribbles,
    fails,
    in_threads,
    no_account,
    overruns,
    read,
    settings,
)
from tests.waiting import until

SIZE = 40 * CHUNK + 99
DATA = content(SIZE)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    one = World(tmp_path)
    one.origin = ScriptedOrigin(one.memory)
    async with one.fetcher:
        yield one
    one.store.close()


def script(world: World) -> ScriptedOrigin:
    assert isinstance(world.origin, ScriptedOrigin)
    return world.origin


def failed_lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.getMessage().startswith("read failed")]


@pytest.mark.parametrize(
    "fault",
    [
        fails(OriginUnavailable("connection refused")),
        fails(OriginTimeout("no bytes for 10 s")),
        fails(DeadlineExceeded("read: out of time")),
        fails(OriginProtocolError("Content-Range is missing")),
        breaks_after(1, OriginUnavailable("connection reset")),
        breaks_after(CHUNK // 2, OriginTimeout("stalled")),
        breaks_after(CHUNK // 2),
        overruns,
        dribbles,
    ],
)
async def test_a_reader_never_sees_what_a_retry_mends(world: World, fault: Fault) -> None:
    script(world).faults.extend([fault] * 3)
    file = world.open(world.put("k", DATA))
    assert await read(file, 3 * CHUNK + 5, CHUNK) == DATA[3 * CHUNK + 5 : 4 * CHUNK + 5]
    file.close()


async def test_a_retry_resumes_at_the_first_chunk_that_did_not_land(world: World) -> None:
    script(world).faults.append(breaks_after(2 * CHUNK + 100, OriginUnavailable("reset")))
    info = world.put("k", DATA)
    await world.fetcher.warm(info, world.origin, account=world.account)
    asked = script(world).chunks_asked()
    assert sorted(asked) == sorted([*range(41), 2, 3]), "the first span brought two of its four"
    assert sum(count for _, count in world.accounted) == SIZE


@pytest.mark.parametrize("seed", range(5))
async def test_any_mix_of_faults_ends_in_the_right_bytes(world: World, seed: int) -> None:
    chance = random.Random(seed)
    faults: list[Fault] = [
        fails(OriginUnavailable("reset")),
        fails(OriginThrottled("slow down", retry_after_seconds=0.001)),
        breaks_after(chance.randrange(1, 3 * CHUNK), OriginTimeout("stalled")),
        breaks_after(chance.randrange(1, 3 * CHUNK)),
        dribbles,
        overruns,
    ]
    script(world).faults.extend(chance.choices(faults, k=60))
    file = world.open(world.put("k", DATA))
    offsets = [chance.randrange(SIZE) for _ in range(40)]
    answers = await asyncio.gather(*[read(file, offset, 2 * CHUNK) for offset in offsets])
    assert answers == [DATA[offset : offset + 2 * CHUNK] for offset in offsets]
    file.close()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OriginDenied("AccessDenied"), errno.EACCES),
        (CredentialsExpired("SecurityTokenExpired"), errno.EACCES),
        (OriginNotFound("NoSuchKey"), errno.ESTALE),
        (OriginArchived("InvalidObjectState"), errno.EACCES),
        (ZeroDivisionError("a bug"), errno.EIO),
    ],
)
async def test_what_no_retry_mends_is_told_at_once_and_not_remembered(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception, expected: int
) -> None:
    file = world.open(world.put("k", DATA))
    script(world).always = fails(error)
    assert await read(file, CHUNK, 10) == expected
    (line,) = failed_lines(caplog)
    assert "uri=memory://bucket/k" in line
    assert f"offset={CHUNK}" in line
    assert str(error) in line
    script(world).always = None
    assert await read(file, CHUNK, 10) == DATA[CHUNK : CHUNK + 10]
    file.close()


async def test_read_ahead_stops_at_a_final_failure(world: World) -> None:
    file = world.open(world.put("model.safetensors", DATA))
    script(world).always = fails(OriginDenied("no"))
    assert await read(file, 20 * CHUNK, 10) == errno.EACCES
    await until(lambda: world.fetcher.statistics().spans_in_flight == 0)
    asked = len(script(world).requests)
    assert await read(file, 20 * CHUNK, 10) == errno.EACCES
    await until(lambda: world.fetcher.statistics().spans_in_flight == 0)
    assert len(script(world).requests) == asked + 1, "only what somebody waits for is asked again"
    file.close()


async def test_an_object_overwritten_in_mid_read_gives_old_bytes_or_estale_and_never_a_mix(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    info = world.put("k", DATA)
    file = world.open(info)
    assert await read(file, 0, 10) == DATA[:10]
    newer = world.put("k", content(SIZE, seed=2))
    assert await read(file, 5, 10) == DATA[5:15], "what is here is of the old version"
    assert await read(file, 30 * CHUNK, 10) == errno.ESTALE
    assert "object_changed" in failed_lines(caplog)[0]
    fresh = world.open(newer)
    assert await read(fresh, 0, 10) == content(SIZE, seed=2)[:10]
    file.close()
    fresh.close()


async def test_an_origin_that_is_gone_gives_eio_at_the_deadline_and_works_again_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(tmp_path, changes=settings(read_deadline_seconds=0.2, retry_budget=3))
    origin = world.origin = ScriptedOrigin(world.memory)
    async with world.fetcher:
        file = world.open(world.put("k", DATA))
        assert await read(file, 0, 10) == DATA[:10]
        origin.always = fails(OriginUnavailable("connection refused"))
        assert await read(file, 8 * CHUNK, 10) == errno.EIO
        (line,) = failed_lines(caplog)
        for part in ("uri=memory://bucket/k", f"offset={8 * CHUNK}", "no data within 0.2 s", "connection refused"):
            assert part in line
        assert "waited_seconds=0." in line
        assert world.fetcher.statistics().origins["memory://bucket"].down
        assert await read(file, 0, 10) == DATA[:10], "what is here needs no origin"
        origin.always = None
        assert await recovered(file, 8 * CHUNK) == DATA[8 * CHUNK : 8 * CHUNK + 10]
        assert not world.fetcher.statistics().origins["memory://bucket"].down
        file.close()
    world.store.close()


async def test_an_origin_that_is_down_is_probed_and_not_hammered(tmp_path: Path) -> None:
    world = World(tmp_path, changes=settings(retry_budget=5, backoff_base_seconds=5.0, backoff_cap_seconds=5.0))
    origin = world.origin = ScriptedOrigin(world.memory)
    origin.always = fails(OriginUnavailable("connection refused"))
    async with world.fetcher:
        files = [world.open(world.put(f"k{i}", content(4 * CHUNK, seed=i))) for i in range(10)]
        for file in files:
            for chunk in range(4):
                file.read(chunk * CHUNK, 10, Reply())
        await until(lambda: any(load.down for load in world.fetcher.statistics().origins.values()))
        await until(lambda: world.fetcher.statistics().spans_in_flight == 0)
        assert len(origin.requests) <= 5 + 8, "the budget, and what was in flight when it was spent"
        for file in files:
            file.close()
    world.store.close()


async def test_a_storm_of_throttling_costs_speed_and_no_error(world: World) -> None:
    script(world).faults.extend([fails(OriginThrottled("slow down", retry_after_seconds=0.002))] * 30)
    info = world.put("k", DATA)
    await world.fetcher.warm(info, world.origin, account=no_account)
    found = world.fetcher.statistics()
    assert found.throttles == 30
    assert found.failed_reads == 0
    assert world.fetcher.resident_bytes(info) == SIZE


async def test_throttling_of_one_request_holds_all_of_them_back(tmp_path: Path) -> None:
    world = World(tmp_path, changes=settings(initial_concurrency=8))
    origin = world.origin = ScriptedOrigin(world.memory)
    origin.always = fails(OriginThrottled("slow down", retry_after_seconds=3600.0))
    async with world.fetcher:
        first, other = world.open(world.put("a", DATA)), world.open(world.put("b", DATA))
        first.read(0, 10, Reply())
        await until(lambda: world.fetcher.statistics().throttles == 1)
        other.read(0, 10, Reply())
        await until(lambda: world.fetcher.statistics().parked_reads == 2)
        await asyncio.to_thread(lambda: None)  # the loop has turned
        assert len(origin.requests) == 1
        assert world.fetcher.statistics().origins["memory://bucket"].limit == 4
        first.close()
        other.close()
    world.store.close()


async def test_a_slow_origin_holds_up_no_other_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    slow = GatedOrigin(world.memory)
    world.memory.authority = "memory://slow"
    from_slow = world.fetcher.open(world.put("slow", DATA), slow, account=no_account)
    quick_world = World(tmp_path / "quick")
    async with world.fetcher, quick_world.fetcher:
        replies = [Reply() for _ in range(30)]
        for chunk, reply in enumerate(replies):
            from_slow.read(chunk * CHUNK, 10, reply)
        quick = quick_world.memory
        from_quick = world.fetcher.open(quick.put("quick", DATA), quick, account=no_account)
        assert await read(from_quick, 7, 10) == DATA[7:17]
        assert not any(reply.answers for reply in replies)
        slow.gate.set()
        assert [await asyncio.to_thread(reply.wait) for reply in replies] == [
            DATA[chunk * CHUNK : chunk * CHUNK + 10] for chunk in range(30)
        ]
        from_slow.close()
        from_quick.close()
    world.store.close()
    quick_world.store.close()


async def test_eight_threads_that_read_one_cold_file_fetch_it_once(world: World) -> None:
    info = world.put("model.safetensors", DATA)
    file = world.open(info)
    wrong: list[int] = []
    start = threading.Barrier(8)

    def whole(_: int) -> None:
        start.wait()
        for offset in range(0, SIZE, CHUNK // 2):
            reply = Reply()
            file.read(offset, CHUNK // 2, reply)
            if reply.wait() != DATA[offset : offset + CHUNK // 2]:
                wrong.append(offset)

    await in_threads(8, whole)
    assert wrong == []
    assert world.memory.read_bytes == SIZE
    file.close()


async def test_reads_cut_off_by_a_stop_are_answered_once_each(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    world = World(tmp_path)
    gated = world.origin = GatedOrigin(world.memory)
    file = world.open(world.put("k", DATA))
    replies = [Reply() for _ in range(41)]
    for chunk, reply in enumerate(replies):
        file.read(chunk * CHUNK, 10, reply)
    await asyncio.to_thread(gated.wait_asked)
    closing = asyncio.create_task(world.fetcher.aclose())
    assert {await asyncio.to_thread(reply.wait) for reply in replies} == {errno.EIO}
    gated.gate.set()
    await closing
    assert [len(reply.answers) for reply in replies] == [1] * 41
    assert all("stopping" in line for line in failed_lines(caplog))
    file.close()
    world.store.close()


async def recovered(file: CachedFile, offset: int) -> bytes | int:
    """The first answer that is no errno. A probe must be due first, so the deadline may pass once more or twice."""
    while isinstance(answer := await read(file, offset, 10), int):
        assert answer == errno.EIO
    return answer


def test_faults_of_the_kit_do_what_they_say() -> None:
    def pieces() -> Iterator[memoryview]:
        yield memoryview(b"abcdef")

    assert b"".join(breaks_after(4)(pieces())) == b"abcd"
    assert b"".join(overruns(pieces())) == b"abcdefsurplus"
    with pytest.raises(CacheError):
        next(fails(OriginUnavailable("x"))(pieces()))
