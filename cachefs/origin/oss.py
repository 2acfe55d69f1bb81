"""Alibaba Cloud OSS: the first-class origin.

Every ranged GET says ``x-oss-range-behavior: standard``, without which OSS answers a range it cannot serve with 200
and the whole object; ``If-Match``, so that a changed object is refused and not mixed; and ``Accept-Encoding:
identity``. Only a 206 with exactly the range, size and ETag that were asked for is believed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cachefs.errors import ObjectChanged, OriginNotFound, OriginProtocolError
from cachefs.origin.credentials import Credentials
from cachefs.origin.oss_client import OssClient, OssStatistics
from cachefs.origin.oss_endpoint import OssEndpoint
from cachefs.origin.settings import OriginSettings
from cachefs.types import ByteRange, Deadline, ObjectInfo

PAGE_OBJECTS = 1000
"""The most keys OSS puts into one page of a listing."""
KNOWN_CRCS = 4096
"""How many objects' CRCs are remembered; a model has some hundred files."""


class OssOrigin:
    """One bucket. See `cachefs.ports.Origin`; thread-safe."""

    def __init__(
        self, bucket: str, endpoint: OssEndpoint, credentials: Credentials | None, settings: OriginSettings
    ) -> None:
        self._bucket = bucket
        self._client = OssClient(bucket, endpoint, credentials, settings)
        self._lock = threading.Lock()  # guards _crcs
        self._crcs: dict[tuple[str, str], int] = {}

    @property
    def authority(self) -> str:
        """``oss://bucket``."""
        return f"oss://{self._bucket}"

    def list(self, prefix: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        """See `Origin.list`. Listings carry no CRC."""
        if prefix and not prefix.endswith("/"):
            yield from self._list_one(prefix, deadline)
            return
        what, token, more = f"list {self.authority}/{prefix}", None, True
        while more:
            page = self._client.list_page(what, prefix, token, PAGE_OBJECTS, deadline)
            if page.contents:
                yield [self._info_of(entry) for entry in page.contents]
            token, more = page.next_continuation_token, bool(page.is_truncated)
            if more and not token:
                raise OriginProtocolError(f"{what}: a truncated page without a continuation token")

    def stat(self, key: str, deadline: Deadline) -> ObjectInfo:
        """See `Origin.stat`. Carries the CRC of the object if OSS has one."""
        what = f"stat {self.authority}/{key}"
        with self._client.send(what, "HEAD", key, {}, deadline) as answer:
            headers = answer.headers
        try:
            return ObjectInfo(
                uri=f"{self.authority}/{key}",
                key=key,
                size_bytes=int(headers["content-length"]),
                version=_version(headers["etag"]),
                mtime_ns=_nanoseconds(parsedate_to_datetime(headers["last-modified"])),
                crc64=_crc_in(headers),
            )
        except (KeyError, ValueError) as error:
            raise OriginProtocolError(f"{what}: the answer lacks a usable header: {error}") from None

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        """See `Origin.read`."""
        if not len(span):
            return
        what = f"read {info.uri} [{span.start}, {span.stop})"
        headers = {
            "Range": f"bytes={span.start}-{span.stop - 1}",
            "If-Match": f'"{info.version}"',
            "x-oss-range-behavior": "standard",
            "Accept-Encoding": "identity",
        }
        with self._client.send(what, "GET", info.key, headers, deadline) as answer:
            check_range_answer(what, info, span, answer.status, answer.headers)
            self._learn_crc(info, answer.headers)
            yield from answer.pieces(deadline)

    def crc64_of(self, info: ObjectInfo) -> int | None:
        """The CRC-64/XZ of the whole object, from `info` or an earlier answer about this version; None if not known."""
        if info.crc64 is not None:
            return info.crc64
        with self._lock:
            return self._crcs.get((info.key, info.version))

    def statistics(self) -> OssStatistics:
        """Counts so far."""
        return self._client.statistics()

    def close(self) -> None:
        """See `Origin.close`."""
        self._client.close()

    def _list_one(self, key: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        try:
            yield [self.stat(key, deadline)]
        except OriginNotFound:
            return

    def _info_of(self, entry: Any) -> ObjectInfo:  # noqa: ANN401  # an SDK model
        return ObjectInfo(
            uri=f"{self.authority}/{entry.key}",
            key=entry.key,
            size_bytes=entry.size or 0,
            version=_version(entry.etag or ""),
            mtime_ns=_nanoseconds(entry.last_modified),
        )

    def _learn_crc(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        crc = _crc_in(headers)
        if crc is None:
            return
        with self._lock:
            self._crcs[(info.key, info.version)] = crc
            if len(self._crcs) > KNOWN_CRCS:
                del self._crcs[next(iter(self._crcs))]


def check_range_answer(what: str, info: ObjectInfo, span: ByteRange, status: int, headers: Mapping[str, str]) -> None:
    """Believe an answer only if it is exactly `span` of exactly `info`. Raises ObjectChanged or OriginProtocolError."""
    if status != 206:
        raise OriginProtocolError(f"{what}: status {status} instead of 206")
    version = _version(headers.get("etag", ""))
    if version != info.version:
        raise ObjectChanged(f"{what}: version {info.version} was replaced by {version or 'one without an ETag'}")
    expected = f"bytes {span.start}-{span.stop - 1}/{info.size_bytes}"
    if headers.get("content-range") != expected:
        raise OriginProtocolError(f"{what}: Content-Range {headers.get('content-range')!r} instead of {expected!r}")
    if headers.get("content-length") != str(len(span)):
        raise OriginProtocolError(f"{what}: Content-Length {headers.get('content-length')!r} instead of {len(span)}")
    if headers.get("content-encoding", "identity") != "identity":
        raise OriginProtocolError(f"{what}: Content-Encoding {headers['content-encoding']!r}: the bytes were altered")


def _version(etag: str) -> str:
    """An ETag without its quotes."""
    return etag.strip('"')


def _nanoseconds(moment: datetime | None) -> int:
    return int(moment.timestamp()) * 1_000_000_000 if moment else 0


def _crc_in(headers: Mapping[str, str]) -> int | None:
    text = headers.get("x-oss-hash-crc64ecma", "")
    return int(text) if text.isdecimal() else None
