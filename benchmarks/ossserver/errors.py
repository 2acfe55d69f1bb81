"""What OSS answers when it refuses, as values: HTTP status, code, message and the extra elements of the XML document.

Codes and messages are those of the service's error reference; ``ec`` is its finer code (``x-oss-ec``), where known.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NO_DETAILS: Mapping[str, str] = MappingProxyType({})


class OssError(Exception):
    """An answer that is an error. ``details`` become elements of the XML document, ``headers`` response headers."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        ec: str = "",
        details: Mapping[str, str] = NO_DETAILS,
        headers: Mapping[str, str] = NO_DETAILS,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.ec = ec
        self.details = details
        self.headers = headers


def access_denied(message: str, **details: str) -> OssError:
    """403 AccessDenied with the given reason."""
    return OssError(403, "AccessDenied", message, details=details)


def anonymous_denied() -> OssError:
    """A request without any signature, to a private bucket."""
    message = "You have no right to access this object because of bucket acl."
    return OssError(403, "AccessDenied", message, ec="0003-00000001")


def invalid_argument(message: str, name: str = "", value: str = "", *, ec: str = "") -> OssError:
    """400 InvalidArgument, naming the argument."""
    details = {"ArgumentName": name, "ArgumentValue": value} if name else {}
    return OssError(400, "InvalidArgument", message, ec=ec, details=details)


def no_such_bucket(bucket: str) -> OssError:
    """404 NoSuchBucket."""
    details = {"BucketName": bucket}
    return OssError(404, "NoSuchBucket", "The specified bucket does not exist.", ec="0015-00000101", details=details)


def no_such_key(key: str, headers: Mapping[str, str] = NO_DETAILS) -> OssError:
    """404 NoSuchKey."""
    message = "The specified key does not exist."
    return OssError(404, "NoSuchKey", message, ec="0026-00000001", details={"Key": key}, headers=headers)


def no_such_version(key: str, version_id: str) -> OssError:
    """404 NoSuchVersion."""
    details = {"Key": key, "VersionId": version_id}
    return OssError(404, "NoSuchVersion", "The specified version does not exist.", details=details)


def no_such_upload(upload_id: str) -> OssError:
    """404 NoSuchUpload."""
    message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted."
    return OssError(404, "NoSuchUpload", message, details={"UploadId": upload_id})


def precondition_failed(condition: str) -> OssError:
    """412 PreconditionFailed, naming the header that did not hold."""
    message = "At least one of the pre-conditions you specified did not hold."
    return OssError(412, "PreconditionFailed", message, details={"Condition": condition})


def not_modified() -> OssError:
    """304: no document goes with it."""
    return OssError(304, "NotModified", "Not Modified")


def invalid_range(range_header: str, size: int) -> OssError:
    """416 InvalidRange, only ever under ``x-oss-range-behavior: standard``."""
    details = {"ActualObjectSize": str(size), "RangeRequested": range_header}
    headers = {"content-range": f"bytes */{size}"}
    return OssError(416, "InvalidRange", "The requested range cannot be satisfied", details=details, headers=headers)


def archived(key: str) -> OssError:
    """403 InvalidObjectState: the object lies in Archive storage and was not restored."""
    message = "The operation is not valid for the object's state"
    return OssError(403, "InvalidObjectState", message, details={"ObjectName": key})


def not_implemented(what: str) -> OssError:
    """501: a call of OSS that this server does not play."""
    return OssError(
        501, "NotImplemented", f"A header or query you provided requests a function that is not here: {what}"
    )
