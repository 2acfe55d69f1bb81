"""Which span of a race is called off, and what becomes of the winner's bytes."""

from __future__ import annotations

from cachefs.fetch.hedges import Hedges
from cachefs.fetch.span import Span, SpanPlan
from cachefs.types import Priority
from tests.unit.fetch.kit import BLOB, client
from tests.unit.fetch.peers_kit import TwinChunk, whole

WON = bytearray(b"the second peer's")


def span(chunks: range, *, of_peer: bool = True) -> Span:
    peer = TwinChunk(BLOB, chunks.start, "a", b"", whole) if of_peer else None
    return Span(SpanPlan(BLOB, chunks, Priority.READER, False, 0, client(), peer), started_at=0.0)


def test_the_first_is_called_off_and_the_second_ones_bytes_are_taken_once() -> None:
    hedges, first, other = Hedges(), span(range(3, 4)), span(range(4, 5))
    hedges.won(BLOB, 3, WON, [other, first])
    assert (first.cancelled, other.cancelled) == (True, False)
    assert hedges.taken(other, landed=False) is None
    assert hedges.taken(first, landed=False) is WON
    assert hedges.taken(first, landed=False) is None


def test_if_the_first_landed_after_all_the_seconds_bytes_are_dropped() -> None:
    hedges, first = Hedges(), span(range(3, 4))
    hedges.won(BLOB, 3, WON, [first])
    assert hedges.taken(first, landed=True) is None
    assert hedges.taken(first, landed=False) is None, "they are gone"


def test_if_the_first_is_over_the_seconds_bytes_are_dropped() -> None:
    hedges = Hedges()
    hedges.won(BLOB, 3, WON, [])
    assert hedges.taken(span(range(3, 4)), landed=False) is None


def test_a_request_to_the_origin_is_not_called_off() -> None:
    """Readers may wait for the rest of it, and its failure would be theirs."""
    hedges, origin = Hedges(), span(range(2, 6), of_peer=False)
    hedges.won(BLOB, 3, WON, [origin])
    assert not origin.cancelled
    assert hedges.taken(origin, landed=False) is None


def test_if_the_first_landed_the_second_is_called_off() -> None:
    hedges, racer, other, origin = Hedges(), span(range(3, 4)), span(range(4, 5)), span(range(2, 6), of_peer=False)
    hedges.lost(BLOB, 3, [other, racer, origin])
    assert (racer.cancelled, other.cancelled, origin.cancelled) == (True, False, False)


def test_what_is_called_off_already_is_left_alone() -> None:
    hedges, first = Hedges(), span(range(3, 4))
    first.cancel()
    hedges.won(BLOB, 3, WON, [first])
    assert hedges.taken(first, landed=False) is None
