"""What of a blob is here, without keeping it from being evicted."""

from __future__ import annotations

from peer.exchange.stock import stock
from tests.unit.peer.exchange.kit import BLOB, COUNT, KEY, Shelf


def test_it_says_what_is_here_and_gives_the_blob_back() -> None:
    shelf = Shelf()
    shelf.have[KEY] = 0b101
    assert stock(shelf, BLOB) == (COUNT, 0b101)
    assert shelf.lent == 0


def test_of_what_is_not_in_the_store_nothing_is_here() -> None:
    assert stock(Shelf(), BLOB) == (0, 0)
