"""Where the seconds went: they add up, and the largest share bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachefs.fuse.read_times import LoadTimes
from cachefs.fuse.statistics import FuseStatistics
from cachefs.ports import Waited
from mows.causes import Cause
from mows.explain import KERNEL_ALONE, NOT_MOUNTED, NOT_READ, SENTENCES, explain
from mows.mount_state import MountState
from mows.progress import ByteCounts

COUNTS = ByteCounts(100, 50, 20, 30)
SECONDS = st.floats(0.0, 1000.0)


def _fuse(load: LoadTimes, *, passthrough_opens: int = 0) -> FuseStatistics:
    return FuseStatistics({}, 1, 4096, 0, 1, passthrough_opens, load)


@pytest.mark.parametrize(
    ("bound_by", "load"),
    [
        (Cause.ORIGIN, LoadTimes(10.0, 9.0, 9.0, Waited(origin=8.0))),
        (Cause.PEERS, LoadTimes(10.0, 9.0, 9.0, Waited(peers=8.0))),
        (Cause.DISK, LoadTimes(10.0, 9.0, 9.0, Waited(disk=3.0, origin=4.0), 2.0)),
        (Cause.FUSE, LoadTimes(10.0, 9.0, 9.0)),
        (Cause.WAITING, LoadTimes(10.0, 9.0, 9.0, Waited(queued=8.0))),
        (Cause.READER, LoadTimes(10.0, 2.0, 2.0, Waited(origin=2.0))),
    ],
)
def test_the_largest_share_bounds(bound_by: Cause, load: LoadTimes) -> None:
    found = explain(MountState.MOUNTED, COUNTS, _fuse(load))
    assert found.bound_by is bound_by
    assert f"{found.seconds[bound_by] / 10:.0%}" in found.sentence
    assert found.bytes is COUNTS
    assert found.delivered_bytes == 4096


def test_reads_that_waited_at_the_same_time_share_the_time() -> None:
    """Four reads, each in hand for the whole ten seconds: three waited for the origin, one for a peer."""
    found = explain(MountState.WARMING, COUNTS, _fuse(LoadTimes(10.0, 10.0, 40.0, Waited(origin=30.0, peers=10.0))))
    assert found.seconds == pytest.approx(
        {Cause.ORIGIN: 7.5, Cause.PEERS: 2.5, Cause.DISK: 0, Cause.FUSE: 0, Cause.WAITING: 0, Cause.READER: 0}
    )
    assert found.sentence.startswith("The origin bound it: for 75% of the time")


WAITED = st.builds(Waited, SECONDS, SECONDS, SECONDS, SECONDS)


@given(busy=SECONDS, own=SECONDS, waited=WAITED, file=SECONDS, fuse=SECONDS)
def test_the_seconds_make_up_the_load(*, busy: float, own: float, waited: Waited, file: float, fuse: float) -> None:
    load = LoadTimes(busy + own, busy, waited.total + file + fuse, waited, file)
    found = explain(MountState.MOUNTED, COUNTS, _fuse(load))
    if found.bound_by is not None:
        assert sum(found.seconds.values()) == pytest.approx(load.elapsed_seconds)
        assert min(found.seconds.values()) >= -1e-6
        assert set(found.seconds) == set(Cause)


@pytest.mark.parametrize(
    ("state", "fuse", "sentence"),
    [
        (MountState.MOUNTED, _fuse(LoadTimes()), NOT_READ),
        (MountState.WARM, _fuse(LoadTimes(), passthrough_opens=3), KERNEL_ALONE),
        (MountState.MOUNTING, None, NOT_MOUNTED),
        (MountState.FAILED, None, NOT_MOUNTED),
    ],
)
def test_without_a_load_nothing_bounds_it(state: MountState, fuse: FuseStatistics | None, sentence: str) -> None:
    found = explain(state, COUNTS, fuse)
    assert (found.bound_by, found.sentence, set(found.seconds.values())) == (None, sentence, {0.0})


def test_every_cause_has_a_sentence_with_its_share() -> None:
    assert set(SENTENCES) == set(Cause)
    assert all("{share}" in sentence for sentence in SENTENCES.values())
