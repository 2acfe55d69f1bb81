"""Every way the daemon itself can fail, and the HTTP status of every failure, in one place.

::

    CacheError                             see `cachefs.errors`
    └── ServiceError                       a bug: the traceback is in the log
        ├── ConfigError      invalid_config       the file or the environment says something that cannot be used
        ├── DaemonRunning    daemon_running       another daemon holds this state directory or socket
        ├── Stopping         daemon_stopping      retryable: the daemon takes no new work
        ├── NotReady         not_ready            retryable: a probe found something unusable
        ├── KeeperUnavailable keeper_unavailable  retryable: the process that keeps the mounts does not answer
        ├── Unauthorized     unauthorized         no token, or a wrong one
        ├── InvalidRequest   invalid_request      a field is missing, unknown or has a wrong value
        ├── RequestTooLarge  request_too_large    the body has more bytes than any request needs
        ├── TargetNotAllowed target_not_allowed   the mount path lies outside `mounts.allowed_roots`
        ├── SourceNotAllowed source_not_allowed   the source lies outside `mounts.allowed_sources`
        ├── MountConflict    mount_conflict       a live mount has this id and another body
        ├── MountPathInUse   mount_path_in_use    a live mount of another id has this path
        ├── TooManyPrewarms  too_many_prewarms    retryable: enough others are under way or wait
        ├── InvalidIndex     invalid_index        a safetensors index names shards that are not there, or is none
        ├── WrongPrewarmState wrong_prewarm_state this prewarm has ended, and cannot be paused or resumed
        ├── NoSuchNodes      no_such_nodes        `nodes` names none of this node's peers, or is no such choice
        ├── InvalidStorage   invalid_storage      an entry of `storage` cannot be understood
        │   ├── UnsupportedStorage unsupported_storage  an entry is of a kind that is not mounted here
        │   └── StorageWritable    storage_writable     an entry is to be written to
        ├── InstanceConflict instance_conflict    a live instance has this id and another body
        ├── MountOfInstance  mount_of_instance    this mount goes with its instance
        ├── ProcessNotFound  process_not_found    the process that an instance belongs to does not run here
        ├── PodNotFound      pod_not_found        the pod that an instance belongs to is not on this node
        ├── TooManyListeners too_many_listeners   retryable: enough others listen to the events
        ├── BlobBusy         blob_busy            an open or pinned blob cannot be evicted
        └── NotFound         not_found            no such route
            ├── MountNotFound    mount_not_found
            ├── PrewarmNotFound  prewarm_not_found
            ├── InstanceNotFound instance_not_found
            └── BlobNotFound     blob_not_found
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from cachefs import errors as cache


class ServiceError(cache.CacheError):
    """Base of the daemon's own errors."""


class ConfigError(ServiceError):
    """The configuration cannot be used. The message names the file, the key path and the value."""

    code = "invalid_config"
    default_hint = "see docs/CONFIGURATION.md; `mows doctor --config FILE` checks a file without starting anything"


class DaemonRunning(ServiceError):
    """Another daemon holds this state directory or socket."""

    code = "daemon_running"
    default_hint = "stop the other daemon, or give this one its own node.state_dir and api.socket"


class Stopping(ServiceError):
    """The daemon takes no new work."""

    code = "daemon_stopping"
    retryable = True
    default_hint = "try again when the daemon is back"


class NotReady(ServiceError):
    """A readiness probe found something unusable."""

    code = "not_ready"
    retryable = True
    default_hint = "run `mows doctor` on this node"


class KeeperUnavailable(ServiceError):
    """The process that keeps the mounts does not answer, or refuses."""

    code = "keeper_unavailable"
    retryable = True
    default_hint = "start the keeper: python -m mows.keeper --socket PATH; while it is away, mounts end with the daemon"


class Unauthorized(ServiceError):
    """No bearer token, or a wrong one."""

    code = "unauthorized"
    default_hint = "send 'Authorization: Bearer TOKEN' with the content of api.token_file, or use the Unix socket"


class InvalidRequest(ServiceError):
    """A field is missing, unknown or has a wrong value."""

    code = "invalid_request"
    default_hint = "see /openapi.json for the fields of each request"


