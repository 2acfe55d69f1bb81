"""Duties computed for all nodes at once are those that each node computes for itself."""

from __future__ import annotations

from benchmarks.simulate.duties import Duties
from cachefs.types import BlobId
from peer.policy.duty import duty
from peer.values import PeerId

BLOB = BlobId("0123456789abcdef0123456789abcdef")
NODES = [PeerId(f"n{number}@0") for number in range(7)]


def test_everybody_gets_what_it_works_out_itself() -> None:
    duties = Duties(BLOB, 300).among(NODES)
    assert duties == {node: duty(node, NODES, BLOB, 300) for node in NODES}


def test_members_that_leave_give_their_duty_to_the_rest() -> None:
    duties = Duties(BLOB, 300)
    duties.among(NODES)
    assert duties.among(NODES[2:]) == {node: duty(node, NODES[2:], BLOB, 300) for node in NODES[2:]}


def test_a_node_alone_has_it_all() -> None:
    assert Duties(BLOB, 9).among(NODES[:1]) == {NODES[0]: duty(NODES[0], NODES[:1], BLOB, 9)}
