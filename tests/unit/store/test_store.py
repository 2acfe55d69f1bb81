"""The store as a whole, on real directories."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from cachefs.errors import FormatTooNew
from cachefs.store import Blob, ChunkState, ChunkWriter, Store, TierSettings
from cachefs.store.layout import BlobPaths, blob_paths
from cachefs.store.oscalls import Calls, Step
from tests.unit.store.world import (
    CHUNK_BYTES,
    blob_id_of,
    content,
    describe,
    described_with_crc,
    fill,
    flip_bit,
    is_sealed,
    occupied_bytes,
    open_store,
    put,
)

P = ParamSpec("P")
R = TypeVar("R")

DATA = content(4 * CHUNK_BYTES)
CAPACITY = 200_000  # two blobs of DATA with their indexes, not three


@pytest.fixture
def ticks() -> Callable[[], float]:
    counter = itertools.count(1_000_000)
    return lambda: float(next(counter))


@pytest.fixture
def store(tmp_path: Path, ticks: Callable[[], float]) -> Iterator[Store]:
    store = open_store(tmp_path / "tier", capacity_bytes=CAPACITY, clock=ticks)
    yield store
    store.close()


def test_find_takes_no_reference_and_creates_nothing(store: Store) -> None:
    info = described_with_crc("o", DATA)
    assert store.find(info) is None
    fill(store, info, DATA)
    status = store.find(info)
    assert status is not None
    assert (status.references, status.sealed, status.resident_bytes) == (0, True, len(DATA))
    assert store.blobs() == [status]


def test_another_version_is_another_blob(store: Store) -> None:
    fill(store, describe("o", DATA), DATA)
    assert store.find(describe("o", DATA, version="v2")) is None


def test_the_coldest_blob_goes_for_a_new_one(store: Store) -> None:
    first, second, third = (describe(name, DATA) for name in "abc")
    fill(store, first, DATA)
    fill(store, second, DATA)
    store.acquire(first).release()  # now the second is the colder one
    fill(store, third, DATA)
    assert [store.find(info) is not None for info in (first, second, third)] == [True, False, True]
    statistics = store.statistics()
    assert statistics.evictions == 1
    assert statistics.evicted_bytes >= len(DATA)


def test_what_others_write_while_a_blob_is_measured_is_counted(tmp_path: Path) -> None:
    writers: list[ChunkWriter] = []

    class Busy(Calls):
        def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
            measured = call(*args, **kwargs)
            if step is Step.DATA_MEASURE and writers and args == (blob_paths(tmp_path, blob.blob_id).directory,):
                writers.pop().write(DATA[CHUNK_BYTES : 2 * CHUNK_BYTES])
            return measured

    store = open_store(tmp_path, calls=Busy())
    blob = store.acquire(describe("o", DATA))
    second = blob.write(1)
    writers.append(second)
    put(blob, 0, DATA)
    if writers:
        writers.pop().write(DATA[CHUNK_BYTES : 2 * CHUNK_BYTES])
    second.commit()
    assert store.statistics().tiers[0].used_bytes == occupied_bytes(tmp_path)
    blob.release()
    store.close()


def test_the_last_copy_in_the_swarm_stays_longest(tmp_path: Path, ticks: Callable[[], float]) -> None:
    first, second, third = (describe(name, DATA) for name in "abc")
    elsewhere = {blob_id_of(second): 2}
    tiers = [TierSettings(tmp_path, CAPACITY)]
    store = Store(tiers, chunk_bytes=CHUNK_BYTES, clock=lambda: ticks() / 1000, copies=lambda b: elsewhere.get(b, 0))
    for info in (first, second, third):
        fill(store, info, DATA)
    assert [store.find(info) is not None for info in (first, second, third)] == [True, False, True]
    store.close()


def test_use_is_remembered_across_a_restart(tmp_path: Path, ticks: Callable[[], float]) -> None:
    infos = [describe(name, DATA) for name in "abc"]
    store = open_store(tmp_path, capacity_bytes=CAPACITY, clock=ticks)
    fill(store, infos[0], DATA)
    fill(store, infos[1], DATA)
    store.acquire(infos[0]).release()
    store.close()
    store = open_store(tmp_path, capacity_bytes=CAPACITY, clock=ticks)
    fill(store, infos[2], DATA)
    assert [store.find(info) is not None for info in infos] == [True, False, True]
    store.close()


def put_all(blob: Blob) -> None:
    for chunk in range(blob.key.chunk_count):
        put(blob, chunk, DATA)


def test_neither_an_open_nor_a_pinned_blob_goes(store: Store) -> None:
    opened, pinned, wanted = (describe(name, DATA) for name in "abc")
    fill(store, opened, DATA)
    fill(store, pinned, DATA)
    blob = store.acquire(opened)
    store.pin(blob_id_of(pinned), "lease")
    assert not store.evict(blob.blob_id)
    assert not store.evict(blob_id_of(pinned))
    newcomer = store.acquire(wanted)
    put_all(newcomer)  # in what is left, chunk by chunk
    assert 0 < newcomer.resident_bytes < len(DATA)
    assert [status.sealed for status in (store.find(opened), store.find(pinned)) if status] == [True, True]
    store.unpin(blob_id_of(pinned), "lease")
    for chunk in range(newcomer.key.chunk_count):
        if newcomer.state(chunk) is ChunkState.MISSING:
            put(newcomer, chunk, DATA)
    assert newcomer.resident_bytes == len(DATA)
    assert store.find(pinned) is None
    assert os.pread(blob.fd, len(DATA), 0) == DATA
    blob.release()
    newcomer.release()


def test_a_pin_of_two_holders_ends_with_the_second(store: Store) -> None:
    blob_id = fill(store, describe("o", DATA), DATA)
    store.pin(blob_id, "a")
    store.pin(blob_id, "a")
    store.pin(blob_id, "b")
    store.unpin(blob_id, "a")
    assert not store.evict(blob_id)
    store.unpin(blob_id, "b")
    assert store.evict(blob_id)
    assert not store.evict(blob_id)
    store.unpin(blob_id, "b")
    with pytest.raises(KeyError):
        store.pin(blob_id)


def test_a_partial_blob_can_be_evicted(store: Store) -> None:
    info = describe("o", DATA)
    blob = store.acquire(info)
    put(blob, 0, DATA)
    blob.release()
    assert store.evict(blob.blob_id)
    assert store.find(info) is None


def test_eviction_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    assert store.evict(fill(store, describe("o", DATA), DATA))
    assert list((tmp_path / "tier" / "blobs").glob("*/*")) == []
    assert store.statistics().tiers[0].used_bytes == 0


def test_used_bytes_are_what_du_says(store: Store, tmp_path: Path) -> None:
    fill(store, describe("a", DATA), DATA)
    blob = store.acquire(describe("b", DATA))
    put(blob, 2, DATA)
    tier = store.statistics().tiers[0]
    assert (tier.used_bytes, tier.reserved_bytes, tier.blobs) == (occupied_bytes(tmp_path / "tier"), 0, 2)
    assert tier.free_bytes > 0
    blob.release()


def test_writing_a_chunk_again_needs_no_new_room(tmp_path: Path) -> None:
    size = 16 * CHUNK_BYTES
    store = open_store(tmp_path, capacity_bytes=size + 10 * 4096)
    info, data = describe("o", content(size), crc=1), content(size)
    blob = store.acquire(info)
    for _ in range(3):  # each time the whole is rejected, and its blocks stay
        for chunk in range(15):
            put(blob, chunk, data)
        with pytest.raises(Exception, match="the origin says"):
            put(blob, 15, data)
    assert store.statistics().no_space == 0
    store.close()


def test_blobs_go_to_the_first_tier_that_can_hold_them(tmp_path: Path) -> None:
    tiers = [TierSettings(tmp_path / "memory", CAPACITY // 2), TierSettings(tmp_path / "disk", CAPACITY)]
    store = Store(tiers, chunk_bytes=CHUNK_BYTES)
    small, second, large = describe("s", DATA), describe("t", DATA), describe("l", DATA + DATA)
    blob = store.acquire(small)  # wants the memory tier whole, although nothing is written yet
    fill(store, second, DATA)
    assert [status.tier.name for status in store.blobs()] == ["memory", "disk"]
    store.evict(blob_id_of(second))
    fill(store, large, DATA + DATA)
    assert [status.tier.name for status in store.blobs()] == ["memory", "disk"]
    blob.release()
    store.close()


def test_a_blob_larger_than_every_tier_lives_there_chunk_by_chunk(store: Store) -> None:
    data = content(2 * CAPACITY)
    blob = store.acquire(describe("huge", data))
    for chunk in range(blob.key.chunk_count):
        put(blob, chunk, data)
    (tier,) = store.statistics().tiers
    assert CAPACITY // 2 < tier.used_bytes <= CAPACITY
    blob.release()


@pytest.mark.expects_warnings
def test_a_blob_in_two_tiers_is_kept_once(tmp_path: Path) -> None:
    info = describe("o", DATA)
    store = open_store(tmp_path / "a")
    fill(store, info, DATA)
    store.close()
    open_store(tmp_path / "b").close()
    shutil.copytree(tmp_path / "a" / "blobs", tmp_path / "b" / "blobs", dirs_exist_ok=True)
    store = open_store(tmp_path / "a", tmp_path / "b")
    assert [status.tier.name for status in store.blobs()] == ["a"]
    assert occupied_bytes(tmp_path / "b") == 0
    store.close()


def test_a_restart_finds_everything(tmp_path: Path) -> None:
    whole, part = described_with_crc("whole", DATA), described_with_crc("part", DATA)
    store = open_store(tmp_path)
    fill(store, whole, DATA)
    blob = store.acquire(part)
    put(blob, 1, DATA)
    store.close()
    store = open_store(tmp_path)
    assert sorted((status.sealed, status.resident_bytes) for status in store.blobs()) == [
        (False, CHUNK_BYTES),
        (True, len(DATA)),
    ]
    assert store.statistics().tiers[0].used_bytes == occupied_bytes(tmp_path)
    store.close()


def test_what_an_interrupted_eviction_left_is_removed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    paths = blob_paths(tmp_path, fill(store, describe("o", DATA), DATA))
    store.close()
    paths.directory.rename(paths.dead(1))
    store = open_store(tmp_path)
    assert store.blobs() == []
    assert not paths.dead(1).exists()
    store.close()


DAMAGE: dict[str, Callable[[BlobPaths], object]] = {
    "no data": lambda paths: paths.data.unlink(),
    "no index": lambda paths: paths.index.unlink(),
    "no meta": lambda paths: paths.meta.unlink(),
    "short data": lambda paths: os.truncate(paths.data, 10),
    "long data": lambda paths: os.truncate(paths.data, len(DATA) + 1),
    "short index": lambda paths: os.truncate(paths.index, 70),
    "index of zeros": lambda paths: paths.index.write_bytes(bytes(paths.index.stat().st_size)),
    "garbage meta": lambda paths: paths.meta.write_bytes(b"\0" * 300),
    "empty meta": lambda paths: paths.meta.write_bytes(b""),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_half_deleted_blob_is_a_miss(
    tmp_path: Path, damage: Callable[[BlobPaths], object], caplog: pytest.LogCaptureFixture
) -> None:
    info = described_with_crc("o", DATA)
    store = open_store(tmp_path)
    damaged = blob_paths(tmp_path, fill(store, info, DATA))
    kept = fill(store, described_with_crc("kept", DATA), DATA)
    store.close()
    damage(damaged)
    store = open_store(tmp_path)
    assert [status.blob_id for status in store.blobs()] == [kept]
    assert store.statistics().dropped_blobs == 1
    assert f"blob {damaged.directory.name} in {tmp_path}: dropped" in caplog.text
    fill(store, info, DATA)
    store.close()


@pytest.mark.parametrize("name", ["no data", "no index", "short index", "index of zeros"])
def test_a_blob_that_is_damaged_under_a_running_store_is_a_miss(
    store: Store, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    info = described_with_crc("o", DATA)
    DAMAGE[name](blob_paths(tmp_path / "tier", fill(store, info, DATA)))
    blob = store.acquire(info)
    assert blob.resident_bytes == 0
    assert store.statistics().dropped_blobs == 1
    assert "dropped" in caplog.text
    blob.release()
    assert store.statistics().tiers[0].used_bytes == occupied_bytes(tmp_path / "tier")


@pytest.mark.expects_warnings
def test_a_blob_that_vanishes_while_in_use_is_used_to_the_end(store: Store, tmp_path: Path) -> None:
    info = described_with_crc("o", DATA)
    blob = store.acquire(info)
    put(blob, 0, DATA)
    shutil.rmtree(blob_paths(tmp_path / "tier", blob.blob_id).directory)
    for chunk in (1, 2, 3):
        put(blob, chunk, DATA)
    assert os.pread(blob.fd, len(DATA), 0) == DATA
    blob.release()
    assert store.find(info) is None
    assert store.statistics().tiers[0].used_bytes == 0


def test_a_vanished_blob_can_be_evicted(store: Store, tmp_path: Path) -> None:
    blob_id = fill(store, describe("o", DATA), DATA)
    shutil.rmtree(blob_paths(tmp_path / "tier", blob_id).directory)
    assert store.evict(blob_id)
    assert store.statistics().tiers[0].used_bytes == 0


@pytest.mark.expects_warnings
def test_verify_finds_flipped_bits(store: Store, tmp_path: Path) -> None:
    info = described_with_crc("o", DATA)
    blob_id = fill(store, info, DATA)
    assert store.verify(blob_id) == []
    flip_bit(tmp_path / "tier", blob_id, 1)
    flip_bit(tmp_path / "tier", blob_id, 3 * CHUNK_BYTES)
    assert store.verify(blob_id) == [0, 3]
    assert store.statistics().corrupt_chunks == 2
    status = store.find(info)
    assert status is not None
    assert (status.sealed, status.resident_bytes) == (False, 2 * CHUNK_BYTES)
    assert store.verify(blob_id) == []
    with pytest.raises(KeyError):
        store.verify(blob_id_of(describe("unknown", DATA)))


@pytest.mark.expects_warnings
def test_a_flipped_bit_in_a_hash_costs_the_chunk(store: Store, tmp_path: Path) -> None:
    blob_id = fill(store, describe("o", DATA), DATA)
    with open(blob_paths(tmp_path / "tier", blob_id).index, "r+b") as file:
        file.seek(64 + 32 + 20)  # into the xxh3-128 of chunk 1
        file.write(b"\xff\x00\xff")
    assert store.verify(blob_id) == [1]


@pytest.mark.expects_warnings
def test_an_open_blob_whose_chunk_rots_is_not_sealed_any_more(store: Store, tmp_path: Path) -> None:
    info = described_with_crc("o", DATA)
    blob_id = fill(store, info, DATA)
    blob = store.acquire(info)
    flip_bit(tmp_path / "tier", blob_id, 0)
    store.verify(blob_id)
    assert not is_sealed(blob)
    put(blob, 0, DATA)
    assert blob.sealed
    blob.release()


def test_a_newer_format_names_path_and_both_versions(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text("mows-cache 2\n")
    with pytest.raises(FormatTooNew, match=f"{tmp_path}/FORMAT: format 2 is newer than 1"):
        open_store(tmp_path)


@pytest.mark.expects_warnings
def test_a_blob_that_another_boot_left_loses_only_what_rotted(tmp_path: Path) -> None:
    info = described_with_crc("o", DATA)
    store = open_store(tmp_path, boot_id="1")
    blob_id = fill(store, info, DATA)
    store.close()
    flip_bit(tmp_path, blob_id, 2 * CHUNK_BYTES)
    store = open_store(tmp_path, boot_id="2")
    assert store.verify(blob_id) == [2]
    store.close()


def test_the_time_of_use_survives_another_boot(tmp_path: Path, ticks: Callable[[], float]) -> None:
    store = open_store(tmp_path, boot_id="1", clock=ticks)
    fill(store, describe("o", DATA), DATA)
    (before,) = store.blobs()
    store.close()
    store = open_store(tmp_path, boot_id="2", clock=ticks)
    (after,) = store.blobs()
    assert after.last_used == before.last_used
    store.close()


class SlowUnlink(Calls):
    """Unlinking begins, and goes on when the test says so."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        if self.begun.is_set() and step is Step.FREE_SPACE:
            self.asked.set()
        if step is Step.DESTROY:
            self.begun.set()
            assert self.go_on.wait(60)
        return call(*args, **kwargs)


