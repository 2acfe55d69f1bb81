"""The driver by the specification: every call, repeated, reordered, interrupted, refused. No kernel mounts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from cachefs.errors import CredentialsExpired, OriginUnavailable
from cachefs.origin.keys import Keys
from mows.csi import csi_pb2 as pb
from mows.csi.server import SOCKET_MODE
from mows.csi.volume import VolumeAt
from tests.contract.csi_world import CsiWorld, running_csi
from tests.kubelet import CALL_SECONDS, Mode, refusal
from tests.unit.mows.twins import SOURCE, MemoryKernelMount, MemoryMounter

Code = grpc.StatusCode
SECRETS = {"access_key_id": "id-1", "access_key_secret": "secret-1-long", "security_token": "token-1"}


@pytest.fixture
async def csi(tmp_path: Path) -> AsyncIterator[CsiWorld]:
    async with running_csi(tmp_path) as world:
        yield world


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await call
    return refusal(failure.value)


async def test_the_driver_says_who_it_is(csi: CsiWorld, tmp_path: Path) -> None:
    assert (tmp_path / "csi.sock").stat().st_mode & 0o777 == SOCKET_MODE
    plugin = await csi.identity.GetPluginInfo(pb.GetPluginInfoRequest())
    assert (plugin.name, plugin.vendor_version) == ("csi.mows.io", "1.2.3")
    [capability] = (await csi.identity.GetPluginCapabilities(pb.GetPluginCapabilitiesRequest())).capabilities
    assert capability.service.type == pb.PluginCapability.Service.VOLUME_ACCESSIBILITY_CONSTRAINTS
    info = await csi.volumes.NodeGetInfo(pb.NodeGetInfoRequest())
    assert (info.node_id, dict(info.accessible_topology.segments)) == ("node-a", {"csi.mows.io/zone": "z1"})
    kinds = [
        row.rpc.type for row in (await csi.volumes.NodeGetCapabilities(pb.NodeGetCapabilitiesRequest())).capabilities
    ]
    assert kinds == [pb.NodeServiceCapability.RPC.GET_VOLUME_STATS, pb.NodeServiceCapability.RPC.VOLUME_CONDITION]


async def test_a_node_without_a_zone_claims_no_topology(tmp_path: Path) -> None:
    async with running_csi(tmp_path, zone=None) as csi:
        assert not (await csi.identity.GetPluginCapabilities(pb.GetPluginCapabilitiesRequest())).capabilities
        assert not (await csi.volumes.NodeGetInfo(pb.NodeGetInfoRequest())).HasField("accessible_topology")


async def test_probe_says_what_readyz_says(csi: CsiWorld) -> None:
    assert (await csi.identity.Probe(pb.ProbeRequest())).ready.value
    csi.trouble.append("tier /tier: broken")
    assert not (await csi.identity.Probe(pb.ProbeRequest())).ready.value
    csi.trouble.clear()
    csi.node.services.stopping.set()
    assert not (await csi.identity.Probe(pb.ProbeRequest())).ready.value


@pytest.mark.expects_warnings
async def test_what_there_is_nothing_to_do_for_is_unimplemented(csi: CsiWorld) -> None:
    calls = (
        csi.volumes.NodeStageVolume(pb.NodeStageVolumeRequest()),
        csi.volumes.NodeUnstageVolume(pb.NodeUnstageVolumeRequest()),
        csi.volumes.NodeExpandVolume(pb.NodeExpandVolumeRequest()),
    )
    assert [(await refused(call))[0] for call in calls] == [Code.UNIMPLEMENTED] * 3


async def test_publish_and_unpublish_again_and_again(csi: CsiWorld) -> None:
    volume = csi.volume()
    for _ in range(2):
        for _ in range(3):
            await csi.publish(volume)
            assert csi.is_mounted(volume)
        for _ in range(3):
            await csi.unpublish(volume)
            assert not csi.is_mounted(volume)
    assert csi.audit.outcomes == [("csi publish", "ok"), ("csi unpublish", "ok")] * 2
    about = csi.audit.rows[0][1]
    assert (about["source"], about["pod"]) == (SOURCE, "serving/vllm-0")


@pytest.mark.expects_warnings
async def test_statistics_of_what_is_and_of_what_is_not_published(csi: CsiWorld) -> None:
    volume = csi.volume()
    assert (await refused(csi.stats(volume)))[0] is Code.NOT_FOUND
    await csi.publish(volume)
    answer = await csi.stats(volume)
    size, files = answer.usage
    assert (size.unit, size.total, size.used, size.available) == (pb.VolumeUsage.BYTES, 30_002, 30_002, 0)
    assert (files.unit, files.total) == (pb.VolumeUsage.INODES, 3)
    assert not answer.volume_condition.abnormal
    assert "mounted: 0 % of 3 files" in answer.volume_condition.message
    await csi.unpublish(volume)
    assert (await refused(csi.stats(volume)))[0] is Code.NOT_FOUND


@pytest.mark.expects_warnings
async def test_the_same_volume_with_other_attributes_is_a_conflict(csi: CsiWorld) -> None:
    await csi.publish(csi.volume())
    other = csi.volume(attributes={"source": SOURCE, "warm": "true"})
    code, details = await refused(csi.publish(other))
    assert code is Code.ALREADY_EXISTS
    assert "volume_conflict" in details
    assert csi.is_mounted(other), "and what was published stays"


@pytest.mark.expects_warnings
async def test_two_volumes_cannot_have_one_path(csi: CsiWorld) -> None:
    await csi.publish(csi.volume())
    assert (await refused(csi.publish(csi.volume(volume_id="another"))))[0] is Code.FAILED_PRECONDITION


@pytest.mark.expects_warnings
@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"volume_id": ""}, Code.INVALID_ARGUMENT, "volume_id"),
        ({"volume_id": "x" * 129}, Code.INVALID_ARGUMENT, "128 bytes"),
        ({"target_path": ""}, Code.INVALID_ARGUMENT, "target_path"),
        ({"target_path": "/etc/mows"}, Code.INVALID_ARGUMENT, "target_not_allowed"),
        ({"volume_capability": None}, Code.INVALID_ARGUMENT, "volume_capability"),
        ({"volume_context": {}}, Code.INVALID_ARGUMENT, "read-only"),
        ({"secrets": {"password": "hunter2-hunter2"}}, Code.INVALID_ARGUMENT, "'password' is unknown"),
        ({"secrets": {"access_key_id": "x"}}, Code.INVALID_ARGUMENT, "access_key_secret"),
        ({"secrets": SECRETS}, Code.INVALID_ARGUMENT, "only oss://"),
    ],
)
async def test_requests_that_cannot_be_met(csi: CsiWorld, fields: dict[str, Any], code: Code, words: str) -> None:
    got, details = await refused(csi.publish(csi.volume(), **fields))
    assert got is code
    assert words in details
    assert "hunter2" not in details
    assert csi.node.mounts.all() == []


@pytest.mark.expects_warnings
@pytest.mark.parametrize(
    ("attributes", "code", "words"),
    [
        ({}, Code.INVALID_ARGUMENT, "source: is missing"),
        ({"source": "nonsense"}, Code.INVALID_ARGUMENT, "invalid_source"),
        ({"source": "file:///etc/"}, Code.PERMISSION_DENIED, "csi.sources"),
        ({"source": "oss://models-of-others/m/"}, Code.PERMISSION_DENIED, "csi.sources"),
        ({"source": "memory://bucket/nothing/"}, Code.NOT_FOUND, "source_empty"),
        ({"source": SOURCE, "warm": "yes"}, Code.INVALID_ARGUMENT, "'true' nor 'false'"),
        ({"source": SOURCE, "lease": "soon"}, Code.INVALID_ARGUMENT, "lease"),
        ({"source": SOURCE, "sourse": "x"}, Code.INVALID_ARGUMENT, "source, warm, lease, refresh"),
    ],
)
async def test_attributes_that_cannot_be_used(
    csi: CsiWorld, attributes: dict[str, str], code: Code, words: str
) -> None:
    got, details = await refused(csi.publish(csi.volume(attributes=attributes)))
    assert got is code
    assert words in details
    assert csi.node.mounts.all() == [], "nothing is left of it"


@pytest.mark.expects_warnings
@pytest.mark.parametrize("mode", [mode for mode in Mode.values() if "READER" not in Mode.Name(mode)])
async def test_volumes_are_read_only(csi: CsiWorld, mode: pb.VolumeCapability.AccessMode.Mode) -> None:
    capability = pb.VolumeCapability(
        mount=pb.VolumeCapability.MountVolume(), access_mode=pb.VolumeCapability.AccessMode(mode=mode)
    )
    persistent = {"source": SOURCE}
    code, details = await refused(csi.publish(csi.volume(), volume_capability=capability, volume_context=persistent))
    assert code is Code.INVALID_ARGUMENT
    assert Mode.Name(mode) in details
    assert "ReadOnlyMany" in details


@pytest.mark.expects_warnings
async def test_block_volumes_and_mount_options_are_refused(csi: CsiWorld) -> None:
    mode = pb.VolumeCapability.AccessMode(mode=Mode.MULTI_NODE_READER_ONLY)
    block = pb.VolumeCapability(block=pb.VolumeCapability.BlockVolume(), access_mode=mode)
    assert (await refused(csi.publish(csi.volume(), volume_capability=block)))[0] is Code.INVALID_ARGUMENT
    flags = pb.VolumeCapability.MountVolume(mount_flags=["password=hunter2"])
    optioned = pb.VolumeCapability(mount=flags, access_mode=mode)
    code, details = await refused(csi.publish(csi.volume(), volume_capability=optioned))
    assert code is Code.INVALID_ARGUMENT
    assert "hunter2" not in details
    harmless = pb.VolumeCapability(mount=pb.VolumeCapability.MountVolume(mount_flags=["ro"]), access_mode=mode)
    await csi.publish(csi.volume(), volume_capability=harmless)


@pytest.mark.expects_warnings
async def test_a_directory_that_is_not_there_names_the_remedy(csi: CsiWorld) -> None:
    lost = csi.volume(target=csi.kubelet_dir / "pods" / "unseen" / "mount")
    code, details = await refused(csi.publish(lost))
    assert code is Code.FAILED_PRECONDITION
    assert "Bidirectional" in details
    await csi.unpublish(lost)


@pytest.mark.expects_warnings
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OriginUnavailable("the origin is away"), Code.UNAVAILABLE),
        (CredentialsExpired("the keys have expired"), Code.UNAUTHENTICATED),
    ],
)
async def test_a_publish_call_that_failed_leaves_nothing_and_can_be_repeated(
    csi: CsiWorld, error: Any, code: Code
) -> None:
    volume = csi.volume()
    csi.node.origins.error = error
    assert (await refused(csi.publish(volume)))[0] is code
    assert csi.node.mounts.all() == []
    csi.node.origins.error = None
    await csi.publish(volume)
    assert csi.is_mounted(volume)
    assert csi.audit.outcomes == [("csi publish", error.code), ("csi publish", "ok")]


@pytest.mark.expects_warnings
async def test_a_bug_is_internal_and_tells_nothing_of_itself(csi: CsiWorld) -> None:
    csi.node.mounter.error = RuntimeError("secret-1-long")
    code, details = await refused(csi.publish(csi.volume()))
    assert code is Code.INTERNAL
    assert "secret-1-long" not in details


async def test_a_volume_that_is_not_at_its_path_any_more_is_abnormal(csi: CsiWorld) -> None:
    volume = csi.volume()
    await csi.publish(volume)
    taken = csi.node.mounter.mounts.pop(volume.target)
    condition = (await csi.stats(volume)).volume_condition
    assert condition.abnormal
    assert "nothing is mounted at the path" in condition.message
    csi.node.mounter.mounts[volume.target] = taken


@dataclass
class Gate:
    """Holds every mount until it is opened."""

    entered: asyncio.Event
    opened: threading.Event

    @classmethod
    def before(cls, mounter: MemoryMounter, monkeypatch: pytest.MonkeyPatch) -> Gate:
        gate, loop, mount = cls(asyncio.Event(), threading.Event()), asyncio.get_running_loop(), mounter.mount

        def wait_and_mount(*arguments: Any) -> MemoryKernelMount:
            loop.call_soon_threadsafe(gate.entered.set)
            assert gate.opened.wait(CALL_SECONDS)
            return mount(*arguments)

        monkeypatch.setattr(mounter, "mount", wait_and_mount)
        return gate


@pytest.mark.expects_warnings
async def test_calls_for_one_volume_are_taken_one_at_a_time(csi: CsiWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, volume, other = Gate.before(csi.node.mounter, monkeypatch), csi.volume(), csi.volume("other")
    first = asyncio.ensure_future(csi.publish(volume))
    await gate.entered.wait()
    assert (await refused(csi.publish(volume)))[0] is Code.ABORTED
    assert (await refused(csi.unpublish(volume)))[0] is Code.ABORTED
    independent = asyncio.ensure_future(csi.publish(other))
    gate.opened.set()
    await asyncio.gather(first, independent)
    assert csi.is_mounted(volume)
    assert csi.is_mounted(other)


@pytest.mark.expects_warnings
async def test_a_call_that_gives_up_leaves_the_rest_to_the_next_one(
    csi: CsiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, volume = Gate.before(csi.node.mounter, monkeypatch), csi.volume()
    assert (await refused(csi.publish(volume, timeout_seconds=1.5)))[0] is Code.DEADLINE_EXCEEDED
    await gate.entered.wait()
    gate.opened.set()
    await until_free(lambda: csi.publish(volume))
    assert csi.is_mounted(volume)


@pytest.mark.expects_warnings
async def test_a_pod_can_be_deleted_while_its_volume_is_being_mounted(
    csi: CsiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, volume = Gate.before(csi.node.mounter, monkeypatch), csi.volume()
    given_up = asyncio.ensure_future(csi.publish(volume))
    await gate.entered.wait()
    given_up.cancel()
    gate.opened.set()
    await until_free(lambda: csi.unpublish(volume))
    assert not csi.is_mounted(volume)
    assert csi.node.mounts.all() == []


@pytest.mark.expects_warnings
async def test_a_daemon_that_stops_takes_nothing_apart(csi: CsiWorld) -> None:
    """What is left to the next daemon would otherwise be unmounted at the last moment."""
    volume = csi.volume()
    await csi.publish(volume)
    csi.node.services.stopping.set()
    assert (await refused(csi.publish(volume)))[0] is Code.UNAVAILABLE
    assert (await refused(csi.unpublish(volume)))[0] is Code.UNAVAILABLE
    assert csi.is_mounted(volume)


@pytest.mark.expects_warnings
async def test_secrets_are_kept_in_memory_for_as_long_as_the_volume_is_published(csi: CsiWorld, tmp_path: Path) -> None:
    """SEMANTICS S41."""
    volume = csi.volume(attributes={"source": "oss://models/model/"}, secrets=SECRETS)
    await csi.publish(volume)
    name = csi.node.mounts.all()[0].mount_id
    assert csi.keys.get(name) == Keys("id-1", "secret-1-long", "token-1")
    rotated = {"access_key_id": "id-2", "access_key_secret": "secret-2-long"}
    await csi.publish(volume, secrets=rotated)
    assert csi.keys.get(name) == Keys("id-2", "secret-2-long")
    assert (await refused(csi.publish(volume, secrets={})))[0] is Code.ALREADY_EXISTS, "not the node's own keys now"
    assert b"secret-" not in written_below(tmp_path)
    await csi.unpublish(volume)
    assert csi.keys.get(name) is None


@pytest.mark.expects_warnings
async def test_secrets_of_a_volume_that_could_not_be_published_are_forgotten(csi: CsiWorld) -> None:
    volume = csi.volume(attributes={"source": "oss://models/nothing/"}, secrets=SECRETS)
    assert (await refused(csi.publish(volume)))[0] is Code.NOT_FOUND
    assert csi.keys.get(VolumeAt(volume.volume_id, str(volume.target)).mount_id) is None


def written_below(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def until_free(call: Callable[[], Awaitable[None]]) -> None:
    """As the kubelet: call again while an earlier call has not ended."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            if error.code() is not Code.ABORTED:
                raise
