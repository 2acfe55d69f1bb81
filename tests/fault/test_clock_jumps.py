"""The wall clock jumps by hours, both ways: leases, the order of evictions and credentials stay sane."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cachefs.faults import PlannedFaults
from cachefs.origin.credentials import RENEW_BEFORE_SECONDS, Credentials
from cachefs.origin.keys import Keys
from cachefs.origin.memory import MemoryOrigin
from mows.faults import LABELS
from mows.pins import Pins
from tests.unit.mows.twins import MemoryCache
from tests.unit.store.world import content, described_with_crc, fill, open_store

HOURS = 6 * 3600.0


@dataclass
class Clock:
    """Shows what the test says."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Source:
    """Keys that last an hour from the moment they are fetched."""

    clock: Clock
    fetched: list[float] = field(default_factory=list)
    name: str = "a test"

    def fetch(self) -> Keys:
        self.fetched.append(self.clock.now)
        return Keys("id", "secret", "token", expires_at=self.clock.now + 3600)

    def stamp(self) -> object:
        return None


@pytest.mark.parametrize("jump", [HOURS, -HOURS])
def test_credentials_are_good_after_a_jump(jump: float) -> None:
    clock = Clock()
    source = Source(clock)
    credentials = Credentials(source, clock=clock)
    credentials.get()
    clock.now += jump
    keys = credentials.get()
    assert keys.expires_at is not None
    assert keys.expires_at > clock.now
    assert len(source.fetched) == (2 if jump > 0 else 1)


def test_credentials_are_renewed_after_a_jump_back_and_forth() -> None:
    clock = Clock()
    source = Source(clock)
    credentials = Credentials(source, clock=clock)
    clock.now += HOURS
    credentials.get()
    clock.now -= HOURS
    credentials.get()
    clock.now += HOURS + 3600 - RENEW_BEFORE_SECONDS + 1
    credentials.get()
    assert len(source.fetched) == 2


@pytest.mark.parametrize("jump", [HOURS, -HOURS])
async def test_a_jump_neither_ends_a_lease_nor_makes_it_longer(tmp_path: Path, jump: float) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"faults": []}))
    faults, monotonic, store = PlannedFaults(plan, labels=LABELS), Clock(50.0), MemoryCache()
    pins = Pins(store, tmp_path / "leases.json", now=faults.time, monotonic=monotonic)
    info = MemoryOrigin().put("a", b"a")
    await pins.hold_objects("prewarm:p", [info], 3600.0)
    until = pins.until([store.blob_id(info)])
    assert until is not None
    plan.write_text(json.dumps({"faults": [{"label": "clock", "kind": "jump", "seconds": jump}]}))
    await pins.expire()
    assert store.pinned == {store.blob_id(info)}
    assert pins.until([store.blob_id(info)]) == pytest.approx(until + jump, abs=60)  # as the clock on the wall says
    monotonic.now += 3600.0
    await pins.expire()
    assert store.pinned == set()


@pytest.mark.parametrize("jump", [HOURS, -HOURS])
def test_what_is_evicted_after_a_jump_is_cold_and_never_in_use(tmp_path: Path, jump: float) -> None:
    clock, data = Clock(), content(4 * 16384)
    store = open_store(tmp_path, capacity_bytes=3 * len(data), clock=clock)
    infos = [described_with_crc(name, data) for name in "abcd"]
    fill(store, infos[0], data)
    held = store.acquire(infos[0])
    clock.now += jump
    for info in infos[1:]:
        fill(store, info, data)
        assert store.statistics().tiers[0].used_bytes <= 3 * len(data)
    assert held.sealed
    assert store.find(infos[0]) is not None
    held.release()
    store.close()
