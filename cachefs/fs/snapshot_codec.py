"""What a mount shows, as bytes: so that the daemon that follows needs no origin to show the same.

JSON, one list per field, because a parser of C then does the work: 100,000 objects are a matter of a second. Inode
numbers are not written, since they follow from the rest, except those of files that are open but not listed any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cachefs.fs.snapshot import DirectoryNode, FileNode, HiddenKey, Snapshot, rebuild_snapshot
from cachefs.ports import Attributes
from cachefs.types import Ino, ObjectInfo

FORMAT = 1


class UnreadableSnapshot(ValueError):
    """The bytes are not what this version of `encode_shown` writes. The message says in what."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a mount shows and serves."""

    snapshot: Snapshot
    unlisted: tuple[FileNode, ...] = ()
    """Files that may still be open, though the snapshot does not list them."""


def encode_shown(shown: Shown) -> bytes:
    """As ASCII JSON: names with bytes that are no UTF-8 survive, too."""
    snapshot = shown.snapshot
    files = list(snapshot.files())
    document = {
        "format": FORMAT,
        "snapshot": snapshot.snapshot_id,
        "files": _columns(files),
        "directories": [node.path for node in snapshot.nodes.values() if _is_empty_directory(node)],
        "hidden": [(row.key, row.reason) for row in snapshot.hidden],
        "unlisted": _columns(shown.unlisted) | {"ino": [node.attributes.ino for node in shown.unlisted]},
    }
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def decode_shown(data: bytes, mount_id: str) -> Shown:
    """What was encoded, with the inode numbers it had. Raises UnreadableSnapshot."""
    try:
        return _decode(json.loads(data), mount_id)
    except UnreadableSnapshot:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableSnapshot(f"it is damaged: {error!r}") from error


def _decode(document: dict[str, Any], mount_id: str) -> Shown:
    if document["format"] != FORMAT:
        raise UnreadableSnapshot(f"it has format {document['format']!r}, and this version knows {FORMAT}")
    hidden = [HiddenKey(key, reason) for key, reason in document["hidden"]]
    snapshot = rebuild_snapshot(_rows(document["files"]), document["directories"], hidden, mount_id)
    if snapshot.snapshot_id != document["snapshot"]:
        raise UnreadableSnapshot(f"it is damaged: its files are not those of snapshot {document['snapshot']}")
    unlisted = document["unlisted"]
    inos = unlisted.pop("ino")
    return Shown(snapshot, tuple(_unlisted(Ino(ino), *row) for ino, row in zip(inos, _rows(unlisted), strict=True)))


def _columns(files: Sequence[FileNode]) -> dict[str, list[Any]]:
    infos = [node.info for node in files]
    return {
        "path": [node.path for node in files],
        "uri": [info.uri for info in infos],
        "key": [info.key for info in infos],
        "size_bytes": [info.size_bytes for info in infos],
        "version": [info.version for info in infos],
        "mtime_ns": [info.mtime_ns for info in infos],
        "crc64": [info.crc64 for info in infos],
    }


def _rows(columns: dict[str, list[Any]]) -> Iterable[tuple[str, ObjectInfo]]:
    paths = columns.pop("path")
    infos = map(ObjectInfo, *(columns[name] for name in ("uri", "key", "size_bytes", "version", "mtime_ns", "crc64")))
    return zip(paths, infos, strict=True)


def _unlisted(ino: Ino, path: str, info: ObjectInfo) -> FileNode:
    return FileNode(Attributes(ino, False, info.size_bytes, info.mtime_ns), path, info)  # noqa: FBT003 a field


def _is_empty_directory(node: DirectoryNode | FileNode) -> bool:
    return isinstance(node, DirectoryNode) and not node.entries and bool(node.path)
