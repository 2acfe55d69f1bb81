"""The shapes a model of a wanted size gets."""

from __future__ import annotations

import pytest

from benchmarks.model.architecture import FAMILY, FEWEST_LAYERS, Architecture, architecture_for

MIB = 1024**2

TINY = Architecture(hidden=8, intermediate=12, heads=4, key_value_heads=2, vocabulary=100, layers=1)


def test_tensors_have_the_names_and_shapes_of_a_qwen2() -> None:
    shapes = {tensor.name: tensor.shape for tensor in TINY.tensors()}
    assert shapes == {
        "model.embed_tokens.weight": (100, 8),
        "model.layers.0.input_layernorm.weight": (8,),
        "model.layers.0.self_attn.q_proj.bias": (8,),
        "model.layers.0.self_attn.q_proj.weight": (8, 8),
        "model.layers.0.self_attn.k_proj.bias": (4,),
        "model.layers.0.self_attn.k_proj.weight": (4, 8),
        "model.layers.0.self_attn.v_proj.bias": (4,),
        "model.layers.0.self_attn.v_proj.weight": (4, 8),
        "model.layers.0.self_attn.o_proj.weight": (8, 8),
        "model.layers.0.post_attention_layernorm.weight": (8,),
        "model.layers.0.mlp.gate_proj.weight": (12, 8),
        "model.layers.0.mlp.up_proj.weight": (12, 8),
        "model.layers.0.mlp.down_proj.weight": (8, 12),
        "model.norm.weight": (8,),
    }


def test_two_gibibytes_are_eighteen_layers_of_the_widths_of_qwen2_5_1_5b() -> None:
    architecture = architecture_for(2048 * MIB)
    assert (architecture.hidden, architecture.vocabulary, architecture.layers) == (1536, 151936, 18)


@pytest.mark.parametrize("size_bytes", [MIB, 4 * MIB, 16 * MIB, 64 * MIB, 256 * MIB, 512 * MIB, 1024 * MIB, 8192 * MIB])
def test_the_size_comes_within_a_twentieth(size_bytes: int) -> None:
    assert architecture_for(size_bytes).size_bytes == pytest.approx(size_bytes, rel=0.05)


def test_nothing_is_smaller_than_the_smallest_model() -> None:
    assert architecture_for(1).layers == FEWEST_LAYERS
    assert architecture_for(1).hidden == FAMILY[-1].hidden


@pytest.mark.parametrize("architecture", FAMILY, ids=lambda member: f"hidden-{member.hidden}")
def test_the_config_agrees_with_the_tensors(architecture: Architecture) -> None:
    config = architecture.config("bfloat16")
    shapes = {tensor.name: tensor.shape for tensor in architecture.tensors()}
    assert shapes["model.embed_tokens.weight"] == (config["vocab_size"], config["hidden_size"])
    assert f"model.layers.{architecture.layers - 1}.mlp.up_proj.weight" in shapes
    assert f"model.layers.{architecture.layers}.mlp.up_proj.weight" not in shapes
    assert architecture.hidden % architecture.heads == 0
    assert architecture.heads % architecture.key_value_heads == 0
    assert config["torch_dtype"] == "bfloat16"
