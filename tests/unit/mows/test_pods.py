"""A pod is gone when the kubelet has removed its directory, and not when nothing can be seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from mows.errors import PodNotFound
from mows.pods import Pods


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    directory = tmp_path / "pods" / "7c1e"
    directory.mkdir(parents=True)
    return directory


def test_it_is_there_until_its_directory_is_removed(tmp_path: Path, pod: Path) -> None:
    pods = Pods(tmp_path)
    pods.check("7c1e")
    assert not pods.is_gone("7c1e")
    pod.rmdir()
    assert pods.is_gone("7c1e")
    with pytest.raises(PodNotFound, match=r"pod 7c1e: .*No such file"):
        pods.check("7c1e")


def test_a_directory_of_the_kubelet_that_is_not_there_says_nothing(tmp_path: Path, pod: Path) -> None:
    pod.rmdir()
    pod.parent.rmdir()
    pods = Pods(tmp_path)
    assert not pods.is_gone("7c1e")
    with pytest.raises(PodNotFound):
        pods.check("7c1e")


def test_nor_does_one_that_cannot_be_looked_into(tmp_path: Path) -> None:
    (tmp_path / "pods").write_text("a file")
    assert not Pods(tmp_path).is_gone("7c1e")
