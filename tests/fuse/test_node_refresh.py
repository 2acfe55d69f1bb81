"""Refreshing a mount: new, changed and deleted objects, and files that stay open over it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

import pytest

from tests.fuse.node import CHUNK, Node, running_node, some_bytes
from tests.waiting import eventually


@pytest.fixture
def node() -> Iterator[Node]:
    with running_node(sections={"mounts": {"refresh": "200ms"}}) as running:
        yield running


def test_a_refresh_shows_new_changed_and_deleted_objects(node: Node) -> None:
    """SEMANTICS S9."""
    for name in ("same", "changed", "deleted"):
        node.put(f"m/{name}", name.encode())
    target = node.mount()
    before = {name: (target / name).stat().st_ino for name in os.listdir(target)}
    assert (target / "changed").read_bytes() == b"changed"
    node.put("m/changed", b"another edition")
    node.put("m/sub/new", b"new")
    node.server.delete("models", "m/deleted")
    eventually(lambda: sorted(os.listdir(target)) == ["changed", "same", "sub"], "the new listing")
    assert (target / "changed").read_bytes() == b"another edition"
    assert (target / "sub" / "new").read_bytes() == b"new"
    assert (target / "same").stat().st_ino == before["same"]
    assert (target / "changed").stat().st_ino != before["changed"]
    with pytest.raises(FileNotFoundError):
        (target / "deleted").stat()


def test_an_open_file_keeps_its_version_over_a_refresh(node: Node) -> None:
    """SEMANTICS S10."""
    old, new = some_bytes(4 * CHUNK, seed=1), some_bytes(3 * CHUNK, seed=2)
    node.put("m/w.bin", old)
    target = node.mount()
    assert (target / "w.bin").read_bytes() == old
    with (target / "w.bin").open("rb", buffering=0) as file:
        node.put("m/w.bin", new)
        eventually(lambda: (target / "w.bin").stat().st_size == len(new), "the new version under the name")
        assert os.fstat(file.fileno()).st_size == len(old)
        assert file.read() == old
        assert (target / "w.bin").read_bytes() == new


def test_without_a_refresh_the_snapshot_stays() -> None:
    """SEMANTICS S6."""
    with running_node(sections={"mounts": {"refresh": 0}}) as node:
        node.put("m/a", b"first")
        target = node.mount()
        node.put("m/a", b"second edition")
        node.put("m/b", b"new")
        assert os.listdir(target) == ["a"]
        assert (target / "a").stat().st_size == len(b"first")
        with pytest.raises(OSError, match="Stale") as caught:
            (target / "a").read_bytes()
        assert caught.value.errno == errno.ESTALE
        assert node.daemon.mount("again", "oss://models/m/").joinpath("a").read_bytes() == b"second edition"


def test_a_refresh_that_fails_changes_nothing(node: Node) -> None:
    """SEMANTICS S9: the origin is away for a while; names and cached bytes stay."""
    node.put("m/a", b"content")
    target = node.mount()
    assert (target / "a").read_bytes() == b"content"
    node.server.stop()
    eventually(lambda: node.daemon.metric("mows_mount_refresh_failures_total") > 0, "a failed refresh")
    assert (target / "a").read_bytes() == b"content"
    node.server.start()
    node.put("m/b", b"later")
    eventually(lambda: "b" in os.listdir(target), "a refresh after the origin is back")
