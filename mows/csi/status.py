"""The one table between errors and the status codes that the CSI specification gives a meaning to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import grpc

from cachefs import errors as cache
from mows import errors as service
from mows.csi import errors as csi

Code = grpc.StatusCode

STATUS: Mapping[type[cache.CacheError], grpc.StatusCode] = MappingProxyType(
    {
        cache.CacheError: Code.INTERNAL,
        cache.SourceError: Code.INVALID_ARGUMENT,
        cache.EmptySource: Code.NOT_FOUND,
        cache.OriginError: Code.UNAVAILABLE,
        cache.OriginNotFound: Code.NOT_FOUND,
        cache.OriginDenied: Code.PERMISSION_DENIED,
        cache.CredentialsExpired: Code.UNAUTHENTICATED,
        cache.OriginArchived: Code.FAILED_PRECONDITION,
        cache.NoSpace: Code.RESOURCE_EXHAUSTED,
        cache.TierUnavailable: Code.UNAVAILABLE,
        cache.PeerError: Code.UNAVAILABLE,
        cache.FuseUnavailable: Code.FAILED_PRECONDITION,
        cache.InvalidTarget: Code.FAILED_PRECONDITION,
        cache.DeadlineExceeded: Code.DEADLINE_EXCEEDED,
        cache.Interrupted: Code.UNAVAILABLE,
        service.Stopping: Code.UNAVAILABLE,
        service.NotReady: Code.UNAVAILABLE,
        service.KeeperUnavailable: Code.UNAVAILABLE,
        service.InvalidRequest: Code.INVALID_ARGUMENT,
        service.TargetNotAllowed: Code.INVALID_ARGUMENT,
        service.SourceNotAllowed: Code.PERMISSION_DENIED,
        service.MountPathInUse: Code.FAILED_PRECONDITION,
        service.NotFound: Code.NOT_FOUND,
        csi.InvalidVolume: Code.INVALID_ARGUMENT,
        csi.VolumeUnsupported: Code.INVALID_ARGUMENT,
        csi.VolumeConflict: Code.ALREADY_EXISTS,
        csi.VolumeNotFound: Code.NOT_FOUND,
        csi.TargetMissing: Code.FAILED_PRECONDITION,
        csi.VolumeBusy: Code.ABORTED,
    }
)
"""A kind that is not listed has its nearest listed ancestor's status.

ABORTED, DEADLINE_EXCEEDED and UNAVAILABLE say to the kubelet that the volume may be there, and to call again soon.
"""


def status_of(error: BaseException) -> grpc.StatusCode:
    """How a call that failed with `error` ends; INTERNAL for what is not in the tree."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), Code.INTERNAL)


def details_of(error: BaseException) -> str:
    """What a person reads in the events of the pod: what is wrong, and the remedy."""
    if not isinstance(error, cache.CacheError):
        return "this is a bug: report it with the traceback in the daemon's log"
    return f"{error} ({error.code}): {error.hint}" if error.hint else f"{error} ({error.code})"
