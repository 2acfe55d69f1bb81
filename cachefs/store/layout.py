r"""What a tier's directory looks like: format 1.

::

    <tier>/FORMAT                           the text "mows-cache 1\n"; locked (flock) by the process that uses the tier
    <tier>/blobs/<xx>/<blob id>/            xx: the first two of the 32 hex digits of the blob id
        data                                the object's bytes at their own offsets; sparse; exactly the object's size
        index                               64-byte header, then 32 bytes per chunk: see `cachefs.store.index`
        meta.json                           the blob's key, the boot it was last used under: see `cachefs.store.meta`
    <tier>/blobs/<xx>/<blob id>.dead-<n>/   an evicted blob that is being unlinked, or a copy that grows

A blob directory is complete when ``meta.json`` is there: it is put in place last, and by a rename. What lacks a file,
has one of a wrong size, or ends in ``.dead-<n>``, is the rest of an interrupted step and is removed at the next
start. Names that this layout does not know are left alone.

The number in FORMAT changes whenever a program that knows only the old number would misread the directory. A program
never touches a directory with a number higher than its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cachefs.errors import FormatTooNew, InvalidTier
from cachefs.types import BlobId

FORMAT_VERSION = 1
FORMAT_NAME = "FORMAT"

_FORMAT = re.compile(r"mows-cache (\d+)\n?")
_FAN_OUT = re.compile(r"[0-9a-f]{2}")
_BLOB = re.compile(r"[0-9a-f]{32}")
_DEAD = re.compile(r"[0-9a-f]{32}\.dead-\d+")


@dataclass(frozen=True, slots=True)
class BlobPaths:
    """Where the files of one blob are."""

    directory: Path

    @property
    def data(self) -> Path:
        """The object's bytes."""
        return self.directory / "data"

    @property
    def index(self) -> Path:
        """States and hashes of the chunks."""
        return self.directory / "index"

    @property
    def meta(self) -> Path:
        """The blob's key."""
        return self.directory / "meta.json"

    @property
    def meta_temporary(self) -> Path:
        """What becomes `meta` by a rename."""
        return self.directory / "meta.json.tmp"

    def dead(self, number: int) -> Path:
        """The name under which the directory is unlinked."""
        return self.directory.with_name(f"{self.directory.name}.dead-{number}")


def blob_paths(tier: Path, blob_id: BlobId) -> BlobPaths:
    """Where `blob_id` is in `tier`, whether or not it exists."""
    return BlobPaths(tier / "blobs" / blob_id[:2] / blob_id)


def prepare(tier: Path) -> None:
    """Make `tier` a directory of this format, or check that it is one.

    Raises FormatTooNew; InvalidTier for a FORMAT that MoWS did not write and for blobs without one, since those belong
    to somebody else; OSError when the file system refuses.
    """
    tier.mkdir(mode=0o700, parents=True, exist_ok=True)
    marker = tier / FORMAT_NAME
    if marker.exists():
        check_format(marker)
    elif (tier / "blobs").exists():
        raise InvalidTier(
            f"{tier}: holds a directory 'blobs' but no {FORMAT_NAME} file: it may belong to another program",
            hint="point the tier at an empty directory, or remove 'blobs' if it was a MoWS cache",
        )
    else:
        # Not renamed into place: a crash in between leaves an empty FORMAT beside no blobs, which is refused loudly.
        marker.write_text(f"mows-cache {FORMAT_VERSION}\n")
    (tier / "blobs").mkdir(mode=0o700, exist_ok=True)


def check_format(marker: Path) -> None:
    """Raises FormatTooNew, or InvalidTier when the text is not that of a FORMAT file."""
    text = marker.read_bytes().decode("utf-8", "replace")
    match = _FORMAT.fullmatch(text)
    if match is None:
        raise InvalidTier(
            f"{marker}: says {text[:40]!r}, which no version of MoWS writes",
            hint="point the tier at another directory, or empty this one",
        )
    found = int(match[1])
    if found > FORMAT_VERSION:
        raise FormatTooNew(f"{marker}: format {found} is newer than {FORMAT_VERSION}, the newest this MoWS can read")


def blob_directories(tier: Path) -> Iterator[tuple[BlobId | None, Path]]:
    """Every directory of `tier` that is or was a blob; the id is None for the remains of one that was evicted."""
    for fan_out in sorted((tier / "blobs").iterdir()):
        if not (_FAN_OUT.fullmatch(fan_out.name) and fan_out.is_dir()):
            continue
        for directory in sorted(fan_out.iterdir()):
            if _BLOB.fullmatch(directory.name) and directory.name.startswith(fan_out.name):
                yield BlobId(directory.name), directory
            elif _DEAD.fullmatch(directory.name):
                yield None, directory
