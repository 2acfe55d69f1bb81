"""Borrowed blobs: opened once for many requests, held few and briefly, and given back exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from cachefs.types import BlobId
from peer.lane.lent import LentBlobs
from tests.unit.peer.lane.world import FileLender


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def lender(tmp_path: Path) -> Iterator[FileLender]:
    lender = FileLender(tmp_path)
    for name in "abcd":
        lender.add(name, 10)
    yield lender
    lender.close()


def references(lender: FileLender) -> list[int]:
    return [blob.references for blob in lender.blobs.values()]


def ids(lender: FileLender) -> list[BlobId]:
    return list(lender.blobs)


def use(lent: LentBlobs, blob_id: BlobId) -> None:
    with lent.borrow(blob_id) as blob:
        assert blob is not None


def test_a_blob_is_lent_once_for_many_uses(lender: FileLender) -> None:
    lent = LentBlobs(lender)
    first = ids(lender)[0]
    with lent.borrow(first) as blob, lent.borrow(first) as again:
        assert blob is again is lender.blobs[first]
    use(lent, first)
    assert (lender.lent, references(lender)) == (1, [1, 0, 0, 0])
    lent.close()
    assert references(lender) == [0, 0, 0, 0]


def test_what_is_not_there_is_none(lender: FileLender) -> None:
    lent = LentBlobs(lender)
    with lent.borrow(BlobId("0" * 32)) as blob:
        assert blob is None
    assert len(lent) == 0


def test_unused_ones_go_after_a_while(lender: FileLender) -> None:
    clock = Clock()
    lent = LentBlobs(lender, seconds=3, clock=clock)
    first, second, *_ = ids(lender)
    with lent.borrow(first):
        use(lent, second)
        clock.now = 3.0
        lent.sweep()
        assert references(lender) == [1, 0, 0, 0]
    lent.sweep()
    assert references(lender) == [1, 0, 0, 0]
    clock.now = 6.0
    lent.sweep()
    assert references(lender) == [0, 0, 0, 0]


def test_the_least_recently_used_goes_when_there_are_too_many(lender: FileLender) -> None:
    clock = Clock()
    lent = LentBlobs(lender, most=2, clock=clock)
    for blob_id in ids(lender)[:3]:
        clock.now += 1
        use(lent, blob_id)
    assert references(lender) == [0, 1, 1, 0]
    lent.close()


def test_what_is_in_use_stays_though_there_are_too_many(lender: FileLender) -> None:
    clock = Clock()
    lent = LentBlobs(lender, most=1, clock=clock)
    with ExitStack() as used:
        for blob_id in ids(lender):
            clock.now += 1
            used.enter_context(lent.borrow(blob_id))
        assert references(lender) == [1, 1, 1, 1]
    assert sum(references(lender)) == 1
    lent.close()


def test_after_close_a_blob_goes_with_its_last_user(lender: FileLender) -> None:
    lent = LentBlobs(lender)
    first, second, *_ = ids(lender)
    with lent.borrow(first):
        lent.close()
        assert references(lender) == [1, 0, 0, 0]
    use(lent, second)
    assert references(lender) == [0, 0, 0, 0]


def test_it_is_given_back_when_its_user_fails(lender: FileLender) -> None:
    lent = LentBlobs(lender)

    def fail() -> None:
        with lent.borrow(ids(lender)[0]):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    lent.close()
    assert references(lender) == [0, 0, 0, 0]


def test_many_threads_leave_nothing_behind(lender: FileLender) -> None:
    lent = LentBlobs(lender, most=1)
    wanted = ids(lender) * 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda blob_id: use(lent, blob_id), wanted))
    assert len(lent) <= 1
    lent.close()
    assert len(lent) == 0
