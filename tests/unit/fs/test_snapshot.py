"""Snapshots: the tree, what is hidden, and what stays the same between two of them."""

from __future__ import annotations

import pytest

from cachefs.fs import DirectoryNode, FileNode, Snapshot, build_snapshot, difference
from cachefs.types import ROOT_INO, ObjectInfo


def an_object(key: str, *, version: str = "v1", size: int = 7, mtime_ns: int = 5) -> ObjectInfo:
    return ObjectInfo(f"oss://bucket/{key}", key, size, version, mtime_ns)


def a_snapshot(*keys: str, prefix: str = "m/", mount_id: str = "a") -> Snapshot:
    return build_snapshot([[an_object(key) for key in keys]], prefix, mount_id)


def paths(snapshot: Snapshot) -> list[str]:
    return sorted(node.path for node in snapshot.files())


def find(snapshot: Snapshot, path: str) -> FileNode:
    return next(node for node in snapshot.files() if node.path == path)


def test_objects_become_files_below_the_prefix() -> None:
    snapshot = a_snapshot("m/config.json", "m/sub/deep/x.bin")
    assert paths(snapshot) == ["config.json", "sub/deep/x.bin"]
    assert (snapshot.total_bytes, snapshot.file_count) == (14, 2)
    root = snapshot.nodes[ROOT_INO]
    assert isinstance(root, DirectoryNode)
    assert [entry.name for entry in root.entries] == [b"config.json", b"sub"]


def test_a_single_key_is_a_directory_with_one_file() -> None:
    assert paths(a_snapshot("m/model.gguf", prefix="m/model.gguf")) == ["model.gguf"]


def test_entries_are_in_byte_order_whatever_the_listing_order() -> None:
    root = a_snapshot("m/é", "m/b", "m/Z", "m/a.txt", "m/a/x").nodes[ROOT_INO]
    assert isinstance(root, DirectoryNode)
    names = [entry.name for entry in root.entries]
    assert names == sorted(names)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("m/a//b", "empty path component"),
        ("m//b", "empty path component"),
        ("m/./b", "component '.'"),
        ("m/x/../b", "component '..'"),
        ("m/" + "n" * 256, "256 bytes"),
        ("m/" + "é" * 128, "256 bytes"),
        ("m/a\0b", "NUL"),
        ("m/bad\udcff", "UTF-8"),
        ("m/folder/", "has content"),
    ],
)
def test_what_cannot_be_shown_is_hidden_with_its_reason(key: str, reason: str) -> None:
    """SEMANTICS S3."""
    snapshot = a_snapshot(key, "m/good")
    assert paths(snapshot) == ["good"]
    assert [row.key for row in snapshot.hidden] == [key]
    assert reason in snapshot.hidden[0].reason


def test_an_empty_object_with_a_slash_is_an_empty_directory() -> None:
    """SEMANTICS S2."""
    snapshot = build_snapshot([[an_object("m/empty/", size=0), an_object("m/", size=0)]], "m/", "a")
    root = snapshot.nodes[ROOT_INO]
    assert isinstance(root, DirectoryNode)
    assert [entry.name for entry in root.entries] == [b"empty"]
    assert root.entries[0].attributes.is_directory
    assert snapshot.hidden == ()


def test_a_directory_hides_the_object_of_its_name() -> None:
    snapshot = a_snapshot("m/x", "m/x/y")
    assert paths(snapshot) == ["x/y"]
    assert [row.key for row in snapshot.hidden] == ["m/x"]


def test_the_deepest_possible_key_is_shown() -> None:
    key = "/".join(["d"] * 511)  # 1,021 bytes; OSS takes 1,023
    assert paths(a_snapshot("m/" + key)) == [key]


def test_the_same_listing_gives_the_same_inodes_in_any_order() -> None:
    one, two = a_snapshot("m/a", "m/b", "m/c/d"), a_snapshot("m/c/d", "m/b", "m/a")
    assert one.snapshot_id == two.snapshot_id
    assert one.nodes.keys() == two.nodes.keys()


def test_inodes_are_not_shared_between_mounts() -> None:
    one, two = a_snapshot("m/a", "m/c/d"), a_snapshot("m/a", "m/c/d", mount_id="b")
    assert one.nodes.keys() & two.nodes.keys() == {ROOT_INO}


def test_a_new_version_is_a_new_inode_and_the_others_keep_theirs() -> None:
    old = build_snapshot([[an_object("m/a"), an_object("m/b")]], "m/", "a")
    new = build_snapshot([[an_object("m/a", version="v2"), an_object("m/b")]], "m/", "a")
    assert find(old, "a").attributes.ino != find(new, "a").attributes.ino
    assert find(old, "b").attributes.ino == find(new, "b").attributes.ino
    assert old.snapshot_id != new.snapshot_id


def test_difference_names_changed_and_deleted_entries_but_not_new_ones() -> None:
    old = build_snapshot([[an_object("m/s/changed"), an_object("m/s/gone"), an_object("m/s/same")]], "m/", "a")
    new = build_snapshot(
        [[an_object("m/s/changed", version="v2"), an_object("m/s/same"), an_object("m/s/new")]], "m/", "a"
    )
    change = difference(old, new)
    assert {name for _, name in change.entries} == {b"changed", b"gone"}


def test_difference_of_equal_snapshots_is_empty() -> None:
    change = difference(a_snapshot("m/a", "m/b/c"), a_snapshot("m/a", "m/b/c"))
    assert (change.entries, change.inodes) == ((), ())


def test_a_directory_shows_the_newest_time_below_it() -> None:
    snapshot = build_snapshot([[an_object("m/d/a", mtime_ns=1), an_object("m/d/e/b", mtime_ns=9)]], "m/", "a")
    assert snapshot.nodes[ROOT_INO].attributes.mtime_ns == 9
