"""The order in which an engine opens a model's files."""

from __future__ import annotations

import json

import pytest

from cachefs.fs import FileNode, build_snapshot
from cachefs.fs.order import index_order, natural_key, weight_files_after
from cachefs.types import ObjectInfo


def nodes(*names: str) -> list[FileNode]:
    objects = [ObjectInfo(f"oss://b/m/{name}", f"m/{name}", 10, "v", 0) for name in names]
    return list(build_snapshot([objects], "m/", "a").files())


def after(name: str, siblings: list[FileNode], index: bytes | None = None) -> list[str]:
    node = next(sibling for sibling in siblings if sibling.path == name)
    return [info.key.removeprefix("m/") for info in weight_files_after(node, siblings, lambda _: index)]


def test_without_an_index_the_names_give_the_order() -> None:
    siblings = nodes("s-10.safetensors", "s-2.safetensors", "s-1.safetensors", "README.md")
    assert after("s-1.safetensors", siblings) == ["s-2.safetensors", "s-10.safetensors"]
    assert after("s-10.safetensors", siblings) == []


def test_the_index_gives_the_order() -> None:
    siblings = nodes("a.safetensors", "b.safetensors", "c.safetensors", "model.safetensors.index.json")
    index = json.dumps({"weight_map": {"x": "c.safetensors", "y": "a.safetensors", "z": "c.safetensors"}}).encode()
    assert after("c.safetensors", siblings, index) == ["a.safetensors", "b.safetensors"]


def test_a_file_that_is_no_weight_file_is_followed_by_nothing() -> None:
    assert after("config.json", nodes("config.json", "a.safetensors")) == []


@pytest.mark.parametrize(
    "document", [None, b"", b"{", b"[]", b"{}", b'{"weight_map": 3}', b'{"weight_map": {"a": 1}}', b"\xff"]
)
def test_a_broken_index_is_no_index(document: bytes | None) -> None:
    assert index_order(document) == []


def test_numbers_are_read_as_numbers() -> None:
    assert sorted(["p-10", "p-9", "p-9a", "q"], key=natural_key) == ["p-9", "p-9a", "p-10", "q"]
