"""Loading a model, in this process and in processes of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.load import Loader, load, load_at_once
from benchmarks.model import Model, write_model
from benchmarks.node.processes import ChildFailed


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return write_model(tmp_path_factory.mktemp("model"), size_bytes=2**20, shards=3)


def test_load_reads_every_tensor(model: Model) -> None:
    loaded = load(model.directory)
    assert loaded.digests == model.digests
    assert loaded.size_bytes == model.architecture.size_bytes
    assert loaded.seconds > 0


def test_loaders_load_at_once_in_processes_of_their_own(model: Model, tmp_path: Path) -> None:
    with Loader("one", model.directory, tmp_path) as one, Loader("two", model.directory, tmp_path) as two:
        assert one.pid != two.pid
        seconds, loads = load_at_once([one, two])
    assert [loaded.digests for loaded in loads] == [model.digests] * 2
    assert seconds >= max(loaded.seconds for loaded in loads)


def test_a_model_that_cannot_be_read_is_said_with_the_reason(tmp_path: Path) -> None:
    with Loader("one", tmp_path / "nothing", tmp_path) as loader, pytest.raises(ChildFailed, match="FileNotFoundError"):
        load_at_once([loader])
