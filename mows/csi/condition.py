"""What the kubelet is told about a published volume: how large it is, and whether it can be read. Pure."""

from __future__ import annotations

from cachefs.errors import CacheError
from mows.csi import csi_pb2 as pb
from mows.csi.volumes import VolumeStatus
from mows.mount_state import SERVING


def stats(status: VolumeStatus) -> pb.NodeGetVolumeStatsResponse:
    """The answer to NodeGetVolumeStats."""
    mount, unit = status.mount, pb.VolumeUsage
    usage = [_full(mount.bytes.total, unit.BYTES), _full(mount.files, unit.INODES)]
    return pb.NodeGetVolumeStatsResponse(usage=usage, volume_condition=condition(status))


def condition(status: VolumeStatus) -> pb.VolumeCondition:
    """Abnormal when nothing can be read. What only makes it slower or older is said, and normal."""
    mount = status.mount
    if mount.state not in SERVING:
        return pb.VolumeCondition(abnormal=True, message=f"{mount.state}{_reason(mount.error)}")
    if not status.in_place:
        message = "nothing is mounted at the path any more; it is mounted again with the next publish call"
        return pb.VolumeCondition(abnormal=True, message=message)
    message = f"{mount.state}: {mount.bytes.percent:.0f} % of {mount.files} files on this node{_reason(mount.error)}"
    return pb.VolumeCondition(abnormal=False, message=message)


def _full(count: int, unit: pb.VolumeUsage.Unit) -> pb.VolumeUsage:
    """What is read-only has no room left."""
    return pb.VolumeUsage(total=count, used=count, available=0, unit=unit)


def _reason(error: BaseException | None) -> str:
    if error is None:
        return ""
    hint = f"; {error.hint}" if isinstance(error, CacheError) and error.hint else ""
    return f": {error}{hint}"
