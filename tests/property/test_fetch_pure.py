"""What holds for every plan, every limit and every guess, whatever the wishes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from cachefs.fetch.flights import Mark
from cachefs.fetch.limiter import Concurrency, landed, throttled
from cachefs.fetch.planner import Room, Wish, plan, span_length
from cachefs.fetch.readahead import MOST_STREAMS, Pattern, ahead, observe, shares
from cachefs.fetch.retry import Backoff, Health
from cachefs.fetch.span import SpanPlan
from cachefs.types import BlobId, BlobKey, Priority
from tests.unit.fetch.kit import client

BLOBS = [BlobId(digit * 32) for digit in "abc"]
CLIENT = client()
CHUNKS = 24

marks = st.fixed_dictionaries({blob: st.binary(min_size=CHUNKS, max_size=CHUNKS).map(bytes) for blob in BLOBS}).map(
    lambda drawn: {blob: bytes(byte % len(Mark) for byte in row) for blob, row in drawn.items()}
)
spans_of_chunks = st.tuples(st.integers(0, CHUNKS), st.integers(0, CHUNKS)).map(
    lambda pair: range(min(pair), max(pair))
)
rooms = st.builds(
    Room,
    slots=st.integers(0, 6),
    reader_slots=st.integers(0, 3),
    verify_slots=st.integers(0, 3),
    memory_bytes=st.integers(0, 60),
)


def wishes(priority: st.SearchStrategy[Priority]) -> st.SearchStrategy[Wish]:
    return st.builds(
        Wish,
        blob=st.sampled_from(BLOBS),
        chunks=spans_of_chunks,
        priority=priority,
        most_chunks=st.integers(1, 5),
        cost_bytes=st.integers(1, 20),
        client=st.just(CLIENT),
    )


tiers_of = st.lists(st.lists(wishes(st.sampled_from(Priority)), max_size=4), max_size=4)


def cost(spans: Sequence[SpanPlan]) -> int:
    return sum(span.cost_bytes for span in spans)


@given(tiers_of, marks, rooms)
def test_no_chunk_is_started_twice_or_without_being_startable(
    tiers: list[list[Wish]], marked: dict[BlobId, bytes], room: Room
) -> None:
    started = [(span.blob, chunk, span.verify) for span in plan(tiers, marked, room) for chunk in span.chunks]
    assert len({(blob, chunk) for blob, chunk, _ in started}) == len(started)
    for blob, chunk, verify in started:
        assert marked[blob][chunk] == (Mark.VERIFY if verify else Mark.FETCH)


@given(tiers_of, marks, rooms)
def test_no_budget_is_exceeded(tiers: list[list[Wish]], marked: dict[BlobId, bytes], room: Room) -> None:
    spans = plan(tiers, marked, room)
    fetched = [span for span in spans if not span.verify]
    background = [span for span in fetched if span.priority is not Priority.READER]
    assert len(fetched) <= room.slots + room.reader_slots
    assert len(background) <= room.slots
    assert len(spans) - len(fetched) <= room.verify_slots
    assert cost(spans) <= room.memory_bytes
    longest = {wish.most_chunks for tier in tiers for wish in tier}
    assert all(len(span.chunks) <= max(longest) for span in spans)


@given(wishes(st.just(Priority.READER)), tiers_of, marks, rooms)
def test_what_a_reader_waits_for_is_started_as_if_there_were_no_other_wish(
    reader: Wish, others: list[list[Wish]], marked: dict[BlobId, bytes], room: Room
) -> None:
    alone = plan([[reader]], marked, room)
    assert plan([[reader], *others], marked, room)[: len(alone)] == alone


@given(tiers_of, marks)
def test_every_wish_is_fulfilled_in_the_end(tiers: list[list[Wish]], marked: dict[BlobId, bytes]) -> None:
    """As long as what was started lands, and there is room for the costliest span."""
    room = Room(slots=1, reader_slots=0, verify_slots=1, memory_bytes=20)
    left = {blob: bytearray(row) for blob, row in marked.items()}
    while spans := plan(tiers, {blob: bytes(row) for blob, row in left.items()}, room):
        for span in spans:
            left[span.blob][span.chunks.start : span.chunks.stop] = bytes(len(span.chunks))
    wanted = [left[wish.blob][chunk] for tier in tiers for wish in tier for chunk in wish.chunks]
    assert not {Mark.FETCH, Mark.VERIFY} & set(wanted)


@given(st.integers(1, 1 << 30), st.integers(1, 1 << 30), st.integers(0, 10_000), st.integers(0, 100))
def test_a_span_is_at_least_a_chunk_and_no_longer_than_all_that_is_left(
    chunk_bytes: int, span_bytes: int, startable: int, slots: int
) -> None:
    length = span_length(chunk_bytes, span_bytes, startable, slots)
    assert 1 <= length <= max(1, startable)
    assert length == 1 or length * chunk_bytes <= span_bytes


KEY = BlobKey("oss://b/k", "1", 100 * 4096 - 5, 4096)
reads = st.lists(st.tuples(st.integers(0, KEY.size_bytes - 1), st.integers(1, 1 << 20)), min_size=1, max_size=40)


def seen(offsets: Sequence[tuple[int, int]]) -> Pattern:
    pattern = Pattern()
    for offset, size in offsets:
        pattern = observe(pattern, offset, min(offset + size, KEY.size_bytes), header_bytes=4096)
    return pattern


@given(reads, st.booleans(), st.integers(1, 64), st.integers(0, 1 << 20))
def test_windows_stay_inside_the_file(offsets: list[tuple[int, int]], weights: bool, near: int, most: int) -> None:
    pattern = seen(offsets)
    assert len(pattern.streams) <= MOST_STREAMS
    for window in ahead(pattern, KEY, weights=weights, near_chunks=near, most_bytes=most):
        assert 0 <= window.chunks.start <= KEY.chunk_count
        assert window.chunks.stop <= KEY.chunk_count


@given(reads, st.integers(1, 64))
def test_weights_are_wanted_whole_or_not_at_all(offsets: list[tuple[int, int]], near: int) -> None:
    pattern = seen(offsets)
    windows = list(ahead(pattern, KEY, weights=True, near_chunks=near, most_bytes=0))
    wanted = {chunk for window in windows for chunk in window.chunks}
    assert wanted == (set(range(KEY.chunk_count)) if pattern.beyond_header else set())


@given(st.lists(st.integers(0, 1000)), st.integers(0, 3000))
def test_shares_are_heads_of_files_and_use_up_the_allowance(sizes: list[int], most: int) -> None:
    given_bytes = shares(sizes, most)
    assert sum(given_bytes) == min(most, sum(sizes))
    assert all(share <= size for share, size in zip(given_bytes, sizes, strict=True))


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just(landed), st.integers(1, 1 << 30), st.integers(1, 100)),
            st.tuples(st.just(throttled), st.floats(0, 10), st.floats(0, 10)),
        ),
        max_size=200,
    ),
    st.integers(1, 64),
)
def test_the_limit_stays_between_one_and_the_maximum(
    events: list[tuple[Callable[..., Concurrency], float, float]], maximum: int
) -> None:
    state = Concurrency.start(1, maximum, now=0.0)
    closed = state.closed_until
    for number, (event, first, second) in enumerate(events):
        now = number * 0.1
        state = (
            event(state, int(first), int(second), now) if event is landed else event(state, now - first, second, now)
        )
        assert 1 <= state.limit <= maximum
        assert state.closed_until >= closed, "nobody is let in earlier than somebody was told"
        closed = state.closed_until


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_no_pause_is_longer_than_the_cap(attempt: int, jitter: float) -> None:
    assert 0 <= Backoff(0.1, 5.0).delay_seconds(attempt, jitter) <= 5.0


@given(st.lists(st.booleans(), max_size=200))
def test_the_retry_budget_stays_within_bounds_and_success_means_up(events: list[bool]) -> None:
    health = Health.full(10, 0.2)
    for success in events:
        health = health.succeeded() if success else health.failed(1.0, Backoff(0.1, 5.0), 0.5)
        assert 0 <= health.tokens <= 10
        assert not (success and health.down)
        assert health.probe_at <= 1.0 + 5.0
