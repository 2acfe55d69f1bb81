"""The uplink limit holds for every history of takers."""

from __future__ import annotations

from itertools import accumulate, combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from peer.lane.bucket import Bucket
from peer.lane.uploads import has_room
from peer.settings import PeerLimits

BURST = 1000
RATES = st.floats(1, 1e6)
TAKES = st.lists(st.tuples(st.floats(0, 5), st.integers(1, BURST)), max_size=20)
"""(seconds since the one before, bytes) of each."""


def departures(rate: float, takes: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """When how many bytes leave."""
    bucket, left = Bucket.full(rate, BURST, 0.0), []
    for now, (_, nbytes) in zip(accumulate(pause for pause, _ in takes), takes, strict=True):
        bucket, wait = bucket.take(nbytes, now)
        left.append((now + wait, nbytes))
    return left


@given(RATES, TAKES)
def test_never_more_than_the_rate_and_a_burst_in_any_span_of_time(rate: float, takes: list[tuple[float, int]]) -> None:
    left = departures(rate, takes)
    for first, last in combinations(range(len(left)), 2):
        seconds = left[last][0] - left[first][0]
        nbytes = sum(size for _, size in left[first : last + 1])
        assert nbytes <= rate * seconds + BURST + 0.01


@given(RATES, TAKES)
def test_first_come_first_served(rate: float, takes: list[tuple[float, int]]) -> None:
    times = [time for time, _ in departures(rate, takes)]
    assert all(later >= earlier - 1e-6 for earlier, later in pairwise(times))


@given(RATES, st.lists(st.integers(1, BURST), min_size=1, max_size=20))
def test_who_always_has_something_to_send_gets_the_whole_rate(rate: float, sizes: list[int]) -> None:
    left = departures(rate, [(0.0, size) for size in sizes])
    assert left[-1][0] <= max(0.0, sum(sizes) - BURST) / rate + 1e-6


@given(RATES, st.floats(0, 100), st.floats(0, 100), st.integers(1, BURST))
def test_a_clock_that_goes_back_gives_nothing(rate: float, first: float, second: float, nbytes: int) -> None:
    bucket, _ = Bucket.full(rate, BURST, first).take(BURST, first)
    after, wait = bucket.take(nbytes, min(first, second))
    assert after.tokens == -nbytes
    assert wait > 0


@given(st.integers(0, 20), st.integers(0, 1000), st.integers(1, 1000), st.integers(1, 20), st.integers(1, 1000))
def test_room_is_within_both_budgets_or_there_is_nobody_else(
    running: int, in_flight: int, nbytes: int, slots: int, budget_bytes: int
) -> None:
    limits = PeerLimits(uploads=slots, bytes_in_flight=budget_bytes)
    room = has_room(limits, running, in_flight, nbytes)
    assert room == (running == 0 or (running + 1 <= slots and in_flight + nbytes <= budget_bytes))
