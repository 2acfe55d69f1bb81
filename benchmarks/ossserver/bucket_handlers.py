"""Buckets: listings of every kind, versioning, deletion of many objects."""

from __future__ import annotations

import base64
import binascii

from . import documents
from .digests import digest_bytes
from .documents import OWNER, Encoder, Node, children, encoder, text_of, timestamp
from .errors import OssError, invalid_argument
from .listing import Page, Query
from .messages import Request, Response, Service, document
from .object_handlers import check_md5
from .objects import ENABLED, Version
from .routing import check_bucket_name

_ACL: Node = ("AccessControlList", [("Grant", "private")])
_DEFAULT_KEYS, _MOST_KEYS = 100, 1000


def list_buckets(service: Service, request: Request) -> Response:
    """All buckets of the owner."""
    prefix = request.query.get("prefix", "")
    found = [bucket for bucket in service.store.buckets() if bucket.name.startswith(prefix)]
    nodes: list[Node] = [("Bucket", _bucket_nodes(service, bucket.name, bucket.created)) for bucket in found]
    return document("ListAllMyBucketsResult", [OWNER, ("Buckets", nodes)])


def put_bucket(service: Service, request: Request) -> Response:
    """Create it."""
    check_bucket_name(request.bucket)
    service.store.create_bucket(request.bucket)
    return Response(200)


def delete_bucket(service: Service, request: Request) -> Response:
    """Remove it if it is empty."""
    service.store.delete_bucket(request.bucket)
    return Response(204)


def get_bucket_info(service: Service, request: Request) -> Response:
    """What clients ask to see that a bucket is there."""
    bucket = service.store.bucket(request.bucket)
    nodes = [*_bucket_nodes(service, bucket.name, bucket.created), OWNER]
    nodes += [_ACL]
    if bucket.versioning:
        nodes += [("Versioning", bucket.versioning)]
    return document("BucketInfo", [("Bucket", nodes)])


def get_bucket_acl(service: Service, request: Request) -> Response:
    """Private, always."""
    service.store.bucket(request.bucket)
    return document("AccessControlPolicy", [OWNER, _ACL])


def get_bucket_location(service: Service, request: Request) -> Response:
    """The region."""
    service.store.bucket(request.bucket)
    return document("LocationConstraint", f"oss-{service.region}")


def get_bucket_versioning(service: Service, request: Request) -> Response:
    """Enabled, Suspended or nothing."""
    status = service.store.bucket(request.bucket).versioning
    return document("VersioningConfiguration", [("Status", status)] if status else [])


def put_bucket_versioning(service: Service, request: Request) -> Response:
    """Switch it."""
    status = text_of(documents.parse(request.body.read(), "VersioningConfiguration"), "Status")
    if status not in (ENABLED, "Suspended"):
        raise OssError(400, "MalformedXML", "The XML you provided was not well-formed or did not validate.")
    service.store.set_versioning(request.bucket, status)
    return Response(200)


def list_objects(service: Service, request: Request) -> Response:
    """Version 1: goes on after ``marker``."""
    asked = request.query
    marker = asked.get("marker", "")
    page, versions = service.store.page(request.bucket, _query(request, marker))
    encode = encoder(asked.get("encoding-type", ""))
    nodes = _list_nodes(request, encode, page)
    nodes += [("Marker", encode(marker))]
    if page.next_after is not None:
        nodes += [("NextMarker", encode(page.next_after))]
    nodes += _content_nodes(encode, versions, owner=True)
    return document("ListBucketResult", nodes + _prefix_nodes(encode, page))


def list_objects_v2(service: Service, request: Request) -> Response:
    """Version 2: begins after ``start-after`` and goes on with an opaque token."""
    asked = request.query
    if asked["list-type"] != "2":
        raise invalid_argument("Invalid List Type specified in Request.", "list-type", asked["list-type"])
    token, start_after = asked.get("continuation-token", ""), asked.get("start-after", "")
    after = _decode_token(token) if token else start_after
    page, versions = service.store.page(request.bucket, _query(request, after))
    encode = encoder(asked.get("encoding-type", ""))
    nodes = _list_nodes(request, encode, page)
    nodes += [("KeyCount", page.count), ("StartAfter", encode(start_after)), ("ContinuationToken", token)]
    if page.next_after is not None:
        nodes += [("NextContinuationToken", _encode_token(page.next_after))]
    nodes += _content_nodes(encode, versions, owner=asked.get("fetch-owner") == "true")
    return document("ListBucketResult", nodes + _prefix_nodes(encode, page))


