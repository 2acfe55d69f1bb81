"""A snapshot: the objects under a prefix at one moment, as an immutable tree of inodes.

Pure. The same listing under the same mount id always gives the same inode numbers: a file's number is a hash of the
mount, the path and the version, a directory's of the mount and the path. So a version that changes is another inode,
a version that stays keeps its page cache over a refresh, and a daemon that starts anew finds the numbers that the
kernel still holds.

Keys that no file system can show are kept aside in `Snapshot.hidden`, each with its reason; nothing is renamed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import xxhash

from cachefs.ports import Attributes, DirectoryEntry
from cachefs.types import ROOT_INO, Ino, ObjectInfo

NAME_MAX_BYTES = 255
"""Longest name Linux file systems take (``limits.h``)."""

_INO_MASK = (1 << 63) - 1
"""Inode numbers stay positive as signed 64-bit integers: some programs print and compare them so."""


@dataclass(frozen=True, slots=True)
class HiddenKey:
    """A key the mount cannot show, and why."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileNode:
    """A file: one object at one version."""

    attributes: Attributes
    path: str
    info: ObjectInfo


@dataclass(frozen=True, slots=True)
class DirectoryNode:
    """A directory. `entries` is in byte order of the names."""

    attributes: Attributes
    path: str
    entries: tuple[DirectoryEntry, ...]
    by_name: Mapping[bytes, Attributes]


