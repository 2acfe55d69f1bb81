"""The shape of a model: which tensors a Qwen2.5 of given widths has, and what its config.json says. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

WEIGHT_BYTES = 2
"""Every weight is a 16-bit float, bfloat16 or float16."""

FEWEST_LAYERS = 2


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name and shape of one tensor of 16-bit numbers."""

    name: str
    shape: tuple[int, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of its data in a file."""
        return math.prod(self.shape) * WEIGHT_BYTES


@dataclass(frozen=True, slots=True)
class Architecture:
    """The widths and the depth of a decoder with grouped-query attention and tied embeddings."""

    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    vocabulary: int
    layers: int = FEWEST_LAYERS

    def tensors(self) -> Iterator[TensorSpec]:
        """All tensors in the order in which checkpoints store them."""
        yield TensorSpec("model.embed_tokens.weight", (self.vocabulary, self.hidden))
        for layer in range(self.layers):
            yield from self._layer(f"model.layers.{layer}")
        yield TensorSpec("model.norm.weight", (self.hidden,))

    def _layer(self, name: str) -> Iterator[TensorSpec]:
        narrow = self.hidden // self.heads * self.key_value_heads
        yield TensorSpec(f"{name}.input_layernorm.weight", (self.hidden,))
        for projection, width in (("q_proj", self.hidden), ("k_proj", narrow), ("v_proj", narrow)):
            yield TensorSpec(f"{name}.self_attn.{projection}.bias", (width,))
            yield TensorSpec(f"{name}.self_attn.{projection}.weight", (width, self.hidden))
        yield TensorSpec(f"{name}.self_attn.o_proj.weight", (self.hidden, self.hidden))
        yield TensorSpec(f"{name}.post_attention_layernorm.weight", (self.hidden,))
        yield TensorSpec(f"{name}.mlp.gate_proj.weight", (self.intermediate, self.hidden))
        yield TensorSpec(f"{name}.mlp.up_proj.weight", (self.intermediate, self.hidden))
        yield TensorSpec(f"{name}.mlp.down_proj.weight", (self.hidden, self.intermediate))

    @property
    def size_bytes(self) -> int:
        """Bytes of all tensors together."""
        return sum(tensor.size_bytes for tensor in self.tensors())

    def config(self, torch_dtype: str) -> dict[str, object]:
        """What config.json holds; `torch_dtype` is ``float16`` or ``bfloat16``."""
        return {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "torch_dtype": torch_dtype,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_value_heads,
            "vocab_size": self.vocabulary,
            "hidden_act": "silu",
            "attention_dropout": 0.0,
            "initializer_range": 0.02,
            "max_position_embeddings": 32768,
            "max_window_layers": self.layers,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000.0,
            "sliding_window": 32768,
            "use_sliding_window": False,
            "tie_word_embeddings": True,
            "use_cache": True,
            "bos_token_id": 0,
            "eos_token_id": 0,
        }


FAMILY = (
    Architecture(hidden=1536, intermediate=8960, heads=12, key_value_heads=2, vocabulary=151936, layers=16),
    Architecture(hidden=896, intermediate=4864, heads=14, key_value_heads=2, vocabulary=151936, layers=8),
    Architecture(hidden=512, intermediate=1408, heads=8, key_value_heads=2, vocabulary=32000, layers=6),
    Architecture(hidden=256, intermediate=688, heads=4, key_value_heads=2, vocabulary=8192, layers=4),
    Architecture(hidden=64, intermediate=176, heads=4, key_value_heads=2, vocabulary=1024, layers=FEWEST_LAYERS),
)
"""The widths of Qwen2.5-1.5B and -0.5B, and smaller ones for tests; `layers` is the least depth each is used with."""


def architecture_for(size_bytes: int) -> Architecture:
    """The widest member of the family that fits, as deep as comes nearest to `size_bytes`.

    2 GiB give 18 layers of Qwen2.5-1.5B's widths (2.00 GiB). The smallest model there is has half a MiB.
    """
    widths = next((member for member in FAMILY if member.size_bytes <= size_bytes), FAMILY[-1])
    one_layer = replace(widths, layers=1).size_bytes - replace(widths, layers=0).size_bytes
    depth = round((size_bytes - replace(widths, layers=0).size_bytes) / one_layer)
    return replace(widths, layers=max(FEWEST_LAYERS, depth))
