"""What can be wrong with a call of the kubelet, beside what can be wrong with a mount.

::

    ServiceError
    └── VolumeError
        ├── InvalidVolume      invalid_volume       a field is missing, unknown or has a wrong value
        ├── VolumeUnsupported  volume_unsupported   it asks for what a read-only file system has not
        ├── VolumeConflict     volume_conflict      the volume is published there with other attributes
        ├── VolumeNotFound     volume_not_found     it is not published at this path
        ├── TargetMissing      target_missing       the directory above the target path does not exist
        └── VolumeBusy         volume_busy          retryable: another call for the volume has not ended
"""

from __future__ import annotations

from mows.errors import ServiceError


class VolumeError(ServiceError):
    """Base of these errors."""


class InvalidVolume(VolumeError):
    """A field is missing, unknown or has a wrong value."""

    code = "invalid_volume"
    default_hint = "docs/CSI.md lists the volume attributes and secrets"


class VolumeUnsupported(VolumeError):
    """It asks for what a read-only file system has not."""

    code = "volume_unsupported"
    default_hint = "use accessModes: [ReadOnlyMany] and volumeMode: Filesystem, without mountOptions"


class VolumeConflict(VolumeError):
    """The volume is published at this path with other attributes."""

    code = "volume_conflict"
    default_hint = "the attributes of a volume cannot change: delete the pod, or use another volume"


class VolumeNotFound(VolumeError):
    """It is not published at this path."""

    code = "volume_not_found"
    default_hint = "the kubelet publishes it when the pod starts; `mows status` lists what is mounted"


class TargetMissing(VolumeError):
    """The directory above the target path does not exist here."""

    code = "target_missing"
    default_hint = (
        "mount the kubelet's directory into the daemon's container under the same path, with "
        "mountPropagation: Bidirectional"
    )


class VolumeBusy(VolumeError):
    """Another call for the volume has not ended."""

    code = "volume_busy"
    retryable = True
    default_hint = "the kubelet calls again by itself"
