"""What a prewarm does between its beginning and its end: pause, verify, select, pace, and outlive the daemon."""

from __future__ import annotations

import json

import pytest

from cachefs.errors import EmptySource
from mows.errors import InvalidIndex, InvalidRequest, WrongPrewarmState
from mows.prewarm_job import PrewarmJob
from mows.prewarm_state import FINISHED, Order, PrewarmState
from mows.prewarms import Prewarms
from tests.unit.mows.twins import SOURCE, Node


async def until(job: PrewarmJob, *states: PrewarmState) -> PrewarmJob:
    while job.state not in states:
        assert job.state not in FINISHED, (await job.status()).error
        await job.changed(30.0)
    return job


def successor(node: Node) -> Prewarms:
    """The prewarms of the next daemon."""
    return Prewarms(
        node.prewarm_services,
        node.prewarm_records,
        lease_seconds=3600.0,
        keep_finished_seconds=60.0,
        wall_clock=node.now,
    )


async def test_a_paused_one_keeps_room_and_lease_and_gives_its_turn_away(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mows.prewarms.MOST_FILLING", 1)
    prewarms = successor(node)
    node.put_model()
    node.cache.gate.clear()
    job = await until(prewarms.start(prewarms.spec([SOURCE], 60.0)), PrewarmState.WARMING)
    await node.cache.started.get()
    for _ in range(2):
        await prewarms.pause(job.prewarm_id)
    await until(job, PrewarmState.PAUSED)
    assert (len(node.cache.pinned), len(node.cache.promised)) == (3, 1)
    other = prewarms.start(prewarms.spec([SOURCE]))
    node.cache.gate.set()
    await until(other, PrewarmState.WARM)
    assert job.state is PrewarmState.PAUSED
    await prewarms.resume(job.prewarm_id)
    await until(job, PrewarmState.WARM)
    for change in (prewarms.pause, prewarms.resume):
        with pytest.raises(WrongPrewarmState):
            await change(job.prewarm_id)
    await prewarms.close()


async def test_one_that_is_paused_before_its_turn_waits(node: Node) -> None:
    node.put_model()
    job = node.prewarms.start(node.prewarms.spec([SOURCE]))
    await node.prewarms.pause(job.prewarm_id)
    await until(job, PrewarmState.PAUSED)
    assert node.cache.warming == []
    await job.admitted(30.0)
    await node.prewarms.resume(job.prewarm_id)
    await until(job, PrewarmState.WARM)


async def test_resumed_at_once_it_goes_on(node: Node) -> None:
    node.put_model()
    node.cache.gate.clear()
    job = await until(node.prewarms.start(node.prewarms.spec([SOURCE])), PrewarmState.WARMING)
    for _ in range(3):
        job.pause()
        job.resume()
    node.cache.gate.set()
    await until(job, PrewarmState.WARM)


async def test_verify_compares_what_is_there_first(node: Node) -> None:
    files = node.put_model()
    await until(node.prewarms.start(node.prewarms.spec([SOURCE])), PrewarmState.WARM)
    node.cache.bad_chunks[node.cache.blob_id(files["a.safetensors"])] = [0, 2]
    job = await until(node.prewarms.start(node.prewarms.spec([SOURCE], verify=True)), PrewarmState.WARM)
    assert (await job.status()).corrupt_chunks == 2


async def test_a_rate_is_one_pace_for_all_files(node: Node) -> None:
    node.put_model()
    await until(node.prewarms.start(node.prewarms.spec([SOURCE], rate=1e6)), PrewarmState.WARM)
    assert len(set(node.cache.paces)) == 1
    assert node.cache.paces[0] is not None


@pytest.mark.parametrize(
    ("order", "first"), [(Order.ENGINE, "config.json"), (Order.SIZE, "b.safetensors"), (Order.NAME, "a.safetensors")]
)
async def test_order(node: Node, order: Order, first: str) -> None:
    node.put_model()
    await until(node.prewarms.start(node.prewarms.spec([SOURCE], order=order)), PrewarmState.WARM)
    assert node.cache.warming[0] == f"model/{first}"


async def test_a_pattern_and_a_prefix_count_each_file_once(node: Node) -> None:
    node.put_model()
    job = await until(node.prewarms.start(node.prewarms.spec([f"{SOURCE}*.json", SOURCE])), PrewarmState.WARM)
    status = await job.status()
    assert (status.files, status.bytes.total) == (3, 30_002)
    assert node.cache.warming[0] == "model/config.json"


async def test_an_index_selects_its_shards(node: Node) -> None:
    node.put_model()
    index = json.dumps({"weight_map": {"w": "b.safetensors"}}).encode()
    node.origins.origin.put("model/model.safetensors.index.json", index)
    source = f"{SOURCE}model.safetensors.index.json"
    job = await until(node.prewarms.start(node.prewarms.spec([source])), PrewarmState.WARM)
    assert (await job.status()).bytes.total == 20_000 + len(index)


@pytest.mark.expects_warnings
@pytest.mark.parametrize(
    ("name", "error"),
    [("*.gguf", EmptySource), ("x.safetensors.index.json", EmptySource), ("y.safetensors.index.json", InvalidIndex)],
)
async def test_a_selection_of_nothing_fails(node: Node, name: str, error: type[Exception]) -> None:
    node.put_model()
    node.origins.origin.put("model/y.safetensors.index.json", b'{"weight_map": {"w": "z"}}')
    job = await until(node.prewarms.start(node.prewarms.spec([f"{SOURCE}{name}"])), PrewarmState.FAILED)
    assert isinstance((await job.status()).error, error)


async def test_the_next_daemon_goes_on_with_what_is_left_of_the_lease(node: Node) -> None:
    files = node.put_model()
    node.cache.gate.clear()
    job = await until(node.prewarms.start(node.prewarms.spec([SOURCE], 60.0, order=Order.SIZE)), PrewarmState.WARMING)
    await node.prewarms.close()
    node.cache.gate.set()
    for clock in (node.clock, node.now):
        clock.now += 20.0
    after = successor(node)
    await after.restore()
    (again,) = after.all()
    assert (again.prewarm_id, again.spec) == (job.prewarm_id, job.spec)
    status = await (await until(again, PrewarmState.WARM)).status()
    assert status.warm_until == node.now.now + 40.0
    assert node.cache.pinned == {node.cache.blob_id(info) for info in files.values()}
    await after.close()


async def test_the_next_daemon_leaves_a_paused_one_paused(node: Node) -> None:
    node.put_model()
    node.cache.gate.clear()
    job = await until(node.prewarms.start(node.prewarms.spec([SOURCE])), PrewarmState.WARMING)
    await node.prewarms.pause(job.prewarm_id)
    await node.prewarms.close()
    after = successor(node)
    await after.restore()
    await until(after.get(job.prewarm_id), PrewarmState.PAUSED)
    node.cache.gate.set()
    await after.resume(job.prewarm_id)
    await until(after.get(job.prewarm_id), PrewarmState.WARM)
    await after.close()


async def test_the_next_daemon_knows_how_the_last_one_ended_for_a_while(node: Node) -> None:
    node.put_model()
    job = await until(node.prewarms.start(node.prewarms.spec([SOURCE])), PrewarmState.WARM)
    last = await job.status()
    await node.prewarms._begun[job.prewarm_id].task
    await node.prewarms.close()
    node.now.now += 30.0
    after = successor(node)
    await after.restore()
    found = after.get(job.prewarm_id)
    await found.admitted(0.0)
    assert (found.state, await found.status()) == (PrewarmState.WARM, last)
    with pytest.raises(WrongPrewarmState):
        await after.pause(job.prewarm_id)
    node.clock.now += 31.0
    assert after.all() == []
    assert node.prewarm_records.found() == []


async def test_a_deleted_one_does_not_come_back(node: Node) -> None:
    node.put_model()
    node.cache.gate.clear()
    job = await until(node.prewarms.start(node.prewarms.spec([SOURCE])), PrewarmState.WARMING)
    await node.prewarms.delete(job.prewarm_id)
    assert node.prewarm_records.found() == []


async def test_an_id_that_is_given_counts_once(node: Node) -> None:
    node.put_model()
    spec = node.prewarms.spec([SOURCE])
    job = node.prewarms.start(spec, "abc-1")
    assert node.prewarms.start(spec, "abc-1") is job
    await until(job, PrewarmState.WARM)
    for wrong in ("../x", "", "A", "a" * 60):
        with pytest.raises(InvalidRequest):
            node.prewarms.start(spec, wrong)