def test_nobody_waits_for_an_unlink_but_who_needs_the_room(tmp_path: Path) -> None:
    calls = SlowUnlink()
    store = open_store(tmp_path, capacity_bytes=CAPACITY, calls=calls)
    cold, warm, new = (describe(name, DATA) for name in "abc")
    fill(store, cold, DATA)
    fill(store, warm, DATA)
    filler = threading.Thread(target=fill, args=(store, new, DATA))
    filler.start()
    assert calls.begun.wait(60)
    assert store.find(cold) is None  # gone for everybody, although its blocks are not free yet
    store.acquire(warm).release()
    tier = store.statistics().tiers[0]
    assert tier.used_bytes + tier.reserved_bytes <= CAPACITY
    calls.go_on.set()
    filler.join()
    status = store.find(new)
    assert status is not None
    assert status.sealed
    store.close()


def test_room_that_is_about_to_be_free_is_waited_for(tmp_path: Path) -> None:
    calls = SlowUnlink()
    store = open_store(tmp_path, capacity_bytes=CAPACITY, calls=calls)
    cold, pinned, new = (describe(name, DATA) for name in "abc")
    cold_id = fill(store, cold, DATA)
    store.pin(fill(store, pinned, DATA))
    evictor = threading.Thread(target=store.evict, args=(cold_id,))
    evictor.start()
    assert calls.begun.wait(60)
    filler = threading.Thread(target=fill, args=(store, new, DATA))
    filler.start()
    assert calls.asked.wait(60)  # it holds the lock from here until it waits
    calls.go_on.set()
    evictor.join()
    filler.join()
    status = store.find(new)
    assert status is not None
    assert status.sealed
    assert store.statistics().no_space == 0
    store.close()


def test_the_floor_of_the_file_system_counts_like_the_cap(tmp_path: Path) -> None:
    free_bytes = 1 << 20

    class NearlyFull(Calls):
        def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
            answer = call(*args, **kwargs)
            if isinstance(answer, os.statvfs_result):
                fields = list(answer)
                fields[1], fields[4] = 1, free_bytes - occupied_bytes(tmp_path)  # f_frsize, f_bavail
                return os.statvfs_result(fields)  # type: ignore[return-value]  # R is that
            return answer

    floor = free_bytes - CAPACITY
    store = Store([TierSettings(tmp_path, 1 << 30, floor)], chunk_bytes=CHUNK_BYTES, calls=NearlyFull())
    for name in "abcdef":
        fill(store, describe(name, DATA), DATA)
        assert occupied_bytes(tmp_path) <= CAPACITY
    assert store.statistics().evictions >= 4
    store.close()


@pytest.mark.expects_warnings
def test_closing_ends_writers_without_touching_anything(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    blob = store.acquire(describe("o", DATA))
    writer = blob.write(0)
    store.close()
    with pytest.raises(Exception, match="cannot write data"):
        writer.write(DATA[:10])
    writer.abort()
    blob.release()
    assert store.blobs() == []
