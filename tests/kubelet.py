"""What the kubelet does with a CSI driver, with the published protocol: for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc

from mows.csi import csi_pb2 as pb
from mows.csi import csi_pb2_grpc

CALL_SECONDS = 120.0
"""As the kubelet has it."""

Mode = pb.VolumeCapability.AccessMode.Mode
EPHEMERAL = {"csi.storage.k8s.io/ephemeral": "true"}


@dataclass
class Pod:
    """A pod, as far as a driver hears of it."""

    uid: str = "11111111-2222-3333-4444-555555555555"
    name: str = "vllm-0"
    namespace: str = "serving"

    @property
    def attributes(self) -> dict[str, str]:
        """What the kubelet adds with `podInfoOnMount`, and to inline volumes."""
        info = {"name": self.name, "namespace": self.namespace, "uid": self.uid}
        return {f"csi.storage.k8s.io/pod.{key}": value for key, value in info.items()} | {
            "csi.storage.k8s.io/serviceAccount.name": "default"
        }


@dataclass
class Volume:
    """A volume of a pod: inline if `ephemeral`, else of a PersistentVolume."""

    volume_id: str
    target: Path
    attributes: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    mode: pb.VolumeCapability.AccessMode.Mode = Mode.SINGLE_NODE_WRITER
    pod: Pod = field(default_factory=Pod)

    @property
    def context(self) -> dict[str, str]:
        """The `volume_context` of the publish call."""
        inline = EPHEMERAL if self.mode == Mode.SINGLE_NODE_WRITER else {}
        return {**self.attributes, **self.pod.attributes, **inline}

    def request(self, **fields: Any) -> pb.NodePublishVolumeRequest:
        """The publish call, with some fields replaced."""
        capability = pb.VolumeCapability(
            mount=pb.VolumeCapability.MountVolume(), access_mode=pb.VolumeCapability.AccessMode(mode=self.mode)
        )
        usual: dict[str, Any] = {
            "volume_id": self.volume_id,
            "target_path": str(self.target),
            "volume_capability": capability,
            "volume_context": self.context,
            "secrets": self.secrets,
        }
        return pb.NodePublishVolumeRequest(**(usual | fields))


class Kubelet:
    """Calls a driver at its socket, and keeps directories as the kubelet does."""

    def __init__(self, socket: Path, directory: Path) -> None:
        self.directory = directory
        # A channel of its own: others to this path may be waiting before they try again, since its last daemon died.
        self._channel = grpc.insecure_channel(f"unix:{socket}", options=[("grpc.use_local_subchannel_pool", 1)])
        self.identity: Any = csi_pb2_grpc.IdentityStub(self._channel)
        self.node: Any = csi_pb2_grpc.NodeStub(self._channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()

    def volume(self, name: str, pod: Pod | None = None, **fields: Any) -> Volume:
        """A volume of a pod; its directory is there, and the target in it is not."""
        pod = pod or Pod()
        parent = self.directory / "pods" / pod.uid / "volumes" / "kubernetes.io~csi" / name
        parent.mkdir(parents=True, exist_ok=True)
        fields = {"volume_id": f"csi-{pod.uid}-{name}"} | fields
        return Volume(target=parent / "mount", pod=pod, **fields)

    def register(self) -> pb.NodeGetInfoResponse:
        """What the registrar and the kubelet ask before there is any volume."""
        wait = {"timeout": CALL_SECONDS, "wait_for_ready": True}
        assert self.identity.Probe(pb.ProbeRequest(), **wait).ready.value
        assert self.identity.GetPluginInfo(pb.GetPluginInfoRequest(), **wait).name == "csi.mows.io"
        info: pb.NodeGetInfoResponse = self.node.NodeGetInfo(pb.NodeGetInfoRequest(), **wait)
        return info

    def publish(self, volume: Volume, **fields: Any) -> None:
        """NodePublishVolume. Raises grpc.RpcError."""
        self.node.NodePublishVolume(volume.request(**fields), timeout=CALL_SECONDS, wait_for_ready=True)

    def unpublish(self, volume: Volume) -> None:
        """NodeUnpublishVolume. Raises grpc.RpcError."""
        request = pb.NodeUnpublishVolumeRequest(volume_id=volume.volume_id, target_path=str(volume.target))
        self.node.NodeUnpublishVolume(request, timeout=CALL_SECONDS, wait_for_ready=True)

    def stats(self, volume: Volume) -> pb.NodeGetVolumeStatsResponse:
        """NodeGetVolumeStats. Raises grpc.RpcError."""
        request = pb.NodeGetVolumeStatsRequest(volume_id=volume.volume_id, volume_path=str(volume.target))
        answer: pb.NodeGetVolumeStatsResponse = self.node.NodeGetVolumeStats(
            request, timeout=CALL_SECONDS, wait_for_ready=True
        )
        return answer

    def capabilities(self) -> Sequence[int]:
        """NodeGetCapabilities."""
        answer = self.node.NodeGetCapabilities(pb.NodeGetCapabilitiesRequest(), timeout=CALL_SECONDS)
        return [capability.rpc.type for capability in answer.capabilities]


def refusal(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    """Status and details of a failed call."""
    call: Any = error  # every failed call is a grpc.Call, too, which the types do not say
    return call.code(), call.details()
