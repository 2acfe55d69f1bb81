"""What `mows` exits with, in one place: the help text, docs/CLI.md and the tests read this table.

A script branches on the number; a person reads the `code` in the message. Numbers are part of the interface: add, never
renumber.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType


class ExitCode(IntEnum):
    """The exit status of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    CONFLICT = 5
    ORIGIN = 6
    CHECK_FAILED = 7
    NODE = 8
    TIMEOUT = 9
    INTERRUPTED = 130
    BROKEN_PIPE = 141


MEANINGS: Mapping[ExitCode, str] = MappingProxyType(
    {
        ExitCode.OK: "done",
        ExitCode.FAILED: "failed for a reason none of the others names",
        ExitCode.USAGE: "wrong usage: an option, a source, a target or the configuration cannot be used as given",
        ExitCode.UNREACHABLE: "the daemon cannot be reached, or went away",
        ExitCode.NOT_FOUND: "no such mount, prewarm, blob, bucket or object",
        ExitCode.CONFLICT: "the id or the target is in use for something else",
        ExitCode.ORIGIN: "the source: credentials, network, throttling or the data itself",
        ExitCode.CHECK_FAILED: "a check failed: `mows doctor` found a fault, or `mows cache verify` a corrupt chunk",
        ExitCode.NODE: "this node: mounting, the cache's directories or their space",
        ExitCode.TIMEOUT: "it did not finish in the time allowed; it may still go on in the daemon",
        ExitCode.INTERRUPTED: "interrupted by Ctrl-C; what was asked for goes on in the daemon",
        ExitCode.BROKEN_PIPE: "the program that read the output went away (`mows ls | head`)",
    }
)
"""One line per code, as `mows --help` and docs/CLI.md print it."""

BY_ERROR_CODE: Mapping[str, ExitCode] = MappingProxyType(
    {
        "internal": ExitCode.FAILED,
        "daemon_unreachable": ExitCode.UNREACHABLE,
        "daemon_timeout": ExitCode.TIMEOUT,
        "not_a_daemon": ExitCode.UNREACHABLE,
        "invalid_token_file": ExitCode.USAGE,
        "wait_timeout": ExitCode.TIMEOUT,
        "invalid_source": ExitCode.USAGE,
        "unknown_scheme": ExitCode.USAGE,
        "source_empty": ExitCode.NOT_FOUND,
        "source_too_large": ExitCode.USAGE,
        "origin_error": ExitCode.ORIGIN,
        "origin_not_found": ExitCode.NOT_FOUND,
        "origin_denied": ExitCode.ORIGIN,
        "credentials_expired": ExitCode.ORIGIN,
        "clock_skew": ExitCode.ORIGIN,
        "origin_archived": ExitCode.ORIGIN,
        "object_changed": ExitCode.ORIGIN,
        "origin_throttled": ExitCode.ORIGIN,
        "origin_unavailable": ExitCode.ORIGIN,
        "origin_timeout": ExitCode.ORIGIN,
        "origin_protocol": ExitCode.ORIGIN,
        "store_error": ExitCode.NODE,
        "no_space": ExitCode.NODE,
        "tier_unavailable": ExitCode.NODE,
        "corrupt_blob": ExitCode.NODE,
        "format_too_new": ExitCode.NODE,
        "invalid_tier": ExitCode.NODE,
        "peer_error": ExitCode.FAILED,
        "peer_busy": ExitCode.FAILED,
        "peer_lacks": ExitCode.FAILED,
        "peer_unavailable": ExitCode.FAILED,
        "peer_refused": ExitCode.FAILED,
        "peer_mismatch": ExitCode.FAILED,
        "peer_protocol": ExitCode.FAILED,
        "peer_corrupt": ExitCode.FAILED,
        "mount_error": ExitCode.NODE,
        "fuse_unavailable": ExitCode.NODE,
        "invalid_target": ExitCode.NODE,
        "deadline_exceeded": ExitCode.TIMEOUT,
        "interrupted": ExitCode.FAILED,
        "invalid_config": ExitCode.USAGE,
        "daemon_running": ExitCode.CONFLICT,
        "daemon_stopping": ExitCode.UNREACHABLE,
        "not_ready": ExitCode.UNREACHABLE,
        "keeper_unavailable": ExitCode.NODE,
        "unauthorized": ExitCode.USAGE,
        "invalid_request": ExitCode.USAGE,
        "request_too_large": ExitCode.USAGE,
        "target_not_allowed": ExitCode.USAGE,
        "source_not_allowed": ExitCode.USAGE,
        "mount_conflict": ExitCode.CONFLICT,
        "mount_path_in_use": ExitCode.CONFLICT,
        "blob_busy": ExitCode.CONFLICT,
        "too_many_prewarms": ExitCode.NODE,
        "invalid_index": ExitCode.NOT_FOUND,
        "wrong_prewarm_state": ExitCode.USAGE,
        "no_such_nodes": ExitCode.USAGE,
        "too_many_listeners": ExitCode.NODE,
        "invalid_storage": ExitCode.USAGE,
        "unsupported_storage": ExitCode.USAGE,
        "storage_writable": ExitCode.USAGE,
        "instance_conflict": ExitCode.CONFLICT,
        "mount_of_instance": ExitCode.CONFLICT,
        "process_not_found": ExitCode.USAGE,
        "pod_not_found": ExitCode.USAGE,
        "not_found": ExitCode.NOT_FOUND,
        "instance_not_found": ExitCode.NOT_FOUND,
        "mount_not_found": ExitCode.NOT_FOUND,
        "prewarm_not_found": ExitCode.NOT_FOUND,
        "blob_not_found": ExitCode.NOT_FOUND,
    }
)
"""Every `code` of `cachefs.errors`, `mows.errors` and `mows.client.errors`: a test walks the trees."""

BY_STATUS: Mapping[int, ExitCode] = MappingProxyType(
    {
        400: ExitCode.USAGE,
        401: ExitCode.USAGE,
        403: ExitCode.USAGE,
        404: ExitCode.NOT_FOUND,
        408: ExitCode.TIMEOUT,
        409: ExitCode.CONFLICT,
        422: ExitCode.USAGE,
        502: ExitCode.ORIGIN,
        503: ExitCode.UNREACHABLE,
        504: ExitCode.TIMEOUT,
    }
)
"""For codes the table above does not know: a newer daemon may have more."""


def exit_code_of(code: str, status: int | None = None) -> ExitCode:
    """The exit code for an error `code` and, where that is unknown here, for the HTTP `status` it came with."""
    known = BY_ERROR_CODE.get(code)
    return known if known is not None else BY_STATUS.get(status or 0, ExitCode.FAILED)