class RequestTooLarge(ServiceError):
    """The body has more bytes than any request needs, or comes too slowly."""

    code = "request_too_large"
    default_hint = "send at most 1 MiB within 30 s; name fewer blobs or sources in one request"


class TargetNotAllowed(ServiceError):
    """The mount path lies outside the allowed roots."""

    code = "target_not_allowed"
    default_hint = "choose a path below mounts.allowed_roots, or add its root there"


class SourceNotAllowed(ServiceError):
    """The source lies outside what may be read."""

    code = "source_not_allowed"
    default_hint = "add its beginning to mounts.allowed_sources, or an entry for it to origins"


class MountConflict(ServiceError):
    """A live mount has this id and another body."""

    code = "mount_conflict"
    default_hint = "delete the mount first, or choose another id"


class MountPathInUse(ServiceError):
    """A live mount of another id has this path."""

    code = "mount_path_in_use"
    default_hint = "delete that mount first, or choose another mount_path"


class TooManyPrewarms(ServiceError):
    """Enough other prewarms are under way or wait for their turn."""

    code = "too_many_prewarms"
    retryable = True
    default_hint = "try again when some have ended, or name several sources in one prewarm"


class TooManyListeners(ServiceError):
    """Enough others listen to the events of this node."""

    code = "too_many_listeners"
    retryable = True
    default_hint = "close other status pages of this node; GET /v1/mounts answers without listening"


class InvalidIndex(ServiceError):
    """A safetensors index names shards that are not there, or is none."""

    code = "invalid_index"
    default_hint = "upload the missing shards, or name the directory instead of its index"


class WrongPrewarmState(ServiceError):
    """This prewarm has ended: there is nothing to pause or to resume."""

    code = "wrong_prewarm_state"
    default_hint = "start it again: what is in the cache already is not fetched again"


class NoSuchNodes(ServiceError):
    """`nodes` names none of this node's peers, or is no such choice."""

    code = "no_such_nodes"
    default_hint = "`mows peers` lists the nodes: write all, zone=NAME, or their names with commas"


class InvalidStorage(ServiceError):
    """An entry of `storage` cannot be understood."""

    code = "invalid_storage"
    default_hint = "write storage as in an EAS service JSON; docs/CONTROLLER.md has an example of each kind"


class UnsupportedStorage(InvalidStorage):
    """An entry of `storage` is of a kind that is not mounted here."""

    code = "unsupported_storage"
    default_hint = "leave the entry out and mount it by other means; oss, nfs, cache and empty_dir are understood"


class StorageWritable(InvalidStorage):
    """An entry of `storage` says that it is to be written to."""

    code = "storage_writable"
    default_hint = 'set readOnly to true, or "mows": {"writable": "read_only"} or "ignore" for all such entries'


class InstanceConflict(ServiceError):
    """A live instance has this id and another body."""

    code = "instance_conflict"
    default_hint = "delete the instance first, or choose another id"


class MountOfInstance(ServiceError):
    """This mount goes with its instance."""

    code = "mount_of_instance"
    default_hint = "delete the instance: DELETE /v1/instances/ID"


class ProcessNotFound(ServiceError):
    """The process that an instance belongs to does not run here, or not any more."""

    code = "process_not_found"
    default_hint = "give the process id as the daemon sees it: in a container it needs the host's (hostPID)"


class PodNotFound(ServiceError):
    """The pod that an instance belongs to is not on this node, or its directory cannot be seen."""

    code = "pod_not_found"
    default_hint = (
        "give the uid of a pod of this node (metadata.uid), and mount csi.kubelet_dir into the daemon's container"
    )


class BlobBusy(ServiceError):
    """An open or pinned blob cannot be evicted."""

    code = "blob_busy"
    default_hint = "close its readers, unpin it and let its leases end"


class NotFound(ServiceError):
    """No such route."""

    code = "not_found"
    default_hint = "see /openapi.json for the routes"


class MountNotFound(NotFound):
    """No mount has this id."""

    code = "mount_not_found"
    default_hint = "`mows status` lists the mounts"


