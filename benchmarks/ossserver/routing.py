"""Which operation a request means, and where it goes. Pure; the names are those of the API reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import OssError, access_denied, not_implemented

_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+")
_OSS_HOST = re.compile(r"(?:(?P<bucket>[a-z0-9][a-z0-9-]*)\.)?oss-(?P<region>[a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")

# (method, sub-resource) to operation; the first sub-resource of a table that the query holds decides, "" is none.
_SERVICE = {("GET", ""): "ListBuckets"}
_BUCKET = {
    ("GET", "acl"): "GetBucketAcl",
    ("GET", "bucketInfo"): "GetBucketInfo",
    ("GET", "location"): "GetBucketLocation",
    ("GET", "versioning"): "GetBucketVersioning",
    ("PUT", "versioning"): "PutBucketVersioning",
    ("GET", "versions"): "ListObjectVersions",
    ("GET", "uploads"): "ListMultipartUploads",
    ("POST", "delete"): "DeleteMultipleObjects",
    ("GET", "list-type"): "ListObjectsV2",
    ("GET", ""): "ListObjects",
    ("PUT", ""): "PutBucket",
    ("DELETE", ""): "DeleteBucket",
}
_OBJECT = {
    ("POST", "uploads"): "InitiateMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("GET", "uploadId"): "ListParts",
    ("HEAD", "objectMeta"): "GetObjectMeta",
    ("GET", ""): "GetObject",
    ("HEAD", ""): "HeadObject",
    ("PUT", ""): "PutObject",
    ("DELETE", ""): "DeleteObject",
}
# Sub-resources of calls that are not here. To ignore one would be to answer another question than was asked.
_ELSEWHERE = frozenset(
    {"acl", "append", "symlink", "tagging", "restore", "lifecycle", "cors", "policy", "stat", "x-oss-process"}
)


@dataclass(frozen=True, slots=True)
class Address:
    """Both are empty for the service itself, ``key`` for a bucket."""

    bucket: str
    key: str


def address(host: str, path: str, region: str) -> Address:
    """Take the bucket from the host (virtual-host style) or the path. 403 for a host of another region."""
    name = host.rpartition(":")[0] or host
    if matched := _OSS_HOST.fullmatch(name):
        if matched["region"] != region:
            message = "The bucket you are attempting to access must be addressed using the specified endpoint."
            raise access_denied(message, Endpoint=f"oss-{region}.aliyuncs.com")
        bucket = matched["bucket"] or ""
    else:
        bucket = "" if _IPV4.fullmatch(name) or "." not in name or name.startswith("[") else name.split(".")[0]
    if bucket:
        return Address(bucket, path[1:])
    first, _, rest = path[1:].partition("/")
    return Address(first, rest)


def operation(method: str, where: Address, query: Mapping[str, str]) -> str:
    """The name of the operation. 501 for a call of OSS that is not here, 405 for a method that OSS does not know."""
    table = _OBJECT if where.key else _BUCKET if where.bucket else _SERVICE
    known = {sub_resource for _, sub_resource in table}
    if foreign := (_ELSEWHERE & query.keys()) - known:
        raise not_implemented(min(foreign))
    for (verb, sub_resource), name in table.items():
        if verb == method and (not sub_resource or sub_resource in query):
            return name
    details = {"Method": method}
    raise OssError(
        405, "MethodNotAllowed", "The specified method is not allowed against this resource.", details=details
    )


def check_bucket_name(bucket: str) -> None:
    """400 InvalidBucketName for what OSS does not take as a name."""
    if not _BUCKET_NAME.fullmatch(bucket):
        details = {"BucketName": bucket}
        raise OssError(400, "InvalidBucketName", "The specified bucket is not valid.", details=details)
