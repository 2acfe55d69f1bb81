"""One node, end to end: OSS test server, daemon, mount, and readers that compare every byte."""

from __future__ import annotations

import errno
import mmap
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash

from tests.fuse.node import BUCKET, CHUNK, Node, in_processes, running_node, some_bytes
from tests.waiting import eventually


@pytest.fixture
def node() -> Iterator[Node]:
    with running_node() as running:
        yield running


def map_and_hash(path: Path) -> str:
    """What one rank of an engine does: map the file, touch all of it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        return xxhash.xxh3_128_hexdigest(view)


def test_cold_then_warm_reads_are_the_bytes_of_the_source(node: Node) -> None:
    content = some_bytes(5 * CHUNK + 123)
    node.put("m/model.safetensors", content)
    node.put("m/empty", b"")
    target = node.mount()
    assert (target / "model.safetensors").read_bytes() == content
    assert (target / "empty").read_bytes() == b""
    sent = node.sent_bytes()
    assert (target / "model.safetensors").read_bytes() == content
    assert node.sent_bytes() == sent == len(content)


def test_a_complete_file_is_read_by_the_kernel_alone(node: Node) -> None:
    """SEMANTICS S19, SEMANTICS S12: once complete, opens are passthrough, and the origin is not needed any more."""
    content = some_bytes(3 * CHUNK)
    node.put("m/w.bin", content)
    target = node.mount()
    assert (target / "w.bin").read_bytes() == content
    before = node.daemon.metric("mows_fuse_opens_total", mode="passthrough")
    node.server.stop()
    assert (target / "w.bin").read_bytes() == content
    assert node.daemon.metric("mows_fuse_opens_total", mode="passthrough") == before + 1


def test_eight_processes_mapping_one_cold_file_fetch_it_once() -> None:
    """SEMANTICS S18: one copy and one fetch, whatever the number of readers."""
    size = 1 << 30
    with running_node(capacity_bytes=2 * size) as node:
        source = node.daemon.settings.directory / "big"
        digest = write_big_file(source, size)
        node.server.put_file(BUCKET, "m/big.safetensors", source)
        target = node.mount()
        digests = in_processes(8, map_and_hash, target / "big.safetensors")
        assert set(digests) == {digest}
        assert node.sent_bytes() <= 1.01 * size
        blobs = node.daemon.call("GET", "/cache/blobs")["blobs"]
        assert [blob["resident_bytes"] for blob in blobs] == [size]


def write_big_file(path: Path, size: int) -> str:
    """A file of `size` bytes in distinct blocks; its xxh3-128."""
    digest = xxhash.xxh3_128()
    block = some_bytes(1 << 20)
    with path.open("wb") as file:
        for number in range(size >> 20):
            piece = number.to_bytes(8, "little") + block[8:]
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()


def test_an_overwritten_object_is_never_mixed(node: Node) -> None:
    """SEMANTICS S7, SEMANTICS S8: old bytes from the cache, ESTALE for what is missing, never new bytes."""
    old, new = some_bytes(64 * CHUNK, seed=1), some_bytes(64 * CHUNK, seed=2)
    node.put("m/data.raw", old)
    target = node.mount()
    with (target / "data.raw").open("rb", buffering=0) as file:
        assert os.pread(file.fileno(), 4096, 0) == old[:4096]
        node.put("m/data.raw", new)
        failures = [chunk for chunk in range(64) if is_stale(file.fileno(), old, chunk * CHUNK)]
    assert failures, "the whole file was read ahead before it was overwritten: the test shows nothing"
    assert "object_changed" in node.log
    assert "data.raw" in node.log


def is_stale(fd: int, old: bytes, offset: int) -> bool:
    """Whether a read of a chunk fails with ESTALE; bytes it gives instead must be the old ones."""
    try:
        piece = os.pread(fd, CHUNK, offset)
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        return True
    assert piece == old[offset : offset + CHUNK]
    return False


def test_a_gone_origin_is_an_error_in_time_and_comes_back_without_a_remount() -> None:
    """SEMANTICS S13."""
    content = some_bytes(40 * CHUNK)
    with running_node(sections={"fetch": {"read_deadline": 2}}) as node:
        node.put("m/data.raw", content)
        target = node.mount()
        with (target / "data.raw").open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            assert os.pread(file.fileno(), 4096, 0) == content[:4096]
            node.server.stop()
            with pytest.raises(OSError, match="Input/output") as caught:
                os.pread(file.fileno(), 4096, 30 * CHUNK)
            assert caught.value.errno == errno.EIO
            node.server.start()
            eventually(lambda: can_read(file.fileno(), content, 30 * CHUNK), "the read after the origin is back")
        assert "deadline_exceeded" in node.log
        assert "Connection refused" in node.log


def can_read(fd: int, content: bytes, offset: int) -> bool:
    """Whether a read at `offset` works; whatever it gives must be right."""
    try:
        piece = os.pread(fd, 4096, offset)
    except OSError:
        return False
    assert piece == content[offset : offset + 4096]
    return True


def test_a_storm_of_throttling_slows_reads_down_and_fails_none(node: Node) -> None:
    """SEMANTICS S14: the limit of concurrency falls in the storm and recovers after it."""
    content = some_bytes(24 * CHUNK)
    node.put("m/w.safetensors", content)
    target = node.mount()
    node.server.faults.throttle(30, operation="GetObject")
    assert (target / "w.safetensors").read_bytes() == content
    assert node.daemon.metric("mows_fetch_throttles_total") > 0
    lowest = node.daemon.metric("mows_origin_concurrency_limit")
    more = some_bytes(200 * CHUNK, seed=3)
    node.put("n/more.safetensors", more)
    other = node.mount("n/", "n")
    assert (other / "more.safetensors").read_bytes() == more
    assert node.daemon.metric("mows_origin_concurrency_limit") > lowest


def test_an_interrupted_read_returns_at_once_and_its_bytes_still_come(node: Node) -> None:
    """SEMANTICS S16: a blocked reader that is killed is gone at once, not after the origin's answer."""
    content = some_bytes(2 * CHUNK)
    node.put("m/slow.raw", content)
    target = node.mount()
    release = threading.Event()
    node.server.faults.stall_body(1000, 20.0)
    reader = subprocess.Popen(["cat", target / "slow.raw"], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: node.daemon.metric("mows_fetch_parked_reads") > 0, "a parked read")
        reader.kill()
        reader.wait(10)
    finally:
        reader.kill()
        release.set()
    node.server.faults.clear()
    assert (target / "slow.raw").read_bytes() == content
