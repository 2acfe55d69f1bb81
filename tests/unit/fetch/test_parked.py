"""No wake-up is lost, and no read has two owners: every interleaving of one parking and one landing, forced."""

from __future__ import annotations

from collections.abc import Callable

from cachefs.fetch.parked import ParkedRead, Parking, ParkingLot
from cachefs.types import ByteRange
from tests.unit.fetch.kit import CHUNK, Reply, client


def read(start: int = 0, stop: int = 1, expires_at: float = 100.0) -> ParkedRead:
    """A read of the chunks [start, stop)."""
    return ParkedRead(ByteRange(start * CHUNK, stop * CHUNK), client(), Reply(), 0.0, expires_at)


class Chunks:
    """Which chunks are here. `before_look[n]` happens just before the n-th look."""

    def __init__(self) -> None:
        self.here: set[int] = set()
        self.looks = 0
        self.before_look: dict[int, Callable[[], None]] = {}

    def missing(self, parked: ParkedRead) -> int | None:
        self.looks += 1
        self.before_look.pop(self.looks, lambda: None)()
        wanted = range(parked.span.start // CHUNK, -(-parked.span.stop // CHUNK))
        return next((chunk for chunk in wanted if chunk not in self.here), None)


def test_nothing_missing_is_ready() -> None:
    chunks = Chunks()
    chunks.here = {0}
    assert ParkingLot(chunks.missing).park(read()) is Parking.READY


def test_whoever_lands_the_chunk_gets_the_read() -> None:
    chunks = Chunks()
    lot = ParkingLot(chunks.missing)
    one = read()
    assert lot.park(one) is Parking.PARKED
    chunks.here.add(0)
    assert lot.landed(0) == ([one], [])
    assert lot.landed(0) == ([], [])


def test_a_read_of_two_chunks_waits_for_the_last_one_in_any_order() -> None:
    for order in ((0, 1), (1, 0)):
        chunks = Chunks()
        lot = ParkingLot(chunks.missing)
        one = read(0, 2)
        lot.park(one)
        chunks.here.add(order[0])
        assert lot.landed(order[0]) == ([], [])
        chunks.here.add(order[1])
        assert lot.landed(order[1]) == ([one], [])


def test_a_chunk_is_awaited_while_a_read_stands_in_line_for_it() -> None:
    chunks = Chunks()
    lot = ParkingLot(chunks.missing)
    assert lot.awaited() == []
    lot.park(read(0, 2))
    lot.park(read(0, 1))
    assert lot.awaited() == [0]
    chunks.here.add(0)
    lot.landed(0)
    assert lot.awaited() == [1], "one at a time"
    lot.close()
    assert lot.awaited() == []


def test_a_chunk_that_lands_before_the_registration_is_seen_by_the_second_check() -> None:
    chunks = Chunks()
    lot = ParkingLot(chunks.missing)

    def land() -> None:
        chunks.here.add(0)
        assert lot.landed(0) == ([], []), "nobody stands in line yet"

    # published and announced after the first look was taken and before the read is registered
    original = chunks.missing

    def missing(parked: ParkedRead) -> int | None:
        found = original(parked)
        if chunks.looks == 1:
            land()
        return found

    lot = ParkingLot(missing)
    assert lot.park(read()) is Parking.READY


def test_a_chunk_that_lands_after_the_registration_belongs_to_the_lander() -> None:
    chunks = Chunks()
    lot = ParkingLot(chunks.missing)
    one = read()
    owned: list[ParkedRead] = []

    def land() -> None:
        chunks.here.add(0)
        owned.extend(lot.landed(0)[0])

    chunks.before_look[2] = land  # the second check finds the chunk, but the read is gone from its line
    assert lot.park(one) is Parking.PARKED
    assert owned == [one]


def test_a_chunk_published_but_not_yet_announced_belongs_to_the_parker() -> None:
    chunks = Chunks()
    lot = ParkingLot(chunks.missing)
    chunks.before_look[2] = lambda: chunks.here.add(0)
    assert lot.park(read()) is Parking.READY
    assert lot.landed(0) == ([], []), "the announcement comes late, and finds nobody"


def test_failures_reach_all_who_wait_for_those_chunks_and_no_others() -> None:
    lot = ParkingLot(Chunks().missing)
    reads = [read(chunk, chunk + 1) for chunk in (0, 0, 1, 2)]
    for one in reads:
        lot.park(one)
    assert lot.take(range(2)) == reads[:3]
    assert lot.reads() == reads[3:]


def test_only_reads_whose_time_is_over_expire() -> None:
    lot = ParkingLot(Chunks().missing)
    early, late = read(expires_at=10.0), read(expires_at=20.0)
    lot.park(early)
    lot.park(late)
    assert lot.take_expired(9.9) == []
    assert lot.take_expired(10.0) == [early]
    assert lot.take_expired(10.0) == []
    assert lot.reads() == [late]


def test_a_closed_lot_gives_up_its_reads_and_takes_no_more() -> None:
    chunks = Chunks()
    lot = ParkingLot(chunks.missing)
    one = read()
    lot.park(one)
    assert lot.close() == [one]
    assert lot.park(read()) is Parking.CLOSED
    chunks.here.add(0)
    assert lot.park(read()) is Parking.READY, "what is here can still be read"


def test_a_read_that_moves_on_in_a_closed_lot_is_handed_back() -> None:
    chunks = Chunks()
    lot = ParkingLot(chunks.missing)
    one = read(0, 2)
    lot.park(one)
    chunks.here.add(0)

    def close() -> None:
        assert lot.close() == [], "the read is on its way from one line to the next"

    chunks.before_look[3] = close
    assert lot.landed(0) == ([], [one])
