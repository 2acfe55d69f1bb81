"""Buckets and versions."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.ossserver.errors import OssError
from benchmarks.ossserver.listing import Query
from benchmarks.ossserver.objects import Draft, ObjectStore, Version, check_key


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    ticks = itertools.count(1000)
    store = ObjectStore(tmp_path / "objects", lambda: next(ticks))
    store.create_bucket("b")
    yield store
    store.close()
    assert not (tmp_path / "objects").exists()


def add(store: ObjectStore, key: str, data: bytes = b"") -> Version:
    path = store.new_path()
    path.write_bytes(data)
    return store.add("b", key, Draft(path, len(data), "ETAG", 0))


def files(store: ObjectStore) -> int:
    return len(list(store.new_path().parent.iterdir()))


def listed(store: ObjectStore) -> tuple[str, ...]:
    return store.page("b", Query())[0].keys


def code_of(call: object, *arguments: object) -> str:
    assert callable(call)
    with pytest.raises(OssError) as caught:
        call(*arguments)
    return caught.value.code


def test_a_new_version_replaces_the_old_bytes(store: ObjectStore) -> None:
    add(store, "k", b"old")
    version, fd = store.open("b", "k")
    add(store, "k", b"newer")
    assert os.pread(fd, 10, 0) == b"old"  # an answer being sent keeps its bytes
    os.close(fd)
    assert store.find("b", "k").content.size_bytes == 5
    assert version.version_id == "null"
    assert files(store) == 1


def test_versions_are_kept_if_asked_for(store: ObjectStore) -> None:
    store.set_versioning("b", "Enabled")
    old, new = add(store, "k", b"old"), add(store, "k", b"new")
    assert store.find("b", "k") == new
    assert store.find("b", "k", old.version_id) == old
    marker = store.delete("b", "k")
    assert marker is not None
    assert marker.draft is None
    assert listed(store) == ()
    assert code_of(store.open, "b", "k") == "NoSuchKey"
    assert store.version_page("b", Query())[1] == [[marker, new, old]]
    store.delete("b", "k", marker.version_id)
    assert listed(store) == ("k",)


def test_suspended_versioning_has_one_null_version(store: ObjectStore) -> None:
    store.set_versioning("b", "Enabled")
    kept = add(store, "k")
    store.set_versioning("b", "Suspended")
    add(store, "k", b"1")
    newest = add(store, "k", b"22")
    assert store.version_page("b", Query())[1] == [[newest, kept]]


def test_deleting(store: ObjectStore) -> None:
    add(store, "k", b"x")
    assert store.delete("b", "k") is not None
    assert store.delete("b", "k") is None
    assert code_of(store.find, "b", "k") == "NoSuchKey"
    assert files(store) == 0


def test_keys_are_listed_in_order(store: ObjectStore) -> None:
    for key in ("c", "a", "b", "a"):
        add(store, key)
    assert listed(store) == ("a", "b", "c")


def test_what_is_not_there(store: ObjectStore) -> None:
    add(store, "k")
    assert code_of(store.find, "nowhere", "k") == "NoSuchBucket"
    assert code_of(store.find, "b", "k", "other") == "NoSuchVersion"
    assert code_of(store.delete_bucket, "b") == "BucketNotEmpty"


def test_an_empty_bucket_can_go(store: ObjectStore) -> None:
    store.delete_bucket("b")
    assert store.buckets() == []


@pytest.mark.parametrize("key", ["", "/a", "\\a", "a" * 1024, "\udcff"])
def test_keys_that_are_none(key: str) -> None:
    assert code_of(check_key, key) == "InvalidObjectName"


@pytest.mark.parametrize("key", ["a//b", "a b", "..", "a/", "é" * 511, "%2F", "+"])
def test_keys_that_are(key: str) -> None:
    check_key(key)
