"""A CSI driver over twins, at a real socket, and a kubelet that calls it from the same loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio

from mows.csi import csi_pb2 as pb
from mows.csi import csi_pb2_grpc
from mows.csi.server import csi_serving
from mows.csi.service import DriverIdentity, IdentityService, NodeService
from mows.csi.volumes import Volumes
from mows.errors import NotReady
from mows.handed_keys import HandedKeys
from tests.kubelet import Volume
from tests.unit.mows.twins import SOURCE, Node, running_node

SOURCES = ("memory://bucket/", "oss://models/")


@dataclass
class RecordedAudit:
    """Implements `Audit` in memory."""

    rows: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def record(self, action: str, caller: str, **fields: object) -> None:
        assert caller == "csi"
        self.rows.append((action, fields))

    @property
    def outcomes(self) -> list[tuple[str, object]]:
        return [(action, fields["outcome"]) for action, fields in self.rows]


@dataclass
class CsiWorld:
    """What a test holds in its hands."""

    node: Node
    kubelet_dir: Path
    identity: Any
    volumes: Any
    """The stub of the node service."""
    keys: HandedKeys
    audit: RecordedAudit
    trouble: list[str] = field(default_factory=list)
    """What the readiness check finds."""

    def volume(self, name: str = "model", **fields: Any) -> Volume:
        parent = self.kubelet_dir / "pods" / name
        parent.mkdir(parents=True, exist_ok=True)
        usual: dict[str, Any] = {
            "attributes": {"source": SOURCE},
            "volume_id": f"csi-{name}",
            "target": parent / "mount",
        }
        return Volume(**(usual | fields))

    def is_mounted(self, volume: Volume) -> bool:
        return volume.target in self.node.mounter.mounts

    async def publish(self, volume: Volume, *, timeout_seconds: float = 60.0, **fields: Any) -> None:
        await self.volumes.NodePublishVolume(volume.request(**fields), timeout=timeout_seconds)

    async def unpublish(self, volume: Volume) -> None:
        await self.volumes.NodeUnpublishVolume(
            pb.NodeUnpublishVolumeRequest(volume_id=volume.volume_id, target_path=str(volume.target))
        )

    async def stats(self, volume: Volume) -> pb.NodeGetVolumeStatsResponse:
        answer: pb.NodeGetVolumeStatsResponse = await self.volumes.NodeGetVolumeStats(
            pb.NodeGetVolumeStatsRequest(volume_id=volume.volume_id, volume_path=str(volume.target))
        )
        return answer

    def check_ready(self) -> None:
        if self.trouble:
            raise NotReady(self.trouble[0])


@contextlib.asynccontextmanager
async def running_csi(directory: Path, zone: str | None = "z1") -> AsyncIterator[CsiWorld]:
    """A driver and its kubelet, with a model at `SOURCE`."""
    kubelet_dir, socket = directory / "kubelet", directory / "csi.sock"
    kubelet_dir.mkdir()
    async with running_node(directory) as node, grpc.aio.insecure_channel(f"unix:{socket}") as channel:
        node.put_model()
        stub = (csi_pb2_grpc.IdentityStub(channel), csi_pb2_grpc.NodeStub(channel))
        world = CsiWorld(node, kubelet_dir, *stub, HandedKeys(), RecordedAudit())
        stopping = node.services.stopping.is_set
        identity = DriverIdentity("1.2.3", "node-a", zone)
        volumes = Volumes(
            node.mounts,
            node.mounter,
            world.keys,
            world.audit,
            kubelet_dir,
            stopping=stopping,
            mounted=lambda path: path in node.mounter.mounts,
        )
        service = IdentityService(identity, world.check_ready, stopping)
        async with csi_serving(socket, service, NodeService(identity, volumes, SOURCES)):
            yield world
        assert not socket.exists()
