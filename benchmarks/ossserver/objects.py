"""Buckets and the versions of their objects: an index in memory, one file per version below a directory.

A data file is written once and never changed, so an answer being sent keeps its bytes whatever happens to the object.
"""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import OssError, no_such_bucket, no_such_key, no_such_version
from .listing import Page, Query, list_page

NULL_VERSION = "null"
STANDARD = "Standard"
ENABLED = "Enabled"


@dataclass(frozen=True, slots=True)
class Draft:
    """An object about to be added: its bytes are in ``path``, a file of this store."""

    path: Path
    size_bytes: int
    etag: str
    crc64: int
    object_type: str = "Normal"
    storage_class: str = STANDARD
    headers: Mapping[str, str] = field(default_factory=dict)  # content-type and x-oss-meta-*, given back on every GET


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one object; ``draft`` is None for a delete marker. ``modified`` in whole Unix seconds."""

    key: str
    version_id: str
    modified: int
    draft: Draft | None

    @property
    def content(self) -> Draft:
        """What it holds. 404 when it is a delete marker."""
        if self.draft is None:
            headers = {"x-oss-delete-marker": "true", "x-oss-version-id": self.version_id}
            raise no_such_key(self.key, headers)
        return self.draft


@dataclass(slots=True)
class Bucket:
    """Name, versioning ("", Enabled or Suspended) and, newest first, the versions of each key."""

    name: str
    created: int
    versioning: str = ""
    versions: dict[str, list[Version]] = field(default_factory=dict)
    live_keys: list[str] = field(default_factory=list)  # sorted; those whose newest version is no delete marker


class ObjectStore:
    """All buckets. Thread-safe: one lock guards the index, and no file is read or written under it."""

    def __init__(self, root: Path, clock: Callable[[], float]) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._clock = clock
        self._lock = threading.RLock()  # guards _buckets and everything in it
        self._buckets: dict[str, Bucket] = {}
        self._numbers = itertools.count(1)

    def close(self) -> None:
        """Delete everything."""
        shutil.rmtree(self._root, ignore_errors=True)

    def new_path(self) -> Path:
        """Where to write the bytes of the next object."""
        return self._root / f"{next(self._numbers):08}.data"

    def create_bucket(self, name: str) -> None:
        """Add it; nothing happens when it is there."""
        with self._lock:
            self._buckets.setdefault(name, Bucket(name, int(self._clock())))

    def delete_bucket(self, name: str) -> None:
        """Remove it. 404, or 409 when something is in it."""
        with self._lock:
            if self.bucket(name).versions:
                details = {"BucketName": name}
                raise OssError(409, "BucketNotEmpty", "The bucket you tried to delete is not empty.", details=details)
            del self._buckets[name]

    def bucket(self, name: str) -> Bucket:
        """By name. 404 NoSuchBucket."""
        with self._lock:
            if name not in self._buckets:
                raise no_such_bucket(name)
            return self._buckets[name]

    def buckets(self) -> list[Bucket]:
        """All, by name."""
        with self._lock:
            return sorted(self._buckets.values(), key=lambda bucket: bucket.name)

    def set_versioning(self, name: str, status: str) -> None:
        """``Enabled`` or ``Suspended``."""
        with self._lock:
            self.bucket(name).versioning = status

    def add(self, bucket_name: str, key: str, draft: Draft) -> Version:
        """Make the draft the newest version of the key."""
        with self._lock:
            bucket = self.bucket(bucket_name)
            return self._push(bucket, Version(key, self._version_id(bucket), int(self._clock()), draft))

    def find(self, bucket_name: str, key: str, version_id: str | None = None) -> Version:
        """The newest version, or that one; it may be a delete marker. 404 NoSuchKey or NoSuchVersion."""
        with self._lock:
            versions = self.bucket(bucket_name).versions.get(key, [])
            if version_id is None:
                if not versions:
                    raise no_such_key(key)
                return versions[0]
            return _pick(versions, key, version_id)

    def open(self, bucket_name: str, key: str, version_id: str | None = None) -> tuple[Version, int]:
        """A version and a descriptor on its bytes, which the caller closes. 404 for a delete marker too."""
        with self._lock:
            version = self.find(bucket_name, key, version_id)
            return version, os.open(version.content.path, os.O_RDONLY | os.O_CLOEXEC)

    def delete(self, bucket_name: str, key: str, version_id: str | None = None) -> Version | None:
        """Remove a version, or hide the key behind a delete marker if the bucket keeps versions.

        Returns the marker that was added or removed, or the version that was removed; None when nothing was there.
        """
        with self._lock:
            bucket = self.bucket(bucket_name)
            if version_id is None and bucket.versioning:
                return self._push(bucket, Version(key, self._version_id(bucket), int(self._clock()), None))
            versions = bucket.versions.get(key, [])
            wanted = NULL_VERSION if version_id is None else version_id
            doomed = next((version for version in versions if version.version_id == wanted), None)
            if doomed is not None:
                self._drop(bucket, doomed)
            return doomed

    def page(self, bucket_name: str, query: Query) -> tuple[Page, list[Version]]:
        """A page of the newest versions, delete markers hidden."""
        with self._lock:
            bucket = self.bucket(bucket_name)
            page = list_page(bucket.live_keys, query)
            return page, [bucket.versions[key][0] for key in page.keys]

    def version_page(self, bucket_name: str, query: Query) -> tuple[Page, list[list[Version]]]:
        """A page of keys with all their versions, delete markers shown."""
        with self._lock:
            bucket = self.bucket(bucket_name)
            page = list_page(sorted(bucket.versions), query)
            return page, [list(bucket.versions[key]) for key in page.keys]

    def keys(self, bucket_name: str) -> Iterator[str]:
        """What a listing shows, all of it."""
        with self._lock:
            return iter(tuple(self.bucket(bucket_name).live_keys))

    def _version_id(self, bucket: Bucket) -> str:
        return f"CAEQ{next(self._numbers):028X}" if bucket.versioning == ENABLED else NULL_VERSION

    def _push(self, bucket: Bucket, version: Version) -> Version:
        versions = bucket.versions.setdefault(version.key, [])
        for old in [old for old in versions if old.version_id == version.version_id]:
            versions.remove(old)
            _unlink(old)
        versions.insert(0, version)
        self._index(bucket, version.key)
        return version

    def _drop(self, bucket: Bucket, version: Version) -> None:
        versions = bucket.versions[version.key]
        versions.remove(version)
        _unlink(version)
        if not versions:
            del bucket.versions[version.key]
        self._index(bucket, version.key)

    def _index(self, bucket: Bucket, key: str) -> None:
        """Bring ``live_keys`` in line with the newest version of this key."""
        versions = bucket.versions.get(key)
        live = bool(versions) and versions is not None and versions[0].draft is not None
        place = bisect_left(bucket.live_keys, key)
        listed = place < len(bucket.live_keys) and bucket.live_keys[place] == key
        if live and not listed:
            insort(bucket.live_keys, key)
        elif listed and not live:
            del bucket.live_keys[place]


def _pick(versions: list[Version], key: str, version_id: str) -> Version:
    for version in versions:
        if version.version_id == version_id:
            return version
    raise no_such_version(key, version_id)


def _unlink(version: Version) -> None:
    if version.draft is not None:
        version.draft.path.unlink(missing_ok=True)


def check_key(key: str) -> None:
    """400 InvalidObjectName for what OSS takes for no name: empty, over 1,023 bytes, not UTF-8, or behind a slash."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        size = 0
    if not 0 < size <= 1023 or key.startswith(("/", "\\")):
        details = {"ObjectName": key.encode(errors="backslashreplace").decode()}
        raise OssError(400, "InvalidObjectName", "The specified object is not valid.", details=details)
