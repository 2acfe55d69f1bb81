"""Mounts: who may have which id and path, and the life of one, over twins."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from cachefs.errors import (
    EmptySource,
    FuseUnavailable,
    InvalidSource,
    InvalidTarget,
    NoSpace,
    OriginDenied,
    OriginUnavailable,
    UnknownScheme,
)
from mows.errors import InvalidRequest, MountConflict, MountNotFound, MountPathInUse, Stopping, TargetNotAllowed
from mows.mount import Mount, MountStatus
from mows.mount_spec import MountSpec
from mows.mount_state import MountState
from mows.progress import ByteCounts
from tests.unit.mows.twins import SOURCE, Node

pytestmark = pytest.mark.expects_warnings  # mounts that fail are logged

PATIENCE_SECONDS = 30.0


def spec(node: Node, name: str = "m", **more: object) -> MountSpec:
    return MountSpec(SOURCE, str(node.root / name), **more)  # type: ignore[arg-type] # each test names real fields


async def settled(node: Node, mount_id: str, wanted: MountSpec) -> tuple[Mount, MountStatus]:
    mount, _ = await node.mounts.put(mount_id, wanted)
    await mount.settled(PATIENCE_SECONDS)
    return mount, await mount.status()


async def test_a_mount_shows_the_listing(node: Node) -> None:
    node.put_model()
    _, status = await settled(node, "m", spec(node))
    assert status.state is MountState.MOUNTED
    assert status.bytes == ByteCounts(total=30_002)
    assert (status.files, status.hidden, status.passthrough, status.error) == (3, 0, True, None)
    assert status.snapshot_id == node.mounter.mounts[node.root / "m"].snapshot.snapshot_id
    assert status.eta_seconds is None
    assert status.warm_until is None


async def test_the_same_body_again_changes_nothing(node: Node) -> None:
    node.put_model()
    mount, created = await node.mounts.put("m", spec(node))
    again, created_again = await node.mounts.put("m", spec(node))
    assert (created, created_again) == (True, False)
    assert again is mount


async def test_another_body_for_a_live_id_is_a_conflict(node: Node) -> None:
    node.put_model()
    await node.mounts.put("m", spec(node))
    with pytest.raises(MountConflict, match="live with another body"):
        await node.mounts.put("m", spec(node, warm=True))


@pytest.mark.parametrize("other", ["m", "m/below", "."])
async def test_a_path_belongs_to_one_mount(node: Node, other: str) -> None:
    node.put_model()
    await settled(node, "m", spec(node))
    with pytest.raises(MountPathInUse, match="mount 'm' is on"):
        await node.mounts.put("other", spec(node, other))


async def test_ten_at_once_for_one_id_make_one_mount(node: Node) -> None:
    node.put_model()
    results = await asyncio.gather(*(node.mounts.put("m", spec(node)) for _ in range(10)))
    assert [created for _, created in results].count(True) == 1
    assert len({id(mount) for mount, _ in results}) == 1


@pytest.mark.parametrize("mount_id", ["", "..", ".hidden", "a/b", "a b", "x" * 129, "ä"])
async def test_an_id_is_a_name(node: Node, mount_id: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a name"):
        await node.mounts.put(mount_id, spec(node))


async def test_what_can_be_told_at_once_is_told_at_once(node: Node, tmp_path: Path) -> None:
    inside = str(node.root / "m")
    node.mounter.occupied.add(node.root / "taken")
    cases: list[tuple[str, str, type[Exception]]] = [
        ("not a uri", inside, InvalidSource),
        ("nonsense://bucket/", inside, UnknownScheme),
        (SOURCE, str(tmp_path / "elsewhere"), TargetNotAllowed),
        (SOURCE, f"{inside}/../../x", InvalidTarget),
        (SOURCE, "relative", InvalidTarget),
        (SOURCE, str(node.root / "taken"), InvalidTarget),
    ]
    for source, target, error in cases:
        with pytest.raises(error):
            await node.mounts.put("m", MountSpec(source, target))
    assert node.mounts.all() == []


async def test_nothing_below_the_prefix(node: Node) -> None:
    _, status = await settled(node, "m", spec(node))
    assert status.state is MountState.FAILED
    assert isinstance(status.error, EmptySource)


async def test_only_hidden_keys_below_the_prefix(node: Node) -> None:
    node.origins.origin.put("model/a//b", b"x")
    _, status = await settled(node, "m", spec(node))
    assert isinstance(status.error, EmptySource)
    assert "only 1 keys that no file system can show" in str(status.error)


async def test_a_failed_mount_lets_go_and_can_be_tried_again_with_any_body(node: Node) -> None:
    node.put_model()
    node.origins.error = OriginDenied("403")
    mount, status = await settled(node, "m", spec(node))
    assert (status.state, status.error) == (MountState.FAILED, node.origins.error)
    node.origins.error = None
    node.mounter.error = FuseUnavailable("no /dev/fuse")
    _, status = await settled(node, "m", spec(node, "other"))
    assert isinstance(status.error, FuseUnavailable)
    assert node.origins.users == 0
    node.mounter.error = None
    again, status = await settled(node, "m", spec(node))
    assert status.state is MountState.MOUNTED
    assert again is not mount


async def test_a_bug_fails_the_mount_with_a_traceback_in_the_log(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.put_model()
    node.mounter.error = ZeroDivisionError("a bug")
    _, status = await settled(node, "m", spec(node))
    assert (status.state, status.error) == (MountState.FAILED, node.mounter.error)
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]


async def test_warm_fills_the_cache_and_pins_it_for_the_lease(node: Node) -> None:
    files = node.put_model()
    _, status = await settled(node, "m", spec(node, warm=True, lease_seconds=60.0))
    assert status.state is MountState.WARM
    assert status.bytes == ByteCounts(total=30_002, local=30_002, from_origin=30_002)
    assert (status.eta_seconds, status.warm_until) == (0.0, node.now.now + 60.0)
    assert node.cache.pinned == {node.cache.blob_id(info) for info in files.values()}
    assert node.cache.warming == sorted(info.key for info in files.values())


async def test_time_left_while_warming(node: Node) -> None:
    files = node.put_model()
    node.cache.gate.clear()
    mount, _ = await node.mounts.put("m", spec(node, warm=True))
    await until(mount, MountState.WARMING)
    assert (await mount.status()).eta_seconds is None
    node.cache.resident.add(node.cache.blob_id(files["a.safetensors"]))
    node.clock.now += 2.0
    assert (await mount.status()).eta_seconds == pytest.approx(2.0 * 20_002 / 10_000)


async def test_a_mount_that_cannot_be_warmed_serves_on_and_says_why(node: Node) -> None:
    files = node.put_model()
    node.cache.failures[files["b.safetensors"].key] = NoSpace("full")
    mount, status = await settled(node, "m", spec(node, warm=True))
    assert (status.state, str(status.error)) == (MountState.MOUNTED, "full")
    node.cache.failures.clear()
    await mount.refresh()
    await until(mount, MountState.WARM)
    assert (await mount.status()).error is None


async def test_a_refresh_shows_the_new_listing_and_warms_what_is_new(node: Node) -> None:
    node.put_model()
    mount, before = await settled(node, "m", spec(node, warm=True))
    node.origins.origin.put("model/c.safetensors", b"c" * 5)
    node.origins.origin.remove("model/config.json")
    await mount.refresh()
    await mount.settled(PATIENCE_SECONDS)
    await until(mount, MountState.WARM)
    after = await mount.status()
    assert after.snapshot_id != before.snapshot_id
    assert node.mounter.mounts[node.root / "m"].snapshot.snapshot_id == after.snapshot_id
    assert after.bytes == ByteCounts(total=30_005, local=30_005, from_origin=30_007)


async def test_a_failed_refresh_changes_nothing_and_is_counted(node: Node) -> None:
    node.put_model()
    mount, before = await settled(node, "m", spec(node))
    node.origins.error = OriginUnavailable("connection refused")
    with pytest.raises(OriginUnavailable):
        await mount.refresh()
    status = await mount.status()
    assert (status.state, status.snapshot_id) == (MountState.MOUNTED, before.snapshot_id)
    assert (status.error, mount.refresh_failures) == (node.origins.error, 1)
    node.origins.error = None
    await mount.refresh()
    assert (await mount.status()).error is None


async def test_a_mount_refreshes_by_itself_at_its_interval(node: Node) -> None:
    node.put_model()
    mount, before = await settled(node, "m", spec(node, refresh_seconds=0.01))
    node.origins.origin.put("model/new", b"x")
    while (await mount.status()).snapshot_id == before.snapshot_id:
        await mount.changed()


async def test_a_refresh_of_a_mount_that_is_not_mounted_is_refused(node: Node) -> None:
    node.put_model()
    node.mounter.error = FuseUnavailable("no /dev/fuse")
    mount, _ = await settled(node, "m", spec(node))
    with pytest.raises(MountNotFound, match="is failed"):
        await mount.refresh()


async def test_delete_unmounts_and_ends_the_lease(node: Node) -> None:
    node.put_model()
    await settled(node, "m", spec(node, warm=True))
    assert await node.mounts.delete("m")
    assert (node.mounter.mounts, node.cache.pinned, node.origins.users) == ({}, set(), 0)
    with pytest.raises(MountNotFound):
        node.mounts.get("m")
    assert await node.mounts.delete("m")


async def test_delete_stops_a_warm_mount_in_the_middle(node: Node) -> None:
    node.put_model()
    node.cache.gate.clear()
    mount, _ = await node.mounts.put("m", spec(node, warm=True))
    await until(mount, MountState.WARMING)
    assert await node.mounts.delete("m")
    assert (node.mounter.mounts, node.cache.pinned, node.cache.resident) == ({}, set(), set())


async def test_delete_right_after_put(node: Node) -> None:
    node.put_model()
    await node.mounts.put("m", spec(node))
    assert await node.mounts.delete("m")
    assert node.mounts.all() == []


async def test_a_failed_mount_can_be_deleted(node: Node) -> None:
    await settled(node, "m", spec(node))
    assert await node.mounts.delete("m")
    assert node.mounts.all() == []


async def test_a_mount_that_the_kernel_will_not_let_go_is_logged(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.put_model()
    await settled(node, "m", spec(node))
    node.mounter.stop_error = FuseUnavailable("umount: busy")
    assert await node.mounts.delete("m")
    assert "unmount failed: umount: busy" in caplog.text
    assert node.origins.users == 0


async def test_leases_stay_when_the_daemon_stops(node: Node) -> None:
    node.put_model()
    await settled(node, "m", spec(node, warm=True))
    await node.mounts.close()
    assert len(node.cache.pinned) == 3
    with pytest.raises(Stopping):
        await node.mounts.put("n", spec(node))


async def until(mount: Mount, state: MountState) -> None:
    """Wait for a state; pytest's own timeout ends a wait for one that never comes."""
    while mount.state is not state:
        await mount.changed()
