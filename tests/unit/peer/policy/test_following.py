"""Whom to follow: enough, mostly near, never only near, and no change without a reason."""

from __future__ import annotations

import random

from peer.policy.following import choose_followed
from peer.values import Identity


def member(number: int, zone: str = "z1") -> Identity:
    return Identity(
        node_id=f"n{number}", boot_id="0" * 16, address=f"h{number}:1", lane_port=2, zone=zone, chunk_bytes=1
    )


NEAR = [member(number) for number in range(100)]
FAR = [member(number, "z2") for number in range(100, 200)]


def zones(chosen: list[Identity]) -> tuple[int, int]:
    near = sum(identity.zone == "z1" for identity in chosen)
    return near, len(chosen) - near


def test_a_small_swarm_is_followed_wholly() -> None:
    chosen = choose_followed("z1", NEAR[:5] + FAR[:5], 64, random.Random(1))
    assert {identity.node_id for identity in chosen} == {identity.node_id for identity in NEAR[:5] + FAR[:5]}


def test_a_large_one_mostly_nearby_and_a_quarter_elsewhere() -> None:
    assert zones(choose_followed("z1", NEAR + FAR, 64, random.Random(1))) == (48, 16)


def test_each_side_takes_what_the_other_leaves() -> None:
    assert zones(choose_followed("z1", NEAR[:3] + FAR, 64, random.Random(1))) == (3, 61)
    assert zones(choose_followed("z1", NEAR + FAR[:2], 64, random.Random(1))) == (62, 2)


def test_small_limits() -> None:
    assert [zones(choose_followed("z1", NEAR + FAR, limit, random.Random(1))) for limit in range(4)] == [
        (0, 0),
        (1, 0),
        (1, 1),
        (2, 1),
    ]


def test_nodes_choose_differently() -> None:
    one, other = (
        {identity.node_id for identity in choose_followed("z1", NEAR, 16, random.Random(seed))} for seed in (1, 2)
    )
    assert one != other


def test_links_stay_when_others_join_and_when_some_leave() -> None:
    before = choose_followed("z1", NEAR[:80] + FAR[:80], 64, random.Random(1))
    followed = {identity.peer_id for identity in before}
    grown = choose_followed("z1", NEAR + FAR, 64, random.Random(2), followed=followed)
    assert {identity.peer_id for identity in grown} == followed
    gone = {identity.peer_id for identity in before[:10]}
    left = [identity for identity in NEAR + FAR if identity.peer_id not in gone]
    after = {identity.peer_id for identity in choose_followed("z1", left, 64, random.Random(3), followed=followed)}
    assert followed - gone < after
    assert len(after) == 64