def list_object_versions(service: Service, request: Request) -> Response:
    """Every version and delete marker. A page ends between keys, never between the versions of one."""
    marker = request.query.get("key-marker", "")
    page, groups = service.store.version_page(request.bucket, _query(request, marker))
    encode = encoder(request.query.get("encoding-type", ""))
    nodes = _list_nodes(request, encode, page)
    nodes += [("KeyMarker", encode(marker)), ("VersionIdMarker", request.query.get("version-id-marker", ""))]
    if page.next_after is not None:
        nodes += [("NextKeyMarker", encode(page.next_after)), ("NextVersionIdMarker", "")]
    for versions in groups:
        nodes += [_version_node(encode, version, latest=version is versions[0]) for version in versions]
    return document("ListVersionsResult", nodes + _prefix_nodes(encode, page))


def delete_multiple_objects(service: Service, request: Request) -> Response:
    """Delete up to a thousand; says which, unless asked to be quiet."""
    body = request.body.read()
    check_md5(request, digest_bytes(body))
    asked = documents.parse(body, "Delete")
    encode = encoder(request.query.get("encoding-type", ""))
    nodes: list[Node] = list(encode.nodes)
    for item in children(asked, "Object"):
        key, version_id = text_of(item, "Key"), text_of(item, "VersionId")
        removed = service.store.delete(request.bucket, key, version_id or None)
        nodes.append(("Deleted", [("Key", encode(key)), *_deleted_nodes(removed, version_id)]))
    if text_of(asked, "Quiet") == "true":
        return Response(200)
    return document("DeleteResult", nodes)


def _query(request: Request, after: str) -> Query:
    text = request.query.get("max-keys", "") or str(_DEFAULT_KEYS)
    if not text.isdigit() or not 0 < int(text) <= _MOST_KEYS:
        raise invalid_argument("Argument max-keys must be an integer between 1 and 1000.", "max-keys", text)
    return Query(request.query.get("prefix", ""), request.query.get("delimiter", ""), after, int(text))


def _encode_token(key: str) -> str:
    return base64.b64encode(key.encode()).decode()


def _decode_token(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid_argument("The continuation token provided is incorrect.", "continuation-token", token) from None


def _list_nodes(request: Request, encode: Encoder, page: Page) -> list[Node]:
    return [
        ("Name", request.bucket),
        ("Prefix", encode(request.query.get("prefix", ""))),
        ("MaxKeys", request.query.get("max-keys", "") or str(_DEFAULT_KEYS)),
        ("Delimiter", encode(request.query.get("delimiter", ""))),
        ("IsTruncated", page.next_after is not None),
        *encode.nodes,
    ]


def _content_nodes(encode: Encoder, versions: list[Version], *, owner: bool) -> list[Node]:
    extra = [OWNER] if owner else []
    return [("Contents", [*_object_nodes(encode, version), *extra]) for version in versions]


def _object_nodes(encode: Encoder, version: Version) -> list[Node]:
    content = version.content
    return [
        ("Key", encode(version.key)),
        ("LastModified", timestamp(version.modified)),
        ("ETag", f'"{content.etag}"'),
        ("Type", content.object_type),
        ("Size", content.size_bytes),
        ("StorageClass", content.storage_class),
    ]


def _prefix_nodes(encode: Encoder, page: Page) -> list[Node]:
    return [("CommonPrefixes", [("Prefix", encode(prefix))]) for prefix in page.common_prefixes]


def _version_node(encode: Encoder, version: Version, *, latest: bool) -> Node:
    identity: list[Node] = [("VersionId", version.version_id), ("IsLatest", latest), OWNER]
    if version.draft is None:
        mark: list[Node] = [("Key", encode(version.key)), ("LastModified", timestamp(version.modified))]
        return "DeleteMarker", mark + identity
    return "Version", _object_nodes(encode, version) + identity


def _deleted_nodes(removed: Version | None, version_id: str) -> list[Node]:
    nodes: list[Node] = [("VersionId", version_id)] if version_id else []
    if removed is not None and removed.draft is None:
        nodes += [("DeleteMarker", True), ("DeleteMarkerVersionId", removed.version_id)]
    return nodes


def _bucket_nodes(service: Service, name: str, created: int) -> list[Node]:
    return [
        ("Name", name),
        ("CreationDate", timestamp(created)),
        ("Location", f"oss-{service.region}"),
        ("Region", service.region),
        ("ExtranetEndpoint", f"oss-{service.region}.aliyuncs.com"),
        ("IntranetEndpoint", f"oss-{service.region}-internal.aliyuncs.com"),
        ("StorageClass", "Standard"),
    ]