Node = FileNode | DirectoryNode


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a mount shows until the next refresh."""

    snapshot_id: str
    """Hash over path, size and version of every file: equal exactly when the mount would show the same."""
    nodes: Mapping[Ino, Node]
    hidden: tuple[HiddenKey, ...]
    total_bytes: int
    file_count: int

    def files(self) -> Iterator[FileNode]:
        """All files, in no particular order."""
        return (node for node in self.nodes.values() if isinstance(node, FileNode))


@dataclass(slots=True)
class _Directory:
    """A directory while the tree is built."""

    path: str
    files: dict[str, ObjectInfo] = field(default_factory=dict)
    directories: dict[str, _Directory] = field(default_factory=dict)


def build_snapshot(pages: Iterable[Sequence[ObjectInfo]], prefix: str, mount_id: str) -> Snapshot:
    """The tree of all listed objects, relative to `prefix` (see `Origin.list` for its two forms)."""
    root = _Directory("")
    hidden: list[HiddenKey] = []
    for page in pages:
        for info in page:
            reason = _insert(root, _relative(info.key, prefix), info)
            if reason is not None:
                hidden.append(HiddenKey(info.key, reason))
    ordered = _parents_first(root)
    hidden.extend(itertools.chain.from_iterable(map(_hide_shadowed, ordered)))
    return _Builder(mount_id).build(ordered, hidden)


def rebuild_snapshot(
    files: Iterable[tuple[str, ObjectInfo]],
    directories: Iterable[str],
    hidden: Iterable[HiddenKey],
    mount_id: str,
) -> Snapshot:
    """The snapshot that has these files by path: the same as before, inode numbers and all, without a listing.

    `directories` are the paths of those without an entry, each with its final ``/``; the others follow from the files.
    """
    root = _Directory("")
    known = {"": root}
    for path in directories:
        _directory_at(known, path)
    for path, info in files:
        parent, slash, name = path.rpartition("/")
        _directory_at(known, parent + slash).files[name] = info
    return _Builder(mount_id).build(_parents_first(root), hidden)


def _directory_at(known: dict[str, _Directory], path: str) -> _Directory:
    """The directory of this path (empty, or with its final ``/``), made with its parents when it is not `known`."""
    start = 0
    directory = known.get(path)
    while directory is None:
        start = path.index("/", start) + 1
        if path[:start] not in known:
            parent, _, name = path[: start - 1].rpartition("/")
            above = known[f"{parent}/" if parent else ""]
            above.directories[name] = known[path[:start]] = _Directory(path[:start])
        directory = known.get(path)
    return directory


def _relative(key: str, prefix: str) -> str:
    if not prefix or prefix.endswith("/"):
        return key.removeprefix(prefix)
    return key.rpartition("/")[2]


def _insert(root: _Directory, path: str, info: ObjectInfo) -> str | None:
    """Put one object into the tree; the reason when it cannot be shown."""
    *parents, name = path.split("/")
    if not name and info.size_bytes:
        return "ends with '/' but has content"
    parts = [*parents, name] if name else parents
    reason = next((reason for part in parts if (reason := _unshowable(part))), None)
    if reason is not None:
        return reason
    directory = root
    for part in parents:
        directory = directory.directories.setdefault(part, _Directory(f"{directory.path}{part}/"))
    if name:
        directory.files[name] = info
    return None


def _unshowable(name: str) -> str | None:
    if not name:
        return "has an empty path component"
    if name in {".", ".."}:
        return f"has the path component '{name}'"
    if "\0" in name:
        return "contains a NUL character"
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if len(encoded) > NAME_MAX_BYTES:
        return f"has a name of {len(encoded)} bytes, over {NAME_MAX_BYTES}"
    return None


def _parents_first(root: _Directory) -> list[_Directory]:
    """All directories, without recursion: a key of 1,023 bytes can be 512 levels deep."""
    ordered = [root]
    for directory in ordered:
        ordered.extend(directory.directories.values())
    return ordered


def _hide_shadowed(directory: _Directory) -> Iterator[HiddenKey]:
    """An object and a directory of one name: the directory is shown, because it may hold many files."""
    for name in directory.files.keys() & directory.directories.keys():
        yield HiddenKey(directory.files.pop(name).key, "has the name of a directory")


class _Builder:
    """Gives the tree its inode numbers."""

    def __init__(self, mount_id: str) -> None:
        self._mount_id = mount_id
        self._nodes: dict[Ino, Node] = {}
        self._digests: list[str] = []
        self._total_bytes = 0

    def build(self, ordered: Sequence[_Directory], hidden: Iterable[HiddenKey]) -> Snapshot:
        """`ordered`: all directories, parents first."""
        done: dict[str, Attributes] = {}
        for directory in reversed(ordered):
            done[directory.path] = self._directory(directory, done)
        return Snapshot(
            snapshot_id=xxhash.xxh3_128_hexdigest("\0".join(sorted(self._digests)).encode("utf-8", "surrogateescape")),
            nodes=self._nodes,
            hidden=tuple(sorted(hidden, key=lambda row: row.key)),
            total_bytes=self._total_bytes,
            file_count=len(self._digests),
        )

    def _directory(self, directory: _Directory, done: Mapping[str, Attributes]) -> Attributes:
        rows = [DirectoryEntry(name.encode(), done[child.path]) for name, child in directory.directories.items()]
        rows += [
            DirectoryEntry(name.encode(), self._file(f"{directory.path}{name}", info))
            for name, info in directory.files.items()
        ]
        rows.sort(key=lambda row: row.name)
        attributes = Attributes(
            ino=self._new_ino(directory.path) if directory.path else ROOT_INO,
            is_directory=True,
            size_bytes=0,
            mtime_ns=max((row.attributes.mtime_ns for row in rows), default=0),
        )
        by_name = {row.name: row.attributes for row in rows}
        self._nodes[attributes.ino] = DirectoryNode(attributes, directory.path, tuple(rows), by_name)
        return attributes

    def _file(self, path: str, info: ObjectInfo) -> Attributes:
        identity = f"{path}\0{info.size_bytes}\0{info.version}"
        attributes = Attributes(self._new_ino(identity), False, info.size_bytes, info.mtime_ns)  # noqa: FBT003 a field
        self._nodes[attributes.ino] = FileNode(attributes, path, info)
        self._digests.append(identity)
        self._total_bytes += info.size_bytes
        return attributes

    def _new_ino(self, identity: str) -> Ino:
        """A number nobody else in this snapshot has. The first try is taken about always (collision: 2**-63 a pair)."""
        for attempt in itertools.count():
            text = f"{self._mount_id}\0{identity}\0{attempt}"
            ino = Ino(xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogateescape")) & _INO_MASK)
            if ino > ROOT_INO and ino not in self._nodes:
                return ino
        raise AssertionError("unreachable: the count is endless")


@dataclass(frozen=True, slots=True)
class Invalidation:
    """What the kernel must forget when one snapshot follows another."""

    entries: tuple[tuple[Ino, bytes], ...]
    """(directory, name) whose meaning changed or ended."""
    inodes: tuple[Ino, ...]
    """Directories whose attributes changed."""


def difference(old: Snapshot, new: Snapshot) -> Invalidation:
    """What the kernel may have cached of `old` that is not true of `new`."""
    entries: list[tuple[Ino, bytes]] = []
    inodes: list[Ino] = []
    for ino, node in old.nodes.items():
        after = new.nodes.get(ino)
        if not isinstance(node, DirectoryNode) or not isinstance(after, DirectoryNode):
            continue
        if node.attributes != after.attributes:
            inodes.append(ino)
        for name, attributes in node.by_name.items():
            now = after.by_name.get(name)
            if now is None or now.ino != attributes.ino:
                entries.append((ino, name))
    return Invalidation(tuple(entries), tuple(inodes))
