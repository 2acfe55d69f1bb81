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
)

__all__ = [
    "Account",
    "DirectoryNode",
    "FileCache",
    "FileNode",
    "HiddenKey",
    "Invalidation",
    "MountedFileSystem",
    "OpenedFile",
    "Snapshot",
    "build_snapshot",
    "difference",
]
