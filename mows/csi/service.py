"""The calls of the specification: from a request to `Volumes`, and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from google.protobuf.wrappers_pb2 import BoolValue

from mows.csi import csi_pb2 as pb
from mows.csi.condition import stats
from mows.csi.volume import publication, volume_at
from mows.csi.volumes import Volumes
from mows.errors import NotReady

DRIVER = "csi.mows.io"
ZONE_KEY = "csi.mows.io/zone"
"""The label that the kubelet gives the node."""

PUBLISH_SECONDS = 100.0
"""The most that a publish call waits. The kubelet gives up after 120 s, and then does not see our reason."""
ANSWER_SECONDS = 1.0
"""Of a shorter deadline, what is left for the answer."""

_PluginService = pb.PluginCapability.Service
_NodeRpc = pb.NodeServiceCapability.RPC


@dataclass(frozen=True, slots=True)
class DriverIdentity:
    """Which driver answers, on which node."""

    version: str
    node: str
    zone: str | None


class IdentityService:
    """``csi.v1.Identity``."""

    def __init__(self, identity: DriverIdentity, check_ready: Callable[[], None], stopping: Callable[[], bool]) -> None:
        """`check_ready` blocks for a moment, and raises NotReady."""
        self._identity = identity
        self._check_ready = check_ready
        self._stopping = stopping

    async def get_plugin_info(self, _: pb.GetPluginInfoRequest, __: float | None) -> pb.GetPluginInfoResponse:
        """Name and version."""
        return pb.GetPluginInfoResponse(name=DRIVER, vendor_version=self._identity.version)

    async def get_plugin_capabilities(
        self, _: pb.GetPluginCapabilitiesRequest, __: float | None
    ) -> pb.GetPluginCapabilitiesResponse:
        """No controller: volumes are written by people. Nodes with a zone say so."""
        kinds = [_PluginService.VOLUME_ACCESSIBILITY_CONSTRAINTS] if self._identity.zone else []
        return pb.GetPluginCapabilitiesResponse(
            capabilities=[pb.PluginCapability(service=_PluginService(type=kind)) for kind in kinds]
        )

    async def probe(self, _: pb.ProbeRequest, __: float | None) -> pb.ProbeResponse:
        """What ``/readyz`` says. A node that is not ready is no error: to start the daemon anew would not mend it."""
        return pb.ProbeResponse(ready=BoolValue(value=await self._ready()))

    async def _ready(self) -> bool:
        try:
            await asyncio.to_thread(self._check_ready)
        except NotReady:
            return False
        return not self._stopping()


class NodeService:
    """``csi.v1.Node``, without staging and expansion, which there is nothing to do for."""

    def __init__(self, identity: DriverIdentity, volumes: Volumes, sources: Sequence[str]) -> None:
        """`sources`: the beginnings of what volumes may name."""
        self._identity = identity
        self._volumes = volumes
        self._sources = tuple(sources)

    async def get_info(self, _: pb.NodeGetInfoRequest, __: float | None) -> pb.NodeGetInfoResponse:
        """The node's name and zone, as configured."""
        identity = self._identity
        topology = pb.Topology(segments={ZONE_KEY: identity.zone}) if identity.zone else None
        return pb.NodeGetInfoResponse(node_id=identity.node, accessible_topology=topology)

    async def get_capabilities(
        self, _: pb.NodeGetCapabilitiesRequest, __: float | None
    ) -> pb.NodeGetCapabilitiesResponse:
        """Statistics and condition."""
        kinds = (_NodeRpc.GET_VOLUME_STATS, _NodeRpc.VOLUME_CONDITION)
        return pb.NodeGetCapabilitiesResponse(
            capabilities=[pb.NodeServiceCapability(rpc=_NodeRpc(type=kind)) for kind in kinds]
        )

    async def publish(
        self, request: pb.NodePublishVolumeRequest, remaining_seconds: float | None
    ) -> pb.NodePublishVolumeResponse:
        """Mount the volume at the target path; see `Volumes.publish`."""
        await self._volumes.publish(publication(request, self._sources), publish_seconds(remaining_seconds))
        return pb.NodePublishVolumeResponse()

    async def unpublish(
        self, request: pb.NodeUnpublishVolumeRequest, __: float | None
    ) -> pb.NodeUnpublishVolumeResponse:
        """Unmount it; see `Volumes.unpublish`."""
        await self._volumes.unpublish(volume_at(request.volume_id, request.target_path, "target_path"))
        return pb.NodeUnpublishVolumeResponse()

    async def get_stats(self, request: pb.NodeGetVolumeStatsRequest, __: float | None) -> pb.NodeGetVolumeStatsResponse:
        """Size and condition of a published volume."""
        volume = volume_at(request.volume_id, request.volume_path, "volume_path")
        return stats(await self._volumes.status(volume))


def publish_seconds(remaining_seconds: float | None) -> float:
    """How long a publish call may wait, if its caller waits so long. Pure."""
    if remaining_seconds is None:
        return PUBLISH_SECONDS
    return max(0.0, min(PUBLISH_SECONDS, remaining_seconds - ANSWER_SECONDS))
