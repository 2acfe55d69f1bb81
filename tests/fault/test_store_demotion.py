"""A blob is moved to a tier that fails, from one that does, and by a thread: after it, it is whole in one place."""

from __future__ import annotations

import errno
import filecmp
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from cachefs.store import TierSettings
from cachefs.store.demoter import Demoter
from cachefs.store.index import Index, create_index
from cachefs.store.layout import BlobPaths, blob_paths
from cachefs.store.meta import Meta
from cachefs.store.moving import DIRTY_BYTES, PIECE_BYTES, Original, copy_blob
from cachefs.store.oscalls import Calls, Step
from cachefs.store.tier import Tier
from cachefs.store.write_back import finish_writing
from cachefs.types import BlobKey
from tests.unit.store.test_demotion import INFOS, Place
from tests.unit.store.world import BOOT, FailingCalls, blob_id_of, occupied_bytes
from tests.waiting import eventually

P = ParamSpec("P")
R = TypeVar("R")

COPY_STEPS = [
    Step.DIRECTORY,
    Step.DATA_CREATE,
    Step.COPY,
    Step.FLUSH,
    Step.INDEX_CREATE,
    Step.META_WRITE,
    Step.META_RENAME,
    Step.TOUCH,
    Step.DATA_MEASURE,
    Step.PLACE,
]
"""Only so that a broken test fails instead of hanging."""


def filled(root: Path) -> tuple[Place, FailingCalls]:
    """A memory tier that is full, and calls of which none fails yet."""
    calls = FailingCalls()
    place = Place(root, calls=calls)
    place.fill(0, 1, 2, 3)
    return place, calls


def faults(place: Place) -> list[int]:
    return [tier.faults for tier in place.store.statistics().tiers]


@pytest.mark.parametrize("step", COPY_STEPS)
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_takes_nothing_and_harms_nothing(tmp_path: Path, step: Step, error: int) -> None:
    place, calls = filled(tmp_path)
    calls.step, calls.error, calls.times = step, error, 1
    assert not place.store.demote()
    assert place.tiers() == [{0, 1, 2, 3}, set()]
    assert faults(place) == [0, 1]
    assert place.store.statistics().tiers[1].trouble
    assert occupied_bytes(place.paths[1]) == 0
    place.assert_counted()
    assert not place.store.demote()  # it is left alone while it is in trouble
    assert faults(place) == [0, 1]
    place.assert_whole(0, 1, 2, 3)
    place.store.close()


def test_what_cannot_be_removed_above_is_not_moved(tmp_path: Path) -> None:
    place, calls = filled(tmp_path)
    calls.step, calls.times = Step.CONDEMN, 1
    assert not place.store.demote()
    assert place.tiers() == [{0, 1, 2, 3}, set()]
    assert faults(place) == [1, 0]
    place.assert_counted()
    place.assert_whole(0, 1, 2, 3)
    place.store.close()


@pytest.mark.parametrize("step", [Step.DATA_OPEN, Step.INDEX_OPEN])
def test_what_cannot_be_read_stays(tmp_path: Path, step: Step) -> None:
    place, calls = filled(tmp_path)
    calls.step, calls.times = step, 1
    assert not place.store.demote()
    assert place.tiers() == [{0, 1, 2, 3}, set()]
    assert faults(place) == [1, 0]
    place.store.close()


def test_a_tier_above_that_does_not_say_how_full_it_is_keeps_everything(tmp_path: Path) -> None:
    place, calls = filled(tmp_path)
    calls.step, calls.times = Step.FREE_SPACE, 1
    assert not place.store.demote()
    assert faults(place) == [1, 0]
    place.store.close()


def test_damage_is_found_and_dropped_and_the_next_one_moves(tmp_path: Path) -> None:
    place, _ = filled(tmp_path)
    os.truncate(blob_paths(place.paths[0], blob_id_of(INFOS[0])).index, 10)
    assert not place.store.demote()
    assert place.store.statistics().dropped_blobs == 1
    assert place.tiers() == [{1, 2, 3}, set()]
    place.assert_counted()
    place.store.close()


def test_data_that_ends_early_is_not_moved(tmp_path: Path) -> None:
    place, _ = filled(tmp_path)
    os.truncate(blob_paths(place.paths[0], blob_id_of(INFOS[0])).data, 10)
    assert not place.store.demote()
    assert place.tiers()[1] == set()
    assert occupied_bytes(place.paths[1]) == 0
    place.store.close()


def test_a_directory_that_is_in_the_way_is_left_to_the_next_look(tmp_path: Path) -> None:
    place, _ = filled(tmp_path)
    in_the_way = blob_paths(place.paths[1], blob_id_of(INFOS[0])).directory
    in_the_way.mkdir(parents=True)
    assert place.store.demote()
    assert place.tiers()[1] == {1}
    in_the_way.rmdir()
    place.store.close()


class Pieces(Calls):
    """What is copied and flushed of a large file, and how much of it was dirty at most."""

    def __init__(self) -> None:
        self.written = 0
        self.clean = 0
        self.dirty_bytes = 0

    def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        result = call(*args, **kwargs)
        if step is Step.COPY:
            assert isinstance(result, int)
            self.written += result
            self.dirty_bytes = max(self.dirty_bytes, self.written - self.clean)
        elif step is Step.FLUSH and call is finish_writing:
            _, start, length = args
            assert isinstance(start, int)
            assert isinstance(length, int)
            self.clean = max(self.clean, start + length)
        return result


def test_a_large_blob_never_has_more_than_the_bound_to_be_written(tmp_path: Path) -> None:
    size = 3 * PIECE_BYTES + 12345
    source = BlobPaths(tmp_path / "source")
    source.directory.mkdir()
    with source.data.open("wb") as file:
        file.write(os.urandom(1 << 20))
        file.truncate(size)
    key = BlobKey("memory://bucket/large", "1", size, PIECE_BYTES)
    index_file = tmp_path / "index"
    calls = Pieces()
    with index_file.open("w+b") as file:
        create_index(calls, file.fileno(), key)
        index = Index.load(calls, file.fileno(), key)
    target = Tier(TierSettings(tmp_path / "tier", 2 * size), calls)
    copy = copy_blob(calls, Original(source, Meta(key, BOOT, None), index, 1.0), target, lambda: True)
    assert copy is not None
    assert filecmp.cmp(source.data, copy.data, shallow=False)
    assert PIECE_BYTES < calls.dirty_bytes <= DIRTY_BYTES
    assert calls.clean == calls.written == size
    target.close()


def test_a_thread_moves_what_is_cold_and_ends_with_its_owner(tmp_path: Path) -> None:
    place, _ = filled(tmp_path)
    with Demoter(place.store, look_seconds=0.001):
        eventually(lambda: place.store.statistics().demotions > 0, "a blob was moved")
    assert place.tiers()[1] >= {0}
    place.assert_counted()
    place.store.close()
