"""Multipart uploads in progress: parts as files, joined into one object at the end."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import digests
from .digests import Digest
from .errors import OssError, no_such_upload
from .objects import STANDARD, Draft

MIN_PART_BYTES = 100 * 1024  # of every part but the last


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded part; ``modified`` in Unix seconds."""

    number: int
    path: Path
    digest: Digest
    modified: int


@dataclass(slots=True)
class Upload:
    """An upload and, by number, its parts so far."""

    upload_id: str
    bucket: str
    key: str
    initiated: int
    headers: dict[str, str]
    storage_class: str = STANDARD
    parts: dict[int, Part] = field(default_factory=dict)

    def sorted_parts(self) -> list[Part]:
        """By number."""
        return [self.parts[number] for number in sorted(self.parts)]


class Uploads:
    """All uploads in progress. Thread-safe."""

    def __init__(self, new_path: Callable[[], Path], clock: Callable[[], float]) -> None:
        self._new_path = new_path
        self._clock = clock
        self._lock = threading.Lock()  # guards _uploads and the parts in them
        self._uploads: dict[str, Upload] = {}
        self._numbers = itertools.count(1)

    def initiate(self, bucket: str, key: str, headers: dict[str, str], storage_class: str) -> Upload:
        """Begin one."""
        upload_id = f"{next(self._numbers):032X}"
        upload = Upload(upload_id, bucket, key, int(self._clock()), headers, storage_class)
        with self._lock:
            self._uploads[upload.upload_id] = upload
        return upload

    def get(self, upload_id: str, bucket: str, key: str) -> Upload:
        """The upload of this id, bucket and key. 404 NoSuchUpload."""
        with self._lock:
            upload = self._uploads.get(upload_id)
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            raise no_such_upload(upload_id)
        return upload

    def of_bucket(self, bucket: str, prefix: str) -> list[Upload]:
        """By key, then by age."""
        with self._lock:
            found = [one for one in self._uploads.values() if one.bucket == bucket and one.key.startswith(prefix)]
        return sorted(found, key=lambda one: (one.key, one.upload_id))

    def add_part(self, upload: Upload, number: int, path: Path, digest: Digest) -> None:
        """Keep a part whose bytes are in ``path``; one of the same number is replaced."""
        with self._lock:
            old = upload.parts.get(number)
            upload.parts[number] = Part(number, path, digest, int(self._clock()))
        if old is not None:
            old.path.unlink(missing_ok=True)

    def complete(self, upload: Upload, wanted: Sequence[tuple[int, str]]) -> Draft:
        """Join the parts, given by number and tag, into one file, and end the upload."""
        parts = choose_parts(upload, wanted)
        path = self._new_path()
        _join([part.path for part in parts], path)
        self.abort(upload)
        found = [part.digest for part in parts]
        return Draft(
            path,
            sum(digest.size_bytes for digest in found),
            digests.multipart_etag(found),
            digests.combine(found),
            object_type="Multipart",
            storage_class=upload.storage_class,
            headers=upload.headers,
        )

    def abort(self, upload: Upload) -> None:
        """End it and delete its parts."""
        with self._lock:
            self._uploads.pop(upload.upload_id, None)
        for part in upload.parts.values():
            part.path.unlink(missing_ok=True)


def choose_parts(upload: Upload, wanted: Sequence[tuple[int, str]]) -> list[Part]:
    """The parts a client completes with. 400 InvalidPartOrder, InvalidPart or EntityTooSmall."""
    numbers = [number for number, _ in wanted]
    if numbers != sorted(set(numbers)) or not numbers:
        raise OssError(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
    for number, etag in wanted:
        part = upload.parts.get(number)
        if part is None or part.digest.etag != etag.strip('"').upper():
            message = "One or more of the specified parts could not be found, or their entity tags did not match."
            raise OssError(400, "InvalidPart", message, details={"PartNumber": str(number)})
    parts = [upload.parts[number] for number in numbers]
    if any(part.digest.size_bytes < MIN_PART_BYTES for part in parts[:-1]):
        raise OssError(400, "EntityTooSmall", "Your proposed upload smaller than the minimum allowed size.")
    return parts


def _join(parts: Sequence[Path], target: Path) -> None:
    with target.open("wb") as output:
        for path in parts:
            with path.open("rb") as source:
                left = os.fstat(source.fileno()).st_size
                while left:
                    left -= os.sendfile(output.fileno(), source.fileno(), None, left)
