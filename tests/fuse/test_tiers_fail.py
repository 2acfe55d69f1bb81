"""Tiers that vanish, fill up, turn read-only or fail under a real daemon and its readers, or give blobs to each other.

In each test readers check every byte the whole time, and the daemon is not restarted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.faults import PLAN_VARIABLE
from tests.fuse.daemon_process import Home, Process, running
from tests.waiting import eventually

FILES = 24
FILE_BYTES = (2 << 20) + 777
DISK_BYTES = 64 << 20
READERS = 2


def mount_tmpfs(target: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(target)], check=True)


def mount_ext4(image: Path, target: Path) -> None:
    """A new file system that the kernel makes read-only at the first error."""
    with open(image, "wb") as file:
        file.truncate(DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-e", "remount-ro", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(target)], check=True)


def unmount(target: Path) -> None:
    subprocess.run(["umount", "--lazy", str(target)], check=True)


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """Where the fast tier's file system is mounted, by the test, any number of times."""
    target = tmp_path / "fast"
    target.mkdir()
    yield target
    while target.is_mount():
        unmount(target)


@pytest.fixture
def home(tmp_path: Path, fast: Path) -> Home:
    home = Home(tmp_path / "home")
    tiers = [
        {"path": str(fast / "tier"), "capacity": "40MiB", "huge_pages": "off"},
        {"path": str(tmp_path / "slow"), "capacity": "32MiB"},
    ]
    home.sections["cache"] = {"chunk_bytes": "1MiB", "tiers": tiers}
    for number in range(FILES):
        (home.source / f"{number}.bin").write_bytes(random.Random(number).randbytes(FILE_BYTES))
    return home


class Readers:
    """Threads that read files through the mount, in any order, until they are stopped, and note what was wrong."""

    def __init__(self, home: Home, target: Path) -> None:
        self._digests = {path.name: hashlib.md5(path.read_bytes()).digest() for path in home.source.iterdir()}
        self._target = target
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(seed,)) for seed in range(READERS)]
        self.reads = 0
        self.wrong: list[str] = []

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def go_on(self) -> None:
        """Wait until every file was read some times more, and nothing was wrong."""
        goal = self.reads + 2 * FILES
        eventually(lambda: self.reads >= goal or bool(self.wrong), "readers go on")
        assert not self.wrong

    def _run(self, seed: int) -> None:
        names, chance = sorted(self._digests), random.Random(seed)
        while not self._stop.is_set() and not self.wrong:
            name = chance.choice(names)
            try:
                if hashlib.md5((self._target / name).read_bytes()).digest() != self._digests[name]:
                    self.wrong.append(f"{name}: wrong bytes")
            except OSError as error:
                self.wrong.append(f"{name}: {error}")
            self.reads += 1


def metric(daemon: Process, name: str, tier: Path | None = None) -> float:
    """What the metrics say, of one tier or at all."""
    wanted = f'{name}{{tier="{tier}"}} ' if tier else f"{name} "
    (line,) = [line for line in daemon.http.get("/metrics").text.splitlines() if line.startswith(wanted)]
    return float(line.removeprefix(wanted))


def up(daemon: Process, fast: Path) -> bool:
    """Whether the fast tier takes bytes."""
    return metric(daemon, "mows_tier_up", fast / "tier") == 1


def lines(home: Home, fast: Path, text: str) -> int:
    """How often the log says it of the fast tier."""
    return sum(str(fast) in line and text in line for line in (home.path / "log").read_text().splitlines())


def assert_down(daemon: Process, fast: Path, reason: str) -> None:
    """Metrics, probe and log agree, and name the reason."""
    eventually(lambda: not up(daemon, fast), "the tier is down")
    # The fault that was noticed first may be of one call; the next look says what is wrong in all.
    told = f"{fast / 'tier'}: {reason}"
    eventually(lambda: told in daemon.http.get("/readyz").json()["detail"], "the reason is told")
    assert daemon.http.get("/readyz").status_code == 503
    assert lines(daemon.home, fast, "reads go on") == 1


