"""From a request head to an answer: address, operation, signature, handler; every refusal becomes OSS's document."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Mapping
from types import MappingProxyType

from . import bucket_handlers, multipart_handlers, object_handlers, routing
from .authentication import Authenticator, SignedRequest
from .documents import error_document
from .errors import OssError
from .messages import Handler, Request, Response, Service, http_date
from .routing import Address
from .wire import RequestBody, RequestHead

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "ListBuckets": bucket_handlers.list_buckets,
        "PutBucket": bucket_handlers.put_bucket,
        "DeleteBucket": bucket_handlers.delete_bucket,
        "GetBucketAcl": bucket_handlers.get_bucket_acl,
        "GetBucketInfo": bucket_handlers.get_bucket_info,
        "GetBucketLocation": bucket_handlers.get_bucket_location,
        "GetBucketVersioning": bucket_handlers.get_bucket_versioning,
        "PutBucketVersioning": bucket_handlers.put_bucket_versioning,
        "ListObjects": bucket_handlers.list_objects,
        "ListObjectsV2": bucket_handlers.list_objects_v2,
        "ListObjectVersions": bucket_handlers.list_object_versions,
        "DeleteMultipleObjects": bucket_handlers.delete_multiple_objects,
        "GetObject": object_handlers.get_object,
        "HeadObject": object_handlers.head_object,
        "GetObjectMeta": object_handlers.get_object_meta,
        "PutObject": object_handlers.put_object,
        "DeleteObject": object_handlers.delete_object,
        "InitiateMultipartUpload": multipart_handlers.initiate_multipart_upload,
        "UploadPart": multipart_handlers.upload_part,
        "CompleteMultipartUpload": multipart_handlers.complete_multipart_upload,
        "AbortMultipartUpload": multipart_handlers.abort_multipart_upload,
        "ListParts": multipart_handlers.list_parts,
        "ListMultipartUploads": multipart_handlers.list_multipart_uploads,
    }
)


class Dispatcher:
    """Answers requests. Thread-safe, as the parts it stands on are."""

    def __init__(self, service: Service, authenticator: Authenticator) -> None:
        self._service = service
        self._authenticator = authenticator
        self._numbers = itertools.count(1)

    def locate(self, head: RequestHead) -> tuple[str, Address]:
        """Operation and address. OssError when the request means nothing here."""
        where = routing.address(head.headers.get("host", ""), head.path, self._service.region)
        return routing.operation(head.method, where, head.query), where

    def answer(self, operation: str, where: Address, head: RequestHead, body: RequestBody) -> Response:
        """Check the signature and run the operation. OssError for whatever OSS would refuse."""
        self._authenticator.check(SignedRequest(head.method, where.bucket, where.key, head.query, head.headers))
        return HANDLERS[operation](self._service, Request(head, where.bucket, where.key, body))

    def refuse(self, error: OssError, head: RequestHead, request_id: str) -> Response:
        """The error as an answer. HEAD and 304 have no room for a document: HEAD carries it in a header instead."""
        document = error_document(error, request_id, head.headers.get("host", ""))
        headers = dict(error.headers)
        if error.ec:
            headers["x-oss-ec"] = error.ec
        if head.method == "HEAD":
            headers["x-oss-err"] = base64.b64encode(document).decode()
        if head.method == "HEAD" or error.status == 304:
            return Response(error.status, headers)
        return Response(error.status, {"Content-Type": "application/xml", **headers}, document)

    def request_id(self) -> str:
        """A new one: 24 hex digits, as OSS's look."""
        return f"{next(self._numbers):024X}"


def common_headers(response: Response, request_id: str, *, now: float, began: float) -> list[tuple[str, str]]:
    """All headers of an answer, in order. ``now`` in Unix seconds, ``began`` from time.monotonic()."""
    size = response.file.size if response.file else response.size if response.size is not None else len(response.body)
    headers = {
        "Server": "AliyunOSS",
        "Date": http_date(now),
        "Content-Length": str(size),
        "Connection": "keep-alive",
        "x-oss-request-id": request_id,
        **response.headers,
        "x-oss-server-time": str(int((time.monotonic() - began) * 1000)),
    }
    if response.status in (204, 304):
        del headers["Content-Length"]
    return list(headers.items())
