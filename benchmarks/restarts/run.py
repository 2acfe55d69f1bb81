"""The three parts of a run: a cold load that is disturbed, a warm restart without an origin, a power cut."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.restarts.damage import forget_boot, lose_data, lose_index
from benchmarks.restarts.reader import Reading
from benchmarks.restarts.stage import Reader, Stage, drop_page_cache

WAYS = ("read", "read", "mmap", "mmap")
SERVING_SECONDS = 0.4
"""How much of a daemon's life is left for the load, about, when it is killed in the middle of it."""
LIFE_SECONDS = (0.0, 1.0)
"""Shortest and longest time for which a daemon serves the mount before it ends."""
START_SECONDS = 30.0
"""A daemon that has not taken the mount over by then never will."""
LOST_PAGES, LOST_RECORDS = 5, 4
"""Of each blob, in the power cut."""


@dataclass(frozen=True, slots=True)
class Disturbed:
    """A cold load during which daemons end."""

    signal: str
    ends: int
    """Of daemons, while somebody read."""
    takeovers: int
    """Daemons that went on with the mount."""
    readings: Sequence[Reading]
    wrong: int
    """Files whose digest was not the source's; failed ones are counted as `failures`."""
    errors_logged: int
    """Lines of the log that say ERROR, or that a read failed."""

    @property
    def failures(self) -> int:
        """Files that could not be read to their end, over all readers."""
        return sum(reading.failures for reading in self.readings)

    @property
    def longest_stall_seconds(self) -> float:
        """Of any reader."""
        return max(reading.longest_stall_seconds for reading in self.readings)


@dataclass(frozen=True, slots=True)
class Warm:
    """One reader that finds everything in the cache, while the origin cannot be reached."""

    first_block_seconds: float
    bytes_per_second: float
    wrong: int

    @classmethod
    def of(cls, reading: Reading, digests: Sequence[str]) -> Warm:
        """What a reading comes to."""
        return cls(reading.first_block_seconds, reading.bytes / reading.seconds, wrong_files([reading], digests))


@dataclass(frozen=True, slots=True)
class Restarted:
    """Warm reads before a restart, after it, and after one that took the machine with it."""

    before: Warm
    after: Warm
    verified: Warm
    """Every chunk was compared with its hash before its first use."""


@dataclass(frozen=True, slots=True)
class PowerCut:
    """Reads of a tier in which index and data do not fit together any more."""

    wrong: int
    failures: int
    bytes_from_origin: int
    """Fetched again."""


def wrong_files(readings: Sequence[Reading], digests: Sequence[str]) -> int:
    """Files that were read to their end and are not what they should be."""
    pairs = [(found, wanted) for reading in readings for found, wanted in zip(reading.digests, digests, strict=False)]
    return sum(found != wanted and not found.startswith("error") for found, wanted in pairs)


def disturbed(stage: Stage, number: signal.Signals, *, ends: int, rng: random.Random) -> Disturbed:
    """Load the model cold, while `ends` daemons end by this signal, each followed by the next at once."""
    mount_id = number.name.lower()
    source = stage.server.put_tree(mount_id, stage.directory / "model")
    size_bytes = sum(path.stat().st_size for path in (stage.directory / "model").iterdir())
    stage.server.call("faults.limit_bandwidth", total_bytes_per_second=size_bytes / (ends * SERVING_SECONDS))
    stage.daemon.mount(mount_id, source)
    readers = [Reader.start(way, stage.files(mount_id)) for way in WAYS]
    ended = 0
    while ended < ends and any(reader.process.poll() is None for reader in readers):
        time.sleep(rng.uniform(*LIFE_SECONDS))
        stage.replace(number)
        ended += 1
        _wait_for_takeover(stage, mount_id, ended)
    readings = [reader.finish() for reader in readers]
    stage.server.call("faults.limit_bandwidth")
    stage.daemon.wait_ready()
    takeovers = _takeovers(stage, mount_id)
    wrong = wrong_files(readings, stage.digests)
    errors = stage.log.count(" ERROR ") + stage.log.count("read failed")
    return Disturbed(number.name, ended, takeovers, readings, wrong, errors)


def _wait_for_takeover(stage: Stage, mount_id: str, count: int) -> None:
    stage.daemon.wait_until(lambda: _takeovers(stage, mount_id) >= count, timeout_seconds=START_SECONDS)


def _takeovers(stage: Stage, mount_id: str) -> int:
    return sum("taken over" in line and f"mount={mount_id} " in line for line in stage.log.splitlines())


def forget(stage: Stage, number: signal.Signals) -> None:
    """Unmount what `disturbed` has mounted, and evict it."""
    mount_id = number.name.lower()
    stage.daemon.unmount(mount_id)
    stage.daemon.evict(f"oss://models/{mount_id}/")


def warm_restart(stage: Stage, mount_id: str) -> Restarted:
    """Three warm reads of a mount whose origin is unplugged meanwhile."""
    stage.server.call("stop")
    before = _warm(stage, mount_id)
    stage.replace(signal.SIGTERM)
    stage.daemon.wait_ready()
    after = _warm(stage, mount_id)
    stage.end(signal.SIGTERM)
    forget_boot(stage.daemon.tier)
    stage.start()
    stage.daemon.wait_ready()
    verified = _warm(stage, mount_id)
    stage.server.call("start")
    return Restarted(before, after, verified)


def power_cut(stage: Stage, mount_id: str, rng: random.Random) -> PowerCut:
    """Read a tier that has lost pages of data, and records of the index."""
    stage.end(signal.SIGTERM)
    forget_boot(stage.daemon.tier)
    lose_data(stage.daemon.tier, rng, pages=LOST_PAGES)
    lose_index(stage.daemon.tier, rng, records=LOST_RECORDS)
    stage.start()
    stage.daemon.wait_ready()
    drop_page_cache(stage.files(mount_id))
    sent_bytes = stage.server.bytes_sent()
    readings = [reader.finish() for reader in [Reader.start(way, stage.files(mount_id)) for way in WAYS]]
    return PowerCut(
        wrong_files(readings, stage.digests),
        sum(reading.failures for reading in readings),
        stage.server.bytes_sent() - sent_bytes,
    )


def _warm(stage: Stage, mount_id: str) -> Warm:
    files = stage.files(mount_id)
    drop_page_cache(files)
    return Warm.of(Reader.start("read", files).finish(), stage.digests)