class PrewarmNotFound(NotFound):
    """No prewarm has this id; finished ones are forgotten after a while."""

    code = "prewarm_not_found"
    default_hint = "`mows status` lists the prewarms"


class InstanceNotFound(NotFound):
    """No instance has this id; it may have been released."""

    code = "instance_not_found"
    default_hint = "GET /v1/instances lists them; one whose lease, process or pod has ended is gone: PUT it again"


class BlobNotFound(NotFound):
    """The cache holds no such blob."""

    code = "blob_not_found"
    default_hint = "`mows cache ls` lists the blobs"


HTTP_STATUS: Mapping[type[cache.CacheError], HTTPStatus] = MappingProxyType(
    {
        cache.CacheError: HTTPStatus.INTERNAL_SERVER_ERROR,
        cache.SourceError: HTTPStatus.BAD_REQUEST,
        cache.EmptySource: HTTPStatus.NOT_FOUND,
        cache.OriginError: HTTPStatus.BAD_GATEWAY,
        cache.OriginNotFound: HTTPStatus.NOT_FOUND,
        cache.OriginThrottled: HTTPStatus.SERVICE_UNAVAILABLE,
        cache.OriginTimeout: HTTPStatus.GATEWAY_TIMEOUT,
        cache.ObjectChanged: HTTPStatus.CONFLICT,
        cache.OriginArchived: HTTPStatus.CONFLICT,
        cache.StoreError: HTTPStatus.INTERNAL_SERVER_ERROR,
        cache.NoSpace: HTTPStatus.INSUFFICIENT_STORAGE,
        cache.TierUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
        cache.PeerError: HTTPStatus.BAD_GATEWAY,
        cache.MountError: HTTPStatus.INTERNAL_SERVER_ERROR,
        cache.InvalidTarget: HTTPStatus.CONFLICT,
        cache.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
        cache.Interrupted: HTTPStatus.SERVICE_UNAVAILABLE,
        ServiceError: HTTPStatus.INTERNAL_SERVER_ERROR,
        DaemonRunning: HTTPStatus.CONFLICT,
        Stopping: HTTPStatus.SERVICE_UNAVAILABLE,
        NotReady: HTTPStatus.SERVICE_UNAVAILABLE,
        KeeperUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
        Unauthorized: HTTPStatus.UNAUTHORIZED,
        InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
        RequestTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        TargetNotAllowed: HTTPStatus.FORBIDDEN,
        SourceNotAllowed: HTTPStatus.FORBIDDEN,
        MountConflict: HTTPStatus.CONFLICT,
        MountPathInUse: HTTPStatus.CONFLICT,
        InvalidIndex: HTTPStatus.CONFLICT,
        WrongPrewarmState: HTTPStatus.CONFLICT,
        NoSuchNodes: HTTPStatus.UNPROCESSABLE_ENTITY,
        TooManyPrewarms: HTTPStatus.SERVICE_UNAVAILABLE,
        TooManyListeners: HTTPStatus.SERVICE_UNAVAILABLE,
        InvalidStorage: HTTPStatus.UNPROCESSABLE_ENTITY,
        InstanceConflict: HTTPStatus.CONFLICT,
        MountOfInstance: HTTPStatus.CONFLICT,
        ProcessNotFound: HTTPStatus.UNPROCESSABLE_ENTITY,
        PodNotFound: HTTPStatus.UNPROCESSABLE_ENTITY,
        BlobBusy: HTTPStatus.CONFLICT,
        NotFound: HTTPStatus.NOT_FOUND,
    }
)
"""Status of each kind of error; a kind that is not listed has its nearest listed ancestor's.

What the origin refuses (wrong keys, clock skew) is 502, not 401 or 403: those speak of the caller's own token.
"""


def http_status(error: BaseException) -> HTTPStatus:
    """The status an answer with this error has; 500 for what is not in the tree."""
    return status_of(type(error))


def status_of(kind: type[BaseException]) -> HTTPStatus:
    """As `http_status`, of all errors of a kind."""
    for ancestor in kind.__mro__:
        if (status := HTTP_STATUS.get(ancestor)) is not None:
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR
