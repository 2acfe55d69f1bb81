"""Every way the cache can fail, as one tree.

::

    CacheError                     internal            a bug: the traceback is in the log
    ├── SourceError                                    what the caller named cannot be used (no retry helps)
    │   ├── InvalidSource          invalid_source      the URI cannot be understood
    │   ├── UnknownScheme          unknown_scheme      no origin implementation for this scheme
    │   ├── EmptySource            source_empty        nothing lies under the prefix
    │   └── SourceTooLarge         source_too_large    more objects lie there than a listing may have
    ├── OriginError                                    the origin answered, or did not
    │   ├── OriginNotFound         origin_not_found    no such bucket or object
    │   ├── OriginDenied           origin_denied       credentials are wrong or do not suffice
    │   │   ├── CredentialsExpired credentials_expired a token ran out and no newer one could be had
    │   │   └── ClockSkew          clock_skew          this node's clock is too far off for signatures
    │   ├── OriginArchived         origin_archived     the object must be restored before it can be read
    │   ├── ObjectChanged          object_changed      the version in the snapshot is gone: ESTALE to a reader
    │   ├── OriginThrottled        origin_throttled    retryable: slow down, all of us together
    │   ├── OriginUnavailable      origin_unavailable  retryable: connection refused, reset, 5xx
    │   ├── OriginTimeout          origin_timeout      retryable: no bytes within the time allowed
    │   └── OriginProtocolError    origin_protocol     retryable: a wrong range, length or checksum
    ├── StoreError                                     only ever a cache miss for a reader
    │   ├── NoSpace                no_space            no tier has room, and nothing can be evicted
    │   ├── TierUnavailable        tier_unavailable    a tier's directory fails or has vanished
    │   ├── CorruptBlob            corrupt_blob        bytes do not have the hash they were stored with
    │   ├── FormatTooNew           format_too_new      the directory was written by a newer MoWS
    │   └── InvalidTier            invalid_tier        a tier's path or capacity cannot be used
    ├── PeerError                                      another node's trouble: only ever a reason to ask elsewhere
    │   ├── PeerBusy               peer_busy           all its slots are taken
    │   ├── PeerLacks              peer_lacks          it does not have the chunk (any more)
    │   ├── PeerUnavailable        peer_unavailable    refused, reset, silent
    │   ├── PeerRefused            peer_refused        it does not accept our token or certificate, or we not its
    │   ├── PeerMismatch           peer_mismatch       another protocol version
    │   ├── PeerProtocolError      peer_protocol       it speaks something else, or breaks the protocol
    │   └── PeerCorrupt            peer_corrupt        its bytes do not have its hash
    ├── MountError                                     the kernel would not mount
    │   ├── FuseUnavailable        fuse_unavailable    no /dev/fuse, or no right to use it
    │   └── InvalidTarget          invalid_target      not an empty directory, or mounted by another
    ├── DeadlineExceeded           deadline_exceeded   retryable: the work did not finish in its time
    └── Interrupted                interrupted         the caller gave up or the daemon is stopping

``code`` is stable and part of the interface; ``retryable`` says whether the same call may succeed later without anybody
changing anything; ``hint`` says what a person can do about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar


class CacheError(Exception):
    """Base of the tree. ``str(error)`` names the key and the value; ``hint`` names the remedy."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = self.default_hint if hint is None else hint


class SourceError(CacheError):
    """What the caller named cannot be used."""


class InvalidSource(SourceError):
    """The URI cannot be understood."""

    code = "invalid_source"
    default_hint = "write it as scheme://bucket/prefix, for example oss://models/qwen3-32b/ or file:///srv/models"


class UnknownScheme(SourceError):
    """No origin implementation for this scheme."""

    code = "unknown_scheme"
    default_hint = "use oss, nas, file, s3, gs, az, http, https or a protocol that an installed fsspec package serves"


class EmptySource(SourceError):
    """Nothing lies under the prefix."""

    code = "source_empty"
    default_hint = "check the spelling of the prefix; `mows ls SOURCE` shows what is there"


class SourceTooLarge(SourceError):
    """More objects lie under the prefix than one listing may have: each costs memory for as long as it is mounted."""

    code = "source_too_large"
    default_hint = "mount a longer prefix, or raise mounts.max_objects and the memory limit by 1.3 KiB per object"


class OriginError(CacheError):
    """The origin answered with a failure, or did not answer."""

    code = "origin_error"


class OriginNotFound(OriginError):
    """No such bucket or object."""

    code = "origin_not_found"
    default_hint = "check the bucket, the endpoint's region and the key"


class OriginDenied(OriginError):
    """Credentials are wrong or do not suffice."""

    code = "origin_denied"
    default_hint = "check the credentials under `origins` and that they may list and get this prefix"


class CredentialsExpired(OriginDenied):
    """A token ran out and no newer one could be had."""

    code = "credentials_expired"
    default_hint = "check the credentials provider: it must hand out a newer token before the old one expires"


class ClockSkew(OriginDenied):
    """This node's clock is too far off for signatures."""

    code = "clock_skew"
    default_hint = "synchronise this node's clock (chrony, ntpd)"


class OriginArchived(OriginError):
    """The object must be restored before it can be read."""

    code = "origin_archived"
    default_hint = "restore the object from archive storage, then read it again"


class ObjectChanged(OriginError):
    """The version named by the snapshot is gone."""

    code = "object_changed"
    default_hint = "open the file again after the mount's next refresh to read the new version"


class OriginThrottled(OriginError):
    """The origin asks everybody to slow down. ``retry_after_seconds`` is its own word, if it gave one."""

    code = "origin_throttled"
    retryable = True
    default_hint = "wait; if it lasts, raise the account's bandwidth or request limit"

    def __init__(self, message: str, *, hint: str | None = None, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_seconds = retry_after_seconds


class OriginUnavailable(OriginError):
    """Connection refused, reset, or a 5xx answer."""

    code = "origin_unavailable"
    retryable = True
    default_hint = "check that the endpoint is reachable from this node"


class OriginTimeout(OriginError):
    """No bytes within the time allowed."""

    code = "origin_timeout"
    retryable = True
    default_hint = "check the network path to the endpoint"


class OriginProtocolError(OriginError):
    """The answer has a wrong range, length or checksum."""

    code = "origin_protocol"
    retryable = True
    default_hint = "something between this node and the origin alters answers: look for a proxy"


class StoreError(CacheError):
    """The cache's own trouble: counted and logged, and for a reader only a miss."""

    code = "store_error"


@dataclass(frozen=True, slots=True)
class InTheWay:
    """A blob that could make room and may not be evicted."""

    blob_id: str
    uri: str
    size_bytes: int
    """Blocks that it occupies."""
    held_by: tuple[str, ...]
    """``open``, and the names of those who pinned it."""


class NoSpace(StoreError):
    """No tier has room and nothing can be evicted. `in_the_way` names what could not, where somebody asked before."""

    code = "no_space"
    default_hint = "raise a tier's capacity, or close files and release leases"

    def __init__(self, message: str, *, hint: str | None = None, in_the_way: Iterable[InTheWay] = ()) -> None:
        super().__init__(message, hint=hint)
        self.in_the_way = tuple(in_the_way)


class TierUnavailable(StoreError):
    """A tier's directory fails or has vanished."""

    code = "tier_unavailable"
    default_hint = "check that the tier's file system is mounted, writable and healthy"


class CorruptBlob(StoreError):
    """Bytes do not have the hash they were stored with."""

    code = "corrupt_blob"
    default_hint = "the blob is fetched again; if it happens often, check the disk and the memory of this node"


class FormatTooNew(StoreError):
    """The directory was written by a newer version of MoWS."""

    code = "format_too_new"
    default_hint = "upgrade MoWS, or point the tier at another directory"


class InvalidTier(StoreError):
    """A tier's path or capacity cannot be used."""

    code = "invalid_tier"


class PeerError(CacheError):
    """Another node's trouble: only ever a reason to ask elsewhere."""

    code = "peer_error"
    retryable = True


class PeerBusy(PeerError):
    """All its slots are taken."""

    code = "peer_busy"


class PeerLacks(PeerError):
    """It does not have the chunk, or not any more."""

    code = "peer_lacks"


class PeerUnavailable(PeerError):
    """Connection refused or reset, or nothing came in time."""

    code = "peer_unavailable"
    default_hint = "check that the peer runs and that its advertised address and both its ports can be reached"


class PeerRefused(PeerError):
    """It does not accept our token or certificate, or we do not accept its."""

    code = "peer_refused"
    default_hint = "give all nodes of the cluster the same peers.token_file, or certificates of the same authority"


class PeerMismatch(PeerError):
    """It speaks another version of the protocol."""

    code = "peer_mismatch"
    default_hint = "finish the upgrade: nodes of different protocol versions do not exchange chunks"


class PeerProtocolError(PeerError):
    """It speaks something else, or breaks the protocol."""

    code = "peer_protocol"
    default_hint = "check that the address is that of a MoWS peer port (peers.listen), not of another service"


class PeerCorrupt(PeerError):
    """Its bytes do not have its hash."""

    code = "peer_corrupt"
    default_hint = "check that node's disk and memory (`mows cache verify`), and the network between the nodes"


class MountError(CacheError):
    """The kernel would not mount."""

    code = "mount_error"


class FuseUnavailable(MountError):
    """No ``/dev/fuse``, or no right to use it."""

    code = "fuse_unavailable"
    default_hint = "load the fuse module and run with CAP_SYS_ADMIN, or install fuse3 for fusermount3"


class InvalidTarget(MountError):
    """The mount point is not an empty directory, or something else is mounted on it."""

    code = "invalid_target"


class DeadlineExceeded(CacheError):
    """The work did not finish in the time allowed."""

    code = "deadline_exceeded"
    retryable = True


class Interrupted(CacheError):
    """The caller gave up, or the daemon is stopping."""

    code = "interrupted"
