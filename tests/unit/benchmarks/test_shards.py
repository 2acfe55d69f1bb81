"""The bytes of a shard, and which tensors lie in it."""

from __future__ import annotations

import json

import pytest

from benchmarks.model.architecture import TensorSpec
from benchmarks.model.shards import header, shard_name, split


def tensors(*sizes: int) -> list[TensorSpec]:
    return [TensorSpec(f"t{index}", (size // 2,)) for index, size in enumerate(sizes)]


def sizes(shards: list[list[TensorSpec]]) -> list[list[int]]:
    return [[tensor.size_bytes for tensor in shard] for shard in shards]


def test_split_keeps_the_order_and_loses_nothing() -> None:
    given = tensors(10, 2, 30, 4, 50, 6, 70)
    assert [tensor for shard in split(given, 3) for tensor in shard] == given


def test_split_evens_the_shards_out() -> None:
    assert sizes(split(tensors(*[10] * 6), 3)) == [[10, 10]] * 3


def test_a_huge_first_tensor_has_a_shard_of_its_own_and_the_rest_is_even() -> None:
    assert sizes(split(tensors(1000, 10, 10, 10, 10), 3)) == [[1000], [10, 10], [10, 10]]


def test_a_huge_last_tensor_leaves_no_shard_empty() -> None:
    assert sizes(split(tensors(10, 10, 1000), 3)) == [[10], [10], [1000]]


def test_more_shards_than_tensors_are_refused() -> None:
    with pytest.raises(ValueError, match="2 tensors do not fill 3 shards"):
        split(tensors(10, 10), 3)


def test_names_count_from_one() -> None:
    assert shard_name(0, 8) == "model-00001-of-00008.safetensors"


def test_the_header_gives_each_tensor_its_place() -> None:
    raw = header([TensorSpec("a", (3,)), TensorSpec("b", (2, 2))], "BF16")
    length = int.from_bytes(raw[:8], "little")
    assert len(raw) == 8 + length
    assert len(raw) % 8 == 0
    assert json.loads(raw[8:]) == {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]},
        "b": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [6, 14]},
    }
