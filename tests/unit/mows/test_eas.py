"""An EAS storage list becomes mounts, or an error that names the entry."""

from __future__ import annotations

from typing import Any

import pytest

from mows.eas import Plan, Wishes, translate
from mows.errors import InvalidStorage, StorageWritable, UnsupportedStorage
from mows.instance_choices import Writable

ROOT = "/models/i"
CONFIGURED = {"oss://configured/": "http://10.0.0.1:9000"}


def oss(mount_path: str = "/mnt/data/", path: str = "oss://bucket/m/", **more: object) -> dict[str, Any]:
    return {"mount_path": mount_path, "oss": {"path": path, **more}}


def twin(mount_path: str = "/mnt/fast/", path: str = "/mnt/data/") -> dict[str, Any]:
    return {"mount_path": mount_path, "cache": {"path": path}}


def plan(*storage: dict[str, Any], warm: bool = False, writable: Writable = Writable.REFUSE) -> Plan:
    def endpoint_of(uri: str) -> str | None:
        return next((endpoint for match, endpoint in CONFIGURED.items() if uri.startswith(match)), None)

    return translate(storage, Wishes(ROOT, warm, writable), endpoint_of)


def sources(*storage: dict[str, Any]) -> list[tuple[str, str]]:
    return [(mount.spec.mount_path, mount.spec.source) for mount in plan(*storage).mounts]


def test_the_names_of_an_eas_service_in_both_spellings() -> None:
    """As the product's documentation writes them, and as its SDKs do."""
    documented = plan(
        {"mount_path": "/mnt/data/", "oss": {"path": "oss://b-1/m/", "readOnly": True}, "properties": {"x": {}}},
        {"mount_path": "/mnt/nas/", "nfs": {"server": "s.nas.example", "path": "/m", "readOnly": True}},
    )
    of_an_sdk = plan(
        {"mountPath": "/mnt/data", "oss": {"path": "oss://b-1/m/", "read_only": True}},
        {"mount_path": "//mnt/./nas", "nfs": {"server": "s.nas.example", "path": "/m", "resource_type": "model"}},
    )
    assert documented == of_an_sdk
    assert [mount.spec.source for mount in documented.mounts] == ["oss://b-1/m/", "nas://s.nas.example/m"]
    assert [mount.spec.mount_path for mount in documented.mounts] == [f"{ROOT}/mnt/data", f"{ROOT}/mnt/nas"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/mnt/data/", "oss://bucket/m"),
        ("/mnt/data", "oss://bucket/m"),
        ("/mnt/data/qwen/", "oss://bucket/m/qwen"),
        ("/mnt/data/a/b", "oss://bucket/m/a/b"),
    ],
)
def test_a_twin_shows_the_source_of_the_other_entry_or_a_directory_below_it(path: str, source: str) -> None:
    assert sources(oss(), twin(path=path))[1] == (f"{ROOT}/mnt/fast", source)
    assert sources(twin(path=path), oss())[0] == (f"{ROOT}/mnt/fast", source)  # in any order


def test_only_the_twins_of_an_entry_are_warmed() -> None:
    mounts = plan(oss(), twin(path="/mnt/data/qwen"), oss("/mnt/alone"), warm=True).mounts
    assert [mount.spec.warm for mount in mounts] == [False, True, True]


def test_empty_dir_is_left_alone() -> None:
    found = plan({"mount_path": "/tmp/x", "empty_dir": {}}, oss(), {"mount_path": "/dev/shm", "emptyDir": {"size": 1}})
    assert [(row.number, row.mount_path, row.kind) for row in found.ignored] == [
        (0, "/tmp/x", "empty_dir"),
        (2, "/dev/shm", "empty_dir"),
    ]
    assert [mount.number for mount in found.mounts] == [1]


def test_what_is_to_be_written_to_is_refused_unless_somebody_says_what_becomes_of_it() -> None:
    entry = oss(readOnly=False)
    with pytest.raises(StorageWritable, match=r"storage\[0\].oss.readOnly") as caught:
        plan(entry)
    assert "writable" in caught.value.hint
    assert len(plan(entry, writable=Writable.READ_ONLY).mounts) == 1
    left = plan(entry, twin(), writable=Writable.IGNORE)
    assert [row.kind for row in left.ignored] == ["oss"]
    assert [mount.storage_path for mount in left.mounts] == ["/mnt/fast"]  # its twin only reads


