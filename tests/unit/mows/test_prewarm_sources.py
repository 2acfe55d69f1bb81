"""What a source of a prewarm selects, and in which order."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from cachefs.errors import InvalidSource
from cachefs.fs import FileNode, build_snapshot
from cachefs.types import ObjectInfo
from mows.errors import InvalidIndex
from mows.prewarm_sources import Kind, in_order, matching, named, natural, parse_selection, shards_of
from mows.prewarm_state import Order

INDEX = "model.safetensors.index.json"


def files(*paths: str, sizes: Iterable[int] = ()) -> list[FileNode]:
    known = [*sizes, *[1] * len(paths)]
    infos = [ObjectInfo(f"memory://b/{path}", path, size, "v", 0) for path, size in zip(paths, known, strict=False)]
    return list(build_snapshot([infos], "", "m").files())


def paths(infos: Iterable[ObjectInfo]) -> list[str]:
    return [info.key for info in infos]


@pytest.mark.parametrize(
    ("text", "source", "kind", "name"),
    [
        ("oss://models/qwen3", "oss://models/qwen3/", Kind.ALL, ""),
        ("oss://models/qwen3/*.safetensors", "oss://models/qwen3/", Kind.PATTERN, "*.safetensors"),
        ("oss://models/q*/a/x.bin", "oss://models/", Kind.PATTERN, "q*/a/x.bin"),
        ("oss://models/**", "oss://models/", Kind.PATTERN, "**"),
        ("file:///srv/m/[ab].bin", "file:///srv/m/", Kind.PATTERN, "[ab].bin"),
        (f"oss://models/qwen3/{INDEX}", "oss://models/qwen3/", Kind.INDEX, INDEX),
    ],
)
def test_what_a_text_selects(text: str, source: str, kind: Kind, name: str) -> None:
    found = parse_selection(text)
    assert (found.source.uri, found.kind, found.name) == (source, kind, name)


@pytest.mark.parametrize("text", ["oss://mod*/qwen3", "*.safetensors", "oss://models/[z-a]", "models/*.bin"])
def test_no_selection(text: str) -> None:
    with pytest.raises(InvalidSource):
        parse_selection(text)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.bin", ["a.bin", "b.bin"]),
        ("**/*.bin", ["a.bin", "b.bin", "x/c.bin", "x/y/d.bin"]),
        ("**", ["a.bin", "b.bin", "e[1].txt", "x/c.bin", "x/y/d.bin"]),
        ("x/*", ["x/c.bin"]),
        ("x/**", ["x/c.bin", "x/y/d.bin"]),
        ("?.bin", ["a.bin", "b.bin"]),
        ("[!a].bin", ["b.bin"]),
        ("[a-b].bin", ["a.bin", "b.bin"]),
        ("e[[]1].txt", ["e[1].txt"]),
        ("x[!a]c.bin", []),
        ("[]", []),
    ],
)
def test_patterns(pattern: str, found: list[str]) -> None:
    nodes = files("a.bin", "b.bin", "e[1].txt", "x/c.bin", "x/y/d.bin")
    assert sorted(node.path for node in matching(nodes, pattern)) == found


def test_an_index_stands_for_itself_and_exactly_its_shards() -> None:
    index = json.dumps(
        {"metadata": {}, "weight_map": {"q": "b.safetensors", "k": "a.safetensors", "v": "b.safetensors"}}
    )
    shards = shards_of(index.encode(), INDEX)
    assert shards == ["a.safetensors", "b.safetensors"]
    nodes = files(f"m/{INDEX}", "m/a.safetensors", "m/b.safetensors", "m/old.safetensors", "a.safetensors")
    found = [node.path for node in named(nodes, f"m/{INDEX}", shards)]
    assert found == [f"m/{INDEX}", "m/a.safetensors", "m/b.safetensors"]


def test_an_index_whose_shards_are_not_there() -> None:
    with pytest.raises(InvalidIndex, match="1 of 2 shards are not there, such as 'b'"):
        named(files(INDEX, "a"), INDEX, ["a", "b"])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": ["a"]}', '{"weight_map": {"q": 1}}', "[" * 100_000])
def test_no_index(text: str) -> None:
    with pytest.raises(InvalidIndex, match="not a safetensors index"):
        shards_of(text.encode(), "it")


def test_orders() -> None:
    names = ("model-10.safetensors", "model-9.safetensors", "config.json", "tokenizer.json")
    nodes = files(*names, sizes=(5, 7, 1, 7))
    assert paths(in_order(nodes, Order.ENGINE)) == [
        "config.json",
        "tokenizer.json",
        "model-9.safetensors",
        "model-10.safetensors",
    ]
    assert paths(in_order(nodes, Order.NAME)) == sorted(names)
    assert paths(in_order(nodes, Order.SIZE)) == [
        "model-9.safetensors",
        "tokenizer.json",
        "model-10.safetensors",
        "config.json",
    ]


def test_numbers_in_names_count_as_numbers() -> None:
    assert sorted(["s10", "s9", "s1a", "s", "10"], key=natural) == ["10", "s", "s1a", "s9", "s10"]
