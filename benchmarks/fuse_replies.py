"""How the bytes of a resident file should reach the kernel, and how far it should read ahead.

``python -m benchmarks.fuse_replies`` mounts one file of 1 GiB on tmpfs in cached mode and reads it, with an empty page
cache each time, in every combination; the runs are interleaved, and the table shows medians in GB/s. The way that lost
(splice) lives only here. Needs root, and for splice a pipe of 2 MiB, so /proc/sys/fs/pipe-max-size is raised meanwhile.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from cachefs.fuse import FuseMount, MountOptions, codec
from cachefs.fuse.replies import Replies
from tests.fuse.directory_fs import DirectoryFileSystem

MIB = 1 << 20
PIPE_BYTES = 2 * MIB
PIPE_LIMIT = Path("/proc/sys/fs/pipe-max-size")

# A process of its own: a page fault keeps the GIL, which the device threads need.
READER = """
import mmap, os, sys, time
how, path = sys.argv[1:]
fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if how == "O_DIRECT" else 0))
size = os.fstat(fd).st_size
begin = time.perf_counter()
if how == "mmap":
    view = memoryview(mmap.mmap(fd, 0, prot=mmap.PROT_READ))
    for offset in range(0, size, 4096):
        view[offset]
else:
    buffer = mmap.mmap(-1, 1 << 20)
    while os.readv(fd, [buffer]):
        pass
print(size / (time.perf_counter() - begin) / 1e9)
"""


class Run(NamedTuple):
    """One combination."""

    way: str
    read_ahead_bytes: int
    how: str


class SplicingReplies(Replies):
    """File to pipe to device: one copy, two system calls more."""

    _pipes: list[tuple[int, int]]

    def file(self, unique: int, fd: int, offset: int, length: int) -> OSError | None:
        """See `ReadReply.file`."""
        if not self._unanswered.take(unique):
            return None
        source, sink = self._take_pipe()
        os.write(sink, codec.encode_header(unique, length))
        done = 0
        while done < length:
            done += os.splice(fd, sink, length - done, offset_src=offset + done)
        self._counters.delivered(length)
        os.splice(source, self._device._fd, length + 16)  # noqa: SLF001 only this benchmark needs it
        self._pipes.append((source, sink))
        return None

    def _take_pipe(self) -> tuple[int, int]:
        self._pipes = getattr(self, "_pipes", [])
        if self._pipes:
            return self._pipes.pop()
        source, sink = os.pipe()
        fcntl.fcntl(sink, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return source, sink


def measure(run: Run, source: Path, target: Path) -> float:
    """GB/s of one read of the file through a fresh mount."""
    replies = SplicingReplies if run.way == "splice" else Replies
    options = MountOptions(passthrough=False, read_ahead_bytes=run.read_ahead_bytes)
    with patch("cachefs.fuse.mount.Replies", replies):
        mount = FuseMount(DirectoryFileSystem(source, complete=set()), target, options)
        mount.start()
    try:
        command = [sys.executable, "-c", READER, run.how, str(target / "file")]
        return float(subprocess.run(command, capture_output=True, check=True, timeout=300).stdout)
    finally:
        mount.stop(timeout_seconds=30)


@contextmanager
def large_pipes() -> Iterator[None]:
    """Let pipes be PIPE_BYTES long."""
    before = PIPE_LIMIT.read_text()
    PIPE_LIMIT.write_text(str(PIPE_BYTES))
    try:
        yield
    finally:
        PIPE_LIMIT.write_text(before)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    runs = [Run(way, 4 * MIB, how) for way in ("writev", "splice") for how in ("read", "O_DIRECT", "mmap")]
    runs += [Run("writev", mib * MIB // 8, how) for mib in (1, 8, 64) for how in ("read", "mmap")]
    rates: dict[Run, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory, large_pipes():
        source = Path(directory, "source")
        source.mkdir()
        with open(source / "file", "wb") as file:
            file.writelines(os.urandom(MIB) for _ in range(arguments.size_mib))
        for _ in range(arguments.rounds):
            for run in runs:
                rates[run].append(measure(run, source, Path(directory, "mount")))
    rows = [{**run._asdict(), "gb_per_second": round(statistics.median(rates[run]), 2),
             "best": round(max(rates[run]), 2)} for run in runs]  # fmt: skip
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(f"{row['way']:8} {row['how']:10} read-ahead {int(row['read_ahead_bytes']) >> 10:6} KiB   "
              f"median {row['gb_per_second']:5} GB/s   best {row['best']:5}")  # fmt: skip


if __name__ == "__main__":
    main()
