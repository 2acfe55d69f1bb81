"""The file system a mount shows: snapshots of a prefix as a tree of inodes, open files, extended attributes.

Runs and is tested without FUSE.
"""

from cachefs.fs.filesystem import Account, FileCache, MountedFileSystem, OpenedFile
from cachefs.fs.snapshot import (
    DirectoryNode,
    FileNode,
    HiddenKey,
    Invalidation,
    Snapshot,
    build_snapshot,
    difference,
    rebuild_snapshot,
)
from cachefs.fs.snapshot_codec import Shown, UnreadableSnapshot, decode_shown, encode_shown

__all__ = [
    "Account",
    "DirectoryNode",
    "FileCache",
    "FileNode",
    "HiddenKey",
    "Invalidation",
    "MountedFileSystem",
    "OpenedFile",
    "Shown",
    "Snapshot",
    "UnreadableSnapshot",
    "build_snapshot",
    "decode_shown",
    "difference",
    "encode_shown",
    "rebuild_snapshot",
]
