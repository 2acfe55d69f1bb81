"""What the kubelet asks for, read from its request or refused. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cachefs.origin import parse_source
from cachefs.origin.keys import Keys
from mows.csi import csi_pb2 as pb
from mows.csi.errors import InvalidVolume, VolumeUnsupported
from mows.errors import SourceNotAllowed
from mows.mount_spec import MountSpec
from mows.source_policy import lies_below
from mows.units import parse_seconds

KUBERNETES = "csi.storage.k8s.io/"
"""What the kubelet adds to the attributes by itself begins so; we read what we know and leave the rest alone."""

ATTRIBUTES = ("source", "warm", "lease", "refresh")
SECRETS = ("access_key_id", "access_key_secret", "security_token")

HARMLESS_FLAGS = frozenset({"ro", "nosuid", "nodev"})
"""Mounts have these anyway."""

LONGEST_ID_BYTES = 128
"""As the specification has it. Ids end up in log lines."""

_Mode = pb.VolumeCapability.AccessMode.Mode
_READ_ONLY_MODES = frozenset({_Mode.SINGLE_NODE_READER_ONLY, _Mode.MULTI_NODE_READER_ONLY})


@dataclass(frozen=True, slots=True)
class VolumeAt:
    """A volume at one of the paths where it is published: one mount."""

    volume_id: str
    path: str

    @property
    def mount_id(self) -> str:
        """The same after every restart. A hash: ids of volumes may hold any character."""
        digest = hashlib.sha256(f"{self.volume_id}\0{self.path}".encode()).hexdigest()
        return f"csi-{digest[:32]}"


@dataclass(frozen=True, slots=True)
class Publication:
    """What shall be published, and where."""

    volume: VolumeAt
    spec: MountSpec
    keys: Keys | None = field(repr=False)
    """None: those of the configuration."""
    pod: str
    """``namespace/name``, where the kubelet says it; else empty."""


def volume_at(volume_id: str, path: str, path_field: str) -> VolumeAt:
    """The volume that a request names. Raises InvalidVolume."""
    if not volume_id:
        raise InvalidVolume("volume_id: is missing")
    if len(volume_id.encode()) > LONGEST_ID_BYTES:
        raise InvalidVolume(f"volume_id: has more than {LONGEST_ID_BYTES} bytes")
    if not path:
        raise InvalidVolume(f"{path_field}: is missing")
    return VolumeAt(volume_id, path)


def publication(request: pb.NodePublishVolumeRequest, allowed: Sequence[str]) -> Publication:
    """What `request` asks for. `allowed` are the beginnings of sources that it may name.

    Raises InvalidVolume, SourceNotAllowed, VolumeUnsupported, InvalidSource, UnknownScheme.
    """
    volume = volume_at(request.volume_id, request.target_path, "target_path")
    attributes = request.volume_context
    _check_capability(request)
    _check_names("volume_attributes", [name for name in attributes if not name.startswith(KUBERNETES)], ATTRIBUTES)
    keys = _keys(request.secrets)
    spec = MountSpec(
        source=_source(attributes.get("source", ""), allowed),
        mount_path=volume.path,
        warm=_truth("warm", attributes.get("warm", "false")),
        lease_seconds=_seconds("lease", attributes),
        refresh_seconds=_seconds("refresh", attributes),
        keys="" if keys is None else volume.mount_id,
    )
    if keys is not None and not spec.source.startswith("oss://"):
        raise InvalidVolume("secrets: only oss:// takes keys from a volume", hint="configure them under `origins`")
    return Publication(volume, spec, keys, _pod(attributes))


def _check_capability(request: pb.NodePublishVolumeRequest) -> None:
    capability = request.volume_capability
    kind = capability.WhichOneof("access_type")
    if kind is None:
        raise InvalidVolume("volume_capability: is missing")
    if kind == "block":
        raise VolumeUnsupported("volume_capability: a model is a directory, not a block device")
    mode = capability.access_mode.mode
    # The kubelet asks for a writer's volume for every inline one, though it is never written.
    inline = request.volume_context.get(f"{KUBERNETES}ephemeral") == "true" and mode == _Mode.SINGLE_NODE_WRITER
    if mode not in _READ_ONLY_MODES and not inline:
        name = _Mode.Name(mode) if mode in _Mode.values() else str(mode)
        raise VolumeUnsupported(f"volume_capability: access mode {name}: volumes are read-only")
    if not HARMLESS_FLAGS.issuperset(capability.mount.mount_flags):
        raise VolumeUnsupported("volume_capability: mount_flags: there are none to choose")  # they may hold secrets


def _check_names(what: str, found: Sequence[str], known: Sequence[str]) -> None:
    for name in sorted(found):
        if name not in known:
            raise InvalidVolume(f"{what}: {name!r} is unknown", hint=f"known are {', '.join(known)}")


def _source(text: str, allowed: Sequence[str]) -> str:
    if not text:
        raise InvalidVolume("volume_attributes: source: is missing", hint="write, for example, source: oss://models/m/")
    uri = parse_source(text).uri
    if not any(lies_below(uri, beginning) for beginning in allowed):
        raise SourceNotAllowed(
            f"source {uri!r}: volumes may name only {', '.join(allowed) or 'nothing'} (csi.sources)",
            hint="name a source below one of csi.sources of the node's configuration, or add it there",
        )
    return text


def _truth(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise InvalidVolume(f"volume_attributes: {name}: {text!r} is neither 'true' nor 'false'", hint="quote it")
    return text == "true"


def _seconds(name: str, attributes: Mapping[str, str]) -> float | None:
    text = attributes.get(name)
    if text is None:
        return None
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise InvalidVolume(f"volume_attributes: {name}: {text!r} {error}", hint="write 90s, 15m or 2h") from None


def _keys(secrets: Mapping[str, str]) -> Keys | None:
    if not secrets:
        return None
    _check_names("secrets", list(secrets), SECRETS)
    for name in SECRETS[:2]:
        if not secrets.get(name):
            raise InvalidVolume(f"secrets: {name}: is missing")
    return Keys(secrets["access_key_id"], secrets["access_key_secret"], secrets.get("security_token", ""))


def _pod(attributes: Mapping[str, str]) -> str:
    name = attributes.get(f"{KUBERNETES}pod.name", "")
    return f"{attributes.get(f'{KUBERNETES}pod.namespace', '')}/{name}" if name else ""
