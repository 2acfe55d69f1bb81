"""Before peers are joined: readers only. Afterwards: whatever the exchange says, with nothing missed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cachefs.sharing import Want
from cachefs.types import BlobId, BlobKey
from mows.late_exchange import LateExchange

KEY = BlobKey("oss://b/x", "v", 100, 10)
BLOB = KEY.blob_id


@dataclass
class Calls:
    """An exchange that notes what it is called with, and answers the same each time."""

    made: list[tuple[Any, ...]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            self.made.append((name, *arguments))
            return {"assign": [], "late": [], "origin": 0b1000}.get(name)

        return call


def test_alone_only_what_readers_wait_for_comes_from_the_origin() -> None:
    late = LateExchange()
    assert late.origin(BLOB, 0b1111, 0b0010, 0.0) == 0b0010
    assert late.assign([], 5, 0.0) == []
    assert late.late(5, 0.0) == []
    assert late.next_change(0.0) is None
    late.landed(BLOB, 1)
    late.lost(BLOB)


def test_joining_tells_what_was_missed_and_wakes_the_fetcher() -> None:
    late, exchange, woken = LateExchange(), Calls(), []
    late.attach(lambda: woken.append(True))
    late.demand({KEY: Want.ALL})
    late.origin_started(BLOB, range(2))
    late.origin_started(BLOB, range(5, 6))
    late.origin_ended(BLOB, range(2), range(2), 0.1)
    late.join(exchange, {BLOB: 3}.__getitem__)
    assert exchange.made[1:] == [("demand", {KEY: Want.ALL}), ("origin_started", BLOB, range(5, 6))]
    assert exchange.made[0][0] == "attach"
    assert woken == [True]


def test_joined_it_is_the_exchange() -> None:
    late, exchange = LateExchange(), Calls()
    late.join(exchange, {BLOB: 3}.__getitem__)
    exchange.made.clear()
    assert late.origin(BLOB, 0b1111, 0, 1.0) == 0b1000
    late.demand({})
    late.assign([], 1, 1.0)
    late.late(1, 1.0)
    late.origin_started(BlobId("b"), range(1))
    late.origin_ended(BlobId("b"), range(1), range(1), 0.5)
    late.landed(BLOB, 3)
    late.lost(BLOB)
    late.next_change(1.0)
    late.ended(None, None, 0, 0.1)  # type: ignore[arg-type] # the twin looks at none of it
    names = [name for name, *_ in exchange.made]
    assert names == [
        "origin", "demand", "assign", "late", "origin_started", "origin_ended", "landed", "lost", "next_change", "ended"
    ]  # fmt: skip


def test_copies_are_unknown_until_somebody_can_be_asked() -> None:
    late = LateExchange()
    assert late.copies(BLOB) == 0
    late.join(Calls(), {BLOB: 3}.__getitem__)
    assert late.copies(BLOB) == 3
