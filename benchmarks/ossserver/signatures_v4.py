r"""Signature version 4 (``OSS4-HMAC-SHA256``), from the published algorithm.

::

    canonical request   VERB \n /bucket/key encoded \n query \n headers \n additional header names \n payload hash
    string to sign      OSS4-HMAC-SHA256 \n timestamp \n date/region/oss/aliyun_v4_request \n SHA-256 of the above
    signing key         HMAC chain over "aliyun_v4"+secret: date, region, "oss", "aliyun_v4_request"

Signed headers are every ``x-oss-`` header, ``content-type``, ``content-md5`` and those that the client names as
additional. Written from Alibaba Cloud's "Include a V4 signature" pages, not from a client.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from .signatures_v1 import resource_path

ALGORITHM = "OSS4-HMAC-SHA256"
PRODUCT = "oss"
TERMINATOR = "aliyun_v4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
_ALWAYS_SIGNED = frozenset({"content-type", "content-md5"})


@dataclass(frozen=True, slots=True)
class Scope:
    """Where and on which day a signature holds. ``date`` is YYYYMMDD."""

    date: str
    region: str
    product: str = PRODUCT
    terminator: str = TERMINATOR

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.product}/{self.terminator}"


def parse_credential(text: str) -> tuple[str, Scope]:
    """``AccessKeyId/date/region/oss/aliyun_v4_request`` taken apart. ValueError when it has another shape."""
    access_key_id, date, region, product, terminator = text.rsplit("/", 4)
    return access_key_id, Scope(date, region, product, terminator)


def parse_authorization(header: str) -> dict[str, str]:
    """The pairs behind the algorithm's name: Credential, Signature and perhaps AdditionalHeaders."""
    pairs = header.removeprefix(ALGORITHM).split(",")
    return {name.strip(): value.strip() for name, _, value in (pair.partition("=") for pair in pairs)}


def canonical_query(query: Mapping[str, str]) -> str:
    """Encoded, sorted pairs; ``query`` holds decoded names and values without ``x-oss-signature``."""
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in query.items())
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


def canonical_headers(headers: Mapping[str, str], additional: Iterable[str]) -> str:
    """The signed headers; ``headers`` has lower-case names and values without surrounding blanks."""
    signed = _ALWAYS_SIGNED | set(additional)
    names = sorted(name for name in headers if name.startswith("x-oss-") or name in signed)
    return "".join(f"{name}:{headers[name]}\n" for name in names)


def canonical_request(
    method: str,
    bucket: str,
    key: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    *,
    additional: Iterable[str] = (),
    payload: str = UNSIGNED_PAYLOAD,
) -> str:
    """The request in the one form that both sides agree on. ``key`` is decoded text."""
    names = sorted(name.lower() for name in additional if name)
    return "\n".join(
        (
            method,
            quote(resource_path(bucket, key), safe="/"),
            canonical_query(query),
            canonical_headers(headers, names),
            ";".join(names),
            payload,
        )
    )


def string_to_sign(timestamp: str, scope: Scope, request: str) -> str:
    """``timestamp`` is ISO 8601 basic, like 20250411T064124Z; ``request`` the canonical one."""
    return "\n".join((ALGORITHM, timestamp, str(scope), hashlib.sha256(request.encode()).hexdigest()))


def signing_key(secret: str, scope: Scope) -> bytes:
    """The key of one day, region and product."""
    key = f"aliyun_v4{secret}".encode()
    for step in (scope.date, scope.region, scope.product, scope.terminator):
        key = hmac.digest(key, step.encode(), hashlib.sha256)
    return key


def signature(key: bytes, text: str) -> str:
    """Lower-case hex of HMAC-SHA256 with the signing key."""
    return hmac.digest(key, text.encode(), hashlib.sha256).hex()
