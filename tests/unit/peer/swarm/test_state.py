"""One swarm: what landed here, and what peers said, kept apart from what they did not say."""

from __future__ import annotations

from dataclasses import replace

from cachefs.sharing import ChunkSet, Want
from cachefs.types import BlobId
from peer.swarm import Swarm
from peer.values import HaveUpdate, PeerId

BLOB = BlobId("ab" * 16)
A, B = PeerId("a@1"), PeerId("b@1")


def swarm(mine: ChunkSet = 0, chunk_count: int = 8) -> Swarm:
    return Swarm(BLOB, chunk_count, mine)


def said(
    have: ChunkSet, *, whole: bool = False, fetching: ChunkSet = 0, want: Want = Want.ALL, chunk_count: int = 8
) -> HaveUpdate:
    return HaveUpdate(blob=BLOB, chunk_count=chunk_count, whole=whole, have=have, fetching=fetching, want=want)


def test_a_chunk_lands_once() -> None:
    one = swarm(mine=0b1)
    assert one.landed(3)
    assert not one.landed(3)
    assert not one.landed(0), "it was here from the start"
    assert one.mine == 0b1001
    assert one.log == [3]


def test_what_landed_is_not_urgent_any_more() -> None:
    one = swarm()
    one.urged = 0b11
    one.landed(0)
    assert one.urged == 0b10


def test_it_is_complete_when_every_chunk_is_here() -> None:
    assert not swarm(mine=0b0111_1111).complete
    one = swarm(mine=0b0111_1111)
    one.landed(7)
    assert one.complete
    assert swarm(chunk_count=0).complete, "an empty blob lacks nothing"


def test_after_a_loss_the_log_begins_anew() -> None:
    one = swarm()
    one.landed(1)
    one.landed(2)
    one.reset(0b10)
    assert one.mine == 0b10
    assert one.log == []
    assert one.landed(2), "it can land again"


def test_what_a_peer_says_first_replaces_and_then_adds() -> None:
    one = swarm()
    one.told(A, said(0b0011, whole=True), now=0.0)
    one.told(A, said(0b0100), now=1.0)
    assert one.view(A).have == 0b0111
    one.told(A, said(0b1000, whole=True), now=2.0)
    assert one.view(A).have == 0b1000
    assert one.view(B).have == 0


def test_what_a_peer_fetches_is_known_with_the_moment_it_was_first_said() -> None:
    one = swarm()
    one.told(A, said(0, fetching=0b011), now=1.0)
    one.told(A, said(0, fetching=0b110), now=2.0)
    view = one.view(A)
    assert view.fetching == 0b110
    assert view.fetching_since == {1: 1.0, 2: 2.0}


def test_another_number_of_chunks_is_not_about_this_blob() -> None:
    one = swarm()
    one.told(A, said(0b1, whole=True, chunk_count=9), now=0.0)
    assert one.view(A).have == 0
    assert one.view(A).want is Want.NONE
    assert one.view(A).told, "it has spoken all the same"


def test_a_peer_that_does_not_know_the_blob_has_nothing_of_it() -> None:
    one = swarm()
    one.told(A, said(0b1, whole=True), now=0.0)
    one.told(A, said(0, whole=True, chunk_count=0, want=Want.NONE), now=1.0)
    assert one.view(A).have == 0
    assert one.view(A).want is Want.NONE


def test_duty_is_shared_with_those_that_want_all_and_miss_some() -> None:
    one = swarm()
    one.wanted_by(A, Want.ALL)
    one.wanted_by(B, Want.PART)
    assert one.wanters() == [A]
    one.told(A, said(one.all, whole=True), now=0.0)
    assert one.wanters() == [], "who has everything needs nothing of the origin"


def test_what_a_peer_turns_out_to_lack_is_cleared_alone() -> None:
    one = swarm()
    one.told(A, said(0b111, whole=True), now=0.0)
    one.lacks(A, 1)
    one.lacks(A, 5)
    assert one.view(A).have == 0b101


def test_who_leaves_is_forgotten() -> None:
    one = swarm()
    one.told(A, said(0b111, whole=True), now=0.0)
    one.told(B, said(0b1, whole=True), now=0.0)
    others = {B: replace(one.view(B))}
    one.left(A)
    assert one.wanters() == [B]
    assert A not in one.peers
    assert one.peers == others
    one.left(A)
    assert one.peers == others, "who is unknown changes nothing"


def test_what_comes_from_the_origin_and_over_a_border_is_told_alike() -> None:
    one = swarm()
    one.fetching[1] = 0.0
    one.importing[4] = 0.0
    one.incoming.add(6)
    assert one.fetching_bits == 0b1_0010
