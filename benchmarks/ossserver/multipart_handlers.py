"""Multipart upload: begin, add parts, complete or abort, and the two listings."""

from __future__ import annotations

from . import documents
from .documents import Node, children, encoder, text_of, timestamp
from .errors import invalid_argument
from .messages import Request, Response, Service, document
from .object_handlers import kept_headers, receive, storage_class_of, version_header
from .objects import check_key
from .uploads import Upload

_MOST_PARTS = 10_000


def initiate_multipart_upload(service: Service, request: Request) -> Response:
    """A new upload id."""
    check_key(request.key)
    service.store.bucket(request.bucket)
    upload = service.uploads.initiate(request.bucket, request.key, kept_headers(request), storage_class_of(request))
    encode = encoder(request.query.get("encoding-type", ""))
    nodes: list[Node] = [("Bucket", upload.bucket), ("Key", encode(upload.key)), ("UploadId", upload.upload_id)]
    return document("InitiateMultipartUploadResult", encode.nodes + nodes)


def upload_part(service: Service, request: Request) -> Response:
    """Keep one part."""
    upload = _upload(service, request)
    number = request.query.get("partNumber", "")
    if not number.isdigit() or not 0 < int(number) <= _MOST_PARTS:
        raise invalid_argument("Part number must be an integer between 1 and 10000, inclusive.", "partNumber", number)
    path, digest = receive(service, request)
    service.uploads.add_part(upload, int(number), path, digest)
    return Response(200, {"ETag": f'"{digest.etag}"', "x-oss-hash-crc64ecma": str(digest.crc64)})


def complete_multipart_upload(service: Service, request: Request) -> Response:
    """Join the parts that the client names, or all of them if it says so."""
    upload = _upload(service, request)
    draft = service.uploads.complete(upload, _wanted_parts(request, upload))
    version = service.store.add(upload.bucket, upload.key, draft)
    encode = encoder(request.query.get("encoding-type", ""))
    nodes: list[Node] = [
        ("Location", f"http://{upload.bucket}.oss-{service.region}.aliyuncs.com/{upload.key}"),
        ("Bucket", upload.bucket),
        ("Key", encode(upload.key)),
        ("ETag", f'"{draft.etag}"'),
    ]
    headers = {"ETag": f'"{draft.etag}"', "x-oss-hash-crc64ecma": str(draft.crc64), **version_header(version)}
    return document("CompleteMultipartUploadResult", encode.nodes + nodes, headers)


def abort_multipart_upload(service: Service, request: Request) -> Response:
    """Forget it."""
    service.uploads.abort(_upload(service, request))
    return Response(204)


def list_parts(service: Service, request: Request) -> Response:
    """The parts so far, all in one page."""
    upload = _upload(service, request)
    parts = upload.sorted_parts()
    encode = encoder(request.query.get("encoding-type", ""))
    nodes: list[Node] = [
        ("Bucket", upload.bucket),
        ("Key", encode(upload.key)),
        ("UploadId", upload.upload_id),
        ("PartNumberMarker", 0),
        ("NextPartNumberMarker", parts[-1].number if parts else 0),
        ("MaxParts", _MOST_PARTS),
        ("IsTruncated", False),
    ]
    for part in parts:
        about: list[Node] = [
            ("PartNumber", part.number),
            ("LastModified", timestamp(part.modified)),
            ("ETag", f'"{part.digest.etag}"'),
            ("HashCrc64ecma", str(part.digest.crc64)),
            ("Size", part.digest.size_bytes),
        ]
        nodes.append(("Part", about))
    return document("ListPartsResult", encode.nodes + nodes)


def list_multipart_uploads(service: Service, request: Request) -> Response:
    """The uploads in progress below a prefix, all in one page."""
    service.store.bucket(request.bucket)
    prefix = request.query.get("prefix", "")
    encode = encoder(request.query.get("encoding-type", ""))
    nodes: list[Node] = [
        ("Bucket", request.bucket),
        ("KeyMarker", ""),
        ("UploadIdMarker", ""),
        ("NextKeyMarker", ""),
        ("NextUploadIdMarker", ""),
        ("Delimiter", ""),
        ("Prefix", encode(prefix)),
        ("MaxUploads", 1000),
        ("IsTruncated", False),
    ]
    for upload in service.uploads.of_bucket(request.bucket, prefix):
        about: list[Node] = [
            ("Key", encode(upload.key)),
            ("UploadId", upload.upload_id),
            ("Initiated", timestamp(upload.initiated)),
        ]
        nodes.append(("Upload", about))
    return document("ListMultipartUploadsResult", encode.nodes + nodes)


def _upload(service: Service, request: Request) -> Upload:
    return service.uploads.get(request.query["uploadId"], request.bucket, request.key)


def _wanted_parts(request: Request, upload: Upload) -> list[tuple[int, str]]:
    if request.headers.get("x-oss-complete-all") == "yes":
        return [(part.number, part.digest.etag) for part in upload.sorted_parts()]
    asked = documents.parse(request.body.read(), "CompleteMultipartUpload")
    return [(int(text_of(part, "PartNumber", "0")), text_of(part, "ETag")) for part in children(asked, "Part")]
