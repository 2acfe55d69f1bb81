"""What an OSS failure means to us: one pure table from (status, code) to the tree of `cachefs.errors`.

Codes are those of the OSS error reference (help.aliyun.com, "Error codes").
"""

from __future__ import annotations

from dataclasses import dataclass

from cachefs.errors import (
    ClockSkew,
    CredentialsExpired,
    ObjectChanged,
    OriginArchived,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginProtocolError,
    OriginThrottled,
    OriginUnavailable,
)

_BY_CODE: dict[str, type[OriginError]] = {
    "SecurityTokenExpired": CredentialsExpired,
    "InvalidSecurityToken": CredentialsExpired,
    "RequestTimeTooSkewed": ClockSkew,
    "InvalidObjectState": OriginArchived,
    "NoSuchKey": OriginNotFound,
    "NoSuchBucket": OriginNotFound,
    "PreconditionFailed": ObjectChanged,
    "InvalidRange": ObjectChanged,  # asked for within the size that the listing gave: the object has shrunk
}
_BY_STATUS: dict[int, type[OriginError]] = {
    401: OriginDenied,
    403: OriginDenied,
    404: OriginNotFound,
    412: ObjectChanged,
    416: ObjectChanged,
    429: OriginThrottled,
}
_HINTS = {
    "SignatureDoesNotMatch": "the access key secret is wrong, or the region of the signature is not the bucket's",
    "InvalidAccessKeyId": "the access key does not exist or was disabled",
    "NoSuchBucket": "check the bucket's name and that the endpoint is that of its region",
}


@dataclass(frozen=True, slots=True)
class OssFailure:
    """What a failed answer says. `temporary_keys`: the request was signed with an STS token."""

    status: int
    code: str
    message: str
    request_id: str = ""
    retry_after: str = ""
    server_date: str = ""
    temporary_keys: bool = False


def oss_error(what: str, failure: OssFailure) -> OriginError:
    """The error to raise for `failure` of the operation `what`."""
    kind = _kind(failure)
    detail = f"{failure.status} {failure.code}: {failure.message}".rstrip(": ")
    message = f"{what}: {detail} (request {failure.request_id or 'unknown'})"
    if kind is OriginThrottled:
        return OriginThrottled(message, retry_after_seconds=_seconds(failure.retry_after))
    if kind is ClockSkew and failure.server_date:
        message += f"; the server's clock says {failure.server_date}"
    return kind(message, hint=_HINTS.get(failure.code))


def newer_keys_may_help(failure: OssFailure) -> bool:
    """Whether the same request, signed with other keys, could succeed."""
    return failure.status in {401, 403} and _kind(failure) not in {ClockSkew, OriginArchived}


def _kind(failure: OssFailure) -> type[OriginError]:
    if failure.code.endswith("LimitExceeded"):  # DownloadTrafficRateLimitExceeded, TotalQpsLimitExceeded, ...
        return OriginThrottled
    if failure.code == "InvalidAccessKeyId" and failure.temporary_keys:
        return CredentialsExpired  # what OSS says of a session's key after the session has ended
    if found := _BY_CODE.get(failure.code) or _BY_STATUS.get(failure.status):
        return found
    return OriginUnavailable if failure.status >= 500 else OriginProtocolError


def _seconds(text: str) -> float | None:
    """A Retry-After in seconds; its other form, a date, is not used by OSS."""
    try:
        return max(0.0, float(text))
    except ValueError:
        return None
