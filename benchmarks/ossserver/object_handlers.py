"""Get, head, put and delete of single objects."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from . import conditions, ranges
from .digests import Digest, Digester
from .errors import OssError, archived, invalid_argument
from .messages import FileBody, Request, Response, Service, http_date
from .objects import STANDARD, Draft, Version, check_key
from .ranges import Span

_STORAGE_CLASSES = frozenset({STANDARD, "IA", "Archive", "ColdArchive", "DeepColdArchive"})
_ARCHIVES = frozenset({"Archive", "ColdArchive", "DeepColdArchive"})
_KEPT_HEADERS = frozenset({"content-type", "cache-control", "content-disposition", "content-encoding", "expires"})
_OVERRIDES = ("content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding")


def get_object(service: Service, request: Request) -> Response:
    """The object or a range of it, as a descriptor for the kernel to send."""
    version, fd = service.store.open(request.bucket, request.key, request.query.get("versionId"))
    try:
        _demand_readable(version)
        conditions.check(request.headers, version.content.etag, version.modified)
        span = _span(request, version.content.size_bytes)
    except BaseException:
        os.close(fd)
        raise
    headers = {**_headers(version), **_overrides(request)}
    if span is None:
        return Response(200, headers, file=FileBody(fd, 0, version.content.size_bytes))
    headers["Content-Range"] = span.content_range(version.content.size_bytes)
    return Response(206, headers, file=FileBody(fd, span.start, span.size_bytes))


def head_object(service: Service, request: Request) -> Response:
    """Everything about the object but its bytes; archived ones too."""
    version = _find(service, request)
    conditions.check(request.headers, version.content.etag, version.modified)
    return Response(200, _headers(version), size=version.content.size_bytes)


def get_object_meta(service: Service, request: Request) -> Response:
    """The few things about an object that OSS can tell fastest."""
    version = _find(service, request)
    names = ("ETag", "Last-Modified", "x-oss-hash-crc64ecma", "x-oss-version-id")
    headers = {name: value for name, value in _headers(version).items() if name in names}
    return Response(200, headers, size=version.content.size_bytes)


def put_object(service: Service, request: Request) -> Response:
    """Store the body as the newest version."""
    check_key(request.key)
    service.store.bucket(request.bucket)
    if request.headers.get("x-oss-forbid-overwrite") == "true" and _exists(service, request):
        raise OssError(409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten.")
    storage_class = storage_class_of(request)
    path, digest = receive(service, request)
    draft = Draft(
        path,
        digest.size_bytes,
        digest.etag,
        digest.crc64,
        storage_class=storage_class,
        headers=kept_headers(request),
    )
    version = service.store.add(request.bucket, request.key, draft)
    return Response(
        200, {"ETag": f'"{digest.etag}"', "x-oss-hash-crc64ecma": str(digest.crc64), **version_header(version)}
    )


def delete_object(service: Service, request: Request) -> Response:
    """Remove or hide the object; 204 also when there was none."""
    removed = service.store.delete(request.bucket, request.key, request.query.get("versionId"))
    headers = version_header(removed) if removed else {}
    if removed is not None and removed.draft is None:
        headers["x-oss-delete-marker"] = "true"
    return Response(204, headers)


def receive(service: Service, request: Request) -> tuple[Path, Digest]:
    """Write the body to a new file of the store. 400 InvalidDigest when Content-MD5 says otherwise."""
    path, digester = service.store.new_path(), Digester()
    try:
        with path.open("wb") as file:
            for piece in request.body:
                digester.update(piece)
                file.write(piece)
        digest = digester.digest()
        check_md5(request, digest)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path, digest


def check_md5(request: Request, digest: Digest) -> None:
    """400 InvalidDigest when the client announced other bytes."""
    announced = request.headers.get("content-md5")
    if announced is not None and announced != base64.b64encode(digest.md5).decode():
        raise OssError(400, "InvalidDigest", "The Content-MD5 you specified was invalid.")


def storage_class_of(request: Request) -> str:
    """What the client asks for; 400 for a class that OSS has not."""
    storage_class = request.headers.get("x-oss-storage-class", STANDARD)
    if storage_class not in _STORAGE_CLASSES:
        raise invalid_argument("The storage class you specified is invalid.", "x-oss-storage-class", storage_class)
    return storage_class


def kept_headers(request: Request) -> dict[str, str]:
    """The headers that are stored with an object and given back."""
    items = request.headers.items()
    return {name: value for name, value in items if name in _KEPT_HEADERS or name.startswith("x-oss-meta-")}


def version_header(version: Version) -> dict[str, str]:
    """The version's id, where the bucket keeps versions."""
    return {} if version.version_id == "null" else {"x-oss-version-id": version.version_id}


def _demand_readable(version: Version) -> None:
    if version.content.storage_class in _ARCHIVES:
        raise archived(version.key)


def _find(service: Service, request: Request) -> Version:
    return service.store.find(request.bucket, request.key, request.query.get("versionId"))


def _exists(service: Service, request: Request) -> bool:
    try:
        return bool(service.store.find(request.bucket, request.key).content)
    except OssError:
        return False


def _span(request: Request, size: int) -> Span | None:
    standard = request.headers.get("x-oss-range-behavior") == "standard"
    return ranges.resolve(request.headers.get("range"), size, standard=standard)


def _overrides(request: Request) -> dict[str, str]:
    """What the query asks to be said instead (response-content-type and others)."""
    found = {name: request.query.get(f"response-{name}") for name in _OVERRIDES}
    return {_title(name): value for name, value in found.items() if value}


def _title(name: str) -> str:
    return name if name.startswith("x-oss-") else name.title()


def _headers(version: Version) -> dict[str, str]:
    content = version.content
    return {
        "Content-Type": content.headers.get("content-type", "application/octet-stream"),
        "Accept-Ranges": "bytes",
        "ETag": f'"{content.etag}"',
        "Last-Modified": http_date(version.modified),
        "x-oss-object-type": content.object_type,
        "x-oss-hash-crc64ecma": str(content.crc64),
        "x-oss-storage-class": content.storage_class,
        **{_title(name): value for name, value in content.headers.items() if name != "content-type"},
        **version_header(version),
    }
