"""Who is there, who was, and who may be asked."""

from __future__ import annotations

from typing import cast

from cachefs.errors import PeerCorrupt, PeerUnavailable
from peer.exchange import Link, Neighbours
from peer.exchange.neighbours import REMEMBERED
from tests.unit.peer.exchange.kit import identity, update

NEAR, FAR = identity("near", zone="z1"), identity("far", zone="z2")
CONNECTED = cast("Link", object())
"""Only whether there is one is looked at here."""


def met(*, connected: bool = True) -> Neighbours:
    neighbours = Neighbours("z1")
    for neighbour in neighbours.joined([NEAR, FAR]):
        neighbour.link = CONNECTED if connected else None
    return neighbours


def test_who_joins_is_a_member_once() -> None:
    neighbours = met()
    assert neighbours.joined([NEAR]) == []
    assert len(neighbours) == 2
    assert [one.identity for one in neighbours] == [NEAR, FAR]
    assert [one.same_zone for one in neighbours] == [True, False]
    assert neighbours.zone_mates(0.0) == frozenset({NEAR.peer_id})


def test_one_zone_is_no_zone() -> None:
    neighbours = Neighbours("z1")
    neighbours.joined([NEAR])
    assert neighbours.zone_mates(0.0) is None


def test_who_leaves_is_marked_and_remembered() -> None:
    neighbours = met()
    member = neighbours.get(NEAR.peer_id)
    assert member
    assert neighbours.left([NEAR]) == [member]
    assert member.gone
    assert neighbours.get(NEAR.peer_id) is None
    assert neighbours.left([NEAR]) == [], "it is no member any more"
    assert [one.identity.node_id for one in neighbours.ever()] == ["far", "near"]


def test_who_comes_back_is_who_it_was() -> None:
    """As after a partition: it is still in quarantine, and shown once."""
    neighbours = met()
    member = neighbours.get(NEAR.peer_id)
    assert member
    member.failed(PeerCorrupt("wrong"), 10.0, 0.5, 60.0)
    neighbours.left([NEAR])
    assert neighbours.joined([NEAR]) == [member]
    assert NEAR.peer_id not in neighbours.usable(20.0)
    assert sorted(one.identity.node_id for one in neighbours.ever()) == ["far", "near"]
    assert not member.gone


def test_another_run_of_a_node_is_another_neighbour() -> None:
    neighbours = met()
    neighbours.left([NEAR])
    (fresh,) = neighbours.joined([identity("near", zone="z1", boot_id="2")])
    assert fresh.health.usable_at == 0.0
    assert len(neighbours.ever()) == 3


def test_not_all_who_ever_left_are_remembered() -> None:
    neighbours = Neighbours("")
    gone = [identity(f"n{number}") for number in range(REMEMBERED + 5)]
    neighbours.joined(gone)
    neighbours.left(gone)
    ever = [one.identity for one in neighbours.ever()]
    assert ever == gone[:4:-1], "the last one first"


def test_only_who_is_connected_is_asked() -> None:
    assert met(connected=False).usable(0.0) == {}
    assert met(connected=False).trusted(0.0) == {}
    assert met().usable(0.0) == {NEAR.peer_id: True, FAR.peer_id: False}


def test_who_failed_is_not_asked_for_a_while_and_what_it_holds_still_counts() -> None:
    neighbours = met()
    member = neighbours.get(NEAR.peer_id)
    assert member
    member.failed(PeerUnavailable("reset"), 10.0, 0.5, 60.0)
    assert neighbours.usable(10.0) == {FAR.peer_id: False}
    assert neighbours.trusted(10.0) == {NEAR.peer_id: True, FAR.peer_id: False}
    assert neighbours.usable(member.health.usable_at) == {NEAR.peer_id: True, FAR.peer_id: False}


def test_who_sent_wrong_bytes_is_neither_asked_nor_trusted() -> None:
    neighbours = met()
    member = neighbours.get(NEAR.peer_id)
    assert member
    member.failed(PeerCorrupt("wrong"), 10.0, 0.5, 60.0)
    assert neighbours.usable(69.9) == neighbours.trusted(69.9) == {FAR.peer_id: False}
    assert neighbours.zone_mates(69.9) == frozenset()
    assert [neighbours.quarantined(one.peer_id, 69.9) for one in (NEAR, FAR)] == [True, False]
    assert NEAR.peer_id in neighbours.usable(70.0)
    assert not neighbours.quarantined(NEAR.peer_id, 70.0)


def test_who_gets_nothing_from_the_origin_is_idle_since_it_did() -> None:
    neighbours = met()
    near, far = neighbours
    assert neighbours.idle_since() == {}, "nobody has said anything"
    near.told(update(0), 10.0)
    far.told(update(0, fetching=0b1), 10.0)
    assert neighbours.idle_since() == {NEAR.peer_id: 10.0}
    far.told(update(0b1), 12.0)
    assert neighbours.idle_since() == {NEAR.peer_id: 10.0, FAR.peer_id: 12.0}
    neighbours.left([NEAR])
    assert neighbours.idle_since() == {FAR.peer_id: 12.0}
