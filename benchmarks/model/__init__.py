"""Models of a real shape with made-up weights: what the demo, the benchmarks and the tests serve and load.

A model is a directory as one downloads it: configuration, tokenizer, index and safetensors shards, with the tensor
names and shapes of a Qwen2.5. Nothing here needs torch, and two GiB take seconds.
Where only the sizes of files matter, `write_files` makes files alone.
"""

from benchmarks.model.architecture import Architecture, TensorSpec, architecture_for
from benchmarks.model.files import write_files
from benchmarks.model.shards import DType
from benchmarks.model.writer import Model, write_model

__all__ = ["Architecture", "DType", "Model", "TensorSpec", "architecture_for", "write_files", "write_model"]
