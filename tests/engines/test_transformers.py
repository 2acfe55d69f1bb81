"""Load a model as its users do: `from_pretrained` on a mount, compared with the same call on the source directory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from benchmarks.model import Model, write_model
from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.oss import OssProcess

SIZE_BYTES = 24 * 1024**2
TEXT = "Weights, served.\n\tÜber-Straße 東京 🚀"


@dataclass(frozen=True)
class Mounted:
    """A model, and a mount of it that nobody has read yet."""

    model: Model
    target: Path


@pytest.fixture(scope="module", autouse=True)
def no_progress_bars() -> Iterator[None]:
    """A progress bar starts a thread that stays."""
    logging.disable_progress_bar()
    yield
    logging.enable_progress_bar()


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    root = tmp_path_factory.mktemp("engines")
    model = write_model(root / "model", size_bytes=SIZE_BYTES, shards=3, dtype="BF16")
    with OssProcess(root / "oss") as server:
        server.wait_ready()
        source = server.put_tree("model", model.directory)
        with Daemon(DaemonSettings(root / "node", 4 * SIZE_BYTES, server.origin())) as daemon:
            daemon.wait_ready()
            yield Mounted(model, daemon.mount("model", source))


@pytest.mark.parametrize("how", ["cold", "warm"])
def test_automodel_has_the_same_weights_from_the_mount(mounted: Mounted, how: str) -> None:
    ours = AutoModel.from_pretrained(mounted.target).state_dict()
    theirs = AutoModel.from_pretrained(mounted.model.directory).state_dict()
    assert ours.keys() == theirs.keys()
    assert len(ours) == len(mounted.model.digests), how
    for name, weights in theirs.items():
        assert weights.dtype is torch.bfloat16
        assert torch.equal(ours[name].view(torch.int16), weights.view(torch.int16)), (how, name)


def test_the_weights_are_those_that_were_written(mounted: Mounted) -> None:
    weights = AutoModel.from_pretrained(mounted.target).state_dict()
    shapes = {tensor.name.removeprefix("model."): tensor.shape for tensor in mounted.model.architecture.tensors()}
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == shapes


def test_the_tokenizer_from_the_mount_gives_the_text_back(mounted: Mounted) -> None:
    tokenizer = AutoTokenizer.from_pretrained(mounted.target)
    tokens = tokenizer(TEXT)["input_ids"]
    assert len(tokens) == len(TEXT.encode())
    assert tokenizer.decode(tokens) == TEXT


def test_a_model_from_the_mount_generates_what_the_source_generates(mounted: Mounted) -> None:
    prompt = torch.tensor([[ord("M") + 1, ord("o") + 1]])
    ours, theirs = (
        AutoModelForCausalLM.from_pretrained(directory).generate(prompt, max_new_tokens=8, do_sample=False)
        for directory in (mounted.target, mounted.model.directory)
    )
    assert torch.equal(ours, theirs)
