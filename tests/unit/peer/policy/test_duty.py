"""Origin duty: DESIGN section 9, rules 5 and 7, one by one."""

from __future__ import annotations

from dataclasses import replace

from cachefs import bitset
from cachefs.types import BlobId
from peer.policy.duty import (
    SMALL_SWARM,
    SWARM_REQUESTS,
    WINDOW_CHUNKS,
    Duty,
    DutyTable,
    OriginView,
    duty,
    origin_now,
    quota,
    scores,
)
from peer.values import PeerId

CHUNKS = 1024
BLOB = BlobId("b" * 32)
ALL = bitset.span(0, CHUNKS)
EVEN = bitset.of(range(0, CHUNKS, 2))
ODD = ALL ^ EVEN


def view(**changes: object) -> OriginView:
    """A node among eight that owns the even chunks and is second for the odd ones. Nothing has begun."""
    base = OriginView(
        missing=ALL,
        held=0,
        fetching=0,
        late=0,
        duty=Duty(first=EVEN, second=ODD),
        urgent=0,
        running=0,
        nodes=8,
        relief=False,
        swarm_missing=ALL,
    )
    return replace(base, **changes)  # type: ignore[arg-type]  # the names and types are those of OriginView


def asked(**changes: object) -> list[int]:
    return list(bitset.each(origin_now(view(**changes))))


def test_scores_are_the_same_everywhere_and_for_ever() -> None:
    """Nodes of two versions must name the same owner, so the numbers are pinned."""
    assert scores(PeerId("a@1"), BlobId("f" * 32), 3) == (4222373504, 1920799735, 1840961560)


def alone(**changes: object) -> OriginView:
    return replace(view(nodes=1, duty=Duty(first=ALL, second=0)), **changes)  # type: ignore[arg-type]  # as in `view`


def test_a_node_alone_owns_everything_and_keeps_to_quota_and_window_all_the_same() -> None:
    """Whoever joins it a moment later shares in what it has not asked for yet."""
    assert duty(PeerId("a@1"), [PeerId("a@1")], BlobId("b"), CHUNKS) == Duty(first=ALL, second=0)
    assert origin_now(alone()) == bitset.span(0, SWARM_REQUESTS)
    assert origin_now(alone(running=SWARM_REQUESTS)) == 0
    assert origin_now(alone(missing=bitset.span(WINDOW_CHUNKS, CHUNKS))) == 0


def test_a_node_alone_leaves_to_its_peers_what_they_hold_or_get() -> None:
    """A joiner among nodes that have it all wants it alone, and the origin may be gone."""
    few = alone(held=0b0011, fetching=0b0100, missing=0b1111)
    assert origin_now(few) == 0b1000
    assert origin_now(replace(few, relief=True)) == 0b1011


def test_an_empty_blob_has_no_owners() -> None:
    nodes = [PeerId("a@1"), PeerId("b@1")]
    assert duty(nodes[0], nodes, BlobId("b"), 0) == Duty(first=0, second=0)


def test_a_table_ranks_its_node_for_each_chunk_among_those_of_the_last_call() -> None:
    me, *others = [PeerId(f"{name}@1") for name in "abcde"]
    table = DutyTable(me, BLOB, CHUNKS)
    for among in (others, others[:2], []):
        mine = table.duty([me, *among])
        bids = {node: scores(node, BLOB, CHUNKS) for node in [me, *among]}
        ranks = [sum((bids[one][chunk], one) > (bids[me][chunk], me) for one in among) for chunk in range(CHUNKS)]
        assert [table.rank(chunk) for chunk in range(CHUNKS)] == ranks
        assert bitset.of(chunk for chunk in range(CHUNKS) if ranks[chunk] == 0) == mine.first
        assert bitset.of(chunk for chunk in range(CHUNKS) if ranks[chunk] == 1) == mine.second


def test_the_quota_is_32_requests_for_all_and_at_least_one_each() -> None:
    assert [quota(nodes) for nodes in (1, 2, 8, 10, 32, 33, 1000)] == [32, 16, 4, 4, 1, 1, 1]


def test_an_owner_takes_its_chunks_in_index_order() -> None:
    assert asked() == [0, 2, 4, 6]


def test_what_runs_counts_against_the_quota() -> None:
    assert asked(running=2) == [0, 2]
    assert asked(running=4) == asked(running=20) == []


def test_what_a_peer_holds_or_fetches_is_not_asked_for() -> None:
    assert asked(held=bitset.of([0, 4]), fetching=bitset.of([2, 6]), running=2) == [8, 10]


def test_an_owner_stays_inside_the_window_of_what_the_swarm_misses() -> None:
    beyond = bitset.span(WINDOW_CHUNKS, CHUNKS)
    assert asked(missing=beyond) == []
    assert asked(missing=beyond, swarm_missing=beyond, running=3) == [WINDOW_CHUNKS]


def test_what_a_reader_waits_for_comes_first_wherever_it_lies() -> None:
    assert asked(urgent=bitset.of([1000]), running=2) == [0, 1000]


def test_what_a_reader_waits_for_is_its_owners_to_fetch() -> None:
    """The reader asks the owner, who reads through: two readers of one chunk cost one request."""
    assert 1001 not in asked(urgent=bitset.of([1001]))


def test_late_chunks_come_before_ones_own() -> None:
    assert asked(late=bitset.of([501, 503]), running=2) == [501, 503]


def test_a_late_chunk_of_others_is_left_to_its_second_ranked() -> None:
    assert asked(duty=Duty(first=0, second=0), late=ALL) == []


def test_an_overdue_chunk_is_anybodys() -> None:
    assert asked(duty=Duty(first=0, second=0), overdue=bitset.of([7])) == [7]


def test_an_idle_node_in_a_small_swarm_helps_from_the_far_end() -> None:
    assert asked(duty=Duty(first=0, second=ODD), waiting=ALL) == [WINDOW_CHUNKS - 1]


def test_it_helps_with_nothing_its_owner_may_be_about_to_begin() -> None:
    assert asked(duty=Duty(first=0, second=ODD)) == []


def test_it_helps_only_when_idle_and_in_a_small_swarm() -> None:
    second = Duty(first=0, second=ODD)
    assert asked(duty=second, waiting=ALL, running=1) == []
    assert asked(duty=second, waiting=ALL, nodes=SMALL_SWARM + 1) == []
    assert asked(waiting=ALL) == [0, 2, 4, 6]


def test_relief_asks_for_what_peers_hold_within_the_quota() -> None:
    assert asked(held=ALL) == []
    assert asked(held=ALL, relief=True, urgent=bitset.of([800]), running=1) == [0, 1, 800]


def test_relief_does_not_double_what_a_peer_gets_from_the_origin() -> None:
    assert asked(held=ALL, relief=True, fetching=bitset.span(0, 100), running=3) == [100]


def test_relief_begins_with_what_not_everybody_takes() -> None:
    mine = Duty(first=bitset.of([40]), second=bitset.of([30]))
    assert asked(held=ALL, relief=True, duty=mine, running=1) == [0, 30, 40]
