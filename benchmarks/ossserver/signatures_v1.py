r"""Signature version 1, from the published algorithm: HMAC-SHA1 over a few fixed lines.

::

    VERB \n Content-MD5 \n Content-Type \n Date \n CanonicalizedOSSHeaders CanonicalizedResource

*CanonicalizedOSSHeaders* are the ``x-oss-`` headers, lower case, sorted, one ``name:value\n`` each.
*CanonicalizedResource* is ``/bucket/key`` as it is (not percent-encoded) and then, behind ``?``, the sub-resources and
overrides of the query, sorted; no other query parameter is signed. In a signed URL the expiry (Unix seconds) stands in
the place of the date. Written from Alibaba Cloud's "Include a V1 signature" pages, not from a client.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

# The sub-resources and overrides that the documentation names; a query parameter outside this list is not signed.
_SIGNED_PARAMETERS_TEXT = """
    acl append asyncFetch bucketInfo callback callback-var cname comp continuation-token cors delete encryption
    endTime group inventory inventoryId lifecycle link live location logging metaQuery objectInfo objectMeta
    partNumber policy position qos qosInfo referer regionList replication replicationLocation replicationProgress
    requestPayment resourceGroup response-cache-control response-content-disposition response-content-encoding
    response-content-language response-content-type response-expires restore security-token sequential startTime
    stat status style styleName symlink tagging transferAcceleration uploadId uploads versionId versioning
    versions vod website worm wormExtend wormId x-oss-ac-forward-allow x-oss-ac-source-ip x-oss-ac-subnet-mask
    x-oss-ac-vpc-id x-oss-async-process x-oss-process x-oss-request-payer x-oss-traffic-limit
"""
SIGNED_PARAMETERS = frozenset(_SIGNED_PARAMETERS_TEXT.split())


def resource_path(bucket: str, key: str) -> str:
    """``/bucket/key``, ``/bucket/`` or, for the service itself, ``/``."""
    return f"/{bucket}/{key}" if bucket else "/"


def canonical_resource(bucket: str, key: str, query: Mapping[str, str]) -> str:
    """The resource and what of the query counts as part of it. ``query`` holds decoded names and values."""
    signed = sorted((name, value) for name, value in query.items() if name in SIGNED_PARAMETERS)
    pairs = [f"{name}={value}" if value else name for name, value in signed]
    return resource_path(bucket, key) + ("?" + "&".join(pairs) if pairs else "")


def canonical_headers(headers: Mapping[str, str]) -> str:
    """The ``x-oss-`` headers; ``headers`` has lower-case names and values without surrounding blanks."""
    return "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-oss-"))


def string_to_sign(
    method: str, bucket: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], *, date: str
) -> str:
    """What is signed. ``date`` is the ``x-oss-date`` or ``Date`` header, or the expiry of a signed URL."""
    lines = (method, headers.get("content-md5", ""), headers.get("content-type", ""), date)
    return "\n".join(lines) + "\n" + canonical_headers(headers) + canonical_resource(bucket, key, query)


def signature(secret: str, text: str) -> str:
    """Base64 of HMAC-SHA1."""
    return base64.b64encode(hmac.digest(secret.encode(), text.encode(), hashlib.sha1)).decode()
