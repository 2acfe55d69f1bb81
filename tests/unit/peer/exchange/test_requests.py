"""What is on its way, and what two peers were asked for."""

from __future__ import annotations

from peer.exchange import Neighbour
from peer.exchange.requests import Requests
from peer.exchange.transport import RemoteChunk
from tests.unit.peer.exchange.kit import BLOB, KEY, Opener, identity


def neighbour(name: str) -> Neighbour:
    return Neighbour(identity(name), "")


A, B = neighbour("a"), neighbour("b")


def request(chunk: int, of: Neighbour = A, at: float = 0.0, *, raced: bool = False) -> RemoteChunk:
    one = RemoteChunk(Opener(), of, KEY, chunk, at)
    one.raced = raced
    return one


def started(*requests: RemoteChunk) -> Requests:
    book = Requests()
    for one in requests:
        book.started(one)
    return book


def test_requests_are_counted_by_peer_until_they_end() -> None:
    a, b = neighbour("a"), neighbour("b")
    one, two, three = request(0, a), request(1, a), request(2, b)
    book = started(one, two, three)
    assert len(book) == 3
    assert dict(book.by_peer()) == {a.peer_id: 2, b.peer_id: 1}
    assert (a.in_flight, b.in_flight) == (2, 1)
    assert book.of(a.peer_id) == [one, two]
    book.ended(two, 100)
    book.ended(three, 0)
    assert dict(book.by_peer()) == {a.peer_id: 1}
    assert (a.in_flight, b.in_flight) == (1, 0)
    book.ended(one, 100)
    assert len(book) == 0


def test_a_chunk_runs_while_anybody_is_asked_for_it() -> None:
    first, second = request(3, A, raced=True), request(3, B, raced=True)
    book = started(first, second)
    assert book.running(BLOB, 3)
    assert not book.running(BLOB, 4)
    book.ended(first, 0)
    assert book.running(BLOB, 3)
    book.ended(second, 100)
    assert not book.running(BLOB, 3)


def test_what_is_old_and_not_raced_yet_the_oldest_first() -> None:
    old, older = request(0, at=2.0), request(1, at=1.0)
    book = started(older, old, request(2, at=5.0), request(3, at=0.0, raced=True))
    assert book.older_than(5.0) == [older, old]
    assert book.older_than(1.0) == []
    assert book.older_than(float("-inf")) == []


def test_a_chunk_that_two_peers_brought_came_once_too_often() -> None:
    first, second = request(3, A, raced=True), request(3, B, raced=True)
    book = started(first, second)
    book.ended(first, 100)
    book.ended(second, 100)
    assert book.duplicate_bytes == 100


def test_a_race_with_one_winner_brought_nothing_twice() -> None:
    first, second = request(3, A, raced=True), request(3, B, raced=True)
    book = started(first, second)
    book.ended(second, 100)
    book.ended(first, 0)
    assert book.duplicate_bytes == 0


def test_a_race_is_forgotten_when_it_is_over() -> None:
    book = Requests()
    for _ in range(2):
        first, second = request(3, A, raced=True), request(3, B, raced=True)
        book.started(first)
        book.started(second)
        book.ended(first, 100)
        book.ended(second, 0)
    assert book.duplicate_bytes == 0