@pytest.mark.parametrize(
    ("path", "endpoint", "source"),
    [
        ("oss://b-1/m/", "oss-cn-beijing-internal.aliyuncs.com", "oss://b-1.oss-cn-beijing-internal.aliyuncs.com/m/"),
        ("oss://b-1/m/", "https://oss-cn-beijing.aliyuncs.com/", "oss://b-1.oss-cn-beijing.aliyuncs.com/m/"),
        ("oss://b-1.oss-cn-a.aliyuncs.com/m", "oss-cn-a.aliyuncs.com", "oss://b-1.oss-cn-a.aliyuncs.com/m"),
        ("oss://configured/m/", "http://10.0.0.1:9000", "oss://configured/m/"),
        ("oss://b-1/m/", "", "oss://b-1/m/"),
    ],
)
def test_an_endpoint_goes_into_the_source_unless_the_node_has_it_already(path: str, endpoint: str, source: str) -> None:
    assert sources(oss(path=path, endpoint=endpoint)) == [(f"{ROOT}/mnt/data", source)]


@pytest.mark.parametrize("kind", ["git", "image", "dataset", "code", "cpfs", "model"])
def test_other_kinds_are_refused_by_name(kind: str) -> None:
    with pytest.raises(UnsupportedStorage, match=rf"storage\[1\] \('/x'\): kind '{kind}'"):
        plan(oss(), {"mount_path": "/x", kind: {"path": "y"}})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({}, r"storage\[0\].mount_path: None is not an absolute path"),
        ({"mount_path": 7, "oss": {}}, "7 is not an absolute path"),
        ({"mount_path": "/", "oss": {}}, "cannot be a mount path"),
        ({"mount_path": "/a/../b", "oss": {}}, "cannot be a mount path"),
        ({"mount_path": "/a\nb", "oss": {}}, "cannot be a mount path"),
        ({"mount_path": "/a"}, "names no kind of storage"),
        ({"mount_path": "/a", "oss": "oss://b/"}, "names no kind of storage"),
        ({"mount_path": "/a", "oss": {}, "nfs": {}}, "names several kinds: 'nfs', 'oss'"),
        ({"mount_path": "/a", "mountPath": "/b", "oss": {}}, "'mountPath' is there in two spellings"),
        ({"mount_path": "/a", "oss": {}}, r"storage\[0\].oss.path: None is not a text"),
        ({"mount_path": "/a", "oss": {"path": "s3://b/"}}, "does not begin with oss://"),
        ({"mount_path": "/a", "oss": {"path": "oss://B/"}}, "is not a bucket name"),
        ({"mount_path": "/a", "oss": {"path": "oss://b-1/\ud800"}}, "cannot be shown"),
        ({"mount_path": "/a", "oss": {"path": "oss://b-1/", "readOnly": "yes"}}, "is not true or false"),
        ({"mount_path": "/a", "oss": {"path": "oss://b-1/", "endpoint": "http://x:1"}}, "nor of the form"),
        ({"mount_path": "/a", "oss": {"path": "oss://b-1/", "endpoint": 7}}, "endpoint: 7 is not a text"),
        ({"mount_path": "/a", "nfs": {"path": "/x"}}, r"nfs.server: None"),
        ({"mount_path": "/a", "nfs": {"server": "s", "path": "x"}}, "name no export"),
        ({"mount_path": "/a", "nfs": {"server": "s/t", "path": "/x"}}, "name no export"),
        ({"mount_path": "/a", "nfs": {"server": "-o", "path": "/x"}}, "is not a server name"),
        ({"mount_path": "/a", "cache": {"path": "/b"}}, "does not lie below"),
    ],
)
def test_what_cannot_be_understood(entry: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidStorage, match=message) as caught:
        plan(entry)
    assert caught.value.hint


@pytest.mark.parametrize("path", ["/mnt/database", "/mnt", "/mnt/fast", "/tmp/x"])
def test_a_twin_of_nothing(path: str) -> None:
    with pytest.raises(InvalidStorage, match=r"storage\[1\].cache.path") as caught:
        plan(oss(), twin(path=path), {"mount_path": "/tmp/x", "empty_dir": {}})
    assert "'/mnt/data'" in caught.value.hint


@pytest.mark.parametrize("other", ["/mnt/data", "/mnt/data/below", "/mnt"])
def test_no_mount_lies_on_or_below_another(other: str) -> None:
    with pytest.raises(InvalidStorage, match="is, or lies below"):
        plan(oss(), oss("/mnt/data-2"), oss(other))
