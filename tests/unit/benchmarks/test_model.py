"""A model directory, read back with the libraries engines use."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xxhash
from safetensors import safe_open

from benchmarks.model import Model, write_files, write_model
from benchmarks.model.shards import BLOCK_BYTES
from benchmarks.model.tokenizer import byte_alphabet, tokenizer

SIZE_BYTES = 3 * 1024**2


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write_model(tmp_path_factory.mktemp("model"), size_bytes=SIZE_BYTES, shards=4)


def test_the_directory_looks_like_a_downloaded_model(model: Model) -> None:
    assert [path.name for path in model.files] == [
        "config.json",
        "generation_config.json",
        "model-00001-of-00004.safetensors",
        "model-00002-of-00004.safetensors",
        "model-00003-of-00004.safetensors",
        "model-00004-of-00004.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert model.size_bytes == sum(path.stat().st_size for path in model.directory.iterdir())


def test_safetensors_reads_every_tensor_as_recorded(model: Model) -> None:
    digests = {}
    for shard in model.shards:
        with safe_open(model.directory / shard, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118  not a mapping: it has no __iter__
                digests[name] = xxhash.xxh3_128_hexdigest(file.get_tensor(name))
    assert digests == model.digests


def test_safetensors_sees_the_shapes_of_the_architecture(model: Model) -> None:
    shapes = {tensor.name: tensor.shape for tensor in model.architecture.tensors()}
    for shard in model.shards:
        with safe_open(model.directory / shard, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118  not a mapping: it has no __iter__
                assert tuple(file.get_slice(name).get_shape()) == shapes.pop(name)
                assert file.get_slice(name).get_dtype() == "F16"
    assert not shapes


def test_the_index_names_the_shard_of_each_tensor(model: Model) -> None:
    index = json.loads((model.directory / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == model.architecture.size_bytes
    assert index["weight_map"].keys() == model.digests.keys()
    for shard in model.shards:
        with safe_open(model.directory / shard, framework="numpy") as file:
            assert {name for name, where in index["weight_map"].items() if where == shard} == set(file.keys())


def test_weights_are_finite_and_not_all_alike(model: Model) -> None:
    with safe_open(model.directory / model.shards[0], framework="numpy") as file:
        weights = file.get_tensor("model.embed_tokens.weight")
    assert np.isfinite(weights).all()
    assert np.abs(weights).max() < 2
    assert len(np.unique(weights)) > 10_000


def test_the_same_seed_gives_the_same_model_and_another_one_another(model: Model, tmp_path: Path) -> None:
    again = write_model(tmp_path / "again", size_bytes=SIZE_BYTES, shards=4)
    other = write_model(tmp_path / "other", size_bytes=SIZE_BYTES, shards=4, seed=1)
    assert [path.read_bytes() for path in again.files] == [path.read_bytes() for path in model.files]
    assert not set(other.digests.values()) & set(model.digests.values())


def test_bfloat16_has_its_name_in_header_and_config(tmp_path: Path) -> None:
    model = write_model(tmp_path, size_bytes=SIZE_BYTES, shards=2, dtype="BF16")
    with safe_open(tmp_path / model.shards[1], framework="numpy") as file:
        assert file.get_slice("model.norm.weight").get_dtype() == "BF16"
    assert json.loads((tmp_path / "config.json").read_text())["torch_dtype"] == "bfloat16"


def test_files_alone_have_the_size_that_was_asked_for(tmp_path: Path) -> None:
    size_bytes = BLOCK_BYTES + 777
    files = write_files(tmp_path / "a", 2, size_bytes)
    assert [(path.name, path.stat().st_size) for path in files] == [
        ("model-00001-of-00002.safetensors", size_bytes),
        ("model-00002-of-00002.safetensors", size_bytes),
    ]
    again, other = write_files(tmp_path / "b", 2, size_bytes), write_files(tmp_path / "c", 1, size_bytes, seed=1)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in files]
    assert len({path.read_bytes() for path in [*files, *other]}) == 3


def test_the_byte_alphabet_is_that_of_byte_level_bpe() -> None:
    alphabet = byte_alphabet()
    assert len(set(alphabet)) == 256
    assert (alphabet[ord("a")], alphabet[ord(" ")], alphabet[ord("\n")]) == ("a", "Ġ", "Ċ")


def test_every_byte_has_a_token_below_the_vocabulary_of_the_smallest_model(model: Model) -> None:
    written = json.loads((model.directory / "tokenizer.json").read_text())
    assert written == json.loads(json.dumps(tokenizer()))
    assert sorted(written["model"]["vocab"].values()) == list(range(257))
    assert model.architecture.vocabulary > 257