def assert_up(daemon: Process, fast: Path) -> None:
    """The same, for the better; and it takes bytes."""
    eventually(lambda: up(daemon, fast), "the tier is up")
    assert daemon.http.get("/readyz").status_code == 200
    assert lines(daemon.home, fast, "works again") == 1
    assert lines(daemon.home, fast, "reads go on") == 1


@contextlib.contextmanager
def loaded(home: Home, environment: dict[str, str] | None = None) -> Iterator[tuple[Process, Readers]]:
    """A daemon with a mount and readers that have filled the fast tier."""
    with running(home, os.environ | (environment or {})) as daemon:
        daemon.put_mount()
        with Readers(home, home.mounts / "m") as readers:
            readers.go_on()
            yield daemon, readers
        assert not readers.wrong
        assert daemon.stop() == 0


def blobs_in(fast: Path) -> int:
    return len(list((fast / "tier" / "blobs").glob("*/*/data")))


@contextlib.contextmanager
def kept_full(other: Path) -> Iterator[None]:
    """The file system that `other` lies on, full during the block: what becomes free is taken at once."""
    end = threading.Event()

    def fill() -> None:
        with open(other, "wb", buffering=0) as file:
            while not end.is_set():
                try:
                    file.write(bytes(1 << 16))
                except OSError:
                    end.wait(0.001)

    filler = threading.Thread(target=fill)
    filler.start()
    try:
        yield
    finally:
        end.set()
        filler.join()
        other.unlink()


def test_cold_files_move_to_the_slow_tier_until_a_quarter_of_the_fast_one_is_free(home: Home, fast: Path) -> None:
    mount_tmpfs(fast)
    with loaded(home) as (daemon, readers):
        eventually(lambda: metric(daemon, "mows_store_demotions_total") > 0, "a file has moved")
        eventually(lambda: metric(daemon, "mows_tier_used_bytes", fast / "tier") <= 30 << 20, "a quarter is free")
        readers.go_on()


def test_a_tmpfs_that_vanishes_and_comes_back_empty(home: Home, fast: Path) -> None:
    """SEMANTICS S20."""
    mount_tmpfs(fast)
    with loaded(home) as (daemon, readers):
        unmount(fast)
        assert_down(daemon, fast, "its directory has vanished")
        readers.go_on()
        assert list(fast.iterdir()) == []
        mount_tmpfs(fast)
        assert_up(daemon, fast)
        readers.go_on()
        eventually(lambda: blobs_in(fast) > 0, "new blobs in the tier")


def test_a_disk_that_others_fill(home: Home, fast: Path) -> None:
    """SEMANTICS S20."""
    mount_tmpfs(fast)
    with loaded(home) as (daemon, readers):
        with kept_full(fast / "other"):
            assert_down(daemon, fast, "its file system is full")
            readers.go_on()
        assert_up(daemon, fast)
        readers.go_on()


def test_a_disk_that_the_kernel_makes_read_only(home: Home, fast: Path, tmp_path: Path) -> None:
    """SEMANTICS S20: what it holds is read, and another disk in its place is taken up."""
    mount_ext4(tmp_path / "image", fast)
    with loaded(home) as (daemon, readers):
        number = fast.stat().st_dev
        device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve().name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
        assert_down(daemon, fast, "")
        readers.go_on()
        unmount(fast)
        mount_ext4(tmp_path / "another", fast)
        assert_up(daemon, fast)
        readers.go_on()
        eventually(lambda: blobs_in(fast) > 0, "new blobs in the tier")


def test_a_disk_with_io_errors(home: Home, fast: Path, tmp_path: Path) -> None:
    """SEMANTICS S20."""
    mount_tmpfs(fast)
    plan = tmp_path / "plan"
    plan.write_text(json.dumps({"faults": []}))
    with loaded(home, {PLAN_VARIABLE: str(plan)}) as (daemon, readers):
        for label in ("data_write", "index_bit", "data_open", "directory", "probe", "free_space"):
            faults = [{"label": f"store.{label}", "kind": "errno", "errno": "EIO"}]
            plan.write_text(json.dumps({"faults": faults}))
            readers.go_on()
        eventually(lambda: not up(daemon, fast), "the tier is down")
        plan.write_text(json.dumps({"faults": []}))
        eventually(lambda: up(daemon, fast), "the tier is up")
        readers.go_on()
