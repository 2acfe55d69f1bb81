"""Instances over twins: what two daemons that follow one another make of them, and what happens in between."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cachefs.errors import InvalidTarget
from mows.errors import InstanceNotFound, MountPathInUse, Stopping
from mows.instance_choices import ReadyWhen
from mows.instance_ends import Clocks
from mows.instance_records import InstanceRecord, InstanceRecords
from mows.instance_spec import InstanceSpec, PlannedMount
from mows.instance_state import InstanceState
from mows.instances import Instances
from mows.mount_spec import MountSpec
from mows.pods import Pods
from tests.unit.mows.twins import SOURCE, Node, running_node


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with running_node(tmp_path) as running:
        running.put_model()
        yield running


def spec(node: Node, *names: str, instance_id: str = "i", source: str = SOURCE, warm: bool = False) -> InstanceSpec:
    root = f"{node.root}/{instance_id}"
    mounts = (
        PlannedMount(number, f"/{name}", MountSpec(source, f"{root}/{name}", warm))
        for number, name in enumerate(names or ("a",))
    )
    ready_when = ReadyWhen.WARM if warm else ReadyWhen.MOUNTED
    return InstanceSpec(tuple(mounts), (), root, own_root=True, ready_when=ready_when)


def records(node: Node) -> InstanceRecords:
    return InstanceRecords(node.root.parent / "instances", "this boot")


def next_instances(node: Node) -> Instances:
    """Those of a daemon that follows, after the one before was closed."""
    clocks = Clocks(node.clock, node.now)
    return Instances(
        node.mounts, records(node), node.instances.storage, lambda _: None, clocks, Pods(node.root.parent / "kubelet")
    )


async def ready(instances: Instances, instance_id: str = "i") -> InstanceState:
    instance = instances.get(instance_id)
    await instance.settled(30)
    return instance.state


async def test_the_next_daemon_goes_on_and_the_lease_is_no_longer(node: Node) -> None:
    wanted = dataclasses.replace(spec(node, "a", "b"), lease_seconds=100.0, process=os.getpid())
    await node.instances.put("i", wanted)
    assert await ready(node.instances) == "ready"
    await node.instances.close()
    node.clock.now += 60
    node.now.now += 60
    following = next_instances(node)
    await following.restore()
    assert await ready(following) == "ready"
    assert following.get("i").spec == wanted
    assert following.lease_until("i") == 1100.0
    node.clock.now += 40
    following.expire()
    await following.delete("i")
    assert (node.mounter.mounts, records(node).found()) == ({}, [])


async def test_a_lease_that_ended_meanwhile_is_over(node: Node) -> None:
    await node.instances.put("i", dataclasses.replace(spec(node), lease_seconds=100.0))
    await node.instances.close()
    node.now.now += 101
    following = next_instances(node)
    await following.restore()
    assert (following.all(), node.mounts.all(), records(node).found()) == ([], [], [])


async def test_a_jump_of_the_wall_clock_makes_no_lease_longer(node: Node) -> None:
    await node.instances.put("i", dataclasses.replace(spec(node), lease_seconds=100.0))
    await node.instances.close()
    node.now.now -= 900
    following = next_instances(node)
    await following.restore()
    assert following.lease_until("i") == node.now.now + 100
    await following.close()


@pytest.mark.expects_warnings
async def test_an_instance_that_cannot_be_mounted_again_leaves_nothing(node: Node) -> None:
    wanted = spec(node, "a", "b")
    records(node).write(InstanceRecord("i", wanted, None, None))
    node.mounter.occupied.add(node.root / "i/b")
    await node.instances.restore()
    assert (node.instances.all(), node.mounts.all(), records(node).found()) == ([], [], [])
    with pytest.raises(InstanceNotFound):
        node.instances.get("i")


@pytest.mark.expects_warnings
async def test_the_record_is_there_before_the_first_mount_and_gone_after_the_last(node: Node) -> None:
    node.mounter.occupied.add(node.root / "i/b")
    with pytest.raises(InvalidTarget):
        await node.instances.put("i", spec(node, "a", "b"))
    assert (node.mounts.all(), records(node).found()) == ([], [])
    node.mounter.occupied.clear()
    await node.instances.put("i", spec(node, "a", "b"))
    assert [record.instance_id for record in records(node).found()] == ["i"]
    await node.instances.delete("i")
    assert records(node).found() == []


async def test_ten_at_once_for_one_id_make_one_instance(node: Node) -> None:
    made = await asyncio.gather(*(node.instances.put("i", spec(node)) for _ in range(10)))
    assert sorted(created for _, created in made) == [False] * 9 + [True]
    assert len({id(instance) for instance, _ in made}) == 1


async def test_put_after_delete_waits_for_the_end_and_begins_anew(node: Node) -> None:
    first, _ = await node.instances.put("i", spec(node))
    gone, (second, created) = await asyncio.gather(
        node.instances.delete("i"), node.instances.put("i", spec(node, "a", "b"))
    )
    assert (gone, created, second is first) == (True, True, False)
    assert await ready(node.instances) == "ready"
    assert len(node.mounter.mounts) == 2


async def test_a_release_in_the_middle_of_warming(node: Node) -> None:
    node.cache.gate.clear()
    instance, _ = await node.instances.put("i", spec(node, warm=True))
    await node.cache.started.get()
    status = await instance.status()
    assert (status.state, status.eta_seconds) == (InstanceState.MOUNTING, None)
    await node.instances.delete("i")
    assert (instance.state, node.mounter.mounts, node.cache.pinned) == (InstanceState.UNMOUNTING, {}, set())


@pytest.mark.expects_warnings
async def test_two_instances_cannot_have_one_path(node: Node) -> None:
    await node.instances.put("i", spec(node))
    with pytest.raises(MountPathInUse):
        await node.instances.put("j", spec(node))
    assert [mount.mount_id for mount in node.mounts.all()] == ["i.0"]


async def test_a_closed_one_takes_nothing_and_leaves_mounts_and_records(node: Node) -> None:
    await node.instances.put("i", spec(node))
    await ready(node.instances)
    await node.instances.close()
    with pytest.raises(Stopping):
        await node.instances.put("j", spec(node, instance_id="j"))
    assert len(node.mounter.mounts) == len(records(node).found()) == 1


async def test_the_end_of_its_pod_releases_an_instance_also_of_the_daemon_before(node: Node) -> None:
    pod = node.root.parent / "kubelet" / "pods" / "7c1e"
    pod.mkdir(parents=True)
    await node.instances.put("i", dataclasses.replace(spec(node), pod="7c1e"))
    assert await ready(node.instances) == "ready"
    await node.instances.close()
    pod.rmdir()
    following = next_instances(node)
    await following.restore()
    assert following.all() == []
    assert (node.mounter.mounts, records(node).found()) == ({}, [])
