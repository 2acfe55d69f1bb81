"""Models of a real shape with made-up weights: what the demo, the benchmarks and the tests serve and load.

A model is a directory as one downloads it: configuration, tokenizer, index and safetensors shards, with the tensor
names and shapes of a Qwen2.5. Nothing here needs torch, and two GiB take seconds.
"""

from benchmarks.model.architecture import Architecture, TensorSpec, architecture_for
from benchmarks.model.shards import DType
from benchmarks.model.writer import Model, write_model

__all__ = ["Architecture", "DType", "Model", "TensorSpec", "architecture_for", "write_model"]
