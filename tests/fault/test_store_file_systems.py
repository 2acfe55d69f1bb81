"""Real file systems that are full, that vanish, and a process that is killed. Needs root: it mounts tmpfs and ext4."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.errors import NoSpace, TierUnavailable
from cachefs.store import Blob, ChunkState, Store, TierSettings
from tests.unit.store.world import content, described_with_crc, open_store

CHUNK_BYTES = 1 << 20
SIZE = 24 << 20
DATA = content(8 * CHUNK_BYTES)
INFO = described_with_crc("o", DATA)


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


@contextlib.contextmanager
def mounted(kind: str, base: Path) -> Iterator[Path]:
    """A file system of SIZE bytes."""
    target = base / kind
    target.mkdir()
    if kind == "tmpfs":
        run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", target)
    else:
        image = base / "image"
        with open(image, "wb") as file:
            file.truncate(SIZE)
        run("mkfs.ext4", "-q", "-m", "0", image)
        run("mount", "-o", "loop", image, target)
    try:
        yield target
    finally:
        run("umount", "--lazy", target)


@pytest.fixture(params=["tmpfs", "ext4"])
def file_system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with mounted(request.param, tmp_path) as target:
        yield target


def available_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def store_on(path: Path, *, capacity_bytes: int = SIZE * 3 // 4, min_free_bytes: int = 0) -> Store:
    return Store([TierSettings(path / "tier", capacity_bytes, min_free_bytes)], chunk_bytes=CHUNK_BYTES)


def put(blob: Blob, chunk: int) -> None:
    span = blob.key.chunk_range(chunk)
    writer = blob.write(chunk)
    try:
        writer.write(memoryview(DATA)[span.start : span.stop])
        writer.commit()
    finally:
        writer.abort()


def assert_right(blob: Blob) -> None:
    for chunk in range(blob.key.chunk_count):
        span = blob.key.chunk_range(chunk)
        if blob.state(chunk) is ChunkState.PRESENT:
            assert os.pread(blob.fd, len(span), span.start) == DATA[span.start : span.stop]


def test_a_disk_that_others_fill_is_a_miss(file_system: Path) -> None:
    store = store_on(file_system)
    blob = store.acquire(INFO)
    store.pin(blob.blob_id)  # else it would give up its own first chunk for the second
    put(blob, 0)
    other = file_system / "other"
    with open(other, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    with pytest.raises(NoSpace):
        put(blob, 1)
    assert_right(blob)
    assert blob.state(0) is ChunkState.PRESENT
    other.unlink()
    for chunk in range(1, 8):
        put(blob, chunk)
    assert blob.sealed
    assert_right(blob)
    store.close()


def test_a_writer_that_meets_the_end_of_the_disk(file_system: Path) -> None:
    store = store_on(file_system)
    blob = store.acquire(INFO)
    writer = blob.write(0)  # the room is there when it is asked for
    with open(file_system / "other", "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 12))
    with pytest.raises(NoSpace, match="No space left on device"):
        writer.write(memoryview(DATA)[:CHUNK_BYTES])
    writer.abort()
    assert blob.state(0) is ChunkState.MISSING
    store.close()


def test_the_floor_holds_at_every_moment(file_system: Path) -> None:
    floor = 10 << 20
    capacity = available_bytes(file_system) - floor
    store = store_on(file_system, capacity_bytes=capacity, min_free_bytes=floor)
    for name in "abc":
        blob = store.acquire(described_with_crc(name, DATA))
        for chunk in range(8):
            put(blob, chunk)
            assert available_bytes(file_system) >= floor
        assert_right(blob)
        blob.release()
    assert store.statistics().evictions >= 1
    store.close()


def test_what_is_used_is_what_du_says(file_system: Path) -> None:
    store = store_on(file_system)
    blob = store.acquire(INFO)
    for chunk in (5, 0, 3):
        put(blob, chunk)
    output = subprocess.check_output(["du", "-s", "--block-size=1", blob.tier.paths(blob.blob_id).directory])
    assert store.statistics().tiers[0].used_bytes == int(output.split()[0])
    store.close()


def test_a_blob_survives_another_mount_of_its_disk(tmp_path: Path) -> None:
    with mounted("ext4", tmp_path) as target:
        store = store_on(target)
        blob = store.acquire(INFO)
        for chunk in range(8):
            put(blob, chunk)
        store.close()
        run("umount", target)
        run("mount", "-o", "loop", tmp_path / "image", target)
        store = store_on(target)
        blob = store.acquire(INFO)
        assert blob.sealed
        assert_right(blob)
        store.close()


def test_an_unmounted_disk_is_unavailable_and_nothing_lands_below_it(file_system: Path) -> None:
    store = store_on(file_system)
    blob = store.acquire(INFO)
    put(blob, 0)
    run("umount", "--lazy", file_system)
    try:
        with pytest.raises(TierUnavailable):
            store.acquire(described_with_crc("new", DATA))
        assert list(file_system.iterdir()) == []
        assert os.pread(blob.fd, CHUNK_BYTES, 0) == DATA[:CHUNK_BYTES]  # who has it open may use it to the end
        store.close()
    finally:
        run("mount", "-t", "tmpfs", "tmpfs", file_system)  # for the fixture to unmount


WRITER = """
import sys, time
from pathlib import Path
from tests.unit.store.world import content, described_with_crc, open_store, put

data = content(400 * 16384)
blob = open_store(Path(sys.argv[1])).acquire(described_with_crc("o", data))
for chunk in range(400):
    put(blob, chunk, data)
    print(chunk, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("after", [0, 7, 50])
def test_what_a_killed_process_wrote_is_reused_at_once(tmp_path: Path, after: int) -> None:
    data = content(400 * 16384)
    child = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout
        for line in child.stdout:
            if int(line) == after:
                child.send_signal(signal.SIGKILL)
                break
    store = open_store(tmp_path)
    blob = store.acquire(described_with_crc("o", data))
    assert all(blob.state(chunk) is ChunkState.PRESENT for chunk in range(after + 1))
    for chunk in range(400):
        if blob.state(chunk) is ChunkState.PRESENT:
            span = blob.key.chunk_range(chunk)
            assert os.pread(blob.fd, len(span), span.start) == data[span.start : span.stop]
    store.close()
