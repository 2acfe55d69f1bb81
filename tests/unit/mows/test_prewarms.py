"""Prewarms over twins."""

from __future__ import annotations

from typing import Any

import pytest

from cachefs.errors import EmptySource, InvalidSource, NoSpace
from mows.errors import PrewarmNotFound, Stopping, TooManyPrewarms
from mows.prewarm import Prewarm
from mows.prewarm_state import FINISHED, PrewarmState
from mows.prewarms import Prewarms
from mows.progress import ByteCounts
from tests.unit.mows.twins import SOURCE, Node

pytestmark = pytest.mark.expects_warnings  # prewarms that fail are logged


def start(prewarms: Prewarms, sources: list[str], lease_seconds: float | None, **wishes: Any) -> Prewarm:
    job = prewarms.start(prewarms.spec(sources, lease_seconds, **wishes))
    assert isinstance(job, Prewarm)
    return job


async def finished(job: Prewarm) -> Prewarm:
    while job.state not in FINISHED:
        await job.changed(30.0)
    return job


async def test_a_prewarm_fills_the_cache_and_holds_it_for_its_lease(node: Node) -> None:
    files = node.put_model()
    job = await finished(start(node.prewarms, [SOURCE], 60.0))
    status = await job.status()
    assert (status.state, status.files, status.error) == (PrewarmState.WARM, 3, None)
    assert status.bytes == ByteCounts(total=30_002, local=30_002, from_origin=30_002)
    assert (status.eta_seconds, status.warm_until) == (0.0, node.now.now + 60.0)
    assert node.cache.pinned == {node.cache.blob_id(info) for info in files.values()}
    node.clock.now += 61.0
    await node.pins.expire()
    assert node.cache.pinned == set()


async def test_rate_and_time_left(node: Node) -> None:
    files = node.put_model()
    node.cache.gate.clear()
    job = start(node.prewarms, [SOURCE], None)
    await node.cache.started.get()
    node.cache.resident.add(node.cache.blob_id(files["a.safetensors"]))
    node.clock.now += 4.0
    status = await job.status()
    assert status.bytes_per_second == pytest.approx(2500.0)
    assert status.eta_seconds == pytest.approx(20_002 / 2500.0)
    assert status.warm_until == node.now.now + 3596.0


async def test_sources_are_checked_at_once_and_counted_once(node: Node) -> None:
    with pytest.raises(InvalidSource):
        start(node.prewarms, [SOURCE, "nonsense"], None)
    assert node.prewarms.all() == []
    node.put_model()
    job = await finished(start(node.prewarms, [SOURCE, SOURCE.removesuffix("/")], None))
    assert (await job.status()).bytes.total == 30_002


async def test_a_prewarm_that_fails_holds_nothing(node: Node) -> None:
    files = node.put_model()
    node.cache.failures[files["b.safetensors"].key] = NoSpace("full")
    status = await (await finished(start(node.prewarms, [SOURCE], None))).status()
    assert (status.state, str(status.error)) == (PrewarmState.FAILED, "full")
    assert node.cache.pinned == set()
    status = await (await finished(start(node.prewarms, ["memory://bucket/nothing/"], None))).status()
    assert isinstance(status.error, EmptySource)


async def test_delete_cancels_and_ends_the_lease(node: Node) -> None:
    node.put_model()
    node.cache.gate.clear()
    job = start(node.prewarms, [SOURCE], None)
    await node.cache.started.get()
    await node.prewarms.delete(job.prewarm_id)
    assert job.state is PrewarmState.CANCELLED
    assert (node.cache.pinned, node.origins.users) == (set(), 0)
    with pytest.raises(PrewarmNotFound):
        node.prewarms.get(job.prewarm_id)
    await node.prewarms.delete(job.prewarm_id)


async def test_delete_ends_the_lease_that_an_earlier_process_left(node: Node) -> None:
    info = node.put_model()["config.json"]
    await node.pins.hold_objects("prewarm:old", [info], 60.0)
    await node.prewarms.delete("old")
    assert node.cache.pinned == set()


async def test_finished_prewarms_are_forgotten_after_a_while(node: Node) -> None:
    node.put_model()
    job = await finished(start(node.prewarms, [SOURCE], None))
    node.clock.now += 59.0
    assert node.prewarms.all() == [job]
    node.clock.now += 2.0
    assert node.prewarms.all() == []


async def test_a_stopped_daemon_takes_no_prewarm_and_keeps_leases(node: Node) -> None:
    node.put_model()
    await finished(start(node.prewarms, [SOURCE], None))
    await node.prewarms.close()
    assert len(node.cache.pinned) == 3
    with pytest.raises(Stopping):
        start(node.prewarms, [SOURCE], None)


async def test_the_oldest_records_go_when_there_are_many(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mows.prewarms.MOST_FINISHED", 2)
    jobs = [await finished(start(node.prewarms, [SOURCE], None)) for _ in range(4)]
    assert node.prewarms.all() == jobs[-2:]


async def until(job: Prewarm, state: PrewarmState) -> None:
    while job.state is not state:
        await job.changed(30.0)


async def test_prewarms_beyond_the_limit_wait_in_order_with_their_room_kept(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mows.prewarms.MOST_FILLING", 1)
    prewarms = Prewarms(node.prewarm_services, node.prewarm_records, lease_seconds=60.0, keep_finished_seconds=60.0)
    node.put_model()
    node.cache.gate.clear()
    first = start(prewarms, [SOURCE], None)
    await until(first, PrewarmState.WARMING)
    waiting = []
    for _ in range(3):
        waiting.append(start(prewarms, [SOURCE], None))
        await until(waiting[-1], PrewarmState.QUEUED)
        await waiting[-1].admitted(30.0)
    assert node.cache.promised.keys() == {job.holder for job in (first, *waiting)}
    second, cancelled, third = waiting
    await prewarms.delete(cancelled.prewarm_id)
    assert cancelled.holder not in node.cache.promised
    assert (await second.status()).eta_seconds is None
    order: list[Prewarm] = []
    node.cache.gate.set()
    for job in (first, second, third):
        await finished(job)
        order.append(job)
        assert [one.state for one in order] == [PrewarmState.WARM] * len(order)
    assert first.finished_at is not None
    assert node.cache.promised == {}
    await prewarms.close()


async def test_the_room_of_a_prewarm_is_kept_until_it_fails(node: Node) -> None:
    files = node.put_model()
    node.cache.gate.clear()
    node.cache.failures[files["b.safetensors"].key] = NoSpace("full")
    job = start(node.prewarms, [SOURCE], None)
    await node.cache.started.get()
    assert node.cache.promised.keys() == {job.holder}
    node.cache.gate.set()
    await finished(job)
    assert node.cache.promised == {}


async def test_more_than_so_many_are_refused(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mows.prewarms.MOST_UNFINISHED", 1)
    node.put_model()
    node.cache.gate.clear()
    job = start(node.prewarms, [SOURCE], None)
    with pytest.raises(TooManyPrewarms):
        start(node.prewarms, [SOURCE], None)
    node.cache.gate.set()
    await finished(job)
    await finished(start(node.prewarms, [SOURCE], None))
